"""A web process of its own on an embedded database of its own, without workers: what requests cost by themselves."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
APPLICATION = "optexity_site.wsgi:application"
DOCUMENT = {
    "url": "https://example.com",
    "parameters": {"input_parameters": {"claim": ["A-1"]}, "generated_parameters": {}},
    "nodes": [{"type": "action_node", "sleep_action": {"sleep_time": 1}}],
}
_PREPARE = """
import json
from django.core.management import call_command
call_command('migrate', verbosity=0)
from inference.services.api_keys import create_api_key
from inference.services.publish import publish_automation
publish_automation(document=json.loads({document!r}), endpoint_name='bench', author=None, note='', actor='bench')
made = create_api_key(name='bench', scopes=['submit', 'read'], actor='bench')
print(json.dumps({{'key': made[1]}}))
"""


@dataclass
class Web:
    """One granian process."""

    port: int
    key: str
    process: "subprocess.Popen[bytes]"
    to: dict[str, Any]

    @property
    def worker(self) -> psutil.Process:
        """The process that answers."""
        return max(psutil.Process(self.process.pid).children(), key=lambda each: each.memory_info().rss)

    def connect(self) -> "psycopg.Connection[Any]":
        to = self.to
        return psycopg.connect(
            host=to["HOST"], port=to["PORT"], user=to["USER"], password=to["PASSWORD"], dbname=to["NAME"]
        )

    def pss_kb(self) -> int:
        """Memory of the process that answers, shared pages divided among those who share them."""
        text = Path(f"/proc/{self.worker.pid}/smaps_rollup").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:")))


@contextmanager
def web(*, processes: int = 1, application: str = APPLICATION, **environment: str) -> Iterator[Web]:
    """A running one, with an automation `bench` that has the parameter `claim`, and a key."""
    from optexity_site import embedded_db

    with tempfile.TemporaryDirectory(prefix="optexity-web-") as folder:
        data = Path(folder) / "data"
        variables = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "DATA_DIR": str(data),
            "LOG_LEVEL": "WARNING",
            **environment,
        }
        try:
            key = _prepare(variables)
            port = free_port()
            process = start(application, port, variables, processes=processes)
            try:
                wait_until_ready(port, process)
                yield Web(port, key, process, embedded_db.connection_parameters(data))
            finally:
                stop(process)
        finally:
            _delete(data)


def _delete(data: Path) -> None:
    """Its guardian notices a little later that nobody uses the database any more."""
    from optexity_site import embedded_db

    ends_at = time.monotonic() + START_SECONDS
    while True:
        try:
            embedded_db.delete(data)
            return
        except embedded_db.EmbeddedDatabaseError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.5)


def start(
    application: str, port: int, variables: dict[str, str], *, threads: int = 548, processes: int = 1
) -> "subprocess.Popen[bytes]":
    """Granian as `serve` starts it."""
    command = [
        *(str(Path(sys.executable).parent / "granian"), "--interface", "wsgi", "--port", str(port)),
        *(
            "--workers",
            str(processes),
            "--blocking-threads",
            str(threads),
            "--http",
            "1",
            "--no-ws",
            "--log-level",
            "error",
        ),
        application,
    ]
    return subprocess.Popen(command, cwd=ROOT, env=variables)


def stop(process: "subprocess.Popen[bytes]") -> None:
    family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
    process.wait()
    for each in family:
        with suppress(psutil.NoSuchProcess):
            each.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prepare(variables: dict[str, str]) -> str:
    command = _PREPARE.format(document=json.dumps(DOCUMENT))
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", command],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"cannot prepare the database:\n{done.stderr}")
    key: str = json.loads(done.stdout.splitlines()[-1])["key"]
    return key


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when it answers; ends the program when it does not within a minute."""
    ends_at = time.monotonic() + START_SECONDS
    while time.monotonic() < ends_at and process.poll() is None:
        with suppress(requests.RequestException):
            if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                return
        time.sleep(0.05)
    raise SystemExit("the web process did not start")
