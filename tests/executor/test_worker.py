"""One attempt as django-q2 calls it: what becomes of the task's row when it ends, is stopped, or is taken away."""

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import StringIO
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.db.models import F, Sum
from django_q.exceptions import TimeoutException
from playwright.async_api import BrowserContext
from pytest_django import Settings

from automation import load
from executor import worker
from executor.browser import BrowserPool
from executor.claim import claim_task
from executor.drain import drain
from executor.handover import PipeEvent
from executor.lease_owner import this_worker
from executor.loop import WorkerLoop
from executor.recorder import Recorder
from executor.runner import AttemptRunner
from executor.worker import Stop, StoppedError, Supervisor, WorkerProcess
from inference.models import Artifact, CommitPoint, MetricCounter, Step, Task, TaskEvent, TaskStatus, WorkerHost
from inference.services import transitions
from inference.services.cancel import cancel_tasks, kill_tasks
from inference.services.transitions import AttemptEnd
from inference.telemetry import spans
from inference.telemetry.counters import counters
from optexity_site.log import make_formatter
from tests import factories
from tests.executor.browser_processes import kill_chromium
from tests.executor.conftest import click, read, wait_for
from tests.executor.nodes import fail, say, sleep
from tests.executor.site.server import Site
from tests.otlp import Collector

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[[Task], "Future[str]"]


@pytest.fixture
def me(worker_loop: WorkerLoop, pool: BrowserPool, monkeypatch: pytest.MonkeyPatch) -> WorkerProcess:
    """This process is a worker, with the loop and the browser of all tests."""
    me = WorkerProcess(worker_loop, pool, told_to_end=PipeEvent(), browser_start=worker_loop.submit(pool.start()))
    monkeypatch.setattr(worker, "_process", me)
    monkeypatch.setattr(worker, "_process_pid", os.getpid())
    return me


