"""All pages of one browser context: which is current, and what happens on them.

Listeners sit on the context, so the first response and download of a new tab are not missed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, Response, WebError
from playwright.async_api import Error as PlaywrightError

from executor.downloads import Downloads
from executor.pictures import LivePictures
from executor.settling import PageActivity

logger = logging.getLogger(__name__)

_LONGEST_TEXT = 500
# What pages complain about can be endless; the timeline needs the first few hundred.
_MAX_EVENTS = 300

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
    """The pages of an attempt in the order of their opening. The newest one that is open is the current one."""

    def __init__(self, context: BrowserContext, *, downloads: Downloads, report: Report) -> None:
        self._context = context
        self._downloads = downloads
        self._report_everything = report
        self._reported = 0
        self._tabs: dict[Page, Tab] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._opened = asyncio.Event()
        self.opened_count = 0
        context.on("page", self._on_page)
        context.on("request", self._on_request)
        context.on("response", self._on_response)
        context.on("requestfinished", self._on_request_ended)
        context.on("requestfailed", self._on_request_failed)
        context.on("dialog", self._on_dialog)
        context.on("console", self._on_console)
        context.on("weberror", self._on_web_error)
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
        """The newest open tab. Raises IndexError when a page has closed the last one."""
        return self.all[-1]

    def tab_of(self, page: Page) -> Tab | None:
        return self._tabs.get(page)

    async def wait_for_opened(self, *, more_than: int, seconds: float) -> bool:
        """Wait until more tabs have ever been opened than `more_than`; False when none was in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.opened_count <= more_than:
                    self._opened.clear()
                    await self._opened.wait()
        return self.opened_count > more_than

    def stop(self) -> None:
        for tab in self._tabs.values():
            tab.forget()
        for answer in self._answers:
            answer.cancel()

    # --- what happens ----------------------------------------------------------------------------------------

    def _report(self, kind: str, data: dict[str, Any]) -> None:
        self._reported += 1
        if self._reported < _MAX_EVENTS:
            self._report_everything(kind, data)
        elif self._reported == _MAX_EVENTS:
            self._report_everything("note", {"text": f"more than {_MAX_EVENTS} events of pages; the rest is left out"})

    def _on_page(self, page: Page) -> None:
        self._tabs[page] = Tab(page)
        page.on("download", self._downloads.on_download)
        page.on("close", self._on_close)
        page.on("crash", self._on_crash)
        self.opened_count += 1
        if self.opened_count > 1:
            self._downloads.on_new_tab()
            self._report("tab", {"state": "opened", "url": page.url})
        self._opened.set()

    def _on_close(self, page: Page) -> None:
        tab = self._tabs.pop(page, None)
        if tab is not None:
            tab.forget()
            self._report("tab", {"state": "closed", "url": page.url})

    def _on_crash(self, page: Page) -> None:
        if (tab := self._tabs.get(page)) is not None:
            tab.has_crashed = True
        self._report("crash", {"url": page.url})

    def _on_dialog(self, dialog: Dialog) -> None:
        self._report("dialog", {"type": dialog.type, "message": dialog.message[:_LONGEST_TEXT]})
        answer = asyncio.ensure_future(self._accept(dialog))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    @staticmethod
    async def _accept(dialog: Dialog) -> None:
        # The page may be closing, and its dialog with it.
        with contextlib.suppress(PlaywrightError):
            await dialog.accept()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            place = message.location["url"]
            if not place or place.startswith(("http", "blob", "about")):
                self._report("console", {"text": message.text[:_LONGEST_TEXT], "url": place})

    def _on_web_error(self, error: WebError) -> None:
        self._report("page_error", {"text": str(error.error)[:_LONGEST_TEXT]})

    def _on_request(self, request: Request) -> None:
        if (tab := self._tab_of(request)) is not None:
            tab.activity.on_request(request)

    def _on_response(self, response: Response) -> None:
        self._downloads.on_response(response, list(self._tabs))
        if (tab := self._tab_of(response.request)) is not None:
            tab.activity.on_response(response)
        if response.status >= 400 and response.request.resource_type in ("document", "xhr", "fetch"):
            self._report("request_failed", {"url": response.url[:_LONGEST_TEXT], "status": response.status})

    def _on_request_ended(self, request: Request) -> None:
        if (tab := self._tab_of(request)) is not None:
            tab.activity.on_request_ended(request)

    def _on_request_failed(self, request: Request) -> None:
        self._on_request_ended(request)
        failure = request.failure or ""
        # Aborted means that the page went elsewhere or changed its mind.
        if request.url.startswith("http") and "ERR_ABORTED" not in failure:
            self._report("request_failed", {"url": request.url[:_LONGEST_TEXT], "error": failure})

    def _tab_of(self, request: Request) -> Tab | None:
        try:
            return self._tabs.get(request.frame.page)
        except PlaywrightError:
            return None  # of a service worker, or of a page that is only just being opened
