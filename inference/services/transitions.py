"""The only code that sets Task.status after submission. Each change names the old status and, for a worker,
its fencing token; a change that finds no such row changes nothing and says so.

The database refuses what is not written here (migration 0002), gives concurrency slots back, and announces
every change. Instants are the database's, never below the one before.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DataError, IntegrityError, InternalError, ProgrammingError, connection, transaction
from django.db.models import DurationField, ExpressionWrapper, F, IntegerField, Q
from django.db.models.functions import Cast, Coalesce, Extract, Greatest, Least

from inference.models import LEASED, Artifact, Attempt, CommitPoint, Step, StepStatus, Task, TaskEvent, TaskStatus
from inference.models.database_clock import StatementTimestamp

logger = logging.getLogger(__name__)

WORKER_LOST = "worker lost"
WORKER_STOPPED = "worker stopped"
KILLED = "stopped by force"
# The cause of an attempt that a stop or a deploy interrupts.
STOPPING = "shutdown"
_LONGEST_DURATION_MS = 2**31 - 1.0
# Pause before the second attempt; it doubles before each further one.
RETRY_PAUSE_SECONDS = 10


@dataclass(frozen=True)
class Lease:
    """What a renewal found. `cancel_cause` is set once somebody asked to stop the task."""

    cancel_cause: Mapping[str, Any] | None


@dataclass(frozen=True)
class AttemptEnd:
    """How an attempt ended, as its worker (or the rescuer) reports it.

    `status` is the end state if no other attempt follows. `may_retry` says whether this kind of failure may be
    tried again; `counts` is false for an interruption that is not the task's fault (a deploy), which then uses
    up no retry.
    """

    status: TaskStatus
    cause: Mapping[str, Any]
    error: str | None = None
    may_retry: bool = False
    counts: bool = True
    output_data: list[Any] = field(default_factory=list)
    for_loop_status: list[Any] = field(default_factory=list)
    final_screenshot_id: UUID | None = None


def record_event(
    task_id: UUID,
    kind: str,
    *,
    cause: Mapping[str, Any],
    status: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Append one TaskEvent."""
    TaskEvent.objects.create(task_id=task_id, kind=kind, status=status, cause=dict(cause), data=dict(data or {}))


def start_attempt(task_id: UUID, token: int) -> bool:
    """`allocated` -> `running`. False when the lease is gone or somebody asked to cancel it meanwhile."""
    with transaction.atomic():
        started = Task.objects.filter(
            id=task_id, status=TaskStatus.ALLOCATED, lease_token=token, cancel_requested_at=None
        ).update(status=TaskStatus.RUNNING, started_at=Greatest(StatementTimestamp(), F("allocated_at")))
        if not started:
            return False
        Attempt.objects.filter(task_id=task_id, token=token).update(started_at=StatementTimestamp())
        owner = Task.objects.filter(id=task_id).values_list("lease_owner", flat=True).get()
        cause = {"kind": "worker", "id": owner}
        record_event(task_id, "status", status=TaskStatus.RUNNING, cause=cause, data={"token": token})
        return True


def has_started(task_id: UUID, token: int, *, owner: str) -> bool:
    """Whether this attempt of `owner` is the one that runs: for a start whose answer was lost."""
    return Task.objects.filter(
        id=task_id, status=TaskStatus.RUNNING, lease_token=token, lease_owner=owner, cancel_requested_at=None
    ).exists()


def mark_stopping(task_id: UUID, token: int) -> None:
    """Note that the worker of this attempt was told to stop. If it is killed before it can write an end, the rescuer
    knows that the stop was the cause, and no retry is used up."""
    Attempt.objects.filter(task_id=task_id, token=token, ended_at=None).update(cause=STOPPING)


def cancel_queued(task: Task, *, cause: Mapping[str, Any]) -> None:
    """`queued` -> `cancelled`, of a row that the caller has locked."""
    asked = {"cancel_requested_at": StatementTimestamp(), "cancel_cause": dict(cause)}
    _end(task, TaskStatus.CANCELLED, cause=cause, error=None, **asked)


