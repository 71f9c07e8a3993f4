"""Rows of the task list: for each state the one fact that says most."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Func, IntegerField, JSONField, Q, QuerySet, When
from django.urls import reverse

from inference.admin.counts import Counts
from inference.admin.durations import Bar, Usual, bar, usual_durations
from inference.admin.wording import (
    Moment,
    Pill,
    ago,
    duration,
    ended_badly,
    error_line,
    failure_words,
    first_line,
    needs_review,
    short_id,
    spoken_duration,
    task_pill,
    task_state,
    was_cancelled_by,
)
from inference.models import ConcurrencySlot, Step, StepStatus, Task, TaskStatus

# An output that takes more room than this (bytes, compressed) is not read for a row.
LARGEST_SHOWN_OUTPUT = 20_000
# States whose duration is drawn in their color; a good run is not news.
COLORED = frozenset({"failed", "killed", "review", "running"})


@dataclass(frozen=True)
class TaskRow:
    """What a row says. `lead` is the part of the fact that has the state's color ("Step 9")."""

    id: UUID
    short_id: str
    url: str
    name: str
    pill: Pill
    lead: str
    fact: str
    key: str
    login: str
    tags: tuple[str, ...]
    sent: Moment
    took: str
    took_since: str
    bar: Bar | None
    may_cancel: bool

    @property
    def signature(self) -> tuple[object, ...]:
        """What makes the row another one; texts that only count on with the clock are left out."""
        return (self.id, self.pill, self.lead, self.fact, self.tags, self.took if not self.took_since else "")


def task_rows(tasks: Sequence[Task], counts: Counts) -> list[TaskRow]:
    """One row per task of `with_row_columns`, in their order; a fixed number of queries more."""
    steps = _telling_steps(tasks)
    healed = set(
        Step.objects.filter(task_id__in=[task.id for task in tasks], healed=True).values_list("task_id", flat=True)
    )
    holds = _holds(tasks)
    usual = usual_durations([task.automation_id for task in tasks])
    return [
        _row(task, steps.get(task.id), task.id in healed, holds, usual.get(task.automation_id), counts)
        for task in tasks
    ]


def with_row_columns(tasks: "QuerySet[Task]") -> "QuerySet[Task]":
    """What `task_rows` needs, and nothing large: no document, no inputs, no long output."""
    room = Func(F("output_data"), function="pg_column_size", output_field=IntegerField())
    return (
        tasks.select_related("automation", "version", "api_key")
        .alias(room_taken=room)
        .annotate(
            short_output=Case(
                When(room_taken__lt=LARGEST_SHOWN_OUTPUT, then=F("output_data")), default=None, output_field=JSONField()
            )
        )
        .defer(
            "output_data",
            "input_parameters",
            "secure_parameters",
            "for_loop_status",
            "version__document",
            "version__note",
            "automation__description",
            "api_key__digest",
        )
    )


def task_url(task_id: UUID) -> str:
    return reverse("admin:inference_task_change", args=(task_id,))


def identity(task: Task) -> str:
    """The values of its unique parameters: what the person who sent it would call it; "" when it has none."""
    if not task.unique_parameter_names:
        return ""
    # The dedup key is the JSON of exactly these values; the inputs may be large.
    unique: dict[str, list[Any]] = json.loads(task.dedup_key)
    ordered = [unique.get(name, []) for name in task.unique_parameter_names]
    return ", ".join(str(value) for values in ordered for value in values)


def sender(task: Task) -> str:
    return task.api_key.name if task.api_key else "no key"


def output_summary(output: Any, limit: int = 120) -> str:
    """The first values that came out, `claim_number NB-20471, status approved`; "" for none."""
    parts: list[str] = []
    for item in output if isinstance(output, list) else [output]:
        parts.extend(_item_parts(item))
        if sum(map(len, parts)) > limit:
            break
    return first_line(", ".join(parts), limit)


def step_name(step: Step) -> str:
    return f"Step {step.index}" if step.index is not None else first_line(step.label, 60)


def what_it_waits_for(task: Task, holds: Mapping[str, int], counts: Counts) -> str:
    """Why a queued task does not run yet, in the order of the claim; the first thing that holds it."""
    if task.available_at > counts.now:
        seconds = (task.available_at - counts.now).total_seconds()
        which = f"try {task.retry_count + 2}" if task.retry_count else "it"
        return f"Pause before {which}, {spoken_duration(seconds)} left" if seconds >= 1 else f"Pause before {which}"
    whole = _own(task.automation.max_parallelism, task.max_parallelism)
    running = holds.get(automation_slot(task), 0)
    if whole is not None and running >= whole:
        return f"Waits for its turn: {running} of {task.endpoint_name} run, its limit is {whole}"
    login = _login_limit(task)
    running = holds.get(login_slot(task), 0)
    if login is not None and running >= login:
        who = identity(task) or "this login"
        return f"Waits for its login: {running} {'task' if running == 1 else 'tasks'} of {who} running"
    if counts.nobody_works:
        return "Waits for a worker: none was seen in the last minute"
    return "Waits for a free worker"


def automation_slot(task: Task) -> str:
    return f"automation:{task.automation_id}"


