"""A task begins its life as queued, whoever inserts it, and never ends before it was taken.

History that is loaded as it was (a backup of single tables, a seed) says so in its transaction:
SET LOCAL inference.load_history = 'on'.

The constraint is checked at once: the table is small before the first release.
"""

from django.db import migrations, models
from django.db.models import F, Q

NAME = "task_instants_never_go_backwards"
ONLY_QUEUED = """
CREATE FUNCTION inference_guard_first_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('inference.load_history', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'task % cannot begin as %', NEW.id, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'task_begins_as_queued';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER inference_task_first_status BEFORE INSERT ON inference_task
    FOR EACH ROW WHEN (NEW.status <> 'queued') EXECUTE FUNCTION inference_guard_first_status();
"""
INSTANTS = (
    (Q(allocated_at__isnull=True) | Q(allocated_at__gte=F("created_at")))
    & (Q(started_at__isnull=True) | Q(started_at__gte=F("allocated_at")))
    & (Q(started_at__isnull=True) | Q(allocated_at__isnull=False))
    & (Q(completed_at__isnull=True) | Q(completed_at__gte=F("created_at")))
    & (Q(completed_at__isnull=True) | Q(allocated_at__isnull=True) | Q(completed_at__gte=F("allocated_at")))
    & (Q(completed_at__isnull=True) | Q(started_at__isnull=True) | Q(completed_at__gte=F("started_at")))
)


class Migration(migrations.Migration):
    dependencies = [("inference", "0013_uploaded_files")]

    operations = [
        migrations.RemoveConstraint(model_name="task", name=NAME),
        migrations.AddConstraint(
            model_name="task", constraint=models.CheckConstraint(condition=INSTANTS, name=NAME)
        ),
        migrations.RunSQL(ONLY_QUEUED, reverse_sql="DROP FUNCTION inference_guard_first_status CASCADE"),
    ]
