"""A person decides what became of an act that was begun and not seen to finish."""

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from inference.models import Task
from inference.models.database_clock import StatementTimestamp
from inference.services.audit import record_audit
from inference.services.transitions import record_event


def decide_outcome(*, task: Task, happened: bool, note: str, user: AbstractBaseUser) -> bool:
    """Note the decision; False when somebody else was faster, or there is nothing to decide.

    The task keeps its status and error: what happened to it is history, this is what people found out since.
    """
    by = {"kind": "user", "id": user.get_username()}
    with transaction.atomic():
        open_task = Task.objects.select_for_update(of=("self",)).filter(
            pk=task.pk, outcome_unknown=True, review__isnull=True
        )
        if open_task.first() is None:
            return False
        at = Task.objects.filter(pk=task.pk).values_list(StatementTimestamp(), flat=True).get()
        review = {"happened": happened, "note": note, "by": by, "at": at.isoformat()}
        Task.objects.filter(pk=task.pk).update(review=review)
        record_event(task.pk, "review", cause=by, data={"happened": happened, "text": note})
        record_audit(actor=user, act="task.review", target=f"task {task.pk}", data={"happened": happened, "note": note})
    return True
