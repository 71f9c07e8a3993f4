"""Why a queued task waits: its place in line, and what holds it, in the order in which the claim looks.

The claim itself is in migration 0008; this says what it would say, for people and clients.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection

from inference.models import LEASED, ConcurrencySlot, QueuePause, Task, TaskStatus

# A worker reports itself every few seconds; one that has not for so long is gone.
WORKER_SEEN_SECONDS = 60
# Tasks before it are counted up to here: who waits behind more knows enough.
COUNTED_AHEAD = 1000
SHOWN_HOLDERS = 5


class Reason(StrEnum):
    """What holds a queued task."""

    RETRY_PAUSE = "retry_pause"
    QUEUE_PAUSED = "queue_paused"
    AUTOMATION_PAUSED = "automation_paused"
    LOGIN_PAUSED = "login_paused"
    AUTOMATION_LIMIT = "automation_limit"
    LOGIN_LIMIT = "login_limit"
    NO_WORKER = "no_worker"
    TURN = "turn"
    WORKER = "worker"


@dataclass(frozen=True)
class Workers:
    """Who could take a task. `unhealthy` ones have no browser, or too little memory or disk.

    `last_seen_at`: the last sign of any that could; None when there never was one.
    """

    now: datetime
    healthy: int
    unhealthy: int
    last_seen_at: datetime | None


@dataclass(frozen=True)
class QueueState:
    """What decides about some queued tasks at one instant. `running` is by the key of a limit."""

    workers: Workers
    pauses: Mapping[str, QueuePause]
    running: Mapping[str, int]


@dataclass(frozen=True)
class WaitingFor:
    """Why one task waits. `message` is one sentence, without clock times.

    `position`: 1 is the next of its sharer; None when it was not counted, or more than COUNTED_AHEAD are before it.
    `until`: when a retry pause ends. `since`: from when on it is paused, or nobody works. `holders`: running tasks
    that fill the limit, at most SHOWN_HOLDERS.
    """

    reason: Reason
    message: str
    position: int | None = None
    until: datetime | None = None
    since: datetime | None = None
    pause: QueuePause | None = None
    holders: tuple[UUID, ...] = ()


def automation_key(automation_id: int) -> str:
    """The key of an automation's limit and pause."""
    return f"automation:{automation_id}"


def login_key(automation_id: int, dedup_hash: str) -> str:
    """The key of a login's limit and pause."""
    return f"login:{automation_id}:{dedup_hash[:40]}"


def read_state(tasks: Sequence[Task]) -> QueueState:
    """A fixed number of queries, for any number of tasks."""
    keys = {QueuePause.QUEUE}
    for task in tasks:
        keys |= {automation_key(task.automation_id), login_key(task.automation_id, task.dedup_hash)}
    return QueueState(
        workers=_read_workers(),
        pauses={pause.key: pause for pause in QueuePause.objects.filter(key__in=keys)},
        running=_read_running(keys, {task.automation_id for task in tasks}),
    )


def waiting_for(task: Task) -> WaitingFor | None:
    """Why `task` waits, and its place in line; None when it does not wait (any more)."""
    if task.status != TaskStatus.QUEUED:
        return None
    held = reason_of(task, read_state([task]))
    ahead = count_ahead(task)
    position = ahead + 1 if ahead < COUNTED_AHEAD else None
    message = held.message
    reason = held.reason
    if reason == Reason.WORKER and ahead:
        reason, message = Reason.TURN, f"Waits for its turn: {_before_it(task, ahead)}"
    return WaitingFor(
        reason=reason,
        message=message,
        position=position,
        until=held.until,
        since=held.since,
        pause=held.pause,
        holders=_holders(task, reason),
    )


def reason_of(task: Task, state: QueueState) -> WaitingFor:
    """The first thing that holds a queued task, whatever is before it in line. No query of its own, if the task's
    automation is loaded."""
    if task.available_at > state.workers.now:
        again = f"try {task.retry_count + 1}" if task.retry_count else "it starts again"
        return WaitingFor(Reason.RETRY_PAUSE, f"Pause before {again}", until=task.available_at)
    for reason, key, what in (
        (Reason.QUEUE_PAUSED, QueuePause.QUEUE, "The queue"),
        (Reason.AUTOMATION_PAUSED, automation_key(task.automation_id), task.endpoint_name),
        (Reason.LOGIN_PAUSED, login_key(task.automation_id, task.dedup_hash), "Its login"),
    ):
        if (pause := state.pauses.get(key)) is not None:
            return WaitingFor(reason, _paused(what, pause), since=pause.paused_at, pause=pause)
    whole = _own(task.automation.max_parallelism, task.max_parallelism)
    running = state.running.get(automation_key(task.automation_id), 0)
    if whole is not None and running >= whole:
        message = f"Waits for its turn: {running} of {task.endpoint_name} run, its limit is {whole}"
        return WaitingFor(Reason.AUTOMATION_LIMIT, message)
    login = _login_limit(task)
    running = state.running.get(login_key(task.automation_id, task.dedup_hash), 0)
    if login is not None and running >= login:
        runs = "1 task of it runs" if running == 1 else f"{running} tasks of it run"
        return WaitingFor(Reason.LOGIN_LIMIT, f"Waits for its login: {runs}")
    return _without_limits(state.workers)


