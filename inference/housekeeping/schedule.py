"""The housekeeping as rows of django-q2's own schedules: each night, and once more soon after a night that was not
enough. The background cluster runs them."""

from datetime import datetime, timedelta

from croniter import croniter
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import Schedule

NIGHTLY = "housekeeping"
CONTINUED = "housekeeping, continued"
# By its path: it belongs to the executor, which knows when its cluster stops.
FUNCTION = "executor.housekeeping.run"
# Not on the hour, when everything else of a machine begins.
MINUTE = 17
CONTINUE_AFTER = timedelta(minutes=1)
# Any number that no other advisory lock of this database uses; "sche" in ASCII.
_ADVISORY_LOCK = 0x73636865


def ensure_schedule() -> None:
    """One row for every night, at the hour that HOUSEKEEPING_HOUR says; none when it says -1. Called at each start of
    a background cluster, so a changed setting holds from then on."""
    hour: int = settings.HOUSEKEEPING_HOUR
    with transaction.atomic():
        _wait_for_others()
        if hour < 0:
            Schedule.objects.filter(name__in=(NIGHTLY, CONTINUED)).delete()
            return
        cron = f"{MINUTE} {hour} * * *"
        rows = list(Schedule.objects.select_for_update().filter(name=NIGHTLY).order_by("id"))
        Schedule.objects.filter(id__in=[row.id for row in rows[1:]]).delete()
        row = rows[0] if rows else Schedule(name=NIGHTLY)
        if (row.func, row.cron, row.cluster, row.repeats) == (FUNCTION, cron, settings.Q_CLUSTER["name"], -1):
            return  # and a night that was missed is still due
        row.func, row.schedule_type, row.cron, row.repeats = FUNCTION, Schedule.CRON, cron, -1
        row.cluster = settings.Q_CLUSTER["name"]
        row.next_run = croniter(cron, timezone.localtime()).get_next(datetime)
        row.save()


def continue_soon() -> None:
    """Once more, in a minute: there was more to do than one run may take."""
    with transaction.atomic():
        _wait_for_others()
        if not Schedule.objects.filter(name=CONTINUED).exists():
            Schedule.objects.create(
                name=CONTINUED,
                func=FUNCTION,
                schedule_type=Schedule.ONCE,
                cluster=settings.Q_CLUSTER["name"],
                next_run=timezone.now() + CONTINUE_AFTER,
            )


def _wait_for_others() -> None:
    """Names of schedules are not unique, so whoever makes one waits for whoever else is doing the same."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
