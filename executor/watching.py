"""All pages of one browser context: which is current, and what happens on them.

Listeners sit on the context, so the first response and download of a new tab are not missed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, Response, WebError
from playwright.async_api import Error as PlaywrightError

from executor import browser_proxy
from executor.downloads import Downloads
from executor.network import NetworkRecord
from executor.page_log import PageLog
from executor.pictures import LivePictures
from executor.settling import PageActivity

logger = logging.getLogger(__name__)

_LONGEST_TEXT = 500
# What pages complain about can be endless; the timeline needs the first few hundred.
_MAX_EVENTS = 300

# `enable_browser_alerts`: how long a dialog is left for somebody else to see before it is accepted.
DIALOG_LEFT_SECONDS = 0.15

Report = Callable[[str, dict[str, Any]], None]


class Tab:
    """One page with its activity and pictures. Await `ready` before asking either."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.activity = PageActivity(page)
        self.pictures = LivePictures(page)
        self.has_crashed = False
        self._ready = asyncio.ensure_future(self._prepare())

    async def _prepare(self) -> None:
        # A page may close before it is watched; then nobody will ask for it.
        with contextlib.suppress(PlaywrightError):
            await asyncio.gather(self.activity.watch(), self.pictures.start())

    async def ready(self) -> None:
        await asyncio.shield(self._ready)

    def forget(self) -> None:
        self._ready.cancel()


