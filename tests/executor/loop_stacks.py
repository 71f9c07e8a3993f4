"""Where the coroutines on an event loop wait: what a test that ran out of time is asked first."""

import asyncio
from collections.abc import Iterator
from typing import Any

from executor.loop import WorkerLoop

_ANSWER_SECONDS = 10


def loop_stacks(loop: WorkerLoop) -> str:
    """Every task on the loop but the asking one, each with the chain of what it awaits, innermost last."""

    async def collect() -> list[str]:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        return sorted("\n".join((task.get_name(), *_chain(task.get_coro()))) for task in others)

    try:
        return "\n\n".join(loop.submit(collect()).result(_ANSWER_SECONDS))
    except TimeoutError:
        return f"the loop itself gave no answer within {_ANSWER_SECONDS} s"


def _chain(awaited: Any) -> Iterator[str]:
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            yield f"  {awaited!r}"
        else:
            yield f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
