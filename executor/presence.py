"""The worker's own row in WorkerHost: that it lives, what it does, which browser it has.

Health and the dashboard read it. A row that was not renewed for a minute counts as gone; the rescuer removes it.
"""

import logging
import os
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import psutil
from django.db import Error as DatabaseError
from django.db import connection

from executor.lease_owner import this_host, this_worker
from inference.models import WorkerHost

logger = logging.getLogger(__name__)

# An idle worker renews its row this often; /health calls a row stale after a minute.
RENEW_SECONDS = 10
# Reading the memory of a browser's processes takes some 10 ms, so it is not done with each report.
MEASURE_SECONDS = 60
_last_report = 0.0
_last_measure = 0.0
_browser = ""


def report_browser(version: str) -> None:
    """Remember the browser's product and version, and make the next report due at once."""
    global _browser, _last_report
    _browser = version
    _last_report = 0.0


def report_idle() -> None:
    _report("idle", task_id=None)


def report_busy(task_id: UUID) -> None:
    _report("busy", task_id=task_id)


def report_unhealthy(detail: str) -> None:
    _report("unhealthy", task_id=None, detail=detail)


def report_still_here(state: str = "idle", task_id: UUID | None = None, detail: str = "") -> None:
    """Renew the row when its last report is old enough; called from loops."""
    if time.monotonic() - _last_report >= RENEW_SECONDS:
        _report(state, task_id=task_id, detail=detail, memory_bytes=_memory_bytes())


def report_gone() -> None:
    """Remove the row of a worker that ends in order."""
    try:
        WorkerHost.objects.filter(owner=this_worker()).delete()
    except DatabaseError as error:
        logger.warning("cannot report the end: %s", type(error).__name__)


def _memory_bytes() -> int | None:
    """What this worker and its browser take, shared pages by their share (PSS); None while the last answer is fresh
    enough. Not asked between two tasks: `report_still_here` comes when there is time."""
    global _last_measure
    if _last_measure and time.monotonic() - _last_measure < MEASURE_SECONDS:
        return None
    _last_measure = time.monotonic()
    me = psutil.Process()
    used = 0
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.Error, OSError):
            memory = process.memory_full_info()
            used += getattr(memory, "pss", memory.rss)
    return used


def _report(state: str, *, task_id: UUID | None, detail: str = "", memory_bytes: int | None = None) -> None:
    global _last_report
    worker: list[Any] = [this_worker(), this_host(), os.getpid(), _browser]
    values = [*worker, state, detail[:500], task_id, memory_bytes]
    try:
        with connection.cursor() as cursor:
            cursor.execute(_UPSERT, values)
    except DatabaseError as error:
        # The row is information; the worker goes on without it.
        logger.warning("cannot report presence: %s", type(error).__name__)
        connection.close()
        return
    _last_report = time.monotonic()


_UPSERT = """
    INSERT INTO inference_workerhost AS known
        (owner, host, pid, browser, state, detail, task_id, memory_bytes, started_at, seen_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, statement_timestamp(), statement_timestamp())
    ON CONFLICT (owner) DO UPDATE SET browser = EXCLUDED.browser, state = EXCLUDED.state,
        detail = EXCLUDED.detail, task_id = EXCLUDED.task_id,
        memory_bytes = COALESCE(EXCLUDED.memory_bytes, known.memory_bytes), seen_at = statement_timestamp()
"""
