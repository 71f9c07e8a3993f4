"""One thread of a web process that LISTENs on a channel of PostgreSQL and passes on whose tasks were named there."""

import logging
import threading
import uuid
from collections.abc import Callable

import psycopg
from django.db import connections

logger = logging.getLogger(__name__)

# Between two tries to connect, and how soon the thread notices that it is to stop.
RECONNECT_SECONDS = 1.0
CHECK_SECONDS = 0.5

Told = Callable[[set[uuid.UUID] | None], None]


class Listener:
    """Calls `told` with the ids that came, several at a time when they come fast; with none after half a second
    without any; and with None when the connection came or went, so that what was announced meanwhile is looked for.

    The thread starts with `start` and ends by itself once `is_needed` is false.
    """

    def __init__(self, channel: str, *, told: Told, is_needed: Callable[[], bool] = lambda: True) -> None:
        self.is_listening = False
        self._channel = channel
        self._told = told
        self._is_needed = is_needed
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Listen, if this does not happen already. A caller that makes `is_needed` true does so before."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name=self._channel, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop listening; `start` begins again."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            self._stopping.set()
            thread.join()
            self._stopping.clear()

    def _listen(self) -> None:
        while not self._may_end():
            try:
                self._listen_until_lost()
            except psycopg.Error as error:
                logger.warning(
                    "lost the connection that hears of tasks",
                    extra={"channel": self._channel, "reason": type(error).__name__},
                )
                self._went()
                self._stopping.wait(RECONNECT_SECONDS)
            else:
                self._went()

    def _went(self) -> None:
        self.is_listening = False
        self._told(None)

    def _may_end(self) -> bool:
        """Under the lock of `start`, so that a thread that ends is never taken for one that goes on."""
        with self._lock:
            if self._is_needed() and not self._stopping.is_set():
                return False
            self._thread = None
            return True

    def _listen_until_lost(self) -> None:
        database = connections["default"]
        parameters = {**database.get_connection_params(), "autocommit": True}
        for ours in ("pool", "cursor_factory", "context", "server_side_binding"):
            parameters.pop(ours, None)
        with psycopg.connect(**parameters) as connection:
            connection.execute(f"LISTEN {self._channel}")  # a constant of ours
            self.is_listening = True
            self._told(None)  # what happened before LISTEN was in force is seen by looking
            while self._is_needed() and not self._stopping.is_set():
                notices = connection.notifies(timeout=CHECK_SECONDS, stop_after=1)
                self._told({uuid.UUID(notice.payload) for notice in notices})
