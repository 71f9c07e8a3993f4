"""Faults at random while tasks come in over HTTP, and what became of the tasks.

Submits `--tasks` tasks that each record one effect on the demo portal, and meanwhile kills web processes, pushers,
workers, monitors, sentinels, Chromium and its driver, pauses workers and lets them go on, stops PostgreSQL in its
immediate mode, and fills the file system that the artifacts are on (where this user may mount one). The faults and
the tasks follow from the seed; their interleaving with the machine does not.

Holds when every accepted task has ended, the portal counted every effect at most once and exactly once for every
success, and nothing is left: no lease, no process, no browser profile, no temporary file.

    .venv/bin/python -m bench.chaos --seed 1 [--tasks 500] [--workers 2] [--json FILE]
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests

from tests.acceptance.conftest import Portal, Server, title_of

# Between two faults, in seconds.
PAUSE_BETWEEN_FAULTS = (0.5, 5.5)
# A worker that is paused for longer than its lease (20 s) comes back to a task that is somebody else's.
LONGEST_PAUSE_SECONDS = 26.0
SUBMIT_SECONDS = 120.0
END_SECONDS = 600.0
SMALL_FILE_SYSTEM_MB = 32
FULL_SECONDS = 2.0
MAX_RETRIES = 2


@dataclass
class Report:
    """What was done and what came of it."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter[str])
    accepted: dict[str, str] = field(default_factory=dict[str, str])  # task id -> effect
    answers_lost: int = 0
    problems: list[str] = field(default_factory=list[str])
    unexpected: list[str] = field(default_factory=list[str])  # lines of the log about what ended or failed so
    tried_again: int = 0  # tasks with more than one attempt
    statuses: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the report to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report(options.seed)
    with tempfile.TemporaryDirectory(prefix="optexity-chaos-", ignore_cleanup_errors=True) as folder:
        began = time.monotonic()
        run(Path(folder), options, report)
        report.seconds = time.monotonic() - began
    tell(report, options)
    return 1 if report.problems else 0


def run(folder: Path, options: argparse.Namespace, report: Report) -> None:
    temporary = folder / "tmp"
    temporary.mkdir()
    before = {process.pid for process in psutil.process_iter()}
    with ExitStack() as stack:
        disk = stack.enter_context(small_file_system(folder / "data" / "artifacts"))
        portal = Portal(folder)
        stack.callback(portal.stop)
        # A small file system has less room than workers ask for before they take a task; here they are to meet its end.
        server = Server(folder, portal, TMPDIR=str(temporary), WORKER_MIN_FREE_DISK_MB="0")
        stack.callback(delete_database, server, report)
        server.prepare()
        for name in ("northwind-record-effect", "northwind-slow-effect"):
            allow_retries(server, name)
        server.start(workers=options.workers)
        faults = Faults(server, random.Random(options.seed), report, disk)
        try:
            with faults:
                submit_all(server, random.Random(options.seed + 1), options.tasks, report)
            wait_for_ends(server, report)
            judge(server, portal, report)
        finally:
            server.stop(within=30)
            judge_what_is_left(before, server, temporary, report)


def allow_retries(server: Server, name: str) -> None:
    """So that an attempt that was cut off before its commit point is followed by another, which is where an effect
    could come twice."""
    file = server.folder / f"{name}.json"
    document = {**json.loads(file.read_text()), "max_retries": MAX_RETRIES}
    file.write_text(json.dumps(document))
    server.manage("import_automation", str(file), expect=0)


# --- the tasks -----------------------------------------------------------------------------------------------------


def submit_all(server: Server, chance: random.Random, count: int, report: Report) -> None:
    """One after the other, each until it is accepted: a client that got no answer sends its key again."""
    for number in range(count):
        effect = f"chaos-{report.seed}-{number}"
        name, inputs = "northwind-record-effect", {"id": [effect]}
        if chance.random() < 0.2:
            name, inputs = "northwind-slow-effect", {"id": [effect], "seconds": [f"{chance.uniform(0.2, 3):.1f}"]}
        body = {
            "endpoint_name": name,
            "input_parameters": inputs,
            "unique_parameter_names": ["id"],
            "idempotency_key": effect,
            "priority": chance.choice([None, 1, 2]),
        }
        task_id = submit(server, body, report)
        if task_id is None:
            report.problems.append(f"{effect} was not accepted within {SUBMIT_SECONDS:g} s")
            return
        if task_id in report.accepted:
            report.problems.append(f"{effect} and {report.accepted[task_id]} are one task")
        report.accepted[task_id] = effect
        if number % 25 == 24:
            say(f"{number + 1} of {count} submitted, {sum(report.faults.values())} faults")
        keep_queue_short(server, report)