class Tabs:
    """The pages of an attempt in the order of their opening. The current one is the newest that is open, or one that
    was switched to, until it closes or another opens."""

    def __init__(
        self,
        context: BrowserContext,
        *,
        downloads: Downloads,
        network: NetworkRecord,
        log: PageLog,
        report: Report,
        mask: Callable[[str], str],
        leave_dialogs: bool = False,
    ) -> None:
        self._context = context
        self._downloads = downloads
        self._network = network
        self._log = log
        self._report_everything = report
        self._mask = mask
        self._leave_dialogs = leave_dialogs
        self._reported = 0
        self._is_stopped = False
        self._tabs: dict[Page, Tab] = {}
        self._switched_to: Tab | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._opened = asyncio.Event()
        self.opened_count = 0
        # What Playwright has no common type for: each event's listener takes another argument.
        self._of_context: Mapping[Any, Callable[[Any], None]] = {
            "page": self._on_page,
            "request": self._on_request,
            "response": self._on_response,
            "requestfinished": self._on_request_ended,
            "requestfailed": self._on_request_failed,
            "dialog": self._on_dialog,
            "console": self._on_console,
            "weberror": self._on_web_error,
            "close": self._on_context_close,
        }
        self._of_page: Mapping[Any, Callable[[Any], None]] = {
            "download": downloads.on_download,
            "close": self._on_close,
            "crash": self._on_crash,
        }
        for event, listener in self._of_context.items():
            context.on(event, listener)
        for page in context.pages:
            self._on_page(page)

    async def open_first(self) -> None:
        """See that there is an empty page, watched from the beginning."""
        if not self._tabs:
            await self._context.new_page()
        await self.current.ready()

    async def open_another(self) -> Page:
        """Open an empty page, which becomes the current one."""
        page = await self._context.new_page()
        await self._tabs[page].ready()
        return page

    @property
    def all(self) -> list[Tab]:
        return list(self._tabs.values())

    @property
    def current(self) -> Tab:
        """The tab that is acted on. Raises IndexError when a page has closed the last one."""
        return self._switched_to or self.all[-1]

    async def switch_to(self, tab: Tab) -> None:
        """Make an open tab the current one, and the one in front."""
        self._switched_to = tab
        await tab.ready()
        await tab.page.bring_to_front()

    async def switch_to_newest(self) -> None:
        """Forget what was switched to."""
        await self.switch_to(self.all[-1])
        self._switched_to = None

    async def close(self, tab: Tab) -> None:
        """Close a tab, whatever its page says to that."""
        await tab.page.close()
        self._on_close(tab.page)

    async def wait_for_opened(self, *, more_than: int, seconds: float) -> bool:
        """Wait until more tabs have ever been opened than `more_than`; False when none was in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.opened_count <= more_than:
                    self._opened.clear()
                    await self._opened.wait()
        return self.opened_count > more_than

    def stop(self) -> None:
        self._is_stopped = True
        for tab in self._tabs.values():
            tab.forget()
        for answer in self._answers:
            answer.cancel()
        self._network.stop()

    async def leave_open(self) -> Page:
        """Stop, and leave the current page open, unwatched and alone, for another attempt that goes on with it.

        Raises PlaywrightError, or IndexError when no page is open.
        """
        current = self.current
        self.stop()
        for event, listener in self._of_context.items():
            self._context.remove_listener(event, listener)
        for page in self._context.pages:
            if page is not current.page:
                await page.close()
        for event, listener in self._of_page.items():
            current.page.remove_listener(event, listener)
        await asyncio.gather(current.activity.stop(), current.pictures.stop())
        return current.page

    # --- what happens ----------------------------------------------------------------------------------------

    def _report(self, kind: str, data: dict[str, Any]) -> None:
        self._reported += 1
        if self._reported < _MAX_EVENTS:
            self._report_everything(kind, data)
        elif self._reported == _MAX_EVENTS:
            self._report_everything("note", {"text": f"more than {_MAX_EVENTS} events of pages; the rest is left out"})

    def _told(self, text: str) -> str:
        # Masked before it is cut: half of a secret would not be recognized anymore.
        return self._mask(text)[:_LONGEST_TEXT]

    def _on_page(self, page: Page) -> None:
        self._tabs[page] = Tab(page)
        self._network.on_page(page)
        for event, listener in self._of_page.items():
            page.on(event, listener)
        self._switched_to = None
        self.opened_count += 1
        if self.opened_count > 1:
            self._downloads.on_new_tab()
            self._report("tab", {"state": "opened", "url": self._told(page.url)})
        self._opened.set()

    def _on_close(self, page: Page) -> None:
        tab = self._tabs.pop(page, None)
        if tab is not None:
            tab.forget()
            if tab is self._switched_to:
                self._switched_to = None
            if not self._is_stopped:  # else it is we who close all of them
                self._report("tab", {"state": "closed", "url": self._told(page.url)})

    def _on_crash(self, page: Page) -> None:
        if (tab := self._tabs.get(page)) is not None:
            tab.has_crashed = True
        self._report("crash", {"of": "page", "url": self._told(page.url)})

    def _on_context_close(self, _context: BrowserContext) -> None:
        if not self._is_stopped:  # nobody of ours closed it
            self._report("crash", {"of": "browser"})

    def _on_dialog(self, dialog: Dialog) -> None:
        answer = asyncio.ensure_future(self._answer(dialog))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _answer(self, dialog: Dialog) -> None:
        told = {"type": dialog.type, "message": self._told(dialog.message)}
        outcome = "the run ended before it was answered"
        try:
            if self._leave_dialogs:
                await asyncio.sleep(DIALOG_LEFT_SECONDS)
            await dialog.accept()
            outcome = "accepted"
        except PlaywrightError:
            outcome = "its page closed before it was answered"
        finally:
            self._report("dialog", {**told, "answer": outcome})

    def _on_console(self, message: ConsoleMessage) -> None:
        self._log.on_console(message)
        if message.type == "error":
            place = message.location["url"]
            if not place or place.startswith(("http", "blob", "about")):
                self._report("console", {"text": self._told(message.text), "url": self._told(place)})

    def _on_web_error(self, error: WebError) -> None:
        self._log.on_console(error)
        self._report("page_error", {"text": self._told(str(error.error))})

    def _on_request(self, request: Request) -> None:
        self._log.on_request(request)
        self._network.on_request(request)
        if (tab := self._tab_of(request)) is not None:
            tab.activity.on_request(request)

    def _on_response(self, response: Response) -> None:
        self._log.on_response(response)
        self._network.on_response(response)
        self._downloads.on_response(response, list(self._tabs))
        if (tab := self._tab_of(response.request)) is not None:
            tab.activity.on_response(response)
        if response.status >= 400 and response.request.resource_type in ("document", "xhr", "fetch"):
            self._report("request_failed", {"url": self._told(response.url), "status": response.status})

    def _on_request_ended(self, request: Request) -> None:
        self._log.on_request_ended(request, failure=None)
        self._tell_ended(request)

    def _on_request_failed(self, request: Request) -> None:
        failure = browser_proxy.in_clear_words(self._context, request.url, request.failure or "failed")
        self._log.on_request_ended(request, failure=failure)
        self._tell_ended(request)
        # Aborted means that the page went elsewhere or changed its mind. Of what the policy refuses, the proxy tells.
        if request.url.startswith("http") and "ERR_ABORTED" not in failure and not self._is_refused(request):
            self._report("request_failed", {"url": self._told(request.url), "error": failure})

    def _is_refused(self, request: Request) -> bool:
        known = browser_proxy.failure_of(self._context, request.url)
        return known is not None and known.is_refusal

    def _tell_ended(self, request: Request) -> None:
        if (tab := self._tab_of(request)) is not None:
            tab.activity.on_request_ended(request)

    def _tab_of(self, request: Request) -> Tab | None:
        try:
            return self._tabs.get(request.frame.page)
        except PlaywrightError:
            return None  # of a service worker, or of a page that is only just being opened
