"""The life of a task, as its worker, the rescuer and people change it."""

import pytest
from django.db import connection
from pytest_django import Settings

from inference.models import Attempt, CommitPoint, ConcurrencySlot, StepStatus, Task, TaskEvent, TaskStatus
from inference.models.database_clock import StatementTimestamp
from inference.services import transitions
from inference.services.cancel import cancel_tasks, kill_tasks
from inference.services.transitions import AttemptEnd
from tests.factories import make_person_request, make_step, make_task

pytestmark = pytest.mark.django_db

CAUSE = {"kind": "test"}


def running_task(**fields: object) -> Task:
    return make_task(status=TaskStatus.RUNNING, **fields)  # type: ignore[arg-type]


def failed(**fields: object) -> AttemptEnd:
    return AttemptEnd(status=TaskStatus.FAILED, cause=CAUSE, error="it broke", **{"may_retry": True, **fields})  # type: ignore[arg-type]


def expire(task: Task) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_task SET lease_expires_at = statement_timestamp() - interval '1 second' WHERE id = %s",
            [task.id],
        )


def statuses(task: Task) -> list[str | None]:
    return list(task.events.filter(kind="status").values_list("status", flat=True))


def test_an_attempt_starts_once_and_only_with_its_token() -> None:
    task = make_task(status=TaskStatus.ALLOCATED)
    assert not transitions.start_attempt(task.id, task.lease_token + 1)
    assert transitions.start_attempt(task.id, task.lease_token)
    assert not transitions.start_attempt(task.id, task.lease_token)
    task.refresh_from_db()
    assert task.status == TaskStatus.RUNNING
    assert task.created_at <= task.allocated_at <= task.started_at  # type: ignore[operator]
    assert task.attempts.get().started_at is not None


def test_success_stores_the_results_and_ends_the_lease() -> None:
    task = running_task()
    end = AttemptEnd(status=TaskStatus.SUCCESS, cause=CAUSE, output_data=[{"json_data": {"a": 1}}])
    assert transitions.finish_attempt(task.id, task.lease_token, end) == TaskStatus.SUCCESS
    task.refresh_from_db()
    assert (task.output_data, task.error, task.lease_owner) == ([{"json_data": {"a": 1}}], None, None)
    assert task.completed_at is not None
    assert task.attempts.get().ended_at is not None
    assert statuses(task)[-1] == "success"


def test_a_worker_whose_token_is_old_changes_nothing() -> None:
    task = running_task()
    end = AttemptEnd(status=TaskStatus.SUCCESS, cause=CAUSE)
    assert transitions.finish_attempt(task.id, task.lease_token - 1, end) is None
    assert transitions.renew_lease(task.id, task.lease_token - 1, lease_seconds=20) is None
    task.refresh_from_db()
    assert task.status == TaskStatus.RUNNING


def test_a_failure_without_retries_ends_the_task() -> None:
    task = running_task(max_retries=0)
    assert transitions.finish_attempt(task.id, task.lease_token, failed()) == TaskStatus.FAILED
    task.refresh_from_db()
    assert task.error == "it broke"


def test_retries_pause_10_s_doubling_and_then_end() -> None:
    task = running_task(max_retries=2)
    for pause in (10, 20):
        assert transitions.finish_attempt(task.id, task.lease_token, failed()) == TaskStatus.QUEUED
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT extract(epoch FROM available_at - statement_timestamp()) FROM inference_task WHERE id = %s",
                [task.id],
            )
            assert float(cursor.fetchone()[0]) == pytest.approx(pause, abs=2)
            cursor.execute("UPDATE inference_task SET available_at = created_at WHERE id = %s", [task.id])
            cursor.execute("SELECT claimed_token FROM inference_claim_task('w', 'h', 20)")
            token = cursor.fetchone()[0]
        assert transitions.start_attempt(task.id, token)
        task.refresh_from_db()
    assert transitions.finish_attempt(task.id, task.lease_token, failed()) == TaskStatus.FAILED
    task.refresh_from_db()
    assert task.retry_count == 2
    assert [each.error for each in task.attempts.all()] == ["it broke"] * 3


def test_a_final_failure_is_not_retried() -> None:
    task = running_task(max_retries=3)
    end = AttemptEnd(status=TaskStatus.FAILED, cause=CAUSE, error="assertion failed", may_retry=False)
    assert transitions.finish_attempt(task.id, task.lease_token, end) == TaskStatus.FAILED


