"""A person answers what a running task asks."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Greatest

from inference.errors import NothingAskedError
from inference.models import PersonRequest, Task
from inference.models.database_clock import StatementTimestamp
from inference.services.transitions import record_event

MAX_NOTE_CHARACTERS = 2000


def answer_request(
    *, task_id: UUID, answer: str, note: str, cause: Mapping[str, Any], request_id: UUID | None = None
) -> bool:
    """Give one of `PersonRequest.ANSWERS` to what the task asks; False when the same was answered before.

    With `request_id` only that question is meant: a page that is out of date, or a request that is sent again, never
    answers a later one. The database tells the worker. Raises NothingAskedError.
    """
    with transaction.atomic():
        # The task first, as its worker and the end of its attempt lock them: so nobody waits in a circle.
        Task.objects.select_for_update(of=("self",), no_key=True).filter(id=task_id).first()
        request = _asked(task_id, request_id)
        if request is None:
            raise NothingAskedError(f"Task {task_id} asks nobody: nothing waits for an answer.")
        if request.closed_at is not None:
            return _answered_before(request, answer)
        PersonRequest.objects.filter(id=request.id).update(
            outcome=answer,
            closed_at=Greatest(StatementTimestamp(), request.asked_at),
            closed_by=dict(cause),
            note=note[:MAX_NOTE_CHARACTERS],
        )
        record_event(task_id, "person", cause=cause, data={"state": "answered", "answer": answer, "text": note})
        return True


def _asked(task_id: UUID, request_id: UUID | None) -> PersonRequest | None:
    """The question that is meant: the named one, or the newest, which is the open one if there is one."""
    requests = PersonRequest.objects.filter(task_id=task_id)
    if request_id is not None:
        return requests.filter(id=request_id).first()
    return requests.order_by("-asked_at").first()


def _answered_before(request: PersonRequest, answer: str) -> bool:
    if request.outcome == answer:
        return False
    if request.outcome in PersonRequest.ANSWERS:
        said = PersonRequest.Outcome(request.outcome).label.lower()
        raise NothingAskedError(f"Task {request.task_id} was answered before: {said}.")
    raise NothingAskedError(f"Task {request.task_id} does not wait any more: the time for an answer is over.")
