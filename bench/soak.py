"""The shape of an hour in ten minutes: does anything grow that should not?

A server with two workers gets, phase after phase, a steady flow, bursts, duplicates, tasks that fail, tasks that are
cancelled, requests that wait for an end, and nothing at all. Every few seconds each of its processes is looked at:
memory, open files, threads; and the connections of the database, zombies, temporary files.

Holds when the memory of each process is flat after the warm-up (less than 1 MB for 100 tasks, as the median slope
between all pairs of looks), there is no zombie, and as many connections at the end as after the warm-up. Ends in a
plot. Browsers and drivers are replaced by the server as they wear out, here after BROWSER_TASKS, so that ten minutes
have as many generations as an hour: of them the largest of each look is followed through all generations.

    .venv/bin/python -m bench.soak [--minutes 10] [--plot FILE.svg] [--json FILE]
"""

import argparse
import json
import math
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil
import psycopg
import requests

from bench.plot import Line, Panel, write_plot
from tests.acceptance.conftest import Portal, Server, title_of

LOOK_EVERY_SECONDS = 3.0
# Caches fill, pools open, the browser's first pages are its dearest.
WARM_UP_SHARE = 0.3
MOST_MB_PER_100_TASKS = 1.0
# A process that was there for fewer looks than this, or fewer tasks, says nothing about growth.
FEWEST_LOOKS = 20
FEWEST_TASKS = 100
WORKERS = 2
BROWSER_TASKS = 50
# Renderers come and go with each task.
REPLACED_ROLES = ("Chromium", "Chromium's gpu-process", "Chromium's utility", "Chromium's zygote", "driver")
MB = 1024 * 1024


@dataclass
class Look:
    """What was there at one instant; sizes in MB by process (`role pid`)."""

    second: float
    tasks: int
    memory: dict[str, float]
    files: int
    processes: int
    zombies: list[int]
    connections: int
    temporary: int


@dataclass
class Run:
    """A soak: what was looked at, and what became of the tasks."""

    looks: list[Look] = field(default_factory=list[Look])
    answers: Counter[str] = field(default_factory=Counter[str])
    statuses: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])
    slopes: dict[str, float] = field(default_factory=dict[str, float])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--plot", type=Path, default=Path("soak.svg"))
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run = Run()
    with ExitStack() as stack:
        server = started(stack)
        observer = Observer(server, run)
        with observer:
            submit_all(server, options.minutes * 60, run)
            wait_until_idle(server, run)
        run.statuses.update(dict(server.sql("SELECT status, count(*) FROM inference_task GROUP BY status")))
    judge(run)
    tell(run)
    write_plot(options.plot, panels(run))
    print(f"  plot: {options.plot}")
    if options.json:
        options.json.write_text(json.dumps({**vars(run), "looks": [vars(look) for look in run.looks]}, indent=1) + "\n")
    return 1 if run.problems else 0


def started(stack: ExitStack) -> Server:
    from optexity_site import embedded_db

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="optexity-soak-", ignore_cleanup_errors=True)))
    (folder / "tmp").mkdir()
    portal = Portal(folder)
    stack.callback(portal.stop)
    server = Server(folder, portal, TMPDIR=str(folder / "tmp"), BROWSER_MAX_TASKS=str(BROWSER_TASKS))
    stack.callback(embedded_db.delete, folder / "data")
    server.prepare()
    server.start(workers=WORKERS)
    stack.callback(server.stop, within=30)
    return server


# --- the hour ------------------------------------------------------------------------------------------------------


def submit_all(server: Server, seconds: float, run: Run) -> None:
    """Six phases of equal length; a third of an hour's calm is left out, the rest is as dense as two workers bear."""
    phases: Sequence[tuple[str, Callable[[Submitter], object]]] = (
        ("a steady flow", lambda submitter: submitter.one()),
        ("bursts", lambda submitter: submitter.burst()),
        ("duplicates", lambda submitter: submitter.duplicates()),
        ("failures and cancellations", lambda submitter: submitter.trouble()),
        ("requests that wait", lambda submitter: submitter.waiting()),
        ("a steady flow again", lambda submitter: submitter.one()),
    )
    submitter = Submitter(server, run)
    # What opens a connection when it is first asked for belongs to the warm-up.
    submitter.burst()
    submitter.waiting()
    for name, act in phases:
        print(f"{name}, for {seconds / len(phases):.0f} s", file=sys.stderr, flush=True)
        ends_at = time.monotonic() + seconds / len(phases)
        while time.monotonic() < ends_at:
            submitter.keep_short()
            act(submitter)