@pytest.fixture
def run_claimed(me: WorkerProcess) -> Iterator[Run]:
    """Claim the one task that waits, and run it in a thread, so that a test can act meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="worker") as threads:

        def run(task: Task) -> "Future[str]":
            claimed = claim_task(owner=this_worker(), host="here", lease_seconds=20)
            assert claimed[0] == task.id
            return threads.submit(worker.run, task.id, claimed[1])

        yield run
        threads.submit(lambda: connection.close()).result()  # the thread's own one


def queued(*nodes: Any, url: str = "", max_retries: int = 0, **fields: Any) -> Task:
    document = factories.a_document(
        inputs=[], nodes=nodes, url=url, max_retries=max_retries, take_final_screenshot=False
    )
    return factories.make_task(automation=factories.make_automation(document=document), **fields)


def is_running(task: Task) -> bool:
    return Step.objects.filter(task=task, status="running").exists()


# --- how it ends ---------------------------------------------------------------------------------------------


def test_a_task_that_succeeds_has_its_output_and_its_worker_is_seen(run_claimed: Run) -> None:
    task = queued(say("done"))

    assert run_claimed(task).result(30) == "success"

    task.refresh_from_db()
    assert task.status == TaskStatus.SUCCESS
    assert task.output_data == [{"unique_identifier": "said", "json_data": {"said": "done"}}]
    attempt = task.attempts.get()
    assert (attempt.cause, attempt.error) == ("worker", None)
    assert attempt.ended_at >= attempt.started_at
    host = WorkerHost.objects.get(owner=this_worker())
    assert (host.state, host.task_id) == ("busy", task.id)


def test_a_failure_is_tried_again_after_a_pause_and_in_the_end_told(run_claimed: Run) -> None:
    task = queued(
        say("before"), click('locator("#nothing")', max_tries=1, max_timeout_seconds_per_try=0.1), max_retries=1
    )

    assert run_claimed(task).result(30) == "queued"
    task.refresh_from_db()
    assert (task.status, task.retry_count, task.error) == (TaskStatus.QUEUED, 1, None)
    assert claim_task(owner="other", host="here", lease_seconds=20) is None  # it is in its pause
    Task.objects.update(available_at=task.created_at)

    assert run_claimed(task).result(30) == "failed"
    task.refresh_from_db()
    assert task.error.startswith('nothing usable matched locator("#nothing")')
    assert [attempt.number for attempt in task.attempts.order_by("number")] == [1, 2]
    assert len(task.output_data) == 1  # of the last attempt


def test_a_failure_that_is_final_is_not_tried_again(run_claimed: Run) -> None:
    task = queued(fail("not today"), max_retries=3)

    assert run_claimed(task).result(30) == "failed"
    task.refresh_from_db()
    assert (task.status, task.error) == (TaskStatus.FAILED, "not today")


def test_a_mistake_of_ours_ends_the_task_and_not_the_worker(
    run_claimed: Run, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: object, **options: object) -> str:
        raise ValueError("a value that a person typed")

    monkeypatch.setattr(default_storage, "save", broken)
    task = queued(click('get_by_text("Press")'), url=f"{site.url}/")

    assert run_claimed(task).result(30) == "failed"
    task.refresh_from_db()
    assert task.error == "internal error: ValueError"
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert any(text.startswith("attempt failed unexpectedly: ValueError at test_worker.py:") for text in told)
    assert "a person typed" not in caplog.text


def test_a_document_that_cannot_be_read_ends_the_task(run_claimed: Run) -> None:
    automation = factories.make_automation(document=factories.a_document(inputs=[], nodes=[{"type": "unknown"}]))
    task = factories.make_task(automation=automation)

    assert run_claimed(task).result(30) == "failed"
    task.refresh_from_db()
    assert task.error.startswith("internal error: ")
    assert task.output_data == []


# --- how it is stopped ---------------------------------------------------------------------------------------


def test_a_running_task_is_cancelled_within_two_seconds(run_claimed: Run) -> None:
    task = queued(say("before"), sleep(60))
    running = run_claimed(task)
    wait_for(lambda: is_running(task))
    cancel_tasks(Task.objects.all(), cause={"kind": "key", "id": "k1"})

    assert running.result(2) == "cancelled"
    task.refresh_from_db()
    assert (task.status, task.error) == (TaskStatus.CANCELLED, None)
    assert TaskEvent.objects.filter(task=task, status="cancelled").get().cause == {"kind": "key", "id": "k1"}
    assert task.output_data == [{"unique_identifier": "said", "json_data": {"said": "before"}}]


def test_a_task_is_cancelled_within_two_seconds_when_neither_its_context_closes_nor_its_last_writes_are_made(
    run_claimed: Run, pool: BrowserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Recorder._write_batch
    asked = threading.Event()
    left_open: list[BrowserContext] = []

    async def slow_write(recorder: Recorder, writes: list[Any]) -> None:
        if asked.is_set():
            await asyncio.sleep(30)
        await write(recorder, writes)

    async def slow_close(context: BrowserContext, **_: Any) -> None:
        left_open.append(context)
        await asyncio.sleep(30)

    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "_write_batch", slow_write)
        patched.setattr(BrowserContext, "close", slow_close)
        task = queued(sleep(60))
        running = run_claimed(task)
        wait_for(lambda: is_running(task))
        asked.set()
        cancel_tasks(Task.objects.all(), cause={"kind": "key", "id": "k1"})

        assert running.result(2) == "cancelled"
    assert not is_running(task)
    assert pool._is_suspect  # so the next task gets another browser; those of the other tests may have this one
    [context] = left_open
    worker.process().loop.submit(context.close()).result(10)
    pool._is_suspect = False


def test_how_a_cancelled_step_ended_is_kept_when_its_context_closes_slowly(
    run_claimed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = BrowserContext.close

    async def slow_close(context: BrowserContext, **options: Any) -> None:
        await asyncio.sleep(0.8)
        await close(context, **options)

    monkeypatch.setattr(BrowserContext, "close", slow_close)
    task = queued(sleep(60))
    running = run_claimed(task)
    wait_for(lambda: is_running(task))
    cancel_tasks(Task.objects.all(), cause={"kind": "key", "id": "k1"})

    assert running.result(5) == "cancelled"
    step = Step.objects.get(task=task)
    assert (step.status, step.error) == ("failed", "stopped")


def test_a_task_that_was_cancelled_between_claim_and_start_never_begins(me: WorkerProcess) -> None:
    task = queued(say("never"))
    token = claim_task(owner=this_worker(), host="here", lease_seconds=20)[1]
    cancel_tasks(Task.objects.all(), cause={"kind": "key", "id": "k1"})

    assert worker.run(task.id, token) == "cancelled"
    assert not Step.objects.exists()


@pytest.mark.parametrize("is_asked_before", [False, True])
def test_a_task_that_is_killed_has_ended_at_once_and_its_worker_lets_go_and_writes_nothing(
    run_claimed: Run, is_asked_before: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WORKER_HEARTBEAT_SECONDS = 60  # it is told, and does not look by chance
    closed = threading.Event()
    close = BrowserContext.close

    async def close_and_tell(context: BrowserContext, **options: Any) -> None:
        await close(context, **options)
        closed.set()

    monkeypatch.setattr(BrowserContext, "close", close_and_tell)
    task = queued(say("before"), sleep(60))
    running = run_claimed(task)
    wait_for(lambda: is_running(task))
    if is_asked_before:  # by somebody, and the word has not reached the worker
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE inference_task DISABLE TRIGGER inference_task_announce")
            cursor.execute("UPDATE inference_task SET cancel_requested_at = statement_timestamp()")
            cursor.execute("ALTER TABLE inference_task ENABLE TRIGGER inference_task_announce")
    assert kill_tasks(Task.objects.all(), cause={"kind": "user", "id": "maya"}) == 1
    written = what_is_written_of(task)

    assert running.result(2) == "lease lost"
    assert closed.is_set()
    assert what_is_written_of(task) == written
    task.refresh_from_db()
    assert task.status == TaskStatus.KILLED
    assert WorkerHost.objects.get(owner=this_worker()).state == "idle"

    monkeypatch.setattr(BrowserContext, "close", close)
    assert run_claimed(queued(say("next"))).result(30) == "success"


def what_is_written_of(task: Task) -> list[Any]:
    return [
        list(Task.objects.filter(id=task.id).values()),
        list(Step.objects.filter(task=task).values()),
        list(TaskEvent.objects.filter(task=task).values()),
        list(task.attempts.values()),
        list(Artifact.objects.filter(task=task).values()),
    ]


def test_a_task_that_was_killed_between_claim_and_start_never_begins(me: WorkerProcess) -> None:
    task = queued(say("never"))
    token = claim_task(owner=this_worker(), host="here", lease_seconds=20)[1]
    kill_tasks(Task.objects.all(), cause={"kind": "key", "id": "k1"})

    assert worker.run(task.id, token) == "lease lost"
    assert not Step.objects.exists()
    task.refresh_from_db()
    assert (task.status, task.error) == (TaskStatus.KILLED, "stopped by force before it began")


def test_a_claim_whose_lease_is_gone_never_begins(me: WorkerProcess) -> None:
    task = queued(say("never"))
    token = claim_task(owner=this_worker(), host="here", lease_seconds=20)[1]

    assert worker.run(task.id, token + 1) == "lease lost"
    task.refresh_from_db()
    assert task.status == TaskStatus.ALLOCATED


@pytest.mark.parametrize("heartbeat_seconds", [0.1, 60])
def test_a_task_that_another_worker_has_now_is_left_alone(
    run_claimed: Run, settings: Settings, heartbeat_seconds: float
) -> None:
    """Seen by the heartbeat, or by the next write of the attempt."""
    settings.WORKER_HEARTBEAT_SECONDS = heartbeat_seconds
    task = queued(sleep(60 if heartbeat_seconds < 1 else 0.5), say("not written"))
    running = run_claimed(task)
    wait_for(lambda: is_running(task))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET lease_token = lease_token + 1")

    assert running.result(10) == "lease lost"
    task.refresh_from_db()
    assert (task.status, task.output_data) == (TaskStatus.RUNNING, [])


def test_a_task_that_takes_too_long_says_where_it_was(run_claimed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Supervisor, "_must_end", _clock_is_ahead(Supervisor._must_end))
    task = queued(sleep(60), max_timeout_in_minutes=2)

    assert run_claimed(task).result(20) == "failed"
    task.refresh_from_db()
    assert task.error.startswith("timed out after 2 minutes at step 1 (Sleep 60 s), for ")


def _clock_is_ahead(look: Callable[[Supervisor], bool]) -> Callable[[Supervisor], bool]:
    """Once the step is there to be told, the time is over."""

    def look_later(supervisor: Supervisor) -> bool:
        if "step 1" in supervisor._runner.now_doing():
            supervisor._deadline = 0.0
        return look(supervisor)

    return look_later


def test_a_cluster_that_stops_gives_the_task_back_without_using_up_a_retry(
    run_claimed: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SHUTDOWN_GRACE_SECONDS = 0.3
    monkeypatch.setattr(drain, "_event", None)
    drain.arm()
    task = queued(sleep(60), max_retries=1)
    running = run_claimed(task)
    wait_for(lambda: is_running(task))
    drain.begin()

    assert running.result(10) == "queued"
    task.refresh_from_db()
    assert (task.status, task.retry_count) == (TaskStatus.QUEUED, 0)
    attempt = task.attempts.get()
    assert (attempt.cause, attempt.error) == ("shutdown", "worker stopped")


def test_a_task_that_ends_within_the_grace_succeeds(
    run_claimed: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SHUTDOWN_GRACE_SECONDS = 20
    monkeypatch.setattr(drain, "_event", None)
    drain.arm()
    task = queued(sleep(1))
    running = run_claimed(task)
    wait_for(lambda: is_running(task))
    drain.begin()

    assert running.result(10) == "success"


def test_a_worker_that_is_told_to_end_ends_after_its_task(
    me: WorkerProcess, run_claimed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)  # only the main thread may
    own = WorkerProcess(WorkerLoop(), BrowserPool(), PipeEvent(), browser_start=me.browser_start)
    own.loop.start()
    task = queued(sleep(1))
    running = run_claimed(task)
    wait_for(lambda: is_running(task))
    worker._on_terminate(signal.SIGTERM, None)
    assert sent == []
    monkeypatch.setattr(worker, "_process", own)  # the browser of all tests stays

    assert running.result(10) == "success"
    assert sent == [(os.getpid(), signal.SIGTERM)]
    with pytest.raises(RuntimeError, match="not started"):
        own.loop.submit(own.pool.close())


def test_a_signal_between_claim_and_start_gives_the_task_back_before_the_worker_ends(
    me: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number))
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(worker, "shut_down", lambda: None)  # the loop and the browser are those of all tests
    task = queued(sleep(1))
    worker.begin_task()
    _, token, *_ = claim_task(owner=this_worker(), host="here", lease_seconds=20)
    worker._on_terminate(signal.SIGTERM, None)
    assert sent == []

    assert worker.run(task.id, token) == "queued"
    assert sent == [signal.SIGTERM]
    task.refresh_from_db()
    assert (task.status, task.retry_count, task.lease_owner) == (TaskStatus.QUEUED, 0, None)


def test_an_idle_worker_ends_at_once(me: WorkerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number))
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(worker, "_process_pid", 1)  # the loop and the browser are another process's

    worker._on_terminate(signal.SIGTERM, None)

    assert sent == [signal.SIGTERM]
    assert me.loop.submit(_nothing()).result(5) is None


async def _nothing() -> None:
    return None


def test_a_loop_that_does_not_answer_ends_the_worker_after_the_task_is_written(
    run_claimed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses: list[str] = []
    monkeypatch.setattr(worker, "_kill_browser", lambda: statuses.append(Task.objects.get().status))
    monkeypatch.setattr(worker, "_leave_stuck_process", _left)
    monkeypatch.setattr(worker, "CLOSE_SECONDS", 0.2)
    stuck = threading.Event()
    task = queued(sleep(60))
    running = run_claimed(task)
    wait_for(lambda: is_running(task))
    held = worker.process().loop.submit(_hold(stuck))
    try:
        cancel_tasks(Task.objects.all(), cause={"kind": "test"})
        with pytest.raises(ProcessLeftError):
            running.result(10)
    finally:
        stuck.set()
        held.result(5)

    # The browser goes first: by the time that the task may be somebody else's, nothing acts in its page any more.
    assert statuses == ["running"]
    task.refresh_from_db()
    assert task.status == TaskStatus.CANCELLED


def test_a_loop_that_does_not_answer_ends_the_worker_also_when_the_lease_is_gone(
    run_claimed: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would claim the next task, and the old attempt would go on beside it."""
    settings.WORKER_HEARTBEAT_SECONDS = 0.1
    monkeypatch.setattr(worker, "_kill_browser", lambda: None)
    monkeypatch.setattr(worker, "_leave_stuck_process", _left)
    monkeypatch.setattr(worker, "CLOSE_SECONDS", 0.2)
    stuck = threading.Event()
    task = queued(sleep(60))
    running = run_claimed(task)
    wait_for(lambda: is_running(task))
    held = worker.process().loop.submit(_hold(stuck))
    try:
        Task.objects.update(lease_token=F("lease_token") + 1)
        with pytest.raises(ProcessLeftError):
            running.result(10)
    finally:
        stuck.set()
        held.result(5)


