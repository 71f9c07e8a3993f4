"""How many elements a locator command matches, once the page has stopped adding some."""

import asyncio
import time

from playwright.async_api import Locator
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from automation import LocatorCommand
from executor.errors import ElementNotFoundError
from executor.locators import build_locator
from executor.run import Run

# What the contract asks for: a count that was the same for a second, looked at ten times, for half a minute at most.
_POLL_SECONDS = 0.1
_UNCHANGED_SECONDS = 1.0
_LONGEST_SECONDS = 30.0
# A page that asks for nothing and changes nothing for so long adds no more. A list that is drawn bit by bit by timers
# changes more often than that.
_QUIET_SECONDS = 0.3


async def count_matches(command: LocatorCommand, run: Run, *, first_match_seconds: float) -> int:
    """Wait for the first match to be attached, then until the number of matches stays the same.

    With `first_match_seconds` 0 nothing is waited for: no match now is no match. A page that goes on changing
    elsewhere is waited for until the number was the same for a second, at most 30 s. Raises BrowserCrashedError, and
    Playwright's own errors.
    """
    locator = await _first_attached(command, run, seconds=first_match_seconds)
    return 0 if locator is None else await _unchanging_count(locator, run)


async def _first_attached(command: LocatorCommand, run: Run, *, seconds: float) -> Locator | None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            locator = build_locator(command, run.page)
            if await locator.count():
                return locator
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            await locator.first.wait_for(state="attached", timeout=left * 1000)
            return locator
        except PlaywrightTimeoutError:
            return None
        except ElementNotFoundError:  # the frame that it names may still come
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(_POLL_SECONDS)


async def _unchanging_count(locator: Locator, run: Run) -> int:
    began = unchanged_since = time.monotonic()
    count = await locator.count()
    while (now := time.monotonic()) - began < _LONGEST_SECONDS:
        unchanged = now - unchanged_since
        if unchanged >= _UNCHANGED_SECONDS:
            break
        if min(unchanged, run.tab.activity.quiet_seconds()) >= _QUIET_SECONDS:
            break
        await asyncio.sleep(_POLL_SECONDS)
        newest = await locator.count()
        if newest != count:
            count, unchanged_since = newest, time.monotonic()
    return count