class Submitter:
    """A client that goes on after what it sent has got an answer."""

    def __init__(self, server: Server, run: Run) -> None:
        self._server = server
        self._run = run
        self._chance = random.Random(1)
        self._number = 0

    def one(self) -> str:
        return self._submit(self._effect())

    def burst(self) -> None:
        for _ in range(12):
            self.one()

    def duplicates(self) -> None:
        effect = self._effect()
        if len({self._submit(effect) for _ in range(3)}) != 1:
            # Where the first had ended before the third came, that is a task of its own.
            self._run.answers["submitted again after its end"] += 1

    def trouble(self) -> None:
        self._submit("", endpoint="northwind-record-effect", unknown="x")
        task_id = self._submit(self._effect(), seconds=5)
        requests.post(f"{self._server.url}/api/v1/tasks/{task_id}/cancel", headers=self._headers(), timeout=20)
        self.one()

    def waiting(self) -> None:
        task_id = self.one()
        with suppress(requests.RequestException):
            self._server.task(task_id, wait=20)
        for path in ("tasks", f"tasks/{task_id}/steps", f"tasks/{task_id}/artifacts"):
            requests.get(f"{self._server.url}/api/v1/{path}", headers=self._headers(), timeout=20)

    def keep_short(self) -> None:
        """Not more in line than two workers do in some seconds."""
        while self._server.sql("SELECT count(*) FROM inference_task WHERE status = 'queued'")[0][0] > 6:
            time.sleep(0.2)

    def _effect(self) -> str:
        self._number += 1
        return f"soak-{self._number}-{self._chance.randrange(10**6)}"

    def _headers(self) -> dict[str, str]:
        return {"x-api-key": self._server.key}

    def _submit(self, effect: str, *, seconds: float | None = None, endpoint: str = "", **extra: str) -> str:
        name = endpoint or ("northwind-record-effect" if seconds is None else "northwind-slow-effect")
        inputs: dict[str, list[str]] = {"id": [effect], **{key: [value] for key, value in extra.items()}}
        if seconds is not None:
            inputs["seconds"] = [str(seconds)]
        answer = self._server.submit(name, input_parameters=inputs, unique_parameter_names=["id"])
        self._run.answers[str(answer.status_code)] += 1
        return str(answer.json().get("task_id", ""))


def wait_until_idle(server: Server, run: Run) -> None:
    ends_at = time.monotonic() + 120
    while server.sql("SELECT count(*) FROM inference_task WHERE completed_at IS NULL")[0][0]:
        if time.monotonic() > ends_at:
            run.problems.append("tasks have not ended two minutes after the last one was sent")
            return
        time.sleep(0.5)


# --- looking -------------------------------------------------------------------------------------------------------


class Observer:
    """A thread that looks every few seconds until the block ends."""

    def __init__(self, server: Server, run: Run) -> None:
        self._server = server
        self._run = run
        self._over = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="looks", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join(30)

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_SECONDS):
            with suppress(psycopg.Error):
                self._run.looks.append(self._look())

    def _look(self) -> Look:
        memory: dict[str, float] = {}
        files = 0
        zombies: list[int] = []
        family = self._server.family()
        for process in family:
            with suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    zombies.append(process.pid)
                    continue
                memory[f"{role_of(process)} {process.pid}"] = process.memory_info().rss / MB
                files += process.num_fds()
        [(tasks, connections)] = self._server.sql(
            "SELECT (SELECT count(*) FROM inference_task WHERE completed_at IS NOT NULL),"
            # Not this one.
            " (SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend')"
        )
        return Look(
            second=time.monotonic() - self._began,
            tasks=tasks,
            memory=memory,
            files=files,
            processes=len(family),
            zombies=zombies,
            connections=connections,
            temporary=sum(1 for path in (self._server.folder / "tmp").rglob("*") if path.is_file()),
        )


def cluster_role(title: str) -> str:
    """What a process of django-q2 is, by the title that it gives itself."""
    if "MainProcess" in title:
        return "command or sentinel"
    return next((role for role in ("pusher", "monitor") if title.endswith(role)), "worker")


