"""What is printed where: results on stdout, everything else on stderr. And what the exit code says."""

import json
import sys
from enum import IntEnum
from typing import Any

import click
from rich.console import Console

from optexity_server.errors import (
    ApiError,
    ConnectionFailedError,
    OptexityError,
    UnavailableError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)


class Exit(IntEnum):
    """The exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2  # click's own
    UNREACHABLE = 3
    NOT_ENDED = 4
    INTERRUPTED = 130  # as shells say it


class Output:
    """The two streams of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        # Whether stdout takes one object for each line, so that an error is none of them.
        self.is_stream = False
        # The task that an error is about, for who has not been told its id on stdout.
        self.task_id: str | None = None
        self.stderr = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

    def result(self, value: Any, text: str | None = None) -> None:
        """`value` as JSON, or, for people, `text`."""
        if self.as_json:
            self.json_line(value)
        elif text is not None:
            click.echo(shown(text))

    def json_line(self, value: Any) -> None:
        """In ASCII: safe for every pipe and every terminal."""
        click.echo(json.dumps(value, separators=(",", ":")))

    def say(self, text: str) -> None:
        """Something for a person, beside the result."""
        click.echo(shown(text), err=True)

    def fail(self, error: Exception) -> Exit:
        """Tell what went wrong; the exit code of it."""
        self.say(f"Error: {described(error)}")
        if self.as_json and not self.is_stream:
            about = {} if self.task_id is None else {"task_id": self.task_id}
            self.json_line(error_object(error) | about)
        return exit_code_of(error)

    def has_live_screen(self) -> bool:
        return not self.as_json and sys.stderr.isatty()


def shown(text: str) -> str:
    """`text` without what a terminal would obey: a page may have put it into a label or a result."""
    return "".join(each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text)


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def described(error: Exception) -> str:
    if not isinstance(error, ApiError):
        return str(error)
    lines = [error.message]
    lines += [text for texts in error.errors.values() for text in texts if text != error.message]
    if error.request_id and error.status >= 500:
        lines.append(f"(request {error.request_id})")
    return "\n".join(lines)


def error_object(error: Exception) -> dict[str, Any]:
    """In the shape of the server's own errors."""
    answer: dict[str, Any] = {"success": False, "message": str(error)}
    if isinstance(error, ApiError):
        answer |= {
            "message": error.message,
            "status": error.status,
            "errors": error.errors,
            "request_id": error.request_id,
        }
    return answer


def exit_code_of(error: Exception) -> Exit:
    match error:
        case ConnectionFailedError() | UnavailableError() | UnexpectedAnswerError():
            return Exit.UNREACHABLE
        case WaitTimeoutError():
            return Exit.NOT_ENDED
        case OptexityError() | OSError():
            return Exit.FAILED
        case _:
            return Exit.USAGE
