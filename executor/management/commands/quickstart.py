"""`manage.py quickstart`: the whole way once, on this machine. `bin/quickstart` prepares what it needs.

Migrates the database, makes an administrator, starts the demo portal and the server, imports the bundled
automations, submits one over HTTP and prints its result.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any

import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

PORTAL_PORT = 8765
SHOWN_AUTOMATION = "northwind-eligibility"
READY_SECONDS = 90.0
TASK_SECONDS = 180.0
STOP_SECONDS = 15.0
ADMIN_NAME = "admin"


class Command(BaseCommand):
    help = "Set up, start the server and the demo portal, run a real automation over HTTP and print its result."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="End after the first task; exit 0 if it succeeded.")
        parser.add_argument("--port", type=int, default=9000, help="Port of the server (default 9000).")

    def handle(self, *, once: bool, port: int, **_: Any) -> None:
        signal.signal(signal.SIGTERM, _raise_interrupt)
        self._say("Bringing the database up to date")
        call_command("migrate", verbosity=0)
        password_note = self._ensure_admin()
        with ExitStack() as running:
            self._start_portal(running)
            self._import_automations()
            connection.close()
            self._start_server(running, port)
            task = self._run_one(port)
            succeeded = task["status"] == "success"
            self._print_result(task, port, password_note)
            if not once:
                self._stay(port)
        if once:
            # The last line: the task as one JSON object, for scripts.
            self.stdout.write(json.dumps(task))
            self.stdout.flush()
            sys.exit(0 if succeeded else 1)

    def _say(self, text: str) -> None:
        self.stdout.write(f"• {text}")
        self.stdout.flush()

    def _ensure_admin(self) -> str:
        """An administrator for the dashboard; the made password is kept in a file that only this user can read."""
        file = Path(settings.DATA_DIR) / "admin_password"
        if not User.objects.filter(is_superuser=True).exists():
            password = secrets.token_urlsafe(12)
            file.touch(mode=0o600)
            file.write_text(password + "\n")
            os.environ["DJANGO_SUPERUSER_PASSWORD"] = password
            call_command("createsuperuser", interactive=False, username=ADMIN_NAME, email="", verbosity=0)
            del os.environ["DJANGO_SUPERUSER_PASSWORD"]
            self._say(f"Made the administrator “{ADMIN_NAME}”")
        if file.exists():
            # Not printed: what is printed ends in scrollback, screenshots and logs of pipelines.
            return f"user {ADMIN_NAME} with the password in {file}"
        return "with the administrator that you made"

    def _start_portal(self, running: ExitStack) -> None:
        if _answers(f"http://127.0.0.1:{PORTAL_PORT}/effects"):
            self._say(f"The demo portal already runs at http://127.0.0.1:{PORTAL_PORT}")
            return
        command = [sys.executable, "-m", "demo.portal", "--port", str(PORTAL_PORT)]
        portal = self._start(running, command, "demo-portal.log", {})
        _wait_for(f"http://127.0.0.1:{PORTAL_PORT}/effects", portal, "The demo portal", "demo-portal.log")
        self._say(f"Demo portal: http://127.0.0.1:{PORTAL_PORT}")

    def _import_automations(self) -> None:
        files = sorted((settings.BASE_DIR / "demo" / "automations").glob("*.json"))
        for file in files:
            call_command("import_automation", str(file), stdout=StringIO())
        self._say(f"Imported {len(files)} automations from demo/automations")

    def _start_server(self, running: ExitStack, port: int) -> None:
        environment = {
            # A program on this machine may submit without a key, as the local endpoint promises.
            "ALLOW_ANONYMOUS_LOCAL": "true",
            "UPLOAD_ROOTS": os.environ.get("UPLOAD_ROOTS") or str(settings.BASE_DIR / "demo" / "files"),
            # Pages of the demo portal may be opened; the server itself fetches nothing from it.
            "BROWSER_ALLOWED_PRIVATE_HOSTS": ",".join(
                [*settings.BROWSER_ALLOWED_PRIVATE_HOSTS, f"127.0.0.1:{PORTAL_PORT}"]
            ),
        }
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "serve", "--port", str(port)]
        self._say("Starting web, workers and browser")
        server = self._start(running, command, "serve.log", environment)
        _wait_for(f"http://127.0.0.1:{port}/health", server, "The server", "serve.log")
        self._say(f"Server: http://127.0.0.1:{port}")

    def _start(
        self, running: ExitStack, command: list[str], log_name: str, environment: dict[str, str]
    ) -> "subprocess.Popen[bytes]":
        folder = Path(settings.DATA_DIR) / "logs"
        folder.mkdir(exist_ok=True)
        log = running.enter_context((folder / log_name).open("ab"))
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=settings.BASE_DIR,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        running.callback(_stop, process)
        return process

    def _run_one(self, port: int) -> dict[str, Any]:
        body = json.loads((settings.BASE_DIR / "demo" / "requests" / f"{SHOWN_AUTOMATION}.json").read_text())
        self._say(f"POST /inference {body['endpoint_name']} {json.dumps(body['input_parameters'])}")
        ends_at = time.monotonic() + TASK_SECONDS
        while time.monotonic() < ends_at:
            answer = requests.post(
                f"http://127.0.0.1:{port}/inference", json=body, headers={"Prefer": "wait=60"}, timeout=90
            )
            content = answer.json()
            if answer.status_code == requests.codes.ok:
                task: dict[str, Any] = content["task"]
                return task
            if answer.status_code != requests.codes.accepted:
                raise CommandError(f"The submission was refused ({answer.status_code}): {content['message']}")
            # Still running: the same body meets the same task, since its unique parameters are the same.
        raise CommandError(f"The task did not end within {TASK_SECONDS:.0f} s; see {settings.DATA_DIR}/logs/serve.log.")

    def _print_result(self, task: dict[str, Any], port: int, password_note: str) -> None:
        seconds = (task.get("duration_ms") or 0) / 1000
        self._say(f"Task {task['task_id']}: {task['status']} after {seconds:.1f} s")
        if task.get("error"):
            self.stdout.write(f"  {task['error']}")
        for item in task.get("output_data") or []:
            for name, value in (item.get("json_data") or {}).items():
                shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                self.stdout.write(f"  {name}: {shown[:200]}")
        for download in task.get("downloads") or []:
            self.stdout.write(f"  file: {download['filename']}")
        base = f"http://localhost:{port}"
        self._say(f"Dashboard: {base}/admin/inference/task/{task['task_id']}/change/")
        self._say(f"Sign in at {base}/admin/ as {password_note}")

    def _stay(self, port: int) -> None:
        self._say("Running until Ctrl-C. Try:")
        self.stdout.write(
            f"  curl -X POST localhost:{port}/inference -H 'Content-Type: application/json' "
            f"-d @demo/requests/{SHOWN_AUTOMATION}.json"
        )
        self.stdout.flush()
        try:
            signal.pause()
        except KeyboardInterrupt:
            self._say("Stopping")


def _raise_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _answers(url: str) -> bool:
    try:
        return bool(requests.get(url, timeout=2).status_code == requests.codes.ok)
    except requests.RequestException:
        return False


def _wait_for(url: str, process: "subprocess.Popen[bytes]", name: str, log_name: str) -> None:
    ends_at = time.monotonic() + READY_SECONDS
    log = Path(settings.DATA_DIR) / "logs" / log_name
    while not _answers(url):
        if process.poll() is not None:
            last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise CommandError(f"{name} ended while starting:\n{last_lines}")
        if time.monotonic() > ends_at:
            raise CommandError(f"{name} did not answer within {READY_SECONDS:.0f} s: see {log}.")
        time.sleep(0.1)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
