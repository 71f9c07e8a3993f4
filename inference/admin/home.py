"""The first page: what runs, what needs a person, what failed today, who works."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from inference.admin.counts import Counts, bounded, read_counts
from inference.admin.permissions import may_cancel_tasks, may_view_tasks, task_permissions
from inference.admin.queue_pause import PAUSED, paused_rows
from inference.admin.tasks.filters import TaskFilter
from inference.admin.tasks.rows import TaskRow, task_rows, with_row_columns
from inference.admin.wording import counted, number, spoken_duration
from inference.admin.worker_host import may_view_workers, worker_rows
from inference.models import LEASED, PersonRequest, QueuePause, Task

SHOWN_NEEDS = 5
SHOWN_PAUSES = 8
SHOWN_TASKS = 6
SMALL_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


@dataclass(frozen=True)
class Tile:
    label: str
    state: str
    figure: str
    small: str
    note: str
    link: str


def home_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold calls this for the index page (DASHBOARD_CALLBACK)."""
    context |= {"title": "Home"} | task_permissions(request)
    if not may_view_tasks(request):
        return context | {"may_view": False}
    counts = read_counts()
    may_answer = may_cancel_tasks(request)
    pauses = paused_rows(counts.now)
    is_paused = any(row.key == QueuePause.QUEUE for row in pauses)
    needs = _needs(counts, may_answer=may_answer)
    running = _newest(Task.objects.filter(status__in=LEASED), counts, may_answer=may_answer)
    failed = _newest(
        TaskFilter(view="failed-today").matching().exclude(outcome_unknown=True, review__isnull=True),
        counts,
        may_answer=may_answer,
    )
    return context | {
        "may_view": True,
        "answer": answer(counts, is_paused=is_paused),
        "today": f"{timezone.localtime():%A} {timezone.localtime().day} {timezone.localtime():%B, %H:%M}",
        "counts": counts,
        "problem": "" if is_paused else _problem(counts),
        "pauses": pauses[:SHOWN_PAUSES],
        "more_pauses": max(0, len(pauses) - SHOWN_PAUSES),
        "paused_pill": PAUSED,
        "is_paused": is_paused,
        "needs": needs,
        "more_needs": max(0, counts.needs_you - len(needs)),
        "tiles": _tiles(counts),
        "running": running,
        "failed": failed,
        "latest": _newest(Task.objects.all(), counts, may_answer=may_answer) if not running else [],
        "workers": worker_rows(counts.now)[:8] if may_view_workers(request) else [],
        "may_view_workers": may_view_workers(request),
        "needs_link": _link(view="needs-you"),
        "running_link": _link(view="running"),
        "failed_link": _link(view="failed-today"),
        "all_link": reverse("admin:inference_task_changelist"),
    }


def answer(counts: Counts, *, is_paused: bool = False) -> str:
    """`7 tasks are running. Three things need you.`"""
    if is_paused:
        waits = "1 task waits" if counts.queued == 1 else f"{bounded(counts.queued)} tasks wait"
        first = f"The queue is paused, {waits if counts.queued else 'nothing waits'}."
    elif counts.running:
        first = f"{bounded(counts.running)} {'task is' if counts.running == 1 else 'tasks are'} running."
    elif counts.queued:
        first = f"{bounded(counts.queued)} {'task waits' if counts.queued == 1 else 'tasks wait'}, none is running."
    else:
        first = "Nothing is running."
    needs = counts.needs_you
    if not needs:
        return f"{first} Nothing needs you."
    how_many = SMALL_NUMBERS[needs] if needs < len(SMALL_NUMBERS) else bounded(needs)
    return f"{first} {how_many} {'thing needs' if needs == 1 else 'things need'} you."


def _problem(counts: Counts) -> str:
    if counts.queued and counts.nobody_works:
        waits = "1 task waits" if counts.queued == 1 else f"{bounded(counts.queued)} tasks wait"
        return (
            f"{waits}, and no worker was seen in the last minute. Start one: Q_CLUSTER_NAME=browser manage.py qcluster"
        )
    return ""


def _tiles(counts: Counts) -> list[Tile]:
    oldest = counts.oldest_wait_seconds
    free = counts.workers - counts.busy_workers
    return [
        Tile(
            "Queued",
            "queued",
            bounded(counts.queued),
            "",
            f"oldest waits {spoken_duration(oldest)}" if counts.queued and oldest is not None else "nothing waits",
            _link(view="queued"),
        ),
        Tile(
            "Running",
            "running",
            bounded(counts.running),
            f"/ {counts.workers}" if counts.workers else "",
            f"{free} of {counted(counts.workers, 'worker')} free" if counts.workers else "no worker is running",
            _link(view="running"),
        ),
        Tile(
            "Succeeded today",
            "success",
            number(counts.succeeded_today),
            "",
            f"of {counted(counts.sent_today, 'task')} sent today",
            _link(statuses=("success",), period="today"),
        ),
        Tile(
            "Failed today",
            "failed",
            bounded(counts.failed_today),
            "",
            _failed_share(counts),
            _link(view="failed-today"),
        ),
    ]


def _failed_share(counts: Counts) -> str:
    ended = counts.failed_today + counts.succeeded_today
    if not counts.failed_today:
        return "all is well"
    return f"{100 * counts.failed_today / ended:.1f} % of what ended"


def _needs(counts: Counts, *, may_answer: bool) -> list[TaskRow]:
    """Tasks that wait for an answer, the one with the least time left first; then those to decide about."""
    asking = PersonRequest.objects.filter(closed_at=None).order_by("deadline").values_list("task_id", flat=True)
    by_time_left = list(asking[:SHOWN_NEEDS])
    waiting = list(with_row_columns(Task.objects.filter(pk__in=by_time_left))) if by_time_left else []
    waiting.sort(key=lambda task: by_time_left.index(task.id))
    unknown = Task.objects.filter(outcome_unknown=True, review__isnull=True)
    newest = with_row_columns(unknown).order_by("-created_at", "-id")[: SHOWN_NEEDS - len(waiting)]
    return task_rows([*waiting, *newest], counts, may_answer=may_answer)


def _newest(tasks: Any, counts: Counts, *, may_answer: bool) -> Sequence[TaskRow]:
    found = with_row_columns(tasks).order_by("-created_at", "-id")[:SHOWN_TASKS]
    return task_rows(list(found), counts, may_answer=may_answer)


def _link(**wanted: Any) -> str:
    return reverse("admin:inference_task_changelist") + TaskFilter(**wanted).link()
