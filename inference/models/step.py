"""What a worker did, node by node, and the files that came of it."""

from django.db import models
from django.db.models import Q

from inference.models.database_clock import StatementTimestamp
from inference.models.identifiers import uuid7
from inference.models.statuses import StepStatus
from inference.models.task import Task


class Artifact(models.Model):
    """A file of a task. The bytes are in Django's storage under a name of ours, never one taken from input."""

    class Kind(models.TextChoices):
        PICTURE = "picture", "Picture of a step"
        SCREENSHOT = "screenshot", "Screenshot"
        DOWNLOAD = "download", "Download"
        TRACE = "trace", "Trace"
        LOG = "log", "Log"
        HAR = "har", "Network log"
        VIDEO = "video", "Video"

    class Removal(models.TextChoices):
        AGE = "age", "It was removed: files of its kind are kept for a limited time."
        SIZE = "size", "It was removed to make room: the oldest files of its kind go first."
        MISSING = "missing", "It is missing in the storage, and this server did not remove it."

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="artifacts")
    attempt = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    filename = models.CharField(max_length=255, help_text="What people and clients see; already made safe.")
    content_type = models.CharField(max_length=255, default="application/octet-stream")
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    storage_name = models.CharField(max_length=300, unique=True, editable=False)
    metadata = models.JSONField(null=True, blank=True, help_text="download_metadata, resolved.")
    created_at = models.DateTimeField(db_default=StatementTimestamp(), editable=False)
    # Written by the housekeeping alone: the row tells why its bytes are gone.
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    removal = models.CharField(
        max_length=16, choices=Removal.choices, blank=True, default="", db_default="", editable=False
    )

    class Meta:
        ordering = ("created_at", "id")
        constraints = (
            models.CheckConstraint(condition=Q(size_bytes__gte=0), name="artifact_size_not_negative"),
            models.CheckConstraint(
                condition=Q(removed_at__isnull=True, removal="") | (Q(removed_at__isnull=False) & ~Q(removal="")),
                name="artifact_removed_for_a_reason",
            ),
        )
        indexes = (
            # The housekeeping: the oldest files that are there, and what all of a kind weigh.
            models.Index(
                fields=("created_at", "id"),
                include=("kind", "size_bytes"),
                condition=Q(removed_at=None),
                name="artifact_there_by_age",
            ),
        )

    def __str__(self) -> str:
        return f"{self.filename} ({self.kind})"

    @property
    def is_there(self) -> bool:
        """Whether the storage should have its bytes."""
        return self.removed_at is None


class Step(models.Model):
    """One executed node of one attempt. Written when it starts and again when it ends, so it can be watched."""

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="steps")
    attempt = models.PositiveIntegerField()
    position = models.PositiveIntegerField(help_text="Order of start within the attempt, loops and ifs included.")
    index = models.PositiveIntegerField(null=True, blank=True, help_text="Step number; null for loops and ifs.")
    path = models.CharField(max_length=400, help_text="Path in the document, e.g. nodes[2].if_nodes[0].")
    depth = models.PositiveSmallIntegerField(default=0, help_text="How deep in loops and branches.")
    kind = models.CharField(max_length=60)
    label = models.TextField()
    status = models.CharField(max_length=16, choices=StepStatus.choices, default=StepStatus.RUNNING)
    started_at = models.DateTimeField(db_default=StatementTimestamp())
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    url = models.TextField(blank=True, default="")
    locator = models.TextField(blank=True, default="")
    healed = models.BooleanField(default=False)
    is_commit_point = models.BooleanField(default=False)
    error = models.TextField(null=True, blank=True)
    details = models.JSONField(default=dict, help_text="Candidates, element box, notes: what the page shows.")
    picture = models.ForeignKey(Artifact, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("attempt", "position")
        constraints = (
            models.UniqueConstraint(fields=("task", "attempt", "position"), name="step_position_unique_in_attempt"),
            models.CheckConstraint(condition=Q(status__in=StepStatus.values), name="step_status_is_known"),
        )

    def __str__(self) -> str:
        return f"{self.path} {self.label}"
