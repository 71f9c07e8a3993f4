"""Typing texts into fields, and keys to the page."""

import asyncio

from playwright.async_api import Keyboard

from automation import is_single_unresolved_placeholder, mentions_empty_input
from automation.actions.text import InputTextAction, KeyPressAction
from executor.actions.targeted import Target, act_on_element
from executor.errors import NEEDS_MODEL, ActionTimeoutError, playwright_errors
from executor.points import Point
from executor.run import Run
from executor.sliders import move_slider

_KEY_PAUSE_SECONDS = 0.1
# A constant function: whether what has the focus, also in a shadow root, is filled by typing. A frame may be.
_TAKES_TEXT = """() => {
  let focused = document.activeElement;
  while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
  return Boolean(focused) && (["INPUT", "TEXTAREA", "IFRAME"].includes(focused.tagName) || focused.isContentEditable);
}"""

# Names of the contract whose key Playwright calls differently.
_KEYS = {
    " ": "Space", "space": "Space", "\t": "Tab", "tab": "Tab", "\n": "Enter", "\r": "Enter",
    "enter": "Enter", "return": "Enter", "esc": "Escape", "escape": "Escape",
    "backspace": "Backspace", "del": "Delete", "delete": "Delete", "insert": "Insert",
    "home": "Home", "end": "End", "pageup": "PageUp", "pgup": "PageUp", "pagedown": "PageDown", "pgdn": "PageDown",
    "up": "ArrowUp", "down": "ArrowDown", "left": "ArrowLeft", "right": "ArrowRight",
    "shift": "Shift", "shiftleft": "ShiftLeft", "shiftright": "ShiftRight",
    "ctrl": "Control", "ctrlleft": "ControlLeft", "ctrlright": "ControlRight",
    "alt": "Alt", "altleft": "AltLeft", "altright": "AltRight",
    "option": "Alt", "optionleft": "AltLeft", "optionright": "AltRight",
    "win": "Meta", "winleft": "MetaLeft", "winright": "MetaRight", "command": "Meta",
    "capslock": "CapsLock", "numlock": "NumLock", "scrolllock": "ScrollLock", "pause": "Pause",
    "print": "PrintScreen", "printscreen": "PrintScreen", "prntscrn": "PrintScreen",
    "prtsc": "PrintScreen", "prtscr": "PrintScreen", "apps": "ContextMenu",
    "add": "NumpadAdd", "subtract": "NumpadSubtract", "multiply": "NumpadMultiply", "divide": "NumpadDivide",
    "decimal": ".", "separator": ",",
    # The digits of the number pad; with their own codes they would be arrows and Home without NumLock.
    **{f"num{digit}": str(digit) for digit in range(10)},
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
}  # fmt: skip


async def input_text(action: InputTextAction, run: Run) -> None:
    """Fill or type a text into the element. A text that has nothing to type (an empty list) skips the step.

    Errors: ElementNotFoundError, ActionTimeoutError.
    Source: https://playwright.dev/python/docs/api/class-locator#locator-fill
    """
    text = action.input_text
    if (reason := _reason_to_skip(action, run)) is not None:
        run.step.skip(reason)
        return

    async def act(target: Target) -> None:
        if action.is_slider:
            run.act_begins()
            await move_slider(target.locator, text or "", timeout_ms=target.timeout_ms)
        else:
            await _put_in(text or "", action, target, run)
        if action.press_enter:
            run.act_begins()
            await target.locator.press("Enter", timeout=target.left_ms)  # once: it may submit

    async def at_point(point: Point) -> None:
        await _put_in_at_point(text or "", action, point, run)

    # Where a slider's number is in the view is not known: its element is looked for, and moved by keys.
    where = None if action.is_slider else at_point
    await act_on_element(action, run, act, at_point=where, only_once=action.press_enter)


def _reason_to_skip(action: InputTextAction, run: Run) -> str | None:
    text = action.input_text
    if text is None:
        return "there is no text to type" + ("" if action.skip_prompt else f"; writing one {NEEDS_MODEL}")
    if is_single_unresolved_placeholder(text):
        return f"{text} has no value"
    written = _text_as_written(run)
    if written is not None and mentions_empty_input(written, run.input_parameters):
        return "the text names an input parameter whose list is empty"
    return None


def _text_as_written(run: Run) -> str | None:
    """The text of the node before its placeholders were filled in: values may look like placeholders, too."""
    interaction = run.node_as_written.interaction_action
    return interaction.input_text.input_text if interaction and interaction.input_text else None


async def _put_in(text: str, action: InputTextAction, target: Target, run: Run) -> None:
    match action.fill_or_type:
        case "fill":
            await target.locator.fill(text, timeout=target.timeout_ms)
        case "type":
            run.act_begins()
            await target.locator.press_sequentially(text, timeout=target.left_ms)  # again would add to it
        case "key_press":
            if action.click_before_input:
                await target.locator.click(timeout=target.left_ms)
            else:
                await target.locator.focus(timeout=target.timeout_ms)
            run.act_begins()
            await _press_each(text, run.page.keyboard)


async def _press_each(text: str, keyboard: Keyboard) -> None:
    for character in text:
        await keyboard.press(_KEYS.get(character, character))
        await asyncio.sleep(_KEY_PAUSE_SECONDS)


async def _put_in_at_point(text: str, action: InputTextAction, point: Point, run: Run) -> None:
    """Click there, and give the text to what has the focus then."""
    page = run.page
    await page.mouse.click(point.x, point.y)
    match action.fill_or_type:
        case "fill":
            if not await page.evaluate(_TAKES_TEXT):
                raise ActionTimeoutError("nothing that takes a text is at this point")
            await page.keyboard.press("ControlOrMeta+a")
            await (page.keyboard.insert_text(text) if text else page.keyboard.press("Delete"))
        case "type":
            await page.keyboard.type(text)
        case "key_press":
            await _press_each(text, page.keyboard)
    if action.press_enter:
        await page.keyboard.press("Enter")


async def key_press(action: KeyPressAction, run: Run) -> None:
    """Press a key on the page; several keys are pressed together, as a chord. No keys: nothing happens.

    Keys that no browser knows (media keys, power keys) are left out, with a warning.
    """
    unknown = [name for name in action.keys if len(name) > 1 and name not in _KEYS]
    if unknown:
        run.step.warn(f"no browser has the key {', '.join(unknown)}; nothing was pressed")
        return
    if not action.keys:
        return
    chord = "+".join(_KEYS.get(name, name) for name in action.keys)
    with playwright_errors(f"press {chord}"):
        await run.page.keyboard.press(chord)
