"""One browser, one event loop and one small site for all tests of the running half; a fresh context per run."""

import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from _pytest._code.code import ExceptionRepr
from django.core.files.storage import default_storage
from playwright.async_api import BrowserContext, Page

from automation import load
from executor import database
from executor.browser import BrowserPool
from executor.downloads import Downloads
from executor.errors import RunError
from executor.loop import WorkerLoop
from executor.place import Place
from executor.runner import AttemptRunner
from executor.walk import Walk
from inference.models import Artifact, Step, Task, TaskEvent
from tests import factories
from tests.executor.loop_stacks import loop_stacks
from tests.executor.site.calls import CallSite
from tests.executor.site.server import Site

RUN_SECONDS = 90


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test tells what the worker's loop was waiting for: it may have run out of time."""
    report = yield
    loop = item.funcargs.get("worker_loop")
    if report.when == "call" and isinstance(report.longrepr, ExceptionRepr) and isinstance(loop, WorkerLoop):
        report.longrepr.addsection("What the worker's loop waits for", loop_stacks(loop))
    return report


@pytest.fixture(scope="session")
def worker_loop(django_db_setup: None) -> Iterator[WorkerLoop]:
    loop = WorkerLoop()
    loop.start()
    yield loop
    loop.stop()
    database.close()


@pytest.fixture(scope="session")
def pool(worker_loop: WorkerLoop) -> Iterator[BrowserPool]:
    pool = BrowserPool()
    worker_loop.submit(pool.start()).result(60)
    yield pool
    worker_loop.submit(pool.close()).result(30)


@pytest.fixture(scope="session")
def _site() -> Iterator[Site]:
    site = Site()
    yield site
    site.stop()


@pytest.fixture
def site(_site: Site) -> Site:
    _site.requests.clear()
    return _site


@pytest.fixture(scope="session")
def _calls() -> Iterator[CallSite]:
    site = CallSite()
    yield site
    site.stop()


@pytest.fixture
def calls(_calls: CallSite) -> CallSite:
    _calls.requests.clear()
    _calls.files.clear()
    _calls.once.clear()
    return _calls


@dataclass
class Outcome:
    """What one attempt left behind."""

    task: Task
    runner: AttemptRunner
    error: BaseException | None

    @property
    def steps(self) -> list[Step]:
        return list(Step.objects.filter(task=self.task).order_by("position"))

    @property
    def step(self) -> Step:
        """The last one."""
        return self.steps[-1]

    @property
    def output(self) -> list[dict[str, Any]]:
        return self.runner.output_data

    def values(self) -> dict[str, Any]:
        """All json_data of the output, in one."""
        return {name: value for item in self.output for name, value in item.get("json_data", {}).items()}

    def files(self, kind: str = Artifact.Kind.DOWNLOAD) -> dict[str, bytes]:
        return {row.filename: _stored(row) for row in Artifact.objects.filter(task=self.task, kind=kind)}

    def events(self, kind: str) -> list[dict[str, Any]]:
        return list(TaskEvent.objects.filter(task=self.task, kind=kind).order_by("id").values_list("data", flat=True))


def _stored(row: Artifact) -> bytes:
    with default_storage.open(row.storage_name) as file:
        return file.read()


Prepare = Callable[..., AttemptRunner]


def make_runner(
    nodes: Sequence[Mapping[str, Any]],
    *,
    pool: BrowserPool,
    url: str = "",
    inputs: Mapping[str, Sequence[Any]] | None = None,
    is_last_attempt: Callable[[RunError], bool] = lambda _: True,
    **fields: Any,
) -> AttemptRunner:
    """A runner for a running task of a document made of `nodes`."""
    values = {name: list(items) for name, items in (inputs or {}).items()}
    fields.setdefault("take_final_screenshot", False)
    document = factories.a_document(inputs=list(values), nodes=nodes, url=url, **fields)
    automation = factories.make_automation(document=document)
    task = factories.make_task(automation=automation, status="running", input_parameters=values)
    return AttemptRunner(
        task=task,
        automation=load(document),
        attempt_number=1,
        token=task.lease_token,
        pool=pool,
        is_last_attempt=is_last_attempt,
    )


@pytest.fixture
def prepare(pool: BrowserPool) -> Prepare:
    """`make_runner` with the browser of all tests."""
    return partial(make_runner, pool=pool)


