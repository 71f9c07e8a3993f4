"""How the dashboard says times, durations, identifiers and states. One place, so that pages agree."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from inference.models import PersonRequest, StepStatus, Task, TaskStatus

# What a state is called, by the name of its colors in tokens.css.
STATE_WORDS = {
    "queued": "Queued",
    "allocated": "Allocated",
    "running": "Running",
    "success": "Success",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "killed": "Killed",
    "review": "Needs review",
    "human": "Waits for a person",  # "Waiting for you" to those who may answer
    "warning": "Warning",
    "skipped": "Skipped",
    "todo": "Not reached",
}

# A step's status -> the state whose colors and glyph it has.
STEP_STATES = {
    StepStatus.RUNNING: "running",
    StepStatus.SUCCESS: "success",
    StepStatus.WARNING: "review",
    StepStatus.SKIPPED: "skipped",
    StepStatus.FAILED: "failed",
}
STEP_WORDS = {
    StepStatus.RUNNING: "Running",
    StepStatus.SUCCESS: "Success",
    StepStatus.WARNING: "Warning",
    StepStatus.SKIPPED: "Skipped",
    StepStatus.FAILED: "Failed",
}


# How the runner says that an element was missing or could not be used (executor/actions/targeted.py).
_NOTHING_MATCHED = re.compile(
    r"nothing usable matched (?P<locator>.+?) on \S+ within [\d.]+ s(?: \(.*?\))?"
    r"(?:; nearest: (?P<nearest>.+?”)(?:, .+)?)?(?:; .*)?$"
)
_NOT_USABLE = re.compile(r"(?P<locator>.+?) on \S+ could not be used within [\d.]+ s: (?P<reason>.+)$")
_STEP_PREFIX = re.compile(r"^step \d+ \([^\n]*?\): ", re.IGNORECASE)


@dataclass(frozen=True)
class Pill:
    """A state as shape, word and color. `dim` marks one that is on its way to another (cancelling)."""

    state: str
    word: str
    dim: bool = False


@dataclass(frozen=True)
class Asked:
    """What a task asks people, and how long it still does; `until` lets the browser count on."""

    question: str
    left: str
    until: str


@dataclass(frozen=True)
class Moment:
    """An instant: short text, machine-readable form, and the whole of it for the tooltip.

    `counts` says that the text is relative and the browser keeps it true.
    """

    text: str
    iso: str
    title: str
    counts: bool = False


def short_id(value: UUID | str) -> str:
    """`…9d3b5a21`: identifiers are time-ordered, so neighbors differ only at their end."""
    return f"…{str(value)[-8:]}"


def duration(seconds: float) -> str:
    """`0:41`, `10:30`, `1 h 4 min`, `3 d 2 h`. Whole seconds, cut off: a running clock never shows the future."""
    whole = max(0, int(seconds))
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def fine_duration(milliseconds: float) -> str:
    """For waterfalls: `12 ms`, `0.4 s`, `9.6 s`, `40.6 s`, and from a minute on like `duration`."""
    if milliseconds < 50:
        return f"{round(milliseconds)} ms"
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f} s"
    return duration(milliseconds / 1000)


def spoken_duration(seconds: float) -> str:
    """In a sentence: `12 s`, `6 min`, `1 h 4 min`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return duration(whole)


def ago(at: datetime, now: datetime) -> Moment:
    """`8 s ago` within a day, `24 Nov, 14:29` after; the tooltip has seconds and zone."""
    seconds = max(0.0, (now - at).total_seconds())
    if seconds >= 86400:
        return moment(at, now)
    text = "now" if seconds < 1 else f"{_largest_unit(seconds)} ago"
    return Moment(text, at.isoformat(), _title(at), counts=True)


def moment(at: datetime, now: datetime) -> Moment:
    """`today 14:29`, `24 Nov, 14:29`, `24 Nov 2025, 14:29`."""
    local, today = timezone.localtime(at), timezone.localtime(now)
    if local.date() == today.date():
        text = f"today {local:%H:%M}"
    elif local.year == today.year:
        text = f"{local.day} {local:%b, %H:%M}"
    else:
        text = f"{local.day} {local:%b %Y, %H:%M}"
    return Moment(text, at.isoformat(), _title(at))


def recently(at: datetime, now: datetime) -> Moment:
    """For narrow columns: like `ago` within a day, only the day after."""
    return ago(at, now) if (now - at).total_seconds() < 86400 else day(at, now)