def test_an_interruption_by_a_deploy_uses_up_no_retry() -> None:
    task = running_task(max_retries=1)
    assert transitions.finish_attempt(task.id, task.lease_token, failed(counts=False)) == TaskStatus.QUEUED
    task.refresh_from_db()
    assert task.retry_count == 0


@pytest.mark.parametrize("is_finished", [True, False])
def test_nothing_is_tried_again_after_a_commit_point(is_finished: bool) -> None:
    task = running_task(max_retries=3)
    point = CommitPoint.objects.create(task=task, attempt=1, path="nodes[3]")
    if is_finished:
        CommitPoint.objects.filter(id=point.id).update(finished_at=task.started_at)
    assert transitions.finish_attempt(task.id, task.lease_token, failed()) == TaskStatus.FAILED
    task.refresh_from_db()
    assert task.outcome_unknown is not is_finished


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_success_with_an_act_that_was_not_seen_to_finish_is_of_an_unknown_outcome(is_finished: bool) -> None:
    task = running_task()
    CommitPoint.objects.create(task=task, attempt=1, path="nodes[3]", finished_at=task.started_at)
    CommitPoint.objects.create(
        task=task, attempt=1, path="nodes[3]", finished_at=task.started_at if is_finished else None
    )
    end = AttemptEnd(status=TaskStatus.SUCCESS, cause=CAUSE)
    assert transitions.finish_attempt(task.id, task.lease_token, end) == TaskStatus.SUCCESS
    task.refresh_from_db()
    assert task.outcome_unknown is not is_finished


def test_a_lost_worker_fails_its_running_task() -> None:
    task = running_task()
    assert transitions.rescue_expired() == 0
    expire(task)
    assert transitions.rescue_expired() == 1
    task.refresh_from_db()
    assert (task.status, task.error) == ("failed", "worker lost")
    assert Attempt.objects.get(task=task).error == "worker lost"


def test_a_start_names_its_worker() -> None:
    task = make_task(status=TaskStatus.ALLOCATED, worker="host/12/34")
    assert transitions.start_attempt(task.id, task.lease_token)
    event = TaskEvent.objects.get(task=task, kind="status", status="running")
    assert event.cause == {"kind": "worker", "id": "host/12/34"}


def test_a_lost_worker_whose_task_was_cancelled_is_not_who_cancelled_it() -> None:
    task, cause = running_task(), {"kind": "user", "id": "maya"}
    cancel_tasks(Task.objects.filter(id=task.id), cause=cause)
    expire(task)
    assert transitions.rescue_expired() == 1
    event = TaskEvent.objects.get(task=task, kind="status", status="cancelled")
    assert event.cause == cause


def test_a_lost_worker_uses_up_a_retry() -> None:
    task = running_task(max_retries=1)
    expire(task)
    assert transitions.rescue_expired() == 1
    task.refresh_from_db()
    assert (task.status, task.retry_count, task.started_at) == ("queued", 1, None)


def test_a_lost_worker_that_had_not_begun_gives_its_task_back() -> None:
    task = make_task(status=TaskStatus.ALLOCATED)
    expire(task)
    assert transitions.rescue_expired() == 1
    task.refresh_from_db()
    assert (task.status, task.retry_count, task.allocated_at) == ("queued", 0, None)


def test_a_lost_worker_after_a_commit_point_leaves_the_outcome_unknown() -> None:
    task = running_task(max_retries=5)
    CommitPoint.objects.create(task=task, attempt=1, path="nodes[3]")
    expire(task)
    transitions.rescue_expired()
    task.refresh_from_db()
    assert (task.status, task.outcome_unknown) == ("failed", True)


def test_cancel_ends_a_queued_task_at_once_and_asks_a_running_one() -> None:
    queued, running, ended = make_task(), running_task(), make_task(status=TaskStatus.SUCCESS)
    cause = {"kind": "user", "id": "maya"}
    assert cancel_tasks(Task.objects.all(), cause=cause) == 2
    assert cancel_tasks(Task.objects.all(), cause=cause) == 0
    for task in (queued, running, ended):
        task.refresh_from_db()
    assert (queued.status, running.status, ended.status) == ("cancelled", "running", "success")
    lease = transitions.renew_lease(running.id, running.lease_token, lease_seconds=20)
    assert lease is not None
    assert lease.cancel_cause == cause


MAYA = {"kind": "user", "id": "maya"}


