"""Keys with which programs call the API."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from inference.models.automation import Automation
from inference.models.database_clock import StatementTimestamp


class Scope(models.TextChoices):
    SUBMIT = "submit", "Submit tasks"
    READ = "read", "Read tasks and results"
    MANAGE = "manage", "Cancel, retry, change automations"
    WORKER = "worker", "Run tasks as an execution host"


class ApiKey(models.Model):
    """One key. Only its public id and the SHA-256 of the whole key are kept; it is shown once, when made.

    Written by `services.api_keys`; a key is revoked, never deleted, since tasks point at it.
    """

    public_id = models.CharField(max_length=8, unique=True, help_text="The part of the key that may be shown.")
    digest = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the whole key, hex.")
    name = models.CharField(max_length=200, help_text="Who or what uses it, e.g. claims-backoffice.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="api_keys"
    )
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices), default=list)
    automations = models.ManyToManyField(
        Automation,
        blank=True,
        related_name="api_keys",
        help_text="Which it may use and see; none chosen: all.",
    )
    # An operator's, not the client's: how the workers are shared, and how much may wait.
    weight = models.PositiveSmallIntegerField(
        default=1,
        db_default=1,
        help_text="Tasks that it gets started for each one of a key with weight 1, while both have some waiting.",
    )
    queue_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Tasks that may wait; more are refused with 429. Empty: QUEUE_LIMIT_PER_KEY.",
    )
    created_at = models.DateTimeField(db_default=StatementTimestamp(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        constraints = (
            models.CheckConstraint(condition=~Q(scopes=[]), name="api_key_has_a_scope"),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=list(Scope.values)), name="api_key_scopes_are_known"
            ),
            models.CheckConstraint(condition=Q(weight__gte=1, weight__lte=100), name="api_key_weight_within_bounds"),
            models.CheckConstraint(
                condition=Q(queue_limit__isnull=True) | Q(queue_limit__gte=1), name="api_key_queue_limit_at_least_one"
            ),
            # A host that runs tasks must not be able to make them.
            models.CheckConstraint(
                condition=~Q(scopes__contains=[Scope.WORKER, Scope.SUBMIT]),
                name="api_key_worker_excludes_submit",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} (opx_{self.public_id}…)"
