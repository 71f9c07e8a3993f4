"""Limits and shares under load: many tasks, 40 logins, four hosts; then the events are judged.

Three automations are limited per login / as a whole: 1/1 and 2/5 by an operator, 3/8 by the requests. Four keys send
70, 20, 9 and 1 of 100 tasks, the largest first, before anybody works. Then the workers of four hosts (processes)
claim, start and finish by the services that real workers call; only the browser is replaced by a short wait. Some
claims are given back, some attempts fail and are tried again.

From the rows of TaskEvent alone it is told whether a limit was exceeded at any instant, whether every task ran to its
end, and how long the last task of the smallest submitter waited beside its fair share: what it would have waited if
each automation had gone round the keys.

    .venv/bin/python -m bench.limits [--tasks 10000] [--workers 4] [--json FILE]
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

HOSTS = 4
LOGINS = 40
# Per login / whole automation.
LIMITS = ((1, 1), (2, 5), (3, 8))
# Of 100 tasks, by submitter.
SHARES = (70, 20, 9, 1)
REACH = 2.0
LOOK_SECONDS = 0.1
LEASED = ("allocated", "running")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=4, help="of each host")
    parser.add_argument("--run-ms", type=float, default=5, help="a fake run takes half to one and a half of it")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="bench-limits-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary))
        os.environ |= {
            "DATA_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "optexity_site.settings",
            "LOG_LEVEL": "ERROR",
        }
        from optexity_site import embedded_db

        embedded_db.acquire(folder)
        stack.callback(embedded_db.delete, folder)
        stack.callback(embedded_db.release, folder)
        import django
        from django.core.management import call_command
        from django.db import connection

        django.setup()
        stack.callback(connection.close)
        call_command("migrate", verbosity=0)
        plan = lay_out(options.tasks)
        print(f"{options.tasks} tasks sent, {HOSTS} hosts of {options.workers} workers begin", flush=True)
        connection.close()
        began = time.monotonic()
        work_in_processes(options.workers, options.run_ms / 1000)
        took = time.monotonic() - began
        findings = judge(plan)
    return report(findings, took, options)


@dataclass(frozen=True)
class Plan:
    """What was sent: the limits by slot key, and the number of tasks by sharer, the smallest submitter's last."""

    limits: dict[str, int]
    sent: dict[str, int]


def lay_out(tasks: int, *, shares: Sequence[int] = SHARES, seed: int = 7) -> Plan:
    """Automations, keys, and `tasks` dedicated tasks in the queue, sent by the service that the API calls."""
    from inference.models import Automation, AutomationVersion, Scope, sharer_of_key
    from inference.queue_state import automation_key
    from inference.services.api_keys import create_api_key
    from inference.services.submit import submit_task

    dice = random.Random(seed)
    limits: dict[str, int] = {}
    names = []
    for per_login, whole in LIMITS:
        is_operators = (per_login, whole) != LIMITS[-1]
        name = f"limited-{per_login}-{whole}"
        automation = Automation.objects.create(
            endpoint_name=name,
            max_parallelism=whole if is_operators else None,
            per_login_parallelism=per_login if is_operators else None,
        )
        AutomationVersion.objects.create(
            automation=automation, number=1, document={}, input_names=["login"], max_retries=1
        )
        limits[automation_key(automation.pk)] = whole
        names.append((name, automation.pk, per_login, whole, is_operators))
    sent: dict[str, int] = {}
    for share in sorted(shares, reverse=True):
        key, _ = create_api_key(name=f"{share} %", scopes=[Scope.SUBMIT], actor="bench")
        count = max(3, round(tasks * share / sum(shares)))
        sent[sharer_of_key(key.pk)] = count
        for _ in range(count):
            login = dice.randrange(LOGINS)
            name, _, per_login, whole, is_operators = names[login % len(names)]
            own = {} if is_operators else {"max_parallelism": whole, "per_login_parallelism": per_login}
            submit_task(
                endpoint_name=name,
                input_parameters={"login": [f"login {login}"]},
                unique_parameter_names=["login"],
                is_dedicated=True,
                api_key=key,
                **own,
            )
    return Plan(limits, sent)


