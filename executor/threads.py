"""Blocking work that nobody can interrupt, without ever waiting for it when the attempt is told to stop."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_own_thread(work: Callable[[], Result], *, name: str) -> Result:
    """What `work` returns or raises, from a thread of its own.

    When the caller is cancelled, the thread is left to itself: give `work` a limit of time. It is a daemon, so it
    does not keep the process from ending, as a thread of asyncio.to_thread would.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def answer(result: Result | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # without an error it is the result

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(answer, result, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future
