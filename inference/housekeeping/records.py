"""Rows that nothing points at: keys, logins, the audit log, django-q2's results, counters, workers long gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import connection
from django_q.models import Task as BackgroundTask

from inference.housekeeping.batches import ROWS_AT_A_TIME, number, short_transaction, tried
from inference.housekeeping.limits import Limit
from inference.housekeeping.progress import Progress
from inference.models import AuditEvent, ConcurrencySlot, IdempotencyKey, WorkerHost

# The rescuer of a browser cluster removes them after minutes; where none runs, nobody does.
WORKERS_GONE_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Records:
    """Rows of `table` with `condition`, found in `order` (an index). `before` is a fixed age; else the limit's is
    meant, and without one nothing goes."""

    kind: str
    rule: str
    table: str
    key: str
    condition: str
    order: str
    before: timedelta | None = None
    setting: str = ""  # that the trigger of this table asks for


RECORDS = (
    Records(
        kind="dashboard-logins",
        rule="expired",
        table=Session._meta.db_table,
        key="session_key",
        condition="expire_date < %(before)s",
        order="expire_date",
        before=timedelta(0),
    ),
    Records(
        kind="idempotency-keys",
        rule="age",
        table=IdempotencyKey._meta.db_table,
        key="id",
        condition="created_at < %(before)s",
        order="created_at",
    ),
    Records(
        kind="audit",
        rule="age",
        table=AuditEvent._meta.db_table,
        key="id",
        condition="at < %(before)s",
        # Its only index; the oldest have the lowest numbers.
        order="id",
        setting="inference.audit_retention",
    ),
    Records(
        kind="background-work",
        rule="age",
        table=BackgroundTask._meta.db_table,
        key="id",
        condition="stopped < %(before)s",
        order="stopped",
    ),
    # A claim that finds none makes one, so a row with nothing in it only takes room: one for each login ever seen.
    Records(
        kind="concurrency-slots",
        rule="unused",
        table=ConcurrencySlot._meta.db_table,
        key="key",
        condition="running = 0",
        order="key",
        before=timedelta(0),
    ),
    Records(
        kind="workers",
        rule="host long gone",
        table=WorkerHost._meta.db_table,
        key="owner",
        condition="seen_at < %(before)s",
        order="seen_at",
        before=WORKERS_GONE_AFTER,
    ),
)


def prune_records(kind: str, limits: Mapping[str, Limit], progress: Progress) -> None:
    for records in RECORDS:
        age = records.before if records.before is not None else limits.get(kind, Limit()).age
        if records.kind == kind and age is not None:
            _prune(records, {"before": progress.now - age}, progress)


def _prune(records: Records, parameters: dict[str, Any], progress: Progress) -> None:
    tally = progress.tally(records.kind, records.rule)
    progress.check()
    if progress.dry_run:
        count = number(f"SELECT count(*) FROM {records.table} WHERE {records.condition}", parameters)  # noqa: S608 - from the table above
        progress.count(tally, rows=count)
        return
    while True:
        progress.check()
        gone = tried(records.kind, lambda: _delete(records, parameters), failures=progress.failures)
        progress.count(tally, rows=gone or 0)
        if not gone:
            return


def _delete(records: Records, parameters: dict[str, Any]) -> int:
    """Rows of one batch. Those that somebody else holds are passed."""
    with short_transaction(), connection.cursor() as cursor:
        if records.setting:
            cursor.execute("SELECT set_config(%s, 'on', true)", [records.setting])
        cursor.execute(
            f"DELETE FROM {records.table} WHERE {records.key} IN (SELECT {records.key} FROM {records.table}"  # noqa: S608 - as above
            f" WHERE {records.condition} ORDER BY {records.order} LIMIT %(at_a_time)s FOR UPDATE SKIP LOCKED)",
            parameters | {"at_a_time": ROWS_AT_A_TIME},
        )
        return int(cursor.rowcount)
