"""How long an attempt has waited for people: that time is not counted against its limit."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Generator

from django.conf import settings


class PersonClock:
    """Runs while the attempt waits for a person. The event loop waits; the supervisor's thread reads and wakes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waited_seconds = 0.0
        self._began: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    @contextlib.contextmanager
    def waiting(self) -> Generator[None]:
        """Around each wait, on the event loop."""
        with self._lock:
            self._began, self._loop = time.monotonic(), asyncio.get_running_loop()
        try:
            yield
        finally:
            with self._lock:
                self._waited_seconds, self._began, self._loop = self._waited(), None, None

    def uncounted_seconds(self) -> float:
        """What the limit is put off by: all waits of the attempt, at most MAX_TAKEOVER_MINUTES. From any thread."""
        with self._lock:
            return min(self._waited(), settings.MAX_TAKEOVER_MINUTES * 60)

    def tell(self) -> None:
        """An answer may be there: end `told`. From any thread."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._told.set)

    async def told(self, *, seconds: float) -> None:
        """Returns when somebody told since the last return, or when the seconds are over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), seconds)
        self._told.clear()

    def _waited(self) -> float:
        now = 0.0 if self._began is None else time.monotonic() - self._began
        return self._waited_seconds + now
