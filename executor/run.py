"""What an action may touch: the page, the parameters and variables, the files, and its own step."""

import asyncio
import time
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from automation import ActionNode, Automation, LocatorCommand, parse_locator
from executor import artifacts
from executor.artifacts import FileNames
from executor.downloads import ArrivedFile, Downloads
from executor.errors import BrowserCrashedError, DownloadMissingError
from executor.evidence import Evidence
from executor.locators import Box
from executor.masking import Masking
from executor.network import NetworkRecord
from executor.pace import SETTLING, Pace
from executor.person_clock import PersonClock
from executor.pictures import Frame
from executor.recorder import Recorder, StepRecord
from executor.watching import Tab, Tabs
from inference.models import Artifact
from inference.models.identifiers import uuid7


@dataclass(slots=True)
class Memory:
    """What an attempt has produced so far; stays readable after its end."""

    variables: dict[str, Any] = field(default_factory=dict[str, Any])  # name -> list, or object (API results)
    output_data: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    for_loop_status: list[list[dict[str, Any]]] = field(default_factory=list[list[dict[str, Any]]])
    # What scripts of this attempt hand to each other (`ctx.state`); it is never stored.
    script_state: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Run:
    """One attempt while it runs. Handlers get it with their action; `node` and `step` are the present ones."""

    task_id: uuid.UUID
    automation: Automation
    input_parameters: Mapping[str, list[Any]]
    memory: Memory
    recorder: Recorder
    tabs: Tabs
    downloads: Downloads
    network: NetworkRecord
    masking: Masking
    evidence: Evidence
    folder: Path
    pace: Pace = SETTLING
    file_names: FileNames = field(default_factory=FileNames)
    person_clock: PersonClock = field(default_factory=PersonClock)
    # Where the element that was last acted on is: scrolling needs a place for the pointer.
    last_box: Box | None = None
    # Of the present node, set by the runner: as it stands in the document (bound to its loops), with its
    # placeholders filled in, and its row.
    _node_as_written: ActionNode | None = None
    _node: ActionNode | None = None
    _step: StepRecord | None = None
    # Names of the variables that the present node wrote.
    written: set[str] = field(default_factory=set[str])
    # Whether the present node has done something that a further try would do a second time.
    has_act_begun: bool = False
    # When the last act was done (like time.time()), the view that it acted on, and whether that is asked for.
    acted_at: float = 0.0
    view_at_act: asyncio.Task[Frame | None] | None = None
    wants_view: bool = False
    # Set when the next act begins: no view from then on belongs to the step before.
    next_act: asyncio.Event = field(default_factory=asyncio.Event)

    # --- the page --------------------------------------------------------------------------------------------

    @property
    def tab(self) -> Tab:
        """The current tab. Raises BrowserCrashedError when it crashed or none is left."""
        try:
            tab = self.tabs.current
        except IndexError:
            raise BrowserCrashedError("the page has closed its last tab") from None
        if tab.has_crashed:
            raise BrowserCrashedError("the page crashed")
        return tab

    @property
    def page(self) -> Page:
        return self.tab.page

    def parse(self, command: str) -> LocatorCommand | None:
        """The tree of a locator command with the present variables as data; None when it is blank.

        Raises automation.LocatorError.
        """
        return parse_locator(command, input=self.input_parameters, generated=self.memory.variables)

    # --- the node --------------------------------------------------------------------------------------------

    @property
    def node(self) -> ActionNode:
        if self._node is None:
            raise RuntimeError("no action node is running")
        return self._node

    @property
    def node_as_written(self) -> ActionNode:
        """The present node with its placeholders still in place."""
        if self._node_as_written is None:
            raise RuntimeError("no action node is running")
        return self._node_as_written

    @property
    def step(self) -> StepRecord:
        if self._step is None:
            raise RuntimeError("no node is running")
        return self._step

    def begin_node(self, node: ActionNode | None, step: StepRecord, *, wants_view: bool) -> None:
        self._node_as_written, self._node, self._step = node, node, step
        self.written = set()
        self.has_act_begun = False
        self.forget_view()
        self.wants_view = wants_view

    def show_node(self, node: ActionNode) -> None:
        """The present node, now with its placeholders filled in."""
        self._node = node

    async def about_to_act(self) -> None:
        """Call it directly before the act: a commit point is in the journal before anything happens."""
        self.next_act.set()
        if self.wants_view:
            self.forget_view()
            tab, self.next_act = self.tab, asyncio.Event()
            await tab.pictures.first_of_page(tab.activity.navigated_at)
            view = _view_since(self.acted_at, tab, self.next_act)
            self.view_at_act = asyncio.create_task(view, name="view of the act")
        if self.step.is_commit_point and self.step.commit_point_id is None:
            await self.recorder.begin_commit_point(self.step)

    def act_begins(self) -> None:
        """Called by handlers whose act has several parts, before the first that must not be done twice. Playwright
        itself tells whether a single click was begun."""
        self.has_act_begun = True

    def act_is_done(self, *, changes_page: bool) -> None:
        """Called by the runner when the handler has returned."""
        if changes_page:
            self.acted_at = time.time()
        self.next_act.set()

    def view_after_act(self) -> Coroutine[Any, Any, Frame | None]:
        """The view after the present node, as soon as there is one; from now on the next act ends the time for it."""
        self.next_act = next_act = asyncio.Event()
        return _view_or_screenshot(self.acted_at, self.tab, next_act)

    def forget_view(self) -> None:
        """Another try begins, or another node."""
        if self.view_at_act is not None:
            self.view_at_act.cancel()
            self.view_at_act = None

    # --- what it produces ------------------------------------------------------------------------------------

    def set_variable(self, name: str, value: list[Any] | dict[str, Any]) -> None:
        self.memory.variables[name] = value
        self.written.add(name)

    def add_output(self, *, unique_identifier: str | None = None, **fields: Any) -> None:
        """Append an item to the output data. Fields that are None are left out, and an empty item altogether."""
        named = {"unique_identifier": unique_identifier, **fields}
        if item := {name: value for name, value in named.items() if value is not None}:
            self.memory.output_data.append(item)

    async def keep_download(
        self, file: ArrivedFile, *, filename: str | None = None, metadata: dict[str, Any] | None = None
    ) -> str:
        """Store an arrived file as a download of the task; its final name. Raises DownloadMissingError when it is
        empty or too large."""
        file.claimed = True
        if file.size_bytes == 0:
            raise DownloadMissingError(f"the downloaded file “{file.suggested_name}” is empty")
        if file.size_bytes > artifacts.max_bytes():
            raise DownloadMissingError(
                f"the downloaded file “{file.suggested_name}” has {file.size_bytes} bytes, more than ARTIFACT_MAX_MB"
            )
        name = self.file_names.take(filename or file.suggested_name)
        artifact_id = uuid7()
        stored = await asyncio.to_thread(artifacts.store_file, file.path, task_id=self.task_id, artifact_id=artifact_id)
        self.recorder.add_artifact(
            Artifact.Kind.DOWNLOAD,
            stored,
            artifact_id=artifact_id,
            filename=name,
            content_type=file.content_type,
            metadata=metadata,
        )
        file.is_stored = True
        # Under its final name a later node of this attempt can upload it.
        file.path = await asyncio.to_thread(_renamed, file.path, name)
        return name

    async def keep_picture(self, png: bytes, *, filename: str) -> uuid.UUID:
        """Store a PNG screenshot as a file of the task; its artifact's id."""
        artifact_id = uuid7()
        stored = await asyncio.to_thread(artifacts.store_bytes, png, task_id=self.task_id, artifact_id=artifact_id)
        self.recorder.add_artifact(
            Artifact.Kind.SCREENSHOT,
            stored,
            artifact_id=artifact_id,
            filename=self.file_names.take(filename),
            content_type="image/png",
        )
        return artifact_id


async def _view_or_screenshot(acted_at: float, tab: Tab, next_act: asyncio.Event) -> Frame | None:
    frame = await _view_since(acted_at, tab, next_act)
    return frame if frame is not None or next_act.is_set() else await tab.pictures.screenshot()


async def _view_since(acted_at: float, tab: Tab, next_act: asyncio.Event) -> Frame | None:
    activity = tab.activity
    since = max(activity.navigated_at, activity.last_changed_at, acted_at)
    return await tab.pictures.frame_since(since, navigated_at=lambda: activity.navigated_at, next_act=next_act)


def _renamed(path: Path, name: str) -> Path:
    folder = path.parent / "downloads"
    folder.mkdir(exist_ok=True)
    return path.rename(folder / name)
