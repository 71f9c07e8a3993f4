"""What the task list shows: read from the query string, put back into links, and turned into a query.

Everything is in the address, so a filtered list can be shared, and works without JavaScript.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast, Right
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date

from inference.admin.tasks.rows import with_row_columns
from inference.models import LEASED, Automation, PersonRequest, Task, TaskStatus

PAGE_SIZE = 50
# Free text is looked for in the newest tasks of the filter only: the cost stays the same with a million of them.
TEXT_WINDOW = 10_000
ID_TAIL_LENGTH = 8
IDS_FOUND = 200

VIEWS = {
    "": "All",
    "needs-you": "Needs you",
    "running": "Running",
    "queued": "Queued",
    "failed-today": "Failed today",
}
PERIODS = {"today": "today", "24h": "last 24 hours", "7d": "last 7 days", "30d": "last 30 days"}
_HEX = re.compile(r"[0-9a-f-]{4,36}", re.ASCII)
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class TaskFilter:
    """One state of the list. `before` and `after` are cursors: the row next to the page."""

    view: str = ""
    statuses: tuple[str, ...] = ()
    automation_id: int | None = None
    key_id: int | None = None
    period: str = ""
    since: str = ""
    until: str = ""
    error: str = ""
    text: str = ""
    before: str = ""
    after: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> "TaskFilter":
        """Wrong values are left out rather than refused: an old link still shows something."""
        view = query.get("view", "")
        period = query.get("time", "")
        return cls(
            view=view if view in VIEWS else "",
            statuses=tuple(value for value in TaskStatus.values if value in query.getlist("status")),
            automation_id=_number(query.get("automation")),
            key_id=_number(query.get("key")),
            period=period if period in PERIODS else "",
            since=_date_text(query.get("since")),
            until=_date_text(query.get("until")),
            error=_clean(query.get("error")),
            text=_clean(query.get("q")),
            before=query.get("before", ""),
            after=query.get("after", ""),
        )

    @property
    def is_filtered(self) -> bool:
        return bool(self.parameters(view="", before="", after=""))

    @property
    def is_first_page(self) -> bool:
        return not self.before and not self.after

    def parameters(self, **changes: Any) -> list[tuple[str, str]]:
        """The query string's pairs, in a fixed order, without what is not set."""
        changed = replace(self, **changes)
        pairs = [
            ("view", changed.view),
            *(("status", status) for status in changed.statuses),
            ("automation", str(changed.automation_id or "")),
            ("key", str(changed.key_id or "")),
            ("time", changed.period),
            ("since", changed.since),
            ("until", changed.until),
            ("error", changed.error),
            ("q", changed.text),
            ("before", changed.before),
            ("after", changed.after),
        ]
        return [(name, value) for name, value in pairs if value]

    def link(self, **changes: Any) -> str:
        """`?…` of this filter with `changes`; another filter begins at its first page."""
        return "?" + urlencode(self.parameters(**{"before": "", "after": "", **changes}))

    def matching(self) -> "QuerySet[Task]":
        """All tasks of the filter, without order or cursor."""
        tasks = Task.objects.filter(self._view_condition(), self._chip_conditions())
        return _matching_text(tasks, self.text) if self.text else tasks

    def page(self) -> tuple[list[Task], str, str]:
        """The rows of the page, newest first, and the cursors of the newer and older neighbors ("": none)."""
        tasks = with_row_columns(self.matching())
        newer_than = _cursor(self.after)
        if newer_than is not None:
            found = list(tasks.filter(_beyond(newer_than, newer=True)).order_by("created_at", "id")[: PAGE_SIZE + 1])
            has_newer = len(found) > PAGE_SIZE
            rows = found[:PAGE_SIZE][::-1]
            return rows, _cursor_text(rows[0]) if rows and has_newer else "", _cursor_text(rows[-1]) if rows else ""
        older_than = _cursor(self.before)
        if older_than is not None:
            tasks = tasks.filter(_beyond(older_than, newer=False))
        found = list(tasks.order_by("-created_at", "-id")[: PAGE_SIZE + 1])
        rows = found[:PAGE_SIZE]
        older = _cursor_text(rows[-1]) if len(found) > PAGE_SIZE else ""
        newer = _cursor_text(rows[0]) if rows and older_than is not None else ""
        return rows, newer, older

    def newer_than(self, cursor: str) -> "QuerySet[Task]":
        """What came after the row that `cursor` stands for."""
        point = _cursor(cursor)
        return self.matching() if point is None else self.matching().filter(_beyond(point, newer=True))

    def _view_condition(self) -> Q:
        match self.view:
            case "needs-you":
                # As ids: each half is then read by its own index. There are no more than workers.
                waiting = list(PersonRequest.objects.filter(closed_at=None).values_list("task_id", flat=True))
                return Q(outcome_unknown=True, review__isnull=True) | Q(pk__in=waiting)
            case "running":
                return Q(status__in=LEASED)
            case "queued":
                return Q(status=TaskStatus.QUEUED)
            case "failed-today":
                midnight = _midnight()
                # The first bound lets the index of a status be read; a task runs for hours, not days.
                return Q(
                    status__in=(TaskStatus.FAILED, TaskStatus.KILLED),
                    created_at__gte=midnight - timedelta(days=1),
                    completed_at__gte=midnight,
                )
            case _:
                return Q()

    def _chip_conditions(self) -> Q:
        condition = Q()
        if self.statuses:
            condition &= Q(status__in=self.statuses)
        if self.automation_id is not None:
            condition &= Q(automation_id=self.automation_id)
        if self.key_id is not None:
            condition &= Q(api_key_id=self.key_id)
        if self.error:
            condition &= Q(error__startswith=self.error)
        begin, end = self._bounds()
        if begin is not None:
            condition &= Q(created_at__gte=begin)
        if end is not None:
            condition &= Q(created_at__lt=end)
        return condition

    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        now = timezone.now()
        match self.period:
            case "today":
                return _midnight(), None
            case "24h":
                return now - timedelta(hours=24), None
            case "7d":
                return now - timedelta(days=7), None
            case "30d":
                return now - timedelta(days=30), None
        since, until = parse_date(self.since or "-"), parse_date(self.until or "-")
        begin = None if since is None else timezone.make_aware(datetime.combine(since, time.min))
        end = None if until is None else timezone.make_aware(datetime.combine(until + timedelta(days=1), time.min))
        return begin, end


