"""How long a task waits on an idle machine: from the commit of its INSERT to `running`.

Beside it, in the same run and on the same PostgreSQL server, django-q2's own ORM broker: from the commit of its
package to the first line of the function. Each run sends the tasks one after the other, each after the one
before it has ended; runs of both sides alternate.

    .venv/bin/python -m bench.pickup [--tasks 200] [--runs 5] [--json FILE]
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60.0
TASK_SECONDS = 30.0
REACH = 15.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    # Stopped half-way, it still ends its clusters and deletes its database.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="bench-pickup-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary))
        os.environ["DATA_DIR"] = str(folder)
        os.environ["DJANGO_SETTINGS_MODULE"] = "optexity_site.settings"
        os.environ["LOG_LEVEL"] = "WARNING"
        prepare_databases(stack, folder)
        start(stack, [sys.executable, "manage.py", "qcluster"], {"Q_CLUSTER_NAME": "browser", "WORKERS": "2"})
        start(stack, [sys.executable, "-m", "django", "qcluster"], {"DJANGO_SETTINGS_MODULE": "bench.stock_settings"})
        ours, stock = OurQueue(), StockBroker()
        ours.measure(10), stock.measure(10)  # both warm
        results: dict[str, list[list[float]]] = {"claim": [], "stock ORM broker": []}
        for number in range(options.runs):
            results["claim"].append(ours.measure(options.tasks))
            results["stock ORM broker"].append(stock.measure(options.tasks))
            print(f"run {number + 1} of {options.runs} done", file=sys.stderr)
    return report(results, options)


def report(results: dict[str, list[list[float]]], options: argparse.Namespace) -> int:
    figures: dict[str, dict[str, Any]] = {}
    typical: dict[str, float] = {}
    print(f"commit to running, {options.tasks} tasks one after the other, {options.runs} runs each")
    for name, runs in results.items():
        medians = [statistics.median(run) for run in runs]
        late = [statistics.quantiles(run, n=100)[98] for run in runs]
        median_ms, p99_ms = statistics.median(medians), statistics.median(late)
        figures[name] = {"median_ms": median_ms, "p99_ms": p99_ms, "medians_ms": medians}
        typical[name] = median_ms
        print(f"  {name:18} median {median_ms:7.2f} ms   99th percentile {p99_ms:7.2f} ms")
    ratio = typical["stock ORM broker"] / typical["claim"]
    print(f"  the claim is {ratio:.1f} times faster in the median (reach: {REACH:.0f})")
    if options.json:
        options.json.write_text(json.dumps({"figures": figures, "ratio": ratio}, indent=2) + "\n")
    return 0 if ratio >= REACH else 1


def prepare_databases(stack: ExitStack, folder: Path) -> None:
    from optexity_site import embedded_db

    embedded_db.acquire(folder)
    stack.callback(embedded_db.delete, folder)
    stack.callback(embedded_db.release, folder)
    parameters = embedded_db.connection_parameters(folder)
    marks = folder / "marks"
    marks.mkdir()
    os.environ |= {
        "BENCH_HOST": parameters["HOST"],
        "BENCH_PORT": str(parameters["PORT"]),
        "BENCH_USER": parameters["USER"],
        "BENCH_PASSWORD": parameters["PASSWORD"],
        "BENCH_STOCK_NAME": "stock",
        "BENCH_MARKS": str(marks),
    }
    import psycopg

    with psycopg.connect(
        host=parameters["HOST"],
        port=parameters["PORT"],
        user=parameters["USER"],
        password=parameters["PASSWORD"],
        dbname=parameters["NAME"],
        autocommit=True,
    ) as connection:
        connection.execute("CREATE DATABASE stock")
    run = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    for settings in ("optexity_site.settings", "bench.stock_settings"):
        subprocess.run(run, cwd=ROOT, check=True, env={**os.environ, "DJANGO_SETTINGS_MODULE": settings})


def start(stack: ExitStack, command: list[str], environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, start_new_session=True, stderr=subprocess.DEVNULL
    )

    def stop() -> None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    stack.callback(stop)


def pause_before_sending() -> None:
    """Send at any phase of a poller's cycle (0.2 s), on both sides: what comes right after the end of a task meets
    a poller that has just begun to sleep."""
    time.sleep(random.uniform(0, 0.2))


class OurQueue:
    """Tasks of a minimal automation, stored by the service that the API calls."""

    def __init__(self) -> None:
        import django

        django.setup()
        from inference.models import Automation, AutomationVersion, WorkerHost

        self._await_workers(WorkerHost)
        document = {
            "url": "about:blank",
            "parameters": {"input_parameters": {}, "generated_parameters": {}},
            "nodes": [],
            "take_final_screenshot": False,
        }
        automation = Automation.objects.create(endpoint_name="bench-minimal")
        AutomationVersion.objects.create(automation=automation, number=1, document=document)

    @staticmethod
    def _await_workers(hosts: Any) -> None:
        ends_at = time.monotonic() + READY_SECONDS
        while hosts.objects.exclude(browser="").count() < 2:
            if time.monotonic() > ends_at:
                raise TimeoutError("the browser cluster did not start")
            time.sleep(0.1)

    def measure(self, tasks: int) -> list[float]:
        """Milliseconds of each."""
        from inference.models import ENDED, Task
        from inference.services.submit import submit_task

        waits = []
        for _ in range(tasks):
            pause_before_sending()
            submission = submit_task(endpoint_name="bench-minimal", input_parameters={}, api_key=None)
            committed_at = time.time()
            ends_at = time.monotonic() + TASK_SECONDS
            while True:
                task = Task.objects.only("status", "started_at", "error").get(id=submission.task_id)
                if task.status in ENDED:
                    break
                if time.monotonic() > ends_at:
                    raise TimeoutError("a task did not end")
                time.sleep(0.01)
            if task.status != "success" or task.started_at is None:
                raise RuntimeError(f"a task failed: {task.error}")
            waits.append((task.started_at.timestamp() - committed_at) * 1000)
        return waits


class StockBroker:
    """Packages for the stock cluster, sent by a process of its own settings."""

    def __init__(self) -> None:
        self._sender = subprocess.Popen(
            [sys.executable, "-m", "bench.stock_sender"],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "bench.stock_settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def measure(self, tasks: int) -> list[float]:
        assert self._sender.stdin is not None
        assert self._sender.stdout is not None
        self._sender.stdin.write(f"{tasks}\n")
        self._sender.stdin.flush()
        waits: list[float] = json.loads(self._sender.stdout.readline())
        return waits


if __name__ == "__main__":
    sys.exit(main())
