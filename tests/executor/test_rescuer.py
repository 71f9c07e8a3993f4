"""When a rescuer may act, what it does then, and the third limit: what no other clock has ended."""

import subprocess
import sys

import psutil
import pytest
from django.db import connection
from pytest_django import Settings

from executor import rescuer as rescuer_module
from executor.broker import BackgroundBroker
from executor.lease_owner import kill_worker, this_host
from executor.rescuer import LET_GO_SECONDS, Rescuer, end_overrun, kill_silent_workers
from inference.models import Task, TaskStatus, WorkerHost
from inference.services.cancel import kill_tasks
from tests.factories import make_task
from tests.inference.services.test_transitions import start_earlier

pytestmark = pytest.mark.django_db
SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def owner_of(pid: int) -> str:
    return f"{this_host()}/{pid}/{int(psutil.Process(pid).create_time() * 1000)}"


def test_a_worker_that_ignores_both_limits_is_killed_and_its_task_ends() -> None:
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"up\n"
            task = make_task(status=TaskStatus.RUNNING, worker=owner_of(worker.pid), max_timeout_in_minutes=1)
            other = make_task(status=TaskStatus.RUNNING, worker="other-host/1/1", max_timeout_in_minutes=1)
            start_earlier(task, minutes=33)
            start_earlier(other, minutes=33)

            assert end_overrun() == 2

            assert worker.wait(10) == -9
            for each in (task, other):
                each.refresh_from_db()
                assert (each.status, each.error) == (
                    TaskStatus.FAILED,
                    "timed out after 1 minute; its worker did not stop it",
                )
        finally:
            worker.kill()


def test_only_the_process_of_that_name_is_killed() -> None:
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE) as process:
        try:
            host, pid, start = owner_of(process.pid).split("/")

            assert not kill_worker(f"{host}/{pid}/{int(start) + 1000}")  # the number is another one's by now
            assert not kill_worker(f"elsewhere/{pid}/{start}")
            assert not kill_worker(f"{host}/999999999/{start}")
            assert not kill_worker("")
            assert process.poll() is None
        finally:
            process.kill()


# --- when it may act -----------------------------------------------------------------------------------------


class Clocks:
    """The clock of this machine and the database's, as a rescuer sees them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here, self.there = 1000.0, 5e8
        # The query takes this long; what comes back is the database's instant at its end.
        self.answer_after = 0.0
        monkeypatch.setattr(rescuer_module.time, "monotonic", lambda: self.here)
        monkeypatch.setattr(rescuer_module, "_database_clock", self._ask)

    def _ask(self) -> tuple[float, float]:
        self.pass_by(self.answer_after)
        self.answer_after = 0.0
        return self.there, 1e6

    def pass_by(self, seconds: float) -> None:
        self.here += seconds
        self.there += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.fixture
def lost(settings: Settings) -> Task:
    settings.WORKER_LEASE_SECONDS = 20
    task = make_task(status=TaskStatus.RUNNING)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET lease_expires_at = statement_timestamp() - interval '1 second'")
    return task


def is_rescued(task: Task) -> bool:
    task.refresh_from_db()
    return task.status != TaskStatus.RUNNING


def look_for(rescuer: Rescuer, clocks: Clocks, seconds: float) -> None:
    """Look every two seconds, as a pusher does."""
    for _ in range(int(seconds / 2)):
        clocks.pass_by(2)
        rescuer.look()


def test_it_acts_after_a_whole_lease_period_in_touch(clocks: Clocks, lost: Task) -> None:
    rescuer = Rescuer()
    look_for(rescuer, clocks, 20)
    assert not is_rescued(lost)
    look_for(rescuer, clocks, 4)
    assert is_rescued(lost)


@pytest.mark.parametrize("gap", ["the query hangs", "this machine sleeps", "the database's clock is set forward"])
def test_a_break_that_raised_no_error_begins_the_period_anew(clocks: Clocks, lost: Task, gap: str) -> None:
    """In each of these, workers may have been as unable to renew their leases as the rescuer to see it."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET lease_expires_at = statement_timestamp() + interval '1 hour'")
    rescuer = Rescuer()
    look_for(rescuer, clocks, 30)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET lease_expires_at = statement_timestamp() - interval '1 second'")
    match gap:
        case "the query hangs":
            clocks.answer_after = 60
        case "this machine sleeps":  # its own clock stands meanwhile
            clocks.there += 60
        case _:
            clocks.there += 3600

    look_for(rescuer, clocks, 20)
    assert not is_rescued(lost)
    look_for(rescuer, clocks, 4)
    assert is_rescued(lost)


