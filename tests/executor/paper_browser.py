"""A stand-in for Playwright and Chromium, for what the runner and the walk do around pages: nothing is drawn or loaded.

Everything of this server is real, the pool of browsers too; only the library that it talks to is paper.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from executor.browser import BrowserPool
from executor.loop import WorkerLoop
from executor.pace import Pace
from executor.private_nodes import PrivateNodeContext, register, unregister
from executor.runner import AttemptRunner
from executor.watching import Tab
from inference.models import Task
from tests.executor.conftest import RUN_SECONDS, Outcome, make_runner, runner_task_id
from tests.executor.nodes import Node, private

GONE = "Target page, context or browser has been closed"
PNG, JPEG = b"\x89PNG of the page", b"\xff\xd8 of the page"


@dataclass
class PaperPlaywright:
    """What the driver was asked for, in order. `counts` says what a page answers that is asked for its elements, by the
    number of its browser, from 1: a number, an error, or None for never."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    browsers: list["PaperBrowser"] = field(default_factory=list)
    counts: dict[int, int | Exception | None] = field(default_factory=dict)
    status: int = 200
    text: str = ""
    screenshot: Exception | None = None
    cookies: list[dict[str, Any]] = field(default_factory=list)
    restoring: Exception | None = None

    @property
    def chromium(self) -> "PaperPlaywright":
        return self

    async def launch(self, **options: Any) -> "PaperBrowser":
        self.browsers.append(PaperBrowser(self, len(self.browsers) + 1))
        return self.browsers[-1]

    async def stop(self) -> None:
        """There is no process."""

    def all_asked(self, what: str) -> list[Any]:
        return [each[1:] for each in self.asked if each[0] == what]

    @property
    def open_contexts(self) -> int:
        """Of browsers that are open; one of them is the pool's spare."""
        return sum(context.is_open for browser in self.browsers if browser.is_open for context in browser.contexts)


class PaperListeners:
    def __init__(self) -> None:
        self.listeners: dict[str, list[Callable[[Any], Any]]] = defaultdict(list)

    def on(self, event: str, listener: Callable[[Any], Any]) -> None:
        self.listeners[event].append(listener)

    def remove_listener(self, event: str, listener: Callable[[Any], Any]) -> None:
        self.listeners[event].remove(listener)

    def emit(self, event: str, value: Any) -> None:
        for listener in list(self.listeners[event]):
            listener(value)


class PaperSession(PaperListeners):
    async def send(self, method: str, parameters: Any = None) -> dict[str, Any]:
        return {"frameTree": {"frame": {"id": "main"}}}

    async def detach(self) -> None:
        """There is no end of it to close."""


class PaperBrowser:
    version = "1.0.0.0"

    def __init__(self, playwright: PaperPlaywright, number: int) -> None:
        self.playwright = playwright
        self.number = number
        self.contexts: list[PaperContext] = []
        self.is_open = True

    def is_connected(self) -> bool:
        return self.is_open

    async def new_browser_cdp_session(self) -> PaperSession:
        return PaperSession()

    async def new_context(self, **options: Any) -> "PaperContext":
        self.contexts.append(PaperContext(self))
        return self.contexts[-1]

    async def close(self) -> None:
        self.is_open = False


class PaperContext(PaperListeners):
    def __init__(self, browser: PaperBrowser) -> None:
        super().__init__()
        self.browser = browser
        self.pages: list[PaperPage] = []
        self.is_open = True
        self.tracing = SimpleNamespace(start=self._start_trace, stop=self._stop_trace)

    async def new_page(self) -> "PaperPage":
        page = PaperPage(self)
        self.pages.append(page)
        self.emit("page", page)
        return page

    async def new_cdp_session(self, page: "PaperPage") -> PaperSession:
        return PaperSession()

    async def add_init_script(self, *arguments: Any, **options: Any) -> None:
        """There is nothing to run it in."""

    async def storage_state(self, **options: Any) -> dict[str, Any]:
        return {"cookies": self.browser.playwright.cookies, "origins": []}

    async def add_cookies(self, cookies: list[dict[str, Any]]) -> None:
        self.browser.playwright.asked.append(("cookies", cookies))
        if self.browser.playwright.restoring is not None:
            raise self.browser.playwright.restoring

    async def close(self) -> None:
        self.is_open = False
        self.browser.playwright.asked.append(("close context", self.browser.number))

    async def _start_trace(self, **options: Any) -> None:
        self.browser.playwright.asked.append(("trace", options))

    async def _stop_trace(self, *, path: Path) -> None:
        with ZipFile(path, "w") as archive:
            archive.writestr("trace.trace", "")


class PaperLocator(Locator):
    """Without Playwright's own part, which speaks to a browser."""

    def __init__(self, page: "PaperPage") -> None:
        self._page = page

    @property
    def first(self) -> "PaperLocator":
        return self

    async def wait_for(self, **options: Any) -> None:
        self._page.playwright.asked.append(("wait", options))
        raise PlaywrightTimeoutError("Timeout exceeded")

    async def count(self) -> int:
        answer = self._page.playwright.counts.get(self._page.context.browser.number, 1)
        if answer is None:
            await asyncio.sleep(3600)
        if isinstance(answer, Exception):
            raise answer
        return answer or 0


