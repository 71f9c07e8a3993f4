"""Requests that follow a task's events as they happen: one connection hears of changes, one query reads what is new for
all who follow, and each gets it in a queue of its own.

A follower holds a thread and a few kilobytes, and no database connection. Nothing is skipped: the events of a task
are written by whoever holds its row, so their ids grow in the order of commits; a follower is registered before it
reads what is there already; and whenever the connection comes or goes, all are read again from where they were.
"""

import logging
import threading
import uuid
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import Max
from psycopg_pool import PoolTimeout, TooManyRequests

from inference.errors import TooManyWaitersError
from inference.models import TaskEvent
from inference.services.listening import Listener
from inference.services.waiting import give_back_connection

logger = logging.getLogger(__name__)

# What is told: the rest (dialogs, console, housekeeping) is for the dashboard.
FOLLOWED_KINDS = ("status", "step", "person")
# Read at a time by one follower that begins, or begins again far behind.
PAGE_EVENTS = 200
# A client that takes nothing for so many events is let go; it comes back with the last id that it has.
MOST_WAITING_EVENTS = 1000
# Read at a time for all; more is read in the next go.
MOST_EVENTS_AT_ONCE = 5000
RETRY_AFTER_SECONDS = 10


class Follower:
    """One request that follows a task, from the event behind `after` on."""

    def __init__(self, task_id: uuid.UUID, *, after: int) -> None:
        self.task_id = task_id
        self.last_id = after
        self.is_dropped = False
        self._arrived: SimpleQueue[TaskEvent | None] = SimpleQueue()
        self._has_read_backlog = False

    def next_events(self, timeout_seconds: float) -> list[TaskEvent]:
        """What is new, oldest first; nothing when nothing came within the time. Raises the database's errors while
        reading what was there before."""
        if not self._has_read_backlog:
            page = self._backlog()
            if page:
                return page
        event = self._next(timeout_seconds)
        found: list[TaskEvent] = []
        while event is not None:
            if event.id > self.last_id:  # else it came with the backlog as well
                found.append(event)
                self.last_id = event.id
            event = self._next(0)
        return found

    def put(self, event: TaskEvent) -> None:
        """Hand over an event; a follower that does not take them is dropped."""
        if self.is_dropped:
            return
        if self._arrived.qsize() >= MOST_WAITING_EVENTS:
            self.is_dropped = True
            self._arrived.put(None)
            return
        self._arrived.put(event)

    def _backlog(self) -> list[TaskEvent]:
        events = TaskEvent.objects.filter(task_id=self.task_id, id__gt=self.last_id, kind__in=FOLLOWED_KINDS)
        page = list(events.order_by("id")[:PAGE_EVENTS])
        give_back_connection()
        self._has_read_backlog = len(page) < PAGE_EVENTS
        if page:
            self.last_id = page[-1].id
        return page

    def _next(self, timeout_seconds: float) -> TaskEvent | None:
        try:
            return self._arrived.get(block=timeout_seconds > 0, timeout=timeout_seconds)
        except Empty:
            return None


class _Followed:
    """A task that somebody follows: up to which event its followers have been told, and who they are."""

    def __init__(self, last_id: int) -> None:
        self.last_id = last_id
        self.followers: set[Follower] = set()


class Followers:
    """Those who follow tasks in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places = 0
        self._tasks: dict[uuid.UUID, _Followed] = {}
        self._is_behind = False
        self._listener = Listener("task_changed", told=self._told, is_needed=self._has_any)

    @property
    def is_listening(self) -> bool:
        return self._listener.is_listening

    @property
    def count(self) -> int:
        with self._lock:
            return self._places

    @contextmanager
    def follow(self, task_id: uuid.UUID, *, after: int) -> Generator[Follower]:
        """A follower of the task, for as long as the context lasts. Raises TooManyWaitersError when as many as
        MAX_EVENT_STREAMS follow already."""
        follower = Follower(task_id, after=after)
        self._take_place()
        try:
            newest = _newest_event(task_id)
            with self._lock:
                self._tasks.setdefault(task_id, _Followed(newest)).followers.add(follower)
            self._listener.start()
            yield follower
        finally:
            self._leave(follower)

    def close(self) -> None:
        """Stop listening; a later follower starts it again."""
        self._listener.close()

    def _take_place(self) -> None:
        with self._lock:
            if self._places >= settings.MAX_EVENT_STREAMS:
                raise TooManyWaitersError(
                    f"Too many event streams are open (at most {settings.MAX_EVENT_STREAMS}): try again in a few "
                    "seconds, or use GET /api/v1/tasks/{id}?wait=.",
                    retry_after=RETRY_AFTER_SECONDS,
                )
            self._places += 1

    def _leave(self, follower: Follower) -> None:
        with self._lock:
            self._places -= 1
            task = self._tasks.get(follower.task_id)
            if task is None:
                return
            task.followers.discard(follower)
            if not task.followers:
                del self._tasks[follower.task_id]

    def _has_any(self) -> bool:
        with self._lock:
            return bool(self._tasks)

    def _told(self, task_ids: set[uuid.UUID] | None) -> None:
        """Hand out what is new of these tasks; of all, after a gap."""
        if task_ids is None:
            self._is_behind = True
        while True:
            with self._lock:
                chosen = self._tasks if self._is_behind else {each for each in task_ids or () if each in self._tasks}
                positions = {each: self._tasks[each].last_id for each in chosen}
            if not positions:
                self._is_behind = False
                return
            try:
                events = _events_after(positions)
            except (OperationalError, InterfaceError, PoolTimeout, TooManyRequests) as error:
                logger.warning("cannot read the events of tasks", extra={"error": type(error).__name__})
                self._is_behind = True
                return
            self._hand_out(events)
            if len(events) < MOST_EVENTS_AT_ONCE:
                self._is_behind = False
                return

    def _hand_out(self, events: Iterable[TaskEvent]) -> None:
        with self._lock:
            for event in events:
                task = self._tasks.get(event.task_id)
                if task is None:
                    continue
                task.last_id = max(task.last_id, event.id)
                for follower in task.followers:
                    follower.put(event)


followers = Followers()


def _newest_event(task_id: uuid.UUID) -> int:
    newest = TaskEvent.objects.filter(task_id=task_id).aggregate(newest=Max("id"))["newest"]
    give_back_connection()
    return newest or 0


def _events_after(positions: dict[uuid.UUID, int]) -> list[TaskEvent]:
    """What came behind each task's position, in the order of ids; each task is looked up in the index."""
    table = TaskEvent._meta.db_table
    query = f"""
        SELECT found.* FROM unnest(%s::uuid[], %s::bigint[]) AS wanted (task_id, last_id)
        CROSS JOIN LATERAL (
            SELECT e.id, e.task_id, e.at, e.kind, e.status, e.cause, e.data FROM {table} e
            WHERE e.task_id = wanted.task_id AND e.id > wanted.last_id AND e.kind = ANY(%s)
            ORDER BY e.id LIMIT %s
        ) AS found
        ORDER BY found.id LIMIT %s
    """  # noqa: S608 - the table's own name
    limit = MOST_EVENTS_AT_ONCE
    events = list(
        TaskEvent.objects.raw(query, [list(positions), list(positions.values()), list(FOLLOWED_KINDS), limit, limit])
    )
    give_back_connection()
    return events
