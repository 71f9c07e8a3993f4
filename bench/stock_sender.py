"""The sending side of the stock measurement: reads a number of tasks from stdin, answers with their waits (ms).

A process of its own, since Django has one settings module per process.
"""

import json
import os
import sys
import time
import uuid
from pathlib import Path

import django

from bench.pickup import pause_before_sending

TASK_SECONDS = 30.0


def main() -> None:
    django.setup()
    from django_q.tasks import async_task

    folder = Path(os.environ["BENCH_MARKS"])
    for line in sys.stdin:
        waits = []
        for _ in range(int(line)):
            name = uuid.uuid4().hex
            pause_before_sending()
            async_task("bench.stock_task.note_start", name)
            committed_at = time.time()
            waits.append((_started_at(folder / name) - committed_at) * 1000)
        sys.stdout.write(json.dumps(waits) + "\n")
        sys.stdout.flush()


def _started_at(mark: Path) -> float:
    ends_at = time.monotonic() + TASK_SECONDS
    while not mark.exists():
        if time.monotonic() > ends_at:
            raise TimeoutError("the stock cluster did not run a package")
        time.sleep(0.005)
    started_at = float(mark.read_text())
    mark.unlink()
    return started_at


if __name__ == "__main__":
    main()
