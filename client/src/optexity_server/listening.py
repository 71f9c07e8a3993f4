"""A task's events over server-sent events, without input and output: reading the stream, and going on where it broke.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import codecs
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from optexity_server.calls import Call
from optexity_server.errors import ConnectionFailedError, OptexityError, UnexpectedAnswerError
from optexity_server.models import Event, Task
from optexity_server.operations import task_path
from optexity_server.retrying import Patience, RetryPolicy

MAX_EVENT_CHARACTERS = 1024 * 1024
# A stream that has lived so long was a good one, also if nothing but the server's comments came: a step may take
# minutes. A shorter one counts as a failure, so that one that ends at once is not opened without end.
GOOD_STREAM_SECONDS = 5.0


class EventReader:
    """Makes events of the parts of a stream, wherever those were cut."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
        self._rest = ""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self.last_event_id: str | None = None
        self.reconnect_seconds: float | None = None

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete now. Raises UnexpectedAnswerError."""
        text = self._rest + self._decode(chunk)
        # The second half of a "\r\n" may come with the next part.
        held_back = "\r" if text.endswith("\r") else ""
        lines = text[: len(text) - len(held_back)].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + held_back
        if self._size + len(self._rest) > MAX_EVENT_CHARACTERS:
            raise UnexpectedAnswerError("The server sent an event without an end")
        for line in lines:
            event = self._take(line)
            if event is not None:
                yield event

    def _take(self, line: str) -> Event | None:
        if not line:
            return self._finish()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        self._size += len(line)
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self.last_event_id = value
            case "retry" if value.isascii() and value.isdecimal():
                self.reconnect_seconds = int(value) / 1000
            case _:  # a comment, or a field of the future
                pass
        return None

    def _finish(self) -> Event | None:
        name, data = self._name, "\n".join(self._data)
        self._name, self._data, self._size = "", [], 0
        if not data:
            return None
        try:
            told = json.loads(data)
        except ValueError:
            raise UnexpectedAnswerError("The server sent an event without JSON") from None
        return replace(Event.from_wire(told), event_id=self.last_event_id or "", name=name or "message")


class Listening:
    """A conversation about one task's events, over as many streams as it takes.

    The client opens `call()`, gives what comes to `feed`, and tells how it went on by `ended` and `failed`, which say
    how long to pause, until `is_over`.
    """

    def __init__(
        self,
        task_id: str,
        last_event_id: str | int | None,
        policy: RetryPolicy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = task_path(task_id, "/events")
        self._last_event_id = None if last_event_id is None else str(last_event_id)
        self._policy = policy
        self._clock = clock
        self._opened_at = 0.0
        self._patience = Patience(policy, clock=clock)
        self._reader = EventReader()
        self._is_over = False

    def is_over(self) -> bool:
        """Whether the task has ended, and with it what there is to hear."""
        return self._is_over

    def call(self) -> Call:
        """The request for what comes behind the last event."""
        self._reader = EventReader()
        self._reader.last_event_id = self._last_event_id
        self._opened_at = self._clock()
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", "Accept-Encoding": "identity"}
        if self._last_event_id:
            headers["Last-Event-ID"] = self._last_event_id
        return Call("GET", self._path, headers=headers, is_repeatable=True)

    def feed(self, chunk: bytes) -> Iterator[Event]:
        if self._clock() - self._opened_at >= GOOD_STREAM_SECONDS:
            self._patience = Patience(self._policy, clock=self._clock)
        for event in self._reader.feed(chunk):
            # Known before the caller has it: one that is given out is not asked for again.
            self._last_event_id = self._reader.last_event_id
            self._patience = Patience(self._policy, clock=self._clock)
            self._is_over = self._is_over or event.ends_task
            yield event
            if self._is_over:
                return

    def ended(self, task: Task) -> float:
        """The stream is over without an event that ends the task, which stands as `task` says. Seconds to pause.
        Raises ConnectionFailedError when this happens again and again without any event."""
        if task.has_ended:
            self._is_over = True
            return 0.0
        return self.failed(ConnectionFailedError("The server ends the stream of events again and again"))

    def failed(self, error: OptexityError) -> float:
        """The stream could not be opened or broke. Seconds to pause. Raises `error` when it is for good."""
        pause = self._patience.pause_after(error)
        if pause is None:
            raise error
        return max(pause, self._reader.reconnect_seconds or 0.0)
