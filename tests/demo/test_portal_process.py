"""The process: one port, no waiting at the end, nothing taken over from the main project."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
import requests

from tests.demo.portal_process import PROJECT, Portal, running_portal


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_portal_at_once_while_a_page_is_slow(ending: signal.Signals) -> None:
    with running_portal() as portal:
        # The connection is accepted and read before the signal: the answer to a second request shows that.
        slow = socket.create_connection(("127.0.0.1", portal.port))
        slow.sendall(b"GET /system/slow?ms=60000 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert portal.get("/state").ok
        portal.process.send_signal(ending)
        assert portal.process.wait(3) == 0
        slow.close()


def test_taken_port_is_told_in_one_line(portal: Portal) -> None:
    command = [sys.executable, "-m", "demo.portal", "--port", str(portal.port)]
    outcome = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=20, check=False)
    assert outcome.returncode == 1
    assert outcome.stderr.strip() == f"Cannot listen on 127.0.0.1:{portal.port}: Address already in use"


def test_portal_ignores_the_settings_of_the_main_project() -> None:
    assert os.environ["DJANGO_SETTINGS_MODULE"] != "demo.portal.settings"
    with running_portal() as portal:
        assert "Northwind" in portal.get("/login").text


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("127.0.0.1", 200), ("demo.localhost", 200), ("northwind.example", 400)],
)
def test_only_known_host_names_are_answered(portal: Portal, host: str, status: int) -> None:
    headers = {"Host": f"{host}:{portal.port}"}
    assert requests.get(f"{portal.url}/login", headers=headers, timeout=10).status_code == status


def test_slow_page_holds_nobody_else_up(portal: Portal) -> None:
    answers: list[int] = []
    slow = threading.Thread(target=lambda: answers.append(portal.get("/system/slow?ms=1500").status_code))
    slow.start()
    assert portal.get("/state").ok
    assert answers == []
    slow.join()
    assert answers == [200]
