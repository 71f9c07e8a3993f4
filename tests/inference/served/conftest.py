"""A real web server: granian in a process of its own, on the test database, its log in a file."""

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import requests
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url(*, host: str = "", port: str = "") -> str:
    """The test database as DATABASE_URL; `host` and `port` lead there by another way."""
    database = connection.settings_dict
    where = {"host": host or database["HOST"], "port": port or str(database["PORT"])}
    login = ":".join(quote(str(database[part]), safe="") for part in ("USER", "PASSWORD") if database[part])
    query = urlencode({name: value for name, value in where.items() if value})
    return f"postgresql://{login}@/{quote(str(database['NAME']))}?{query}"


class Granian:
    """One server process."""

    def __init__(self, folder: Path, *, url: str, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = folder / "granian.log"
        command = [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1", "--http", "1", "--no-ws"),
            *("--blocking-threads", "48", "--port", str(self.port), "--log-level", "warning"),
            "optexity_site.wsgi:application",
        ]
        variables = {
            "DATABASE_URL": url,
            "DATA_DIR": str(settings.DATA_DIR),
            "ALLOW_ANONYMOUS_LOCAL": "true",
            "LOG_LEVEL": "DEBUG",
            **environment,
        }
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=os.environ | variables, stdout=log, stderr=log)

    def wait_until_ready(self) -> None:
        ends_at = time.monotonic() + 40
        while time.monotonic() < ends_at and self.process.poll() is None:
            with suppress(requests.RequestException):
                # Any answer: the database may be away on purpose.
                requests.get(f"{self.url}/api/v1/nothing", timeout=10)
                return
            threading.Event().wait(0.05)
        raise AssertionError(f"granian did not start:\n{self.log()}")

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def granian(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Granian]:
    """One server for the tests of a module."""
    with django_db_blocker.unblock():
        server = Granian(tmp_path_factory.mktemp("granian"), url=database_url())
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


class Relay:
    """A way to the database that can be cut, and mended."""

    def __init__(self) -> None:
        self.port = free_port()
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._start(self._accept, self._listener)

    def cut(self) -> None:
        """Close every connection and refuse new ones."""
        if self._listener is not None:
            # A thread in accept() keeps a closed socket listening; shutdown wakes it.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._open, self._threads = [], []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = _connect_to_database()
            self._open += [near, far]
            self._start(_copy, near, far)

    def _start(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def _connect_to_database() -> socket.socket:
    database = connection.settings_dict
    host, port = str(database["HOST"]), int(database["PORT"] or 5432)
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    far = socket.socket(socket.AF_UNIX)
    far.connect(f"{host}/.s.PGSQL.{port}")
    return far


def _copy(near: socket.socket, far: socket.socket) -> None:
    with near, far:
        while True:
            readable, _, _ = select.select([near, far], [], [])
            for end in readable:
                try:
                    data = end.recv(65536)
                    if data:
                        (far if end is near else near).sendall(data)
                except OSError:
                    return
                if not data:
                    return


@pytest.fixture
def relay(transactional_db: None) -> Iterator[Relay]:
    way = Relay()
    way.mend()
    yield way
    way.cut()
