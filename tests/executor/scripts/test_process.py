"""A script's process before it is there, and after it is gone."""

import asyncio
import sys
from pathlib import Path

import pytest

from executor.loop import WorkerLoop
from executor.scripts.process import ConfinedProcess, ScriptBrokenError, place_for
from tests.executor.conftest import wait_for


def test_one_that_was_not_started_says_so_and_removes_nothing(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    async def speak() -> None:
        async with ConfinedProcess(tmp_path, cpu_seconds=1) as process:
            with pytest.raises(ScriptBrokenError, match="it was not started"):
                await process.send({"kind": "action"})
            with pytest.raises(ScriptBrokenError, match="it was not started"):
                await process.receive()

    worker_loop.submit(speak()).result(10)
    assert tmp_path.is_dir()


@pytest.mark.skipif(sys.platform != "linux", reason="scripts run on Linux only")
def test_one_that_said_more_than_anybody_read_ends_at_once(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    async def leave_unread() -> int | None:
        async with asyncio.timeout(30), ConfinedProcess(await place_for(tmp_path), cpu_seconds=60) as process:
            await process.start()
            script = (
                "async def code_fn(axtree, browser, ctx):\n    while True: ctx._channel.send({'log': 'x' * 10_000})"
            )
            context: dict[str, object] = {"state": {}, "variables": {}, "input_parameters": {}, "unique_parameters": {}}
            await process.send({"script": script, "kind": "extraction", "context": context})
            await asyncio.to_thread(wait_for, lambda: is_full(process))
            child = process._process
        assert child is not None
        return child.returncode

    assert worker_loop.submit(leave_unread()).result(60) is not None


def is_full(process: ConfinedProcess) -> bool:
    """Whether asyncio has stopped to take what comes."""
    assert process._process is not None
    assert process._process.stdout is not None
    return process._process.stdout._paused  # type: ignore[attr-defined, no-any-return]
