"""The claim as django-q2's workers call it: `task_queue.get()` waits for a hint, and takes a task from the table."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from executor import claim, presence, resources, worker
from executor.browser import BrowserPool
from executor.claim import ClaimQueue, backstop_seconds, claim_task
from executor.drain import Drain, drain
from executor.handover import STOP, PipeEvent
from executor.lease_owner import this_worker
from executor.loop import WorkerLoop
from executor.worker import WorkerProcess
from inference.models import ConcurrencySlot, TaskStatus, WorkerHost
from tests.executor.conftest import wait_for
from tests.factories import make_automation, make_task

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> ClaimQueue:
    """Of a worker whose browser has started."""
    started: Future[None] = Future()
    started.set_result(None)
    me = WorkerProcess(WorkerLoop(), BrowserPool(), told_to_end=PipeEvent(), browser_start=started)
    monkeypatch.setattr(worker, "_process", me)
    monkeypatch.setattr(worker, "_process_pid", os.getpid())
    monkeypatch.setattr(BrowserPool, "is_healthy", lambda _: True)
    monkeypatch.setattr(claim, "LOOK_EVERY_MS", 20_000)
    return ClaimQueue()


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as thread:
        yield thread
        thread.submit(lambda: connection.close()).result()  # the thread's own one


def is_idle() -> bool:
    return WorkerHost.objects.filter(owner=this_worker(), state="idle").exists()


def test_what_waits_is_claimed_as_a_package_that_runs_it(queue: ClaimQueue, settings: Settings) -> None:
    settings.MAX_TAKEOVER_MINUTES = 30
    task = make_task(max_timeout_in_minutes=5)

    package = queue.get()

    task.refresh_from_db()
    assert (task.status, task.lease_owner) == (TaskStatus.ALLOCATED, this_worker())
    assert package["func"] == "executor.worker.run"
    assert package["args"] == (task.id, task.lease_token)
    assert package["name"] == f"{task.endpoint_name}-{task.id.hex[-8:]}"
    assert package["timeout"] == backstop_seconds(5) == 35 * 60 + 30
    assert (package["kwargs"], package["save"]) == ({}, False)


def test_an_idle_worker_says_so_and_is_woken_by_a_hint(queue: ClaimQueue, thread: ThreadPoolExecutor) -> None:
    waiting = thread.submit(queue.get)
    wait_for(is_idle)
    task = make_task()
    assert not waiting.done()
    began = time.monotonic()
    queue.put({"func": "wake"})

    assert waiting.result(10)["args"][0] == task.id
    assert time.monotonic() - began < 5


def test_a_lost_hint_is_made_good_by_a_look_at_the_table(
    queue: ClaimQueue, thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "LOOK_EVERY_MS", 50)
    monkeypatch.setattr(presence, "RENEW_SECONDS", 0)
    waiting = thread.submit(queue.get)
    wait_for(is_idle)
    first = WorkerHost.objects.get().seen_at
    wait_for(lambda: WorkerHost.objects.get().seen_at > first)  # it goes on saying that it is there
    task = make_task()

    assert waiting.result(10)["args"][0] == task.id


def test_one_hint_for_many_tasks_is_handed_on(queue: ClaimQueue) -> None:
    make_task()
    make_task()
    assert not queue._take_hint()
    queue.get()
    assert queue._take_hint()
    queue.get()
    assert not queue._take_hint()


def test_hints_that_nobody_reads_never_block(queue: ClaimQueue) -> None:
    for _ in range(70_000):  # more than a pipe holds
        queue.put("hint")
    assert queue._take_hint()


def test_stop_ends_every_worker_and_removes_its_row(queue: ClaimQueue, thread: ThreadPoolExecutor) -> None:
    waiting = thread.submit(queue.get)
    wait_for(is_idle)
    queue.put(STOP)

    assert waiting.result(10) == STOP
    assert queue.get() == STOP  # it is there for all of them
    assert not WorkerHost.objects.exists()


def test_a_cluster_that_drains_claims_nothing_more(queue: ClaimQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_event", None)
    drain.arm()
    drain.begin()
    task = make_task()

    assert queue.get() == STOP
    task.refresh_from_db()
    assert task.status == TaskStatus.QUEUED


def test_outside_a_cluster_nothing_drains() -> None:
    outside = Drain()
    outside.begin()
    assert not outside.has_begun()
    assert outside.fileno() is None


def test_a_worker_without_a_browser_leaves_the_task_to_others(
    queue: ClaimQueue, thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "_RETRY_AFTER_MS", 20)
    broken: Future[None] = Future()
    broken.set_exception(RuntimeError("no Chromium"))
    worker.process().browser_start = broken
    task = make_task()
    waiting = thread.submit(queue.get)
    wait_for(lambda: WorkerHost.objects.filter(state="unhealthy", detail="no Chromium").exists())
    task.refresh_from_db()
    assert task.status == TaskStatus.QUEUED
    started: Future[None] = Future()
    started.set_result(None)
    worker.process().browser_start = started

    assert waiting.result(10)["args"][0] == task.id


def test_a_worker_without_room_claims_nothing_until_there_is_some(
    queue: ClaimQueue, thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    shortage = ["too little disk: 3 MiB free"]
    looked: list[str] = []

    def look() -> str:
        looked.append(shortage[0])
        return shortage[0]

    monkeypatch.setattr(resources, "shortage", look)
    monkeypatch.setattr(claim, "_RETRY_AFTER_MS", 20)
    task = make_task()
    getting = thread.submit(queue.get)
    wait_for(lambda: len(looked) >= 3)
    task.refresh_from_db()

    assert (task.status, getting.done()) == (TaskStatus.QUEUED, False)
    assert WorkerHost.objects.get(owner=this_worker()).detail == shortage[0]
    shortage[0] = ""
    assert getting.result(20)["args"][0] == task.id


def test_a_database_that_is_away_is_waited_for(
    queue: ClaimQueue, thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(claim, "_RETRY_AFTER_MS", 20)
    task = make_task()
    right = connection.settings_dict["PORT"]
    connection.settings_dict["PORT"] = "1"
    try:
        waiting = thread.submit(queue.get)
        wait_for(lambda: "cannot claim: OperationalError" in caplog.text)
    finally:
        connection.settings_dict["PORT"] = right

    assert waiting.result(10)["args"][0] == task.id


def test_a_limit_that_another_claim_is_deciding_about_is_looked_at_again_a_few_times(
    thread: ThreadPoolExecutor,
) -> None:
    automation = make_automation(max_parallelism=2)
    make_task(automation=automation)
    claim_task(owner="first", host="here", lease_seconds=20)  # makes the row of the limit
    task = make_task(automation=automation)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        from django.db import transaction

        with transaction.atomic():
            list(ConcurrencySlot.objects.select_for_update().all())
            held.set()
            done.wait(10)

    holding = thread.submit(hold)
    assert held.wait(10)
    try:
        assert claim_task(owner="second", host="here", lease_seconds=20) is None
    finally:
        done.set()
    holding.result(10)
    assert claim_task(owner="second", host="here", lease_seconds=20)[0] == task.id


def test_it_holds_nothing_itself(queue: ClaimQueue) -> None:
    make_task()
    assert queue.empty()
    assert queue.qsize() == 0
    queue.close()
    queue.join_thread()
    assert queue.get() is not None


def test_presence_is_only_information(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A worker that cannot report goes on; the next report makes up for it."""
    monkeypatch.setattr(presence, "_last_report", 0.0)
    connection.close()
    settings_dict: dict[str, Any] = connection.settings_dict
    right = settings_dict["PORT"]
    settings_dict["PORT"] = "1"
    try:
        presence.report_idle()
        presence.report_gone()
    finally:
        settings_dict["PORT"] = right
    assert "cannot report presence: OperationalError" in caplog.text
    assert "cannot report the end: OperationalError" in caplog.text
    presence.report_browser("Chromium 999")
    presence.report_still_here()
    assert WorkerHost.objects.get().browser == "Chromium 999"
    monkeypatch.setattr(presence, "_browser", "")