@pytest.mark.django_db(transaction=True)
def test_one_rescuer_at_a_time_acts(clocks: Clocks, lost: Task) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [rescuer_module._ADVISORY_LOCK])
        rescuer = Rescuer()
        look_for(rescuer, clocks, 30)
        assert not is_rescued(lost)
    finally:
        other.close()
    look_for(rescuer, clocks, 4)
    assert is_rescued(lost)


def test_the_background_cluster_looks_for_lost_workers_too(
    clocks: Clocks, lost: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the last browser cluster gone, nobody else would."""
    broker = BackgroundBroker()
    monkeypatch.setattr("django_q.brokers.orm.sleep", lambda _: None)
    for _ in range(12):
        clocks.pass_by(2)
        broker.dequeue()
    assert is_rescued(lost)


def test_what_runs_over_its_limit_is_ended_by_the_rescuer(clocks: Clocks) -> None:
    task = make_task(status=TaskStatus.RUNNING, worker="other-host/1/1", max_timeout_in_minutes=1)
    start_earlier(task, minutes=33)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET lease_expires_at = statement_timestamp() + interval '1 hour'")
    look_for(Rescuer(), clocks, 24)
    assert is_rescued(task)


@pytest.mark.parametrize("has_task", [True, False])
@pytest.mark.parametrize("silent_seconds", [30, 60])
def test_a_worker_that_lost_its_task_and_says_nothing_is_killed(
    settings: Settings, has_task: bool, silent_seconds: int
) -> None:
    """It would go on in the page beside the task's next attempt."""
    settings.WORKER_LEASE_SECONDS = 20
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            owner = owner_of(process.pid)
            task = make_task(status=TaskStatus.RUNNING, worker=owner)
            WorkerHost.objects.create(owner=owner, host=this_host(), pid=process.pid, state="busy", task_id=task.id)
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE inference_workerhost SET seen_at = statement_timestamp() - make_interval(secs => %s)",
                    [silent_seconds],
                )
            if not has_task:
                Task.objects.update(lease_owner="other-host/1/1")
            is_to_go = not has_task and silent_seconds == 60

            assert kill_silent_workers() == is_to_go
            assert (process.poll() is None) == (not is_to_go) or process.wait(10) == -9
        finally:
            process.kill()


@pytest.mark.parametrize("what_it_says", ["nothing", "idle", "has another task"])
def test_a_worker_that_does_not_let_go_of_a_killed_task_is_killed(clocks: Clocks, what_it_says: str) -> None:
    """Without waiting for a lease period: somebody said so."""
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            owner = owner_of(process.pid)
            task = make_task(status=TaskStatus.RUNNING, worker=owner)
            WorkerHost.objects.create(owner=owner, host=this_host(), pid=process.pid, state="busy", task_id=task.id)
            kill_tasks(Task.objects.all(), cause={"kind": "user", "id": "maya"})
            rescuer = Rescuer()
            look_for(rescuer, clocks, 2)
            assert process.poll() is None  # it has a moment for it

            let_time_pass(task, seconds=LET_GO_SECONDS)
            if what_it_says == "idle":
                WorkerHost.objects.update(state="idle", task_id=None)
            elif what_it_says == "has another task":  # and could not write so into its row
                make_task(status=TaskStatus.RUNNING, worker=owner)
            look_for(rescuer, clocks, 2)

            if what_it_says == "nothing":
                assert process.wait(10) == -9
            else:
                assert process.poll() is None
        finally:
            process.kill()


def let_time_pass(task: Task, *, seconds: float) -> None:
    """It ended so long ago. The guard lets no instant go back, so the test does as its owner may."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE inference_task DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE inference_task SET created_at = created_at - make_interval(secs => %(s)s),"
            " allocated_at = allocated_at - make_interval(secs => %(s)s),"
            " started_at = started_at - make_interval(secs => %(s)s),"
            " completed_at = completed_at - make_interval(secs => %(s)s) WHERE id = %(id)s",
            {"s": seconds, "id": task.id},
        )
        cursor.execute("ALTER TABLE inference_task ENABLE TRIGGER USER")
