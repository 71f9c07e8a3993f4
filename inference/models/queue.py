"""How the queue is shared and stopped: lines of waiting tasks, what each sharer has had, and pauses.

Lines and shares are the claim's own notes: triggers and the function `inference_claim_task` write them, nothing else
does. The tasks alone say what waits.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q

from inference.models.automation import Automation
from inference.models.database_clock import StatementTimestamp

# Sharers of the queue: `key:<id>` for tasks of an API key, and these for tasks without one.
ANONYMOUS = "anonymous"
DASHBOARD = "dashboard"


def sharer_of_key(api_key_id: int) -> str:
    return f"key:{api_key_id}"


class QueueLine(models.Model):
    """Tasks of one sharer that wait for exactly the same things: automation, limits and, if dedicated, login.

    When the first of them may not start, none may, so the claim passes a whole line at once. The row exists while
    tasks wait in the line. `best_rank` and `best_created_at` are never behind its first task; they may be before it,
    and the claim sets them right when that costs it something.
    """

    sharer = models.CharField(max_length=40)
    # Reached through the unique constraint and the index below only.
    automation = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="+", db_index=False)
    max_parallelism = models.PositiveIntegerField(help_text="The request's own limit; 0: none.")
    login = models.CharField(max_length=64, help_text="The dedup hash of dedicated tasks; empty for the others.")
    per_login_parallelism = models.PositiveIntegerField(help_text="The request's own limit, for dedicated tasks.")
    best_rank = models.BigIntegerField(help_text="Priority; none is above all integers.")
    best_created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("sharer", "automation", "max_parallelism", "login", "per_login_parallelism"),
                name="queue_line_unique",
            ),
        )
        indexes = (
            # The claim: sharers, the automations of a sharer, and their lines in order; each read by skipping.
            models.Index(
                fields=("sharer", "automation", "max_parallelism", "best_rank", "best_created_at"),
                name="queue_line_order",
            ),
        )

    def __str__(self) -> str:
        return f"line {self.pk} of {self.sharer}"


class QueueShare(models.Model):
    """What a sharer has had of the queue, as virtual time (start-time fair queueing, Goyal, Vin and Cheng 1996).

    A claim goes to the sharer whose next task starts earliest; its time then moves on by 1/weight. A sharer that had
    nothing to start goes on from the present of the others, so it saves nothing up.
    """

    sharer = models.CharField(primary_key=True, max_length=40)
    started = models.FloatField(help_text="Virtual time at which its newest task started.")
    finished = models.FloatField(help_text="Virtual time at which that task has used up its share.")

    class Meta:
        # The present is the greatest start.
        indexes = (models.Index(fields=("started",), name="queue_share_present"),)

    def __str__(self) -> str:
        return f"{self.sharer}: {self.finished}"


class QueuePause(models.Model):
    """Something that no task is started for until a person lets it go on. Running tasks are left alone.

    Written by `services.pauses`. The key is the one of the thing's ConcurrencySlot, or `queue` for everything.
    """

    QUEUE = "queue"

    key = models.CharField(primary_key=True, max_length=80)
    automation = models.ForeignKey(Automation, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    login = models.CharField(
        max_length=40, blank=True, default="", help_text="Begin of the login's dedup hash; empty: the automation."
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False
    )
    paused_by = models.CharField(max_length=200, help_text="Name at that time.")
    paused_at = models.DateTimeField(db_default=StatementTimestamp())
    reason = models.TextField(blank=True, default="")

    class Meta:
        ordering = ("paused_at",)
        constraints = (
            models.CheckConstraint(
                condition=Q(key="queue", automation__isnull=True, login="")
                | (~Q(key="queue") & Q(automation__isnull=False)),
                name="queue_pause_names_what_it_stops",
            ),
        )

    def __str__(self) -> str:
        return self.key