@pytest.mark.parametrize("is_asked_before", [False, True])
def test_a_running_task_is_killed_at_once_with_all_that_is_known_of_it(is_asked_before: bool) -> None:
    task = running_task(output_data=[{"text": "so far"}], for_loop_status=[[{"n": 1}]], max_retries=3)
    step = make_step(task, status=StepStatus.RUNNING, label="Click “Save”", index=3)
    if is_asked_before:
        cancel_tasks(Task.objects.all(), cause=CAUSE)

    assert kill_tasks(Task.objects.all(), cause=MAYA) == 1

    task.refresh_from_db()
    step.refresh_from_db()
    attempt = task.attempts.get()
    assert task.status == TaskStatus.KILLED
    assert task.error == "stopped by force at step 3 (Click “Save”), for 0 s"
    assert (task.output_data, task.for_loop_status) == ([{"text": "so far"}], [[{"n": 1}]])
    assert (task.cancel_cause, task.outcome_unknown) == (MAYA, False)
    assert task.started_at <= task.cancel_requested_at <= task.completed_at  # type: ignore[operator]
    assert (task.lease_owner, task.lease_expires_at) == (None, None)
    assert (step.status, step.error) == (StepStatus.FAILED, task.error)
    assert (attempt.cause, attempt.error, attempt.ended_at is not None) == ("user", task.error, True)
    event = task.events.latest("id")
    assert (event.kind, event.status, event.cause, event.data) == ("status", "killed", MAYA, {"error": task.error})


def test_one_that_has_not_begun_is_killed_too_and_one_that_waits_is_cancelled() -> None:
    waiting, claimed = make_task(), make_task(status=TaskStatus.ALLOCATED)
    ended = make_task(status=TaskStatus.FAILED, error="it broke")

    assert kill_tasks(Task.objects.all(), cause=MAYA) == 2

    rows = Task.objects.in_bulk()
    assert (rows[waiting.id].status, rows[waiting.id].error) == (TaskStatus.CANCELLED, None)
    assert (rows[claimed.id].status, rows[claimed.id].error) == (TaskStatus.KILLED, "stopped by force before it began")
    assert (rows[ended.id].status, rows[ended.id].error) == (TaskStatus.FAILED, "it broke")
    assert not Attempt.objects.filter(ended_at=None).exists()
    assert kill_tasks(Task.objects.all(), cause=MAYA) == 0


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_task_that_is_killed_in_an_act_is_of_an_unknown_outcome(is_finished: bool) -> None:
    task = running_task()
    CommitPoint.objects.create(
        task=task, attempt=1, path="nodes[0]", finished_at=StatementTimestamp() if is_finished else None
    )
    kill_tasks(Task.objects.all(), cause=MAYA)
    task.refresh_from_db()
    assert task.outcome_unknown == (not is_finished)


def test_nothing_that_its_worker_says_is_taken_once_a_task_is_killed() -> None:
    task, claimed = running_task(), make_task(status=TaskStatus.ALLOCATED)
    kill_tasks(Task.objects.all(), cause=MAYA)
    before = list(Task.objects.order_by("id").values()), list(Attempt.objects.order_by("id").values())
    token, owner = task.lease_token, "test-host:1:1"

    assert transitions.renew_lease(task.id, token, lease_seconds=20) is None
    assert transitions.finish_attempt(task.id, token, AttemptEnd(status=TaskStatus.SUCCESS, cause=CAUSE)) is None
    assert transitions.give_back(claimed.id, claimed.lease_token, cause=CAUSE) is None
    assert not transitions.start_attempt(claimed.id, claimed.lease_token)
    assert not transitions.has_started(task.id, token, owner=owner)
    transitions.mark_stopping(task.id, token)
    assert transitions.rescue_expired() == 0

    assert (list(Task.objects.order_by("id").values()), list(Attempt.objects.order_by("id").values())) == before


def test_a_question_of_a_killed_task_is_withdrawn() -> None:
    request = make_person_request(running_task())
    kill_tasks(Task.objects.all(), cause=MAYA)
    request.refresh_from_db()
    assert request.outcome == "withdrawn"


def test_a_killed_task_gives_its_places_back() -> None:
    ConcurrencySlot.objects.create(key="automation:1", running=2)
    for status in (TaskStatus.ALLOCATED, TaskStatus.RUNNING):
        Task.objects.filter(id=make_task(status=status).id).update(held_slots=["automation:1"])
    kill_tasks(Task.objects.all(), cause=MAYA)
    assert ConcurrencySlot.objects.get().running == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_asked_before", [False, True])
