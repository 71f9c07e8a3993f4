"""django-q2's `broker_class` of the browser cluster: it moves no task, it only wakes.

`dequeue` is what the pusher process calls in a loop. Here it LISTENs for queued tasks and returns one hint for each
notification; the queue turns a hint into a byte that wakes one idle worker. The pusher has time between hints, so
it is also where the rescuer runs (any host's pusher, one at a time under an advisory lock).
"""

import logging
import time
from typing import Any

import psycopg
from django.db import connection
from django_q.brokers import Broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.signing import SignedPackage

from executor.handover import die_with_parent
from executor.rescuer import Rescuer

logger = logging.getLogger(__name__)

# The pusher looks this often whether the cluster stops.
LISTEN_SECONDS = 0.25


class BackgroundBroker(ORM):
    """The stock broker of background packages, whose pusher looks for lost workers as well: with the last browser
    cluster gone, somebody still has to take its tasks from it."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=list_key or Conf.CLUSTER_NAME)
        self._rescuer: Rescuer | None = None

    def dequeue(self) -> Any:
        self._rescuer = self._rescuer or Rescuer()
        self._rescuer.look()
        return super().dequeue()


class WakeBroker(Broker):  # django-q2 has no annotations: its methods are read as returning None
    """LISTENs and wakes. What is enqueued through it (`async_task` in a browser process) goes to the background
    cluster's table, where such packages belong."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=list_key or Conf.CLUSTER_NAME)
        self._listening: psycopg.Connection[Any] | None = None
        self._rescuer: Rescuer | None = None

    def dequeue(self) -> list[tuple[None, str]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One hint per notification that came within a quarter of a second; the first look wakes everybody."""
        hints = 0
        try:
            if self._listening is None:
                self._listen()
                hints = Conf.WORKERS  # what was queued while nobody listened
            assert self._listening is not None  # noqa: S101 - set by _listen
            hints += sum(1 for _ in self._listening.notifies(timeout=LISTEN_SECONDS, stop_after=1))
            assert self._rescuer is not None  # noqa: S101 - set by _listen
            self._rescuer.look()
        except (psycopg.Error, OSError) as error:
            self._stop_listening(error)
        return [(None, self._hint())] * hints

    def enqueue(self, task: str) -> Any:
        return self._background().enqueue(task)

    def queue_size(self) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """0: the queue is the task table, and `/health` counts it."""
        return 0

    def lock_size(self) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        return 0

    def ping(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True

    def info(self) -> str:
        return "task table (PostgreSQL)"

    def _listen(self) -> None:
        die_with_parent()
        parameters = connection.get_connection_params()
        for name in ("context", "cursor_factory", "prepare_threshold", "server_side_binding"):
            parameters.pop(name, None)
        self._listening = psycopg.connect(**parameters, autocommit=True)
        self._listening.execute("LISTEN task_queued")
        if self._rescuer is None:
            self._rescuer = Rescuer()

    def _stop_listening(self, error: Exception) -> None:
        """The database is away: say so once, and give it time before the next try."""
        if self._rescuer is not None:
            self._rescuer.lost_touch()
        if self._listening is not None:
            logger.warning("not listening: %s", type(error).__name__)
            self._listening.close()
            self._listening = None
        time.sleep(LISTEN_SECONDS)

    @staticmethod
    def _hint() -> str:
        return str(SignedPackage.dumps({"func": "wake"}))

    @staticmethod
    def _background() -> ORM:
        return ORM(list_key=Conf.PREFIX)
