"""Each list of `GET /api/v1/tasks` in the order of an index, whatever is asked for.

What they cost, in processor time of the database beside a million tasks, where the whole row with its 22 indexes and
its triggers takes some 65 us: `task_newest_by_dedup_key` 8 us for each submission (its keys are random; 118 MB),
`task_by_automation_and_status` less than could be measured (57 MB). The index of the foreign key, which goes, took 5 us.
The other two get a task when it ends (47 and 56 MB), and nothing from a submission.

The indexes are built at once: the table is small before the first release.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

HAS_ENDED = Q(completed_at__isnull=False)


class Migration(migrations.Migration):
    dependencies = [("inference", "0015_killed_by_force")]

    operations = [
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                fields=["automation", "status", "-created_at", "-id"], name="task_by_automation_and_status"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["dedup_hash", "-created_at", "-id"], name="task_newest_by_dedup_key"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                fields=["status", "completed_at", "id"], condition=HAS_ENDED, name="task_ends_by_status"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                fields=["automation", "status", "completed_at", "id"],
                condition=HAS_ENDED,
                name="task_ends_by_automation",
            ),
        ),
        # Its index: task_newest_by_automation begins with the same.
        migrations.AlterField(
            model_name="task",
            name="automation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="tasks",
                to="inference.automation",
            ),
        ),
    ]