@pytest.mark.parametrize("status", [TaskStatus.ALLOCATED, TaskStatus.RUNNING])
def test_a_kill_is_announced_to_its_worker_and_to_who_waits_or_looks(status: str, is_asked_before: bool) -> None:
    task = make_task(status=status)
    if is_asked_before:
        cancel_tasks(Task.objects.all(), cause=CAUSE)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("LISTEN task_cancelled; LISTEN task_ended; LISTEN task_changed")
        kill_tasks(Task.objects.all(), cause=MAYA)
        told = {(each.channel, each.payload) for each in other.connection.notifies(timeout=5, stop_after=3)}
    finally:
        other.close()
    assert told == {(channel, str(task.id)) for channel in ("task_cancelled", "task_ended", "task_changed")}


def test_a_task_cancelled_between_claim_and_start_never_starts() -> None:
    task = make_task(status=TaskStatus.ALLOCATED)
    cancel_tasks(Task.objects.all(), cause=CAUSE)
    assert not transitions.start_attempt(task.id, task.lease_token)
    assert transitions.give_back(task.id, task.lease_token, cause=CAUSE) == TaskStatus.CANCELLED


def test_a_cancelled_task_is_not_retried_when_its_worker_is_lost() -> None:
    task = running_task(max_retries=3)
    cancel_tasks(Task.objects.all(), cause=CAUSE)
    expire(task)
    transitions.rescue_expired()
    task.refresh_from_db()
    assert task.status == TaskStatus.CANCELLED


@pytest.mark.parametrize("may_retry", [True, False])
@pytest.mark.parametrize("retry_count", [0, 1])
def test_an_attempt_is_the_last_one_exactly_when_its_failure_would_end_the_task(
    may_retry: bool, retry_count: int
) -> None:
    task = running_task(max_retries=1, retry_count=retry_count)

    is_last = transitions.is_last_attempt(task.id, task.lease_token, may_retry=may_retry)
    status = transitions.finish_attempt(task.id, task.lease_token, failed(may_retry=may_retry))

    assert is_last is (not may_retry or retry_count == 1)
    assert status == (TaskStatus.FAILED if is_last else TaskStatus.QUEUED)


def test_after_a_commit_point_the_attempt_is_the_last_one() -> None:
    task = running_task(max_retries=1)
    CommitPoint.objects.create(task=task, attempt=1, path="nodes[0]")

    assert transitions.is_last_attempt(task.id, task.lease_token, may_retry=True)


def test_once_it_is_to_be_cancelled_or_somebody_elses_the_attempt_is_the_last_one() -> None:
    task = running_task(max_retries=1)
    assert transitions.is_last_attempt(task.id, task.lease_token + 1, may_retry=True)

    cancel_tasks(Task.objects.filter(id=task.id), cause={"kind": "user", "id": "maya"})
    assert transitions.is_last_attempt(task.id, task.lease_token, may_retry=True)


def test_the_step_of_a_lost_worker_does_not_run_on() -> None:
    task = running_task()
    done, running = make_step(task), make_step(task, status=StepStatus.RUNNING)
    expire(task)

    transitions.rescue_expired()

    for step in (done, running):
        step.refresh_from_db()
    assert (done.status, done.error) == (StepStatus.SUCCESS, None)
    assert (running.status, running.error) == (StepStatus.FAILED, "worker lost")
    assert running.duration_ms is not None


def start_earlier(task: Task, *, minutes: int) -> None:
    with connection.cursor() as cursor:
        # The guard lets no instant go back, so the test does as its owner may.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE inference_task DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE inference_task SET created_at = created_at - make_interval(mins => %(minutes)s), allocated_at ="
            " allocated_at - make_interval(mins => %(minutes)s), started_at = started_at -"
            " make_interval(mins => %(minutes)s) WHERE id = %(id)s",
            {"minutes": minutes, "id": task.id},
        )
        cursor.execute("ALTER TABLE inference_task ENABLE TRIGGER USER")


