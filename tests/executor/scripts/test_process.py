"""A script's process before it is there, and after it is gone."""

from pathlib import Path

import pytest

from executor.loop import WorkerLoop
from executor.scripts.process import ConfinedProcess, ScriptBrokenError


def test_one_that_was_not_started_says_so_and_removes_nothing(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    async def speak() -> None:
        async with ConfinedProcess(tmp_path, cpu_seconds=1) as process:
            with pytest.raises(ScriptBrokenError, match="it was not started"):
                await process.send({"kind": "action"})
            with pytest.raises(ScriptBrokenError, match="it was not started"):
                await process.receive()

    worker_loop.submit(speak()).result(10)
    assert tmp_path.is_dir()
