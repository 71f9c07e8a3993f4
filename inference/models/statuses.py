"""Words for the states of a task and of a step, and which of them are ends."""

from django.db import models


class TaskStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    ALLOCATED = "allocated", "Allocated"
    RUNNING = "running", "Running"
    SUCCESS = "success", "Success"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    KILLED = "killed", "Killed"


ACTIVE = (TaskStatus.QUEUED, TaskStatus.ALLOCATED, TaskStatus.RUNNING)
# A worker has it under a lease.
LEASED = (TaskStatus.ALLOCATED, TaskStatus.RUNNING)
ENDED = (TaskStatus.SUCCESS, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.KILLED)


class StepStatus(models.TextChoices):
    RUNNING = "running", "Running"
    SUCCESS = "success", "Success"
    WARNING = "warning", "Warning"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"
