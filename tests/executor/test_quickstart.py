"""`manage.py quickstart`, with a small program in the server's place: what it starts, sends, prints, and ends."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from executor.management.commands import quickstart
from inference.models import Automation
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)

# Stands where manage.py is: healthy, and answers a submission with what `answers.json` lists, one after the other.
SERVER = """
import http.server, json, os, pathlib, sys
here = pathlib.Path(__file__).parent
answers = json.loads((here / "answers.json").read_text())
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(200 if self.path in ("/health", "/effects") else 404, {})
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with (here / "seen.jsonl").open("a") as seen:
            print(json.dumps([self.path, json.loads(body), self.headers["Prefer"]]), file=seen)
        self.answer(*answers.pop(0))
port = int(sys.argv[sys.argv.index("--port") + 1])
(here / "started.json").write_text(json.dumps([sys.argv[1:], os.environ["BROWSER_ALLOWED_PRIVATE_HOSTS"],
                                              os.environ["ALLOW_ANONYMOUS_LOCAL"]]))
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
TASK = {
    "task_id": "0192-task",
    "status": "success",
    "duration_ms": 2345,
    "output_data": [{"json_data": {"plan": "HMO Basic", "claims": [1, 2]}}, {"text": "no data"}],
    "downloads": [{"filename": "letter.pdf"}],
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def base(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the demo of the project and the small program."""
    base = tmp_path / "project"
    base.mkdir()
    (base / "demo").symlink_to(settings.BASE_DIR / "demo")
    (base / "manage.py").write_text(SERVER)
    (base / "answers.json").write_text(json.dumps([[202, {}], [200, {"task": TASK}]]))
    settings.BASE_DIR, settings.DATA_DIR = base, tmp_path / "data"
    settings.DATA_DIR.mkdir()
    monkeypatch.setattr(quickstart, "PORTAL_PORT", free_port())
    monkeypatch.delenv("UPLOAD_ROOTS", raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield base
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def portal(base: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """One that runs already."""
    command = [sys.executable, str(base / "manage.py"), "--port", str(quickstart.PORTAL_PORT)]
    process = subprocess.Popen(command, env={**os.environ, "ALLOW_ANONYMOUS_LOCAL": ""})
    ticks = threading.Event()
    while not quickstart._answers(f"http://127.0.0.1:{quickstart.PORTAL_PORT}/effects"):
        ticks.wait(0.05)
    yield process
    process.kill()
    process.wait()


def test_the_whole_way_once(base: Path, portal: "subprocess.Popen[bytes]") -> None:
    out, port = StringIO(), free_port()
    with pytest.raises(SystemExit) as ended:
        call_command("quickstart", once=True, port=port, stdout=out)

    assert ended.value.code == 0
    told = out.getvalue()
    assert json.loads(told.splitlines()[-1]) == TASK  # for scripts
    assert "• Task 0192-task: success after 2.3 s" in told
    assert "  plan: HMO Basic\n  claims: [1, 2]\n  file: letter.pdf\n" in told
    assert f"Dashboard: http://localhost:{port}/admin/inference/task/0192-task/change/" in told
    assert f"The demo portal already runs at http://127.0.0.1:{quickstart.PORTAL_PORT}" in told
    arguments, private_hosts, anonymous = json.loads((base / "started.json").read_text())
    assert arguments == ["serve", "--port", str(port)]
    assert f"127.0.0.1:{quickstart.PORTAL_PORT}" in private_hosts.split(",")
    assert anonymous == "true"
    seen = [json.loads(line) for line in (base / "seen.jsonl").read_text().splitlines()]
    assert [path for path, _, _ in seen] == ["/inference"] * 2  # asked again while it runs
    assert seen[0][1]["endpoint_name"] == "northwind-eligibility"
    assert seen[0][2] == "wait=60"
    assert Automation.objects.filter(endpoint_name="northwind-eligibility").exists()
    assert not quickstart._answers(f"http://127.0.0.1:{port}/health")  # what it started is gone
    assert portal.poll() is None  # what it did not start is not


def test_a_task_that_failed_is_told_by_the_exit_code(base: Path, portal: "subprocess.Popen[bytes]") -> None:
    failed = {"task_id": "t", "status": "failed", "error": "found nothing", "duration_ms": None}
    (base / "answers.json").write_text(json.dumps([[200, {"task": failed}]]))
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("quickstart", once=True, port=free_port(), stdout=out)
    assert ended.value.code == 1
    assert "• Task t: failed after 0.0 s\n  found nothing\n" in out.getvalue()


@pytest.mark.parametrize(
    ("answers", "seconds", "message"),
    [
        ([[503, {"message": "no room"}]], 180.0, r"The submission was refused \(503\): no room"),
        ([], 0.0, "The task did not end within 0 s; see .*serve.log"),
    ],
)
def test_a_submission_that_comes_to_nothing_is_a_clear_error(
    base: Path,
    portal: "subprocess.Popen[bytes]",
    monkeypatch: pytest.MonkeyPatch,
    answers: list[Any],
    seconds: float,
    message: str,
) -> None:
    monkeypatch.setattr(quickstart, "TASK_SECONDS", seconds)
    (base / "answers.json").write_text(json.dumps(answers))
    with pytest.raises(CommandError, match=message):
        call_command("quickstart", once=True, port=free_port(), stdout=StringIO())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_once_it_stays_until_it_is_told(
    base: Path, portal: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    out, pause = StringIO(), signal.pause

    def signalled() -> None:
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        pause()

    monkeypatch.setattr(signal, "pause", signalled)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    port = free_port()
    call_command("quickstart", port=port, stdout=out)

    assert "Running until Ctrl-C. Try:" in out.getvalue()
    assert f"curl -X POST localhost:{port}/inference" in out.getvalue()
    assert out.getvalue().endswith("• Stopping\n")
    assert not quickstart._answers(f"http://127.0.0.1:{port}/health")


def test_the_demo_portal_is_started_where_none_runs(base: Path) -> None:
    command = quickstart.Command(stdout=StringIO())
    with ExitStack() as running:
        command._start_portal(running)
        assert quickstart._answers(f"http://127.0.0.1:{quickstart.PORTAL_PORT}/effects")
    assert not quickstart._answers(f"http://127.0.0.1:{quickstart.PORTAL_PORT}/effects")


def test_a_server_that_ends_while_it_starts_is_told_with_its_last_words(base: Path, settings: Settings) -> None:
    (base / "manage.py").write_text("raise SystemExit('the port is taken')")
    command = quickstart.Command(stdout=StringIO())
    with (
        ExitStack() as running,
        pytest.raises(CommandError, match="The server ended while starting:\nthe port is taken"),
    ):
        command._start_server(running, free_port())


def test_a_server_that_does_not_answer_is_given_up_and_killed_if_it_must_be(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quickstart, "READY_SECONDS", 0.5)
    monkeypatch.setattr(quickstart, "STOP_SECONDS", 0.1)
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    (base / "manage.py").write_text(script)
    command, started = quickstart.Command(stdout=StringIO()), []
    start: Callable[..., Any] = command._start
    monkeypatch.setattr(command, "_start", lambda *arguments: started.append(start(*arguments)) or started[0])
    with ExitStack() as running, pytest.raises(CommandError, match="The server did not answer within 0 s: see "):
        command._start_server(running, free_port())
    assert started[0].returncode in (-signal.SIGKILL, -signal.SIGTERM)


def test_an_administrator_is_made_once_and_its_password_is_for_its_owner_only(base: Path, settings: Settings) -> None:
    out = StringIO()
    command = quickstart.Command(stdout=out)
    note = command._ensure_admin()
    file = settings.DATA_DIR / "admin_password"
    password = file.read_text().strip()

    assert note == f"user admin with the password in {file}"
    assert User.objects.get(username="admin").check_password(password)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "DJANGO_SUPERUSER_PASSWORD" not in os.environ
    assert password not in out.getvalue()
    assert command._ensure_admin() == note
    assert User.objects.count() == 1


def test_an_administrator_who_is_there_is_left_alone(base: Path, settings: Settings) -> None:
    make_user(is_superuser=True)
    assert quickstart.Command()._ensure_admin() == "with the administrator that you made"
    assert not (settings.DATA_DIR / "admin_password").exists()
