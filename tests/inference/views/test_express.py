"""The express lane of POST /inference: it answers like the view, or leaves a request to it untouched."""

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import IntegrityError, OperationalError, connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from inference import throttles
from inference.models import ApiKey, IdempotencyKey, Task, TaskEvent
from inference.serializers import SubmissionSerializer, plain_submission
from inference.services.api_keys import revoke_api_key
from inference.services.submit import make_dedup_key
from inference.telemetry.counters import counters
from inference.views import express as module
from inference.views.express import MAX_BODY_BYTES, Express
from tests.factories import end_task, make_automation, make_key
from tests.inference.conftest import a_body


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Lane:
    """An express lane before Django, and what went the usual way behind it."""

    key: str
    usual: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        django = get_wsgi_application()

        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            self.usual.append(environ)
            return django(environ, start_response)

        self.express = Express(application)

    def send(self, body: Any = None, *, application: Any = None, decode: bool = True, **environ: Any) -> Answer:
        """`environ` replaces or adds; `...` removes."""
        raw = body if isinstance(body, bytes) else json.dumps(a_body() if body is None else body).encode()
        told: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            told.update(status=int(status[:3]), headers=dict(headers))

        chunks = (application or self.express)(
            {name: value for name, value in (_environ(raw, self.key) | environ).items() if value is not ...},
            start_response,
        )
        content = b"".join(chunks)
        getattr(chunks, "close", lambda: None)()
        if threading.current_thread() is not threading.main_thread():
            connection.close()
        assert told["headers"].get("Content-Length", str(len(content))) == str(len(content))
        return Answer(told["status"], told["headers"], json.loads(content) if decode else {})

    def begin(self) -> None:
        """Let it learn, and forget that."""
        assert self.send().status == 202
        assert len(self.usual) == 1
        self.usual.clear()
        Task.objects.all().delete()


def _environ(body: bytes, key: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/api/v1/inference",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "testserver",
        "HTTP_X_API_KEY": key,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
    }


@pytest.fixture
def lane(transactional_db: None) -> Lane:
    throttles.failures.clear()
    throttles.callers.clear()
    make_automation(endpoint_name="claims", inputs=("patient_id", "payer"))
    _, key = make_key()
    lane = Lane(key)
    lane.begin()
    return lane


def claim(number: Any, **fields: Any) -> dict[str, Any]:
    """A submission that is the same work as any other with this number."""
    parameters = {"patient_id": [f"A-{number}"], "payer": ["Acme"]}
    return a_body(input_parameters=parameters, unique_parameter_names=["patient_id"], **fields)


def test_an_answer_is_the_one_of_the_view(lane: Lane) -> None:
    express = lane.send(a_body(priority=3))
    assert not lane.usual
    usual = lane.send(a_body(priority=3), application=get_wsgi_application())

    assert express.status == usual.status == 202
    assert express.headers.keys() == usual.headers.keys()
    own = {"X-Request-ID", "Location"}
    assert {name: express.headers[name] for name in express.headers.keys() - own} == {
        name: usual.headers[name] for name in usual.headers.keys() - own
    }
    assert express.headers["Location"] == f"/api/v1/tasks/{express.body['task_id']}"
    assert {**express.body, "task_id": 0} == {**usual.body, "task_id": 0}


