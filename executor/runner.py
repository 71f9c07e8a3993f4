"""One attempt: opens the page, walks the nodes, records each, and ends in order.

It knows no action by name: what runs a kind of node stands in `executor.actions.HANDLERS`.
"""

import asyncio
import contextlib
import logging
import shutil
import time
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from playwright.async_api import BrowserContext
from playwright.async_api import Error as PlaywrightError

from automation import (
    ActionNode,
    AssertLocatorNode,
    Automation,
    ExpansionError,
    ExpressionError,
    IfElseNode,
    Node,
    evaluate_condition,
    expand_node,
    find_unsupported,
    kind_of,
    label_of,
    locator_text_of,
)
from automation.element import Element, OneOf
from executor.actions import FIND_FIRST, HANDLERS, WITHOUT_PAGE
from executor.actions.navigation import open_address
from executor.browser import BrowserPool
from executor.downloads import Downloads
from executor.errors import (
    AutomationError,
    BrowserCrashedError,
    DownloadMissingError,
    PageNotRespondingError,
    RunError,
    is_gone,
    playwright_errors,
)
from executor.masking import Masking
from executor.pictures import Frame
from executor.recorder import Recorder, StepRecord
from executor.run import Memory, Run
from executor.watching import Tabs
from inference.models import Task

logger = logging.getLogger(__name__)

# Nodes that are no actions; the rest is in HANDLERS.
RUNNABLE_KINDS = frozenset({*HANDLERS, "if_else_node"})

_SETTLE_AFTER_OPENING_SECONDS = 5.0
_PAGE_ANSWERS_SECONDS = 10.0
_DOWNLOADS_SECONDS = 10.0
_FINAL_SCREENSHOT_MS = 10_000
# After an attempt was told to stop: what it was doing should still be readable.
_LAST_WRITES_SECONDS = 2.0
# The picture of a click is the view that it acts on; the one after it is the next step's.
_PICTURE_AT_ACT = frozenset({"click_element"})
# These change nothing: the newest view is theirs.
_ONLY_LOOKS = frozenset({"assert_locator_node", "extraction.locator", "extraction.screenshot", "extraction.state"})
# Acts that make pages do something a moment later; typing and ticking are answered at once, or not at all.
_SETS_OFF_MORE = frozenset({"click_element", "key_press"})


