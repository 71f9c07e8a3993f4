"""Ends in an order that a reader may rely on: `GET /api/v1/tasks?ended_after=`.

The instant of an end is taken after its transaction has a number, so that `queries.settled_until` can tell from the
transactions that have one which ends may still be uncommitted. Taken from the statement's begin it could be of any
age by then: the statement may have waited for a lock.

The index is built at once: the table is small before the first release.
"""

from django.db import migrations, models
from django.db.models import Q

STAMP_END = """
CREATE FUNCTION inference_stamp_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_current_xact_id();
    NEW.completed_at := GREATEST(NEW.completed_at, clock_timestamp());
    RETURN NEW;
END $$;
CREATE TRIGGER inference_task_stamp_end BEFORE UPDATE ON inference_task
    FOR EACH ROW WHEN (OLD.completed_at IS NULL AND NEW.completed_at IS NOT NULL)
    EXECUTE FUNCTION inference_stamp_end();
"""


class Migration(migrations.Migration):
    dependencies = [("inference", "0010_housekeeping")]

    operations = [
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                fields=("completed_at", "id"), condition=Q(completed_at__isnull=False), name="task_in_order_of_end"
            ),
        ),
        migrations.RunSQL(STAMP_END, reverse_sql="DROP FUNCTION inference_stamp_end CASCADE"),
    ]