def day(at: datetime, now: datetime) -> Moment:
    """`12 Nov`, with the year when it is another one."""
    local = timezone.localtime(at)
    text = f"{local.day} {local:%b}" if local.year == timezone.localtime(now).year else f"{local.day} {local:%b %Y}"
    return Moment(text, at.isoformat(), _title(at))


def clock(at: datetime) -> str:
    """`14:29:45.507`, for logs."""
    local = timezone.localtime(at)
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"


def size(count: int) -> str:
    """Bytes as people read them: `214 kB`, `8.1 MB`."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    if count < 1_000_000_000:
        return f"{count / 1_000_000:.1f} MB"
    return f"{count / 1_000_000_000:.1f} GB"


def number(count: int) -> str:
    """`1,332`."""
    return f"{count:,}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 task`, `7 tasks`, `1,332 tasks`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def task_state(task: Task, *, asks: bool = False) -> str:
    """The state whose colors a task has; one with an unknown outcome is its own, and so is one that `asks` a person."""
    if needs_review(task):
        return "review"
    return "human" if asks else str(task.status)


def needs_review(task: Task) -> bool:
    return task.needs_review


def task_pill(task: Task, *, fact: str = "", asks: bool = False) -> Pill:
    """`fact` replaces the plain word where the state has one to add ("Failed at step 9")."""
    if task.cancel_requested_at is not None and not task.has_ended:
        return Pill(str(task.status), "Cancelling", dim=True)
    state = task_state(task, asks=asks)
    return Pill(state, fact or STATE_WORDS[state])


def asking_words(*, may_answer: bool) -> str:
    return "Waiting for you" if may_answer else STATE_WORDS["human"]


def asked(request: PersonRequest, now: datetime) -> Asked:
    left = (request.deadline - now).total_seconds()
    return Asked(first_line(request.question), duration(left), request.deadline.isoformat())


def cause_name(cause: Any) -> str:
    """Who or what caused something, from the JSON of a cause; "" when it does not say."""
    if not isinstance(cause, dict):
        return ""
    name = str(cause.get("name") or cause.get("id") or cause.get("worker") or "")
    match cause.get("kind"):
        case "key":
            return f"key {name}" if name else "a key"
        case "user":
            return name or "a person"
        case "rescuer":
            return "the rescuer"
        case kind:
            return name or str(kind or "")


def first_line(text: str | None, limit: int = 300) -> str:
    line = (text or "").strip().partition("\n")[0].strip()
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def error_line(text: str | None, limit: int = 300) -> str:
    """The first line of an error in a few words; what the page says beside it (step, address) is left out."""
    line = first_line(_STEP_PREFIX.sub("", (text or "").strip(), count=1), 2000)
    missed = _NOTHING_MATCHED.match(line)
    if missed is not None:
        nearest = missed["nearest"]
        line = f"nothing matched {missed['locator']}" + (f"; nearest: {nearest}" if nearest else "")
    unusable = _NOT_USABLE.match(line)
    if unusable is not None:
        line = f"{unusable['locator']} could not be used: {unusable['reason']}"
    return first_line(line, limit)


def failure_words(label: str, error: str | None) -> str:
    """What went wrong in a step, in the words of its label where the error is about finding its element."""
    line = error_line(error)
    if not line.startswith("nothing matched "):
        return line
    _, _, nearest = line.partition("; nearest: ")
    there = f"the nearest is {nearest}" if nearest else "nothing on the page is like it"
    return f"could not {lowered(label)}: {there}"


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def lowered(text: str) -> str:
    """For the middle of a sentence; abbreviations stay."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def was_cancelled_by(task: Task) -> str:
    who = cause_name(task.cancel_cause)
    return f"Cancelled by {who}" if who else "Cancelled"


def was_killed_by(task: Task) -> str:
    who = cause_name(task.cancel_cause)
    return f"Killed by {who}" if who else "Killed"


def ended_badly(task: Task) -> bool:
    return task.status in (TaskStatus.FAILED, TaskStatus.KILLED)


def _largest_unit(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return f"{whole // 3600} h"


def _title(at: datetime) -> str:
    local = timezone.localtime(at)
    offset = local.strftime("%z")
    return f"{local.day} {local:%b %Y, %H:%M:%S}.{local.microsecond // 1000:03} ({offset[:3]}:{offset[3:]})"
