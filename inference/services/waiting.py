"""Requests that wait for a task to end: one LISTEN connection per process wakes them all.

A waiter sleeps in its thread and holds no database connection. No wake-up is lost: a waiter is registered before it
looks at the task for the first time, and whenever the connection comes or goes everybody looks again. While there
is no connection, waiters look for themselves.
"""

import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from inference.errors import TooManyWaitersError
from inference.services.listening import Listener

# Between two looks at a task while nobody can tell us of its end; and while somebody should, since a connection
# can be dead long before either side notices.
LOOK_SECONDS = 1.0
LOOK_SECONDS_WHEN_TOLD = 10.0
# For clients that were refused: by then some of those who wait have been answered.
RETRY_AFTER_SECONDS = 5


class Waiters:
    """Those who wait in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places = 0
        self._events: dict[uuid.UUID, set[threading.Event]] = defaultdict(set)
        self._listener = Listener("task_ended", told=self._told)

    @contextmanager
    def place(self) -> Generator[None]:
        """Keep one of MAX_WAITERS places. Taken before a task is stored, so that a refusal stores nothing.

        Raises TooManyWaitersError when none is free.
        """
        with self._lock:
            if self._places >= settings.MAX_WAITERS:
                raise TooManyWaitersError(
                    f"Too many requests wait for tasks (at most {settings.MAX_WAITERS}): ask again in a few seconds, "
                    "or without waiting.",
                    retry_after=RETRY_AFTER_SECONDS,
                )
            self._places += 1
        try:
            yield
        finally:
            with self._lock:
                self._places -= 1

    def wait(self, task_id: uuid.UUID, seconds: float, has_ended: Callable[[], bool]) -> bool:
        """Hold the calling thread until `has_ended()` or `seconds` have passed; whether it has ended.

        The thread's database connection is given back to the pool between two looks. While the database is away
        nothing has ended: what this request stored before is still answered for.
        """
        deadline = time.monotonic() + seconds
        woken = threading.Event()
        self._listener.start()
        with self._lock:
            self._events[task_id].add(woken)
        try:
            while True:
                woken.clear()
                if _look(has_ended):
                    return True
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                give_back_connection()
                woken.wait(min(remaining, LOOK_SECONDS_WHEN_TOLD if self.is_listening else LOOK_SECONDS))
        finally:
            with self._lock:
                self._events[task_id].discard(woken)
                if not self._events[task_id]:
                    del self._events[task_id]

    @property
    def is_listening(self) -> bool:
        return self._listener.is_listening

    def close(self) -> None:
        """Stop listening; a later waiter starts it again."""
        self._listener.close()

    def _told(self, task_ids: set[uuid.UUID] | None) -> None:
        """Wake those who wait for these tasks, or everybody."""
        with self._lock:
            chosen = self._events.values() if task_ids is None else [self._events.get(each, ()) for each in task_ids]
            for event in [event for events in chosen for event in events]:
                event.set()


waiters = Waiters()


def _look(has_ended: Callable[[], bool]) -> bool:
    try:
        return has_ended()
    except (OperationalError, InterfaceError):
        return False


def give_back_connection() -> None:
    """Return this thread's database connection to the pool; the next query takes another."""
    connection = connections["default"]
    # Inside a transaction the connection is somebody's who still needs it.
    if not connection.in_atomic_block:
        connection.close()