def kill_leased(task: Task, *, cause: Mapping[str, Any]) -> TaskStatus:
    """`allocated` or `running` -> `killed`, of a row that the caller has locked, whatever its worker does.

    The database takes the lease with it, and tells the worker: every write of a worker names the status, so from here
    on none is accepted. An act that was begun may have happened all the same.
    """
    asked_at = Coalesce(F("cancel_requested_at"), StatementTimestamp())
    Task.objects.filter(id=task.id).update(cancel_requested_at=asked_at, cancel_cause=dict(cause))
    where = _at_step(task) if task.status == TaskStatus.RUNNING else " before it began"
    end = AttemptEnd(
        status=TaskStatus.KILLED,
        cause=cause,
        error=KILLED + where,
        output_data=task.output_data,
        for_loop_status=task.for_loop_status,
        final_screenshot_id=task.final_screenshot_id,
    )
    return _finish(task, end)


def give_back(task_id: UUID, token: int, *, cause: Mapping[str, Any]) -> TaskStatus | None:
    """A claim that never began: back to `queued`, or `cancelled` when that was asked for. None: lease gone."""
    with transaction.atomic():
        task = _locked(Q(id=task_id, status=TaskStatus.ALLOCATED, lease_token=token))
        if task is None:
            return None
        _close_attempt(task, cause=cause, error=None)
        if task.cancel_requested_at is not None:
            return _end(task, TaskStatus.CANCELLED, cause=task.cancel_cause or cause, error=None)
        return _queue_again(task, cause=cause, pause_seconds=0, counts=False)


def renew_lease(task_id: UUID, token: int, *, lease_seconds: float) -> Lease | None:
    """Push the expiry out by `lease_seconds` from now (the database's). None: the lease is gone for good."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE inference_task
            SET lease_expires_at = statement_timestamp() + make_interval(secs => %s)
            WHERE id = %s AND lease_token = %s AND status IN ('allocated', 'running')
            RETURNING cancel_requested_at IS NOT NULL, cancel_cause::text
            """,
            [lease_seconds, task_id, token],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    cancel_requested, cause_text = row
    if not cancel_requested:
        return Lease(cancel_cause=None)
    return Lease(cancel_cause=_parsed_cause(cause_text))


def finish_attempt(task_id: UUID, token: int, end: AttemptEnd) -> TaskStatus | None:
    """End a running attempt: the task ends, or goes back to the queue when it may be tried again.

    Nothing is tried again after a commit point was begun, whatever ended the attempt; an act that was begun
    and not seen to finish makes the outcome unknown. Returns the new status; None when the lease is gone.
    """
    with transaction.atomic():
        task = _locked(Q(id=task_id, status=TaskStatus.RUNNING, lease_token=token))
        if task is None:
            return None
        return _finish(task, end)


def is_last_attempt(task_id: UUID, token: int, *, may_retry: bool) -> bool:
    """Whether the task would end if its running attempt failed now; `may_retry` as in AttemptEnd.

    What happens between the answer and the end (a request to cancel) can still make it the last one.
    """
    task = Task.objects.filter(id=task_id, lease_token=token).first()
    if task is None:
        return True
    has_committed = CommitPoint.objects.filter(task=task).exists()
    return not _is_tried_again(task, may_retry=may_retry, has_committed=has_committed)


def rescue_expired(*, limit: int = 100, may_act: Callable[[], bool] = lambda: True) -> int:
    """Take every lease that has run out from its worker; the number of tasks taken.

    Not begun: back to the queue. Begun: a failed attempt with the error `worker lost`; one that was told to stop
    (`mark_stopping`) was interrupted by the stop. The caller makes sure that it was itself in touch with the database
    for a whole lease period (an outage loses nothing). Each task has a transaction of its own, in which `may_act` is
    asked first. A row that somebody holds is left for the next look, and one that cannot be rescued stops no other.
    """
    rescued = 0
    for task_id in _expired_ids(limit):
        try:
            with transaction.atomic():
                if not may_act():
                    break
                if not _rescue_if_expired(task_id):
                    continue
        except (DataError, IntegrityError, InternalError, ProgrammingError) as error:
            logger.error("cannot rescue a task", extra={"task_id": task_id, "error": type(error).__name__})
            continue
        rescued += 1
        logger.warning("lease expired", extra={"task_id": task_id})
    return rescued


