import asyncio
import concurrent.futures
import threading

import pytest

from executor.loop import WorkerLoop


@pytest.fixture
def loop() -> WorkerLoop:
    loop = WorkerLoop()
    loop.start()
    return loop


def test_results_and_errors_come_back(loop: WorkerLoop) -> None:
    async def answer() -> int:
        return threading.get_ident()

    async def fail() -> None:
        raise ValueError("no")

    assert loop.submit(answer()).result(5) != threading.get_ident()
    with pytest.raises(ValueError, match="no"):
        loop.submit(fail()).result(5)
    loop.stop()


def test_a_cancelled_future_is_done_only_when_the_coroutine_has_cleaned_up(loop: WorkerLoop) -> None:
    began, cleaned = threading.Event(), threading.Event()

    async def work() -> None:
        try:
            began.set()
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.2)
            cleaned.set()

    future = loop.submit(work())
    assert began.wait(5)
    assert future.cancel()
    concurrent.futures.wait([future], timeout=5)

    assert cleaned.is_set()
    assert future.cancelled()
    loop.stop()


def test_stopping_ends_what_still_runs_and_takes_no_more(loop: WorkerLoop) -> None:
    async def forever() -> None:
        await asyncio.sleep(60)

    future = loop.submit(forever())
    loop.stop()

    with pytest.raises(concurrent.futures.CancelledError):
        future.result(5)
    with pytest.raises(RuntimeError):
        loop.submit(forever())


def test_starting_twice_and_stopping_twice_change_nothing(loop: WorkerLoop) -> None:
    async def answer() -> int:
        return threading.get_ident()

    thread = loop.submit(answer()).result(5)
    loop.start()
    assert loop.submit(answer()).result(5) == thread
    loop.stop()
    loop.stop()


def test_what_has_ended_cannot_be_cancelled(loop: WorkerLoop) -> None:
    async def answer() -> str:
        return "done"

    future = loop.submit(answer())
    assert future.result(5) == "done"
    assert not future.cancel()
    loop.stop()
