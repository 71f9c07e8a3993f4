"""What a failed step has kept of its page: its HTML, and what it wrote and asked for, as lines in order of time."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse

from inference.admin.wording import fine_duration, first_line, size
from inference.models import Artifact

SHOWN_LINES = 120


@dataclass(frozen=True)
class EvidenceLine:
    """One line of the console or one request. `at` is seconds from the beginning of the step."""

    at: str
    kind: str
    text: str
    more: str
    state: str


@dataclass(frozen=True)
class Evidence:
    lines: tuple[EvidenceLine, ...]
    snapshot_link: str
    snapshot_size: str
    is_cut: bool


def evidence_of(details: Mapping[str, Any]) -> Evidence | None:
    """From a step's details, whatever stands in them; None when nothing was kept."""
    found = [
        *(_console_line(each) for each in _mappings(details.get("console"))),
        *(_request_line(each) for each in _mappings(details.get("network"))),
    ]
    lines = tuple(line for _, line in sorted(found, key=lambda pair: pair[0]))
    snapshot = details.get("snapshot")
    link = _artifact_link(snapshot.get("id")) if isinstance(snapshot, dict) else ""
    if not lines and not link:
        return None
    kept: Mapping[str, Any] = snapshot if isinstance(snapshot, dict) else {}
    return Evidence(
        lines=lines[-SHOWN_LINES:],
        snapshot_link=f"{link}?save" if link else "",
        snapshot_size=size(_number(kept.get("bytes"))) if link else "",
        is_cut=bool(kept.get("is_cut")),
    )


def _mappings(found: Any) -> list[Mapping[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _console_line(found: Mapping[str, Any]) -> tuple[int, EvidenceLine]:
    at = _number(found.get("at_ms"))
    kind = str(found.get("type") or "log")
    place = first_line(str(found.get("url") or ""), 120)
    text = first_line(str(found.get("text") or ""), 300)
    bad = "failed" if kind in ("error", "uncaught", "assert") else ""
    return at, EvidenceLine(_offset(at), kind, text, place, bad)


def _request_line(found: Mapping[str, Any]) -> tuple[int, EvidenceLine]:
    at = _number(found.get("at_ms"))
    status, failure, took = found.get("status"), found.get("failure"), found.get("duration_ms")
    answer = str(status) if isinstance(status, int) else "" if failure else "open"
    parts = [fine_duration(_number(took)) if took is not None else "", str(failure or "")]
    bad = "failed" if failure or (isinstance(status, int) and status >= 400) else ""
    return at, EvidenceLine(
        at=_offset(at),
        kind=f"{str(found.get('method') or 'GET')[:10]} {answer}".strip(),
        text=first_line(str(found.get("url") or ""), 300),
        more=", ".join(part for part in parts if part),
        state=bad,
    )


def _offset(milliseconds: int) -> str:
    """`+1.2 s` after the step began; `-0.4 s`: its page had it before."""
    return f"{milliseconds / 1000:+.1f} s".replace("-", "\N{MINUS SIGN}")


def _number(found: Any) -> int:
    return int(found) if isinstance(found, int | float) and not isinstance(found, bool) else 0


def _artifact_link(found: Any) -> str:
    """Also "" for a file that the housekeeping has removed."""
    try:
        artifact_id = uuid.UUID(str(found))
        link = reverse("admin:inference_task_artifact", args=(artifact_id,))
    except (ValueError, NoReverseMatch):
        return ""
    return "" if Artifact.objects.filter(pk=artifact_id, removed_at__isnull=False).exists() else link
