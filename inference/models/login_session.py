"""What a browser knew of a login when a task of it had ended well, for the next task of that login."""

from django.db import models
from django.db.models import Q

from inference.models.automation import Automation
from inference.models.database_clock import StatementTimestamp


class LoginSession(models.Model):
    """The stored browser session of one login (automation and dedup hash), encrypted.

    Written by `services.login_sessions` alone: whole states that replace each other, never parts of them. A row
    without a state is a mark: somebody had the session forgotten, and an attempt that began before may not bring it
    back.
    """

    automation = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="+")
    login = models.CharField(max_length=64, help_text="The dedup hash of the login's tasks.")
    # Another one with each state, so that whoever began with a state can name it.
    state_id = models.UUIDField(null=True, blank=True, editable=False)
    sealed = models.BinaryField(null=True, blank=True, help_text="The state, compressed and encrypted.")
    size_bytes = models.PositiveIntegerField(default=0, help_text="Of the state, before both.")
    host = models.CharField(max_length=255, blank=True, default="", help_text="Where the task ran that it is of.")
    # No foreign key: the session outlives the task's deletion.
    task_id = models.UUIDField(null=True, blank=True, editable=False, help_text="The task that it is of.")
    saved_at = models.DateTimeField(db_default=StatementTimestamp())
    expires_at = models.DateTimeField(help_text="Not used from then on.")
    forgotten_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("automation", "login"), name="login_session_one_per_login"),
            models.CheckConstraint(
                condition=Q(forgotten_at__isnull=True, sealed__isnull=False, state_id__isnull=False)
                | Q(forgotten_at__isnull=False, sealed__isnull=True, state_id__isnull=True),
                name="login_session_has_a_state_or_is_a_mark",
            ),
        )
        # Deletion of those whose time is over.
        indexes = (models.Index(fields=("expires_at",), name="login_session_expiry"),)

    def __str__(self) -> str:
        return f"login {self.login[:8]} of automation {self.automation_id}"