def _rescue_if_expired(task_id: UUID) -> bool:
    expired = Q(id=task_id, status__in=LEASED, lease_expires_at__lt=StatementTimestamp())
    task = _locked(expired, skip_locked=True)
    if task is None:
        return False
    _rescue(task)
    return True


def overrun_tasks(*, grace_seconds: float, limit: int = 100) -> list[tuple[UUID, str]]:
    """`(task id, lease owner)` of attempts that run `grace_seconds` longer than their task's limit and all that it
    may wait for people allow: neither their worker's clock nor django-q2's has ended them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, lease_owner FROM inference_task
            WHERE status = 'running'
              AND started_at + make_interval(mins => max_timeout_in_minutes + %s, secs => %s) < statement_timestamp()
            ORDER BY started_at LIMIT %s
            """,
            [settings.MAX_TAKEOVER_MINUTES, grace_seconds, limit],
        )
        return list(cursor.fetchall())


def take_overrun(task_id: UUID, lease_owner: str) -> TaskStatus | None:
    """End an attempt of `overrun_tasks` as timed out, whatever its worker does. None: it has ended meanwhile, or its
    row is held by somebody."""
    with transaction.atomic():
        task = _locked(Q(id=task_id, status=TaskStatus.RUNNING, lease_owner=lease_owner), skip_locked=True)
        if task is None:
            return None
        minutes = task.max_timeout_in_minutes
        error = (
            f"timed out after {minutes} minute{'s' if minutes > 1 else ''}{_at_step(task)}; its worker did not stop it"
        )
        cause = {"kind": "limit", "worker": lease_owner}
        status = TaskStatus.CANCELLED if task.cancel_requested_at else TaskStatus.FAILED
        end = AttemptEnd(
            status=status,
            cause=(task.cancel_cause or cause) if task.cancel_requested_at else cause,
            error=None if task.cancel_requested_at else error,
            may_retry=True,
            output_data=task.output_data,
        )
        return _finish(task, end)


def _at_step(task: Task) -> str:
    """The step that runs and for how long, as its row says: ` at step 3 (Click “Save”), for 640 s`."""
    step = (
        Step.objects.filter(task=task, status=StepStatus.RUNNING)
        .annotate(seconds=_since_start())
        .order_by("-position")
        .first()
    )
    if step is None:
        return ""
    which = step.label if step.index is None else f"step {step.index} ({step.label})"
    return f" at {which}, for {int(step.seconds)} s"


def _since_start() -> Extract:
    return Extract(ExpressionWrapper(StatementTimestamp() - F("started_at"), output_field=DurationField()), "epoch")


def _expired_ids(limit: int) -> list[UUID]:
    expired = Task.objects.filter(status__in=LEASED, lease_expires_at__lt=StatementTimestamp())
    return list(expired.order_by("lease_expires_at").values_list("id", flat=True)[:limit])


def _rescue(task: Task) -> None:
    was_stopping = Attempt.objects.filter(task=task, token=task.lease_token, cause=STOPPING).exists()
    cause = {"kind": STOPPING if was_stopping else "rescuer", "worker": task.lease_owner}
    error = WORKER_STOPPED if was_stopping else WORKER_LOST
    if task.cancel_requested_at:
        cause = task.cancel_cause or cause
    if task.status == TaskStatus.RUNNING:
        end = AttemptEnd(
            status=TaskStatus.CANCELLED if task.cancel_requested_at else TaskStatus.FAILED,
            cause=cause,
            error=None if task.cancel_requested_at else error,
            may_retry=True,
            counts=not was_stopping,
            output_data=task.output_data,
        )
        _finish(task, end)
        return
    _close_attempt(task, cause=cause, error=error)
    if task.cancel_requested_at:
        _end(task, TaskStatus.CANCELLED, cause=cause, error=None)
    else:
        _queue_again(task, cause=cause, pause_seconds=0, counts=False)