def cursor_of(task: Task) -> str:
    return _cursor_text(task)


def _matching_text(tasks: "QuerySet[Task]", text: str) -> "QuerySet[Task]":
    """An id from either end, an automation's name, or words in what was sent, came out, or went wrong."""
    wanted = text.lower().removeprefix("…").replace(" ", "")
    try:
        return tasks.filter(id=UUID(wanted))
    except ValueError:
        pass
    digits = wanted.replace("-", "") if _HEX.fullmatch(wanted) else ""
    if len(digits) >= ID_TAIL_LENGTH and (found := _ids_with(digits)):
        return tasks.filter(id__in=found)
    condition = _text_condition(text)
    if digits:
        condition |= Q(id_text__endswith=digits)
    return tasks.alias(
        id_text=Cast("id", TextField()),
        sent_text=Cast("input_parameters", TextField()),
        output_text=Cast("output_data", TextField()),
    ).filter(condition, pk__in=_newest(tasks))


def _newest(tasks: "QuerySet[Task]") -> "QuerySet[Task, UUID]":
    return tasks.order_by("-created_at", "-id").values_list("pk", flat=True)[:TEXT_WINDOW]


def _text_condition(text: str) -> Q:
    named = Automation.objects.filter(endpoint_name__icontains=text).values("id")
    return (
        Q(automation_id__in=named)
        | Q(error__icontains=text)
        | Q(sent_text__icontains=text)
        | Q(output_text__icontains=text)
    )


def _ids_with(digits: str) -> list[UUID]:
    """Tasks whose id begins or ends with these digits, by the indexes of both ends."""
    tail = Right(Cast("id", TextField()), ID_TAIL_LENGTH)  # as in the index task_by_id_tail
    ending = Task.objects.alias(tail=tail).filter(tail=digits[-ID_TAIL_LENGTH:])
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    beginning = Task.objects.filter(id__gte=low, id__lte=high)
    found = [*ending.values_list("id", flat=True)[:IDS_FOUND], *beginning.values_list("id", flat=True)[:IDS_FOUND]]
    return [task_id for task_id in found if task_id.hex.endswith(digits) or task_id.hex.startswith(digits)]


def _beyond(point: tuple[datetime, UUID], *, newer: bool) -> Q:
    """Rows on one side of a cursor, as a condition that the index (created_at, id) can be read with."""
    at, task_id = point
    if newer:
        return Q(created_at__gte=at) & (Q(created_at__gt=at) | Q(id__gt=task_id))
    return Q(created_at__lte=at) & (Q(created_at__lt=at) | Q(id__lt=task_id))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _cursor_text(task: Task) -> str:
    microseconds = (task.created_at - _EPOCH) // timedelta(microseconds=1)
    return f"{microseconds}.{task.id.hex}"


def _cursor(text: str) -> tuple[datetime, UUID] | None:
    microseconds, _, task_id = text.partition(".")
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds)), UUID(task_id)
    except (ValueError, OverflowError):
        return None


def _midnight() -> datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    value = int(text)
    return value if 0 < value <= _LARGEST_ID else None


def _date_text(text: str | None) -> str:
    try:
        return text if text and parse_date(text) else ""
    except ValueError:
        return ""


def _clean(text: str | None) -> str:
    # PostgreSQL knows no NUL in a text.
    return (text or "").replace("\x00", "").strip()[:200]
