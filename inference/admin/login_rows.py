"""Rows of the list of logins: what runs and waits of each, and what is stored for it. Values of sessions are not read.

A login is (automation, dedup hash); limits and pauses know it by the first 40 characters of the hash.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.urls import reverse

from inference.admin.queue_pause import PAUSED, pause_url
from inference.admin.tasks.rows import identity
from inference.admin.wording import Moment, Pill, ago, counted, moment, number, size
from inference.models import LEASED, Automation, LoginSession, QueuePause, Task
from inference.queue_state import login_key

SHOWN_LOGINS = 200
# Of each kind (stored, waiting, running, paused) so many are looked at: more than are shown, and still quick.
_LOOKED_AT = 1000
COUNTED_WAITING = 1000
_HASH = 40

# By the state of the pill.
_COUNTED_STATES = (("running", "runs", "run"), ("queued", "waits", "wait"), ("review", "is paused", "are paused"))

Login = tuple[int, str]


@dataclass(frozen=True)
class StoredCell:
    """What is said about a stored session."""

    pk: int
    saved: Moment
    ends: str
    size: str
    host: str
    is_over: bool


@dataclass(frozen=True)
class LoginRow:
    name: str
    is_hash: bool
    automation: str
    automation_link: str
    pill: Pill
    running: str
    waiting: str
    stored: StoredCell | None
    forget_link: str
    pause_link: str
    paused_key: str
    order: tuple[int, float]


@dataclass
class _Known:
    """What is known of one login, until its row is made."""

    running: int = 0
    waiting: int = 0
    limit: int | None = None
    paused_key: str = ""
    session: LoginSession | None = None
    task_id: UUID | None = None  # any task of it


def login_rows(now: datetime, *, shows_values: bool) -> list[LoginRow]:
    """Paused ones first, then those that run, wait, and the newest stored. `shows_values`: the reader may see the
    values of tasks, by which people know a login; else it has the begin of its hash."""
    known: dict[Login, _Known] = {}

    def of(automation_id: int, dedup_hash: str) -> _Known:
        return known.setdefault((automation_id, dedup_hash[:_HASH]), _Known())

    _add_stored(of)
    _add_pauses(of)
    _add_waiting(of)
    _add_running(of)
    automations = Automation.objects.in_bulk({automation_id for automation_id, _ in known})
    names = _names(each.task_id for each in known.values()) if shows_values else {}
    rows = [_row(login, each, automations[login[0]], names, now) for login, each in known.items()]
    return sorted(rows, key=lambda row: row.order)[: SHOWN_LOGINS + 1]


def stored_sessions() -> Any:
    """Rows of stored sessions, without what is in them."""
    return LoginSession.objects.filter(forgotten_at=None).defer("sealed")


def name_of(session: LoginSession, *, shows_values: bool) -> str:
    """What a person would call its login."""
    names = _names([session.task_id]) if shows_values else {}
    return names.get(session.task_id) or session.login[:8] + "…"


def _add_stored(of: Any) -> None:
    for session in stored_sessions().order_by("-saved_at")[:_LOOKED_AT]:
        known = of(session.automation_id, session.login)
        known.session, known.task_id = session, session.task_id


def _add_pauses(of: Any) -> None:
    for pause in QueuePause.objects.exclude(login="").order_by("paused_at")[:_LOOKED_AT]:
        of(pause.automation_id, pause.login).paused_key = pause.key


def _add_waiting(of: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"most": COUNTED_WAITING, "logins": _LOOKED_AT})
        for automation_id, login, limit, waiting, first in cursor.fetchall():
            known = of(automation_id, login)
            known.waiting = min(COUNTED_WAITING, known.waiting + waiting)
            known.limit, known.task_id = limit, known.task_id or first


def _add_running(of: Any) -> None:
    running = Task.objects.filter(status__in=LEASED, is_dedicated=True).order_by("-allocated_at")
    columns = ("automation_id", "dedup_hash", "per_login_parallelism", "id")
    for automation_id, dedup_hash, limit, task_id in running.values_list(*columns)[:_LOOKED_AT]:
        known = of(automation_id, dedup_hash)
        known.running += 1
        known.limit, known.task_id = known.limit or limit, known.task_id or task_id


def _names(task_ids: Iterable[UUID | None]) -> dict[UUID | None, str]:
    """The values that name a login, by a task of it."""
    wanted = Task.objects.filter(id__in=[each for each in task_ids if each is not None])
    return {task.id: identity(task) for task in wanted.only("unique_parameter_names", "dedup_key")}


def _row(login: Login, known: _Known, automation: Automation, names: dict[UUID | None, str], now: datetime) -> LoginRow:
    name = names.get(known.task_id, "")
    limit = automation.per_login_parallelism or known.limit or 1
    session = known.session
    return LoginRow(
        name=name or login[1][:8] + "…",
        is_hash=not name,
        automation=automation.endpoint_name,
        automation_link=reverse("admin:inference_automation_change", args=(automation.pk,)),
        pill=_pill(known, now),
        running=f"{number(known.running)} / {number(limit)}",
        waiting=f"{number(known.waiting)}{'+' if known.waiting == COUNTED_WAITING else ''}",
        stored=None if session is None else _stored(session, now),
        forget_link="" if session is None else reverse("admin:inference_loginsession_forget", args=(session.pk,)),
        pause_link=pause_url(task=str(known.task_id)) if names and known.task_id in names else "",
        paused_key=known.paused_key and login_key(*login),
        order=_order(known),
    )


def _pill(known: _Known, now: datetime) -> Pill:
    if known.paused_key:
        return PAUSED
    if known.running:
        return Pill("running", "Running")
    if known.waiting:
        return Pill("queued", "Waiting")
    if known.session is not None and known.session.expires_at <= now:
        return Pill("cancelled", "Expired")
    return Pill("success", "Ready")


def _order(known: _Known) -> tuple[int, float]:
    kind = 0 if known.paused_key else 1 if known.running else 2 if known.waiting else 3
    return kind, 0.0 if known.session is None else -known.session.saved_at.timestamp()


def _stored(session: LoginSession, now: datetime) -> StoredCell:
    is_over = session.expires_at <= now
    return StoredCell(
        pk=session.pk,
        saved=ago(session.saved_at, now),
        ends=f"{'expired' if is_over else 'expires'} {moment(session.expires_at, now).text}",
        size=size(session.size_bytes),
        host=session.host,
        is_over=is_over,
    )


def answer(rows: list[LoginRow]) -> str:
    """`12 logins, 2 run, 1 is paused`."""
    if not rows:
        return "No login is known"
    parts = [f"{counted(SHOWN_LOGINS, 'login')} or more" if len(rows) > SHOWN_LOGINS else counted(len(rows), "login")]
    for state, one, many in _COUNTED_STATES:
        if count := sum(row.pill.state == state for row in rows):
            parts.append(f"{number(count)} {one if count == 1 else many}")
    return ", ".join(parts)


# One row per line: a login whose tasks came with different limits has several.
_WAITING = """
    SELECT line.automation_id, line.login, line.per_login_parallelism, waiting.tasks, waiting.first
    FROM (SELECT id, automation_id, login, per_login_parallelism FROM inference_queueline
          WHERE login <> '' ORDER BY best_created_at LIMIT %(logins)s) line
    CROSS JOIN LATERAL (
        SELECT count(*) AS tasks, (array_agg(task.id))[1] AS first
        FROM (SELECT t.id FROM inference_task t
              WHERE t.line_id = line.id AND t.status = 'queued' AND NOT t.is_delayed LIMIT %(most)s) task) waiting
    WHERE waiting.tasks > 0
"""