def login_slot(task: Task) -> str:
    return f"login:{task.automation_id}:{task.dedup_hash[:40]}"


def taken_slots(tasks: Iterable[Task]) -> dict[str, int]:
    """How many tasks hold the limits that these tasks have to pass."""
    wanted = {slot for task in tasks for slot in (automation_slot(task), login_slot(task))}
    if not wanted:
        return {}
    return dict(ConcurrencySlot.objects.filter(key__in=wanted).values_list("key", "running"))


def _holds(tasks: Sequence[Task]) -> dict[str, int]:
    return taken_slots(task for task in tasks if task.status == TaskStatus.QUEUED)


def _telling_steps(tasks: Sequence[Task]) -> dict[UUID, Step]:
    """Running: the newest step. Ended badly: the last one that failed, which is the innermost."""
    running = [task.id for task in tasks if task.status == TaskStatus.RUNNING]
    failed = [task.id for task in tasks if ended_badly(task) or task.outcome_unknown]
    if not running and not failed:
        return {}
    steps = (
        Step.objects.filter(Q(task_id__in=running) | Q(task_id__in=failed, status=StepStatus.FAILED))
        .order_by("task_id", "-attempt", "-position")
        .distinct("task_id")
        .defer("details")
    )
    return {step.task_id: step for step in steps}


def _row(
    task: Task, step: Step | None, healed: bool, holds: Mapping[str, int], usual: Usual | None, counts: Counts
) -> TaskRow:
    lead, fact = _fact(task, step, holds, counts)
    seconds, since = _took(task, counts.now)
    state = task_state(task)
    return TaskRow(
        id=task.id,
        short_id=short_id(task.id),
        url=task_url(task.id),
        name=task.endpoint_name,
        pill=task_pill(task),
        lead=lead,
        fact=fact,
        key=sender(task),
        login=identity(task),
        tags=_tags(task, healed),
        sent=ago(task.created_at, counts.now),
        took="" if seconds is None else duration(seconds),
        took_since=since,
        bar=None if seconds is None else bar(seconds, usual, state=state if state in COLORED else ""),
        may_cancel=not task.has_ended and task.cancel_requested_at is None,
    )


def _fact(task: Task, step: Step | None, holds: Mapping[str, int], counts: Counts) -> tuple[str, str]:
    match task.status:
        case TaskStatus.QUEUED:
            return "", what_it_waits_for(task, holds, counts)
        case TaskStatus.ALLOCATED:
            return "", f"Taken by {_host(task)}, not begun"
        case TaskStatus.RUNNING:
            return "", _running_fact(task, step)
        case TaskStatus.SUCCESS:
            return "", _output_fact(task)
        case TaskStatus.CANCELLED if not needs_review(task):
            return "", was_cancelled_by(task)
    if step is not None:
        return step_name(step), failure_words(step.label, step.error) or error_line(task.error)
    return "", error_line(task.error) or was_cancelled_by(task)


def _running_fact(task: Task, step: Step | None) -> str:
    if step is None:
        return "Opening the page"
    total = task.version.step_count
    if step.index is None:
        return first_line(step.label)
    of_all = f" of {total}" if total >= step.index else ""
    return f"Step {step.index}{of_all}, {first_line(step.label)}"


def _output_fact(task: Task) -> str:
    output = getattr(task, "short_output", None)  # of with_row_columns
    if output is None:
        return "A long output"
    return output_summary(output) or "No output"


def _took(task: Task, now: datetime) -> tuple[float | None, str]:
    """Seconds, and for a running task the instant from which the browser counts on."""
    if task.started_at is None:
        return None, ""
    if task.completed_at is None:
        return (now - task.started_at).total_seconds(), task.started_at.isoformat()
    return (task.completed_at - task.started_at).total_seconds(), ""


def _tags(task: Task, healed: bool) -> tuple[str, ...]:
    tags = []
    if task.retry_count:
        tags.append(f"{task.retry_count + 1} tries")
    if healed:
        tags.append("healed")
    if task.previous_task_id is not None:
        tags.append("again")
    return tuple(tags)


def _host(task: Task) -> str:
    # The lease owner is `host/process/start`.
    return (task.lease_owner or "a worker").partition("/")[0]


def _own(of_automation: int | None, of_task: int | None) -> int | None:
    """An operator's limit wins over the request's."""
    return of_automation if of_automation is not None else of_task


def _login_limit(task: Task) -> int | None:
    limit = _own(task.automation.per_login_parallelism, task.per_login_parallelism)
    return 1 if limit is None and task.is_dedicated else limit


def _item_parts(item: Any) -> list[str]:
    if not isinstance(item, dict):
        return [str(item)]
    data = item.get("json_data", item if "text" not in item else None)
    if isinstance(data, dict):
        return [f"{name} {_value_text(value)}" for name, value in data.items() if name != "unique_identifier"]
    if isinstance(item.get("text"), str):
        return [first_line(item["text"])]
    return []


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return str(value[0]) if len(value) == 1 and not isinstance(value[0], dict | list) else f"({len(value)})"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)[:80]
    return "none" if value is None else str(value)
