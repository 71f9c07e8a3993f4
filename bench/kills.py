"""How soon the next task starts after an idle worker, or the sentinel of the cluster, was killed.

A loop: kill (SIGKILL), submit a task over HTTP, take the time from its commit to its start by the database's clock,
wait until it has ended well. On stock django-q2 the first kill of an idle worker stops the cluster for good.

    .venv/bin/python -m bench.kills [--idle 200] [--sentinel 20] [--workers 2] [--json FILE]
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.acceptance.conftest import Portal, Server, wait_for


@dataclass
class Kills:
    """Of one kind of process: what each pick-up took, in seconds, and what it may take."""

    victim: str
    reach: float
    seconds: list[float] = field(default_factory=list[float])
    problems: list[str] = field(default_factory=list[str])

    @property
    def holds(self) -> bool:
        return not self.problems and all(each <= self.reach for each in self.seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=int, default=200)
    parser.add_argument("--sentinel", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        server = started(stack, options.workers)
        kinds = [
            kill_again_and_again(server, Kills("idle worker", 1.5), options.idle, idle_worker),
            kill_again_and_again(server, Kills("sentinel", 5.0), options.sentinel, Server.sentinel),
        ]
    for each in kinds:
        tell(each)
    if options.json:
        options.json.write_text(json.dumps([vars(each) for each in kinds], indent=2) + "\n")
    return 0 if all(each.holds for each in kinds) else 1


def started(stack: ExitStack, workers: int) -> Server:
    from optexity_site import embedded_db

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="optexity-kills-")))
    portal = Portal(folder)
    stack.callback(portal.stop)
    server = Server(folder, portal)
    stack.callback(embedded_db.delete, folder / "data")
    server.prepare()
    server.start(workers=workers)
    stack.callback(server.stop)
    return server


def idle_worker(server: Server) -> psutil.Process:
    return wait_for(server.idle_workers, seconds=30, what="an idle worker")[0]


def kill_again_and_again(server: Server, kills: Kills, times: int, find: Callable[[Server], psutil.Process]) -> Kills:
    for number in range(times):
        try:
            find(server).kill()
            kills.seconds.append(pick_up_seconds(server, f"{kills.victim}-{number}"))
        except AssertionError as error:
            kills.problems.append(f"kill {number + 1}: {error}")
            if len(kills.problems) > 3:
                break
        if number % 10 == 9:
            print(f"{number + 1} of {times}: {kills.victim}", file=sys.stderr, flush=True)
    return kills


def pick_up_seconds(server: Server, effect: str) -> float:
    task_id = server.submit_effect(effect)
    task = server.ended(task_id)
    assert task["status"] == "success", f"{task['status']}: {task['error']}"
    [(seconds,)] = server.sql(
        "SELECT extract(epoch FROM started_at - created_at)::float FROM inference_task WHERE id = %s", task_id
    )
    return float(seconds)


def tell(kills: Kills) -> None:
    for problem in kills.problems:
        print(f"  FAILED {problem}")
    if kills.seconds:
        print(
            f"{kills.victim}: {len(kills.seconds)} killed, next task after {statistics.median(kills.seconds):.3f} s in "
            f"the median, {percentile(kills.seconds, 99):.3f} s at the 99th percentile, {max(kills.seconds):.3f} s at "
            f"most (reach: {kills.reach:g} s): {'holds' if kills.holds else 'DOES NOT HOLD'}"
        )


def percentile(values: Sequence[float], per_cent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * per_cent // 100)]


if __name__ == "__main__":
    sys.exit(main())
