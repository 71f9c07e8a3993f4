"""Every table of the server, one module per aggregate."""

from inference.models.api_key import ApiKey, Scope
from inference.models.audit_event import AuditEvent
from inference.models.automation import Automation, AutomationVersion
from inference.models.login_session import LoginSession
from inference.models.metric import MetricCounter, MetricCursor
from inference.models.person_request import PersonRequest
from inference.models.queue import ANONYMOUS, DASHBOARD, QueueLine, QueuePause, QueueShare, sharer_of_key
from inference.models.statuses import ACTIVE, ENDED, LEASED, StepStatus, TaskStatus
from inference.models.step import Artifact, Step
from inference.models.task import Attempt, CommitPoint, ConcurrencySlot, IdempotencyKey, Task, TaskEvent
from inference.models.uploaded_file import UploadedFile
from inference.models.worker_host import WorkerHost

__all__ = [
    "ACTIVE",
    "ANONYMOUS",
    "DASHBOARD",
    "ENDED",
    "LEASED",
    "ApiKey",
    "Artifact",
    "Attempt",
    "AuditEvent",
    "Automation",
    "AutomationVersion",
    "CommitPoint",
    "ConcurrencySlot",
    "IdempotencyKey",
    "LoginSession",
    "MetricCounter",
    "MetricCursor",
    "PersonRequest",
    "QueueLine",
    "QueuePause",
    "QueueShare",
    "Scope",
    "Step",
    "StepStatus",
    "Task",
    "TaskEvent",
    "TaskStatus",
    "UploadedFile",
    "WorkerHost",
    "sharer_of_key",
]
