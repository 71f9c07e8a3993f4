"""Five hundred clients that follow tasks at one web process: memory, how soon an event is everywhere, and what is left
for requests meanwhile.

    .venv/bin/python -m bench.streams [--streams 500] [--events 20] [--seconds 5] [--json FILE]
"""

import argparse
import itertools
import json
import selectors
import signal
import socket
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import requests

from bench.api import a_submission
from bench.load import request, send
from bench.web import Web, web

CONCURRENCY = 8
ROUNDS = 3
REACH_KB, REACH_MS, REACH_LOSS = 250, 300, 0.10
# inference.views.events has the same.
HEARTBEAT_SECONDS = 15.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with web(MAX_EVENT_STREAMS=str(options.streams)) as server:
        figures = measure(server, options)
    for name, value in figures.items():
        print(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    is_reached = (
        figures["kB per stream"] <= REACH_KB
        and figures["slowest event everywhere, ms"] <= REACH_MS
        and figures["requests lost"] <= REACH_LOSS
        and figures["one too many"] == 503
        and figures["places given back"]
    )
    print("reached" if is_reached else "NOT reached")
    return 0 if is_reached else 1


def measure(server: Web, options: argparse.Namespace) -> dict[str, float]:
    task_id = submit(server)
    send(server.port, a_submission(server.key), connections=CONCURRENCY, seconds=3)  # warm
    figures: dict[str, float] = {}
    before_them = rate(server, options.seconds)
    memory = server.pss_kb()
    streams = [follow(server, task_id) for _ in range(options.streams)]
    read_all(streams, b"event: status")
    # With the threads' own stacks and connections, and without what requests have left behind.
    figures["kB per stream"] = (server.pss_kb() - memory) / options.streams
    figures["one too many"] = float(status_of(server, task_id))
    told = [tell(server, task_id, streams) for _ in range(options.events)]
    figures["median event everywhere, ms"] = statistics.median(told)
    figures["slowest event everywhere, ms"] = max(told)
    beside = [rate(server, options.seconds) for _ in range(ROUNDS)]
    for stream in streams:
        stream.close()
    time.sleep(HEARTBEAT_SECONDS + 5)  # which is when the server notices
    figures["places given back"] = float(status_of(server, task_id) == 200)
    after_them = rate(server, options.seconds)
    figures["requests per second, without streams"] = statistics.mean((before_them, after_them))
    figures["requests per second, beside streams"] = statistics.median(beside)
    figures["requests lost"] = 1 - statistics.median(beside) / statistics.mean((before_them, after_them))
    return figures


def rate(server: Web, seconds: float) -> float:
    return send(server.port, a_submission(server.key), connections=CONCURRENCY, seconds=seconds).per_second


def submit(server: Web) -> str:
    body = {"endpoint_name": "bench", "input_parameters": {"claim": [uuid.uuid4().hex]}}
    answer = requests.post(
        f"http://127.0.0.1:{server.port}/api/v1/inference", json=body, headers={"x-api-key": server.key}, timeout=30
    )
    task_id: str = answer.json()["task_id"]
    return task_id


def follow(server: Web, task_id: str) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    stream.sendall(request("GET", f"/api/v1/tasks/{task_id}/events", key=server.key))
    return stream


def status_of(server: Web, task_id: str) -> int:
    with requests.get(
        f"http://127.0.0.1:{server.port}/api/v1/tasks/{task_id}/events",
        headers={"x-api-key": server.key},
        stream=True,
        timeout=30,
    ) as answer:
        return answer.status_code


def read_all(streams: list[socket.socket], wanted: bytes) -> None:
    """Return when `wanted` has come on every stream."""
    waiting = selectors.DefaultSelector()
    read = dict.fromkeys(streams, b"")
    for stream in streams:
        waiting.register(stream, selectors.EVENT_READ)
    left = set(streams)
    ends_at = time.monotonic() + 60
    while left:
        if time.monotonic() > ends_at:
            raise SystemExit(f"{len(left)} streams say nothing")
        for key, _ in waiting.select(timeout=1):
            stream = key.fileobj
            assert isinstance(stream, socket.socket)
            read[stream] += stream.recv(65536)
            if wanted in read[stream]:
                left.discard(stream)
                waiting.unregister(stream)


_steps: "Callable[[], int]" = itertools.count().__next__


def tell(server: Web, task_id: str, streams: list[socket.socket]) -> float:
    """Commit an event; milliseconds until it has come on every stream."""
    path = f"nodes[{_steps()}]"
    data = json.dumps({"path": path, "index": 1, "status": "running"})
    with server.connect() as connection:
        connection.execute(
            "INSERT INTO inference_taskevent (task_id, kind, cause, data) VALUES (%s, 'step', '{}', %s)",
            [task_id, data],
        )
        connection.execute("SELECT pg_notify('task_changed', %s)", [task_id])
        began = time.perf_counter()
        connection.commit()
        read_all(streams, path.encode())
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