class AttemptRunner:
    """Runs a document once. `output_data`, `for_loop_status` and `final_screenshot_id` are valid at any time."""

    def __init__(
        self, *, task: Task, automation: Automation, attempt_number: int, token: int, pool: BrowserPool
    ) -> None:
        self._task_id: uuid.UUID = task.id
        self._automation = automation
        self._input_parameters: Mapping[str, list[Any]] = task.input_parameters
        self._pool = pool
        self._token = token
        self._memory = Memory()
        self._masking = Masking()
        self._recorder = Recorder(task_id=task.id, attempt=attempt_number, token=token, mask=self._masking.mask)
        self._positions = 0
        self._steps = 0
        self._doing = ("starting the browser", time.monotonic())
        self._last_picture: asyncio.Task[Frame | None] | None = None
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

    async def execute(self) -> None:
        """Run the document to its end.

        Raises RunError (its message is the task's error), LeaseLostError, or asyncio.CancelledError when told to
        stop: then the context is closed within a second, and what was produced so far stays.
        """
        self._recorder.start()
        work = asyncio.create_task(self._attempt(), name=f"attempt of {self._task_id}")
        broken = asyncio.create_task(self._recorder.broken(), name="recorder watch")
        try:
            await asyncio.wait({work, broken}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await _end(work)  # nothing that it does could be written anymore
            elif (error := work.exception()) is not None:
                raise error
            await self._recorder.drain()
        except asyncio.CancelledError:
            await _end(work)
            with contextlib.suppress(Exception):  # told to stop: what cannot be written now never will be
                await asyncio.wait_for(self._recorder.drain(), _LAST_WRITES_SECONDS)
            raise
        except RunError as error:
            error.args = (self._masking.mask(str(error)),)
            await self._recorder.drain()
            raise
        finally:
            await _end(broken)
            await self._recorder.stop()

    # --- from the first page to the last file ----------------------------------------------------------------

    async def _attempt(self) -> None:
        if unsupported := find_unsupported(self._automation, RUNNABLE_KINDS):
            raise AutomationError(f"{unsupported[0].path}: {unsupported[0].message}")
        for is_second_browser in (False, True):
            try:
                await self._attempt_in_context(is_second_browser=is_second_browser)
                return
            except PageNotRespondingError:
                if is_second_browser:
                    raise
                await self._pool.restart()

    async def _attempt_in_context(self, *, is_second_browser: bool) -> None:
        folder = await self._make_folder(is_second_browser=is_second_browser)
        downloads = Downloads(folder=folder, report=self._recorder.event)
        context = await self._pool.new_context(self._automation, on_document=downloads.on_document)
        tabs = Tabs(context, downloads=downloads, report=self._recorder.event)
        run = Run(
            task_id=self._task_id,
            automation=self._automation,
            input_parameters=self._input_parameters,
            memory=self._memory,
            recorder=self._recorder,
            tabs=tabs,
            downloads=downloads,
            masking=self._masking,
            folder=folder,
        )
        try:
            await self._open(run)
            await self._walk_and_finish(run)
        finally:
            await self._close(context, tabs, downloads, folder)

    async def _make_folder(self, *, is_second_browser: bool) -> Path:
        await self._pool.start()
        folder = self._pool.folder / f"attempt-{self._token}{'-again' if is_second_browser else ''}"
        await asyncio.to_thread(folder.mkdir, mode=0o700, exist_ok=True)
        return folder

    async def _close(self, context: BrowserContext, tabs: Tabs, downloads: Downloads, folder: Path) -> None:
        tabs.stop()
        await self._pool.close_context(context)
        await downloads.stop()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _open(self, run: Run) -> None:
        self._now("opening the page")
        await run.tabs.open_first()
        if self._automation.url:
            warning = await open_address(run.page, self._automation.url)
            if warning is not None:
                self._recorder.event("navigation", {"text": warning})
            await run.tab.activity.settle(_SETTLE_AFTER_OPENING_SECONDS)
        try:
            await asyncio.wait_for(run.page.locator("html").count(), _PAGE_ANSWERS_SECONDS)
        except TimeoutError as error:
            raise PageNotRespondingError("page did not respond") from error
        except PlaywrightError as error:
            if is_gone(error):
                raise BrowserCrashedError("the page went away while it was opened") from error

    async def _walk_and_finish(self, run: Run) -> None:
        try:
            await self._run_nodes(self._automation.nodes, "nodes", run, depth=0)
        except RunError as error:
            if not isinstance(error, BrowserCrashedError):
                await self._finish(run)
            raise
        await self._finish(run)

    async def _finish(self, run: Run) -> None:
        """What is kept of the browser before it goes. Nothing here fails a task."""
        if self._last_picture is not None:
            await asyncio.wait({self._last_picture})
        self._now("waiting for downloads")
        expected = max(0, self._automation.expected_downloads)
        if not await run.downloads.wait_for_count(expected, seconds=_DOWNLOADS_SECONDS):
            here = len(run.downloads.arrived)
            self._recorder.event("note", {"text": f"{here} of {expected} expected downloads came"})
        for file in run.downloads.arrived:
            if not file.claimed:
                try:
                    await run.keep_download(file)
                except DownloadMissingError as error:
                    self._recorder.event("download", {"state": "left out", "error": str(error)})
        if self._automation.take_final_screenshot:
            self._now("taking the final screenshot")
            await self._take_final_screenshot(run)

    async def _take_final_screenshot(self, run: Run) -> None:
        try:
            png = await run.page.screenshot(full_page=True, type="png", timeout=_FINAL_SCREENSHOT_MS)
        except (PlaywrightError, BrowserCrashedError):
            return
        self.final_screenshot_id = await run.keep_picture(png, filename="final_screenshot.png")

    # --- the walk --------------------------------------------------------------------------------------------

    async def _run_nodes(self, nodes: Sequence[Node], path: str, run: Run, *, depth: int) -> None:
        for number, node in enumerate(nodes):
            await self._run_node(node, f"{path}[{number}]", run, depth=depth)

    async def _run_node(self, node: Node, path: str, run: Run, *, depth: int) -> None:
        match node:
            case IfElseNode():
                await self._run_branch(node, path, run, depth=depth)
            case ActionNode() | AssertLocatorNode():
                await self._run_step(node, path, run, depth=depth)
            case _:
                raise AutomationError(f"{path}: {kind_of(node)} cannot be run by this server")

    async def _run_branch(self, node: IfElseNode, path: str, run: Run, *, depth: int) -> None:
        step = self._new_step(node, path, depth=depth, counts=False)
        self._recorder.step_began(step)
        try:
            holds = self._judge(node)
            step.details["condition"] = holds
            name, nodes = ("if_nodes", node.if_nodes) if holds else ("else_nodes", node.else_nodes)
            await self._run_nodes(nodes, f"{path}.{name}", run, depth=depth + 1)
        except BaseException as error:
            step.fail(_reason(error))
            raise
        finally:
            self._recorder.step_ended(step)

    def _judge(self, node: IfElseNode) -> bool:
        try:
            return evaluate_condition(node.condition, input=self._input_parameters, generated=self._memory.variables)
        except ExpressionError as error:
            raise AutomationError(f"the condition “{node.condition[:200]}” {error}") from error

    async def _run_step(self, node: ActionNode | AssertLocatorNode, path: str, run: Run, *, depth: int) -> None:
        step = self._new_step(node, path, depth=depth, counts=True)
        run.begin_node(node if isinstance(node, ActionNode) else None, step, wants_view=step.kind in _PICTURE_AT_ACT)
        self._recorder.step_began(step)
        self._now(f"step {step.index} ({step.label})")
        try:
            with playwright_errors(step.label):
                await self._do(node, run, step)
        except BaseException as error:
            step.fail(_reason(error))
            step.url = _url_of(run)
            self._recorder.step_ended(step, await _view_of_failure(step, run, error))
            raise
        step.url = _url_of(run)
        self._recorder.step_ended(step, self._picture(step, run))

    def _new_step(self, node: Node, path: str, *, depth: int, counts: bool) -> StepRecord:
        position, self._positions = self._positions, self._positions + 1
        if counts:
            self._steps += 1
        return StepRecord(
            position=position,
            index=self._steps if counts else None,
            path=path,
            depth=depth,
            kind=kind_of(node),
            label=label_of(node),
            locator=locator_text_of(node) or "",
            is_commit_point=isinstance(node, ActionNode) and node.commit_point,
        )

    async def _do(self, node: ActionNode | AssertLocatorNode, run: Run, step: StepRecord) -> None:
        if isinstance(node, ActionNode):
            await self._wait_before(node, run)
        expanded = self._expanded(node)
        if isinstance(expanded, ActionNode):
            run.show_node(expanded)
        began = time.time()
        if step.kind not in WITHOUT_PAGE:
            run.tab.activity.begin()
        opened_before = run.tabs.opened_count
        if step.kind not in FIND_FIRST:
            await run.about_to_act()
        await HANDLERS[step.kind](_action_of(expanded), run)
        run.act_is_done(changes_page=step.kind not in _ONLY_LOOKS)
        if step.kind in _SETS_OFF_MORE and run.tabs.all:
            run.tab.activity.expect_changes(unless_navigated_since=began)
        if run.is_act_journaled:
            await self._recorder.finish_commit_point(step)
        if isinstance(node, ActionNode) and step.kind not in WITHOUT_PAGE:
            await self._wait_after(node, run, opened_before)

    def _expanded(self, node: ActionNode | AssertLocatorNode) -> ActionNode | AssertLocatorNode:
        try:
            return expand_node(node, input=self._input_parameters, generated=self._memory.variables)
        except ExpansionError as error:
            raise AutomationError(str(error)) from error

    async def _wait_before(self, node: ActionNode, run: Run) -> None:
        seconds = max(0.0, node.before_sleep_time)
        if seconds == 0:
            return
        if node.before_sleep_is_explicit and settings.HONOUR_EXPLICIT_SLEEPS:
            await asyncio.sleep(seconds)
        elif run.tabs.all:
            await run.tab.activity.settle(seconds)

    async def _wait_after(self, node: ActionNode, run: Run, opened_before: int) -> None:
        if node.expect_new_tab:
            seconds = node.max_new_tab_wait_time
            if not await run.tabs.wait_for_opened(more_than=opened_before, seconds=seconds):
                run.step.warn(f"no new tab was opened within {seconds:g} s")
        if run.tabs.all:  # an act may close the last tab; that is the next node's problem, if there is one
            tab = run.tab
            await tab.ready()
            await tab.activity.settle(node.end_sleep_time)

    def _picture(self, step: StepRecord, run: Run) -> Awaitable[Frame | None] | None:
        """The step's picture; it comes while the run goes on, and the last one is waited for in `_finish`."""
        if step.kind in WITHOUT_PAGE or not run.tabs.all:
            return None
        at_act, run.view_at_act = run.view_at_act, None
        view = run.view_after_act() if at_act is None else _view_of_act(at_act, run)
        self._last_picture = asyncio.create_task(view, name=f"picture of step {step.index}")
        return self._last_picture

    def _now(self, doing: str) -> None:
        self._doing = (doing, time.monotonic())


async def _view_of_failure(step: StepRecord, run: Run, error: BaseException) -> Awaitable[Frame | None] | None:
    """What the page shows after a failure; only what is at hand when there is no time or no page left."""
    if step.kind in WITHOUT_PAGE and not isinstance(error, RunError):
        return None
    if not run.tabs.all:
        return None
    pictures = run.tabs.current.pictures
    if isinstance(error, RunError) and not isinstance(error, BrowserCrashedError):
        return _given(await pictures.screenshot() or pictures.newest)
    return _given(pictures.newest)


async def _view_of_act(view: asyncio.Task[Frame | None], run: Run) -> Frame | None:
    """The view that was acted on; when the page went away before it was ever seen, the one that came of it."""
    frame = await view
    if frame is None and run.tabs.all:
        frame = run.tabs.current.pictures.newest
    return frame


async def _given(frame: Frame | None) -> Frame | None:
    return frame


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _action_of(node: ActionNode | AssertLocatorNode) -> Element:
    """The innermost action of a node: what the node's kind names."""
    action: Element = node
    while isinstance(action, OneOf):
        action = action.chosen
    return action


def _url_of(run: Run) -> str:
    return run.tabs.current.page.url if run.tabs.all else ""


def _reason(error: BaseException) -> str:
    match error:
        case RunError():
            return str(error)
        case asyncio.CancelledError():
            return "stopped"
        case _:
            return f"internal error: {type(error).__name__}"
