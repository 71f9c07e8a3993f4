"""What tasks ask people for, and what the database promises about it.

Channel (payload), beside those of 0002:
  task_answered (task id)  a question was closed: the worker that waits looks at its row
Each change of a question is also told on task_changed, so that pages and event streams look again.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

import inference.models.database_clock
import inference.models.identifiers

GUARD_REQUEST = """
CREATE FUNCTION inference_guard_person_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- The lock makes the end of the attempt wait, and so withdraw what is asked here.
        PERFORM 1 FROM inference_task WHERE id = NEW.task_id AND status = 'running' FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'task % does not run, so it asks nobody', NEW.task_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'person_request_only_of_a_running_task';
        END IF;
        RETURN NEW;
    END IF;
    -- The picture may still come, or be deleted; what was asked stays, and so does what became of it.
    IF (NEW.id, NEW.task_id, NEW.attempt, NEW.step_position, NEW.question, NEW.asked_at, NEW.deadline)
       IS DISTINCT FROM
       (OLD.id, OLD.task_id, OLD.attempt, OLD.step_position, OLD.question, OLD.asked_at, OLD.deadline)
       OR (OLD.closed_at IS NOT NULL
           AND (NEW.closed_at, NEW.outcome, NEW.closed_by, NEW.note)
               IS DISTINCT FROM (OLD.closed_at, OLD.outcome, OLD.closed_by, OLD.note))
    THEN
        RAISE EXCEPTION 'question % is history', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'person_request_frozen_once_closed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER inference_person_request_guard BEFORE INSERT OR UPDATE ON inference_personrequest
    FOR EACH ROW EXECUTE FUNCTION inference_guard_person_request();
"""

ANNOUNCE_REQUEST = """
CREATE FUNCTION inference_announce_person_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('task_changed', NEW.task_id::text);
    IF TG_OP = 'UPDATE' AND OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL THEN
        PERFORM pg_notify('task_answered', NEW.task_id::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER inference_person_request_announce AFTER INSERT OR UPDATE ON inference_personrequest
    FOR EACH ROW EXECUTE FUNCTION inference_announce_person_request();
"""

# In the transaction that ends the attempt, whoever ends it: no task that does not run shows an open question.
WITHDRAW_REQUEST = """
CREATE FUNCTION inference_withdraw_person_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE inference_personrequest
    SET outcome = 'withdrawn', closed_at = GREATEST(statement_timestamp(), asked_at),
        closed_by = jsonb_build_object('kind', 'attempt_end')
    WHERE task_id = NEW.id AND closed_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER inference_task_withdraw_person_request AFTER UPDATE ON inference_task
    FOR EACH ROW WHEN (OLD.status = 'running' AND NEW.status <> 'running')
    EXECUTE FUNCTION inference_withdraw_person_request();
"""


class Migration(migrations.Migration):
    dependencies = [("inference", "0004_trusted_automations")]

    operations = [
        migrations.CreateModel(
            name="PersonRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=inference.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                ("step_position", models.PositiveIntegerField(help_text="Of the step that asks, within the attempt.")),
                ("question", models.TextField()),
                (
                    "asked_at",
                    models.DateTimeField(
                        db_default=inference.models.database_clock.StatementTimestamp(), editable=False
                    ),
                ),
                ("deadline", models.DateTimeField(editable=False, help_text="Then nobody has answered.")),
                ("closed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("continue", "Continue"),
                            ("give_up", "Give up"),
                            ("timed_out", "Nobody answered"),
                            ("withdrawn", "No longer asked"),
                        ],
                        default="",
                        max_length=16,
                    ),
                ),
                (
                    "closed_by",
                    models.JSONField(
                        blank=True, help_text='Who or what, e.g. {"kind": "user", "id": "maya"}.', null=True
                    ),
                ),
                ("note", models.TextField(blank=True, default="")),
                (
                    "picture",
                    models.ForeignKey(
                        blank=True,
                        help_text="The page when it asked.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="inference.artifact",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="person_requests",
                        to="inference.task",
                    ),
                ),
            ],
            options={
                "ordering": ("asked_at",),
                "indexes": [models.Index(fields=["task", "-asked_at"], name="person_request_newest_of_task")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(("closed_at", None)), fields=("task",), name="person_request_one_open_per_task"
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            Q(("closed_at", None), ("closed_by__isnull", True), ("outcome", "")),
                            Q(
                                ("closed_at__gte", F("asked_at")),
                                ("closed_by__isnull", False),
                                ("outcome__in", ["continue", "give_up", "timed_out", "withdrawn"]),
                            ),
                            _connector="OR",
                        ),
                        name="person_request_closed_with_an_outcome",
                    ),
                    models.CheckConstraint(
                        condition=Q(("deadline__gt", F("asked_at"))), name="person_request_deadline_after_asking"
                    ),
                ],
            },
        ),
        migrations.RunSQL(GUARD_REQUEST, reverse_sql="DROP FUNCTION inference_guard_person_request CASCADE"),
        migrations.RunSQL(ANNOUNCE_REQUEST, reverse_sql="DROP FUNCTION inference_announce_person_request CASCADE"),
        migrations.RunSQL(WITHDRAW_REQUEST, reverse_sql="DROP FUNCTION inference_withdraw_person_request CASCADE"),
    ]