def _finish(task: Task, end: AttemptEnd) -> TaskStatus:
    _close_attempt(task, cause=end.cause, error=end.error)
    committed = list(CommitPoint.objects.filter(task=task).values_list("finished_at", flat=True))
    has_failed = end.status == TaskStatus.FAILED
    if has_failed and _is_tried_again(task, may_retry=end.may_retry, has_committed=bool(committed)):
        pause = RETRY_PAUSE_SECONDS * 2**task.retry_count if end.counts else 0
        return _queue_again(task, cause=end.cause, pause_seconds=pause, counts=end.counts)
    return _end(
        task,
        end.status,
        cause=end.cause,
        error=end.error,
        # Also of a success: a loop may have gone on after it, or the step been left out as an optional one.
        outcome_unknown=None in committed,
        output_data=end.output_data,
        for_loop_status=end.for_loop_status,
        final_screenshot=_artifact(task, end.final_screenshot_id),
    )


def _is_tried_again(task: Task, *, may_retry: bool, has_committed: bool) -> bool:
    """The rule of retries. A commit point rules them out for good, and so does a request to cancel."""
    retry_left = task.retry_count < task.max_retries
    return may_retry and retry_left and not has_committed and task.cancel_requested_at is None


def _artifact(task: Task, artifact_id: UUID | None) -> Artifact | None:
    return None if artifact_id is None else Artifact.objects.filter(id=artifact_id, task=task).first()


def _locked(condition: Q, *, skip_locked: bool = False) -> Task | None:
    """The one row that meets `condition`, locked and looked at again after the lock was had. With `skip_locked`, None
    for one that somebody else holds."""
    return Task.objects.select_for_update(of=("self",), skip_locked=skip_locked).filter(condition).first()


def _close_attempt(task: Task, *, cause: Mapping[str, Any], error: str | None) -> None:
    # A worker ends its steps itself; these are of one that is gone, or whose loop did not answer.
    Step.objects.filter(task=task, status=StepStatus.RUNNING).update(
        status=StepStatus.FAILED,
        error=error or str(cause.get("kind", "interrupted")),
        # A machine that was off for a month, a clock that was set back: the column holds neither.
        duration_ms=Cast(Least(Greatest(_since_start() * 1000, 0.0), _LONGEST_DURATION_MS), IntegerField()),
    )
    Attempt.objects.filter(task=task, token=task.lease_token).update(
        ended_at=StatementTimestamp(), cause=str(cause.get("kind", ""))[:40], error=error
    )


def _end(task: Task, status: TaskStatus, *, cause: Mapping[str, Any], error: str | None, **results: Any) -> TaskStatus:
    Task.objects.filter(id=task.id).update(
        status=status,
        error=error,
        completed_at=Greatest(StatementTimestamp(), F("created_at"), F("allocated_at"), F("started_at")),
        **results,
    )
    record_event(task.id, "status", status=status, cause=cause, data={"error": error} if error else None)
    return status


def _queue_again(task: Task, *, cause: Mapping[str, Any], pause_seconds: float, counts: bool) -> TaskStatus:
    Task.objects.filter(id=task.id).update(
        status=TaskStatus.QUEUED,
        allocated_at=None,
        started_at=None,
        available_at=StatementTimestamp() + timedelta(seconds=pause_seconds),
        retry_count=F("retry_count") + (1 if counts else 0),
    )
    record_event(
        task.id,
        "status",
        status=TaskStatus.QUEUED,
        cause=cause,
        data={"pause_seconds": pause_seconds, "counts": counts},
    )
    return TaskStatus.QUEUED


def _parsed_cause(text: str | None) -> Mapping[str, Any]:
    return dict(json.loads(text)) if text else {"kind": "unknown"}
