"""Clicking, hovering, dragging, scrolling."""

import asyncio
from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator, Page

from automation import LocatorError
from automation.actions.pointer import ClickElementAction, DragToAction, HoverAction, ScrollAction
from executor.actions.targeted import Target, act_on_element
from executor.downloading import with_download
from executor.errors import ActionTimeoutError, ElementNotFoundError, is_gone, playwright_errors, reason_in
from executor.locators import build_locator
from executor.points import Point
from executor.run import Run

_WHEEL_PIXELS = 2000
_SCROLL_PAUSE_SECONDS = 0.1
_UNCHANGED_TIMES = 3
# A page that grows for ever is scrolled for as long as the task may run; this only ends a loop of ours.
_MAX_WHEEL_TURNS = 10_000
# How long an element to drop on is waited for when the drag begins at a point.
_DROP_TARGET_MS = 5_000
_NUDGE_PIXELS = 6

# Constant functions. A box is given as its middle: what lies there, or the nearest scrollable thing around it.
_WINDOW_POSITION = """() => {
  const root = document.documentElement, outer = getComputedStyle(root).overflowY;
  const overflow = outer === "visible" ? getComputedStyle(document.body ?? root).overflowY : outer;
  return [scrollY, /hidden|clip/.test(overflow) ? innerHeight : root.scrollHeight, innerHeight];
}"""
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
            await _click_with_mouse(action, run, _corner(action, target))
        elif action.double_click:
            await target.locator.dblclick(force=action.force, timeout=target.left_ms)
        else:
            await target.locator.click(button=action.button, force=action.force, timeout=target.left_ms)

    async def at_point(point: Point) -> None:
        await _click_with_mouse(action, run, point)

    # A page that is slow to answer has had the click: a second one could submit twice.
    acting = act_on_element(action, run, act, at_point=at_point, only_once=True)
    await with_download(action, run, acting)


async def _click_with_mouse(action: ClickElementAction, run: Run, point: Point) -> None:
    """One click (or double-click) of the raw mouse."""
    run.act_begins()
    await run.page.mouse.click(point.x, point.y, button=action.button, click_count=2 if action.double_click else 1)


def _corner(action: ClickElementAction, target: Target) -> Point:
    """The element's top left corner plus the deviation."""
    if target.box is None:
        raise ActionTimeoutError("the element has no place on the page where a mouse could click")
    deviation = action.mouse_click_deviation or {}
    return Point(target.box["x"] + deviation.get("x", 0), target.box["y"] + deviation.get("y", 0))


async def hover(action: HoverAction, run: Run) -> None:
    """Move the pointer over the element."""

    async def act(target: Target) -> None:
        await target.locator.hover(timeout=target.timeout_ms)

    async def at_point(point: Point) -> None:
        await run.page.mouse.move(point.x, point.y)

    await act_on_element(action, run, act, at_point=at_point)


async def drag_to(action: DragToAction, run: Run) -> None:
    """Press the mouse on the element, move it onto `target` in so many steps, and let go there.

    Errors: ElementNotFoundError, ActionTimeoutError (one of the two is not there; then nothing was picked up).
    """
    try:
        command = run.parse(action.target)
    except LocatorError as error:
        raise ElementNotFoundError(f"the locator command of the target {error}") from error
    if command is None:
        raise ElementNotFoundError("the target's locator command is blank")

    async def act(target: Target) -> None:
        drop = build_locator(command, run.page)
        await _await_drop_target(drop, target.timeout_ms)
        await target.locator.hover(timeout=target.timeout_ms)
        await _drag(run, _middle(target), drop, action.steps, target.timeout_ms)

    async def at_point(point: Point) -> None:
        drop = build_locator(command, run.page)
        await _await_drop_target(drop, _DROP_TARGET_MS)
        await run.page.mouse.move(point.x, point.y)
        await _drag(run, point, drop, action.steps, _DROP_TARGET_MS)

    await act_on_element(action, run, act, at_point=at_point)


async def _await_drop_target(drop: Locator, timeout_ms: float) -> None:
    """Nothing is picked up that could not be put down."""
    try:
        await drop.wait_for(state="visible", timeout=timeout_ms)
    except PlaywrightError as error:
        if is_gone(error):
            raise
        raise ActionTimeoutError(f"the target to drop on: {reason_in(error)}") from error


def _middle(target: Target) -> Point:
    """Where the pointer is after a hover."""
    if target.box is None:
        raise ActionTimeoutError("the element has no place on the page where a mouse could press it")
    return Point(target.box["x"] + target.box["width"] / 2, target.box["y"] + target.box["height"] / 2)


async def _drag(run: Run, start: Point, drop: Locator, steps: int, timeout_ms: float) -> None:
    """From `start`, where the mouse is, to the middle of `drop`."""
    mouse = run.page.mouse
    run.act_begins()
    await mouse.down()
    try:
        end = await _middle_of(drop, timeout_ms)
        if not _is_in_view(end, run.page):
            # What is pressed begins to be dragged with the first moves; after a scroll it would lie elsewhere.
            await mouse.move(start.x + _NUDGE_PIXELS, start.y + _NUDGE_PIXELS, steps=2)
            await drop.scroll_into_view_if_needed(timeout=timeout_ms)
            end = await _middle_of(drop, timeout_ms)
        await mouse.move(end.x, end.y, steps=steps)
    finally:
        await mouse.up()


async def _middle_of(drop: Locator, timeout_ms: float) -> Point:
    box = await drop.bounding_box(timeout=timeout_ms)
    if box is None:
        raise ActionTimeoutError("the target to drop on went away")
    return Point(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def _is_in_view(point: Point, page: Page) -> bool:
    size = page.viewport_size
    return size is None or (0 <= point.x < size["width"] and 0 <= point.y < size["height"])


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
