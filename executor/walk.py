"""The walk over the nodes of a document: each one that runs has a row, each action its waits and its picture.

It knows no action by name: what runs a kind of node stands in `executor.actions.HANDLERS`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager

from django.conf import settings

from automation import (
    ActionNode,
    AssertLocatorNode,
    ExpansionError,
    ExpressionError,
    ForLoopNode,
    IfElseNode,
    Node,
    PrivateNode,
    evaluate_condition,
    expand_node,
    kind_of,
    label_of,
    locator_text_of,
)
from automation.actions.control import MiscAction
from automation.element import Element, OneOf
from executor.actions import (
    FIND_FIRST,
    HANDLERS,
    ONLY_LOOKS,
    PICTURE_AT_ACT,
    SETS_OFF_MORE,
    WITHOUT_PAGE,
    WITHOUT_PICTURE,
)
from executor.errors import AutomationError, BrowserCrashedError, RunError, playwright_errors
from executor.evidence import KEEP_SECONDS
from executor.loops import Loop
from executor.pictures import Frame
from executor.place import Place
from executor.recorder import StepRecord
from executor.run import Run
from inference.models import StepStatus
from inference.telemetry.counters import counters
from inference.telemetry.families import STEP_FAILURES

# What the walk itself runs, and what has a handler.
WALKED_KINDS = frozenset({*HANDLERS, "for_loop_node", "if_else_node"})

# A loop with thousands of passes would fill the storage with views that nobody looks at. Steps that fail have theirs
# in any case.
_MAX_PICTURES = 2_000

# Nodes that have a number and a handler.
StepNode = ActionNode | AssertLocatorNode | PrivateNode


class Walk:
    """Runs nodes of one attempt. `say` is told what is being done, for people who wait."""

    def __init__(self, run: Run, *, say: Callable[[str], None]) -> None:
        self._run = run
        self._recorder = run.recorder
        self._say = say
        self._positions = 0
        self._steps = 0
        self._pictures = 0
        self._last_picture: asyncio.Task[Frame | None] | None = None

    async def run_nodes(self, nodes: Iterable[Node], place: Place) -> None:
        """Run `nodes`, the list at `place`, one after the other; the first error ends it.

        Raises RunError and asyncio.CancelledError; the row of each node that it ends says so.
        """
        for number, node in enumerate(nodes):
            await self._recorder.room()
            self._run.downloads.raise_if_full()
            await self._run_node(node, place.item(number))

    async def last_picture(self) -> None:
        """Wait for the picture of the newest step: nothing may change the page before."""
        if self._last_picture is not None:
            await asyncio.wait({self._last_picture})

    async def _run_node(self, node: Node, place: Place) -> None:
        match node:
            case ForLoopNode():
                with self._row(node, place) as step:
                    loop = Loop(node, place=place, step=step, run=self._run, run_nodes=self.run_nodes)
                    await loop.execute()
            case IfElseNode():
                with self._row(node, place) as step:
                    await self._run_branch(node, place, step)
            case _:
                await self._run_step(node, place)

    async def _run_branch(self, node: IfElseNode, place: Place, step: StepRecord) -> None:
        holds = self._judge(node)
        step.details["condition"] = holds
        field, nodes = ("if_nodes", node.if_nodes) if holds else ("else_nodes", node.else_nodes)
        await self.run_nodes(nodes, place.inside(field))

    def _judge(self, node: IfElseNode) -> bool:
        run = self._run
        try:
            return evaluate_condition(node.condition, input=run.input_parameters, generated=run.memory.variables)
        except ExpressionError as error:
            raise AutomationError(f"the condition “{node.condition[:200]}” {error}") from error

    # --- rows ------------------------------------------------------------------------------------------------

    @contextmanager
    def _row(self, node: Node, place: Place) -> Generator[StepRecord]:
        """The row of a loop or branch, around all that runs in it."""
        step = self._new_step(node, place, counts=False)
        self._recorder.step_began(step)
        try:
            yield step
        except BaseException as error:
            step.fail(_reason(error))
            raise
        finally:
            self._recorder.step_ended(step)

    async def _run_step(self, node: StepNode, place: Place) -> None:
        run = self._run
        step = self._new_step(node, place, counts=True)
        run.begin_node(node if isinstance(node, ActionNode) else None, step, wants_view=step.kind in PICTURE_AT_ACT)
        self._recorder.step_began(step)
        self._say(f"step {step.index} ({step.label})")
        try:
            with playwright_errors(step.label):
                await self._do(node, step)
        except BaseException as error:
            step.fail(_reason(error))
            if isinstance(error, Exception):  # else it was told to stop
                counters.count(STEP_FAILURES, step.kind)
            step.url = _url_of(run)
            picture: Awaitable[Frame | None] | None = None
            try:
                picture = await _view_of_failure(step, run, error)
            finally:  # being told to stop meanwhile changes nothing about how the step ended
                self._recorder.step_ended(step, picture)
            raise
        step.url = _url_of(run)
        self._recorder.step_ended(step, self._picture(step))

    def _new_step(self, node: Node, place: Place, *, counts: bool) -> StepRecord:
        position, self._positions = self._positions, self._positions + 1
        if counts:
            self._steps += 1
        return StepRecord(
            position=position,
            index=self._steps if counts else None,
            path=place.path,
            depth=place.depth,
            kind=kind_of(node),
            label=label_of(node),
            locator=locator_text_of(node) or "",
            is_commit_point=isinstance(node, ActionNode) and node.commit_point,
            details=dict(place.details),
        )

    def _picture(self, step: StepRecord) -> Awaitable[Frame | None] | None:
        """The step's picture; it comes while the run goes on, and the last one is waited for in `last_picture`."""
        run = self._run
        if step.kind in WITHOUT_PICTURE or not run.tabs.all or not self._has_room_for_picture():
            return None
        at_act, run.view_at_act = run.view_at_act, None
        view = run.view_after_act() if at_act is None else _view_of_act(at_act, run)
        self._last_picture = asyncio.create_task(view, name=f"picture of step {step.index}")
        return self._last_picture

    def _has_room_for_picture(self) -> bool:
        self._pictures += 1
        if self._pictures == _MAX_PICTURES + 1:
            text = f"{_MAX_PICTURES:,} steps have pictures; from here on only steps that fail get one"
            self._recorder.event("note", {"text": text})
        return self._pictures <= _MAX_PICTURES

    # --- one step --------------------------------------------------------------------------------------------

    async def _do(self, node: StepNode, step: StepRecord) -> None:
        """Wait, fill in the placeholders, act, wait."""
        run = self._run
        await self._wait_before(node)
        expanded = self._expanded(node)
        if isinstance(expanded, ActionNode):
            run.show_node(expanded)
        opened_before = run.tabs.opened_count
        await self._act(expanded, step)
        # A step that was skipped after its act was begun was not seen to finish, though the run goes on.
        if step.status != StepStatus.SKIPPED:
            await self._recorder.finish_commit_point(step)
        if not isinstance(node, AssertLocatorNode) and step.kind not in WITHOUT_PAGE:
            await self._wait_after(node, opened_before)

    async def _act(self, node: StepNode, step: StepRecord) -> None:
        run, kind = self._run, step.kind
        began = time.time()
        if kind not in WITHOUT_PICTURE and run.tabs.all:
            run.tabs.current.activity.begin()
        if kind not in FIND_FIRST:
            await run.about_to_act()
        if isinstance(node, ActionNode) and node.interaction_action is not None:
            run.network.clear()
        await HANDLERS[kind](_action_of(node), run)
        run.act_is_done(changes_page=kind not in ONLY_LOOKS)
        if kind in SETS_OFF_MORE and run.tabs.all:
            run.tab.activity.expect_changes(unless_navigated_since=began)

    def _expanded(self, node: StepNode) -> StepNode:
        run = self._run
        try:
            return expand_node(node, input=run.input_parameters, generated=run.memory.variables)
        except ExpansionError as error:
            raise AutomationError(str(error)) from error

    async def _wait_before(self, node: StepNode) -> None:
        seconds = 0.0 if isinstance(node, AssertLocatorNode) else max(0.0, node.before_sleep_time)
        if seconds == 0:
            return
        if "before_sleep_time" in node.model_fields_set and settings.HONOUR_EXPLICIT_SLEEPS:
            await asyncio.sleep(seconds)
        elif self._run.tabs.all:
            await self._run.pace.before_step(self._run.tab, seconds)

    async def _wait_after(self, node: ActionNode | PrivateNode, opened_before: int) -> None:
        run = self._run
        if isinstance(node, ActionNode) and node.expect_new_tab:
            seconds = node.max_new_tab_wait_time
            if not await run.tabs.wait_for_opened(more_than=opened_before, seconds=seconds):
                run.step.warn(f"no new tab was opened within {seconds:g} s")
        if run.tabs.all:  # an act may close the last tab; that is the next node's problem, if there is one
            tab = run.tab
            await tab.ready()
            if node.end_sleep_time > 0:  # a wait of no time would give up requests that a later node waits for
                await run.pace.after_step(tab, node.end_sleep_time)


