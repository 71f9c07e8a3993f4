"""Rows of the task list: for each state the one fact that says most."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Func, IntegerField, JSONField, Q, QuerySet, When
from django.urls import reverse

from inference.admin.counts import Counts
from inference.admin.durations import Bar, Usual, bar, usual_durations
from inference.admin.wording import (
    Asked,
    Moment,
    Pill,
    ago,
    asked,
    asking_words,
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
    was_killed_by,
)
from inference.models import PersonRequest, Step, StepStatus, Task, TaskStatus
from inference.queue_state import QueueState, WaitingFor, read_state, reason_of

# An output that takes more room than this (bytes, compressed) is not read for a row.
LARGEST_SHOWN_OUTPUT = 20_000
# States whose duration is drawn in their color; a good run is not news.
COLORED = frozenset({"failed", "killed", "review", "running", "human"})


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
    asked: Asked | None

    @property
    def signature(self) -> tuple[object, ...]:
        """What makes the row another one; texts that only count on with the clock are left out."""
        return (self.id, self.pill, self.lead, self.fact, self.tags, self.took if not self.took_since else "")


def task_rows(tasks: Sequence[Task], counts: Counts, *, may_answer: bool = False) -> list[TaskRow]:
    """One row per task of `with_row_columns`, in their order; a fixed number of queries more. `may_answer`: the
    reader is one of the people whom tasks ask."""
    steps = _telling_steps(tasks)
    healed = set(
        Step.objects.filter(task_id__in=[task.id for task in tasks], healed=True).values_list("task_id", flat=True)
    )
    queue = _queue_state(tasks)
    usual = usual_durations([task.automation_id for task in tasks])
    asking = _open_requests(tasks)
    return [
        _row(
            task,
            steps.get(task.id),
            task.id in healed,
            queue,
            usual.get(task.automation_id),
            counts,
            asking.get(task.id),
            may_answer=may_answer,
        )
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


def what_it_waits_for(task: Task, state: QueueState) -> str:
    """Why a queued task does not run yet: the first thing that holds it, in the order of the claim."""
    return waiting_words(reason_of(task, state), state.workers.now)


def waiting_words(waiting: WaitingFor, now: datetime) -> str:
    """The reason with the time that is left of a pause."""
    left = 0.0 if waiting.until is None else (waiting.until - now).total_seconds()
    return f"{waiting.message}, {spoken_duration(left)} left" if left >= 1 else waiting.message


def _queue_state(tasks: Sequence[Task]) -> QueueState | None:
    """What decides about those that wait; None when none does."""
    queued = [task for task in tasks if task.status == TaskStatus.QUEUED]
    return read_state(queued) if queued else None


def _open_requests(tasks: Sequence[Task]) -> dict[UUID, PersonRequest]:
    running = [task.id for task in tasks if task.status == TaskStatus.RUNNING]
    if not running:
        return {}
    return {each.task_id: each for each in PersonRequest.objects.filter(task_id__in=running, closed_at=None)}


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
    task: Task,
    step: Step | None,
    healed: bool,
    queue: QueueState | None,
    usual: Usual | None,
    counts: Counts,
    request: PersonRequest | None,
    *,
    may_answer: bool,
) -> TaskRow:
    if request is None:
        lead, fact = _fact(task, step, queue)
    else:
        lead, fact = "" if step is None else step_name(step), first_line(request.question)
    seconds, since = _took(task, counts.now)
    asks = request is not None
    state = task_state(task, asks=asks)
    return TaskRow(
        id=task.id,
        short_id=short_id(task.id),
        url=task_url(task.id),
        name=task.endpoint_name,
        pill=task_pill(task, asks=asks, fact=asking_words(may_answer=may_answer) if asks else ""),
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
        asked=None if request is None else asked(request, counts.now),
    )


def _fact(task: Task, step: Step | None, queue: QueueState | None) -> tuple[str, str]:
    match task.status:
        case TaskStatus.QUEUED:
            return "", "" if queue is None else what_it_waits_for(task, queue)
        case TaskStatus.ALLOCATED:
            return "", f"Taken by {_host(task)}, not begun"
        case TaskStatus.RUNNING:
            return "", _running_fact(task, step)
        case TaskStatus.SUCCESS if not needs_review(task):
            return "", _output_fact(task)
        case TaskStatus.CANCELLED if not needs_review(task):
            return "", was_cancelled_by(task)
        case TaskStatus.KILLED if not needs_review(task):
            return "", error_line(task.error) or was_killed_by(task)
    if step is not None:
        return step_name(step), failure_words(step.label, step.error) or error_line(task.error)
    if task.status == TaskStatus.SUCCESS:
        return "", "An act was not seen to finish"
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
