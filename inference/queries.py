"""Reads with more than one caller: what a key may see, and how the queue does."""

import hashlib
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import BooleanField, F, Func, IntegerField, OuterRef, Q, QuerySet, UUIDField

from inference.errors import NotFoundError
from inference.models import (
    ENDED,
    ApiKey,
    Artifact,
    Automation,
    AutomationVersion,
    PersonRequest,
    Step,
    Task,
    TaskStatus,
)
from inference.queue_state import WORKER_SEEN_SECONDS
from inference.visibility import has_list, may_use

# A worker ends an attempt at its limit by itself; so much later something is stuck.
OVERRUN_GRACE_SECONDS = 60
# When a list is gone through: tasks that are read at a time, and bytes (as stored) of their inputs and outputs.
WALK_PAGE = 200
WALK_BYTES = 4 * 1024 * 1024
_LARGE = ("input_parameters", "output_data")
# What a list does not tell, and can be large.
_UNLISTED = (*_LARGE, "secure_parameters", "unique_parameter_names", "for_loop_status", "token_usage", "notes")


@dataclass(frozen=True)
class Health:
    """The queue at one instant. `problem` is one sentence for an operator, None when all is well."""

    queued: int
    running: int
    workers: int
    oldest_wait_seconds: float | None
    problem: str | None


def queue_health() -> Health:
    """How many wait, run and work now. Tasks that pause before a retry are queued and do not wait."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                (SELECT count(*) FROM inference_task WHERE status = 'queued'),
                (SELECT count(*) FROM inference_task WHERE status = 'running'),
                (SELECT count(*) FROM inference_workerhost
                 WHERE state <> 'unhealthy' AND seen_at > statement_timestamp() - make_interval(secs => %(seen)s)),
                (SELECT extract(epoch FROM statement_timestamp() - min(available_at)) FROM inference_task
                 WHERE status = 'queued' AND available_at <= statement_timestamp()),
                (SELECT id FROM inference_task
                 WHERE status = 'running' AND started_at < statement_timestamp()
                     - make_interval(mins => max_timeout_in_minutes, secs => %(grace)s)
                     -- What its worker waited for people is not counted, up to a limit.
                     - LEAST(make_interval(mins => %(uncounted)s), (
                         SELECT COALESCE(sum(COALESCE(closed_at, statement_timestamp()) - asked_at), interval '0')
                         FROM inference_personrequest r
                         WHERE r.task_id = inference_task.id AND r.asked_at >= inference_task.started_at))
                 ORDER BY started_at LIMIT 1)
            """,
            {
                "seen": WORKER_SEEN_SECONDS,
                "grace": OVERRUN_GRACE_SECONDS,
                "uncounted": settings.MAX_TAKEOVER_MINUTES,
            },
        )
        queued, running, workers, oldest_wait, overrun_id = cursor.fetchone()
    oldest_wait_seconds = None if oldest_wait is None else float(oldest_wait)
    return Health(
        queued=queued,
        running=running,
        workers=workers,
        oldest_wait_seconds=oldest_wait_seconds,
        problem=_problem(oldest_wait_seconds, workers, overrun_id),
    )


def _problem(oldest_wait_seconds: float | None, workers: int, overrun_id: UUID | None) -> str | None:
    if overrun_id is not None:
        return f"Task {overrun_id} runs longer than its own limit allows: restart its worker."
    if oldest_wait_seconds is not None and workers == 0:
        return f"Tasks wait and no worker was seen for {WORKER_SEEN_SECONDS} seconds: start one."
    return None


def is_task_running() -> bool:
    return Task.objects.filter(status="running").exists()


def visible_tasks(api_key: ApiKey | None) -> QuerySet[Task]:
    """The tasks of the automations that the key may use."""
    return Task.objects.filter(may_use(api_key, "automation"))


def find_task_or_none(task_id: UUID, api_key: ApiKey | None) -> Task | None:
    """The task with what its answer needs; None when there is none that the key may see."""
    tasks = visible_tasks(api_key).select_related("version", "api_key", "final_screenshot")
    return tasks.defer("version__document").filter(id=task_id).first()


def find_task(task_id: UUID, api_key: ApiKey | None) -> Task:
    """As `find_task_or_none`. Raises NotFoundError, which does not tell whether there is one."""
    task = find_task_or_none(task_id, api_key)
    if task is None:
        raise NotFoundError(f"Task {task_id} not found: no task with this id can be seen with this key.")
    return task


def task_has_ended(task_id: UUID) -> bool:
    """Whether there is nothing more to wait for; a task that was deleted meanwhile has ended, too."""
    return not Task.objects.filter(id=task_id).exclude(status__in=ENDED).exists()


