"""Automations by name, and their versions."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from inference.models.database_clock import StatementTimestamp
from inference.models.verbatim_json import VerbatimJSONField


class Automation(models.Model):
    """What a client names in `endpoint_name`. Its document lives in versions; the newest one is used.

    Deactivating keeps the row: its tasks stay readable, and the name becomes free for another.
    """

    endpoint_name = models.CharField(max_length=255)
    description = models.TextField(blank=True, default="")
    is_active = models.BooleanField(default=True, help_text="Inactive ones answer 404 to new submissions.")
    max_parallelism = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Tasks of it that may run at the same time; wins over the request's own.",
    )
    per_login_parallelism = models.PositiveIntegerField(
        null=True, blank=True, help_text="Tasks of one login at the same time; wins over the request's own."
    )
    queue_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Tasks of it that may wait; more are refused with 429. Empty: QUEUE_LIMIT_PER_AUTOMATION.",
    )
    # Written by inference/services/trust.py alone: an administrator decides, and a publication may take it back.
    is_trusted = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Its Python scripts may run, where the server allows scripts. Given by an administrator only.",
    )
    trusted_scripts = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        editable=False,
        help_text="SHA-256 (hex) of each script that was in the document when it was trusted; no other one runs.",
    )
    created_at = models.DateTimeField(db_default=StatementTimestamp(), editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("endpoint_name",),
                condition=Q(is_active=True),
                name="automation_name_unique_among_active",
            ),
            models.CheckConstraint(condition=~Q(endpoint_name=""), name="automation_has_a_name"),
            models.CheckConstraint(
                condition=Q(max_parallelism__isnull=True) | Q(max_parallelism__gte=1),
                name="automation_max_parallelism_at_least_one",
            ),
            models.CheckConstraint(
                condition=Q(per_login_parallelism__isnull=True) | Q(per_login_parallelism__gte=1),
                name="automation_per_login_parallelism_at_least_one",
            ),
            models.CheckConstraint(
                condition=Q(queue_limit__isnull=True) | Q(queue_limit__gte=1),
                name="automation_queue_limit_at_least_one",
            ),
        )

    def __str__(self) -> str:
        return self.endpoint_name


class AutomationVersion(models.Model):
    """One document of an automation, verbatim. Never changed (a trigger refuses it): tasks point here."""

    automation = models.ForeignKey(Automation, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    document = VerbatimJSONField(help_text="The automation JSON as it was given.")
    # Names and steps are read at every submission and in every list; they never change with the document.
    input_names = models.JSONField(default=list, help_text="Declared input parameters, in the document's order.")
    secure_names = models.JSONField(default=list, help_text="Declared secure parameters.")
    step_count = models.PositiveIntegerField(default=0)
    max_retries = models.PositiveIntegerField(default=0)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    note = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=StatementTimestamp(), editable=False)

    class Meta:
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(fields=("automation", "number"), name="automation_version_number_unique"),
            models.CheckConstraint(condition=Q(number__gte=1), name="automation_version_number_at_least_one"),
        )

    def __str__(self) -> str:
        return f"{self.automation} v{self.number}"
