"""The claim: one worker per task, in order, within limits, at any number of claimers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from executor.claim import claim_task
from inference.models import ConcurrencySlot, Task, TaskStatus
from inference.services import transitions
from inference.services.transitions import AttemptEnd
from tests.factories import make_automation, make_task


def claim() -> Any:
    return claim_task(owner="test-host/1/1", host="test-host", lease_seconds=20)


def claimed_ids() -> list[Any]:
    return [row[0] for row in iter(claim, None)]


def finish(task_id: Any, token: int) -> None:
    assert transitions.start_attempt(task_id, token)
    end = AttemptEnd(status=TaskStatus.SUCCESS, cause={"kind": "test"})
    assert transitions.finish_attempt(task_id, token, end) == TaskStatus.SUCCESS


@pytest.mark.django_db
def test_nothing_queued_is_nothing_claimed() -> None:
    assert claim() is None


@pytest.mark.django_db
def test_a_claim_takes_the_lease_and_makes_an_attempt() -> None:
    task = make_task()
    task_id, token, name, minutes, more_wait = claim()
    task.refresh_from_db()
    assert (task_id, token, name, minutes) == (task.id, 1, task.endpoint_name, 10)
    assert not more_wait
    assert (task.status, task.lease_owner, task.lease_token) == ("allocated", "test-host/1/1", 1)
    attempt = task.attempts.get()
    assert (attempt.number, attempt.token, attempt.host) == (1, 1, "test-host")
    assert claim() is None


@pytest.mark.django_db
def test_lower_priority_numbers_first_then_none_then_arrival() -> None:
    tasks = [make_task(priority=priority) for priority in (None, 5, -1, None, 5)]
    assert claimed_ids() == [tasks[index].id for index in (2, 1, 4, 0, 3)]


@pytest.mark.django_db
def test_a_task_in_its_retry_pause_waits() -> None:
    task = make_task()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET available_at = statement_timestamp() + interval '1 hour'")
        assert claim() is None
        cursor.execute("UPDATE inference_task SET available_at = statement_timestamp()")
    assert claim()[0] == task.id


@pytest.mark.django_db
def test_the_limit_of_an_automation_holds_and_is_given_back() -> None:
    automation = make_automation(max_parallelism=2)
    for _ in range(4):
        make_task(automation=automation)
    other = make_task()
    first = claim()
    assert claim() is not None
    assert claim()[0] == other.id
    assert claim() is None
    finish(first[0], first[1])
    assert claim() is not None
    assert claim() is None


@pytest.mark.django_db
def test_an_operators_limit_wins_over_the_requests() -> None:
    automation = make_automation(max_parallelism=1)
    for _ in range(3):
        make_task(automation=automation, max_parallelism=10)
    assert len(claimed_ids()) == 1


@pytest.mark.django_db
def test_dedicated_tasks_of_one_login_run_one_at_a_time() -> None:
    automation = make_automation()
    inputs = [{"patient_id": [name]} for name in ("a", "a", "b")]
    tasks = [
        make_task(
            automation=automation, input_parameters=each, unique_parameter_names=["patient_id"], is_dedicated=True
        )
        for each in inputs
    ]
    assert set(claimed_ids()) == {tasks[0].id, tasks[2].id}


@pytest.mark.django_db(transaction=True)
def test_racing_claimers_share_the_queue_without_loss_or_repetition() -> None:
    tasks = {make_task().id for _ in range(40)}
    start = threading.Barrier(8)

    def claim_all(_: int) -> list[Any]:
        start.wait()
        try:
            return claimed_ids()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        claimed = [task_id for part in pool.map(claim_all, range(8)) for task_id in part]
    assert len(claimed) == 40
    assert set(claimed) == tasks


@pytest.mark.django_db(transaction=True)
def test_racing_claimers_never_overshoot_a_limit() -> None:
    automation = make_automation(max_parallelism=3)
    for _ in range(60):
        make_task(automation=automation)
    start = threading.Barrier(8)
    overshoots: list[int] = []

    def work(_: int) -> int:
        start.wait()
        done = 0
        try:
            # Until nobody could claim for a while: other threads may hold the slot at any one look.
            empty_looks = 0
            while empty_looks < 50:
                claimed = claim()
                if claimed is None:
                    empty_looks += 1
                    continue
                empty_looks = 0
                running = Task.objects.filter(status__in=("allocated", "running")).count()
                if running > 3:
                    overshoots.append(running)
                finish(claimed[0], claimed[1])
                done += 1
            return done
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 60
    assert overshoots == []
    assert ConcurrencySlot.objects.get().running == 0
