"""Checks whose result is a variable, and which fail the task when the author says so."""

import asyncio
import re
import time
import unicodedata

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator

from automation import AssertLocatorNode, LocatorError
from automation.actions.assertion import NetworkCallAssertion
from executor.errors import AssertionFailedError, AutomationError, ElementNotFoundError, first_line, is_gone
from executor.fetching import shown
from executor.locators import build_locator, candidates_in_words, find_candidates
from executor.network import Call
from executor.run import Run

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.25
_TEXT_TIMEOUT_MS = 500
_CALL_SECONDS = 5.0
_HEADERS_SECONDS = 1.0


async def assert_locator(node: AssertLocatorNode, run: Run) -> None:
    """Store [true] or [false]: whether the assertion came to hold within `timeout` seconds.

    Errors: AutomationError (the locator is unusable), AssertionFailedError (false, and `must_hold`).
    """
    try:
        command = run.parse(node.locator)
    except LocatorError as error:
        raise AutomationError(f"the locator of the check is unusable: it {error}") from error
    if command is None:
        raise AutomationError("the locator of the check is blank")
    deadline = time.monotonic() + node.timeout
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            seen = await _look(node, build_locator(command, run.page))
        except ElementNotFoundError as error:
            seen = str(error) if node.assertion == "to_be_visible" else None
        except PlaywrightError as error:
            if is_gone(error):
                _ = run.tab  # says so when the page crashed or was the last one; else the next look is at another tab
            seen = first_line(error)
        if seen is None or time.monotonic() >= deadline:
            break
        await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
    run.set_variable(node.output_variable_name or "assertion", [seen is None])
    if seen is not None:
        run.step.note(f"false: {seen}")
        if node.must_hold:
            candidates = await find_candidates(command, run.page)
            nearest = f"; nearest: {candidates_in_words(candidates)}" if candidates else ""
            if candidates:
                run.step.details["candidates"] = candidates
            raise AssertionFailedError(f"{run.step.label}: {seen}{nearest}")


async def _look(node: AssertLocatorNode, locator: Locator) -> str | None:
    """None when the assertion holds now, else what was seen instead."""
    count = await locator.count()
    if node.count is not None and count != node.count:
        return f"{count} elements match instead of {node.count}"
    if node.count is None and count > 1:
        return f"{count} elements match instead of one"
    visible = [await locator.nth(number).is_visible() for number in range(count)]
    if node.assertion == "to_be_hidden":
        return "it is visible" if any(visible) else None
    if not visible and node.count == 0:
        return None
    if not all(visible) or not visible:
        return "it is there, but hidden" if visible else "nothing matches"
    if node.text is not None:
        found = await locator.first.inner_text(timeout=_TEXT_TIMEOUT_MS)
        if _normalized(node.text) not in _normalized(found):
            return f"its text is “{_normalized(found)[:200]}”"
    return None


def _normalized(text: str) -> str:
    """Any run of blanks, no-break and narrow ones among them, is one space."""
    plain = "".join(" " if unicodedata.category(each) == "Zs" else each for each in text)
    return re.sub(r"\s+", " ", plain).strip()


async def network_call(action: NetworkCallAssertion, run: Run) -> None:
    """A request or response since the last interaction has the pattern in its address and all these headers; one that
    comes within five seconds counts.

    Errors: AssertionFailedError.
    """
    deadline = time.monotonic() + _CALL_SECONDS
    wanted = {name.lower(): value.strip() for name, value in (action.header_filter or {}).items()}
    examined: set[Call] = set()
    while True:
        recorded = run.network.recorded
        for call in run.network.matching(action.url_pattern):
            if call not in examined and await _has_headers(call, wanted):
                run.step.note(f"{call.kind} {call.request.method} {shown(call.url)}")
                return
            examined.add(call)
        left = max(0.0, deadline - time.monotonic())
        if not await run.network.wait_for_more(than=recorded, seconds=left):
            break
    raise AssertionFailedError(f"{run.step.label}: {_why_no_call(action, len(examined))}")


async def _has_headers(call: Call, wanted: dict[str, str]) -> bool:
    if not wanted:
        return True
    message = call.request if call.response is None else call.response
    try:
        # All of them come from the browser, a moment later than the event.
        headers = await asyncio.wait_for(message.all_headers(), _HEADERS_SECONDS)
    except (PlaywrightError, TimeoutError):
        headers = message.headers
    return all(name in headers and headers[name].strip() == value for name, value in wanted.items())


def _why_no_call(action: NetworkCallAssertion, matching: int) -> str:
    where = "" if action.url_pattern is None else f" with “{action.url_pattern}” in its address"
    if not matching:
        return f"no network call{where} was made since the last interaction, nor within {_CALL_SECONDS:g} s"
    names = ", ".join(action.header_filter or ())
    return f"none of {matching} network calls{where} has these headers: {names}"
