"""Takes tasks from workers that vanished: their lease ran out and was not renewed.

An outage of the database must lose no running task: a rescuer acts only when it has itself been in touch with the
database for one whole lease period without a break, and the server has been up that long.
"""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from executor.claim import BACKSTOP_SECONDS
from executor.lease_owner import kill_worker, this_host
from executor.leftovers import kill_leftovers
from inference.models import WorkerHost
from inference.models.database_clock import StatementTimestamp
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
# How long a worker may take to let go of a task that was killed: twice what it gives its browser's context to close.
LET_GO_SECONDS = 10.0
# Any number that no other advisory lock of this database uses; "resc" in ASCII.
_ADVISORY_LOCK = 0x72657363


@dataclass(frozen=True)
class _Look:
    """When the database answered: by this machine's clock, which stands while the machine sleeps, and by its own."""

    at: float
    database_at: float


class Rescuer:
    """One per pusher process, of any cluster; of all of them, one at a time acts."""

    def __init__(self) -> None:
        self._in_touch_since: float | None = None
        self._last: _Look | None = None
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
            self._act()
            if now - self._folded_at >= FOLD_EVERY_SECONDS:
                self._folded_at = now
                fold(max_seconds=FOLD_SECONDS)
        except DatabaseError as error:
            logger.warning("cannot look for lost workers: %s", type(error).__name__)
            self.lost_touch()
            connection.close()

    def _act(self) -> None:
        database_at, server_up_seconds = _database_clock()
        look = _Look(time.monotonic(), database_at)
        if self._in_touch_since is None or self._is_break(look):
            self._in_touch_since = look.at
        self._last = look
        # A person's word, not a lease that looks old: nothing has to be waited for.
        kill_workers_of_killed_tasks()
        if min(look.at - self._in_touch_since, server_up_seconds) < settings.WORKER_LEASE_SECONDS:
            return
        rescue_expired(may_act=_is_my_turn)
        end_overrun()
        kill_silent_workers()
        WorkerHost.objects.filter(seen_at__lt=StatementTimestamp() - timedelta(minutes=5)).delete()

    def _is_break(self, look: _Look) -> bool:
        """Whether workers may have had no chance to renew their leases since the last look: an outage need not raise
        an error (a query that only hung, a machine that slept), and a clock that was set forward makes every lease
        look old."""
        if self._last is None:
            return True
        here, there = look.at - self._last.at, look.database_at - self._last.database_at
        longest = LOOK_EVERY_SECONDS + settings.WORKER_LEASE_SECONDS / 4
        return here > longest or abs(there - here) > settings.WORKER_LEASE_SECONDS / 4


def _database_clock() -> tuple[float, float]:
    """Its instant now, and for how long the server has been up; both in seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp()),"
            " extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())"
        )
        now, up_seconds = cursor.fetchone()
    return float(now), float(up_seconds)


def _is_my_turn() -> bool:
    """Whether this process may act in the transaction that runs. One that stops in it is cut off by the database, so
    that it keeps out nobody for long."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '10s'")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        return bool(cursor.fetchone()[0])


def kill_silent_workers() -> int:
    """SIGKILL the workers of this host that say nothing any more and have lost the task that they were at; returns how
    many. They would go on in the page beside the task's next attempt."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT h.owner FROM inference_workerhost h LEFT JOIN inference_task t ON t.id = h.task_id
            WHERE h.host = %s AND h.state = 'busy' AND t.lease_owner IS DISTINCT FROM h.owner
              AND h.seen_at < statement_timestamp() - make_interval(secs => %s)
            """,
            [this_host(), 2 * settings.WORKER_LEASE_SECONDS],
        )
        silent = [worker for (worker,) in cursor.fetchall()]
    return _kill_all(silent, "killed a worker that had lost its task and did not answer")


def kill_workers_of_killed_tasks() -> int:
    """SIGKILL the workers of this host that are still at a task that a person has ended by force; returns how many.

    The database has told them. One that reacts says within seconds that it is at no task, or has another one.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT h.owner FROM inference_workerhost h JOIN inference_task t ON t.id = h.task_id
            WHERE h.host = %s AND h.state = 'busy' AND t.status = 'killed'
              AND t.completed_at < statement_timestamp() - make_interval(secs => %s)
              AND NOT EXISTS (SELECT 1 FROM inference_task other
                              WHERE other.status IN ('allocated', 'running') AND other.lease_owner = h.owner)
            """,
            [this_host(), LET_GO_SECONDS],
        )
        deaf = [worker for (worker,) in cursor.fetchall()]
    return _kill_all(deaf, "killed a worker whose task was stopped by force, and that did not let go of it")


def _kill_all(workers: list[str], what: str) -> int:
    killed = [worker for worker in workers if kill_worker(worker)]
    for worker in killed:
        logger.error(what, extra={"worker": worker})
    return len(killed)


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