class PaperFrame:
    parent_frame = None

    def is_detached(self) -> bool:
        return False

    async def evaluate(self, *arguments: Any) -> Any:
        raise PlaywrightError("there is no document")

    evaluate_handle = frame_element = evaluate


class PaperPage(PaperListeners):
    viewport_size = None

    def __init__(self, context: PaperContext) -> None:
        super().__init__()
        self.context = context
        self.playwright = context.browser.playwright
        self.url = "about:blank"
        self.main_frame = PaperFrame()
        self.frames = [self.main_frame]
        self.is_open = True
        self.screencast = SimpleNamespace(start=self._cast, stop=self._cast)
        self.keyboard = SimpleNamespace(press=self._cast)

    async def _cast(self, *arguments: Any, **options: Any) -> None:
        """No frame ever comes, and no key arrives."""

    async def goto(self, url: str, **options: Any) -> Any:
        self._must_be_open()
        self.playwright.asked.append(("goto", url))
        self.url = url
        return SimpleNamespace(status=self.playwright.status)

    def locator(self, selector: str, **options: Any) -> "PaperLocator":
        self.playwright.asked.append(("locator", selector))
        return PaperLocator(self)

    async def evaluate(self, script: str, *arguments: Any) -> Any:
        self._must_be_open()
        return ("", []) if "sessionStorage" in script else self.playwright.text

    async def screenshot(self, **options: Any) -> bytes:
        self._must_be_open()
        self.playwright.asked.append(("screenshot", options))
        if self.playwright.screenshot is not None:
            raise self.playwright.screenshot
        return PNG if options["type"] == "png" else JPEG

    async def bring_to_front(self) -> None:
        """There is no window."""

    async def close(self) -> None:
        self.is_open = False
        self.context.pages.remove(self)
        self.emit("close", self)

    def is_closed(self) -> bool:
        return not self.is_open

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise PlaywrightError(GONE)


# --- attempts with it ----------------------------------------------------------------------------------------


class Waits(Pace):
    """Notes what is waited for, and waits for nothing."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, float]] = []

    async def opened(self, tab: Tab) -> None:
        assert tab.page.url
        self.noted.append(("opened", 0.0))

    async def before_step(self, tab: Tab, seconds: float) -> None:
        assert tab.page.url
        self.noted.append(("before", seconds))

    async def after_step(self, tab: Tab, seconds: float) -> None:
        assert tab.page.url
        self.noted.append(("after", seconds))


class Paper:
    """Runs attempts in a pool of browsers behind which there is `playwright`. `node` makes a node of a function."""

    def __init__(self, worker_loop: WorkerLoop, playwright: PaperPlaywright) -> None:
        self.playwright = playwright
        self.pool = BrowserPool()
        self.waits = Waits()
        self._loop = worker_loop
        self._handlers: set[str] = set()

    def node(self, function: Callable[[PrivateNodeContext], Awaitable[None]], **fields: Any) -> Node:
        async def handler(inputs: Any, context: PrivateNodeContext) -> None:
            await function(context)

        name = f"paper.{function.__name__}"
        unregister(name)
        register(name, handler)
        self._handlers.add(name)
        return private(name, **fields)

    def prepare(self, nodes: Sequence[Node], *, hidden: str = "", use_proxy: bool = False, **fields: Any) -> Any:
        runner = make_runner(nodes, pool=self.pool, **fields)
        runner._masking.hide(hidden)
        runner._task.use_proxy = use_proxy
        runner._pace = self.waits
        return runner

    def start(self) -> None:
        """The first browser, before any attempt."""
        self._loop.submit(self.pool.start()).result(30)

    def begin(self, runner: AttemptRunner) -> Future[None]:
        return self._loop.submit(runner.execute())

    def run(self, nodes: Sequence[Node], **fields: Any) -> Outcome:
        return self.end(self.prepare(nodes, **fields))

    def end(self, runner: AttemptRunner) -> Outcome:
        error: BaseException | None = None
        try:
            self.begin(runner).result(RUN_SECONDS)
        except Exception as raised:
            error = raised
        return Outcome(Task.objects.get(id=runner_task_id(runner)), runner, error)

    def folders(self) -> list[Path]:
        """Of attempts."""
        return list(self.pool.folder.glob("attempt-*"))

    def close(self) -> None:
        for name in self._handlers:
            unregister(name)
        self._loop.submit(self.pool.close()).result(30)


def paper_of(worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paper]:
    """For a fixture."""
    playwright = PaperPlaywright()

    async def start(folder: Path) -> PaperPlaywright:
        return playwright

    monkeypatch.setattr("executor.browser._start_playwright", start)
    monkeypatch.setattr("executor.browser.find_browser", lambda: Path("paper"))
    paper = Paper(worker_loop, playwright)
    yield paper
    paper.close()
