"""What one `POST /api/v1/inference` costs: key, validation, merging of duplicates, and a commit that is on disk.

Beside two references of the same run: the same web server answering a constant, and the bare INSERT of the same row
with its indexes, triggers and notifications, by psycopg on 8 connections of one process. One after the other in
several rounds, since a shared machine is not the same from minute to minute; the median of the rounds is told.

    .venv/bin/python -m bench.api [--seconds 5] [--rounds 3] [--json FILE] [--compare]

`--compare` measures other ways to set the server up, beside each other: web processes, connections, batches of the
express lane that are stored side by side, and every submission through Django and REST framework's serializer.
"""

import argparse
import itertools
import json
import os
import signal
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from bench.load import Load, request, send
from bench.web import Web, free_port, start, stop, wait_until_ready, web

CONCURRENCIES = (1, 8, 64)
INSERT_CONNECTIONS = 8
# What the server of the original project answers per second on such a machine.
ORIGINAL_PER_SECOND = 54
REACH_OF_INSERT, REACH_OF_ORIGINAL = 0.25, 20
# Web processes and environment; the first is what the product does.
WAYS: dict[str, tuple[int, dict[str, str]]] = {
    "1 process, 1 batch at a time": (1, {}),
    "1 process, 2 batches side by side": (1, {"BENCH_LANE": "2"}),
    "1 process, 4 connections": (1, {"DATABASE_POOL_SIZE": "4"}),
    "2 processes, 1 batch at a time": (2, {}),
    "1 process, Django and serializer for each": (1, {"BENCH_LANE": "off"}),
    "2 processes, Django and serializer for each": (2, {"BENCH_LANE": "off"}),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--compare", action="store_true", help="other numbers of processes, connections, batches")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.compare:
        return compare(options)
    found: dict[str, list[Load]] = {}
    with web() as server:
        constant_port = free_port()
        constant = start("bench.constant_app:application", constant_port, dict(os.environ))
        try:
            wait_until_ready(constant_port, constant)
            for _ in range(options.rounds):
                measure(server, constant_port, options.seconds, found)
        finally:
            stop(constant)
    return tell(found, options)


def compare(options: argparse.Namespace) -> int:
    """Each way on a database of its own; the median of the rounds, which take turns."""
    found: dict[tuple[str, int], list[Load]] = {}
    for _ in range(options.rounds):
        for name, (processes, variables) in WAYS.items():
            with web(processes=processes, application="bench.submission_app:application", **variables) as server:
                for count in CONCURRENCIES:
                    load = send(server.port, a_submission(server.key), connections=count, seconds=options.seconds)
                    found.setdefault((name, count), []).append(load)
    print(f"{'per second (99 % in ms)':46}" + "".join(f"{f'{count} at a time':>18}" for count in CONCURRENCIES))
    for name in WAYS:
        cells = [
            f"{statistics.median(load.per_second for load in found[name, count]):.0f}"
            f" ({statistics.median(load.percentile(99) for load in found[name, count]):.1f})"
            for count in CONCURRENCIES
        ]
        print(f"{name:46}" + "".join(f"{cell:>18}" for cell in cells))
    return 0


def measure(server: Web, constant_port: int, seconds: float, found: dict[str, list[Load]]) -> None:
    for count in CONCURRENCIES:
        post = send(server.port, a_submission(server.key), connections=count, seconds=seconds)
        found.setdefault(f"POST, {count} at a time", []).append(post)
        constant = send(constant_port, a_submission(server.key), connections=count, seconds=seconds)
        found.setdefault(f"constant, {count} at a time", []).append(constant)
    found.setdefault(f"bare INSERT, {INSERT_CONNECTIONS} connections", []).append(insert(server, seconds))


def a_submission(key: str) -> Callable[[], bytes]:
    """The next submission, each for another claim."""
    numbers = itertools.count()
    run = uuid.uuid4().hex

    def make() -> bytes:
        body = {
            "endpoint_name": "bench",
            "input_parameters": {"claim": [f"{run}-{next(numbers)}"]},
            "unique_parameter_names": ["claim"],
        }
        return request("POST", "/api/v1/inference", key=key, body=json.dumps(body).encode())

    return make


def insert(server: Web, seconds: float) -> Load:
    """The row of a submission again and again, under new ids and keys."""
    with server.connect() as connection:
        columns = connection.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_name = 'inference_task' AND is_generated = 'NEVER' ORDER BY ordinal_position"
        ).fetchall()
        model = connection.execute("SELECT id FROM inference_task LIMIT 1").fetchone()
    names = [name for (name,) in columns]
    made = {"id": uuid.uuid4, "dedup_key": lambda: uuid.uuid4().hex, "dedup_hash": lambda: uuid.uuid4().hex * 2}
    new = [name for name in names if name in made]
    statement = f"""
        INSERT INTO inference_task ({", ".join(names)})
        SELECT {", ".join("%s" if name in made else name for name in names)} FROM inference_task WHERE id = %s
    """  # noqa: S608 - names of our own columns
    load = Load(seconds)
    ends_at = time.perf_counter() + seconds
    lock = threading.Lock()

    def one() -> None:
        took: list[float] = []
        with server.connect() as connection:
            connection.autocommit = True
            while (began := time.perf_counter()) < ends_at:
                connection.execute(statement, [*(made[name]() for name in new), *(model or ())], prepare=True)
                took.append((time.perf_counter() - began) * 1000)
        with lock:
            load.milliseconds += took

    threads = [threading.Thread(target=one) for _ in range(INSERT_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return load


def tell(found: dict[str, list[Load]], options: argparse.Namespace) -> int:
    figures = {}
    print(f"{'':32} {'per second':>12} {'median ms':>10} {'99 % ms':>10}")
    for name, loads in found.items():
        figures[name] = {
            "per_second": statistics.median(load.per_second for load in loads),
            "median_ms": statistics.median(load.median for load in loads),
            "p99_ms": statistics.median(load.percentile(99) for load in loads),
        }
        told = figures[name]
        print(f"{name:32} {told['per_second']:12.0f} {told['median_ms']:10.2f} {told['p99_ms']:10.2f}")
    wrong = sum(
        count
        for name, loads in found.items()
        if name.startswith("POST")
        for load in loads
        for status, count in load.statuses.items()
        if status != 202
    )
    at_8 = figures["POST, 8 at a time"]["per_second"]
    of_insert = at_8 / figures[f"bare INSERT, {INSERT_CONNECTIONS} connections"]["per_second"]
    best = max(told["per_second"] for name, told in figures.items() if name.startswith("POST"))
    print(f"of the bare INSERT, at 8: {of_insert:.2f} (to reach: {REACH_OF_INSERT})")
    times = best / ORIGINAL_PER_SECOND
    print(f"of the original's {ORIGINAL_PER_SECOND} per second: {times:.1f} times (to reach: {REACH_OF_ORIGINAL})")
    print(f"answers other than 202: {wrong}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    is_reached = of_insert >= REACH_OF_INSERT and best >= REACH_OF_ORIGINAL * ORIGINAL_PER_SECOND and not wrong
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main())
