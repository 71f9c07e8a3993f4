"""What running tasks ask people for."""

from django.db import models
from django.db.models import F, Q

from inference.models.database_clock import StatementTimestamp
from inference.models.identifiers import uuid7
from inference.models.step import Artifact
from inference.models.task import Task

ONE_OPEN_REQUEST = "person_request_one_open_per_task"


class PersonRequest(models.Model):
    """A question that a running task waits with, and what became of it.

    The worker that has the task asks, and closes it when its time is over; `services.people` writes an answer. Open
    means that `closed_at` is null. Triggers let only a running task ask, withdraw what is still open when its
    attempt ends in whatever way, and freeze a closed one.
    """

    class Outcome(models.TextChoices):
        CONTINUE = "continue", "Continue"
        GIVE_UP = "give_up", "Give up"
        TIMED_OUT = "timed_out", "Nobody answered"
        WITHDRAWN = "withdrawn", "No longer asked"

    # What a person says; the other outcomes come by themselves.
    ANSWERS = (Outcome.CONTINUE, Outcome.GIVE_UP)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="person_requests")
    attempt = models.PositiveIntegerField()
    step_position = models.PositiveIntegerField(help_text="Of the step that asks, within the attempt.")
    question = models.TextField()
    picture = models.ForeignKey(
        Artifact,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The page when it asked.",
    )
    asked_at = models.DateTimeField(db_default=StatementTimestamp(), editable=False)
    deadline = models.DateTimeField(editable=False, help_text="Then nobody has answered.")
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True, default="")
    closed_by = models.JSONField(null=True, blank=True, help_text='Who or what, e.g. {"kind": "user", "id": "maya"}.')
    note = models.TextField(blank=True, default="")

    class Meta:
        ordering = ("asked_at",)
        constraints = (
            # Also the index by which "who waits for a person?" is answered: it holds the open ones only.
            models.UniqueConstraint(fields=("task",), condition=Q(closed_at=None), name=ONE_OPEN_REQUEST),
            models.CheckConstraint(
                condition=Q(closed_at=None, outcome="", closed_by__isnull=True)
                | Q(
                    closed_at__gte=F("asked_at"),
                    closed_by__isnull=False,
                    outcome__in=["continue", "give_up", "timed_out", "withdrawn"],
                ),
                name="person_request_closed_with_an_outcome",
            ),
            models.CheckConstraint(
                condition=Q(deadline__gt=F("asked_at")), name="person_request_deadline_after_asking"
            ),
        )
        # "The newest of a task": its page, its API object, and how long it has waited for people.
        indexes = (models.Index(fields=("task", "-asked_at"), name="person_request_newest_of_task"),)

    def __str__(self) -> str:
        return f"{self.outcome or 'open'}: question of {self.task_id}"
