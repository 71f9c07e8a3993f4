"""The event loop of a worker process: one, in one thread, for the life of the process."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class WorkerLoop:
    """Runs coroutines for code that is not asynchronous itself. Start it after the fork: threads do not survive one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; returns when the loop takes work. A started one stays as it is."""
        if self._thread is not None:
            return
        running = threading.Event()
        loop = asyncio.new_event_loop()

        def run() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(running.set)
            loop.run_forever()

        self._loop = loop
        self._thread = threading.Thread(target=run, name="worker-loop", daemon=True)
        self._thread.start()
        running.wait()

    def submit(self, work: Coroutine[Any, Any, Result]) -> concurrent.futures.Future[Result]:
        """Run `work` on the loop. Cancelling the future asks the coroutine to end; the future is done when it has."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the worker loop is not started")
        future = _Work[Result](self._loop)
        self._loop.call_soon_threadsafe(future.begin, work)
        return future

    def stop(self, *, within_seconds: float = 5.0) -> None:
        """Cancel what still runs, wait for it to end, and end the thread. Raises TimeoutError when it does not end in
        time; the thread is a daemon, and ends with the process."""
        if self._loop is None or self._thread is None:
            return
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        asyncio.run_coroutine_threadsafe(_cancel_everything(), loop).result(timeout=within_seconds)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


class _Work(concurrent.futures.Future[Result]):
    """The future of asyncio.run_coroutine_threadsafe counts as done as soon as it is cancelled, while the coroutine
    is still cleaning up. This one is done when the coroutine is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._task: asyncio.Task[Result] | None = None

    def begin(self, work: Coroutine[Any, Any, Result]) -> None:
        """On the loop's thread."""
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._finish)

    def cancel(self) -> bool:
        if self.done():
            return False
        # Behind `begin`, also when this comes directly after submit().
        self._loop.call_soon_threadsafe(lambda: self._task is not None and self._task.cancel())
        return True

    def _finish(self, task: asyncio.Task[Result]) -> None:
        if task.cancelled():
            super().cancel()
            self.set_running_or_notify_cancel()
        elif (error := task.exception()) is not None:
            self.set_exception(error)
        else:
            self.set_result(task.result())


async def _cancel_everything() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
