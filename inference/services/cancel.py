"""Stop tasks: waiting ones at once, running ones by asking their worker, or by force."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from inference.models import Task, TaskStatus
from inference.models.database_clock import StatementTimestamp
from inference.services.transitions import cancel_queued, kill_leased, record_event


def cancel_tasks(tasks: "QuerySet[Task]", *, cause: Mapping[str, Any]) -> int:
    """Cancel those of `tasks` that have not ended; the number of tasks that this call stopped or asked to stop.

    `queued` becomes `cancelled` here. For `allocated` and `running` the request is written, the database tells
    the worker, and it stops within two seconds. Ended ones, and ones that were asked before, are left alone.
    """
    return sum(_cancel(task_id, cause) for task_id in tasks.values_list("id", flat=True))


def kill_tasks(tasks: "QuerySet[Task]", *, cause: Mapping[str, Any]) -> int:
    """End those of `tasks` that have not ended, without asking their workers; the number of tasks that this call ended.

    `queued` becomes `cancelled`, as nobody has it; `allocated` and `running` become `killed` here and now, asked to
    stop before or not. The database tells the worker, which then closes the browser's context; one that does not react
    is ended by the rescuer of its host.
    """
    return sum(_kill(task_id, cause) for task_id in tasks.values_list("id", flat=True))


def _cancel(task_id: UUID, cause: Mapping[str, Any]) -> int:
    with transaction.atomic():
        task = _locked(task_id)
        if task is None or task.has_ended or task.cancel_requested_at is not None:
            return 0
        if task.status == TaskStatus.QUEUED:
            cancel_queued(task, cause=cause)
            return 1
        asked = {"cancel_requested_at": StatementTimestamp(), "cancel_cause": dict(cause)}
        Task.objects.filter(id=task_id).update(**asked)
        record_event(task_id, "cancel_requested", cause=cause)
        return 1


def _kill(task_id: UUID, cause: Mapping[str, Any]) -> int:
    with transaction.atomic():
        task = _locked(task_id)
        if task is None or task.has_ended:
            return 0
        if task.status == TaskStatus.QUEUED:
            cancel_queued(task, cause=cause)
        else:
            kill_leased(task, cause=cause)
        return 1


def _locked(task_id: UUID) -> Task | None:
    """Its row, whose status cannot move any more between the look and the change."""
    return Task.objects.select_for_update(of=("self",)).filter(id=task_id).first()
