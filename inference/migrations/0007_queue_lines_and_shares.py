"""The columns and tables by which the queue is shared, bounded and paused; 0008 has what makes use of them.

The indexes replace the one of the first claim. Small tables are built at once; a later index on a large one would be
made CONCURRENTLY.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

import inference.models.database_clock


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0005_person_requests"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="QueueLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sharer", models.CharField(max_length=40)),
                ("max_parallelism", models.PositiveIntegerField(help_text="The request's own limit; 0: none.")),
                (
                    "login",
                    models.CharField(
                        help_text="The dedup hash of dedicated tasks; empty for the others.", max_length=64
                    ),
                ),
                (
                    "per_login_parallelism",
                    models.PositiveIntegerField(help_text="The request's own limit, for dedicated tasks."),
                ),
                ("best_rank", models.BigIntegerField(help_text="Priority; none is above all integers.")),
                ("best_created_at", models.DateTimeField()),
                (
                    "automation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="inference.automation",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("sharer", "automation", "max_parallelism", "login", "per_login_parallelism"),
                        name="queue_line_unique",
                    ),
                ],
                "indexes": [
                    models.Index(
                        fields=["sharer", "automation", "max_parallelism", "best_rank", "best_created_at"],
                        name="queue_line_order",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="QueueShare",
            fields=[
                ("sharer", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("started", models.FloatField(help_text="Virtual time at which its newest task started.")),
                ("finished", models.FloatField(help_text="Virtual time at which that task has used up its share.")),
            ],
            options={"indexes": [models.Index(fields=["started"], name="queue_share_present")]},
        ),
        migrations.CreateModel(
            name="QueuePause",
            fields=[
                ("key", models.CharField(max_length=80, primary_key=True, serialize=False)),
                (
                    "login",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Begin of the login's dedup hash; empty: the automation.",
                        max_length=40,
                    ),
                ),
                ("paused_by", models.CharField(help_text="Name at that time.", max_length=200)),
                ("paused_at", models.DateTimeField(db_default=inference.models.database_clock.StatementTimestamp())),
                ("reason", models.TextField(blank=True, default="")),
                (
                    "automation",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="inference.automation",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("paused_at",),
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("automation__isnull", True), ("key", "queue"), ("login", ""))
                        | Q(Q(("key", "queue"), _negated=True), ("automation__isnull", False)),
                        name="queue_pause_names_what_it_stops",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="apikey",
            name="weight",
            field=models.PositiveSmallIntegerField(
                db_default=1,
                default=1,
                help_text="Tasks that it gets started for each one of a key with weight 1, while both have some waiting.",
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="queue_limit",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Tasks that may wait; more are refused with 429. Empty: QUEUE_LIMIT_PER_KEY.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=Q(("weight__gte", 1), ("weight__lte", 100)), name="api_key_weight_within_bounds"
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=Q(("queue_limit__isnull", True), ("queue_limit__gte", 1), _connector="OR"),
                name="api_key_queue_limit_at_least_one",
            ),
        ),
        migrations.AddField(
            model_name="automation",
            name="queue_limit",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Tasks of it that may wait; more are refused with 429. Empty: QUEUE_LIMIT_PER_AUTOMATION.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="automation",
            constraint=models.CheckConstraint(
                condition=Q(("queue_limit__isnull", True), ("queue_limit__gte", 1), _connector="OR"),
                name="automation_queue_limit_at_least_one",
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="sharer",
            field=models.CharField(
                default="",
                editable=False,
                help_text="With whom it shares the workers: key:<id>, anonymous, dashboard.",
                max_length=40,
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="line_id",
            field=models.BigIntegerField(
                blank=True, editable=False, help_text="Of the QueueLine it waits in.", null=True
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="is_delayed",
            field=models.BooleanField(
                default=False,
                editable=False,
                help_text="In no line before available_at; the claim then lines it up.",
            ),
        ),
        migrations.RemoveIndex(model_name="task", name="task_claim_order"),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                models.F("line_id"),
                models.F("priority"),
                models.F("created_at"),
                models.F("id"),
                condition=Q(("is_delayed", False), ("status", "queued")),
                name="task_order_in_line",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=Q(("is_delayed", True), ("status", "queued")),
                fields=["available_at"],
                name="task_delayed_until",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                models.F("sharer"),
                models.F("priority"),
                models.F("created_at"),
                models.F("id"),
                condition=Q(("status", "queued")),
                name="task_order_of_sharer",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=Q(("status", "queued")),
                fields=["automation", "priority"],
                name="task_queued_of_automation",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=Q(("status__in", ("allocated", "running"))),
                fields=["automation", "allocated_at"],
                name="task_leased_of_automation",
            ),
        ),
    ]
