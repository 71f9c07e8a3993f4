"""Requests that wait for a task to end: one LISTEN connection per process wakes them all.

A waiter sleeps in its thread and holds no database connection. No wake-up is lost: a waiter is registered before it
looks at the task for the first time, and whenever the connection comes or goes everybody looks again. While there
is no connection, waiters look for themselves.
"""

import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager

import psycopg
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from inference.errors import TooManyWaitersError

logger = logging.getLogger(__name__)

# Between two looks at a task while nobody can tell us of its end; and while somebody should, since a connection
# can be dead long before either side notices.
LOOK_SECONDS = 1.0
LOOK_SECONDS_WHEN_TOLD = 10.0
# Between two tries to connect, and how soon the listening thread notices that it is to stop.
RECONNECT_SECONDS = 1.0
CHECK_SECONDS = 0.5
# For clients that were refused: by then some of those who wait have been answered.
RETRY_AFTER_SECONDS = 5


class Waiters:
    """Those who wait in this process, and the thread that listens for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places = 0
        self._events: dict[uuid.UUID, set[threading.Event]] = defaultdict(set)
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._is_listening = False

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
        self._start_listening()
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
                woken.wait(min(remaining, LOOK_SECONDS_WHEN_TOLD if self._is_listening else LOOK_SECONDS))
        finally:
            with self._lock:
                self._events[task_id].discard(woken)
                if not self._events[task_id]:
                    del self._events[task_id]

    def close(self) -> None:
        """Stop listening; a later waiter starts it again."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            thread.join()
            self._stopping.clear()

    def _start_listening(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="task-ends", daemon=True)
                self._thread.start()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen_until_lost()
            except psycopg.Error as error:
                logger.warning("lost the connection that hears of ended tasks", extra={"reason": type(error).__name__})
            finally:
                self._is_listening = False
                self._wake(None)
            self._stopping.wait(RECONNECT_SECONDS)

    def _listen_until_lost(self) -> None:
        database = connections["default"]
        parameters = {**database.get_connection_params(), "autocommit": True}
        for ours in ("pool", "cursor_factory", "context", "server_side_binding"):
            parameters.pop(ours, None)
        with psycopg.connect(**parameters) as listener:
            listener.execute("LISTEN task_ended")
            self._is_listening = True
            self._wake(None)  # what ended before LISTEN was in force is seen by looking
            while not self._stopping.is_set():
                for notice in listener.notifies(timeout=CHECK_SECONDS):
                    self._wake(uuid.UUID(notice.payload))
                    if self._stopping.is_set():
                        return

    def _wake(self, task_id: uuid.UUID | None) -> None:
        """Wake those who wait for `task_id`, or everybody."""
        with self._lock:
            chosen = self._events.values() if task_id is None else (self._events.get(task_id, ()),)
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
