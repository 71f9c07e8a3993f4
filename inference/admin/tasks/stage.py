"""The big picture of one step, with what was used or looked for drawn over it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inference.admin.tasks.evidence import Evidence, evidence_of
from inference.admin.wording import STEP_STATES, STEP_WORDS, Moment, Pill, clock, fine_duration, first_line, moment
from inference.models import Step, StepStatus

# What pages are photographed at when a step does not say.
USUAL_VIEWPORT = (1280.0, 720.0)
SHOWN_CANDIDATES = 5


@dataclass(frozen=True)
class Box:
    """A rectangle in page coordinates, and where its number stands."""

    x: float
    y: float
    width: float
    height: float
    number: int = 0

    @property
    def badge_x(self) -> float:
        return max(16.0, self.x)

    @property
    def badge_y(self) -> float:
        return max(16.0, self.y)

    @property
    def text_y(self) -> float:
        return self.badge_y + 7


@dataclass(frozen=True)
class Candidate:
    """Something on the page that could have been meant. `score` is 0 to 1."""

    number: int
    name: str
    score: str
    width: str
    reason: str
    box: Box | None


@dataclass(frozen=True)
class Stage:
    """One step in detail."""

    key: str
    title: str
    pill: Pill
    picture: str
    description: str
    view_box: str
    width: float
    height: float
    used: Box | None
    used_class: str
    candidates: tuple[Candidate, ...]
    url: str
    started: Moment
    began: str
    took: str
    locator: str
    error: str
    healed: bool
    is_commit_point: bool
    kind: str
    path: str
    notes: tuple[str, ...]
    evidence: Evidence | None
    no_picture: str


def stage_of(step: Step, now: datetime, picture: str, *, asks: str = "", no_picture: str = "") -> Stage:
    """`asks` is the word for a step that waits for a person, `no_picture` says why its picture is gone."""
    details: Mapping[str, Any] = step.details if isinstance(step.details, dict) else {}
    width, height = _viewport(details.get("viewport"))
    used = _box(details.get("box"))
    failed = step.status == StepStatus.FAILED
    key = str(step.index) if step.index is not None else f"p{step.position}"
    name = f"Step {step.index}" if step.index is not None else ""
    title = f"{name}, {step.label[:1].lower()}{step.label[1:]}" if name else step.label
    word = STEP_WORDS[StepStatus(step.status)]
    took = "" if step.duration_ms is None else fine_duration(step.duration_ms)
    return Stage(
        key=key,
        title=first_line(title, 160),
        pill=Pill("human", asks) if asks else Pill(STEP_STATES[StepStatus(step.status)], word),
        picture=picture,
        description=_description(step, word, used, failed),
        view_box=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        used=used,
        used_class="missed" if failed else "used",
        candidates=_candidates(details.get("candidates")),
        url=step.url,
        started=moment(step.started_at, now),
        began=clock(step.started_at)[:8],
        took=took,
        locator=step.locator,
        error=step.error or "",
        healed=step.healed,
        is_commit_point=step.is_commit_point,
        kind=step.kind.replace("_", " "),
        path=step.path,
        notes=_notes(details.get("notes")),
        evidence=evidence_of(details),
        no_picture=no_picture,
    )


def _description(step: Step, word: str, used: Box | None, failed: bool) -> str:
    what = f"The page at {first_line(step.label, 120)}. {word}."
    if used is not None:
        what += " The place that was looked at is outlined." if failed else " The element used is outlined."
    return what


def _candidates(found: Any) -> tuple[Candidate, ...]:
    if not isinstance(found, list):
        return ()
    return tuple(
        _candidate(number, each)
        for number, each in enumerate(found[:SHOWN_CANDIDATES], start=1)
        if isinstance(each, dict)
    )


def _candidate(number: int, found: Mapping[str, Any]) -> Candidate:
    role = str(found.get("role") or found.get("tag") or "")
    text = str(found.get("name") or found.get("text") or "")
    name = f"{role} “{text}”" if text and role else role or text or str(found.get("locator") or "element")
    score = found.get("score")
    share = min(1.0, max(0.0, float(score))) if isinstance(score, int | float) else None
    box = _box(found.get("box"))
    return Candidate(
        number=number,
        name=first_line(name, 120),
        score="" if share is None else f"{share:.2f}".lstrip("0") if share < 1 else "1",
        width="" if share is None else f"{100 * share:.0f}%",
        reason=first_line(str(found.get("reason") or found.get("locator") or ""), 200),
        box=None if box is None else Box(box.x, box.y, box.width, box.height, number),
    )


def _box(found: Any) -> Box | None:
    if not isinstance(found, dict):
        return None
    try:
        x, y, width, height = (float(found[name]) for name in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError):
        return None
    # A little around the element, so that its own border stays visible.
    return Box(round(x - 4, 1), round(y - 4, 1), round(width + 8, 1), round(height + 8, 1))


def _viewport(found: Any) -> tuple[float, float]:
    if isinstance(found, dict):
        try:
            width, height = float(found["width"]), float(found["height"])
        except (KeyError, TypeError, ValueError):
            return USUAL_VIEWPORT
        if width > 0 and height > 0:
            return width, height
    return USUAL_VIEWPORT


def _notes(found: Any) -> tuple[str, ...]:
    if isinstance(found, str):
        return (found,)
    return tuple(first_line(str(each)) for each in found[:10]) if isinstance(found, list) else ()
