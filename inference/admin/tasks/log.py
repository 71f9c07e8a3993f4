"""Task events as lines of a log."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inference.admin.wording import STATE_WORDS, cause_name, clock, first_line, spoken_duration
from inference.models import TaskEvent

# Said first, without their name; the rest follows as name=value.
_TELLING = ("message", "text", "label", "url", "filename", "path")
_BAD = frozenset({"failed", "killed", "error"})


@dataclass(frozen=True)
class LogLine:
    at: str
    iso: str
    kind: str
    text: str
    state: str  # colors the text when something went wrong


def log_lines(events: Sequence[TaskEvent]) -> list[LogLine]:
    return [_line(event) for event in events]


def _line(event: TaskEvent) -> LogLine:
    data = dict(event.data) if isinstance(event.data, dict) else {}
    status = event.status or str(data.get("status") or "")
    error = str(data.pop("error", "") or "")
    if event.kind == "step":
        kind, text = _step(data, status, first_line(error))
    else:
        kind = "task" if event.kind == "status" else event.kind.replace("_", " ")
        text = _text(event, data, first_line(error))
    return LogLine(
        at=clock(event.at),
        iso=event.at.isoformat(),
        kind=kind,
        text=text,
        state="failed" if status in _BAD or error else "",
    )


def _step(data: dict[str, Any], status: str, error: str) -> tuple[str, str]:
    """A step is told twice: when it begins, and how it ended."""
    index = data.get("index")
    label = first_line(str(data.get("label") or data.get("path") or ""), 200)
    told = "" if status in ("", "running") else STATE_WORDS.get(status, status).lower()
    return (
        "step" if index is None else f"step {index}",
        "  ".join(part for part in (label, told, error) if part),
    )


def _text(event: TaskEvent, data: dict[str, Any], error: str) -> str:
    parts: list[str] = []
    if event.kind == "status":
        word = STATE_WORDS.get(event.status or "", event.status or "changed")
        who = cause_name(event.cause)
        parts.append(f"{word}, by {who}" if who else word)
        data.pop("token", None)
    elif event.kind == "person":
        parts.append(_person(event, data))
    elif event.kind == "cancel_requested":
        parts.append(f"asked by {cause_name(event.cause) or 'somebody'} to stop")
    parts += [str(data.pop(name)) for name in _TELLING if data.get(name) not in (None, "")]
    if error:
        parts.append(error)
    parts += [f"{name}={_short(value)}" for name, value in data.items() if value not in (None, "", [], {})]
    return "  ".join(parts)


def _person(event: TaskEvent, data: dict[str, Any]) -> str:
    """A question to people, and what became of it; its text follows."""
    match data.pop("state", ""):
        case "asked":
            return f"asked for up to {spoken_duration(float(data.pop('seconds', 0)))}:"
        case "answered":
            answer = str(data.pop("answer", "")).replace("_", " ")
            return f"{answer}, said {cause_name(event.cause) or 'somebody'}"
        case state:
            return str(state)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return first_line(text, 200)