def test_a_row_is_the_one_that_the_view_stores(lane: Lane) -> None:
    body = a_body(
        priority=-3,
        max_timeout_in_minutes=240,
        unique_parameter_names=["payer"],
        max_parallelism=None,
        is_dedicated=False,
        input_parameters={"patient_id": ["ä\u2028\"'\\", ""], "payer": []},
    )
    express = lane.send(body)
    assert not lane.usual
    end_task(Task.objects.get(), "cancelled")
    usual = lane.send(body, application=get_wsgi_application())

    def row(task_id: str, of: str) -> Mapping[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT to_jsonb(x) FROM {of} x WHERE x.task_id = %s", [task_id])  # noqa: S608 - ours
            return json.loads(cursor.fetchone()[0])

    tasks = "(SELECT id AS task_id, * FROM inference_task)"
    first, second = row(express.body["task_id"], tasks), row(usual.body["task_id"], tasks)
    own = {"id", "task_id", "created_at", "available_at", "completed_at", "status"}
    assert {name: first[name] for name in first.keys() - own} == {name: second[name] for name in second.keys() - own}
    events = "(SELECT * FROM inference_taskevent WHERE status = 'queued')"
    first, second = row(express.body["task_id"], events), row(usual.body["task_id"], events)
    own = {"id", "task_id", "at"}
    assert {name: first[name] for name in first.keys() - own} == {name: second[name] for name in second.keys() - own}


@pytest.mark.parametrize("route", ["/inference", "/api/v1/inference"])
@pytest.mark.parametrize("spelling", ["HTTP_X_API_KEY", "HTTP_AUTHORIZATION"])
def test_both_routes_and_every_spelling_of_a_key_are_taken(lane: Lane, route: str, spelling: str) -> None:
    key = {"HTTP_X_API_KEY": ..., spelling: lane.key if spelling == "HTTP_X_API_KEY" else f"Bearer {lane.key}"}
    learnt = lane.send(PATH_INFO=route, **key)
    lane.usual.clear()

    assert (learnt.status, lane.send(PATH_INFO=route, **key).status, lane.usual) == (202, 202, [])


def test_a_request_id_is_the_clients_or_a_new_one(lane: Lane) -> None:
    assert lane.send(HTTP_X_REQUEST_ID="mine-7").headers["X-Request-ID"] == "mine-7"
    made = {lane.send(HTTP_X_REQUEST_ID="no good one").headers["X-Request-ID"] for _ in range(3)}
    assert len(made) == 3
    assert all(len(each) == 32 for each in made)
    assert not lane.usual


NOT_PLAIN: dict[str, tuple[Any, dict[str, Any], int]] = {
    "no JSON": (b'{"endpoint_name":', {}, 400),
    "no object": ([], {}, 400),
    "no UTF-8": (b'{"endpoint_name": "\xff"}', {}, 400),
    "an unknown field": (a_body(colour="blue"), {}, 202),
    "a missing field": (a_body(input_parameters=...), {}, 400),
    "a wrong field": (a_body(priority="high"), {}, 400),
    "null where none may be": (a_body(is_dedicated=None), {}, 400),
    "a missing parameter": (a_body(input_parameters={"payer": []}), {}, 400),
    "an undeclared parameter": (a_body(input_parameters={"patient_id": [], "payer": [], "x": []}), {}, 400),
    "an undeclared secret": (a_body(secure_parameters={"x": [{"vault": {"name": "a"}}]}), {}, 400),
    "a unique name that is none": (a_body(unique_parameter_names=["x"]), {}, 400),
    "a callback": (a_body(task_callback_url="https://example.com"), {}, 202),
    "a proxy": (a_body(use_proxy=True), {}, 400),
    "an unknown automation": (a_body(endpoint_name="none"), {}, 404),
    "a dedicated task": (a_body(is_dedicated=True), {}, 202),
    "a limit of its own": (a_body(max_parallelism=2), {}, 202),
    "a limit of its login": (a_body(per_login_parallelism=2), {}, 202),
    "an upload": (
        a_body(input_parameters={"patient_id": ["upload://" + "0" * 8 + "-0000" * 3 + "-" + "0" * 12], "payer": []}),
        {},
        400,
    ),
    "two idempotency keys": (a_body(idempotency_key="a"), {"HTTP_IDEMPOTENCY_KEY": "b"}, 400),
    "a long idempotency key": (a_body(), {"HTTP_IDEMPOTENCY_KEY": "k" * 257}, 400),
    "no key": (a_body(), {"HTTP_X_API_KEY": ...}, 401),
    "a wrong key": (a_body(), {"HTTP_X_API_KEY": "opx_0000"}, 401),
    "two keys": (a_body(), {"HTTP_AUTHORIZATION": "Bearer opx_0000"}, 401),
    "a query": (a_body(), {"QUERY_STRING": "a=b"}, 202),
    "another method": (a_body(), {"REQUEST_METHOD": "PUT"}, 405),
    "another route": (a_body(), {"PATH_INFO": "/api/v1/inference/batch"}, 400),
    "another type": (a_body(), {"CONTENT_TYPE": "text/plain"}, 415),
    "another charset": (a_body(), {"CONTENT_TYPE": "application/json; charset=latin-1"}, 415),
    "no length": (a_body(), {"CONTENT_LENGTH": ...}, 400),
    "a page elsewhere": (a_body(), {"HTTP_ORIGIN": "https://example.com"}, 202),
    "a trace": (a_body(), {"HTTP_TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-01"}, 202),
    "another host": (a_body(), {"HTTP_HOST": "elsewhere.example"}, 400),
    "a long body": (b" " * MAX_BODY_BYTES + json.dumps(a_body()).encode(), {}, 202),
}


@pytest.mark.parametrize("case", NOT_PLAIN)
def test_what_is_not_plain_goes_the_usual_way_untouched(lane: Lane, case: str) -> None:
    body, environ, status = NOT_PLAIN[case]
    throttles.failures.clear()

    express = lane.send(body, **environ)
    assert (express.status, len(lane.usual)) == (status, 1)
    if status == 202:
        end_task(Task.objects.get(), "cancelled")
    usual = lane.send(body, application=get_wsgi_application(), **environ)
    assert usual.status == status
    assert {**express.body, "task_id": 0} == {**usual.body, "task_id": 0}
    assert express.headers.keys() == usual.headers.keys()


def test_a_client_that_waits_goes_the_usual_way(lane: Lane) -> None:
    assert lane.send(HTTP_PREFER="respond-async").status == 202
    assert len(lane.usual) == 1


def test_a_duplicate_is_answered_by_the_view(lane: Lane) -> None:
    first = lane.send(claim(1))
    assert not lane.usual
    second = lane.send(claim(1))

    assert len(lane.usual) == 1
    assert (second.body["task_id"], second.body["duplicate"]) == (first.body["task_id"], True)
    end_task(Task.objects.get(), "cancelled")
    assert lane.send(claim(1)).body["duplicate"] is False


def test_a_key_is_judged_with_each_batch(lane: Lane) -> None:
    key = ApiKey.objects.get()
    assert lane.send().status == 202
    revoke_api_key(key=key, actor="test")
    assert lane.send().status == 401

    lane.key = make_key(expires_at=timezone.now() + timedelta(hours=1))[1]
    assert lane.send().status == 202
    ApiKey.objects.filter(revoked_at=None).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert lane.send().status == 401

    lane.key = make_key(scopes=["read"])[1]
    assert lane.send().status == 403
    lane.key = make_key(automations=[make_automation(endpoint_name="other")])[1]
    assert lane.send().status == 404
    assert Task.objects.count() == 2


def test_the_use_of_a_key_is_noted(lane: Lane) -> None:
    ApiKey.objects.update(last_used_at=None)
    lane.send()
    assert not lane.usual
    assert ApiKey.objects.get().last_used_at is not None


def test_an_automation_that_is_switched_off_is_not_found(lane: Lane) -> None:
    assert lane.send(claim(1)).status == 202
    automation = Task.objects.get().automation
    automation.is_active = False
    automation.save()
    assert lane.send(claim(2)).status == 404


def test_racing_submissions_make_a_task_for_each_work(lane: Lane) -> None:
    numbers = [number % 40 for number in range(160)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: lane.send(claim(number)), numbers))

    assert {answer.status for answer in answers} == {202}
    by_number: dict[int, set[str]] = {}
    for number, answer in zip(numbers, answers, strict=True):
        by_number.setdefault(number, set()).add(answer.body["task_id"])
    assert all(len(ids) == 1 for ids in by_number.values())
    assert Task.objects.count() == 40
    assert sum(not answer.body["duplicate"] for answer in answers) == 40
    for task in Task.objects.all():
        assert task.dedup_key == make_dedup_key(["patient_id"], task.input_parameters)
    assert TaskEvent.objects.count() == 40
    assert len(lane.usual) == 120


