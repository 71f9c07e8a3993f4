"""A real web server: granian in a process of its own, on the test database, its log in a file."""

import os
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

from tests.relay import Relay, postgres_of

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
            # Many tests send wrong keys from this one address; those of the limit set their own.
            "FAILED_KEYS_PER_MINUTE": "1000000",
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


@pytest.fixture
def relay(transactional_db: None) -> Iterator[Relay]:
    way = Relay(postgres_of(connection.settings_dict))
    way.mend()
    yield way
    way.cut()
