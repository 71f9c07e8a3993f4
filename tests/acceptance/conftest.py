"""Real processes: `manage.py serve` on a data folder of its own, the demo portal, and a client over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
import pytest
import requests

ROOT = Path(__file__).resolve().parent.parent.parent
T = TypeVar("T")


def wait_for(look: Callable[[], T], *, seconds: float, what: str) -> T:
    """The first true value of `look`; fails with `what` when there is none in time."""
    ends_at = time.monotonic() + seconds
    while True:
        value = look()
        if value:
            return value
        assert time.monotonic() < ends_at, f"{what}: not within {seconds} s"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_PREPARE = """
from pathlib import Path
from django.conf import settings
from django.core.management import call_command
call_command("migrate", verbosity=0)
for file in sorted(settings.DATA_DIR.parent.glob("northwind-*.json")):
    call_command("import_automation", str(file))
call_command("create_api_key", "tests", scopes="submit,read,manage", json=True)
"""


class Portal:
    """The demo portal in a process, with its effects kept in a file so that they outlive a restart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with (folder / "portal.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "demo.portal", "--port", str(self.port)],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._answers, seconds=30, what="the portal answers")

    def _answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/effects", timeout=2).ok
        return False

    def effects(self) -> dict[str, int]:
        """Submissions by id."""
        counts: dict[str, int] = requests.get(f"{self.url}/effects", timeout=10).json()["by_id"]
        return counts

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Server:
    """One `serve` and what a test asks of it. Everything it writes is below `folder`."""

    def __init__(self, folder: Path, portal: Portal, **environment: str) -> None:
        self.folder = folder
        self.portal = portal
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "DATA_DIR": str(folder / "data"),
            "ALLOW_ANONYMOUS_LOCAL": "true",
            "UPLOAD_ROOTS": str(ROOT / "demo" / "files"),
            "BROWSER_ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{portal.port}",
            **environment,
        }
        self.log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.key = ""

    def manage(self, *arguments: str, expect: int = 0) -> str:
        """Run a command on this server's data folder; its stdout."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if expect == 0 else done.stdout + done.stderr

    def prepare(self) -> None:
        """Tables, a key, and the bundled automations pointed at this test's portal; one process does it all."""
        for file in sorted((ROOT / "demo" / "automations").glob("*.json")):
            text = file.read_text().replace("127.0.0.1:8765", f"127.0.0.1:{self.portal.port}")
            (self.folder / file.name).write_text(text)
        self.key = json.loads(self.manage("shell", "--no-imports", "--command", _PREPARE, expect=0).splitlines()[-1])[
            "key"
        ]

    def start(self, *, workers: int = 2) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port), "--workers", str(workers)],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(self.is_ready, seconds=60, what="the server is healthy")
            wait_for(lambda: len(self.workers()) == workers, seconds=30, what="the workers are there")
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.said()}") from error

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"serve ended:\n{self.log.read_text()[-3000:]}"
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/health", timeout=5).status_code == 200
        return False

    def stop(self, *, within: float = 10.0) -> float:
        """SIGTERM, and the seconds until it was gone."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(within + 10)
        self.process = None
        return time.monotonic() - began

    def said(self) -> str:
        """The end of its log, for messages of failed tests."""
        return self.log.read_text(errors="replace")[-4000:]

    # --- its processes

    def family(self) -> list[psutil.Process]:
        """Every process below `serve`."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask this server's own database."""
        from optexity_site import embedded_db

        to = embedded_db.connection_parameters(self.folder / "data")
        with psycopg.connect(
            host=to["HOST"], port=to["PORT"], user=to["USER"], password=to["PASSWORD"], dbname=to["NAME"]
        ) as connection:
            return connection.execute(statement, values).fetchall()

    def workers(self) -> list[psutil.Process]:
        """The living workers of the browser cluster that have their browser."""
        rows = self.sql("SELECT pid FROM inference_workerhost WHERE browser <> ''")
        mine = {each.pid for each in self.family()}
        return [psutil.Process(pid) for (pid,) in rows if pid in mine and psutil.pid_exists(pid)]

    def web_workers(self) -> list[psutil.Process]:
        """What answers requests: the children of granian's main process."""
        return [each for each in self.family() if "granian wsgi" in title_of(each) and "worker" in title_of(each)]

    def idle_workers(self) -> list[psutil.Process]:
        return [each for each in self.workers() if "idle" in title_of(each)]

    def busy_worker(self) -> psutil.Process:
        def look() -> list[psutil.Process]:
            return [each for each in self.workers() if "processing" in title_of(each)]

        return wait_for(look, seconds=15, what="a worker is busy")[0]

    def sentinel(self) -> psutil.Process:
        parent = wait_for(self.workers, seconds=30, what="a worker is there")[0].parent()
        assert parent is not None
        return parent

    def auxiliary(self, role: str) -> psutil.Process:
        """The pusher or the monitor of the browser cluster."""

        def look() -> list[psutil.Process]:
            return [each for each in self.sentinel().children() if title_of(each).endswith(role)]

        return wait_for(look, seconds=15, what=f"the {role} is there")[0]

    # --- its API

    def submit(self, name: str, **fields: Any) -> requests.Response:
        body = {"endpoint_name": name, "input_parameters": {}, **fields}
        return requests.post(f"{self.url}/inference", json=body, timeout=90, headers={"x-api-key": self.key})

    def submit_effect(self, effect: str, *, seconds: float | None = None, **fields: Any) -> str:
        """Queue a task that records the effect `effect` on the portal; its id."""
        name, inputs = "northwind-record-effect", {"id": [effect]}
        if seconds is not None:
            name, inputs = "northwind-slow-effect", {"id": [effect], "seconds": [str(seconds)]}
        answer = self.submit(name, input_parameters=inputs, unique_parameter_names=["id"], **fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    def task(self, task_id: str, *, wait: int = 0) -> dict[str, Any]:
        answer = requests.get(
            f"{self.url}/api/v1/tasks/{task_id}",
            params={"wait": wait} if wait else None,
            headers={"x-api-key": self.key},
            timeout=wait + 30,
        )
        assert answer.status_code == 200, answer.text
        task: dict[str, Any] = answer.json()
        return task

    def ended(self, task_id: str, *, seconds: float = 60) -> dict[str, Any]:
        """The task once it has ended."""

        def look() -> dict[str, Any] | None:
            task = self.task(task_id, wait=10)
            return task if task["completed_at"] else None

        task = wait_for(look, seconds=seconds, what=f"task {task_id} ends")
        assert task is not None
        return task

    def wait_for_status(self, task_id: str, status: str, *, seconds: float) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            task = self.task(task_id)
            return task if task["status"] == status else None

        task = wait_for(look, seconds=seconds, what=f"task {task_id} is {status}")
        assert task is not None
        return task

    def all_ended(self, task_ids: list[str], *, seconds: float = 120) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda task_id: self.ended(task_id, seconds=seconds), task_ids))


def title_of(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline()).strip()
    return ""


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder with a short path (sockets) that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="optexity-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def portal(scratch: Path) -> Iterator[Portal]:
    portal = Portal(scratch)
    yield portal
    portal.stop()


@pytest.fixture(scope="module")
def prepared_server(scratch: Path, portal: Portal) -> Iterator[Server]:
    """A server with tables, key and automations; not started."""
    from optexity_site import embedded_db

    server = Server(scratch, portal)
    server.prepare()
    yield server
    if server.process is not None:
        server.stop()
    embedded_db.delete(scratch / "data")


@pytest.fixture
def server(prepared_server: Server) -> Server:
    """The running server; started again when a test before has stopped it."""
    if prepared_server.process is None or prepared_server.process.poll() is not None:
        prepared_server.start()
    return prepared_server
