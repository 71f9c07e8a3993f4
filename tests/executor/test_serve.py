"""`manage.py serve`: what it refuses to start with, and how it keeps and ends what it started."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from executor.children import Child
from executor.management.commands import serve

# A web server that is healthy.
HEALTHY = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_process_knows_the_port_that_no_task_may_reach() -> None:
    children = serve._children("127.0.0.1", 9123, 2)

    assert len(children) == 3
    for child in children:
        assert "9123" in child.environment["OWN_PORTS"].split(",")
    assert children[1].environment["WORKERS"] == "2"


@pytest.fixture
def handlers() -> Iterator[None]:
    """The handlers of the tests' process come back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def data_folder(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.DATABASE_URL = "postgresql://of-the-tests/"  # so that no embedded server is looked after
    return tmp_path


def test_it_needs_a_worker() -> None:
    with pytest.raises(CommandError, match="--workers must be at least 1"):
        call_command("serve", workers=0)


def test_a_second_one_on_the_folder_is_told_who_has_it(
    data_folder: Path, handlers: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve.Command._lock_data_folder(), pytest.raises(SystemExit) as ended:
        call_command("serve")
    assert ended.value.code == 4
    assert f"Another `serve` (process {os.getpid()}) runs on the data folder {data_folder}" in capsys.readouterr().err
    serve.Command._lock_data_folder().close()  # it is free again


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_a_port_in_use_is_a_clear_error(
    data_folder: Path, handlers: None, capsys: pytest.CaptureFixture[str], host: str, family: int
) -> None:
    with socket.socket(family) as other:
        other.bind((host, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            call_command("serve", host=host, port=port)
    assert ended.value.code == 4
    assert f"Cannot listen on {host}:{port} (Address already in use)" in capsys.readouterr().err


def test_a_port_that_does_not_exist_is_a_clear_error(
    data_folder: Path, handlers: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call_command("serve", port=70_000)
    assert "Cannot listen on 127.0.0.1:70000" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_a_database_behind_or_ahead_of_this_version_is_refused(data_folder: Path, handlers: None) -> None:
    recorder = MigrationRecorder.Migration.objects
    newest = recorder.filter(app="inference").latest("id")
    recorder.filter(id=newest.id).delete()
    try:
        with pytest.raises(CommandError, match=r"behind this version: run `manage\.py migrate`"):
            call_command("serve", port=free_port())
    finally:
        recorder.create(app="inference", name=newest.name)
    ahead = recorder.create(app="inference", name="9999_from_the_future")
    try:
        with pytest.raises(CommandError, match=r"ahead of this version \(it has 9999_from_the_future\)"):
            call_command("serve", port=free_port())
    finally:
        ahead.delete()


@pytest.mark.django_db(transaction=True)
def test_without_a_browser_it_says_what_to_do(data_folder: Path, handlers: None, settings: Settings) -> None:
    settings.BROWSER_EXECUTABLE = "/nowhere/chromium"
    with pytest.raises(CommandError, match="BROWSER_EXECUTABLE=/nowhere/chromium is not a program"):
        call_command("serve", port=free_port())


@pytest.fixture
def serve_with(monkeypatch: pytest.MonkeyPatch, data_folder: Path, handlers: None) -> Callable[..., int]:
    """Serve with one process of this script in place of web and clusters; the port. A signal ends it once it is
    ready."""

    def serve_with(script: str, *, number: int | None, out: Any) -> int:
        port = free_port()
        child = Child("web", [sys.executable, "-c", script, str(port)])
        monkeypatch.setattr(serve, "_children", lambda host, port, workers: [child])

        def stop_when_ready() -> None:
            ticks = threading.Event()
            while child.process is None or child.process.poll() is None:
                if "Ready" in out.getvalue() and number is not None:
                    os.kill(os.getpid(), number)
                    return
                ticks.wait(0.05)

        watcher = threading.Thread(target=stop_when_ready)
        watcher.start()
        try:
            call_command("serve", port=port, stdout=out)
        finally:
            watcher.join()
            assert child.process is not None
            assert child.process.poll() is not None  # nothing is left of it
        return port

    return serve_with


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_ends_in_order(serve_with: Callable[..., int], number: int) -> None:
    out = _Output()
    port = serve_with(HEALTHY, number=number, out=out)

    ready, stopping, stopped = out.getvalue().splitlines()
    assert ready.startswith("Ready after ")
    assert ready.endswith(f" s: http://127.0.0.1:{port}/admin/")
    assert stopping == "Stopping: running tasks get their grace."
    assert stopped == "Stopped."


@pytest.mark.django_db(transaction=True)
def test_a_server_that_does_not_become_healthy_is_given_up(
    serve_with: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "READY_SECONDS", 0.3)
    with pytest.raises(CommandError, match=r"did not become healthy within 0 s.*manage\.py doctor"):
        serve_with("import time; time.sleep(60)", number=None, out=_Output())


class _Output:
    """Text of a command that another thread may look at."""

    def __init__(self) -> None:
        self._text = ""

    def write(self, text: str) -> None:
        self._text += text

    def flush(self) -> None:
        """Nothing is held back."""

    def getvalue(self) -> str:
        return self._text

    def isatty(self) -> bool:
        return False


def test_an_embedded_database_that_was_killed_comes_back_and_its_absence_is_told(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    settings.DATABASE_URL = ""
    command = serve.Command()
    command._keep_database()  # of the tests, which is there
    assert caplog.records == []
    (tmp_path / "file").write_text("no folder")
    settings.DATA_DIR = tmp_path / "file"
    command._keep_database()  # looked at a moment ago
    assert caplog.records == []
    command._look_at_database_at = 0.0
    command._keep_database()
    assert "the embedded database is away" in caplog.text