def test_the_limit_of_django_q2_ends_the_task_with_its_step_and_the_worker(
    run_claimed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backstop: its signal comes to a main thread that did not look at the time by itself."""
    monkeypatch.setattr(worker, "_kill_browser", lambda: None)
    monkeypatch.setattr(worker, "_leave_stuck_process", _left)
    task = queued(sleep(60), max_timeout_in_minutes=1)

    def be_stuck(supervisor: Supervisor) -> None:
        wait_for(lambda: "step 1" in supervisor._runner.now_doing())
        raise TimeoutException

    monkeypatch.setattr(Supervisor, "_wait_for_something", be_stuck)

    with pytest.raises(ProcessLeftError):
        run_claimed(task).result(30)
    task.refresh_from_db()
    assert task.error.startswith("timed out after 1 minute at step 1 (Sleep 60 s), for ")
    assert task.attempts.get().cause == "limit"


class ProcessLeftError(BaseException):
    """Instead of the end of the tests' process."""


def _left() -> None:
    raise ProcessLeftError


async def _hold(until: threading.Event) -> None:
    until.wait(20)


def test_an_act_that_was_begun_when_the_worker_stopped_leaves_the_outcome_open(
    run_claimed: Run, site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SHUTDOWN_GRACE_SECONDS = 0.3
    monkeypatch.setattr(drain, "_event", None)
    drain.arm()
    node = {"type": "action_node", "sleep_action": {"sleep_time": 60}, "commit_point": True}
    task = queued(node, max_retries=3)
    running = run_claimed(task)
    wait_for(lambda: CommitPoint.objects.filter(task=task).exists())
    drain.begin()

    assert running.result(10) == "failed"  # never tried again
    task.refresh_from_db()
    assert task.outcome_unknown


# --- while the database is away -------------------------------------------------------------------------------


def hang_up_on_others() -> None:
    """What a restart of the server does to its connections."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def test_a_lost_connection_ends_no_attempt_and_cancelling_works_after_it(
    run_claimed: Run, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WORKER_HEARTBEAT_SECONDS = 0.2
    task = queued(sleep(60))
    running = run_claimed(task)
    wait_for(lambda: is_running(task))
    lease = Task.objects.values_list("lease_expires_at", flat=True).get()
    hang_up_on_others()
    wait_for(lambda: Task.objects.filter(lease_expires_at__gt=lease).exists())
    cancel_tasks(Task.objects.all(), cause={"kind": "test"})

    assert running.result(10) == "cancelled"


def test_an_end_is_written_when_the_database_is_back(
    me: WorkerProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "DATABASE_RETRY_SECONDS", 0.05)
    task = factories.make_task(status=TaskStatus.RUNNING)
    right = connection.settings_dict["PORT"]
    end = AttemptEnd(status=TaskStatus.FAILED, cause={"kind": "worker"}, error="found nothing")
    with ThreadPoolExecutor(1) as threads:
        threads.submit(lambda: connection.ensure_connection()).result()
        hang_up_on_others()
        connection.settings_dict["PORT"] = "1"
        try:
            writing = threads.submit(worker._finish, task.id, task.lease_token, end)
            wait_for(lambda: "the database is away" in caplog.text)
        finally:
            connection.settings_dict["PORT"] = right
        assert writing.result(10) == TaskStatus.FAILED
        threads.submit(lambda: connection.close()).result()  # the thread's own one

    task.refresh_from_db()
    assert task.error == "found nothing"


def test_results_that_the_database_refuses_fail_the_task_and_say_so() -> None:
    task = factories.make_task(status=TaskStatus.RUNNING, max_retries=3)
    end = AttemptEnd(status=TaskStatus.SUCCESS, cause={"kind": "worker"}, output_data=[{"text": "\0"}])

    assert worker._finish(task.id, task.lease_token, end) == TaskStatus.FAILED
    task.refresh_from_db()
    assert task.error == "the database refused the results of this attempt (DataError)"
    assert task.output_data == []


@pytest.mark.parametrize("sqlstate", ["40P01", "53100"])
def test_an_end_is_written_again_after_a_deadlock_and_while_the_disk_is_full(
    monkeypatch: pytest.MonkeyPatch, sqlstate: str
) -> None:
    monkeypatch.setattr(worker, "DATABASE_RETRY_SECONDS", 0.0)
    task = factories.make_task(status=TaskStatus.RUNNING)
    finish = transitions.finish_attempt
    refusals = iter([sqlstate])

    def refuse_once(*arguments: Any) -> Any:
        for code in refusals:
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")
        return finish(*arguments)

    monkeypatch.setattr(transitions, "finish_attempt", refuse_once)
    end = AttemptEnd(status=TaskStatus.SUCCESS, cause={"kind": "worker"}, output_data=[{"text": "done"}])

    assert worker._finish(task.id, task.lease_token, end) == TaskStatus.SUCCESS
    task.refresh_from_db()
    assert task.output_data == [{"text": "done"}]


def test_what_is_over_a_limit_of_the_database_is_not_asked_for_ever() -> None:
    def over_a_limit() -> None:
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'too long' USING ERRCODE = '54000'; END $$")

    with pytest.raises(OperationalError):
        worker.patiently(over_a_limit)


def test_a_start_whose_answer_was_lost_is_not_made_twice_and_not_given_up(
    run_claimed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks between the commit and its answer."""
    monkeypatch.setattr(worker, "DATABASE_RETRY_SECONDS", 0.0)
    start = transitions.start_attempt
    answers = iter(["lost"])

    def lose_an_answer(*arguments: Any) -> bool:
        has_started = start(*arguments)
        for _ in answers:
            raise OperationalError("the connection is lost")
        return has_started

    monkeypatch.setattr(transitions, "start_attempt", lose_an_answer)
    task = queued(say("done"))

    assert run_claimed(task).result(30) == "success"
    assert list(TaskEvent.objects.filter(task=task, kind="status").values_list("status", flat=True)) == [
        "queued",
        "allocated",
        "running",
        "success",
    ]


@pytest.mark.parametrize("read", ["_task_and_number", "_document"])
def test_a_database_that_is_away_as_an_attempt_begins_costs_nothing(
    run_claimed: Run, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    monkeypatch.setattr(worker, "DATABASE_RETRY_SECONDS", 0.0)
    original = getattr(worker, read)
    outages = iter(["away"])

    def away_once(*arguments: Any) -> Any:
        for _ in outages:
            raise OperationalError("the connection is lost")
        return original(*arguments)

    monkeypatch.setattr(worker, read, away_once)

    assert run_claimed(queued(say("done"))).result(30) == "success"


# --- the supervisor by itself --------------------------------------------------------------------------------


@pytest.fixture
def supervisor(me: WorkerProcess) -> Iterator[Supervisor]:
    document = factories.a_document(inputs=[], nodes=[])
    task = factories.make_task(automation=factories.make_automation(document=document), status=TaskStatus.RUNNING)
    runner = AttemptRunner(task=task, automation=load(document), attempt_number=1, token=task.lease_token, pool=me.pool)
    supervisor = Supervisor(me, task, task.lease_token, runner)
    yield supervisor
    supervisor._done_reader.close()
    supervisor._done_writer.close()
    connection.close()  # which may listen


def test_an_attempt_whose_lease_was_gone_from_the_start_is_stopped(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CLOSE_SECONDS", 0.1)
    Task.objects.update(lease_token=7)
    with pytest.raises(StoppedError) as stopped:
        supervisor.watch(Future())
    assert stopped.value.reason is Stop.LEASE_LOST


def test_the_clock_stands_while_a_person_is_waited_for(supervisor: Supervisor, worker_loop: WorkerLoop) -> None:
    supervisor._deadline = 0.0
    clock = supervisor._runner.person_clock

    async def wait_for_a_person() -> Stop | None:
        with clock.waiting():
            clock._began = -1e9  # for years
            return supervisor._reason_to_stop()

    assert (
        worker_loop.submit(wait_for_a_person()).result(10) is Stop.TIMED_OUT
    )  # not for longer than MAX_TAKEOVER_MINUTES
    assert clock.uncounted_seconds() == 30 * 60


def test_an_answer_wakes_the_attempt(supervisor: Supervisor, worker_loop: WorkerLoop) -> None:
    clock = supervisor._runner.person_clock
    supervisor._listen()
    waits = threading.Event()

    async def wait_for_a_person() -> str:
        with clock.waiting():
            waits.set()
            await clock.told(seconds=30)
        return "told"

    waiting = worker_loop.submit(wait_for_a_person())
    assert waits.wait(5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('task_answered', %s)", [str(supervisor._task.id)])
    assert supervisor._reason_to_stop() is None
    assert waiting.result(5) == "told"


def test_without_a_database_there_is_no_news_and_the_lease_is_tried_again(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connection.close()
    right = connection.settings_dict["PORT"]
    connection.settings_dict["PORT"] = "1"
    try:
        supervisor._listen()
        assert supervisor._renew() is None
        assert supervisor._notifications() == set()
    finally:
        connection.settings_dict["PORT"] = right
    assert "cannot listen for cancellation and answers" in caplog.text
    assert "cannot renew the lease" in caplog.text
    assert supervisor._renew() is None
    assert worker._raw_connection() is not None


# --- the process ---------------------------------------------------------------------------------------------


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is no worker yet; whatever it becomes is undone."""
    monkeypatch.setattr(worker, "_process", None)
    monkeypatch.setattr(worker, "_process_pid", None)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    worker.shut_down()
    signal.signal(signal.SIGTERM, handler)


def test_a_worker_without_a_browser_claims_nothing_until_it_has_one(
    no_process: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "BROWSER_RETRY_SECONDS", 0.0)
    program, settings.BROWSER_EXECUTABLE = settings.BROWSER_EXECUTABLE, "/nowhere/chromium"
    worker.start_up()
    me = worker.process()
    wait_for(me.browser_start.done)

    assert not worker.has_browser()
    host = WorkerHost.objects.get(owner=this_worker())
    assert host.state == "unhealthy"
    assert "BROWSER_EXECUTABLE=/nowhere/chromium" in host.detail
    wait_for(lambda: "the browser did not start" in caplog.text)

    settings.BROWSER_EXECUTABLE = program
    wait_for(worker.has_browser)
    assert me.browser_start_again_at is None
    assert worker.process() is me
    assert me.pool.version


def test_a_browser_that_crashed_between_two_tasks_is_replaced_before_the_next_claim(no_process: None) -> None:
    others = psutil.Process().children(recursive=True)
    worker.start_up()
    me = worker.process()
    wait_for(me.pool.is_healthy)
    wait_for(me.browser_start.done)
    before = me.pool._browser

    kill_chromium(kind="browser", but=others)
    wait_for(lambda: not me.pool.is_healthy())

    assert not worker.has_browser()
    wait_for(worker.has_browser)
    assert me.pool._browser is not before
    assert me.pool.is_healthy()


def test_a_browser_that_does_not_close_in_order_is_told(
    no_process: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "CLOSE_SECONDS", 0.05)
    loop, stuck = WorkerLoop(), threading.Event()
    loop.start()
    held = loop.submit(_hold(stuck))
    started: Future[None] = Future()
    started.set_result(None)
    monkeypatch.setattr(worker, "_process", WorkerProcess(loop, BrowserPool(), PipeEvent(), started))
    monkeypatch.setattr(worker, "_process_pid", os.getpid())
    threading.Timer(0.3, stuck.set).start()

    worker.shut_down()

    assert "the browser did not close in order: TimeoutError" in caplog.text
    assert held.done()
    monkeypatch.setattr(worker, "_process", None)


# --- what pages hold -----------------------------------------------------------------------------------------


def test_text_that_no_database_can_hold_is_replaced_where_it_is_kept(run_claimed: Run, site: Site) -> None:
    script = quote(
        r"document.title = 'x'; document.write('<p>'); document.querySelector('p').textContent = 'a\0b\ud800c'"
    )
    nodes = [read('locator("p")', "seen"), click('get_by_text("a\\0b")', max_tries=1, max_timeout_seconds_per_try=0.2)]
    task = queued(*nodes, url=f"{site.url}/echo?script={script}")

    assert run_claimed(task).result(30) in ("success", "failed")
    task.refresh_from_db()
    assert task.output_data[0]["json_data"] == {"seen": "a\ufffdb\ufffdc"}


# --- what monitoring is told -----------------------------------------------------------------------------------


@pytest.fixture
def nothing_counted() -> Iterator[None]:
    counters.begin()
    yield
    counters.begin()


def test_pick_ups_and_failed_steps_are_counted_and_what_was_stopped_is_no_failure(
    run_claimed: Run, nothing_counted: None
) -> None:
    assert run_claimed(queued(fail("not today"))).result(30) == "failed"
    stopped = queued(sleep(60))
    running = run_claimed(stopped)
    wait_for(lambda: is_running(stopped))
    cancel_tasks(Task.objects.filter(id=stopped.id), cause={"kind": "test"})
    assert running.result(30) == "cancelled"

    counters.flush()
    rows = MetricCounter.objects.exclude(part="sum").values_list("name", "labels").annotate(total=Sum("value"))
    found = {(name, labels): total for name, labels, total in rows}
    assert found == {("task_pickup_seconds", "[]"): 2.0, ("step_failures", '["fail_state_action"]'): 1.0}


def test_every_line_of_a_run_has_its_task_whatever_thread_writes_it(run_claimed: Run) -> None:
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(make_formatter("json"))
    logging.getLogger().addHandler(handler)
    seen = []
    try:
        with pytest.MonkeyPatch.context() as patch:
            write = Recorder._write_now

            def write_and_say(self: Recorder, writes: Any) -> None:
                logging.getLogger("tests.recorder").warning("writing")
                seen.append(threading.current_thread().name)
                write(self, writes)

            patch.setattr(Recorder, "_write_now", write_and_say)
            task = queued(say("done"))
            assert run_claimed(task).result(30) == "success"
    finally:
        logging.getLogger().removeHandler(handler)

    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    of_run = [line for line in told if line["logger"] in ("executor.worker", "tests.recorder")]
    assert {line["logger"] for line in of_run} >= {"tests.recorder"}
    assert {line["task_id"] for line in of_run} == {str(task.id)}
    assert all(name.startswith("database") for name in seen)


def test_a_trace_has_the_attempt_and_each_step_and_nothing_of_what_they_hold(
    run_claimed: Run, settings: Any, site: Site
) -> None:
    collector = Collector()
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    try:
        task = queued(
            say("kanarienvogel"),
            fail("kanarienvogel"),
            url=f"{site.url}/plain.html?token=kanarienvogel",
            traceparent=f"00-{trace}-{parent}-01",
        )
        assert run_claimed(task).result(30) == "failed"
    finally:
        spans.finish()
        collector.stop()

    (wait,) = collector.named("wait in queue")
    (attempt,) = collector.named("attempt")
    steps = [span for span in collector.spans if span not in (wait, attempt)]
    assert {span.trace_id for span in collector.spans} == {trace}
    assert wait.parent_id == attempt.parent_id == parent
    assert {span.parent_id for span in steps} == {attempt.span_id}
    assert attempt.attributes == {
        "optexity.task_id": str(task.id),
        "optexity.automation": task.endpoint_name,
        "optexity.attempt": 1,
        "optexity.status": "failed",
    }
    assert attempt.is_error
    kinds = [span.attributes["optexity.step.kind"] for span in steps]
    assert kinds == [step.kind for step in Step.objects.filter(task=task).order_by("position")]
    for span in steps:
        assert set(span.attributes) == {f"optexity.step.{name}" for name in ("kind", "status", "index", "path")}
        assert attempt.started_ns <= span.started_ns <= span.ended_ns <= attempt.ended_ns
    assert [span.is_error for span in steps] == [False, True]
    assert b"kanarienvogel" not in collector.raw
