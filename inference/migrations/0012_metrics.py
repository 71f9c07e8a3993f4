"""Monitoring: what processes count, how much memory workers take, and the trace that a task belongs to.

The new columns are nullable and without a default, so the tables are not rewritten.
"""

from django.db import migrations, models

import inference.models.database_clock


class Migration(migrations.Migration):
    dependencies = [("inference", "0011_order_of_ends")]

    operations = [
        migrations.CreateModel(
            name="MetricCounter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "process",
                    models.CharField(blank=True, help_text="A random name; empty: totals.", max_length=32),
                ),
                ("name", models.CharField(max_length=60)),
                ("labels", models.TextField(help_text="Values of the labels, as a JSON array.")),
                (
                    "part",
                    models.CharField(
                        blank=True, help_text="Of a histogram: sum, or a bucket's upper bound.", max_length=32
                    ),
                ),
                ("value", models.FloatField()),
                (
                    "sequence",
                    models.BigIntegerField(default=0, help_text="Number of the flush that wrote last."),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=inference.models.database_clock.StatementTimestamp()),
                ),
            ],
            options={
                "constraints": (
                    models.UniqueConstraint(
                        fields=("process", "name", "labels", "part"), name="metric_counter_unique"
                    ),
                ),
            },
        ),
        migrations.CreateModel(
            name="MetricCursor",
            fields=[
                ("name", models.CharField(max_length=60, primary_key=True, serialize=False)),
                ("until", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="workerhost",
            name="memory_bytes",
            field=models.BigIntegerField(
                blank=True,
                help_text="Of the worker and its browser; shared pages by their share.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="traceparent",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="Of the submission (W3C Trace Context).",
                max_length=55,
                null=True,
            ),
        ),
    ]
