"""The worker's own row in WorkerHost: that it lives, what it does, which browser it has.

Health and the dashboard read it. A row that was not renewed for a minute counts as gone; the rescuer removes it.
"""

import logging
import os
import time
from typing import Any
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import connection

from executor.lease_owner import this_host, this_worker
from inference.models import WorkerHost

logger = logging.getLogger(__name__)

# An idle worker renews its row this often; /health calls a row stale after a minute.
RENEW_SECONDS = 10
_last_report = 0.0
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
        _report(state, task_id=task_id, detail=detail)


def report_gone() -> None:
    """Remove the row of a worker that ends in order."""
    try:
        WorkerHost.objects.filter(owner=this_worker()).delete()
    except DatabaseError as error:
        logger.warning("cannot report the end: %s", type(error).__name__)


def _report(state: str, *, task_id: UUID | None, detail: str = "") -> None:
    global _last_report
    values: list[Any] = [this_worker(), this_host(), os.getpid(), _browser, state, detail[:500], task_id]
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
    INSERT INTO inference_workerhost (owner, host, pid, browser, state, detail, task_id, started_at, seen_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, statement_timestamp(), statement_timestamp())
    ON CONFLICT (owner) DO UPDATE SET browser = EXCLUDED.browser, state = EXCLUDED.state,
        detail = EXCLUDED.detail, task_id = EXCLUDED.task_id, seen_at = statement_timestamp()
"""