def test_an_attempt_that_runs_on_past_its_limit_is_ended_from_outside(settings: Settings) -> None:
    settings.MAX_TAKEOVER_MINUTES = 30
    task, within = running_task(max_timeout_in_minutes=10), running_task(max_timeout_in_minutes=11)
    make_step(task, label="Click “Save”", status=StepStatus.RUNNING)
    for each in (task, within):
        start_earlier(each, minutes=42)

    assert transitions.overrun_tasks(grace_seconds=90) == [(task.id, task.lease_owner)]
    assert transitions.take_overrun(task.id, "another") is None
    assert transitions.take_overrun(task.id, task.lease_owner) == TaskStatus.FAILED  # type: ignore[arg-type]

    token = task.lease_token
    task.refresh_from_db()
    assert task.error is not None
    assert task.error.startswith("timed out after 10 minutes at step 1 (Click “Save”), for ")
    assert transitions.renew_lease(task.id, token, lease_seconds=20) is None
    assert transitions.overrun_tasks(grace_seconds=90) == []


def test_one_that_is_to_be_cancelled_is_cancelled_when_it_runs_on() -> None:
    task = running_task(max_retries=1)
    cancel_tasks(Task.objects.filter(id=task.id), cause={"kind": "user", "id": "maya"})

    assert transitions.take_overrun(task.id, task.lease_owner) == TaskStatus.CANCELLED  # type: ignore[arg-type]
    assert task.events.last().cause == {"kind": "user", "id": "maya"}  # type: ignore[union-attr]


def test_a_worker_that_was_told_to_stop_and_killed_uses_up_no_retry() -> None:
    task = running_task(max_retries=1)
    transitions.mark_stopping(task.id, task.lease_token)
    expire(task)
    assert transitions.rescue_expired() == 1
    task.refresh_from_db()
    assert (task.status, task.retry_count) == ("queued", 0)
    attempt = task.attempts.get()
    assert (attempt.cause, attempt.error) == ("shutdown", "worker stopped")


def test_a_stop_is_noted_for_the_own_attempt_only_and_not_after_its_end() -> None:
    task = running_task()
    transitions.mark_stopping(task.id, task.lease_token + 1)
    assert task.attempts.get().cause == ""
    transitions.finish_attempt(task.id, task.lease_token, AttemptEnd(status=TaskStatus.SUCCESS, cause=CAUSE))
    transitions.mark_stopping(task.id, task.lease_token)
    assert task.attempts.get().cause == "test"


def test_a_start_whose_answer_was_lost_is_known_by_its_owner_and_token() -> None:
    task = running_task(worker="host/1/1")
    assert transitions.has_started(task.id, task.lease_token, owner="host/1/1")
    # The number may be given twice after a crash of the database, which loses claims that were not yet on disk.
    assert not transitions.has_started(task.id, task.lease_token, owner="host/2/2")
    assert not transitions.has_started(task.id, task.lease_token + 1, owner="host/1/1")
    cancel_tasks(Task.objects.all(), cause=CAUSE)
    assert not transitions.has_started(task.id, task.lease_token, owner="host/1/1")


def test_a_step_that_ran_for_longer_than_the_column_holds_does_not_keep_its_task_from_being_rescued() -> None:
    task = running_task()
    make_step(task, status=StepStatus.RUNNING)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_step SET started_at = statement_timestamp() - interval '40 days'")
    expire(task)
    assert transitions.rescue_expired() == 1
    assert task.steps.get().duration_ms == 2**31 - 1


def test_a_task_that_cannot_be_rescued_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = running_task(), running_task()
    for task in (bad, good):
        expire(task)
    rescue = transitions._rescue

    def refuse_one(task: Task) -> None:
        if task.id == bad.id:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
        rescue(task)

    monkeypatch.setattr(transitions, "_rescue", refuse_one)
    assert transitions.rescue_expired() == 1
    good.refresh_from_db()
    assert good.status == "failed"
    assert "cannot rescue a task" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_keeps_no_other_task_waiting() -> None:
    """A worker that was stopped within its own transaction still holds its task."""
    held, other = running_task(), running_task()
    for task in (held, other):
        expire(task)
    holder = connection.copy()
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM inference_task WHERE id = %s FOR SHARE", [held.id])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")  # instead of a test that hangs
        try:
            assert transitions.rescue_expired() == 1
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
    finally:
        holder.rollback()
        holder.close()
    other.refresh_from_db()
    assert other.status == "failed"
    assert transitions.rescue_expired() == 1


def test_only_whose_turn_it_is_rescues() -> None:
    task = running_task()
    expire(task)
    assert transitions.rescue_expired(may_act=lambda: False) == 0
    task.refresh_from_db()
    assert task.status == "running"