def submit(server: Server, body: dict[str, Any], report: Report) -> str | None:
    ends_at = time.monotonic() + SUBMIT_SECONDS
    while time.monotonic() < ends_at:
        try:
            answer = requests.post(f"{server.url}/inference", json=body, timeout=20, headers={"x-api-key": server.key})
        except requests.RequestException:
            report.answers_lost += 1
            time.sleep(0.1)
            continue
        if answer.status_code == requests.codes.accepted:
            return str(answer.json()["task_id"])
        if answer.status_code < 500:
            report.problems.append(f"refused with {answer.status_code}: {answer.text[:200]}")
            return None
        time.sleep(0.1)
    return None


def keep_queue_short(server: Server, report: Report) -> None:
    """Faults should meet tasks that run, not a server that only takes them in."""
    if len(report.accepted) % 10:
        return
    with suppress(psycopg.Error):
        while server.sql("SELECT count(*) FROM inference_task WHERE status = 'queued'")[0][0] > 20:
            time.sleep(0.2)


def wait_for_ends(server: Server, report: Report) -> None:
    """Until no accepted task is active anymore."""
    ends_at = time.monotonic() + END_SECONDS
    while time.monotonic() < ends_at:
        with suppress(psycopg.Error):
            active = server.sql("SELECT count(*) FROM inference_task WHERE completed_at IS NULL")[0][0]
            if active == 0:
                return
            say(f"{active} tasks have not ended yet")
        time.sleep(2)
    report.problems.append(f"tasks have not ended within {END_SECONDS:g} s after the last fault")


# --- the faults ----------------------------------------------------------------------------------------------------


