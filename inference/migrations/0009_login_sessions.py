"""Stored browser sessions of logins, encrypted."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

import inference.models.database_clock


class Migration(migrations.Migration):
    dependencies = [("inference", "0008_fair_claim")]

    operations = [
        migrations.CreateModel(
            name="LoginSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("login", models.CharField(help_text="The dedup hash of the login's tasks.", max_length=64)),
                ("state_id", models.UUIDField(blank=True, editable=False, null=True)),
                (
                    "sealed",
                    models.BinaryField(blank=True, help_text="The state, compressed and encrypted.", null=True),
                ),
                ("size_bytes", models.PositiveIntegerField(default=0, help_text="Of the state, before both.")),
                (
                    "host",
                    models.CharField(
                        blank=True, default="", help_text="Where the task ran that it is of.", max_length=255
                    ),
                ),
                (
                    "task_id",
                    models.UUIDField(blank=True, editable=False, help_text="The task that it is of.", null=True),
                ),
                (
                    "saved_at",
                    models.DateTimeField(db_default=inference.models.database_clock.StatementTimestamp()),
                ),
                ("expires_at", models.DateTimeField(help_text="Not used from then on.")),
                ("forgotten_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "automation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="inference.automation"
                    ),
                ),
            ],
            options={
                "constraints": (
                    models.UniqueConstraint(fields=("automation", "login"), name="login_session_one_per_login"),
                    models.CheckConstraint(
                        condition=Q(forgotten_at__isnull=True, sealed__isnull=False, state_id__isnull=False)
                        | Q(forgotten_at__isnull=False, sealed__isnull=True, state_id__isnull=True),
                        name="login_session_has_a_state_or_is_a_mark",
                    ),
                ),
                "indexes": (models.Index(fields=("expires_at",), name="login_session_expiry"),),
            },
        ),
    ]
