"""The warm Chromium of a worker process, and a fresh context for each task."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sys
import time
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import playwright
import psutil
from django.conf import settings
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from automation import Automation
from executor import browser_proxy, leftovers
from executor.browser_options import BrowserTarget, ContextOptions, proxy_of_task, target_of_channel
from executor.browser_proxy import FilteringProxy, Report
from executor.clipboard import empty_clipboard
from executor.consent_banners import hide_consent_banners
from executor.downloads import let_through
from executor.errors import AutomationError, BrowserCrashedError, BrowserNotFoundError, first_line
from executor.masking import Masking
from executor.upstream_proxy import UpstreamProxy
from inference.telemetry.counters import counters
from inference.telemetry.families import BROWSER_RESTARTS

logger = logging.getLogger(__name__)

# Names of Chromium and Chrome on PATH, the freer one first.
_ON_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_BUNDLED = ("chrome-linux*/chrome", "chrome-mac*/*.app/Contents/MacOS/*")
WORN_OUT = "worn_out"
_CLOSE_SECONDS = 1.0
_LAUNCH_SECONDS = 60.0
# A page that nobody comes back to costs memory, and is signed in to something. What it knew is stored anyway.
KEPT_PAGE_SECONDS = 15 * 60.0
_CONNECT_SECONDS = 15.0
# A context with an empty page takes a quarter of a second. Playwright has no limit of its own here, and a call that is
# under way when Chromium is killed may never return.
_CONTEXT_SECONDS = 30.0
# For as long what is asked of a browser that has gone may take to fail by itself; and how often that is looked at.
GONE_SECONDS = 10.0
_GONE_LOOK_SECONDS = 1.0
# Nothing leaves the machine that no task asked for, and no page is slowed down for lying behind another.
_ARGUMENTS: tuple[str, ...] = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    "--password-store=basic",
    # What no switch turns off asks a host that does not exist (RFC 6761): Chromium's updates, Google's sign-in.
    "--component-updater=url-source=https://updates.invalid/",
    "--gaia-url=https://sign-in.invalid/",
)
# Nothing goes round the filtering proxy: not loopback, not a name looked up ahead of time, no UDP.
_ONLY_THROUGH_PROXY: tuple[str, ...] = (
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--dns-prefetch-disable",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)
# Chromium's own windows show these, each in a process of its own, for every context: a third of the CPU time of a
# short task. The last --disable-features wins, so Playwright's own list is repeated; a test compares them.
_DISABLED_FEATURES = (
    # It would tell a server of the browser's maker about every form.
    "AutofillServerCommunication",
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
)


class DocumentListener(Protocol):
    """Decides about a paused response of a document, and continues it in any case."""

    def __call__(self, session: CDPSession, event: dict[str, Any], /) -> Coroutine[Any, Any, None]: ...


def find_browser() -> Path:
    """The Chromium to use: BROWSER_EXECUTABLE, Playwright's own, then one on PATH.

    Raises BrowserNotFoundError, which says what to do.
    """
    if settings.BROWSER_EXECUTABLE:
        chosen = Path(settings.BROWSER_EXECUTABLE)
        if not os.access(chosen, os.X_OK) or chosen.is_dir():
            raise BrowserNotFoundError(f"BROWSER_EXECUTABLE={chosen} is not a program that can be started.")
        return chosen
    if (bundled := _find_bundled()) is not None:
        return bundled
    for name in _ON_PATH:
        if found := shutil.which(name):
            return Path(found)
    raise BrowserNotFoundError(
        "There is no Chromium: run `playwright install chromium`, install your system's `chromium` package, or set "
        "BROWSER_EXECUTABLE."
    )


def _find_bundled() -> Path | None:
    """The Chromium that `playwright install chromium` put there, if it is the one of the installed version."""
    listing = Path(playwright.__file__).parent / "driver" / "package" / "browsers.json"
    try:
        browsers = json.loads(listing.read_text())["browsers"]
        revision = next(each["revision"] for each in browsers if each["name"] == "chromium")
    except (OSError, ValueError, KeyError, StopIteration):
        return None
    folder = _browsers_folder() / f"chromium-{revision}"
    found = (path for pattern in _BUNDLED for path in folder.glob(pattern) if os.access(path, os.X_OK))
    return next(found, None)


def _browsers_folder() -> Path:
    """Where Playwright keeps its browsers (https://playwright.dev/python/docs/browsers#managing-browser-binaries)."""
    chosen = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    if chosen == "0":
        return Path(playwright.__file__).parent / "driver" / "package" / ".local-browsers"
    if chosen:
        return Path(chosen)
    cache = Path("Library/Caches") if sys.platform == "darwin" else Path(".cache")
    return Path.home() / cache / "ms-playwright"


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page that was left open in its context: with which stored session, and what kind of context it is."""

    page: Page
    state_id: uuid.UUID
    masking: Masking
    target: BrowserTarget
    options: ContextOptions


class BrowserPool:
    """One warm Chromium. It runs one task at a time: contexts of two tasks would share its clipboard."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._session: CDPSession | None = None
        # Playwright's Node process, the parent of Chromium.
        self._driver: psutil.Process | None = None
        self._folder: leftovers.WorkerFolder | None = None
        # The warm start of a worker and its first task may come together.
        self._starting = asyncio.Lock()
        self._answers: set[asyncio.Task[None]] = set()
        self._document_listener: DocumentListener | None = None
        # A context with an empty page, made while nothing else is to be done: it takes a quarter of a second. It is
        # of the kind that the last task had, since the next one is likely to want the same.
        self._spare: asyncio.Task[BrowserContext] | None = None
        self._spare_options: ContextOptions | None = None
        self._last_options: ContextOptions | None = None
        self._kept: KeptPage | None = None
        self._kept_end: asyncio.Task[None] | None = None
        # The browser that runs, or is to be started next.
        self._target: BrowserTarget | None = None
        self._is_suspect = False
        self._warned_about_sandbox = False
        self._proxy = FilteringProxy()
        self.version = ""
        self.tasks_run = 0
        self._tasks_of_browser = 0

    async def start(self) -> None:
        """Start Playwright and the browser, so that the first task finds them warm."""
        async with self._starting:
            await self._start_anew_if_needed()

    async def make_ready(self) -> None:
        """Replace a browser that is not there, crashed or does not answer by the default one: another that the last
        task wanted may be away for long, and would keep this worker from all other tasks."""
        if not self.is_healthy():
            self._target = None
            await self.restart(reason="crashed")

    async def _start_anew_if_needed(self) -> None:
        try:
            await self._start()
        except BrowserNotFoundError:
            raise
        except Exception:  # the driver itself may be gone, and stay so; a second failure is told
            await self._stop_playwright()
            await self._start()

    async def _start(self) -> None:
        if self._playwright is None:
            self._folder = self._folder or leftovers.WorkerFolder()
            before = set(psutil.Process().children())
            self._playwright = await _start_playwright(self._folder.path)
            self._driver = next(iter(set(psutil.Process().children()) - before), None)
        await self._proxy.start()
        if self._browser is None:
            await self._launch()

    @property
    def folder(self) -> Path:
        """This worker's temporary folder."""
        if self._folder is None:
            raise BrowserCrashedError("the browser is not started")
        return self._folder.path

    def is_healthy(self) -> bool:
        """Whether the next task can have a context without a new browser."""
        return self._browser is not None and self._browser.is_connected() and not self._is_suspect

    async def gone(self) -> None:
        """Returns once the browser has been gone for GONE_SECONDS and nobody has started another. What was asked of it
        fails by itself, as a rule; a call may also wait for good."""
        gone_since: float | None = None
        while gone_since is None or time.monotonic() - gone_since < GONE_SECONDS:
            await asyncio.sleep(_GONE_LOOK_SECONDS)
            if self._browser is None or self._browser.is_connected():
                gone_since = None
            elif gone_since is None:
                gone_since = time.monotonic()

    async def new_context(
        self,
        automation: Automation,
        *,
        on_document: DocumentListener | None = None,
        report: Report | None = None,
        use_proxy: bool = False,
    ) -> BrowserContext:
        """A context of its own for one task, with an empty page, in a browser that is fresh enough.

        Give it back with `close_context`. Until then `on_document` is asked about every document's response, and
        `report` is told what the browser's proxy refuses. Raises AutomationError at once when the document's channel
        or the task's proxy is not set up here.
        """
        target = target_of_channel(automation.browser_channel)
        upstream = proxy_of_task(use_proxy=use_proxy)
        if upstream is not None and target.address:
            raise AutomationError(
                f"use_proxy cannot be used with browser_channel “{automation.browser_channel}”: it is a browser behind "
                "an address, whose way out is its own"
            )
        await self._drop_kept()
        is_other_browser, self._target = target != (self._target or target_of_default()), target
        if not is_other_browser:
            await self.start()
        if is_other_browser:
            await self.restart(reason="channel")
        elif not self.is_healthy():
            await self.restart(reason="crashed")
        elif self._is_worn_out():
            await self.restart(reason=WORN_OUT)
        options = self._last_options = ContextOptions.of(automation)
        self._begin_task(on_document, report, upstream)
        try:
            if (spare := await self._take_spare(options)) is not None:
                return spare
            return await self._make_context(options)
        except (PlaywrightError, TimeoutError) as error:
            logger.warning("the browser gave no new context, starting a fresh one: %s", first_line(error))
        # It crashed just now. The task has done nothing in it, so it need not fail with it.
        await self.restart(reason="crashed")
        try:
            return await self._make_context(options)
        except (PlaywrightError, TimeoutError) as error:
            self._is_suspect = True
            raise BrowserCrashedError(f"the browser gave no new context ({first_line(error)})") from error

    def _begin_task(
        self, on_document: DocumentListener | None, report: Report | None, upstream: UpstreamProxy | None
    ) -> None:
        self.tasks_run += 1
        self._tasks_of_browser += 1
        self._document_listener = on_document
        self._proxy.begin_task(report=report, upstream=upstream)

    async def _make_context(self, options: ContextOptions) -> BrowserContext:
        if self._browser is None:
            raise BrowserCrashedError("the browser could not be started")
        async with asyncio.timeout(_CONTEXT_SECONDS):
            context = await self._browser.new_context(**options.arguments(version=self.version))
            if options.hides_banners:
                await hide_consent_banners(context)
            await empty_clipboard(await context.new_page())
        return context

    def _prepare_spare(self) -> None:
        if self._spare is None and self.is_healthy():
            options = self._spare_options = self._last_options or ContextOptions.of(None)
            self._spare = asyncio.create_task(self._make_context(options), name="spare context")

    async def _take_spare(self, options: ContextOptions) -> BrowserContext | None:
        """The spare context, if it is of this kind; one of another kind is closed."""
        spare, self._spare = self._spare, None
        if spare is None:
            return None
        try:
            if self._spare_options != options:
                await (await spare).close()
                return None
            return await spare
        except (PlaywrightError, BrowserCrashedError, TimeoutError):
            return None  # made again, and then a failure is told

    async def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.cancel()
            await asyncio.gather(spare, return_exceptions=True)

    async def close_context(self, context: BrowserContext) -> None:
        """Close a task's context, fast; a browser that does not is replaced before the next task."""
        self._document_listener = None
        await self._close_fast(context)
        self._proxy.end_task()
        self._prepare_spare()

    async def _close_fast(self, context: BrowserContext) -> None:
        try:
            await asyncio.wait_for(context.close(), _CLOSE_SECONDS)
        except (PlaywrightError, TimeoutError):
            self._is_suspect = True

    # --- a page that stays open between two tasks of a login ---------------------------------------------------

    def keep_page(self, page: Page, automation: Automation, *, state_id: uuid.UUID, masking: Masking) -> None:
        """Leave a task's only page open, in place of `close_context`, for the next task of the same login.

        `state_id` is the session that was stored with it, `masking` knows what may stand in it. It is closed when
        another task needs a context, and after KEPT_PAGE_SECONDS.
        """
        self._document_listener = None
        self._proxy.end_task()
        target = target_of_channel(automation.browser_channel)
        kept = self._kept = KeptPage(page, state_id, masking, target, ContextOptions.of(automation))
        self._kept_end = asyncio.create_task(self._close_kept_later(kept), name="end of the kept page")
        self._prepare_spare()

    def take_kept_page(
        self,
        automation: Automation,
        *,
        state_id: uuid.UUID,
        on_document: DocumentListener | None = None,
        report: Report | None = None,
    ) -> KeptPage | None:
        """The page that was left open with exactly this stored session, if the document wants such a browser and
        context; it is this task's then, until `close_context` or `keep_page`."""
        kept = self._kept
        if (
            kept is None
            or kept.state_id != state_id
            or kept.target != target_of_channel(automation.browser_channel)
            or kept.options != ContextOptions.of(automation)
            or not self.is_healthy()
            or self._is_worn_out()
        ):
            return None
        self._forget_kept()
        self._begin_task(on_document, report, None)
        return kept

    async def _close_kept_later(self, kept: KeptPage) -> None:
        await asyncio.sleep(KEPT_PAGE_SECONDS)
        if self._kept is kept:
            self._kept = None
            await self._close_fast(kept.page.context)

    async def _drop_kept(self) -> None:
        kept = self._kept
        self._forget_kept()
        if kept is not None:
            await self._close_fast(kept.page.context)

    def _forget_kept(self) -> None:
        self._kept = None
        if self._kept_end is not None:
            self._kept_end.cancel()
            self._kept_end = None

    async def restart(self, *, reason: str) -> None:
        """A fresh browser, whatever becomes of the old one. `reason` is what monitoring counts it under."""
        counters.count(BROWSER_RESTARTS, reason)
        async with self._starting:
            await self._close_browser()
            if reason == WORN_OUT:
                # The driver collects as much over the tasks as the browser does.
                await self._stop_playwright()
            await self._start_anew_if_needed()

    async def close(self) -> None:
        """End the browser, the driver and the temporary folder."""
        async with self._starting:
            await self._close_all()

    async def _close_all(self) -> None:
        await self._close_browser()
        await self._stop_playwright()
        await self._proxy.close()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    # --- how -------------------------------------------------------------------------------------------------

    async def _launch(self) -> None:
        if self._playwright is None:
            raise BrowserCrashedError("Playwright is not started")
        target = self._target = self._target or target_of_default()
        if target.address:
            browser = await _connect(self._playwright, target.address)
        else:
            browser = await self._launch_program(self._playwright, target.program or find_browser())
            browser_proxy.is_used_by(browser, self._proxy)
        try:
            async with asyncio.timeout(_CONTEXT_SECONDS):
                self._session = await browser.new_browser_cdp_session()
                self._session.on("Fetch.requestPaused", self._on_document)
                # Documents only (pages and frames), at the moment when their headers are known.
                pattern = {"urlPattern": "*", "resourceType": "Document", "requestStage": "Response"}
                await self._session.send("Fetch.enable", {"patterns": [pattern]})
        except TimeoutError as error:
            raise BrowserCrashedError("the browser started and does not answer") from error
        self._browser, self._is_suspect, self._tasks_of_browser = browser, False, 0
        self.version = browser.version
        self._prepare_spare()
        logger.info("browser started", extra={"version": self.version})

    async def _launch_program(self, playwright: Playwright, program: Path) -> Browser:
        try:
            return await playwright.chromium.launch(
                executable_path=program, timeout=_LAUNCH_SECONDS * 1000, **self._way_out()
            )
        except PlaywrightError as error:
            raise BrowserCrashedError(f"{program} did not start: {first_line(error)}") from error

    def _way_out(self) -> dict[str, Any]:
        """Launch options: the arguments, and the proxy that is the browser's only way to any address."""
        return {
            "args": [*self._arguments(), *_ONLY_THROUGH_PROXY],
            "proxy": {"server": self._proxy.address, "bypass": "<-loopback>"},
        }

    def _arguments(self) -> list[str]:
        arguments = [*_ARGUMENTS, f"--disable-features={','.join(_DISABLED_FEATURES)}"]
        if os.geteuid() == 0:
            # Chromium refuses to start as root with its sandbox on.
            arguments.append("--no-sandbox")
            if not self._warned_about_sandbox:
                logger.warning("running as root, so Chromium runs without its sandbox; use another user")
                self._warned_about_sandbox = True
        return arguments

    def _on_document(self, event: dict[str, Any]) -> None:
        session = self._session
        if session is None:
            return
        listener = self._document_listener or let_through
        answer = asyncio.ensure_future(listener(session, event))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    def _is_worn_out(self) -> bool:
        if self._tasks_of_browser >= settings.BROWSER_MAX_TASKS:
            return True
        # Reading the memory of all processes takes some 10 ms: every tenth task is often enough.
        if self._tasks_of_browser % 10 != 9:
            return False
        used = self._memory_bytes()
        if used > settings.BROWSER_MAX_MEMORY_MB * 1024 * 1024:
            logger.info("browser uses too much memory, starting a fresh one", extra={"megabytes": used >> 20})
            return True
        return False

    def _memory_bytes(self) -> int:
        """The memory of the driver and all of Chromium's processes; shared pages by their share (PSS)."""
        used = 0
        for process in self._family():
            with contextlib.suppress(psutil.Error, OSError):
                memory = process.memory_full_info()
                used += getattr(memory, "pss", memory.rss)
        return used

    async def _close_browser(self) -> None:
        self._forget_kept()  # it goes with its browser
        await self._drop_spare()
        browser, self._browser, self._session = self._browser, None, None
        if browser is None:
            return
        try:
            await asyncio.wait_for(browser.close(), 5 * _CLOSE_SECONDS)
        except (PlaywrightError, TimeoutError):
            # It hangs. The driver stays its parent, and kills it when a new one is started in its place.
            await self._stop_playwright()

    async def _stop_playwright(self) -> None:
        playwright, self._playwright = self._playwright, None
        self._browser = self._session = None
        if playwright is None:
            return
        family, self._driver = self._family(), None
        with contextlib.suppress(Exception):  # a driver that was killed has nothing left to say
            await asyncio.wait_for(playwright.stop(), 5 * _CLOSE_SECONDS)
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _family(self) -> list[psutil.Process]:
        if self._driver is None:
            return []
        with contextlib.suppress(psutil.Error):
            return [self._driver, *self._driver.children(recursive=True)]
        return []


async def _start_playwright(folder: Path) -> Playwright:
    """Start the driver with this worker's mark and temporary folder in its environment, and in nobody else's."""
    added = {leftovers.MARK: leftovers.worker_mark(), "TMPDIR": str(folder)}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        return await async_playwright().start()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


async def _connect(playwright: Playwright, address: str) -> Browser:
    """A running browser by its DevTools. Its address may hold a token, so it is not told."""
    try:
        return await playwright.chromium.connect_over_cdp(address, timeout=_CONNECT_SECONDS * 1000)
    except PlaywrightError as error:
        host = urlsplit(address).hostname
        raise BrowserCrashedError(f"the browser at {host} (BROWSER_CHANNELS) is not reached") from error


def target_of_default() -> BrowserTarget:
    """The browser of documents that ask for no other."""
    return target_of_channel("chromium")
