"""`manage.py qcluster`, with two promises that django-q2's own does not make: it ends non-zero when its sentinel
is gone, so that whoever started it starts it again, and it stops within a bounded time."""

import logging
import signal
import sys
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Any

import psutil
from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.management.commands.qcluster import Command as StockCommand

from executor.drain import drain
from executor.handover import PipeEvent
from executor.seam import BROWSER_CLUSTER
from inference.housekeeping.schedule import ensure_schedule
from inference.services.schema import schema_problem
from inference.telemetry import spans

logger = logging.getLogger(__name__)

SENTINEL_GONE = 70
# What workers get after the grace of their tasks: closing contexts, writing the end, closing the browser. Who is killed
# then has noted that it was told to stop: its task goes back to the queue when its lease is over, at no retry's cost.
CLOSING_SECONDS = 1.3
# A worker that stands still within a transaction (stopped, or its host is gone) holds the row of its task: the database
# ends the transaction before its lease is over.
IDLE_IN_TRANSACTION_SECONDS = 15


class BoundedCluster(Cluster):
    """django-q2's cluster; `stop` tells the workers to drain and waits a bounded time."""

    sentinel: Any
    start_event: PipeEvent | None
    stop_event: PipeEvent | None

    def stop(self) -> bool:
        if self.sentinel is None or self.stop_event is None or not self.sentinel.is_alive():
            return False
        drain.begin()
        self.stop_event.set()
        self.sentinel.join(settings.SHUTDOWN_GRACE_SECONDS + CLOSING_SECONDS)
        if self.sentinel.is_alive():
            logger.warning("the cluster did not stop in time: ending what is left of it")
            _kill_family(self.sentinel.pid)
        self.start_event = None
        self.stop_event = None
        return True

    def sig_handler(self, signum: int, frame: FrameType | None) -> None:
        # Once is enough: a second signal while stopping changes nothing.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Also for one that comes while the sentinel is only being started: the command looks at it then.
        drain.begin()
        self.stop()


class Command(StockCommand):
    """Run one cluster: `Q_CLUSTER_NAME=browser manage.py qcluster` for tasks, without the name for the rest."""

    # A restarted cluster must take its next task within seconds; `serve` and `doctor` check the rest.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        if options.get("cluster_name") not in (None, Conf.CLUSTER_NAME):
            # django-q2 has read its settings by now: it would silently be the other cluster.
            raise CommandError(
                f"--name comes too late: run `Q_CLUSTER_NAME={options['cluster_name']} manage.py qcluster` instead."
            )
        _require_schema()
        if Conf.CLUSTER_NAME == BROWSER_CLUSTER:
            _bound_idle_transactions()
            # Before the fork: each new worker then starts without importing it all again.
            import_module("executor.worker")
            spans.load()
        else:
            _make_schedules()
        drain.arm()
        cluster = BoundedCluster()
        cluster.start()
        if options.get("run_once") or drain.has_begun():
            cluster.stop()
            return
        sentinel = cluster.sentinel
        sentinel.join()
        if not drain.has_begun():
            # Its children end by themselves; a new cluster takes the tasks from the table.
            self.stderr.write(f"The sentinel ended unexpectedly (exit code {sentinel.exitcode}).")
            sys.exit(SENTINEL_GONE)


def _require_schema() -> None:
    """Refuse to work on a database of another version: each task would fail at the first read. While it is away, the
    cluster waits, and its workers look before they claim."""
    try:
        problem = schema_problem()
    except (OperationalError, InterfaceError) as error:
        logger.warning("cannot look at the database's version: %s", type(error).__name__)
        return
    finally:
        connection.close()  # no process that is forked may share it
    if problem is not None:
        raise CommandError(problem)


def _bound_idle_transactions() -> None:
    """For this process and all that it forks, and for no other: elsewhere a transaction may wait for a person."""
    options = connection.settings_dict["OPTIONS"]
    bound = f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_SECONDS * 1000}"
    options["options"] = f"{options.get('options', '')} {bound}".strip()


def _make_schedules() -> None:
    try:
        ensure_schedule()
    except DatabaseError as error:
        # The cluster waits for the database by itself; the schedule of an earlier start holds.
        logger.warning("cannot make the schedule of the housekeeping: %s", type(error).__name__)
    finally:
        connection.close()  # no process that is forked may share it


def _kill_family(pid: int) -> None:
    """The sentinel and all that it has forked."""
    with suppress(psutil.NoSuchProcess):
        sentinel = psutil.Process(pid)
        for process in (sentinel, *sentinel.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
