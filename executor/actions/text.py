"""Typing texts into fields, and keys to the page."""

import asyncio

from automation import is_single_unresolved_placeholder, mentions_empty_input
from automation.actions.text import InputTextAction, KeyPressAction
from executor.actions.targeted import Target, act_on_element
from executor.errors import playwright_errors
from executor.run import Run

_KEY_PAUSE_SECONDS = 0.1

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
    if (reason := _reason_to_skip(text, run)) is not None:
        run.step.skip(reason)
        return

    async def act(target: Target) -> None:
        await _put_in(text or "", action, target, run)
        if action.press_enter:
            await target.locator.press("Enter", timeout=target.timeout_ms)

    await act_on_element(action, run, act)


def _reason_to_skip(text: str | None, run: Run) -> str | None:
    if text is None:
        return "there is no text to type, and no language model is configured to write one"
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
            await target.locator.press_sequentially(text, timeout=target.timeout_ms)
        case "key_press":
            if action.click_before_input:
                await target.locator.click(timeout=target.timeout_ms)
            else:
                await target.locator.focus(timeout=target.timeout_ms)
            for character in text:
                await run.page.keyboard.press(_KEYS.get(character, character))
                await asyncio.sleep(_KEY_PAUSE_SECONDS)


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