def test_those_that_come_while_one_batch_is_stored_are_the_next_batch(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    together = module.submit_together
    is_first_begun, may_end = threading.Event(), threading.Event()

    def watched(requests: Any, **options: Any) -> Any:
        sizes.append(len(requests))
        if len(sizes) == 1:
            is_first_begun.set()
            assert may_end.wait(30)
        return together(requests, **options)

    monkeypatch.setattr(module, "submit_together", watched)
    with ThreadPoolExecutor(101) as pool:
        first = pool.submit(lane.send, claim("first"))
        assert is_first_begun.wait(30)
        rest = [pool.submit(lane.send, claim(number)) for number in range(100)]
        group = next(iter(lane.express._groups.values()))
        while len(group.pending) < 100:
            assert not first.done()
        may_end.set()
        answers = [each.result() for each in [first, *rest]]

    assert sizes == [1, 64, 36]
    assert {answer.status for answer in answers} == {202}
    assert Task.objects.count() == 101
    assert lane.usual == []
    assert lane.express._groups == {}


def test_keys_do_not_share_a_batch(lane: Lane) -> None:
    keys = [make_key() for _ in range(8)]
    others = []
    for _, text in keys:
        other = Lane(text)
        other.express = lane.express
        assert other.send(claim("first")).status == 202
        others.append(other)
    lane.usual.clear()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: others[number % 8].send(claim(number)), range(64)))

    for key, _ in keys:
        tasks = Task.objects.filter(api_key=key)
        assert tasks.count() == (9 if key == keys[0][0] else 8)
        assert {task.sharer for task in tasks} == {f"key:{key.pk}"}
        causes = TaskEvent.objects.filter(task__in=tasks).values_list("cause__id", flat=True)
        assert set(causes) == {key.public_id}