def open_request(task: Task) -> PersonRequest | None:
    """What the task asks a person now; None when it asks nobody."""
    if task.status != TaskStatus.RUNNING:
        return None
    return PersonRequest.objects.filter(task=task, closed_at=None).select_related("picture").first()


def asking_step(request: PersonRequest) -> Step | None:
    """The step that waits."""
    steps = Step.objects.filter(task_id=request.task_id, attempt=request.attempt)
    return steps.filter(position=request.step_position).first()


def last_picture(task: Task) -> Artifact | None:
    """What the task's page looked like at its end. Where an outcome is unknown, mostly since the worker vanished, it is
    the newest picture of a step: somebody has to decide by it."""
    if task.final_screenshot is not None or not task.outcome_unknown:
        return task.final_screenshot
    seen = Step.objects.filter(task=task, picture__isnull=False, picture__removed_at=None)
    newest = seen.order_by("-attempt", "-position").select_related("picture").first()
    return None if newest is None else newest.picture


def visible_automations(api_key: ApiKey | None) -> QuerySet[Automation]:
    """The active automations that the key may use."""
    return Automation.objects.filter(may_use(api_key), is_active=True)


def newest_versions(automations: Iterable[Automation]) -> dict[int, AutomationVersion]:
    """The newest version of each automation by the automation's id, without documents."""
    versions = AutomationVersion.objects.filter(automation__in=automations).defer("document")
    newest = versions.order_by("automation_id", "-number").distinct("automation_id")
    return {version.automation_id: version for version in newest}


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks a list has; None: no condition."""

    status: str | None = None
    endpoint_name: str | None = None
    dedup_key: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    ended_after: datetime | None = None
    needs_review: bool | None = None


@dataclass(frozen=True)
class ListPosition:
    """Where a page of a list ends: the instant by which the list is ordered, and the task that has it."""

    instant: datetime
    task_id: UUID


def list_tasks(api_key: ApiKey | None, wanted: TaskFilter, *, after: ListPosition | None, limit: int) -> list[Task]:
    """At most `limit` tasks, newest first, that come after the task at `after` (its created_at)."""
    return list(_newest_first(api_key, wanted, after, limit).defer(*_UNLISTED, "version__document"))


def list_ended_tasks(
    api_key: ApiKey | None, wanted: TaskFilter, *, after: ListPosition | None, limit: int
) -> list[Task]:
    """At most `limit` tasks in the order of their ends, first one first, that come after the one at `after` (its
    completed_at). None that ended before one of these is ever listed later: who goes on from the last one has all.
    """
    return list(_in_order_of_ends(api_key, wanted, after, limit).defer(*_UNLISTED, "version__document"))


def walk_tasks(
    api_key: ApiKey | None, wanted: TaskFilter, *, after: ListPosition | None, by_end: bool
) -> Generator[Task]:
    """The tasks of `list_ended_tasks` or `list_tasks`, all of them, page by page. In memory are a page without inputs
    and outputs, and so many of these as WALK_BYTES allow, however large those of a task are."""
    choose = _in_order_of_ends if by_end else _newest_first
    stored_bytes = sum((_stored_bytes(name) for name in _LARGE[1:]), start=_stored_bytes(_LARGE[0]))
    while True:
        tasks = choose(api_key, wanted, after, WALK_PAGE).defer(*_LARGE, "for_loop_status", "version__document")
        page = list(tasks.annotate(stored_bytes=stored_bytes))
        if not page:
            return
        for group in _groups(page):
            large = Task.objects.filter(id__in=[task.id for task in group]).values_list("id", *_LARGE)
            read = {row[0]: row[1:] for row in large}
            for task in group:
                if task.id in read:  # else it was removed in this moment
                    task.input_parameters, task.output_data = read[task.id]
                    yield task
        last = page[-1]
        after = ListPosition(cast("datetime", last.completed_at) if by_end else last.created_at, last.id)


def _groups(page: Sequence[Task]) -> Generator[list[Task]]:
    """`page` in order, in parts of at most WALK_BYTES, or of one task."""
    group: list[Task] = []
    size = 0
    for task in page:
        weight = vars(task)["stored_bytes"]
        if group and size + weight > WALK_BYTES:
            yield group
            group, size = [], 0
        group.append(task)
        size += weight
    yield group


def _stored_bytes(column: str) -> Func:
    """As it lies on the disk, which is known without reading it."""
    return Func(F(column), function="pg_column_size", output_field=IntegerField())


def settled_until() -> datetime:
    """The instant before which every end is committed.

    Ends get their instant in a transaction that has a number already (migration 0011), so none of a transaction that
    is open now is earlier than its begin, and none of one without a number yet is earlier than now. Transactions that
    only read (backups, reports) have no number and hold up nothing. Those of another role are not seen: every web
    process and worker uses the role of DATABASE_URL.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT LEAST(statement_timestamp(), min(xact_start)) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
            """
        )
        (instant,) = cursor.fetchone()
    return cast("datetime", instant)


def _newest_first(api_key: ApiKey | None, wanted: TaskFilter, after: ListPosition | None, limit: int) -> QuerySet[Task]:
    conditions = _conditions(wanted)
    if after is not None:
        # The first half alone is what the index starts at, so that depth costs nothing.
        conditions &= Q(created_at__lte=after.instant) & ~Q(created_at=after.instant, id__gte=after.task_id)
    states = [Q()] if wanted.status is None else [Q(status=wanted.status)]
    return _page(_chosen_automations(api_key, wanted), conditions, states, ("-created_at", "-id"), limit)


def _in_order_of_ends(
    api_key: ApiKey | None, wanted: TaskFilter, after: ListPosition | None, limit: int
) -> QuerySet[Task]:
    # A statement of its own, before the one that reads: what has committed by now is seen by that one.
    conditions = _conditions(wanted) & Q(completed_at__lt=settled_until())
    if after is not None:
        conditions &= Q(completed_at__gte=after.instant) & ~Q(completed_at=after.instant, id__lte=after.task_id)
    automations = _chosen_automations(api_key, wanted)
    if wanted.status is not None:
        states = [Q(status=wanted.status)]
    elif automations is None:
        states = [Q()]
    else:
        # An index of the ends of an automation alone would cost each end, and save a few rows of four lists.
        states = [Q(status=each) for each in ENDED]
    return _page(automations, conditions, states, ("completed_at", "id"), limit)


def _chosen_automations(api_key: ApiKey | None, wanted: TaskFilter) -> QuerySet[Automation] | None:
    """Those of a list; None: all. One name may be that of several, of which one is active."""
    if wanted.endpoint_name is not None:
        return Automation.objects.filter(may_use(api_key), endpoint_name=wanted.endpoint_name)
    return Automation.objects.filter(may_use(api_key)) if has_list(api_key) else None


def _page(
    automations: QuerySet[Automation] | None,
    conditions: Q,
    states: Sequence[Q],
    order: tuple[str, str],
    limit: int,
) -> QuerySet[Task]:
    """The first `limit` tasks in `order` that are of one of `states`, which is a single one for all automations.

    Of certain automations each is a list of its own, read from its own index up to `limit`, and the first ones of all
    these are taken. One condition for all of them would be looked for in the list of all tasks, or everything that
    fits it would be sorted.
    """
    tasks = Task.objects.select_related("version", "api_key", "automation")
    if automations is None:
        (state,) = states
        return tasks.filter(conditions & state).order_by(*order)[:limit]
    # One of an array, not equal, because what is equal needs no order: then the list of all tasks would do as well, and
    # be gone through to its end for an automation that has not been used for long.
    of_one = Task.objects.filter(_is_any_of("automation_id", OuterRef("pk")), conditions)
    of_one = of_one.order_by("automation_id", *order)
    lists = [ArraySubquery(of_one.filter(state).values("id")[:limit]) for state in states]
    found = Func(*lists, function="unnest", arg_joiner=" || ", output_field=UUIDField())
    return tasks.filter(id__in=automations.values(found=found)).order_by(*order)[:limit]


def _is_any_of(column: str, *values: OuterRef) -> Func:
    """An array even of one value, which PostgreSQL estimates as it does equality, and IN would not be."""
    array = Func(*values, template="(ARRAY[%(expressions)s])")
    return Func(F(column), array, template="(%(expressions)s)", arg_joiner=" = ANY ", output_field=BooleanField())


def _conditions(wanted: TaskFilter) -> Q:
    """All but the automation and the status."""
    conditions = {
        "dedup_hash": None if wanted.dedup_key is None else hashlib.sha256(wanted.dedup_key.encode()).hexdigest(),
        "created_at__gt": wanted.created_after,
        "created_at__lt": wanted.created_before,
        "completed_at__gt": wanted.ended_after,
    }
    chosen = Q(**{name: value for name, value in conditions.items() if value is not None})
    if wanted.needs_review is None:
        return chosen
    # As the partial index task_needs_review has it; what is left out of the other lists is few.
    open_outcome = Q(outcome_unknown=True, review__isnull=True)
    return chosen & (open_outcome if wanted.needs_review else ~open_outcome)
