"""Event streams over a real socket: in order, without gaps, resumed, bounded in number, and over when the task is."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
import requests
from django.db import connection

from inference.models import ENDED, Automation, Task, TaskEvent
from inference.services import following
from inference.services.following import followers
from inference.services.transitions import record_event
from inference.views import events as events_view
from tests.factories import end_task, make_automation, make_key, make_task
from tests.inference.conftest import ApiClient, assert_error
from tests.inference.services.test_waiting import until

Event = dict[str, Any]


@pytest.fixture(autouse=True)
def end_of_streams(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Only then a server notices that a client went away.
    monkeypatch.setattr(events_view, "HEARTBEAT_SECONDS", 0.2)
    yield
    until(lambda: followers.count == 0, what="every stream is over")
    followers.close()


@pytest.fixture
def task(automation: Automation) -> Task:
    return make_task(automation=automation)


def path_of(task: Task) -> str:
    return f"/api/v1/tasks/{task.id}/events"


class Stream:
    """What a client reads of one stream."""

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        self._lines = response.iter_lines(chunk_size=1)

    def next(self) -> Event:
        """The next event; fails with StopIteration when the stream is over."""
        event: Event = {}
        for line in self._lines:
            if not line and "event" in event:
                return event
            name, _, value = line.decode().partition(": ")
            if line and name:
                event[name] = json.loads(value) if name == "data" else value
        raise StopIteration

    def rest(self) -> list[Event]:
        found = []
        while True:
            try:
                found.append(self.next())
            except StopIteration:
                return found

    def comment(self) -> bytes:
        """The next heartbeat."""
        return next(line for line in self._lines if line.startswith(b":"))


@contextmanager
def following_of(api: ApiClient, task: Task, **options: Any) -> Iterator[Stream]:
    with closing(api.get(path_of(task), stream=True, **options)) as response:
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"] == "text/event-stream"
        yield Stream(response)


def statuses(events: list[Event]) -> list[str]:
    return [event["data"]["status"] for event in events if event["event"] == "status"]


def a_step(task: Task, position: int, status: str = "running", **data: Any) -> None:
    told = {"position": position, "index": position + 1, "path": f"nodes[{position}]", "kind": "click", "label": "Save"}
    data = {**told, "status": status, "attempt": 1, "error": None, **data}
    record_event(task.id, "step", cause={"kind": "attempt"}, data=data)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('task_changed', %s)", [str(task.id)])


def test_ended_task_is_told_from_its_beginning_and_the_stream_ends(api: ApiClient, task: Task) -> None:
    a_step(task, 0)
    end_task(task, "failed", error="the portal was away")

    with following_of(api, task) as stream:
        told = stream.rest()

    assert [event["event"] for event in told][:1] == ["status"]
    assert told[-1]["data"]["status"] == "failed"
    assert told[-1]["data"]["task_id"] == str(task.id)
    assert [int(event["id"]) for event in told] == sorted(int(event["id"]) for event in told)
    step = next(event for event in told if event["event"] == "step")
    # Counted from 0 on the wire.
    assert (step["data"]["index"], step["data"]["status"], step["data"]["label"]) == (0, "running", "Save")


def test_events_come_as_they_happen(api: ApiClient, task: Task) -> None:
    with following_of(api, task) as stream:
        assert stream.next()["data"]["status"] == "queued"
        a_step(task, 0)
        assert stream.next()["event"] == "step"
        a_step(task, 0, status="success")
        assert stream.next()["data"]["status"] == "success"

        end_task(task)

        assert statuses(stream.rest())[-1] in ENDED


def test_stream_goes_on_behind_the_last_id(api: ApiClient, task: Task) -> None:
    with following_of(api, task) as stream:
        last = stream.next()["id"]
    a_step(task, 0)
    a_step(task, 1)

    for options in ({"headers": {"Last-Event-ID": last}}, {"params": {"last_event_id": last}}):
        with following_of(api, task, **options) as stream:
            assert [stream.next()["data"]["position"], stream.next()["data"]["position"]] == [0, 1]


def test_client_that_has_everything_of_an_ended_task_is_told_not_to_come_back(api: ApiClient, task: Task) -> None:
    end_task(task)
    last = TaskEvent.objects.filter(task=task).latest("id").id

    answer = api.get(path_of(task), headers={"Last-Event-ID": str(last)})

    assert (answer.status_code, answer.content) == (204, b"")


def test_backlog_longer_than_a_page_comes_whole(api: ApiClient, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAGE_EVENTS", 3)
    for position in range(10):
        a_step(task, position)
    end_task(task)

    with following_of(api, task) as stream:
        told = stream.rest()

    assert [event["data"]["position"] for event in told if event["event"] == "step"] == list(range(10))


def test_nothing_is_skipped_or_repeated_while_events_pour_in(api: ApiClient, task: Task) -> None:
    """Followers that join at any time see each event behind their beginning, once."""

    def write() -> None:
        try:
            for position in range(200):
                a_step(task, position)
            end_task(task)
        finally:
            connection.close()

    def read(_: int) -> list[int]:
        with following_of(api.with_key(api.key), task) as stream:
            return [event["data"]["position"] for event in stream.rest() if event["event"] == "step"]

    with ThreadPoolExecutor(9) as threads:
        writing = threads.submit(write)
        seen = list(threads.map(read, range(8)))
        writing.result()

    assert seen == [list(range(200))] * 8


def test_each_follower_gets_its_own_task_only(api: ApiClient, automation: Automation) -> None:
    first, second = make_task(automation=automation), make_task(automation=automation)
    with following_of(api, first) as one, following_of(api.with_key(api.key), second) as other:
        assert one.next()["data"]["task_id"] == str(first.id)
        assert other.next()["data"]["task_id"] == str(second.id)
        a_step(second, 7)
        a_step(first, 3)

        assert one.next()["data"]["position"] == 3
        assert other.next()["data"]["position"] == 7


def test_connection_that_is_lost_costs_no_event(api: ApiClient, task: Task) -> None:
    with following_of(api, task) as stream:
        stream.next()
        until(lambda: followers.is_listening, what="the process listens")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query = 'LISTEN task_changed'"
                " AND datname = current_database()"
            )
            assert cursor.fetchone() == (1,)
        record_event(task.id, "step", cause={"kind": "attempt"}, data={"position": 5})  # without a notice

        assert stream.next()["data"]["position"] == 5


def test_silent_stream_has_heartbeats(api: ApiClient, task: Task) -> None:
    with following_of(api, task) as stream:
        stream.next()
        assert [stream.comment(), stream.comment()] == [b": ", b": "]


def test_client_that_went_away_gives_its_place_back(api: ApiClient, task: Task) -> None:
    with following_of(api, task) as stream:
        stream.next()
        assert followers.count == 1

    until(lambda: followers.count == 0, what="the place is free")


def test_one_stream_too_many_is_asked_to_come_back(api: ApiClient, task: Task, settings: Any) -> None:
    settings.MAX_EVENT_STREAMS = 1
    with following_of(api, task) as stream:
        stream.next()
        refused = api.with_key(api.key).get(path_of(task))
        assert_error(refused, 503, "Too many event streams are open")
        assert int(refused.headers["Retry-After"]) > 0
        # A question whether there is a stream takes no place.
        assert api.with_key(api.key).request("HEAD", path_of(task)).status_code == 200
    until(lambda: followers.count == 0, what="the place is free")
    with following_of(api, task) as stream:
        stream.next()
        end_task(task)
        stream.rest()


def test_stream_is_not_kept_for_ever(api: ApiClient, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_view, "MOST_SECONDS", 0.3)

    with following_of(api, task) as stream:
        assert statuses(stream.rest()) == ["queued"]


def test_client_that_takes_nothing_is_let_go(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MOST_WAITING_EVENTS", 3)
    with followers.follow(task.id, after=0) as follower:
        follower.next_events(0)
        until(lambda: followers.is_listening, what="the process listens")
        for position in range(5):
            a_step(task, position)
        until(lambda: follower.is_dropped, what="it is dropped")

        last = follower.next_events(1)[-1]

    # What it had not taken is told when it comes back.
    with followers.follow(task.id, after=last.id) as again:
        assert [event.data["position"] for event in again.next_events(0)] == [3, 4]


def test_questions_and_answers_are_told(api: ApiClient, automation: Automation) -> None:
    task = make_task(automation=automation, status="running")
    record_event(task.id, "person", cause={"kind": "attempt"}, data={"state": "asked", "text": "Approve it"})
    with following_of(api, task) as stream:
        asked = next(event for event in iter(stream.next, None) if event["event"] == "person")
        assert (asked["data"]["state"], asked["data"]["text"]) == ("asked", "Approve it")


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "١"])
def test_last_id_is_one_of_ours(api: ApiClient, task: Task, last: str) -> None:
    answer = api.get(path_of(task), params={"last_event_id": last})

    assert set(assert_error(answer, 400, "Last-Event-ID must be")) == {"Last-Event-ID"}


def test_task_of_others_is_not_found(api: ApiClient, task: Task) -> None:
    _, foreign = make_key(automations=[make_automation(endpoint_name="others")])

    assert_error(api.with_key(foreign).get(path_of(task)), 404)
    assert_error(api.with_key("").get(path_of(task)), 401)


def test_followers_hold_no_database_connection(api: ApiClient, task: Task) -> None:
    def busy() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND query <> 'LISTEN task_changed' AND backend_type = 'client backend'"
            )
            row = cursor.fetchone()
        assert row is not None
        return int(row[0])

    before = busy()
    streams = []
    with ThreadPoolExecutor(6):
        for _ in range(6):
            response = api.with_key(api.key).get(path_of(task), stream=True)
            streams.append(Stream(response))
            streams[-1].next()
    try:
        until(lambda: busy() <= before, what="no stream holds a connection")
    finally:
        end_task(task)
        for stream in streams:
            stream.rest()
