"""The database away for a minute, again and again, while tasks come in and run: does it cost one of them?

A server reaches its PostgreSQL over a way that is cut (connections reset, new ones refused) and goes silent (nothing
comes, nothing is closed) in turns. Tasks come in all the time: short ones, and ones that take up to half a minute, so
that an outage meets tasks in every state: while they are submitted, claimed, started, in the middle of their steps,
at their commit point, at their end.

Holds when every accepted task ended with `success` in its first attempt, and the portal counted its effect once.

    .venv/bin/python -m bench.outage [--outages 4] [--seconds 60] [--workers 2] [--json FILE]
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import requests

from tests.acceptance.conftest import Portal, Server
from tests.relay import Relay, postgres_of

KINDS = ("cut", "silent")
# Between two outages: longer than a lease, so that one that costs a task shows by itself.
BETWEEN_SECONDS = 30.0
SUBMIT_EVERY_SECONDS = 1.5
LONGEST_TASK_SECONDS = 30.0
END_SECONDS = 300.0


@dataclass
class Report:
    """What was accepted and what came of it."""

    outages: list[str] = field(default_factory=list[str])
    accepted: dict[str, str] = field(default_factory=dict[str, str])  # task id -> effect
    met: Counter[str] = field(default_factory=Counter[str])  # states of tasks when an outage began
    refused: int = 0
    statuses: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outages", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report()
    with ExitStack() as stack:
        run(stack, options, report)
    tell(report)
    if options.json:
        options.json.write_text(json.dumps(vars(report), indent=2) + "\n")
    return 1 if report.problems else 0


def run(stack: ExitStack, options: argparse.Namespace, report: Report) -> None:
    from optexity_site import embedded_db

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="optexity-outage-")))
    data_dir = folder / "data"
    portal = Portal(folder)
    stack.callback(portal.stop)
    stack.callback(embedded_db.delete, data_dir)
    embedded_db.acquire(data_dir)  # the server below does not know that it is embedded
    stack.callback(embedded_db.release, data_dir)
    to = embedded_db.connection_parameters(data_dir)
    way = Relay(postgres_of(to))
    way.mend()
    stack.callback(way.cut)
    server = Server(folder, portal, DATABASE_URL=address(to, way.port))
    server.prepare()
    server.start(workers=options.workers)
    stack.callback(server.stop, within=30)
    over = threading.Event()
    client = threading.Thread(target=submit_until, args=(over, server, report), name="client")
    client.start()
    try:
        for number in range(options.outages):
            time.sleep(BETWEEN_SECONDS)
            break_way(way, KINDS[number % len(KINDS)], options.seconds, server, report)
    finally:
        over.set()
        client.join()
    judge(server, portal, report)


def address(to: Mapping[str, object], port: int) -> str:
    user, password, name = (quote(str(to[part]), safe="") for part in ("USER", "PASSWORD", "NAME"))
    return f"postgresql://{user}:{password}@/{name}?{urlencode({'host': '127.0.0.1', 'port': port})}"


def break_way(way: Relay, kind: str, seconds: float, server: Server, report: Report) -> None:
    for (status,) in server.sql("SELECT status FROM inference_task WHERE completed_at IS NULL"):
        report.met[status] += 1
    say(f"{kind} for {seconds:g} s; {len(report.accepted)} tasks accepted so far")
    if kind == "cut":
        way.cut()
    else:
        way.hold()
    time.sleep(seconds)
    way.mend()
    report.outages.append(kind)


def submit_until(over: threading.Event, server: Server, report: Report) -> None:
    """One task after the other, each until it is accepted."""
    chance = random.Random(1)
    number = 0
    while not over.wait(SUBMIT_EVERY_SECONDS):
        effect = f"outage-{number}"
        seconds = chance.uniform(0.2, LONGEST_TASK_SECONDS) if number % 8 == 0 else 0.1
        body = {
            "endpoint_name": "northwind-slow-effect",
            "input_parameters": {"id": [effect], "seconds": [f"{seconds:.1f}"]},
            "idempotency_key": effect,
        }
        task_id = submit(server, body, report)
        if task_id is None:
            report.problems.append(f"{effect} was not accepted")
            return
        report.accepted[task_id] = effect
        number += 1


def submit(server: Server, body: Mapping[str, object], report: Report) -> str | None:
    ends_at = time.monotonic() + END_SECONDS
    while time.monotonic() < ends_at:
        with suppress(requests.RequestException):
            answer = requests.post(f"{server.url}/inference", json=body, timeout=90, headers={"x-api-key": server.key})
            if answer.status_code == requests.codes.accepted:
                return str(answer.json()["task_id"])
            if answer.status_code != requests.codes.service_unavailable:
                report.problems.append(f"answered {answer.status_code}: {answer.text[:200]}")
        report.refused += 1
        time.sleep(0.5)
    return None


def judge(server: Server, portal: Portal, report: Report) -> None:
    ends_at = time.monotonic() + END_SECONDS
    while time.monotonic() < ends_at:
        with suppress(psycopg.Error):
            if not server.sql("SELECT 1 FROM inference_task WHERE completed_at IS NULL LIMIT 1"):
                break
        time.sleep(1)
    effects = portal.effects()
    rows = server.sql(
        "SELECT t.id::text, t.status, t.error,"
        " (SELECT count(*) FROM inference_attempt a WHERE a.task_id = t.id) FROM inference_task t"
    )
    known = {row[0]: row[1:] for row in rows}
    for task_id, effect in report.accepted.items():
        status, error, attempts = known.get(task_id, ("gone", None, 0))
        report.statuses[status] += 1
        if (status, attempts, effects.get(effect, 0)) != ("success", 1, 1):
            happened = effects.get(effect, 0)
            report.problems.append(f"{effect}: {status} ({error}), {attempts} attempts, happened {happened} times")
    if strangers := set(known) - set(report.accepted):
        report.problems.append(f"{len(strangers)} tasks that no client knows")


def tell(report: Report) -> None:
    met = ", ".join(f"{count} {status}" for status, count in report.met.most_common())
    ended = ", ".join(f"{count} {status}" for status, count in report.statuses.most_common())
    print(f"{len(report.outages)} outages ({', '.join(report.outages)}); active tasks when they began: {met or 'none'}")
    print(f"{len(report.accepted)} tasks accepted ({report.refused} requests sent again): {ended}")
    for problem in report.problems[:40]:
        print(f"  WRONG: {problem}")
    print("no task was lost or tried again" if not report.problems else f"{len(report.problems)} problems")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
