"""Somebody decides what became of an act that was begun and not seen to finish."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from inference.errors import NothingToDecideError
from inference.models import ApiKey, Task
from inference.models.database_clock import StatementTimestamp
from inference.services.audit import record_audit
from inference.services.people import MAX_NOTE_CHARACTERS
from inference.services.retry import retry_task
from inference.services.submit import cause_of
from inference.services.transitions import record_event

# What is decided, on the wire.
HAPPENED, DID_NOT_HAPPEN = "happened", "did_not_happen"


@dataclass(frozen=True)
class Decision:
    """What came of a decision. `duplicate`: the same was decided before. `new_task_id`: the task that runs it again."""

    duplicate: bool
    new_task_id: UUID | None


def decide_outcome(
    *, task_id: UUID, happened: bool, note: str, by: AbstractBaseUser | ApiKey, retry: bool = False
) -> Decision:
    """Note the decision, and with `retry` run again in the same transaction what did not happen: one without the other
    never exists. The same decision again changes nothing, and makes no second new task.

    The task keeps its status and error: what happened to it is history, this is what was found out since. Raises
    NothingToDecideError (no act is open, or it was decided otherwise), and with `retry` what `retry_task` raises.
    """
    with transaction.atomic():
        task = Task.objects.select_for_update(of=("self",)).select_related("automation", "api_key").get(pk=task_id)
        if not task.outcome_unknown or not task.has_ended:
            raise NothingToDecideError(f"Task {task_id} asks for no decision: none of its acts is open.")
        duplicate = task.review is not None
        if duplicate and _happened(task.review) != happened:
            said = "it happened" if not happened else "it did not happen"
            raise NothingToDecideError(f"Task {task_id} was decided before: {said}.")
        if not duplicate:
            _note(task, happened=happened, note=note[:MAX_NOTE_CHARACTERS], by=by)
        return Decision(duplicate, _run_again(task, by) if retry else None)


def _happened(review: Mapping[str, Any] | None) -> bool:
    return bool(review and review.get("happened"))


def _note(task: Task, *, happened: bool, note: str, by: AbstractBaseUser | ApiKey) -> None:
    cause = _cause(by)
    at = Task.objects.filter(pk=task.pk).values_list(StatementTimestamp(), flat=True).get()
    task.review = {"happened": happened, "note": note, "by": cause, "at": at.isoformat()}
    Task.objects.filter(pk=task.pk).update(review=task.review)
    record_event(task.pk, "review", cause=cause, data={"happened": happened, "text": note})
    record_audit(actor=by, act="task.review", target=f"task {task.pk}", data={"happened": happened, "note": note})


def _run_again(task: Task, by: AbstractBaseUser | ApiKey) -> UUID:
    """The newest task that runs it again; a new one when there is none."""
    newest = task.retried_as.order_by("-created_at", "-id").values_list("id", flat=True).first()
    if newest is not None:
        return newest
    if isinstance(by, ApiKey):
        submission = retry_task(task=task, cause=_cause(by), api_key=by)
    else:
        submission = retry_task(task=task, user=by)
    record_audit(
        actor=by,
        act="task.retry",
        target=f"task {task.pk}",
        data={"new_task": str(submission.task_id), "duplicate": submission.duplicate},
    )
    return submission.task_id


def _cause(by: AbstractBaseUser | ApiKey) -> dict[str, str]:
    return cause_of(api_key=by, user=None) if isinstance(by, ApiKey) else cause_of(api_key=None, user=by)
