"""Tasks, their attempts, and what happened to them."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from inference.models.api_key import ApiKey
from inference.models.automation import Automation, AutomationVersion
from inference.models.database_clock import StatementTimestamp
from inference.models.identifiers import uuid7
from inference.models.statuses import ACTIVE, ENDED, LEASED, TaskStatus

ONE_ACTIVE_TASK = "task_one_active_per_dedup_key"


class Task(models.Model):
    """One requested run of an automation. The row is also its place in the queue, and its result.

    After `allocated`, only the worker that holds the lease writes here (every write names `lease_token`);
    everyone else asks by setting `cancel_requested_at`. Once ended, a trigger freezes what happened.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without an index of its own: others begin with it.
    automation = models.ForeignKey(Automation, on_delete=models.PROTECT, related_name="tasks", db_index=False)
    version = models.ForeignKey(AutomationVersion, on_delete=models.PROTECT, related_name="tasks")
    endpoint_name = models.CharField(max_length=255, help_text="The name it was submitted under.")
    api_key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.PROTECT, related_name="tasks")
    previous_task = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retried_as"
    )

    # The request
    input_parameters = models.JSONField(default=dict)
    secure_parameters = models.JSONField(default=dict, help_text="References to secrets, never values.")
    unique_parameter_names = models.JSONField(default=list)
    dedup_key = models.TextField(help_text="Canonical JSON of the unique parameters, or a random UUID.")
    # What the constraint looks at: PostgreSQL indexes no value over 2,704 bytes, and a key may be longer.
    dedup_hash = models.CharField(max_length=64, editable=False, help_text="SHA-256 of dedup_key, hex.")
    priority = models.IntegerField(null=True, blank=True, help_text="Lower runs first; none: last.")
    max_timeout_in_minutes = models.PositiveIntegerField(default=10, help_text="Wall clock of one attempt.")
    is_dedicated = models.BooleanField(default=False, help_text="Tasks of one login queue up and share a session.")
    max_parallelism = models.PositiveIntegerField(null=True, blank=True)
    per_login_parallelism = models.PositiveIntegerField(null=True, blank=True)
    use_proxy = models.BooleanField(default=False)
    max_retries = models.PositiveIntegerField(default=0, help_text="Attempts after the first.")
    traceparent = models.CharField(
        max_length=55, null=True, blank=True, editable=False, help_text="Of the submission (W3C Trace Context)."
    )

    # Its place in the queue; a trigger writes what it is not given (migration 0007)
    sharer = models.CharField(
        max_length=40,
        default="",
        editable=False,
        help_text="With whom it shares the workers: key:<id>, anonymous, dashboard.",
    )
    line_id = models.BigIntegerField(null=True, blank=True, editable=False, help_text="Of the QueueLine it waits in.")
    is_delayed = models.BooleanField(
        default=False, editable=False, help_text="In no line before available_at; the claim then lines it up."
    )

    # Where it stands
    status = models.CharField(max_length=16, choices=TaskStatus.choices, default=TaskStatus.QUEUED)
    error = models.TextField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=StatementTimestamp(), editable=False)
    available_at = models.DateTimeField(
        db_default=StatementTimestamp(),
        editable=False,
        help_text="Not claimed before this instant (retry pauses).",
    )
    allocated_at = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    retry_count = models.PositiveIntegerField(
        default=0, help_text="Attempts that counted and were followed by another."
    )
    outcome_unknown = models.BooleanField(
        default=False, help_text="A commit point was begun and not seen to finish; a person decides."
    )

    # The lease of the worker that has it
    lease_owner = models.CharField(max_length=200, null=True, blank=True, editable=False)
    lease_token = models.BigIntegerField(default=0, editable=False, help_text="Grows with every claim (fencing).")
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    held_slots = ArrayField(models.CharField(max_length=80), default=list, editable=False)
    cancel_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    cancel_cause = models.JSONField(null=True, blank=True, editable=False)

    # The result
    output_data = models.JSONField(default=list)
    for_loop_status = models.JSONField(default=list)
    final_screenshot = models.ForeignKey("Artifact", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    token_usage = models.JSONField(null=True, blank=True)
    notes = models.TextField(blank=True, default="")
    review = models.JSONField(null=True, blank=True, help_text="What a person decided about an unknown outcome.")

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(status__in=TaskStatus.values), name="task_status_is_known"),
            # The only judge of duplicates: any number of web processes may race for it.
            models.UniqueConstraint(
                fields=("automation", "dedup_hash"),
                condition=Q(status__in=ACTIVE, is_dedicated=False),
                name=ONE_ACTIVE_TASK,
            ),
            models.CheckConstraint(
                condition=Q(status__in=ENDED, completed_at__isnull=False)
                | Q(status__in=ACTIVE, completed_at__isnull=True),
                name="task_completed_at_exactly_in_end_states",
            ),
            models.CheckConstraint(
                condition=(Q(allocated_at__isnull=True) | Q(allocated_at__gte=F("created_at")))
                & (Q(started_at__isnull=True) | Q(started_at__gte=F("allocated_at")))
                & (Q(started_at__isnull=True) | Q(allocated_at__isnull=False))
                & (Q(completed_at__isnull=True) | Q(completed_at__gte=F("created_at")))
                & (Q(completed_at__isnull=True) | Q(allocated_at__isnull=True) | Q(completed_at__gte=F("allocated_at")))
                & (Q(completed_at__isnull=True) | Q(started_at__isnull=True) | Q(completed_at__gte=F("started_at"))),
                name="task_instants_never_go_backwards",
            ),
            models.CheckConstraint(
                condition=Q(status__in=LEASED, lease_owner__isnull=False, lease_expires_at__isnull=False)
                | (~Q(status__in=LEASED) & Q(lease_owner__isnull=True, lease_expires_at__isnull=True)),
                name="task_leased_exactly_while_a_worker_has_it",
            ),
            models.CheckConstraint(
                condition=Q(status=TaskStatus.QUEUED, allocated_at__isnull=True, started_at__isnull=True)
                | Q(status=TaskStatus.ALLOCATED, allocated_at__isnull=False, started_at__isnull=True)
                | Q(status=TaskStatus.RUNNING, allocated_at__isnull=False, started_at__isnull=False)
                | Q(status__in=ENDED),
                name="task_instants_fit_its_status",
            ),
            models.CheckConstraint(
                condition=Q(max_timeout_in_minutes__gte=1, max_timeout_in_minutes__lte=240),
                name="task_time_limit_within_bounds",
            ),
            models.CheckConstraint(
                condition=~Q(use_proxy=True, is_dedicated=True), name="task_proxy_excludes_dedicated"
            ),
        )
        indexes = (
            # The claim: the first task of a line, read in exactly this order.
            models.Index(
                "line_id",
                "priority",
                "created_at",
                "id",
                condition=Q(status=TaskStatus.QUEUED, is_delayed=False),
                name="task_order_in_line",
            ),
            # The claim: those whose pause is over.
            models.Index(
                fields=("available_at",),
                condition=Q(status=TaskStatus.QUEUED, is_delayed=True),
                name="task_delayed_until",
            ),
            # How many are before a task, and how many a key or an automation has waiting (queue limits).
            models.Index(
                "sharer",
                "priority",
                "created_at",
                "id",
                condition=Q(status=TaskStatus.QUEUED),
                name="task_order_of_sharer",
            ),
            models.Index(
                fields=("automation", "priority"),
                condition=Q(status=TaskStatus.QUEUED),
                name="task_queued_of_automation",
            ),
            # The claim: what runs of an automation that has a limit.
            models.Index(
                fields=("automation", "allocated_at"), condition=Q(status__in=LEASED), name="task_leased_of_automation"
            ),
            # The rescuer: leases that have run out.
            models.Index(fields=("lease_expires_at",), condition=Q(status__in=LEASED), name="task_lease_expiry"),
            # Lists: newest first, of all, of a status, of an automation, of both, of a dedup key.
            models.Index(fields=("-created_at", "-id"), name="task_newest_first"),
            models.Index(fields=("status", "-created_at", "-id"), name="task_newest_first_by_status"),
            models.Index(fields=("automation", "-created_at", "-id"), name="task_newest_by_automation"),
            models.Index(fields=("automation", "status", "-created_at", "-id"), name="task_by_automation_and_status"),
            models.Index(fields=("dedup_hash", "-created_at", "-id"), name="task_newest_by_dedup_key"),
            # Lists: what has ended, in that order; with a status or an automation. A task gets into them when it ends.
            models.Index(
                fields=("completed_at", "id"), condition=Q(completed_at__isnull=False), name="task_in_order_of_end"
            ),
            models.Index(
                fields=("status", "completed_at", "id"),
                condition=Q(completed_at__isnull=False),
                name="task_ends_by_status",
            ),
            models.Index(
                fields=("automation", "status", "completed_at", "id"),
                condition=Q(completed_at__isnull=False),
                name="task_ends_by_automation",
            ),
        )

    def __str__(self) -> str:
        return f"{self.endpoint_name} …{str(self.id)[-8:]}"

    @property
    def needs_review(self) -> bool:
        """Whether an act was begun and not seen to finish, and nobody has decided yet what became of it."""
        return self.outcome_unknown and self.review is None

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


