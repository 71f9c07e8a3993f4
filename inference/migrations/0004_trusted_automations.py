"""Automations whose scripts an administrator has read and trusts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inference", "0003_dashboard_indexes")]

    operations = [
        migrations.AddField(
            model_name="automation",
            name="is_trusted",
            field=models.BooleanField(
                # In the database as well: rows are also inserted by statements that do not name it.
                default=False,
                db_default=False,
                help_text="Its Python scripts may run, where the server allows scripts. Given by an administrator only.",
            ),
        ),
        migrations.AddField(
            model_name="automation",
            name="trusted_scripts",
            field=models.JSONField(
                blank=True,
                db_default=[],
                default=list,
                editable=False,
                help_text="SHA-256 (hex) of each script that was in the document when it was trusted; no other one runs.",
            ),
        ),
    ]
