"""Processes that take tasks."""

from django.db import models

from inference.models.database_clock import StatementTimestamp


class WorkerHost(models.Model):
    """One worker process of a browser cluster, as it last reported itself. Removed when it ends."""

    owner = models.CharField(primary_key=True, max_length=200, help_text="The lease owner it claims with.")
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    browser = models.CharField(max_length=200, blank=True, default="", help_text="Product and version.")
    state = models.CharField(max_length=16, default="idle", help_text="starting, idle, busy, unhealthy.")
    detail = models.TextField(blank=True, default="", help_text="What is wrong, when it is unhealthy.")
    memory_bytes = models.BigIntegerField(
        null=True, blank=True, help_text="Of the worker and its browser; shared pages by their share."
    )
    task_id = models.UUIDField(null=True, blank=True)
    started_at = models.DateTimeField(db_default=StatementTimestamp())
    seen_at = models.DateTimeField(db_default=StatementTimestamp())

    class Meta:
        indexes = (models.Index(fields=("seen_at",), name="worker_host_seen"),)

    def __str__(self) -> str:
        return f"{self.host} {self.pid}"
