"""What people did in the dashboard and with keys that manage."""

from django.conf import settings
from django.db import models

from inference.models.database_clock import StatementTimestamp


class AuditEvent(models.Model):
    """One act of a person or key, or a run of the housekeeping. Append-only: a trigger refuses changes, and deletion
    save by the housekeeping of what is older than 30 days."""

    at = models.DateTimeField(db_default=StatementTimestamp())
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False
    )
    actor = models.CharField(max_length=200, help_text="Name at that time, or the key's public id.")
    act = models.CharField(max_length=60, help_text="key.create, key.revoke, automation.publish, task.cancel, ...")
    target = models.CharField(max_length=300)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.actor}: {self.act} {self.target}"
