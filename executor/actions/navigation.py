"""Opening addresses and going back."""

import asyncio
import logging

from django.conf import settings
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Response
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from automation.actions.navigation import GoBackAction, GoToUrlAction
from executor.errors import BrowserCrashedError, NavigationError, first_line, is_gone
from executor.run import Run

logger = logging.getLogger(__name__)

NAVIGATION_SECONDS = 10.0
_GO_BACK_SECONDS = 30.0
# Pauses before another try to open an address that cannot be opened at all.
RETRY_PAUSES = (3.0, 2.0, 1.0)


async def go_to_url(action: GoToUrlAction, run: Run) -> None:
    """Open an address in the current tab or in a new one, which becomes the current one.

    A page that is slow goes on loading, with a warning; an address that cannot be opened raises NavigationError.
    """
    page = await run.tabs.open_another() if action.new_tab else run.page
    if (warning := await open_address(page, action.url)) is not None:
        run.step.warn(warning)


async def open_address(page: Page, url: str) -> str | None:
    """Open `url` and wait for its load event; what people should know about it, or None.

    Raises NavigationError for an address that cannot be opened, also after some pauses; with STRICT_NAVIGATION
    also for a slow page and for HTTP 4xx and 5xx.
    """
    for pause in (*RETRY_PAUSES, None):
        try:
            response = await page.goto(url, wait_until="load", timeout=NAVIGATION_SECONDS * 1000)
        except PlaywrightTimeoutError:
            return _slow(url)
        except PlaywrightError as error:
            if is_gone(error):
                raise BrowserCrashedError(f"the page is gone ({first_line(error)})") from error
            if _went_elsewhere(error):
                return None
            if pause is None or not _may_pass(error):
                raise NavigationError(f"could not open {url}: {_network_error(error)}") from error
            await asyncio.sleep(pause)
        else:
            return _judge_answer(url, response)
    return None


def _slow(url: str) -> str:
    text = f"{url} did not finish loading within {NAVIGATION_SECONDS:g} s"
    if settings.STRICT_NAVIGATION:
        raise NavigationError(text)
    return text


def _judge_answer(url: str, response: Response | None) -> str | None:
    if response is None or response.status < 400:
        return None
    text = f"{url} answered HTTP {response.status}"
    if settings.STRICT_NAVIGATION:
        raise NavigationError(text)
    return text


def _went_elsewhere(error: PlaywrightError) -> bool:
    """The address turned out to be a download, had no content, or its page went on to another one."""
    text = str(error)
    return "Download is starting" in text or "interrupted by another navigation" in text or "ERR_ABORTED" in text


def _may_pass(error: PlaywrightError) -> bool:
    """Whether the network may be better in a moment; a text that is no address stays one."""
    return "invalid URL" not in str(error) and "ERR_UNSAFE_PORT" not in str(error)


def _network_error(error: PlaywrightError) -> str:
    """`net::ERR_NAME_NOT_RESOLVED` rather than the whole sentence with the address again."""
    line = first_line(error)
    return line.partition(" at ")[0] if line.startswith("net::") else line


async def go_back(action: GoBackAction, run: Run) -> None:
    """One step back in the tab's history. Raises NavigationError when that takes too long.

    A page from the back/forward cache has no load event: a committed navigation counts.
    """
    before = run.page.url
    try:
        response = await run.page.go_back(wait_until="commit", timeout=_GO_BACK_SECONDS * 1000)
    except PlaywrightTimeoutError as error:
        if run.page.url != before:
            return
        raise NavigationError(f"going back from {before} took more than {_GO_BACK_SECONDS:g} s") from error
    except PlaywrightError as error:
        raise NavigationError(f"could not go back: {_network_error(error)}") from error
    if response is None and run.page.url == before:
        run.step.note("there was no page to go back to")
