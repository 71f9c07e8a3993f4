"""Holds a running server against its own description: /api/schema, with all checks of Schemathesis, stateful included.

A server is started on an empty database, with one automation and one key. Requests are made up from the description,
right ones and wrong ones, one after the other and in sequences; each answer must have a status, headers and a body
that are described, and none may be a 5xx. Meanwhile somebody cancels what waits, as no worker runs anything.

    .venv/bin/python -m bench.contract [--examples 50] [--seed 1] [--only submitTask]

Of a release: `--examples 2000`. Exit code 0: nothing was found.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = ROOT / "bench" / "schemathesis.toml"
START_SECONDS = 120


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=50, help="at most, of each operation and phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="operation id; may be given more than once")
    options = parser.parse_args()
    with ExitStack() as stack:
        url, key = stack.enter_context(served())
        publish_an_automation(url, key)
        return hold(url, key, examples=options.examples, seed=options.seed, only=options.only).returncode


def hold(
    url: str, key: str, *, examples: int, seed: int, only: list[str] | None = None, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis against `url`; exit code 0 if it found nothing."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)),
        *("run", f"{url}/api/schema", "--header", f"x-api-key: {key}", "--checks", "all", "--no-color"),
        *("--max-examples", str(examples), "--seed", str(seed), "--generation-database", "none"),
        *("--continue-on-failure", "--request-timeout", "90"),
        *(part for each in only or () for part in ("--include-operation-id", each)),
    ]
    with cancelling(url, key):
        return subprocess.run(command, cwd=ROOT, capture_output=capture, text=True, check=False)


def publish_an_automation(url: str, key: str) -> None:
    """The one that the examples of the description speak of."""
    description = requests.get(f"{url}/api/schema", timeout=60).json()
    body = description["paths"]["/api/v1/automations/{endpoint_name}"]["put"]["requestBody"]["content"]
    (example,) = body["application/json"]["examples"].values()
    answer = requests.put(
        f"{url}/api/v1/automations/claims-status", json=example["value"], headers={"x-api-key": key}, timeout=60
    )
    answer.raise_for_status()


@contextmanager
def cancelling(url: str, key: str) -> Iterator[None]:
    """Somebody who cancels what waits, so that who waits for the end of a task does not wait for long."""
    done = threading.Event()

    def cancel() -> None:
        with requests.Session() as session:
            session.headers["x-api-key"] = key
            while not done.wait(0.3):
                with suppress(requests.RequestException):
                    waiting = session.get(f"{url}/api/v1/tasks?status=queued&limit=200", timeout=60).json()
                    for task in waiting.get("tasks", ()):
                        session.post(f"{url}/api/v1/tasks/{task['task_id']}/cancel", timeout=60)

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def served() -> Iterator[tuple[str, str]]:
    """A server on an empty database, and a key for it."""
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="bench-contract-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary))
        from optexity_site import embedded_db

        embedded_db.acquire(folder)
        stack.callback(embedded_db.delete, folder)
        stack.callback(embedded_db.release, folder)
        # Wrong keys are what is tried; how many of them an address may send has its own tests.
        variables = {"DATA_DIR": str(folder), "LOG_LEVEL": "WARNING", "FAILED_KEYS_PER_MINUTE": "1000000"}
        environment = os.environ | variables
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True)
        scopes = ["--scopes", "submit,read,manage", "--json"]
        made = subprocess.run(
            [*manage, "create_api_key", "contract", *scopes],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1", "--http", "1", "--no-ws"),
                *("--blocking-threads", "48", "--port", str(port), "--log-level", "error"),
                "optexity_site.wsgi:application",
            ],
            cwd=ROOT,
            env=environment,
        )
        stack.callback(_stop, server)
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, server)
        yield url, json.loads(made.stdout)["key"]


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    pause = threading.Event()
    for _ in range(START_SECONDS * 10):
        with suppress(requests.RequestException):
            if requests.get(f"{url}/is_task_running", timeout=10).ok:
                return
        if server.poll() is not None:
            break
        pause.wait(0.1)
    raise SystemExit("the server did not start")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
