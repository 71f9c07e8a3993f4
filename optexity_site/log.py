"""How a log line looks: an object of JSON for collectors, or a plain line for people; the same fields in both.

Every line of the process goes through here, those of libraries included. Of an exception its class and place are told
and nothing else: messages and local variables may hold what a request sent or a page showed.
"""

import json
import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from structlog.contextvars import merge_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

FORMATS = ("json", "line")
# What requests and tasks bind, in the order in which it is shown.
_BOUND = ("request_id", "key_id", "task_id", "trace_id")
# Innermost frames of an exception that are told.
_FRAMES = 8


def make_formatter(shape: str) -> logging.Formatter:
    """The formatter of a handler, for `LOGGING`; `shape` is one of FORMATS."""
    return ProcessorFormatter(
        # What was bound for this request or task, and above it what the line itself says in `extra`.
        foreign_pre_chain=[merge_contextvars, ExtraAdder(), _without_foreign_values, _error_as_place, _head_first],
        processors=[ProcessorFormatter.remove_processors_meta, _as_json if shape == "json" else _as_line],
    )


def place_of(error: BaseException) -> str:
    """Where `error` was raised and by whom that was called, innermost first: `task.py:12 save < views.py:40 post`."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[: -_FRAMES - 1 : -1]
    )


def _without_foreign_values(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Cut off where libraries write what we would not: exceptions with their texts, in the middle of a message."""
    event = str(line["event"])
    if line["_record"].name == "asyncio":
        event = event.partition("\n")[0]  # the rest shows the exception of a future
    elif line["_record"].name == "django-q" and event.startswith("Failed "):
        event = event.partition(") - ")[0] + ")"  # the rest is the result: message and trace
    line["event"] = event
    return line


def _error_as_place(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    line.pop("stack_info", None)
    raised = line.pop("exc_info", None)
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        line["error"] = type(error).__qualname__
        line["place"] = place_of(error)
    return line


def _head_first(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Time, level, logger and event, whatever a field is called; then the fields."""
    record: logging.LogRecord = line["_record"]
    event = line.pop("event")
    head = {
        "at": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "level": record.levelname,
        "logger": record.name,
        "event": event,
    }
    bound = {name: line[name] for name in _BOUND if name in line}
    return head | bound | {name: value for name, value in line.items() if name not in head}


def _as_json(_: WrappedLogger, __: str, line: Mapping[str, Any]) -> str:
    # ASCII only, so that one line stays one line for every collector (U+2028 ends one for some).
    return json.dumps(line, default=str)


def _as_line(_: WrappedLogger, __: str, line: EventDict) -> str:
    """`2026-11-24T08:00:00.000Z INFO executor.worker task ended task_id=… status=success`"""
    head = [str(line.pop(name)) for name in ("at", "level", "logger", "event")]
    return _printable(" ".join([*head, *(f"{name}={value}" for name, value in line.items())]))


def _printable(text: str) -> str:
    """No line breaks and no control characters: nothing that is logged can look like a line of its own."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
