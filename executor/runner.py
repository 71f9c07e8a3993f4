"""One attempt: opens the page, has the nodes run, and ends in order."""

import asyncio
import contextlib
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from playwright.async_api import BrowserContext
from playwright.async_api import Error as PlaywrightError

from automation import ALL_KINDS, Automation, find_unsupported
from executor.actions.navigation import open_address
from executor.browser import BrowserPool
from executor.browser_state import is_open_at
from executor.database import in_database
from executor.downloads import Downloads
from executor.errors import (
    ActionError,
    AutomationError,
    BrowserCrashedError,
    DiskFullError,
    DownloadMissingError,
    PageNotRespondingError,
    RunError,
    first_line,
    is_disk_full,
    is_gone,
)
from executor.evidence import Evidence
from executor.login_sessions import AttemptSession
from executor.masking import Masking
from executor.network import NetworkRecord, wanted_calls
from executor.pace import SETTLING, Pace
from executor.person_clock import PersonClock
from executor.place import Place
from executor.proxy_check import read_check_page
from executor.recorder import Recorder, StepRecord
from executor.run import Memory, Run
from executor.tracing import wants_trace
from executor.walk import WALKED_KINDS, Walk
from executor.watching import Tabs
from inference.models import Task

logger = logging.getLogger(__name__)

# Every kind that a document may hold and this server runs. Channels are asked for when the browser is: an operator may
# have mapped one to a browser.
_CHANNELS = frozenset(kind for kind in ALL_KINDS if kind.startswith("browser_channel."))
RUNNABLE_KINDS = WALKED_KINDS | _CHANNELS | {"post_processing_nodes"}

_PAGE_ANSWERS_SECONDS = 10.0
_DOWNLOADS_SECONDS = 10.0
_FINAL_SCREENSHOT_MS = 10_000
_LEAVE_OPEN_SECONDS = 5.0
_DATABASE_RETRY_SECONDS = 1.0
# After an attempt was told to stop, and its context is closed: what it was doing should still be readable.
_LAST_WRITES_SECONDS = 2.0
# For both together when it was cancelled: somebody waits for the end, and two seconds are promised for all of it. The
# writes go on while the context closes, so they are cut off only where the database is slow as well.
_HURRIED_SECONDS = 1.2


