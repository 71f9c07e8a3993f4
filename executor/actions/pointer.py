"""Clicking, hovering, scrolling."""

import asyncio
from typing import Any

from automation.actions.pointer import ClickElementAction, HoverAction, ScrollAction
from executor.actions.targeted import Target, act_on_element
from executor.downloading import with_download
from executor.errors import playwright_errors
from executor.run import Run

_WHEEL_PIXELS = 2000
_SCROLL_PAUSE_SECONDS = 0.1
_UNCHANGED_TIMES = 3
# A page that grows for ever is scrolled for as long as the task may run; this only ends a loop of ours.
_MAX_WHEEL_TURNS = 10_000

# Constant functions. A box is given as its middle: what lies there, or the nearest scrollable thing around it.
_WINDOW_POSITION = "() => [scrollY, document.documentElement.scrollHeight, innerHeight]"
_BOX_POSITION = """([x, y]) => {
  let element = document.elementFromPoint(x, y);
  while (element && !(element.scrollHeight > element.clientHeight + 1
         && /auto|scroll|overlay/.test(getComputedStyle(element).overflowY))) element = element.parentElement;
  return element ? [element.scrollTop, element.scrollHeight, element.clientHeight] : null;
}"""


async def click_element(action: ClickElementAction, run: Run) -> None:
    """Click (or double-click) the element; a navigation that this begins is not waited for.

    Errors: ElementNotFoundError, ActionTimeoutError (covered, disabled), DownloadMissingError.
    Source: https://playwright.dev/python/docs/api/class-locator#locator-click
    """

    async def act(target: Target) -> None:
        if action.mouse_click:
            await _click_with_mouse(action, run, target)
        elif action.double_click:
            await target.locator.dblclick(force=action.force, timeout=target.timeout_ms)
        else:
            await target.locator.click(button=action.button, force=action.force, timeout=target.timeout_ms)

    await with_download(action, run, act_on_element(action, run, act, only_once=action.expect_download))


async def _click_with_mouse(action: ClickElementAction, run: Run, target: Target) -> None:
    """One click of the raw mouse at the element's top left corner plus the deviation."""
    box = target.box or await target.locator.bounding_box(timeout=target.timeout_ms)
    if box is None:
        return
    deviation = action.mouse_click_deviation or {}
    x, y = box["x"] + deviation.get("x", 0), box["y"] + deviation.get("y", 0)
    await run.page.mouse.click(x, y, button=action.button, click_count=2 if action.double_click else 1)


async def hover(action: HoverAction, run: Run) -> None:
    """Move the pointer over the element."""

    async def act(target: Target) -> None:
        await target.locator.hover(timeout=target.timeout_ms)

    await act_on_element(action, run, act)


async def scroll(action: ScrollAction, run: Run) -> None:
    """Turn the wheel once by `amount`, or for -1 until nothing moves anymore.

    A window that cannot scroll hands over to the scrollable box under the pointer, which is first put on the
    element that was last acted on.
    """
    sign = 1 if action.down else -1
    with playwright_errors("scroll"):
        if action.amount >= 0:
            await run.page.mouse.wheel(0, sign * action.amount)
            return
        _, height, visible = await run.page.evaluate(_WINDOW_POSITION)
        if height > visible + 1:
            await _scroll_to_end(run, sign, _WINDOW_POSITION, None)
            return
        middle = await _point_at_last_element(run)
        if await run.page.evaluate(_BOX_POSITION, middle) is None:
            run.step.note("nothing here can be scrolled")
            return
        await _scroll_to_end(run, sign, _BOX_POSITION, middle)


async def _point_at_last_element(run: Run) -> list[float]:
    box = run.last_box
    size = run.page.viewport_size or {"width": 0, "height": 0}
    middle = [size["width"] / 2, size["height"] / 2]
    if box is not None:
        middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    await run.page.mouse.move(*middle)
    return middle


async def _scroll_to_end(run: Run, sign: int, where: str, argument: Any) -> None:
    before = None
    unchanged = 0
    for _ in range(_MAX_WHEEL_TURNS):
        await run.page.mouse.wheel(0, sign * _WHEEL_PIXELS)
        await asyncio.sleep(_SCROLL_PAUSE_SECONDS)
        # What the page loads at its end makes it longer.
        await run.tab.activity.settle(_SCROLL_PAUSE_SECONDS * 3)
        now = await run.page.evaluate(where, argument)
        unchanged = unchanged + 1 if now == before else 0
        if unchanged == _UNCHANGED_TIMES:
            return
        before = now
