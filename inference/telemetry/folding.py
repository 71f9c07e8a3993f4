"""Totals: ended tasks, read from the task table in the order of their ends, and the rows of processes that are gone.

Ends are counted from the table and not by who writes them, since a worker, the rescuer, a person and a command may: no
end is lost with a killed process, and none is counted twice. Each is looked at once, through the index
`task_in_order_of_end`, so the cost does not grow with the table.
"""

import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from django.db import connection, transaction

from inference.queries import settled_until
from inference.telemetry.counters import Key, observation, one
from inference.telemetry.families import DURATION, ENDED

# Any number that no other advisory lock of this database uses; "metr" in ASCII.
_ADVISORY_LOCK = 0x6D657472
# Some ten milliseconds' work each.
ENDS_AT_A_TIME = 5000
# Rows that were not written for so long belong to a process that is gone, or that can begin new ones.
QUIET_SECONDS = 3600
TOTALS = ""  # in place of a process

_FOLD_QUIET = f"""
    WITH quiet AS (
        DELETE FROM inference_metriccounter
        WHERE process <> '{TOTALS}' AND updated_at < statement_timestamp() - make_interval(secs => %s)
        RETURNING name, labels, part, value
    )
    INSERT INTO inference_metriccounter AS known (process, name, labels, part, value, sequence, updated_at)
    SELECT '{TOTALS}', name, labels, part, sum(value), 0, statement_timestamp() FROM quiet GROUP BY name, labels, part
    ON CONFLICT (process, name, labels, part) DO UPDATE
        SET value = known.value + EXCLUDED.value, updated_at = EXCLUDED.updated_at
"""  # noqa: S608 - put together from constants
_ADD_TO_TOTALS = f"""
    INSERT INTO inference_metriccounter AS known (process, name, labels, part, value, sequence, updated_at)
    SELECT '{TOTALS}', name, labels, part, value, 0, statement_timestamp()
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::double precision[]) AS given (name, labels, part, value)
    ON CONFLICT (process, name, labels, part) DO UPDATE
        SET value = known.value + EXCLUDED.value, updated_at = EXCLUDED.updated_at
"""  # noqa: S608 - as above


def fold(*, max_seconds: float) -> None:
    """Bring the totals up to date. Who comes while another does it goes away at once."""
    deadline = time.monotonic() + max_seconds
    while _fold_ends() and time.monotonic() < deadline:
        pass
    with transaction.atomic():
        if _is_ours():
            with connection.cursor() as cursor:
                cursor.execute(_FOLD_QUIET, [QUIET_SECONDS])


def _fold_ends() -> bool:
    """Count the next ends, at most ENDS_AT_A_TIME; whether there may be more."""
    with transaction.atomic():
        if not _is_ours():
            return False
        with connection.cursor() as cursor:
            cursor.execute("SELECT until FROM inference_metriccursor WHERE name = %s", [ENDED.name])
            known = cursor.fetchone()
        # Whatever ends from here on is not before this instant.
        settled = settled_until()
        if known is None:
            _note(settled)  # counting begins now
            return False
        since = known[0]
        until = _until(since, settled)
        if until <= since:
            return False
        _add_to_totals(_amounts(since, until))
        _note(until)
        return until < settled


def _is_ours() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        (is_ours,) = cursor.fetchone()
    return bool(is_ours)


def _until(since: datetime, settled: datetime) -> datetime:
    """Where this batch ends: before the first task that is too much for it. Tasks of one instant stay together."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT completed_at FROM inference_task
            WHERE completed_at >= %s AND completed_at < %s ORDER BY completed_at, id OFFSET %s LIMIT 1
            """,
            [since, settled, ENDS_AT_A_TIME],
        )
        row = cursor.fetchone()
    return settled if row is None or row[0] <= since else row[0]


def _amounts(since: datetime, until: datetime) -> dict[Key, float]:
    amounts: dict[Key, float] = defaultdict(float)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT endpoint_name, status, extract(epoch FROM completed_at - started_at)::double precision
            FROM inference_task WHERE completed_at >= %s AND completed_at < %s ORDER BY completed_at, id
            """,
            [since, until],
        )
        for automation, status, seconds in cursor.fetchall():
            amounts[one(ENDED, automation, status)] += 1
            if seconds is not None:
                for key, amount in observation(DURATION, seconds, automation).items():
                    amounts[key] += amount
    return amounts


def _add_to_totals(amounts: Mapping[Key, float]) -> None:
    keys = sorted(amounts)
    with connection.cursor() as cursor:
        columns = [list(column) for column in zip(*keys, strict=True)] or [[], [], []]
        cursor.execute(_ADD_TO_TOTALS, [*columns, [amounts[key] for key in keys]])


def _note(until: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO inference_metriccursor (name, until) VALUES (%s, %s)
            ON CONFLICT (name) DO UPDATE SET until = EXCLUDED.until
            """,
            [ENDED.name, until],
        )