def role_of(process: psutil.Process) -> str:
    """What a process is for, by its title."""
    title = title_of(process)
    if title.startswith("qcluster"):
        return f"cluster's {cluster_role(title)}"
    if "granian" in title:
        return "web"
    if "--type=" in title:
        return f"Chromium's {title.partition('--type=')[2].split()[0]}"
    if process.name().startswith("chrom"):
        return "Chromium"
    if process.name().startswith("node"):
        return "driver"
    return "serve" if "manage.py" in title else process.name()


# --- the verdict ---------------------------------------------------------------------------------------------------


def judge(run: Run) -> None:
    looks = run.looks[math.ceil(len(run.looks) * WARM_UP_SHARE) :]
    if len(looks) < FEWEST_LOOKS:
        run.problems.append(f"only {len(looks)} looks after the warm-up: take more minutes")
        return
    by_process: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for look in looks:
        largest: dict[str, float] = defaultdict(float)
        for name, size in look.memory.items():
            role = name.rpartition(" ")[0]
            if role in REPLACED_ROLES:
                largest[role] = max(largest[role], size)
            else:
                by_process[name].append((look.tasks, size))
        for role, size in largest.items():
            by_process[f"{role}, the largest"].append((look.tasks, size))
    for name, points in sorted(by_process.items()):
        if len(points) >= FEWEST_LOOKS and points[-1][0] - points[0][0] >= FEWEST_TASKS:
            run.slopes[name] = 100 * median_slope(points)
    if not run.slopes:
        run.problems.append(f"no process was there for {FEWEST_TASKS} tasks: take more minutes")
    for name, slope in run.slopes.items():
        if slope >= MOST_MB_PER_100_TASKS:
            run.problems.append(f"{name} grows by {slope:.2f} MB in 100 tasks")
    # A child that has ended is one until its parent looks, a moment later.
    if zombies := {pid for one, next_one in pairwise(looks) for pid in set(one.zombies) & set(next_one.zombies)}:
        run.problems.append(f"zombies that stay: {sorted(zombies)}")
    first, last = (round(statistics.median(look.connections for look in part)) for part in (looks[:5], looks[-5:]))
    if last > first:
        run.problems.append(f"{first} connections after the warm-up, {last} at the end")
    if looks[-1].files > 1.2 * looks[0].files:
        run.problems.append(f"{looks[0].files} open files after the warm-up, {looks[-1].files} at the end")


def median_slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs (Theil and Sen): what comes and goes does not count."""
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for index, earlier in enumerate(points)
        for later in points[index + 1 :]
        if later[0] > earlier[0]
    ]
    return statistics.median(slopes) if slopes else 0.0


def tell(run: Run) -> None:
    minutes = run.looks[-1].second / 60 if run.looks else 0
    print(f"{minutes:.1f} minutes, {run.looks[-1].tasks if run.looks else 0} tasks ended, {len(run.looks)} looks")
    print(f"  answers: {dict(run.answers)}; tasks: {dict(run.statuses)}")
    for name, slope in run.slopes.items():
        print(f"  {name:32} {slope:+6.2f} MB in 100 tasks")
    if run.looks:
        last = run.looks[-1]
        print(
            f"  at the end: {last.processes} processes, {len(last.zombies)} zombies, {last.connections} connections, "
            f"{last.files} open files, {last.temporary} temporary files"
        )
    for problem in run.problems:
        print(f"  WRONG: {problem}")
    print("  nothing grows" if not run.problems else f"  {len(run.problems)} problems")


def panels(run: Run) -> list[Panel]:
    seconds = [look.second for look in run.looks]
    roles = sorted({name.rpartition(" ")[0] for look in run.looks for name in look.memory})
    memory = [
        Line(
            role,
            [sum(size for name, size in look.memory.items() if name.rpartition(" ")[0] == role) for look in run.looks],
        )
        for role in roles
    ]
    counts: tuple[tuple[str, Callable[[Look], float]], ...] = (
        ("processes", lambda look: look.processes),
        ("connections", lambda look: look.connections),
        ("zombies", lambda look: len(look.zombies)),
        ("temporary files", lambda look: look.temporary),
    )
    return [
        Panel("Memory by role, MB", seconds, memory),
        Panel("Counts", seconds, [Line(name, [read(look) for look in run.looks]) for name, read in counts]),
        Panel("Open files", seconds, [Line("open files", [look.files for look in run.looks])]),
        Panel("Tasks that have ended", seconds, [Line("tasks", [look.tasks for look in run.looks])]),
    ]


if __name__ == "__main__":
    sys.exit(main())
