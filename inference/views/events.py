"""GET /api/v1/tasks/{id}/events: a task's changes of status, steps and questions, as server-sent events.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import ClassVar
from uuid import UUID

from django.http import HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from inference.error_handler import DATABASE_AWAY
from inference.errors import ValidationFailedError
from inference.models import ENDED, Scope, TaskEvent
from inference.queries import find_task
from inference.serializers import event_object
from inference.services.following import Follower, followers
from inference.views.base import ApiView, api_key_of

# Long enough to cost nothing; short enough that proxies, which cut a silent connection after 30 s or more, do not,
# and that a client who went away does not keep its place.
HEARTBEAT_SECONDS = 15.0
# After so long a stream ends and its client comes back with the last id: its key is checked again.
MOST_SECONDS = 15 * 60.0
# What a client waits before it comes back.
RECONNECT_MS = 2000
_EVENT_ID = re.compile(r"\d{1,18}", re.ASCII)
_HEADERS = {
    "Cache-Control": "no-store",
    # Proxies that gather answers (nginx) pass this one on as it comes.
    "X-Accel-Buffering": "no",
}


class TaskEventsView(ApiView):
    """Events from the beginning, or behind `Last-Event-ID`, until the task has ended. 204 when it has and nothing is
    left to tell: browsers then do not come back."""

    scopes: ClassVar = {"GET": Scope.READ}

    def get(self, request: Request, task_id: UUID) -> HttpResponseBase:
        after = _last_event_id(request)
        if request.method == "HEAD":
            find_task(task_id, api_key_of(request))
            # A stream, though an empty one, so that nobody says how long it is.
            return StreamingHttpResponse(iter(()), content_type="text/event-stream", headers=_HEADERS)
        stream = EventStream(task_id, after=after)
        try:
            # After the place is taken, so that what happens from here on is told.
            task = find_task(task_id, api_key_of(request))
            first = stream.begin(has_ended=task.has_ended)
        except BaseException:
            stream.close()
            raise
        if first is None:
            stream.close()
            return Response(status=204)
        return StreamingHttpResponse(stream, content_type="text/event-stream", headers=_HEADERS)


class EventStream:
    """The bytes of one stream. It keeps its place among the followers until it is closed."""

    def __init__(self, task_id: UUID, *, after: int) -> None:
        self._stack = ExitStack()
        self._follower: Follower = self._stack.enter_context(followers.follow(task_id, after=after))
        self._ends_at = time.monotonic() + MOST_SECONDS
        self._is_over = False
        self._first = b""

    def begin(self, *, has_ended: bool) -> bytes | None:
        """Read what is there already, so that a failure is still an answer; None when there never will be anything."""
        events = self._follower.next_events(0)
        if has_ended and not events:
            return None
        self._first = f"retry: {RECONNECT_MS}\n\n".encode() + self._told(events)
        return self._first

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        if self._is_over or self._follower.is_dropped or time.monotonic() > self._ends_at:
            raise StopIteration
        try:
            events = self._follower.next_events(HEARTBEAT_SECONDS)
        except DATABASE_AWAY:
            raise StopIteration from None  # the client comes back with the last id that it has
        return self._told(events) if events else b": \n\n"

    def close(self) -> None:
        """Called by the server when the answer is over or its client has gone."""
        self._stack.close()

    def _told(self, events: list[TaskEvent]) -> bytes:
        self._is_over = self._is_over or any(event.kind == "status" and event.status in ENDED for event in events)
        return b"".join(_written(event) for event in events)


def _written(event: TaskEvent) -> bytes:
    # JSON has no line break outside of texts, and writes those in texts as \n: one line, as the format asks.
    data = json.dumps(event_object(event), ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n".encode()


def _last_event_id(request: Request) -> int:
    """Raises ValidationFailedError."""
    text = request.headers.get("Last-Event-ID") or request.query_params.get("last_event_id") or "0"
    if not _EVENT_ID.fullmatch(text):
        message = "Last-Event-ID must be the id of an event of this task, as its stream sent it."
        raise ValidationFailedError(message, errors={"Last-Event-ID": [message]})
    return int(text)