class NoPages:
    """A browser context of Playwright in which no page was ever opened: enough for nodes that need none."""

    pages = ()

    def on(self, event: str, listener: Callable[..., object]) -> None:
        """Nothing ever happens here."""


@pytest.fixture
def run_pageless(worker_loop: WorkerLoop, tmp_path: Path) -> "RunNodes":
    """Run nodes that need no page, without a browser. `variables` are there before the first one, and `hidden` are
    secret values."""

    async def walk_through(runner: AttemptRunner) -> None:
        runner._recorder.start()
        downloads = Downloads(folder=tmp_path, report=runner._recorder.event)
        run = runner._new_run(cast("BrowserContext", NoPages()), downloads, tmp_path)
        try:
            await Walk(run, say=runner._now).run_nodes(runner._automation.nodes, Place("nodes"))
        finally:
            await runner._recorder.drain()
            await runner._recorder.stop()

    def run(
        nodes: Sequence[Mapping[str, Any]],
        *,
        variables: Mapping[str, Any] | None = None,
        hidden: Sequence[str] = (),
        **arguments: Any,
    ) -> Outcome:
        runner = make_runner(nodes, pool=BrowserPool(), **arguments)
        runner._memory.variables.update(variables or {})
        for value in hidden:
            runner._masking.hide(value)
        error: BaseException | None = None
        try:
            worker_loop.submit(walk_through(runner)).result(RUN_SECONDS)
        except Exception as raised:
            error = raised
        return Outcome(Task.objects.get(id=runner_task_id(runner)), runner, error)

    return run


RunNodes = Callable[..., Outcome]


@pytest.fixture
def run_nodes(prepare: Prepare, worker_loop: WorkerLoop) -> RunNodes:
    """Run a document made of `nodes` to its end."""

    def run(nodes: Sequence[Mapping[str, Any]], **arguments: Any) -> Outcome:
        runner = prepare(nodes, **arguments)
        error: BaseException | None = None
        try:
            worker_loop.submit(runner.execute()).result(RUN_SECONDS)
        except Exception as raised:
            error = raised
        task = Task.objects.get(id=runner_task_id(runner))
        return Outcome(task, runner, error)

    return run


OnPage = Callable[[Callable[[Page], Awaitable[Any]]], Any]


@pytest.fixture
def on_page(pool: BrowserPool, worker_loop: WorkerLoop) -> OnPage:
    """Call an async function with an empty page of a context of its own; what it returns."""

    def call(act: Callable[[Page], Awaitable[Any]]) -> Any:
        async def work() -> Any:
            context = await pool.new_context(load(factories.a_document(inputs=[], nodes=[])))
            try:
                return await act(context.pages[0])
            finally:
                await pool.close_context(context)

        return worker_loop.submit(work()).result(RUN_SECONDS)

    return call


def wait_for(condition: Callable[[], object], *, seconds: float = 20) -> None:
    """Look again and again until `condition` holds."""
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "it never came true"
        threading.Event().wait(0.02)


def runner_task_id(runner: AttemptRunner) -> uuid.UUID:
    return runner._task_id


def interact(name: str, action: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """An interaction node; `max_tries` and the wait per try go to the wrapper, the rest to the node."""
    wrapper = {key: fields.pop(key) for key in ("max_tries", "max_timeout_seconds_per_try") if key in fields}
    return {"type": "action_node", "interaction_action": {name: dict(action or {}), **wrapper}, **fields}


def click(command: str, **fields: Any) -> dict[str, Any]:
    action = {key: fields.pop(key) for key in list(fields) if key not in NODE_FIELDS}
    return interact("click_element", {"command": command, **action}, **fields)


def read(command: str, name: str = "value", **fields: Any) -> dict[str, Any]:
    """A locator extraction into the variable `name`."""
    wrapper = {key: fields.pop(key) for key in ("allow_none", "unique_identifier") if key in fields}
    node = {key: fields.pop(key) for key in list(fields) if key in NODE_FIELDS}
    locator = {"command": command, "extraction_format": {name: "str"}, "output_variable_name": name, **fields}
    return {"type": "action_node", "extraction_action": {"locator": locator, **wrapper}, **node}


NODE_FIELDS = (
    "before_sleep_time",
    "end_sleep_time",
    "expect_new_tab",
    "commit_point",
    "label",
    "max_tries",
    "max_timeout_seconds_per_try",
)
