"""Starts the demo portal as a process of its own, on a free port."""

import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

PROJECT = Path(__file__).parent.parent.parent


@dataclass
class Portal:
    """A running portal. `url` ends without a slash."""

    url: str
    port: int
    process: subprocess.Popen[str]

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=10)

    def post(self, path: str) -> requests.Response:
        return requests.post(self.url + path, timeout=10)

    def count(self, effect_id: str) -> int:
        return int(self.get(f"/effects/{effect_id}").json()["count"])

    def visitor(self) -> requests.Session:
        """An HTTP client that is signed in and may send forms (`csrf_of` gives the token)."""
        session = requests.Session()
        session.get(f"{self.url}/login", timeout=10).raise_for_status()
        form = {"username": "demo", "password": "northwind", "csrfmiddlewaretoken": csrf_of(session)}
        session.post(f"{self.url}/login", data=form, timeout=10).raise_for_status()
        return session


def csrf_of(session: requests.Session) -> str:
    return session.cookies["northwind_csrf"]


@contextmanager
def running_portal(*options: str) -> Generator[Portal]:
    """Yield a portal that answers; it is gone afterwards, whatever the test did to it."""
    command = [sys.executable, "-m", "demo.portal", "--port", "0", *options]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            ready = re.fullmatch(r"Northwind is ready at (http://127\.0\.0\.1:(\d+))/\n", line)
            assert ready, f"the portal said {line!r}"
            yield Portal(url=ready[1], port=int(ready[2]), process=process)
        finally:
            process.send_signal(signal.SIGKILL)