class Attempt(models.Model):
    """One try at a task, from the claim to its end. Kept when the task is queued again."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    token = models.BigIntegerField(help_text="The fencing token of its claim.")
    host = models.CharField(max_length=255)
    worker = models.CharField(max_length=200, help_text="Lease owner: host, process and its start.")
    allocated_at = models.DateTimeField(db_default=StatementTimestamp())
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    cause = models.CharField(max_length=40, blank=True, default="", help_text="Why it ended.")
    error = models.TextField(null=True, blank=True)

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=("task", "number"), name="attempt_number_unique_in_its_task"),)

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.task_id}"


class TaskEvent(models.Model):
    """A transition, step or other happening of a task, with its cause. Append-only (by trigger)."""

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(db_default=StatementTimestamp())
    kind = models.CharField(max_length=40, help_text="status, step, dialog, download, console, ...")
    status = models.CharField(max_length=16, null=True, blank=True, help_text="The new status, for kind=status.")
    cause = models.JSONField(default=dict, help_text='Who or what, e.g. {"kind": "key", "id": "Ab3dE9fG"}.')
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ("id",)
        indexes = (models.Index(fields=("task", "id"), name="task_event_of_task"),)

    def __str__(self) -> str:
        return f"{self.kind} of {self.task_id}"


class CommitPoint(models.Model):
    """Journal of an act that cannot be taken back: written and committed before the act runs."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="commit_points")
    attempt = models.PositiveIntegerField()
    path = models.CharField(max_length=400, help_text="Path of the node in the document.")
    label = models.TextField(blank=True, default="")
    begun_at = models.DateTimeField(db_default=StatementTimestamp())
    finished_at = models.DateTimeField(null=True, blank=True, help_text="Null: not seen to finish.")

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"commit point {self.path} of {self.task_id}"


class IdempotencyKey(models.Model):
    """A client's own key, and the task that its first submission made or met. Outlives the task."""

    owner = models.CharField(
        max_length=64, null=True, blank=True, help_text="Owner of the API key; null: anonymous submissions."
    )
    key = models.CharField(max_length=256)
    body_sha256 = models.CharField(max_length=64)
    task_id = models.UUIDField(default=uuid.uuid4)
    created_at = models.DateTimeField(db_default=StatementTimestamp())

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("owner", "key"), name="idempotency_key_unique_per_owner", nulls_distinct=False
            ),
        )
        indexes = (models.Index(fields=("created_at",), name="idempotency_key_age"),)

    def __str__(self) -> str:
        return f"{self.owner or 'anonymous'}: {self.task_id}"


class ConcurrencySlot(models.Model):
    """How many tasks of one automation or one login run now. Locked in the claim's transaction.

    Counting the running tasks inside a claim that skips locked rows overshoots; a locked row does not.
    """

    key = models.CharField(primary_key=True, max_length=80, help_text="automation:<id> or login:<hash>.")
    running = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.key}: {self.running}"
