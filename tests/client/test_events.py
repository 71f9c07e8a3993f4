"""Server-sent events: read wherever they are cut, and gone on with where they broke."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optexity_server import ConnectionFailedError, NotFoundError, UnexpectedAnswerError
from optexity_server.listening import MAX_EVENT_CHARACTERS, EventReader, Listening
from optexity_server.retrying import RetryPolicy
from tests.client.wire import TASK, Reply, Wire, do, event, hung_up, paths, refused, stream, task

EVENTS = f"GET /api/v1/tasks/{TASK}/events"
RUNNING = event(7, "status", status="running", error=None)
STEP = event(8, "step", attempt=1, position=1, index=0, kind="click", label="Sign in", status="success", error=None)
ENDED = event(9, "status", status="success", error=None)


def test_events_come_in_order_until_the_task_has_ended(wire: Wire, kind: str) -> None:
    wire.says(stream(": hello\n\n", RUNNING, STEP, ENDED, event(10, "status", status="running")))
    heard = do(kind, wire.url, lambda client: client.events(TASK))
    assert [(each.event_id, each.name, each.status) for each in heard] == [
        ("7", "status", "running"),
        ("8", "step", "success"),
        ("9", "status", "success"),
    ]
    assert heard[1].raw["label"] == "Sign in"
    assert heard[0].at is not None
    assert wire.asked[0].headers["accept"] == "text/event-stream"
    assert "last-event-id" not in wire.asked[0].headers


def test_a_stream_that_breaks_is_gone_on_with_behind_the_last_event(wire: Wire, kind: str) -> None:
    half = stream(RUNNING, STEP[:40])
    half.headers["Content-Length"] = "5000"
    wire.says(half, hung_up(), refused(503, Retry_After="0"), stream(STEP, ENDED))
    heard = do(kind, wire.url, lambda client: client.handle(TASK).events())
    assert [each.event_id for each in heard] == ["7", "8", "9"]
    assert [asked.headers.get("last-event-id") for asked in wire.asked] == [None, "7", "7", "7"]


def test_a_stream_that_ends_early_is_gone_on_with(wire: Wire, kind: str) -> None:
    wire.says(stream(RUNNING), Reply(200, task("running")), stream(ENDED))
    heard = do(kind, wire.url, lambda client: client.events(TASK, last_event_id=6))
    assert [each.event_id for each in heard] == ["7", "9"]
    assert paths(wire.asked) == [EVENTS, f"GET /api/v1/tasks/{TASK}", EVENTS]
    assert [wire.asked[0].headers["last-event-id"], wire.asked[2].headers["last-event-id"]] == ["6", "7"]


def test_a_task_that_had_ended_before_has_no_more_events(wire: Wire, kind: str) -> None:
    wire.says(stream(), Reply(200, task("failed")))
    assert do(kind, wire.url, lambda client: client.events(TASK, last_event_id=9)) == []


def test_a_stream_that_ends_again_and_again_is_given_up(wire: Wire, kind: str) -> None:
    wire.routes["GET", f"/api/v1/tasks/{TASK}/events"] = stream()
    wire.routes["GET", f"/api/v1/tasks/{TASK}"] = Reply(200, task("running"))
    with pytest.raises(ConnectionFailedError, match="again and again"):
        do(kind, wire.url, lambda client: client.events(TASK), retries=1)
    assert paths(wire.asked).count(EVENTS) == 2


def test_no_such_task_is_told_at_once(wire: Wire, kind: str) -> None:
    wire.says(refused(404))
    with pytest.raises(NotFoundError):
        do(kind, wire.url, lambda client: client.events(TASK))
    assert len(wire.asked) == 1


def test_a_stream_with_nothing_but_comments_may_break_any_number_of_times() -> None:
    now = 0.0
    broken = ConnectionFailedError("broken")
    listening = Listening(TASK, None, RetryPolicy(1, 10), clock=lambda: now)
    for _ in range(20):
        listening.call()
        now += 15
        assert list(listening.feed(b": still here\n\n")) == []
        now += 45
        assert listening.failed(broken) > 0
    # One that ends at once is none of those.
    listening.call()
    assert list(listening.feed(b": still here\n\n")) == []
    with pytest.raises(ConnectionFailedError):
        listening.failed(broken)


WHOLE = f'\ufeffretry: 3\r\n: hi\r\n\r\n{RUNNING}id: 8\revent: step\rdata: {{"label":\rdata: "é"}}\r\r{ENDED}'.encode()


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_events_are_the_same_wherever_the_stream_was_cut(cuts: list[int]) -> None:
    reader = EventReader()
    places = [0, *sorted(cuts), len(WHOLE)]
    heard = [each for start, end in pairwise(places) for each in reader.feed(WHOLE[start:end])]
    assert [(each.event_id, each.name) for each in heard] == [("7", "status"), ("8", "step"), ("9", "status")]
    assert heard[1].raw == {"label": "é"}
    assert reader.reconnect_seconds == 0.003


def test_an_event_without_an_end_and_one_without_json_are_refused() -> None:
    reader = EventReader()
    with pytest.raises(UnexpectedAnswerError, match="without an end"):
        list(reader.feed(b"data: " + b"x" * MAX_EVENT_CHARACTERS))
    with pytest.raises(UnexpectedAnswerError, match="without JSON"):
        list(EventReader().feed(b"data: {\n\n"))
