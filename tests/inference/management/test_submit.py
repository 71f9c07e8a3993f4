"""`manage.py submit`, against a running server."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from inference.models import Automation, Task
from inference.services.waiting import waiters
from tests.factories import end_task, make_key
from tests.inference.conftest import ApiClient


@pytest.fixture
def submit(api: ApiClient) -> Callable[..., int]:
    """Run the command with this server and key; its exit code."""

    def run(*arguments: str, key: str = api.key, url: str = api.url) -> int:
        try:
            call_command("submit", *arguments, "--url", url, "--key", key)
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


CLAIMS = ("claims", "-p", "patient_id=A=1", "-p", "payer=x", "-p", "payer=")


def test_parameters_are_collected_by_name(submit: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(*CLAIMS, "--unique", "patient_id") == 0

    task = Task.objects.get()
    assert task.input_parameters == {"patient_id": ["A=1"], "payer": ["x", ""]}
    assert task.unique_parameter_names == ["patient_id"]
    assert capsys.readouterr().out == f"Task has been allocated: {task.id}\n"


def test_parameter_without_values_is_an_empty_list(submit: Callable[..., int]) -> None:
    assert submit("claims", "--empty", "patient_id", "--empty", "payer") == 0
    assert Task.objects.get().input_parameters == {"patient_id": [], "payer": []}


def test_answer_as_json(submit: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(*CLAIMS, "--json") == 0
    assert json.loads(capsys.readouterr().out)["task_id"] == str(Task.objects.get().id)


def test_key_comes_from_the_environment(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPTEXITY_SERVER_KEY", api.key)

    call_command("submit", *CLAIMS, "--url", api.url + "/")

    assert Task.objects.get().api_key is not None
    assert api.key not in "".join(capsys.readouterr())


def test_without_a_key_the_local_endpoint_is_used(submit: Callable[..., int], settings: Any) -> None:
    settings.ALLOW_ANONYMOUS_LOCAL = True

    assert submit(*CLAIMS, key="") == 0
    assert Task.objects.get().api_key is None


def test_refusal_is_told_by_field(submit: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert submit("claims", "-p", "payer=x") == 1

    written = capsys.readouterr()
    assert "parameter 'patient_id' is missing" in written.err
    assert "  input_parameters.patient_id: " in written.err
    assert written.out == ""
    assert submit(*CLAIMS, key=make_key(scopes=["read"])[1]) == 1


def end_first_task(status: str, **results: Any) -> threading.Thread:
    """End the task from another thread as soon as it is stored."""

    def run() -> None:
        ends_at = time.monotonic() + 20
        while not Task.objects.exists() and time.monotonic() < ends_at:
            threading.Event().wait(0.02)
        end_task(Task.objects.get(), status, **results)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize(("status", "code"), [("success", 0), ("failed", 1)])
def test_waiting_shows_how_it_ended(
    submit: Callable[..., int], capsys: pytest.CaptureFixture[str], status: str, code: int
) -> None:
    ending = end_first_task(status, error=None if code == 0 else "gone", output_data=[{"plan": "Gold"}])

    assert submit(*CLAIMS, "--wait", "30") == code

    ending.join()
    written = capsys.readouterr().out
    assert f"It ended as {status}" in written
    assert '"plan": "Gold"' in written


def test_waiting_goes_on_beyond_one_held_answer(
    submit: Callable[..., int], monkeypatch: pytest.MonkeyPatch, automation: Automation
) -> None:
    monkeypatch.setattr("inference.management.commands.submit.LONGEST_WAIT_SECONDS", 1)
    held_once = threading.Event()
    wait = waiters.wait

    def wait_and_tell(*arguments: Any) -> bool:
        if held_once.is_set():
            end_task(Task.objects.get())
        held_once.set()
        return wait(*arguments)

    monkeypatch.setattr(waiters, "wait", wait_and_tell)

    assert submit(*CLAIMS, "--wait", "30") == 0
    assert Task.objects.count() == 1


def test_task_that_does_not_end_in_time_is_a_failure(submit: Callable[..., int]) -> None:
    assert submit(*CLAIMS, "--wait", "1") == 1
    assert Task.objects.get().status == "queued"


def test_server_that_does_not_wait_is_not_asked_again_and_again(
    submit: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()

    assert submit(*CLAIMS, "--wait", "60", key=make_key(scopes=["submit"])[1]) == 1

    assert time.monotonic() - began < 5
    assert "lacks the 'read' scope" in capsys.readouterr().err


def test_server_that_is_not_there_is_unreachable(
    submit: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        assert submit(*CLAIMS, url=url) == 3

    assert "No answer from" in capsys.readouterr().err


@pytest.fixture
def other_server() -> Iterator[str]:
    """A web server that is not ours."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the test reads stderr."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_server_that_is_not_ours_is_unreachable(submit: Callable[..., int], other_server: str) -> None:
    assert submit(*CLAIMS, url=other_server) == 3


@pytest.mark.parametrize(
    "arguments", [["claims", "-p", "novalue"], ["claims", "-p", "=x"], ["claims", "--wait", "soon"], []]
)
def test_wrong_use_is_told(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("submit", *arguments)


@pytest.mark.parametrize("arguments", [["--url", "ftp://x"], ["--wait", "-5"]])
def test_wrong_use_has_its_own_exit_code(arguments: list[str]) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("submit", "claims", *arguments)

    assert refusal.value.returncode == 2
