"""ORM calls of the event loop: one dedicated thread, so one connection, and calls run in the order of asking."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connections

logger = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Between two tries while the database is away.
RETRY_SECONDS = 1.0

_guard = threading.Lock()
_thread: ThreadPoolExecutor | None = None


async def in_database(
    func: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Run `func` in the database thread. When the caller is cancelled, a call that has begun still runs to its end."""

    def call() -> Result:
        for connection in connections.all(initialized_only=True):
            # A connection that the server closed (restart, fail-over) is replaced before the call.
            connection.close_if_unusable_or_obsolete()
        return func(*args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(_executor(), contextvars.copy_context().run, call)


async def in_database_patiently(
    func: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """As `in_database`; called again while the database is away, until the attempt is told to stop. Only for what may
    be done twice."""
    while True:
        try:
            return await in_database(func, *args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the database is away: %s", type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)


def _executor() -> ThreadPoolExecutor:
    # Made on first use, thus after the fork.
    global _thread
    with _guard:
        if _thread is None:
            _thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        return _thread


def close() -> None:
    """Wait for what was asked, close the thread's connection, and end the thread; the next call makes a new one."""
    global _thread
    with _guard:
        thread, _thread = _thread, None
    if thread is not None:
        thread.submit(connections.close_all).result()
        thread.shutdown(wait=True)
