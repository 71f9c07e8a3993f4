import asyncio
import threading
import time

import pytest

from executor.threads import in_own_thread


def test_what_the_work_returns_or_raises_comes_back() -> None:
    def fail() -> None:
        raise ValueError("no")

    assert asyncio.run(in_own_thread(lambda: threading.current_thread().name, name="mine")) == "mine"
    with pytest.raises(ValueError, match="no"):
        asyncio.run(in_own_thread(fail, name="mine"))


def test_nobody_waits_for_a_thread_that_was_given_up() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def hang() -> None:
        go_on.wait(30)
        ended.set()

    async def give_up() -> None:
        await asyncio.wait_for(in_own_thread(hang, name="hanging"), 0.05)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert time.monotonic() - began < 5
    # Its answer finds no loop anymore, which is no error of the thread's.
    go_on.set()
    assert ended.wait(5)


def test_an_answer_that_comes_after_the_caller_has_left_is_dropped() -> None:
    go_on = threading.Event()

    async def leave_early() -> str:
        work = asyncio.create_task(in_own_thread(lambda: go_on.wait(30), name="late"))
        await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        go_on.set()
        return await in_own_thread(lambda: "the loop goes on", name="next")

    assert asyncio.run(leave_early()) == "the loop goes on"