class Faults:
    """A thread that does one thing after the other until the block ends; then what was paused goes on."""

    def __init__(self, server: Server, chance: random.Random, report: Report, disk: Path | None) -> None:
        self._server = server
        self._chance = chance
        self._report = report
        self._disk = disk
        self._over = threading.Event()
        self._paused: list[tuple[float, psutil.Process]] = []
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._acts: Sequence[tuple[int, str, Callable[[], bool]]] = (
            (3, "web process killed", lambda: self._kill(self._web_workers())),
            (2, "pusher killed", lambda: self._kill(self._of_cluster("pusher"))),
            (2, "monitor killed", lambda: self._kill(self._of_cluster("monitor"))),
            (4, "idle worker killed", lambda: self._kill(self._workers("idle"))),
            (4, "busy worker killed", lambda: self._kill(self._workers("processing"))),
            (1, "sentinel killed", lambda: self._kill(self._sentinels())),
            (3, "Chromium killed", lambda: self._kill(self._browsers("chrom"))),
            (2, "driver killed", lambda: self._kill(self._browsers("node"))),
            (2, "worker paused", self._pause),
            (1, "PostgreSQL stopped at once", self._stop_database),
            (1, "file system filled", self._fill_disk),
        )

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join(60)
        for _, paused in self._paused:
            with suppress(psutil.Error):
                paused.resume()

    def _run(self) -> None:
        weights = [act[0] for act in self._acts]
        while not self._over.wait(self._chance.uniform(*PAUSE_BETWEEN_FAULTS)):
            self._resume(time.monotonic())
            _, name, act = self._chance.choices(self._acts, weights)[0]
            with suppress(psutil.Error, OSError):
                if act():
                    self._report.faults[name] += 1

    def _kill(self, candidates: list[psutil.Process]) -> bool:
        if not candidates:
            return False
        self._chance.choice(candidates).kill()
        return True

    def _family(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return self._server.family()
        return []

    def _titled(self, *words: str) -> list[psutil.Process]:
        return [each for each in self._family() if all(word in title_of(each) for word in words)]

    def _web_workers(self) -> list[psutil.Process]:
        return self._titled("granian", "worker")

    def _sentinels(self) -> list[psutil.Process]:
        """Those that started a monitor: one per cluster."""
        parents = [each.parent() for each in self._of_cluster("monitor")]
        return [parent for parent in parents if parent is not None]

    def _of_cluster(self, role: str) -> list[psutil.Process]:
        return [each for each in self._family() if title_of(each).endswith(role)]

    def _workers(self, state: str) -> list[psutil.Process]:
        return self._titled("qcluster Process-", f" {state}")

    def _browsers(self, name: str) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for each in self._family():
            with suppress(psutil.Error):
                if name in each.name() and "--type=" not in title_of(each):
                    found.append(each)
        return found

    def _pause(self) -> bool:
        candidates = self._workers("idle") + self._workers("processing")
        if not candidates or self._paused:
            return False
        process = self._chance.choice(candidates)
        process.suspend()
        self._paused.append((time.monotonic() + self._chance.uniform(0.5, LONGEST_PAUSE_SECONDS), process))
        return True

    def _resume(self, now: float) -> None:
        for entry in list(self._paused):
            until, process = entry
            if now >= until:
                self._paused.remove(entry)
                with suppress(psutil.Error):
                    process.resume()

    def _stop_database(self) -> bool:
        """SIGQUIT to the postmaster is its immediate mode: no checkpoint, recovery at the next start."""
        from optexity_site import embedded_db

        pid = embedded_db.status(self._server.folder / "data").pid
        if pid is None:
            return False
        os.kill(pid, signal.SIGQUIT)
        return True

    def _fill_disk(self) -> bool:
        """Fill what is free, for a moment."""
        if self._disk is None:
            return False
        filler = self._disk / "filler"
        with suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        self._over.wait(FULL_SECONDS)
        filler.unlink(missing_ok=True)
        return True


@contextmanager
def small_file_system(folder: Path) -> Iterator[Path | None]:
    """A file system of some megabytes at `folder`; None where this user may not mount one."""
    folder.mkdir(parents=True)
    options = f"size={SMALL_FILE_SYSTEM_MB}m,mode=0755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        say("this user may not mount a file system: that fault is left out")
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


# --- the verdict ---------------------------------------------------------------------------------------------------


def judge(server: Server, portal: Portal, report: Report) -> None:
    rows = server.sql("SELECT id::text, status, error, outcome_unknown, completed_at IS NOT NULL FROM inference_task")
    known = {row[0]: row[1:] for row in rows}
    effects = portal.effects()
    for task_id, effect in report.accepted.items():
        if task_id not in known:
            report.problems.append(f"{effect}: accepted as {task_id}, and no such task exists")
            continue
        status, error, is_unknown, has_ended = known[task_id]
        count = effects.get(effect, 0)
        report.statuses[f"{status}, outcome unknown" if is_unknown else status] += 1
        if error:
            report.errors[error.split(":")[0][:60]] += 1
        if not has_ended:
            report.problems.append(f"{effect}: {status}, not ended")
        if count > 1:
            report.problems.append(f"{effect}: happened {count} times ({status})")
        if status == "success" and count != 1:
            report.problems.append(f"{effect}: success, and it happened {count} times")
    more_than_one = "SELECT count(*) FROM (SELECT FROM inference_attempt GROUP BY task_id HAVING count(*) > 1) AS tasks"
    report.tried_again = server.sql(more_than_one)[0][0]
    for line in server.log.read_text(errors="replace").splitlines():
        if "unexpectedly" in line:
            report.unexpected.append(line[:300])
    if strangers := set(known) - set(report.accepted):
        report.problems.append(f"{len(strangers)} tasks that no client knows")
    leases = server.sql("SELECT count(*) FROM inference_task WHERE lease_owner IS NOT NULL")[0][0]
    slots = server.sql("SELECT count(*) FROM inference_concurrencyslot WHERE running <> 0")[0][0]
    if leases or slots:
        report.problems.append(f"{leases} leases and {slots} slots are still held")


def judge_what_is_left(before: set[int], server: Server, temporary: Path, report: Report) -> None:
    """Processes and files of the server after its end."""
    deadline = time.monotonic() + 10
    while (left := _left_processes(before, server)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        report.problems.append(f"processes are left: {', '.join(title_of(each)[:60] for each in left)}")
    files = [str(path.relative_to(temporary)) for path in temporary.rglob("*") if path.is_file()]
    if files:
        report.problems.append(f"{len(files)} temporary files are left: {', '.join(files[:5])}")


def _left_processes(before: set[int], server: Server) -> list[psutil.Process]:
    """New ones that have this run's folder in their environment, or (web processes write over theirs) its port in
    their title."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        if process.pid in before or process.pid == os.getpid():
            continue
        with suppress(psutil.Error):
            data_dir = process.environ().get("DATA_DIR")
            is_ours = data_dir == str(server.folder / "data") or f":{server.port} " in title_of(process)
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def delete_database(server: Server, report: Report) -> None:
    from optexity_site import embedded_db

    try:
        embedded_db.delete(server.folder / "data")
    except embedded_db.EmbeddedDatabaseError as error:
        report.problems.append(f"the database is left: {error}")


def tell(report: Report, options: argparse.Namespace) -> None:
    print(f"seed {report.seed}: {len(report.accepted)} of {options.tasks} tasks accepted in {report.seconds:.0f} s")
    print(f"  answers that were lost and asked for again: {report.answers_lost}")
    print(f"  tasks with more than one attempt: {report.tried_again}")
    for title, counts in (("faults", report.faults), ("tasks", report.statuses), ("errors", report.errors)):
        print(f"  {title}: {', '.join(f'{count} {name}' for name, count in counts.most_common()) or 'none'}")
    for line in report.unexpected[:20]:
        print(f"  said: {line}")
    for problem in report.problems[:40]:
        print(f"  WRONG: {problem}")
    print("  every promise held" if not report.problems else f"  {len(report.problems)} problems")
    if options.json:
        told = {**vars(report), "faults": dict(report.faults), "statuses": dict(report.statuses)}
        options.json.write_text(json.dumps({**told, "errors": dict(report.errors)}, indent=2) + "\n")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