def test_racing_requests_with_one_idempotency_key_make_one_task(lane: Lane) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda number: lane.send(a_body(idempotency_key=f"order-{number % 6}")), range(48)),
        )

    assert {answer.status for answer in answers} == {202}
    assert Task.objects.count() == IdempotencyKey.objects.count() == 6
    assert {str(each) for each in IdempotencyKey.objects.values_list("task_id", flat=True)} == {
        answer.body["task_id"] for answer in answers
    }


def test_an_idempotency_key_may_come_in_the_header_and_holds_for_its_body(lane: Lane) -> None:
    first = lane.send(claim(1), HTTP_IDEMPOTENCY_KEY="order")
    assert not lane.usual
    again = lane.send(claim(1, idempotency_key="order"))
    other = lane.send(claim(2), HTTP_IDEMPOTENCY_KEY="order")

    assert (again.body["task_id"], again.body["duplicate"]) == (first.body["task_id"], True)
    assert other.status == 422
    assert Task.objects.count() == 1


def test_an_idempotency_key_stands_for_the_active_task_that_its_submission_met(lane: Lane) -> None:
    first = lane.send(claim(1))
    second = lane.send(claim(1), HTTP_IDEMPOTENCY_KEY="order")

    assert second.body["task_id"] == first.body["task_id"]
    assert str(IdempotencyKey.objects.get().task_id) == first.body["task_id"]


def _hold_first_batch(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event, list[Any]]:
    """Set when the first batch is being stored; to be set when it may go on; the requests of each batch."""
    is_begun, may_end, batches = threading.Event(), threading.Event(), list[Any]()
    together = module.submit_together

    def watched(requests: Any, **options: Any) -> Any:
        batches.append(requests)
        if len(batches) == 1:
            is_begun.set()
            assert may_end.wait(30)
        return together(requests, **options)

    monkeypatch.setattr(module, "submit_together", watched)
    return is_begun, may_end, batches


def _wait_for_pending(lane: Lane, count: int) -> None:
    ends_at = time.monotonic() + 60
    while sum(len(group.pending) for group in list(lane.express._groups.values())) < count:
        assert time.monotonic() < ends_at