async def _view_of_failure(step: StepRecord, run: Run, error: BaseException) -> Awaitable[Frame | None] | None:
    """What the page shows after a failure; only what is at hand when there is no time or no page left."""
    tab = run.tabs.current if run.tabs.all else None
    keep = run.evidence.keep(step, tab, error)
    if tab is None or not isinstance(error, RunError) or isinstance(error, BrowserCrashedError):
        await keep
        return None if tab is None or step.kind in WITHOUT_PAGE else _given(tab.pictures.newest)
    # Both at once: a page that does not answer holds up the run for a second, not for two.
    shown, _ = await asyncio.gather(tab.pictures.screenshot(timeout_ms=KEEP_SECONDS * 1000), keep)
    return _given(shown or tab.pictures.newest)


async def _view_of_act(view: asyncio.Task[Frame | None], run: Run) -> Frame | None:
    """The view that was acted on; when the page went away before it was ever seen, the one that came of it."""
    frame = await view
    if frame is None and run.tabs.all:
        frame = run.tabs.current.pictures.newest
    return frame


async def _given(frame: Frame | None) -> Frame | None:
    return frame


def _action_of(node: StepNode) -> Element:
    """The innermost action of a node: what the node's kind names."""
    action: Element = node
    while isinstance(action, OneOf):
        action = action.chosen
    return (action.chosen or action) if isinstance(action, MiscAction) else action


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
