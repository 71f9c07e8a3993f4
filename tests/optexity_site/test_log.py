"""What a line of the log says, in both formats."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from structlog.contextvars import bound_contextvars, clear_contextvars

from optexity_site.log import FORMATS, make_formatter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _nothing_bound() -> Iterator[None]:
    clear_contextvars()
    yield
    clear_contextvars()


class Log:
    """A logger of its own whose lines are kept."""

    def __init__(self, shape: str, name: str = "tests.log") -> None:
        self._stream = StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(make_formatter(shape))
        self.logger = logging.Logger(name)  # noqa: LOG001 - of this test alone
        self.logger.addHandler(handler)

    @property
    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()


def test_json_has_time_level_logger_event_and_every_field() -> None:
    log = Log("json")
    with bound_contextvars(request_id="r-1"):
        log.logger.warning("task %s", "ended", extra={"task_id": Path("a/b"), "attempt": 2})

    line = json.loads(log.lines[0])
    at = line.pop("at")
    assert line == {
        "level": "WARNING",
        "logger": "tests.log",
        "event": "task ended",
        "request_id": "r-1",
        "task_id": "a/b",
        "attempt": 2,
    }
    assert len(at) == len("2026-11-24T08:00:00.000Z")
    assert at.endswith("Z")


def test_a_line_for_people_has_the_same_fields() -> None:
    log = Log("line")
    with bound_contextvars(request_id="r-1"):
        log.logger.warning("task ended", extra={"attempt": 2})

    assert log.lines[0].partition(" ")[2] == "WARNING tests.log task ended request_id=r-1 attempt=2"


@pytest.mark.parametrize("shape", FORMATS)
def test_what_a_line_says_wins_over_what_is_bound_and_nothing_replaces_its_head(shape: str) -> None:
    log = Log(shape)
    with bound_contextvars(task_id="bound", level="bound", event="bound"):
        log.logger.info("seen", extra={"task_id": "said", "at": "never", "logger": "other"})

    for hidden in ("bound", "never", "other"):
        assert hidden not in log.lines[0]
    assert "said" in log.lines[0]
    assert "seen" in log.lines[0]


@pytest.mark.parametrize("shape", FORMATS)
def test_an_exception_is_told_by_class_and_place_only(shape: str) -> None:
    log = Log(shape)

    def fail(password: str) -> None:
        raise ValueError(f"{password} is wrong")

    try:
        fail("kanarienvogel")
    except ValueError:
        log.logger.exception("it broke", stack_info=True)

    (line,) = log.lines
    assert "kanarienvogel" not in line
    assert "password" not in line
    assert "ValueError" in line
    assert "test_log.py:" in line
    assert " fail < " in line


@pytest.mark.parametrize("shape", FORMATS)
@pytest.mark.parametrize(
    ("name", "message", "kept"),
    [
        ("asyncio", "Task exception was never retrieved\nfuture: <Task exception=E('kanarienvogel')>", "retrieved"),
        ("django-q", "Failed 'a.job' (four-words) - kanarienvogel : Traceback (most…\nkanarienvogel", "(four-words)"),
    ],
)
def test_libraries_do_not_write_texts_of_exceptions(shape: str, name: str, message: str, kept: str) -> None:
    log = Log(shape, name)
    log.logger.error(message)

    assert kept in log.lines[0]
    assert "kanarienvogel" not in "".join(log.lines)


@pytest.mark.parametrize("shape", FORMATS)
def test_nothing_that_is_logged_can_look_like_a_line_of_its_own(shape: str) -> None:
    log = Log(shape)
    log.logger.error("seen\n2026-11-24 INFO forged\u2028\x1b[31m", extra={"name_of": "a\r\nb"})

    (line,) = log.lines
    assert line.isprintable()


def test_the_default_is_json_where_nobody_looks() -> None:
    """stderr is a pipe here, as under systemd and in a container; the variable decides anywhere."""
    for environment, expected in (({}, "json"), ({"LOG_FORMAT": "line"}, "line"), ({"DEBUG": "true"}, "line")):
        done = subprocess.run(
            [sys.executable, "-c", "from django.conf import settings; print(settings.LOG_FORMAT)"],
            cwd=ROOT,
            env={"DJANGO_SETTINGS_MODULE": "optexity_site.settings", **_environment(), **environment},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert done.stdout.strip() == expected


def test_workers_load_nothing_that_only_answers_or_traces_need() -> None:
    code = (
        "import django, sys; django.setup(); import executor.worker; "
        "print([m for m in ('inference.telemetry.collector', 'opentelemetry') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "optexity_site.settings", **_environment()},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == "[]"


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if name not in ("LOG_FORMAT", "DEBUG")}
