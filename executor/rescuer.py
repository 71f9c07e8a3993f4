"""Takes tasks from workers that vanished: their lease ran out and was not renewed.

An outage of the database must lose no running task: a rescuer acts only when it has itself been in touch with the
database for one whole lease period without a break, and the server has been up that long.
"""

import logging
import time

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction

from executor.claim import BACKSTOP_SECONDS
from executor.lease_owner import kill_worker
from executor.leftovers import kill_leftovers
from inference.services.transitions import overrun_tasks, rescue_expired, take_overrun
from inference.telemetry.folding import fold

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 2.0
# Where nobody asks for metrics, the ends of tasks are counted all the same, so that the first who asks waits for
# nothing, and before the housekeeping removes them.
FOLD_EVERY_SECONDS = 60.0
FOLD_SECONDS = 0.2
# How much longer than its task may take an attempt runs before it is ended from outside: the third limit, after the
# worker's own clock and django-q2's timeout (BACKSTOP_SECONDS above the task's limit).
OVERRUN_SECONDS = BACKSTOP_SECONDS + 60
# Any number that no other advisory lock of this database uses; "resc" in ASCII.
_ADVISORY_LOCK = 0x72657363


class Rescuer:
    """One per pusher process; of all of them, one at a time acts."""

    def __init__(self) -> None:
        self._in_touch_since: float | None = None
        self._looked_at = 0.0
        self._folded_at = 0.0

    def lost_touch(self) -> None:
        """The database did not answer: begin the lease period anew."""
        self._in_touch_since = None

    def look(self) -> None:
        """Rescue what has expired, at most every two seconds."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_SECONDS:
            return
        self._looked_at = now
        kill_leftovers()
        try:
            self._act(now)
            if now - self._folded_at >= FOLD_EVERY_SECONDS:
                self._folded_at = now
                fold(max_seconds=FOLD_SECONDS)
        except DatabaseError as error:
            logger.warning("cannot look for lost workers: %s", type(error).__name__)
            self.lost_touch()
            connection.close()

    def _act(self, now: float) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(%s),"
                " extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())",
                [_ADVISORY_LOCK],
            )
            is_mine, server_up_seconds = cursor.fetchone()
            if self._in_touch_since is None:
                self._in_touch_since = now
            in_touch_seconds = now - self._in_touch_since
            if is_mine and min(in_touch_seconds, float(server_up_seconds)) >= settings.WORKER_LEASE_SECONDS:
                rescue_expired()
                end_overrun()
                cursor.execute(
                    "DELETE FROM inference_workerhost WHERE seen_at < statement_timestamp() - interval '5 minutes'"
                )


def end_overrun() -> int:
    """End the attempts that neither their worker nor django-q2 has ended; returns how many.

    A worker on this host is killed first, so that its browser does nothing more. On another host it finds its lease
    gone with its next heartbeat; what it writes until then is refused.
    """
    ended = 0
    for task_id, owner in overrun_tasks(grace_seconds=OVERRUN_SECONDS):
        was_killed = kill_worker(owner)
        if take_overrun(task_id, owner) is not None:
            ended += 1
            logger.error(
                "ended a task that ran over its limit", extra={"task_id": task_id, "worker_killed": was_killed}
            )
    return ended