class AttemptRunner:
    """Runs a document once. `output_data`, `for_loop_status` and `final_screenshot_id` are valid at any time.

    `is_last_attempt` says whether the task ends with a given error; it may ask the database, and is called in the
    thread for that. Without it every attempt is the last one. `on_step` is told of each step that has ended.
    """

    def __init__(
        self,
        *,
        task: Task,
        automation: Automation,
        attempt_number: int,
        token: int,
        pool: BrowserPool,
        is_last_attempt: Callable[[RunError], bool] = lambda _: True,
        pace: Pace = SETTLING,
        on_step: Callable[[StepRecord], None] = lambda _: None,
    ) -> None:
        self._task = task
        self._task_id: uuid.UUID = task.id
        self._attempt_number = attempt_number
        self._automation = automation
        self._input_parameters: Mapping[str, list[Any]] = task.input_parameters
        self._pool = pool
        self._token = token
        self._is_last_attempt = is_last_attempt
        self._pace = pace
        self._memory = Memory()
        self._masking = Masking()
        self.person_clock = PersonClock()
        self._recorder = Recorder(
            task_id=task.id, attempt=attempt_number, token=token, mask=self._masking.mask, on_step=on_step
        )
        # Of the login's stored session, if the task has part in one.
        self._session: AttemptSession | None = None
        if task.is_dedicated:
            self._session = AttemptSession(task, token=token, recorder=self._recorder)
        self._doing = ("starting the browser", time.monotonic())
        self._is_hurried = False
        self.final_screenshot_id: uuid.UUID | None = None

    @property
    def output_data(self) -> list[dict[str, Any]]:
        return self._memory.output_data

    @property
    def for_loop_status(self) -> list[list[dict[str, Any]]]:
        return self._memory.for_loop_status

    def now_doing(self) -> str:
        """`step 7 (Click “Save”), for 12 s` or `opening the page, for 3 s`; safe to call from any thread."""
        what, since = self._doing
        return f"{what}, for {time.monotonic() - since:.0f} s"

    def timed_out(self) -> None:
        """The attempt was stopped at its time limit. Called by the thread that stopped it; asks the database."""
        if self._session is not None:
            self._session.timed_out()

    def hurry(self) -> None:
        """The attempt is about to be told to stop, and somebody waits for it. Safe to call from any thread."""
        self._is_hurried = True

    async def execute(self) -> None:
        """Run the document to its end.

        Raises RunError (its message is the task's error), LeaseLostError, or asyncio.CancelledError when told to
        stop: then the context is closed within a second, and what was produced so far stays; after `hurry`, all of
        that takes little more.
        """
        self._recorder.start()
        work = asyncio.create_task(self._attempt(), name=f"attempt of {self._task_id}")
        broken = asyncio.create_task(self._recorder.broken(), name="recorder watch")
        gone = asyncio.create_task(self._pool.gone(), name="browser watch")
        try:
            await asyncio.wait({work, broken, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await _end(work)  # nothing that it does could be written, or nothing of it done anymore
                if not broken.done():
                    raise BrowserCrashedError("the browser went away, and what was asked of it never returned")
            elif work.cancelled():
                # Not by us: a driver that is killed cancels what waits for its answers.
                raise BrowserCrashedError("the browser's driver went away")
            elif (error := work.exception()) is not None:
                raise error
            await self._recorder.drain()
        except asyncio.CancelledError:
            told_at = time.monotonic()
            await _end(work)
            left = _LAST_WRITES_SECONDS
            if self._is_hurried:
                left = max(0.0, told_at + _HURRIED_SECONDS - time.monotonic())
            with contextlib.suppress(Exception):  # told to stop: what cannot be written now never will be
                await asyncio.wait_for(self._recorder.drain(), left)
            raise
        except RunError as error:
            error.args = (self._masking.mask(str(error)),)
            await self._recorder.drain()
            raise
        except Exception as error:
            with contextlib.suppress(Exception):  # how the steps ended should be readable; this error matters more
                await self._recorder.drain()
            if is_disk_full(error):
                raise DiskFullError from error
            raise
        finally:
            await _end(broken)
            await _end(gone)
            await self._recorder.stop()

    # --- from the first page to the last file ----------------------------------------------------------------

    async def _attempt(self) -> None:
        if unsupported := find_unsupported(self._automation, RUNNABLE_KINDS):
            raise AutomationError(f"{unsupported[0].path}: {unsupported[0].message}")
        if self._session is None:
            await self._attempt_in_browser()
            return
        await self._session.load()
        try:
            await self._attempt_in_browser()
        except Exception as error:  # goes on up; here it only says something about the session
            await self._session.failed(error)
            raise

    async def _attempt_in_browser(self) -> None:
        for is_second_browser in (False, True):
            try:
                await self._attempt_in_context(is_second_browser=is_second_browser)
                return
            except PageNotRespondingError:
                if is_second_browser:
                    raise
                await self._pool.restart(reason="page_not_responding")

    async def _attempt_in_context(self, *, is_second_browser: bool) -> None:
        folder = await self._make_folder(is_second_browser=is_second_browser)
        downloads = Downloads(folder=folder, report=self._recorder.event)
        context = await self._page_left_open(downloads)
        is_page_reused = context is not None
        context = context or await self._new_context(downloads)
        run = self._new_run(context, downloads, folder)
        is_left_open = False
        try:
            try:
                await self._run_in(run, may_start_again=not is_second_browser, is_page_reused=is_page_reused)
            except RunError as error:
                if not error.ends_attempt:  # else nothing answers anymore that could end the trace
                    await run.evidence.keep_trace(folder)
                raise
            await run.evidence.keep_trace(folder)
            # After the trace, which would hold what is read here.
            is_left_open = await self._keep_session(context, run)
        finally:
            await self._close(context, run, is_left_open=is_left_open)

    async def _page_left_open(self, downloads: Downloads) -> BrowserContext | None:
        """The context of the login's task before, when the document wants its page and that is where it should be."""
        session = self._session
        if session is None or session.state_id is None or not self._automation.reuse_page_if_already_on_url:
            return None
        kept = self._pool.take_kept_page(
            self._automation,
            state_id=session.state_id,
            on_document=downloads.on_document,
            report=self._recorder.event,
        )
        if kept is None:
            return None
        context = kept.page.context
        try:
            if await is_open_at(kept.page, self._automation.url):
                self._masking.hide_what(kept.masking)
                session.tell_reused()
                return context
        except asyncio.CancelledError:
            await self._pool.close_context(context)
            raise
        await self._pool.close_context(context)
        return None

    async def _new_context(self, downloads: Downloads) -> BrowserContext:
        """A fresh context, with the stored session of a dedicated task's login in it."""
        while True:
            context = await self._pool.new_context(
                self._automation,
                on_document=downloads.on_document,
                report=self._recorder.event,
                use_proxy=self._task.use_proxy,
            )
            if self._session is None:
                return context
            try:
                if await self._session.restore(context):
                    return context
            except asyncio.CancelledError:
                await self._pool.close_context(context)
                raise
            await self._pool.close_context(context)

    async def _keep_session(self, context: BrowserContext, run: Run) -> bool:
        """After a good end: store what the login's next task begins with. Whether the page is left open for it, too."""
        if self._session is None:
            return False
        self._now("keeping the session of its login")
        try:
            page = run.page
        except BrowserCrashedError:
            page = None  # the last node has closed it
        if not await self._session.keep(context, page):
            return False
        state_id = self._session.state_id
        if page is None or state_id is None or not self._automation.reuse_page_if_already_on_url:
            return False
        try:
            async with asyncio.timeout(_LEAVE_OPEN_SECONDS):
                page = await run.tabs.leave_open()
        except (PlaywrightError, TimeoutError):
            return False
        self._pool.keep_page(page, self._automation, state_id=state_id, masking=self._masking)
        return True

    async def _make_folder(self, *, is_second_browser: bool) -> Path:
        await self._pool.start()
        folder = self._pool.folder / f"attempt-{self._token}{'-again' if is_second_browser else ''}"
        await asyncio.to_thread(folder.mkdir, mode=0o700, exist_ok=True)
        return folder

    def _new_run(self, context: BrowserContext, downloads: Downloads, folder: Path) -> Run:
        network = NetworkRecord(wanted_calls(self._automation))
        evidence = Evidence(
            task_id=self._task_id, attempt=self._attempt_number, recorder=self._recorder, masking=self._masking
        )
        tabs = Tabs(
            context,
            downloads=downloads,
            network=network,
            log=evidence.log,
            report=self._recorder.event,
            mask=self._masking.mask,
            leave_dialogs=self._automation.enable_browser_alerts,
        )
        return Run(
            task_id=self._task_id,
            automation=self._automation,
            input_parameters=self._input_parameters,
            memory=self._memory,
            recorder=self._recorder,
            tabs=tabs,
            downloads=downloads,
            network=network,
            masking=self._masking,
            evidence=evidence,
            folder=folder,
            person_clock=self.person_clock,
            pace=self._pace,
        )

    async def _close(self, context: BrowserContext, run: Run, *, is_left_open: bool) -> None:
        if not is_left_open:
            run.tabs.stop()
            await self._pool.close_context(context)
        await run.downloads.stop()
        await asyncio.to_thread(shutil.rmtree, run.folder, ignore_errors=True)

    async def _run_in(self, run: Run, *, may_start_again: bool, is_page_reused: bool) -> None:
        walk = Walk(run, say=self._now)
        try:
            await self._open(run, is_page_reused=is_page_reused)
            await walk.run_nodes(self._automation.nodes, Place("nodes"))
            await walk.last_picture()
            await self._wait_for_downloads(run)
        except RunError as error:
            await walk.last_picture()
            starts_again = isinstance(error, PageNotRespondingError) and may_start_again
            if not starts_again and await self._is_last(error):
                if not error.ends_attempt:
                    with contextlib.suppress(DiskFullError):  # it has failed already, and for another reason
                        await self._wait_for_downloads(run)
                await self._finish(run, walk, has_page=not error.ends_attempt)
            raise
        await self._finish(run, walk, has_page=True)

    async def _open(self, run: Run, *, is_page_reused: bool) -> None:
        self._now("opening the page")
        await run.tabs.open_first()
        await self._begin_trace(run)
        if not is_page_reused:
            await self._open_start_address(run)
        try:
            await asyncio.wait_for(run.page.locator("html").count(), _PAGE_ANSWERS_SECONDS)
        except TimeoutError as error:
            raise PageNotRespondingError("page did not respond") from error
        except PlaywrightError as error:
            if is_gone(error):
                raise BrowserCrashedError("the page went away while it was opened") from error

    async def _open_start_address(self, run: Run) -> None:
        if self._task.use_proxy and settings.PROXY_CHECK_URL:
            await self._look_who_is_seen(run)
        if self._automation.url:
            warning = await open_address(run.page, self._automation.url)
            if warning is not None:
                self._recorder.event("navigation", {"text": warning})
            await run.pace.opened(run.tab)

    async def _look_who_is_seen(self, run: Run) -> None:
        """What the proxy's check page says becomes an output item; a check that fails is told, and no more."""
        self._now("asking who is seen behind the proxy")
        try:
            said = await read_check_page(run.page, settings.PROXY_CHECK_URL)
        except (PlaywrightError, ActionError, TimeoutError) as error:
            self._recorder.event("note", {"text": f"the proxy's check page gave no answer: {first_line(error)}"})
            return
        run.add_output(unique_identifier="ip_info", **said)

    async def _begin_trace(self, run: Run) -> None:
        try:
            wanted = await in_database(wants_trace, self._automation, self._task, attempt_number=self._attempt_number)
        except (OperationalError, InterfaceError):
            return  # the database is away: a trace is not worth waiting for it
        if wanted:
            has_secrets = bool(self._automation.parameters.secure_parameters)
            await run.evidence.begin_trace(run.page.context, has_secrets=has_secrets)

    async def _is_last(self, error: RunError) -> bool:
        while True:
            try:
                return await in_database(self._is_last_attempt, error)
            except (OperationalError, InterfaceError):
                # The database is away. The lease, or the task's time limit, ends this if it stays away.
                await asyncio.sleep(_DATABASE_RETRY_SECONDS)

    async def _finish(self, run: Run, walk: Walk, *, has_page: bool) -> None:
        """What is still done and kept before the browser goes. Nothing here fails a task, but a full disk."""
        await self._run_post_processing(walk)
        if has_page:
            await self._keep_downloads(run)
            await self._take_final_screenshot(run)

    async def _wait_for_downloads(self, run: Run) -> None:
        """Raises DiskFullError when one of them found no room: the task would succeed without its file."""
        self._now("waiting for downloads")
        expected = max(0, self._automation.expected_downloads)
        if not await run.downloads.wait_for_count(expected, seconds=_DOWNLOADS_SECONDS):
            here = len(run.downloads.arrived)
            self._recorder.event("note", {"text": f"{here} of {expected} expected downloads came"})

    async def _run_post_processing(self, walk: Walk) -> None:
        """Once per task, whether it succeeded or failed; that stays as it is, whatever happens here."""
        try:
            await walk.run_nodes(self._automation.post_processing_nodes, Place("post_processing_nodes"))
        except RunError as error:
            self._recorder.event("note", {"text": f"post-processing ended early: {error}"})
        await walk.last_picture()

    async def _keep_downloads(self, run: Run) -> None:
        """Those that no node has asked for."""
        for file in run.downloads.arrived:
            if not file.claimed:
                try:
                    await run.keep_download(file)
                except DownloadMissingError as error:
                    self._recorder.event("download", {"state": "left out", "error": str(error)})

    async def _take_final_screenshot(self, run: Run) -> None:
        if not self._automation.take_final_screenshot:
            return
        self._now("taking the final screenshot")
        try:
            png = await run.page.screenshot(full_page=True, type="png", timeout=_FINAL_SCREENSHOT_MS)
        except (PlaywrightError, BrowserCrashedError):
            return
        self.final_screenshot_id = await run.keep_picture(png, filename="final_screenshot.png")

    def _now(self, doing: str) -> None:
        self._doing = (doing, time.monotonic())


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