def work_in_processes(workers: int, run_seconds: float) -> None:
    """The hosts, each a process."""
    fresh = multiprocessing.get_context("spawn")
    hosts = [fresh.Process(target=_host, args=(number, workers, run_seconds)) for number in range(HOSTS)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    if any(host.exitcode for host in hosts):
        raise RuntimeError("a host ended with an error")


def _host(number: int, workers: int, run_seconds: float) -> None:
    import django

    django.setup()
    work_in_threads([f"host-{number}"], workers, run_seconds)


def work_in_threads(hosts: Sequence[str], workers: int, run_seconds: float) -> None:
    """`workers` threads for each of `hosts`, until nothing is left to do."""
    names = [(host, number) for host in hosts for number in range(workers)]
    with ThreadPoolExecutor(len(names)) as pool:
        for each in [pool.submit(_work, host, number, run_seconds) for host, number in names]:
            each.result()


def _work(host: str, number: int, run_seconds: float) -> None:
    """What a worker does, with a wait where it has a browser."""
    from django.db import connection

    from executor.claim import claim_task
    from inference.models import Task, TaskStatus
    from inference.services import transitions
    from inference.services.transitions import AttemptEnd

    dice = random.Random(f"{host}/{number}")
    cause = {"kind": "worker", "id": f"{host}/{number}/1"}
    waits = threading.Event()
    try:
        while True:
            claimed = claim_task(owner=f"{host}/{number}/1", host=host, lease_seconds=60)
            if claimed is None:
                if not Task.objects.filter(status__in=("queued", *LEASED)).exists():
                    return
                waits.wait(LOOK_SECONDS)
                continue
            task_id, token = claimed[:2]
            if dice.random() < 0.01:
                transitions.give_back(task_id, token, cause=cause)
                continue
            transitions.start_attempt(task_id, token)
            waits.wait(run_seconds * dice.uniform(0.5, 1.5))
            end = AttemptEnd(status=TaskStatus.SUCCESS, cause=cause)
            if dice.random() < 0.01:
                # An interruption: tried again at once, and no retry is used up.
                end = AttemptEnd(
                    status=TaskStatus.FAILED, cause=cause, error="interrupted", may_retry=True, counts=False
                )
            transitions.finish_attempt(task_id, token, end)
    finally:
        connection.close()


@dataclass
class Findings:
    """What the events say. `most` is the largest number of tasks at one instant under each limit."""

    limits: dict[str, int]
    most: Counter[str] = field(default_factory=Counter)
    unfinished: int = 0
    waits: dict[str, list[float]] = field(default_factory=dict)
    last_wait: float = 0.0
    fair_wait: float = 0.0

    @property
    def exceeded(self) -> dict[str, int]:
        return {key: count for key, count in self.most.items() if count > self.limits[key]}

    @property
    def ratio(self) -> float:
        return self.last_wait / self.fair_wait


def judge(plan: Plan) -> Findings:
    """Go through the events of all tasks in the order of their instants."""
    from inference.models import Task, TaskEvent
    from inference.queue_state import automation_key, login_key

    limits = dict(plan.limits)
    keys: dict[Any, tuple[str, str]] = {}
    sharers: dict[Any, str] = {}
    per_login = {whole: login for login, whole in LIMITS}
    for task_id, automation_id, dedup_hash, sharer in Task.objects.values_list(
        "id", "automation_id", "dedup_hash", "sharer"
    ):
        whole, login = automation_key(automation_id), login_key(automation_id, dedup_hash)
        limits[login] = per_login[limits[whole]]
        keys[task_id], sharers[task_id] = (whole, login), sharer
    findings = Findings(limits)
    now: Counter[str] = Counter()
    holds: set[Any] = set()
    status: dict[Any, str] = {}
    started: dict[Any, datetime] = {}
    ends: list[tuple[datetime, Any]] = []
    # At one and the same instant, what gives a place back comes first: it was committed before the claim looked.
    events = TaskEvent.objects.filter(kind="status").values_list("at", "id", "task_id", "status")
    for at, _, task_id, new in sorted(events, key=lambda event: (event[0], event[3] in LEASED, event[1])):
        status[task_id] = str(new)
        if new == "allocated":
            holds.add(task_id)
            started[task_id] = at
            for key in keys[task_id]:
                now[key] += 1
                findings.most[key] = max(findings.most[key], now[key])
        elif new != "running" and task_id in holds:
            holds.discard(task_id)
            for key in keys[task_id]:
                now[key] -= 1
            if new == "success":
                ends.append((at, task_id))
    findings.unfinished = sum(each != "success" for each in status.values())
    _judge_waits(findings, plan, started, ends, keys, sharers)
    return findings


def _judge_waits(
    findings: Findings,
    plan: Plan,
    started: dict[Any, datetime],
    ends: list[tuple[datetime, Any]],
    keys: dict[Any, tuple[str, str]],
    sharers: dict[Any, str],
) -> None:
    """Waits count from the first claim of all. The fair share of the smallest submitter is what each automation's own
    pace, measured until its last start, gives one key of all."""
    begin = min(started.values())
    waits: dict[str, list[float]] = defaultdict(list)
    for task_id, at in started.items():
        waits[sharers[task_id]].append((at - begin).total_seconds())
    findings.waits = {sharer: sorted(found) for sharer, found in waits.items()}
    smallest = min(plan.sent, key=lambda sharer: plan.sent[sharer])
    findings.last_wait = max(findings.waits.get(smallest, [0.0]))
    mine = Counter(keys[task_id][0] for task_id in started if sharers[task_id] == smallest)
    for whole, count in mine.items():
        done = sum(
            keys[task_id][0] == whole and (at - begin).total_seconds() <= findings.last_wait for at, task_id in ends
        )
        pace = max(1, done) / findings.last_wait
        findings.fair_wait = max(findings.fair_wait, count * len(plan.sent) / pace)


def report(findings: Findings, took: float, options: argparse.Namespace) -> int:
    wholes = {key: count for key, count in findings.most.items() if key.startswith("automation")}
    logins = Counter(findings.most[key] for key in findings.most if key.startswith("login"))
    print(f"{options.tasks} tasks in {took:.1f} s, {options.tasks / took:.0f} per second")
    for key, count in sorted(wholes.items()):
        print(f"  {key}: at most {count} at one instant, limit {findings.limits[key]}")
    print(f"  logins: at most {', '.join(f'{most} (of {many})' for most, many in sorted(logins.items()))}")
    for sharer, waits in sorted(findings.waits.items()):
        print(f"  {sharer}: {len(waits)} tasks, the last began after {waits[-1]:.1f} s")
    print(f"limits exceeded: {len(findings.exceeded)}; not ended well: {findings.unfinished}")
    print(
        f"the smallest submitter's last task waited {findings.last_wait:.1f} s, {findings.ratio:.2f} of its fair share "
        f"(reach: {REACH:.0f})"
    )
    if options.json:
        figures = {
            "seconds": took,
            "most": wholes,
            "exceeded": findings.exceeded,
            "unfinished": findings.unfinished,
            "last_wait_seconds": findings.last_wait,
            "fair_wait_seconds": findings.fair_wait,
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if not findings.exceeded and not findings.unfinished and findings.ratio <= REACH else 1


if __name__ == "__main__":
    sys.exit(main())
