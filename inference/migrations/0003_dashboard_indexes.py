"""Two indexes that only the dashboard reads. Small tables are built at once; a later index on a large one would be
made CONCURRENTLY."""

from django.db import migrations

# Search by the end of an id, which is what people see of it (inference/admin/tasks/filters.py). The whole id is
# time-ordered, so its index helps only from the front.
ID_TAIL = "CREATE INDEX task_by_id_tail ON inference_task (right(id::text, 8))"
# "Needs you": failures whose outcome a person still has to decide; nearly always an empty index.
NEEDS_REVIEW = """
CREATE INDEX task_needs_review ON inference_task (created_at DESC, id DESC)
WHERE outcome_unknown AND review IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("inference", "0002_queue_functions_and_guards")]

    operations = [
        migrations.RunSQL(ID_TAIL, reverse_sql="DROP INDEX task_by_id_tail"),
        migrations.RunSQL(NEEDS_REVIEW, reverse_sql="DROP INDEX task_needs_review"),
    ]
