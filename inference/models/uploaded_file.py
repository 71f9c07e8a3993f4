"""Files that clients send ahead of the task that is to use them."""

import uuid

from django.db import models
from django.db.models import Q

from inference.models.api_key import ApiKey
from inference.models.database_clock import StatementTimestamp
from inference.models.task import Task


class UploadedFile(models.Model):
    """A file for one task, and for later tries of it. Written by `services.uploads` and removed by the housekeeping.

    The bytes are in Django's storage under a name of ours. Without a task it goes when it expires; with one, it goes
    with the task.
    """

    # Random, unlike other ids: who knows it still needs the key that it was sent with.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    api_key = models.ForeignKey(
        ApiKey, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="Null: anonymous callers."
    )
    task = models.ForeignKey(
        Task,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="uploaded_files",
        help_text="The task that took it; of several tries by hand the newest.",
    )
    filename = models.CharField(max_length=255, help_text="As the client named it; shown to pages, never a path here.")
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    storage_name = models.CharField(max_length=300, unique=True, editable=False)
    created_at = models.DateTimeField(db_default=StatementTimestamp(), editable=False)
    expires_at = models.DateTimeField(help_text="Of no effect once a task has it.")

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(size_bytes__gt=0), name="uploaded_file_is_not_empty"),)
        indexes = (
            # The housekeeping: what has expired.
            models.Index(fields=("expires_at", "id"), condition=Q(task=None), name="uploaded_file_without_task"),
        )

    def __str__(self) -> str:
        return f"uploaded file {self.id}"
