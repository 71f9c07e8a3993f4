"""Why a task waits: every reason, in the order in which the claim looks, with what a person needs to act."""

from datetime import timedelta

import pytest
from django.db import connection

from executor.claim import claim_task
from inference.models import Automation, Task, TaskStatus, WorkerHost
from inference.models.database_clock import StatementTimestamp
from inference.queue_state import COUNTED_AHEAD, Reason, WaitingFor, waiting_for
from inference.services.pauses import login_of, of_automation, pause, whole_queue
from tests.factories import make_automation, make_key, make_task, make_tasks, make_user, make_worker_host

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker() -> WorkerHost:
    return make_worker_host(seconds_ago=1)


def reason(task: Task) -> WaitingFor:
    task = Task.objects.select_related("automation").get(id=task.id)
    waiting = waiting_for(task)
    assert waiting is not None
    return waiting


def start_all() -> list[Task]:
    """Every task that may start is allocated."""
    found = iter(lambda: claim_task(owner="test-host/1/1", host="test-host", lease_seconds=20), None)
    return [Task.objects.get(id=row[0]) for row in found]


def a_login(automation: Automation, name: str = "a") -> Task:
    return make_task(
        automation=automation,
        is_dedicated=True,
        input_parameters={"patient_id": [name]},
        unique_parameter_names=["patient_id"],
    )


@pytest.mark.parametrize("status", [TaskStatus.ALLOCATED, TaskStatus.RUNNING, TaskStatus.SUCCESS, TaskStatus.CANCELLED])
def test_a_task_that_does_not_wait_waits_for_nothing(status: str) -> None:
    assert waiting_for(make_task(status=status)) is None


def test_the_next_one_waits_for_a_free_worker(worker: WorkerHost) -> None:
    waiting = reason(make_task())
    assert (waiting.reason, waiting.message, waiting.position) == (Reason.WORKER, "Waits for a free worker", 1)


def test_tasks_of_the_same_key_before_it_are_counted_in_the_order_of_the_claim(worker: WorkerHost) -> None:
    automation, (key, _) = make_automation(), make_key()
    make_tasks(3, automation=automation, api_key=key)
    make_tasks(7, automation=automation)
    task = make_task(automation=automation, api_key=key)
    make_tasks(2, automation=automation, api_key=key, priority=5)
    make_tasks(4, automation=automation, api_key=key)
    waiting = reason(task)
    assert (waiting.reason, waiting.position) == (Reason.TURN, 6)
    assert waiting.message == "Waits for its turn: 5 tasks of its key are before it"
    urgent = make_task(automation=automation, api_key=key, priority=5)
    assert reason(urgent).position == 3
    assert reason(make_task(automation=automation, api_key=key, priority=-1)).position == 1


def test_the_position_is_the_place_in_which_a_key_is_served(worker: WorkerHost) -> None:
    automation, other = make_automation(), make_automation()
    for priority in (None, 3, -2, None, 3, 7):
        make_task(automation=automation if priority else other, priority=priority)
    positions = {task.id: reason(task).position for task in Task.objects.all()}
    assert [positions[task.id] for task in start_all()] == [1, 2, 3, 4, 5, 6]


def test_who_has_very_many_before_it_is_not_counted_to_the_end(worker: WorkerHost) -> None:
    automation = make_automation()
    make_tasks(COUNTED_AHEAD + 5, automation=automation)
    waiting = reason(make_task(automation=automation))
    assert (waiting.reason, waiting.position) == (Reason.TURN, None)
    assert "1000 tasks or more like it without a key are before it" in waiting.message


def test_a_retry_pause_says_until_when(worker: WorkerHost) -> None:
    task = make_task()
    Task.objects.filter(id=task.id).update(available_at=StatementTimestamp() + timedelta(seconds=30), retry_count=1)
    waiting = reason(task)
    task.refresh_from_db()
    assert (waiting.reason, waiting.message, waiting.until) == (
        Reason.RETRY_PAUSE,
        "Pause before try 2",
        task.available_at,
    )
    assert reason(make_task(automation=task.automation)).position == 1


def test_a_full_automation_says_its_limit_and_who_holds_it(worker: WorkerHost) -> None:
    automation = make_automation(max_parallelism=2)
    make_tasks(3, automation=automation)
    running = start_all()
    (waiting_task,) = Task.objects.filter(status=TaskStatus.QUEUED)
    waiting = reason(waiting_task)
    assert waiting.reason == Reason.AUTOMATION_LIMIT
    assert waiting.message == f"Waits for its turn: 2 of {automation.endpoint_name} run, its limit is 2"
    assert waiting.holders == tuple(task.id for task in running)


def test_a_full_login_says_which_task_holds_it(worker: WorkerHost) -> None:
    automation = make_automation()
    a_login(automation), a_login(automation, "b"), a_login(automation)
    running = start_all()
    (waiting_task,) = Task.objects.filter(status=TaskStatus.QUEUED)
    waiting = reason(waiting_task)
    assert (waiting.reason, waiting.message) == (Reason.LOGIN_LIMIT, "Waits for its login: 1 task of it runs")
    assert waiting.holders == (running[0].id,)


def test_what_is_paused_says_by_whom_and_why(worker: WorkerHost) -> None:
    maya = make_user(username="maya")
    task = a_login(make_automation(endpoint_name="claims"))
    pause(login_of(task), actor=maya, reason="locked out")
    assert reason(task).reason == Reason.LOGIN_PAUSED
    pause(of_automation(task.automation), actor=maya)
    assert (reason(task).reason, reason(task).message) == (Reason.AUTOMATION_PAUSED, "claims is paused by maya")
    pause(whole_queue(), actor=maya, reason="maintenance until 14:00")
    waiting = reason(task)
    assert (waiting.reason, waiting.message) == (
        Reason.QUEUE_PAUSED,
        "The queue is paused by maya: maintenance until 14:00",
    )
    assert waiting.pause is not None
    assert waiting.since == waiting.pause.paused_at


def test_without_a_worker_it_says_since_when() -> None:
    task = make_task()
    waiting = reason(task)
    assert waiting.reason == Reason.NO_WORKER
    assert waiting.message == "Waits for a worker: none was seen in the last minute"
    assert waiting.since is None
    ended = make_task(status=TaskStatus.SUCCESS)
    assert reason(task).since == ended.attempts.get().ended_at
    silent = make_worker_host(seconds_ago=90)
    with connection.cursor() as cursor:  # the attempt ended long before
        cursor.execute("UPDATE inference_attempt SET ended_at = ended_at - interval '1 hour'")
    assert reason(task).since == silent.seen_at


def test_unhealthy_workers_take_nothing() -> None:
    task = make_task()
    make_worker_host(seconds_ago=1, state="unhealthy")
    assert reason(task).message == "Waits for a worker: the only worker is unhealthy"
    make_worker_host(seconds_ago=1, state="unhealthy")
    assert reason(task).message == "Waits for a worker: all 2 workers are unhealthy"
    make_worker_host(seconds_ago=1)
    assert reason(task).reason == Reason.WORKER
