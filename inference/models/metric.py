"""What was counted, for `GET /metrics`. Written by `telemetry` only."""

from django.db import models

from inference.models.database_clock import StatementTimestamp


class MetricCounter(models.Model):
    """What one process has counted of one thing; with an empty `process`, the total of those that are gone."""

    process = models.CharField(max_length=32, blank=True, help_text="A random name; empty: totals.")
    name = models.CharField(max_length=60)
    labels = models.TextField(help_text="Values of the labels, as a JSON array.")
    part = models.CharField(max_length=32, blank=True, help_text="Of a histogram: sum, or a bucket's upper bound.")
    value = models.FloatField()
    sequence = models.BigIntegerField(default=0, help_text="Number of the flush that wrote last.")
    updated_at = models.DateTimeField(db_default=StatementTimestamp())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("process", "name", "labels", "part"), name="metric_counter_unique"),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.labels} {self.part}"


class MetricCursor(models.Model):
    """Up to where a table was counted."""

    name = models.CharField(primary_key=True, max_length=60)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.until}"