def test_tasks_of_a_batch_are_in_the_order_in_which_they_came(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    is_begun, may_end, batches = _hold_first_batch(monkeypatch)
    with ThreadPoolExecutor(21) as pool:
        pool.submit(lane.send, claim("first"))
        assert is_begun.wait(30)
        rest = []
        for number in range(20):
            rest.append(pool.submit(lane.send, claim(number)))
            _wait_for_pending(lane, number + 1)
        may_end.set()
        ids = [each.result().body["task_id"] for each in rest]

    assert [len(batch) for batch in batches] == [1, 20]
    assert ids == sorted(ids)
    assert [str(each) for each in Task.objects.order_by("created_at", "id").values_list("id", flat=True)][1:] == ids


def test_different_priorities_do_not_share_a_batch(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the second could take the lock of the line after that of the first's dedup key."""
    is_begun, may_end, batches = _hold_first_batch(monkeypatch)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(lane.send, claim("first", priority=7))
        assert is_begun.wait(30)
        rest = [pool.submit(lane.send, claim(number, priority=7)) for number in range(4)]
        _wait_for_pending(lane, 4)
        others = [pool.submit(lane.send, claim(f"b{number}", priority=number)) for number in range(3)]
        assert {each.result().status for each in others} == {202}
        may_end.set()
        assert {each.result().status for each in [first, *rest]} == {202}

    assert all(len({request["priority"] for request in batch}) == 1 for batch in batches)
    assert not lane.usual


def test_who_finds_no_place_goes_the_usual_way(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    is_begun, may_end, _ = _hold_first_batch(monkeypatch)
    monkeypatch.setattr(module, "BATCHES_PER_KEY", 1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lane.send, claim("first"))
        assert is_begun.wait(30)
        second = lane.send(claim("second", priority=1))
        assert (second.status, len(lane.usual)) == (202, 1)
        may_end.set()
        assert first.result().status == 202

    monkeypatch.setattr(module, "PLACE_SECONDS", 0.0)
    for _ in range(module.BATCHES):
        assert lane.express._places.acquire(blocking=False)
    assert lane.send(claim("third")).status == 202
    assert len(lane.usual) == 2
    assert (lane.express._groups, lane.express._at_work) == ({}, {})


def test_those_that_wait_while_the_database_goes_away_are_told_at_once(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_begun, may_end, calls = threading.Event(), threading.Event(), []

    def away(*_: Any, **__: Any) -> Any:
        calls.append(1)
        is_begun.set()
        assert may_end.wait(30)
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(module, "submit_together", away)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(lane.send, claim("first"))
        assert is_begun.wait(30)
        rest = [pool.submit(lane.send, claim(number)) for number in range(5)]
        _wait_for_pending(lane, 5)
        may_end.set()
        assert {each.result().status for each in [first, *rest]} == {503}

    assert len(calls) == 1
    assert not lane.usual


def test_nothing_of_a_body_is_read_before_its_key_was_good_for_a_submission(lane: Lane) -> None:
    class Unread(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("read before the key was looked at")

    answer = lane.send(HTTP_X_API_KEY=make_key(scopes=["read"])[1], **{"wsgi.input": Unread()})
    assert answer.status == 403
    assert lane.send(HTTP_X_API_KEY="opx_00000000_" + "0" * 43, **{"wsgi.input": Unread()}).status == 401


def test_a_request_has_one_id_whichever_way_it_goes(lane: Lane) -> None:
    answer = lane.send(a_body(colour="blue"))
    assert answer.headers["X-Request-ID"] == lane.usual[0]["HTTP_X_REQUEST_ID"]


def test_what_is_known_is_bounded_and_the_oldest_goes_first() -> None:
    recent = module._Recent[str, int](2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(name) for name in "abc"] == [1, None, 3]
    recent.forget("a")
    assert len(recent) == 1


def test_a_limited_queue_holds_exactly_its_limit(lane: Lane) -> None:
    ApiKey.objects.update(queue_limit=5)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: lane.send(claim(number)), range(24)))

    assert sorted(answer.status for answer in answers) == [202] * 5 + [429] * 19
    assert Task.objects.count() == 5


def test_a_request_is_counted_once_towards_the_rate_of_its_key(lane: Lane, settings: Any) -> None:
    settings.RATE_LIMIT_PER_KEY, settings.RATE_LIMIT_BURST = 1, 4
    throttles.callers.clear()
    statuses = [lane.send(body).status for body in (claim(1), claim(1), claim(2), a_body(colour="blue"), claim(3))]

    assert statuses == [202, 202, 202, 202, 429]


def test_a_database_that_is_away_is_told_and_nothing_is_tried_twice(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(module, "submit_together", away)
    answer = lane.send(claim("secret-1"))

    assert (answer.status, answer.headers["Retry-After"], lane.usual) == (503, "5", [])
    message = "Service unavailable: the database cannot be reached; try again in a few seconds."
    assert answer.body == {"success": False, "message": message, "error": message}


def test_an_unexpected_error_is_logged_without_the_request_and_the_view_answers(
    lane: Lane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise IntegrityError("Key (claim)=(A-secret-1)")

    monkeypatch.setattr(module, "submit_together", broken)
    with caplog.at_level(logging.DEBUG):
        answer = lane.send(claim("secret-1"))

    assert (answer.status, len(lane.usual)) == (202, 1)
    assert "unexpected error" in caplog.text
    assert "secret-1" not in caplog.text
    assert lane.express._groups == {}


def test_each_submission_is_counted_once(lane: Lane) -> None:
    counters.begin()
    for body in (claim(1), claim(1), a_body(priority="high")):
        lane.send(body)
    lane.send(claim(2), HTTP_X_API_KEY="opx_0000")

    assert dict(counters._pending) == {
        ("submissions", '["accepted", "202"]', ""): 1,
        ("submissions", '["duplicate", "202"]', ""): 1,
        ("submissions", '["refused", "400"]', ""): 1,
        ("submissions", '["refused", "401"]', ""): 1,
    }
    counters.begin()


@pytest.mark.parametrize(
    ("status", "headers", "is_learnt"),
    [
        ("202 Accepted", [("X-Frame", "x")], True),
        ("400 Bad Request", [], False),
        ("200 OK", [], False),
        ("202 Accepted", [("Set-Cookie", "a=b")], False),
        ("202 Accepted", [("Content-Encoding", "gzip")], False),
        ("202 Accepted", [("Vary", "Accept-Encoding")], False),
    ],
)
def test_only_plain_answers_to_what_was_taken_are_learnt(
    status: str, headers: list[tuple[str, str]], *, is_learnt: bool
) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response(status, headers)
        return [b""]

    express = Express(application)
    express(_environ(b"{}", "key"), lambda *_: None)
    assert (len(express._headers), len(express._keys)) == ((1, 1) if is_learnt else (0, 0))


def test_a_compressed_answer_with_many_warnings_is_no_pattern_for_others(lane: Lane) -> None:
    long = {f"{number}{chr(0x1F600) * 90}": 1 for number in range(20)}
    first = lane.send(a_body(**long), HTTP_HOST="testserver:80", HTTP_ACCEPT_ENCODING="gzip", decode=False)
    assert first.headers["Content-Encoding"] == "gzip"
    second = lane.send(claim(2), HTTP_HOST="testserver:80")
    assert "Content-Encoding" not in second.headers


_TEXTS = st.one_of(st.none(), st.booleans(), st.integers(-5, 400), st.text(max_size=3), st.lists(st.text(max_size=2)))
_VALUES = st.dictionaries(st.text(max_size=3), st.lists(st.one_of(st.text(max_size=3), st.integers()), max_size=2))
_BODIES = st.fixed_dictionaries(
    {},
    optional={
        "endpoint_name": st.one_of(st.just("claims"), _TEXTS),
        "input_parameters": st.one_of(_VALUES, _TEXTS),
        "secure_parameters": st.one_of(st.just({}), _TEXTS),
        "unique_parameter_names": _TEXTS,
        "idempotency_key": _TEXTS,
        "priority": _TEXTS,
        "max_timeout_in_minutes": _TEXTS,
        "is_dedicated": _TEXTS,
        "max_parallelism": _TEXTS,
        "per_login_parallelism": _TEXTS,
        "use_proxy": _TEXTS,
        "task_callback_url": _TEXTS,
        "task_callback_api_key": _TEXTS,
        "colour": _TEXTS,
    },
)


@given(body=_BODIES, header=st.one_of(st.none(), st.text(max_size=3)))
def test_a_plain_submission_is_what_the_serializer_makes_of_it(body: dict[str, Any], header: str | None) -> None:
    plain = plain_submission(body, idempotency_header=header)
    if plain is None:
        return
    full = SubmissionSerializer(data=body, context={"idempotency_header": header})
    assert full.is_valid()
    assert full.warnings == []
    assert plain == full.validated_data
