"""`manage.py submit ENDPOINT -p name=value`: send one task to a running server, and wait for it if wanted."""

import json
import os
import sys
import time
import uuid
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from typing import Any

import requests
from django.core.management.base import BaseCommand, CommandError

KEY_VARIABLE = "OPTEXITY_SERVER_KEY"
EXIT_FAILED = 1
EXIT_UNREACHABLE = 3
# What the server holds an answer at most.
LONGEST_WAIT_SECONDS = 60
DEFAULT_WAIT_SECONDS = 600
# Beyond what the server was asked to wait; also for an answer that is not held.
ANSWER_SECONDS = 30


class UnreachableError(Exception):
    """No answer that could be read came from the server."""


class Command(BaseCommand):
    help = (
        "Send one task to a running server. With --wait, show how it ended. "
        "Exit code: 0 taken (with --wait: succeeded), 1 refused or failed or not ended in time, 2 wrong use, "
        "3 server unreachable."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("endpoint_name", metavar="ENDPOINT", help="The automation's name.")
        parser.add_argument(
            "-p",
            dest="parameters",
            action="append",
            default=[],
            type=_name_and_value,
            metavar="NAME=VALUE",
            help="A value of an input parameter; repeat it for more values or more parameters.",
        )
        parser.add_argument(
            "--empty", action="append", default=[], metavar="NAME", help="An input parameter without any value."
        )
        parser.add_argument(
            "--unique", action="append", default=[], metavar="NAME", help="A parameter that identifies the task."
        )
        parser.add_argument(
            "--key", default=os.environ.get(KEY_VARIABLE, ""), help=f"API key (default ${KEY_VARIABLE})."
        )
        parser.add_argument("--url", default="http://127.0.0.1:9000", help="The server (default %(default)s).")
        parser.add_argument(
            "--wait",
            nargs="?",
            type=int,
            const=DEFAULT_WAIT_SECONDS,
            default=0,
            metavar="SECONDS",
            help=f"Wait for the end, at most so long ({DEFAULT_WAIT_SECONDS} without a number).",
        )
        parser.add_argument("--json", action="store_true", help="Write the server's answer as it is.")

    def handle(self, *, wait: int, url: str, key: str, **options: Any) -> None:
        if wait < 0:
            raise CommandError("--wait must be a number of seconds.", returncode=2)
        if not url.startswith(("http://", "https://")):
            raise CommandError("--url must begin with http:// or https://.", returncode=2)
        body: dict[str, Any] = {
            "endpoint_name": options["endpoint_name"],
            "input_parameters": _collect(options["parameters"], options["empty"]),
        }
        if options["unique"]:
            body["unique_parameter_names"] = options["unique"]
        try:
            status, answer = _submit(url.rstrip("/"), key, body, wait)
        except UnreachableError as error:
            self.stderr.write(str(error))
            sys.exit(EXIT_UNREACHABLE)
        if options["json"]:
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
        else:
            self._tell(status, answer)
        task = answer.get("task")
        if status >= 400 or (wait and (task is None or task["status"] != "success")):
            sys.exit(EXIT_FAILED)

    def _tell(self, status: int, answer: dict[str, Any]) -> None:
        if status >= 400:
            self.stderr.write(str(answer.get("message", f"The server answered {status}.")))
            for path, reasons in answer.get("errors", {}).items():
                self.stderr.write(f"  {path}: {' '.join(reasons)}")
            return
        for warning in answer.get("warnings", []):
            self.stderr.write(f"Warning: {warning}")
        self.stdout.write(f"{answer['message']}: {answer['task_id']}")
        task = answer.get("task")
        if task is not None:
            self.stdout.write(f"It ended as {task['status']}" + (f": {task['error']}" if task["error"] else "."))
            if task["output_data"]:
                self.stdout.write(json.dumps(task["output_data"], ensure_ascii=False, indent=2))


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ArgumentTypeError("write it as NAME=VALUE")
    return name, value


def _collect(pairs: Iterable[tuple[str, str]], empty: Iterable[str]) -> dict[str, list[str]]:
    parameters: dict[str, list[str]] = {name: [] for name in empty}
    for name, value in pairs:
        parameters.setdefault(name, []).append(value)
    return parameters


def _submit(url: str, key: str, body: dict[str, Any], wait: int) -> tuple[int, dict[str, Any]]:
    """The last answer. One idempotency key for all tries: the same request again is the same task, held longer."""
    address = f"{url}/api/v1/inference" if key else f"{url}/inference"
    headers = {"Idempotency-Key": str(uuid.uuid4())} | ({"x-api-key": key} if key else {})
    deadline = time.monotonic() + wait
    while True:
        asked = max(0, min(LONGEST_WAIT_SECONDS, round(deadline - time.monotonic())))
        began = time.monotonic()
        response = _post(address, headers | ({"Prefer": f"wait={asked}"} if asked else {}), body, asked)
        answer = _object(response)
        remaining = deadline - time.monotonic()
        if response.status_code == requests.codes.service_unavailable and remaining > 1:
            time.sleep(min(remaining, float(response.headers.get("Retry-After", 1))))
            continue
        was_held = time.monotonic() - began >= asked - 1
        if response.status_code != requests.codes.accepted or remaining < 1 or not was_held:
            return response.status_code, answer


def _post(address: str, headers: dict[str, str], body: dict[str, Any], asked: int) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # a .netrc would put its own Authorization over our key
        try:
            return session.post(
                address, json=body, headers=headers, timeout=(10, asked + ANSWER_SECONDS), allow_redirects=False
            )
        except requests.RequestException as error:
            raise UnreachableError(
                f"No answer from {address} ({type(error).__name__}): is the server running there?"
            ) from error


def _object(response: requests.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except requests.JSONDecodeError as error:
        raise UnreachableError(
            f"{response.url} answered {response.status_code} with something that is not JSON: is it this server?"
        ) from error
    if not isinstance(answer, dict):
        raise UnreachableError(f"{response.url} answered with JSON that is no object: is it this server?")
    return answer
