"""The task list page: its sentence, views, filters, rows, and what changes on it while it is looked at."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.template.loader import render_to_string

from inference.admin.counts import COUNT_LIMIT, TODAY_LIMIT, Counts, bounded
from inference.admin.permissions import may_cancel_tasks
from inference.admin.tasks.filters import PAGE_SIZE, PERIODS, TEXT_WINDOW, VIEWS, TaskFilter, cursor_of
from inference.admin.tasks.rows import TaskRow, task_rows, with_row_columns
from inference.admin.wording import STATE_WORDS, counted, number, spoken_duration
from inference.models import ApiKey, Automation, Task, TaskStatus

# "50+ new tasks" is all that anybody needs to know.
NEW_LIMIT = 50
CHOICES_LIMIT = 300


@dataclass(frozen=True)
class Tab:
    title: str
    link: str
    is_current: bool
    view: str
    count: str
    state: str


@dataclass(frozen=True)
class Chip:
    """A filter. `value` is "" until it is set; then `clear` is the link that takes it off."""

    name: str
    label: str
    value: str
    clear: str
    fields: Sequence[tuple[str, str]]  # what its form sends besides its own inputs


def list_context(request: HttpRequest, wanted: TaskFilter, counts: Counts) -> dict[str, Any]:
    tasks, newer, older = wanted.page()
    automations = list(Automation.objects.order_by("endpoint_name", "id")[:CHOICES_LIMIT])
    keys = list(ApiKey.objects.order_by("name", "id")[:CHOICES_LIMIT]) if _may_see_keys(request) else []
    rows = task_rows(tasks, counts, may_answer=may_cancel_tasks(request))
    names = {
        "automation": next((each.endpoint_name for each in automations if each.id == wanted.automation_id), ""),
        "key": next((each.name for each in keys if each.id == wanted.key_id), ""),
    }
    return {
        "title": "Needs you" if wanted.view == "needs-you" else "Tasks",
        "answer": answer(wanted, counts, names),
        "explanation": explanation(wanted),
        "tabs": tabs(wanted, counts),
        "chips": chips(wanted, names),
        "wanted": wanted,
        "statuses": [(value, STATE_WORDS[value], value in wanted.statuses) for value in TaskStatus.values],
        "periods": [(value, words, value == wanted.period) for value, words in PERIODS.items()],
        "automations": automations,
        "keys": keys,
        "rows": rows,
        "newest": cursor_of(tasks[0]) if tasks and wanted.is_first_page else "",
        "newer_link": wanted.link(after=newer) if newer else "",
        "older_link": wanted.link(before=older) if older else "",
        "first_link": wanted.link(),
        "all_link": TaskFilter(view=wanted.view).link(),
        "search_fields": wanted.parameters(text="", before="", after=""),
        "page_size": PAGE_SIZE,
        "is_live": True,
        "counts": counts,
        "empty": _empty_words(wanted, counts),
    }


def live_changes(
    wanted: TaskFilter, shown: Sequence[UUID], newest: str, counts: Counts, *, may_cancel: bool
) -> tuple[str, dict[str, Any]]:
    """An ETag, and what a page that shows `shown` has to change: the rows, the tabs, the number of new ones."""
    found = with_row_columns(Task.objects.filter(id__in=shown))
    rows = task_rows(list(found), counts, may_answer=may_cancel)
    new = wanted.newer_than(newest).values("pk")[:NEW_LIMIT].count() if newest else 0
    tab_counts = {tab.view: tab.count for tab in tabs(wanted, counts)}
    names = {"automation": "", "key": ""}
    sentence = answer(wanted, counts, names) if not wanted.is_filtered else ""
    # An empty list has nothing to keep in place: it is shown anew when something comes.
    is_filling = not shown and wanted.matching().exists()
    stable = (
        is_filling,
        "" if wanted.view == "queued" else sentence,  # the queue's sentence counts on with the clock
        sorted((row.signature for row in rows), key=str),
        new,
        sorted(tab_counts.items()),
        may_cancel,
    )
    etag = f'"{hashlib.sha256(repr(stable).encode()).hexdigest()[:32]}"'
    return etag, {
        "rows": {str(row.id): row_html(row, may_cancel=may_cancel) for row in rows},
        "new": f"{NEW_LIMIT}+ new tasks" if new == NEW_LIMIT else counted(new, "new task") if new else "",
        "tabs": tab_counts,
        "answer": sentence,
        "any": is_filling,
    }


def row_html(row: TaskRow, *, may_cancel: bool) -> str:
    return render_to_string("inference/tasks/row.html", {"row": row, "may_cancel_tasks": may_cancel})


def answer(wanted: TaskFilter, counts: Counts, names: dict[str, str]) -> str:
    """The first line: what the list says, in one sentence."""
    if wanted.is_filtered:
        return _filter_sentence(wanted, names)
    match wanted.view:
        case "needs-you":
            if not counts.needs_you:
                return "Nothing needs you"
            return f"{_many(counts.needs_you, 'task')} {'needs' if counts.needs_you == 1 else 'need'} you"
        case "running":
            if not counts.running:
                return "No task is running"
            return f"{_many(counts.running, 'task')} {'is' if counts.running == 1 else 'are'} running"
        case "queued":
            return _queue_sentence(counts)
        case "failed-today":
            return (
                f"{_many(counts.failed_today, 'task')} failed today" if counts.failed_today else "No task failed today"
            )
        case _:
            if counts.sent_today == TODAY_LIMIT:
                return f"Today, more than {number(TODAY_LIMIT - 1)} tasks"
            return f"Today, {counted(counts.sent_today, 'task')}" if counts.sent_today else "No task was sent today"


def explanation(wanted: TaskFilter) -> str:
    if wanted.text:
        return f"looked in the newest {number(TEXT_WINDOW)} tasks of this filter"
    return "newest first"


def tabs(wanted: TaskFilter, counts: Counts) -> list[Tab]:
    shown = {
        "needs-you": (counts.needs_you, counts.needs_you_state),
        "running": (counts.running, ""),
        "queued": (counts.queued, ""),
        "failed-today": (counts.failed_today, "failed"),
    }
    return [
        Tab(
            title,
            wanted.link(view=view, statuses=(), period=""),
            view == wanted.view,
            view,
            bounded(shown[view][0]) if view in shown and shown[view][0] else "",
            shown.get(view, (0, ""))[1],
        )
        for view, title in VIEWS.items()
    ]


def chips(wanted: TaskFilter, names: dict[str, str]) -> list[Chip]:
    status = ", ".join(STATE_WORDS[value].lower() for value in wanted.statuses)
    dates = " to ".join(filter(None, (wanted.since, wanted.until)))
    found = [
        _chip(wanted, "time", "Time", PERIODS.get(wanted.period, dates), period="", since="", until=""),
        _chip(wanted, "status", "Status", status, statuses=()),
        _chip(
            wanted,
            "automation",
            "Automation",
            names["automation"] or str(wanted.automation_id or ""),
            automation_id=None,
        ),
        _chip(wanted, "key", "Key", names["key"] or str(wanted.key_id or ""), key_id=None),
    ]
    if wanted.error:
        found.append(_chip(wanted, "error", "Error", wanted.error[:60], error=""))
    return found


def _chip(wanted: TaskFilter, name: str, label: str, value: str, **cleared: Any) -> Chip:
    changes = {"before": "", "after": "", **cleared}
    return Chip(name, label, value, wanted.link(**cleared), wanted.parameters(**changes))


def _filter_sentence(wanted: TaskFilter, names: dict[str, str]) -> str:
    kind = {"needs-you": "Tasks that need you", "failed-today": "Tasks that failed today"}.get(
        wanted.view, f"{VIEWS[wanted.view]} tasks" if wanted.view else "Tasks"
    )
    if wanted.statuses:
        kind = f"{' and '.join(STATE_WORDS[value] for value in wanted.statuses)} tasks"
    parts = [kind]
    if wanted.automation_id is not None:
        parts.append(f"of {names['automation'] or 'an automation that is gone'}")
    if wanted.key_id is not None:
        parts.append(f"sent with {names['key'] or 'a key'}")
    if wanted.text:
        parts.append(f"with “{wanted.text}”")
    if wanted.error:
        parts.append("with one error")
    period = PERIODS.get(wanted.period) or " to ".join(filter(None, (wanted.since, wanted.until)))
    return " ".join(parts) + (f", {period}" if period else "")


def _queue_sentence(counts: Counts) -> str:
    if not counts.queued:
        return "No task is waiting"
    sentence = f"{_many(counts.queued, 'task')} {'waits' if counts.queued == 1 else 'wait'}"
    if counts.nobody_works:
        return f"{sentence}, and no worker is running"
    if counts.oldest_wait_seconds is not None:
        sentence += f", the oldest for {spoken_duration(counts.oldest_wait_seconds)}"
    return sentence


def _many(count: int, what: str) -> str:
    return f"More than {COUNT_LIMIT - 1} {what}s" if count == COUNT_LIMIT else counted(count, what)


def _empty_words(wanted: TaskFilter, counts: Counts) -> tuple[str, str, str]:
    """Icon, headline and what to do next, for a list without rows."""
    if wanted.is_filtered or not wanted.is_first_page:
        return "filter_alt_off", "No task matches", "Take a filter off to see more."
    match wanted.view:
        case "needs-you":
            return (
                "front_hand",
                "Nothing needs you",
                "Tasks that ask for a person, or for a decision, will wait here.",
            )
        case "running":
            return "play_circle", "No task is running", "Running ones show up here within seconds."
        case "queued":
            return "hourglass_empty", "No task is waiting", "Tasks stand here until a worker is free."
        case "failed-today":
            return "task_alt", "No task failed today", "Failures show up here within seconds."
        case _:
            return "list_alt", "No tasks yet", "Run an automation here, or send one with POST /inference."


def _may_see_keys(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.view_apikey") or request.user.has_perm("inference.view_task")
