"""What django-q2's browser workers call as `task_queue.get()`: the claim itself.

The task table is the queue. An idle worker waits for a byte in a pipe (a hint that something was queued) and
then claims the best eligible row in PostgreSQL; no task exists anywhere else, nothing is fetched ahead, and no
lock is shared between processes. A hint that was lost with a killed process is made good by a look at the table
every second.
"""

import logging
import os
import select
import time
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from executor import presence, resources
from executor.drain import drain
from executor.handover import STOP, Parent, PipeEvent
from executor.lease_owner import this_host, this_worker
from inference.services.schema import schema_problem
from inference.telemetry.counters import counters

logger = logging.getLogger(__name__)

RUN_FUNCTION = "executor.worker.run"
# How often an idle worker looks at the table without a hint.
LOOK_EVERY_MS = 1000
# While the database is away, or this worker's browser does not start.
_RETRY_AFTER_MS = 1000
# A claim holds the row of a limit for a millisecond or two, the end of a task until the disk has it.
LOOK_AGAIN_AFTER_SECONDS = (0.002, 0.005, 0.01, 0.02)
# django-q2's own limit of a package stands this far above what its worker may take: the backstop, not the judge.
BACKSTOP_SECONDS = 30
_HINT = b"W"


class ClaimQueue:
    """The `task_queue` of the browser cluster: `put` wakes one idle worker, `get` claims.

    Made by the sentinel before it forks; `get` is called in workers, `put` in the pusher (hints) and in the
    sentinel ("STOP").
    """

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._stopping = PipeEvent()
        self._parent = Parent()
        self._shortage = ""
        self._knows_database = False

    def __del__(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)

    def put(self, item: Any) -> None:
        """A hint for one idle worker; "STOP" ends them all, since the sentinel stops the whole pool."""
        if item == STOP:
            self._stopping.set()
            return
        self._hint()

    def get(self) -> Any:
        """Wait for a task, claim it and return the package that runs it; "STOP" when this worker is to end."""
        from executor.worker import begin_task, end_task, has_browser, process

        end_task(process())
        is_reported = False
        while not self._must_stop():
            me = begin_task()  # a signal to end would come in the middle of the statement
            counters.flush_if_due()
            end_task(me)
            if not has_browser() or not self.has_room():
                # It would fail task after task; others may have what it lacks.
                is_reported = False
                self._wait(_RETRY_AFTER_MS)
                continue
            me = begin_task()
            try:
                if not self._is_right_database():
                    end_task(me)
                    self._wait(_RETRY_AFTER_MS)
                    continue
                package = self._claim()
            except DatabaseError as error:
                # Away or restarting: the tasks are safe there. A broken connection is opened anew.
                logger.warning("cannot claim: %s", type(error).__name__)
                connection.close()
                end_task(me)
                self._wait(_RETRY_AFTER_MS)
                continue
            if package is not None:
                return package
            end_task(me)
            # Only after an empty claim: nothing stands between two tasks in a row.
            presence.report_still_here() if is_reported else presence.report_idle()
            is_reported = True
            self._wait(LOOK_EVERY_MS)
        presence.report_gone()
        return STOP

    def has_room(self) -> bool:
        """Whether this host has memory and disk for a task. A shortage is told once, and so is its end."""
        shortage = resources.shortage()
        if shortage and not self._shortage:
            logger.warning("takes no task: %s", shortage)
            presence.report_unhealthy(shortage)
        elif shortage:
            presence.report_still_here("unhealthy", detail=shortage)
        elif self._shortage:
            logger.info("takes tasks again")
        self._shortage = shortage
        return not shortage

    def _is_right_database(self) -> bool:
        """Whether tasks can be run on this database: looked at before the first claim, and until it is."""
        if self._knows_database:
            return True
        problem = schema_problem()
        if problem is None:
            self._knows_database = True
        else:
            logger.error("takes no task: %s", problem)
            presence.report_unhealthy(problem)
        return self._knows_database

    def empty(self) -> bool:
        """True: no task is ever held here."""
        return True

    def qsize(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is buffered."""

    def join_thread(self) -> None:
        """There is no feeder thread to wait for."""

    def _must_stop(self) -> bool:
        return self._stopping.is_set() or drain.has_begun() or self._parent.is_gone()

    def _hint(self) -> None:
        try:
            os.write(self._write_end, _HINT)
        except BlockingIOError:
            return  # a full pipe has a hint for everyone

    def _wait(self, timeout_ms: int) -> None:
        """Until a hint is ours, stopping begins, or the time is over. Of all that wait, one gets a hint."""
        waiting = select.poll()
        for descriptor in (self._read_end, self._stopping.fileno(), drain.fileno()):
            if descriptor is not None:
                waiting.register(descriptor, select.POLLIN)
        ends_at = time.monotonic() + timeout_ms / 1000
        while (left_ms := (ends_at - time.monotonic()) * 1000) > 0:
            ready = [descriptor for descriptor, _ in waiting.poll(left_ms)]
            if ready != [self._read_end] or self._take_hint():
                return

    def _take_hint(self) -> bool:
        try:
            return bool(os.read(self._read_end, 1))
        except BlockingIOError:
            return False  # another idle worker was faster

    def _claim(self) -> dict[str, Any] | None:
        claimed = claim_task(owner=this_worker(), host=this_host(), lease_seconds=settings.WORKER_LEASE_SECONDS)
        if claimed is None:
            return None
        task_id, token, name, minutes, more_wait = claimed
        if more_wait:
            # One hint may stand for many tasks (a batch): the next idle worker gets it, too.
            self._hint()
        return {
            "id": task_id.hex,
            "name": f"{name}-{task_id.hex[-8:]}",
            "func": RUN_FUNCTION,
            "args": (task_id, token),
            "kwargs": {},
            "started": timezone.now(),
            "timeout": backstop_seconds(minutes),
            "save": False,
        }


def backstop_seconds(limit_minutes: int) -> int:
    """When django-q2 ends a worker: after the task's limit, all that it may wait for people, and some more."""
    return (limit_minutes + settings.MAX_TAKEOVER_MINUTES) * 60 + BACKSTOP_SECONDS


def claim_task(*, owner: str, host: str, lease_seconds: float) -> Any:
    """`(task id, fencing token, endpoint name, time limit in minutes, whether more tasks wait)` of the task that is
    now `allocated` to `owner`; None when nothing may run. One statement; its rules are in migration 0008.

    A claim waits for nobody's decision about a limit. Where another one was deciding, it is made again, a few times.
    """
    with connection.cursor() as cursor:
        for pause in LOOK_AGAIN_AFTER_SECONDS:
            cursor.execute("SELECT * FROM inference_claim_task(%s, %s, %s)", [owner, host, lease_seconds])
            claimed = cursor.fetchone()
            if claimed is None or claimed[0] is not None:
                return claimed
            time.sleep(pause)
    return None