def count_ahead(task: Task) -> int:
    """How many tasks of the same sharer the claim looks at before this one; at most COUNTED_AHEAD."""
    # Two ranges of one index: a condition with OR would read the whole line.
    better = "priority IS NOT NULL" if task.priority is None else "priority < %(priority)s"
    equal = "priority IS NULL" if task.priority is None else "priority = %(priority)s"
    line = "SELECT FROM inference_task WHERE sharer = %(sharer)s AND status = 'queued' AND NOT is_delayed AND"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FROM (
                ({line} {better} LIMIT %(most)s)
                UNION ALL ({line} {equal} AND (created_at, id) < (%(created_at)s, %(id)s) LIMIT %(most)s)
                LIMIT %(most)s) ahead
            """,  # noqa: S608 - put together from constants
            {
                "priority": task.priority,
                "sharer": task.sharer,
                "created_at": task.created_at,
                "id": task.id,
                "most": COUNTED_AHEAD,
            },
        )
        ahead: int = cursor.fetchone()[0]
    return ahead


def _without_limits(workers: Workers) -> WaitingFor:
    if workers.healthy:
        return WaitingFor(Reason.WORKER, "Waits for a free worker")
    since = workers.last_seen_at
    if workers.unhealthy:
        which = "the only worker is" if workers.unhealthy == 1 else f"all {workers.unhealthy} workers are"
        return WaitingFor(Reason.NO_WORKER, f"Waits for a worker: {which} unhealthy", since=since)
    return WaitingFor(Reason.NO_WORKER, "Waits for a worker: none was seen in the last minute", since=since)


def _paused(what: str, pause: QueuePause) -> str:
    return f"{what} is paused by {pause.paused_by}" + (f": {pause.reason}" if pause.reason else "")


def _before_it(task: Task, ahead: int) -> str:
    many = f"{ahead} tasks" if ahead > 1 else "1 task"
    if ahead >= COUNTED_AHEAD:
        many = f"{COUNTED_AHEAD} tasks or more"
    whose = "of its key" if task.api_key_id is not None else "like it without a key"
    return f"{many} {whose} {'are' if ahead > 1 else 'is'} before it"


def _read_running(keys: set[str], automation_ids: set[int]) -> Counter[str]:
    """What runs under each key: with a place of the limit, or without having had to ask for one."""
    running = Counter(dict(ConcurrencySlot.objects.filter(key__in=keys).values_list("key", "running")))
    leased = Task.objects.filter(automation__in=automation_ids, status__in=LEASED)
    for automation_id, dedup_hash, held in leased.values_list("automation_id", "dedup_hash", "held_slots"):
        running.update({automation_key(automation_id), login_key(automation_id, dedup_hash)} - set(held))
    return running


def _holders(task: Task, reason: Reason) -> tuple[UUID, ...]:
    """The tasks that fill the limit, if one does."""
    running = Task.objects.filter(automation=task.automation_id, status__in=LEASED)
    if reason == Reason.LOGIN_LIMIT:
        running = running.filter(dedup_hash=task.dedup_hash)
    elif reason != Reason.AUTOMATION_LIMIT:
        return ()
    return tuple(running.order_by("allocated_at").values_list("id", flat=True)[:SHOWN_HOLDERS])


def _own(of_automation: int | None, of_task: int | None) -> int | None:
    """An operator's limit wins over the request's."""
    return of_automation if of_automation is not None else of_task


def _login_limit(task: Task) -> int | None:
    limit = _own(task.automation.per_login_parallelism, task.per_login_parallelism)
    return 1 if limit is None and task.is_dedicated else limit


def _read_workers() -> Workers:
    with connection.cursor() as cursor:
        cursor.execute(_WORKERS, {"seen": WORKER_SEEN_SECONDS})
        row: Any = cursor.fetchone()
    return Workers(*row)


# Workers that end in order take their row with them; then the newest attempt is the last sign of one.
_WORKERS = """
    SELECT statement_timestamp(),
        count(*) FILTER (WHERE w.state <> 'unhealthy' AND w.is_alive),
        count(*) FILTER (WHERE w.state = 'unhealthy' AND w.is_alive),
        GREATEST(max(w.seen_at) FILTER (WHERE w.state <> 'unhealthy'),
                 (SELECT COALESCE(a.ended_at, a.started_at, a.allocated_at) FROM inference_attempt a
                  ORDER BY a.id DESC LIMIT 1))
    FROM (SELECT state, seen_at, seen_at > statement_timestamp() - make_interval(secs => %(seen)s) AS is_alive
          FROM inference_workerhost) w
"""