@pytest.mark.parametrize("found", ["nothing", "an outage"])
def test_a_signal_during_a_claim_that_finds_nothing_ends_the_worker_after_it(
    queue: ClaimQueue, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    happened: list[str] = []

    def claim_while_told_to_end(**_: object) -> None:
        worker._on_terminate(signal.SIGTERM, None)
        happened.append("claimed")
        if found == "an outage":
            raise OperationalError("away")

    def end(pid: int, number: int) -> None:
        happened.append("ended")
        queue.put("STOP")  # a process would be gone

    monkeypatch.setattr(claim, "claim_task", claim_while_told_to_end)
    monkeypatch.setattr(worker, "shut_down", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(os, "kill", end)

    assert queue.get() == "STOP"
    assert happened == ["claimed", "ended"]


def test_nothing_is_claimed_from_a_database_of_another_version(
    queue: ClaimQueue, thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = ["The database is behind this version: run `manage.py migrate` first."]
    monkeypatch.setattr(claim, "schema_problem", lambda: problems[0] if problems else None)
    monkeypatch.setattr(claim, "_RETRY_AFTER_MS", 20)
    task = make_task()
    waiting = thread.submit(queue.get)
    wait_for(lambda: WorkerHost.objects.filter(owner=this_worker(), state="unhealthy").exists())
    assert WorkerHost.objects.get(owner=this_worker()).detail == problems[0]
    task.refresh_from_db()
    assert task.status == TaskStatus.QUEUED

    problems.clear()

    assert waiting.result(10)["args"][0] == task.id
