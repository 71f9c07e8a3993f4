"""What the housekeeping writes and reads: why a file is gone, which files are there, and that old acts may go.

The index is built at once: the table is small before the first release.
"""

from django.db import migrations, models
from django.db.models import Q

# Still append-only for everybody: an act goes only when it is old, and only in a transaction that says what it is
# about. 30 days is what `inference.housekeeping.limits` calls AUDIT_MIN_DAYS.
AUDIT_APPEND_ONLY = """
CREATE FUNCTION inference_guard_audit_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('inference.audit_retention', true) IS DISTINCT FROM 'on'
       OR OLD.at > statement_timestamp() - interval '30 days'
    THEN
        RAISE EXCEPTION '% rows are never changed', TG_TABLE_NAME
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_is_append_only';
    END IF;
    RETURN OLD;
END $$;
DROP TRIGGER inference_audit_event_append_only ON inference_auditevent;
CREATE TRIGGER inference_audit_event_append_only BEFORE UPDATE ON inference_auditevent
    FOR EACH ROW EXECUTE FUNCTION inference_refuse_change();
CREATE TRIGGER inference_audit_event_deletion BEFORE DELETE ON inference_auditevent
    FOR EACH ROW EXECUTE FUNCTION inference_guard_audit_deletion();
"""
BACK = """
DROP FUNCTION inference_guard_audit_deletion CASCADE;
DROP TRIGGER inference_audit_event_append_only ON inference_auditevent;
CREATE TRIGGER inference_audit_event_append_only BEFORE UPDATE OR DELETE ON inference_auditevent
    FOR EACH ROW EXECUTE FUNCTION inference_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("inference", "0009_login_sessions")]

    operations = [
        migrations.AddField(
            model_name="artifact",
            name="removed_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="artifact",
            name="removal",
            field=models.CharField(
                blank=True,
                choices=[
                    ("age", "It was removed: files of its kind are kept for a limited time."),
                    ("size", "It was removed to make room: the oldest files of its kind go first."),
                    ("missing", "It is missing in the storage, and this server did not remove it."),
                ],
                db_default="",
                default="",
                editable=False,
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="artifact",
            constraint=models.CheckConstraint(
                condition=Q(Q(("removal", ""), ("removed_at__isnull", True)), Q(("removed_at__isnull", False), Q(("removal", ""), _negated=True)), _connector="OR"),
                name="artifact_removed_for_a_reason",
            ),
        ),
        migrations.AddIndex(
            model_name="artifact",
            index=models.Index(
                condition=Q(("removed_at", None)),
                fields=["created_at", "id"],
                include=("kind", "size_bytes"),
                name="artifact_there_by_age",
            ),
        ),
        migrations.RunSQL(AUDIT_APPEND_ONLY, reverse_sql=BACK),
    ]
