"""Opening addresses and going back."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager

from django.conf import settings
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Request, Response
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from automation.actions.navigation import GoBackAction, GoToUrlAction
from executor import browser_proxy
from executor.browser_proxy import Failure
from executor.errors import BrowserCrashedError, NavigationError, first_line, is_gone
from executor.run import Run
from inference.egress.hosts import AddressError, read_url, without_credentials

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

    Raises NavigationError for an address that cannot be opened, also after some pauses, and at once for one that may
    not be: other schemes than http and https, credentials in it, or a host that the policy refuses; with
    STRICT_NAVIGATION also for a slow page and for HTTP 4xx and 5xx.
    """
    _require_openable(url)
    for pause in (*RETRY_PAUSES, None):
        with _failed_navigations(page) as failed:
            try:
                response = await page.goto(url, wait_until="load", timeout=NAVIGATION_SECONDS * 1000)
            except PlaywrightTimeoutError:
                return _slow(url)
            except PlaywrightError as error:
                if is_gone(error):
                    raise BrowserCrashedError(f"the page is gone ({first_line(error)})") from error
                if _went_elsewhere(error):
                    return None
                failure = browser_proxy.failure_of(page.context, failed[-1] if failed else url)
                if pause is None or not _may_pass(error, failure):
                    raise NavigationError(f"could not open {url}: {_reason(error, failure)}") from error
            else:
                return _judge_answer(url, response)
        await asyncio.sleep(pause)
    return None


def _require_openable(url: str) -> None:
    """Blank and data: pages hold nothing of this machine, and what they ask for meets the policy like all else."""
    address = url.strip()
    if address.lower() == "about:blank" or address[:5].lower() == "data:":
        return
    try:
        read_url(address)
    except AddressError as error:
        raise NavigationError(f"could not open {without_credentials(url)}: {error}") from error


@contextmanager
def _failed_navigations(page: Page) -> Generator[list[str]]:
    """Addresses of the page's own navigations that fail meanwhile; after redirects, the error names the first only."""
    failed: list[str] = []

    def note(request: Request) -> None:
        if request.is_navigation_request() and request.frame == page.main_frame:
            failed.append(request.url)

    page.on("requestfailed", note)
    try:
        yield failed
    finally:
        page.remove_listener("requestfailed", note)


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


def _may_pass(error: PlaywrightError, failure: Failure | None) -> bool:
    """Whether the network may be better in a moment; a text that is no address stays one, and a refusal too."""
    if failure is not None and failure.is_refusal and _is_of_proxy(error):
        return False
    return "invalid URL" not in str(error) and "ERR_UNSAFE_PORT" not in str(error)


def _is_of_proxy(error: PlaywrightError) -> bool:
    return browser_proxy.CONNECTION_FAILED in str(error)


def _reason(error: PlaywrightError, failure: Failure | None = None) -> str:
    """`net::ERR_NAME_NOT_RESOLVED` rather than the whole sentence with the address again, and what the proxy knows
    rather than that the proxy did not connect."""
    if failure is not None and _is_of_proxy(error):
        return failure.reason
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
        raise NavigationError(f"could not go back: {_reason(error)}") from error
    if response is None and run.page.url == before:
        run.step.note("there was no page to go back to")
