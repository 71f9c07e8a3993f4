"""Requests over a real socket: submissions, faults, refusals, and what never goes out."""

import pickle
import threading
from typing import Any

import pytest

from optexity_server import (
    ApiError,
    BatchInterruptedError,
    Client,
    ConflictError,
    ConnectionFailedError,
    ForbiddenError,
    IdempotencyMismatchError,
    NotFoundError,
    RateLimitedError,
    RedirectRefusedError,
    ServerError,
    Submission,
    TaskFailedError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
    ValidationError,
    WaitTimeoutError,
)
from optexity_server.models import Task
from tests.client.wire import ACCEPTED, KEY, OTHER_TASK, TASK, Reply, Wire, do, hung_up, paths, refused, task


def test_a_submission_says_what_was_given_and_nothing_else(wire: Wire, kind: str) -> None:
    wire.says(Reply(202, ACCEPTED | {"warnings": ["Unknown field"]}))
    handle = do(
        kind,
        wire.url,
        lambda client: client.submit(
            "claims-status",
            {"claim": ["HM-4471"], "kind": "dental"},
            unique=["claim"],
            priority=0,
            idempotency_key="k-ä",
        ),
    )
    asked = wire.asked[0]
    assert paths(wire.asked) == ["POST /api/v1/inference"]
    assert asked.body == {
        "endpoint_name": "claims-status",
        "input_parameters": {"claim": ["HM-4471"], "kind": ["dental"]},
        "unique_parameter_names": ["claim"],
        "priority": 0,
    }
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["idempotency-key"].encode("latin-1").decode() == "k-ä"
    assert (handle.task_id, handle.duplicate, handle.answer.warnings) == (TASK, False, ("Unknown field",))


def test_without_a_key_the_local_endpoint_is_asked(wire: Wire, kind: str) -> None:
    wire.says(Reply(202, ACCEPTED))
    do(kind, wire.url, lambda client: client.submit("claims-status"), key="")
    assert paths(wire.asked) == ["POST /inference"]
    assert "authorization" not in wire.asked[0].headers


@pytest.mark.parametrize(
    "fault",
    [hung_up(), refused(429, Retry_After="0"), refused(503, Retry_After="0"), Reply(202, ACCEPTED, cut=True)],
    ids=["hung up", "429", "503", "cut in the middle"],
)
def test_a_submission_survives_a_fault_with_one_idempotency_key(wire: Wire, kind: str, fault: Reply) -> None:
    wire.says(fault, Reply(202, ACCEPTED))
    handle = do(kind, wire.url, lambda client: client.submit("claims-status", {"claim": ["HM-4471"]}))
    assert handle.task_id == TASK
    assert len(wire.asked) == 2
    keys = {asked.headers["idempotency-key"] for asked in wire.asked}
    assert len(keys) == 1
    assert len(keys.pop()) == 36


def test_each_submission_has_a_key_of_its_own(wire: Wire, kind: str) -> None:
    wire.routes["POST", "/api/v1/inference"] = Reply(202, ACCEPTED)
    for _ in range(2):
        do(kind, wire.url, lambda client: client.submit("claims-status"))
    assert len({asked.headers["idempotency-key"] for asked in wire.asked}) == 2


def test_a_cancel_whose_answer_is_lost_is_not_sent_again(wire: Wire, kind: str) -> None:
    wire.says(hung_up())
    with pytest.raises(ConnectionFailedError):
        do(kind, wire.url, lambda client: client.handle(TASK).cancel())
    assert paths(wire.asked) == [f"POST /api/v1/tasks/{TASK}/cancel"]


def test_only_a_cancel_by_force_has_a_body(wire: Wire, kind: str) -> None:
    wire.says(Reply(200, {"status": "running"}), Reply(200, {"status": "killed"}))
    assert do(kind, wire.url, lambda client: client.handle(TASK).cancel()) == "running"
    assert do(kind, wire.url, lambda client: client.handle(TASK).cancel(force=True)) == "killed"
    assert [asked.body for asked in wire.asked] == [None, {"force": True}]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ValidationError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, ApiError),
        (422, IdempotencyMismatchError),
        (429, RateLimitedError),
        (500, ServerError),
        (503, UnavailableError),
    ],
)
def test_a_refusal_is_an_error_of_its_status(wire: Wire, kind: str, status: int, error: type[ApiError]) -> None:
    body = {"success": False, "message": "priority must be a whole number.", "errors": {"priority": ["wrong"]}}
    wire.says(Reply(status, body, {"X-Request-ID": "r-1"}))
    with pytest.raises(error) as raised:
        do(kind, wire.url, lambda client: client.submit("claims-status"), retries=0)
    assert type(raised.value) is error
    told = raised.value
    assert (told.status, told.message, told.request_id) == (status, "priority must be a whole number.", "r-1")
    assert told.errors == {"priority": ["wrong"]}
    assert vars(pickle.loads(pickle.dumps(told))) == vars(told)  # noqa: S301 - made here


def test_a_refusal_without_json_says_its_status(wire: Wire, kind: str) -> None:
    wire.says(Reply(500, b"<h1>Bad gateway</h1>"))
    with pytest.raises(ServerError, match="500"):
        do(kind, wire.url, lambda client: client.task(TASK))


@pytest.mark.parametrize(
    "content", [b"<html>", b"[]", b'{"status": 1}', b'{"task_id": "x", "status": "s", "created_at": 7}']
)
def test_an_answer_of_something_else_is_told_as_such(wire: Wire, kind: str, content: bytes) -> None:
    wire.says(Reply(200, content))
    with pytest.raises(UnexpectedAnswerError):
        do(kind, wire.url, lambda client: client.task(TASK))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_the_key_stays_here(wire: Wire, kind: str, status: int) -> None:
    other = Wire()
    try:
        wire.says(Reply(status, {}, {"Location": f"{other.url}/api/v1/inference?token=secret"}))
        with pytest.raises(RedirectRefusedError, match=r"http://127\.0\.0\.1:\d+\. Redirects are not") as raised:
            do(kind, wire.url, lambda client: client.submit("claims-status"))
        assert other.asked == []
        assert len(wire.asked) == 1
        assert "secret" not in str(raised.value)
    finally:
        other.close()


def test_a_server_that_is_not_there_cannot_be_reached(kind: str) -> None:
    with pytest.raises(ConnectionFailedError, match="cannot be reached"):
        do(kind, "http://127.0.0.1:1", lambda client: client.task(TASK), retries=0)


def test_an_answer_that_does_not_come_is_a_failed_connection(wire: Wire, kind: str) -> None:
    never = threading.Event()
    wire.says(Reply(200, task(), until=never))
    try:
        with pytest.raises(ConnectionFailedError, match="in time"):
            do(kind, wire.url, lambda client: client.task(TASK), retries=0, timeout=0.2)
    finally:
        never.set()


@pytest.mark.parametrize("task_id", ["", "..", "../automations", "x", f"{TASK}/cancel"])
def test_nothing_but_an_id_gets_into_a_path(wire: Wire, kind: str, task_id: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        do(kind, wire.url, lambda client: client.handle(task_id).cancel())
    assert wire.asked == []


# --- tasks


def test_a_task_has_its_fields_and_what_is_not_known_in_raw(wire: Wire, kind: str) -> None:
    wire.says(
        Reply(
            200,
            task(
                "queued",
                created_at="2026-11-24T11:24:15.013000+00:00",
                input_parameters={"claim": ["HM-4471"]},
                attempts=[{"number": 1, "error": "worker lost"}],
                waiting_for={"reason": "turn", "task_ids": [OTHER_TASK]},
                a_field_of_the_future=[1],
            ),
        )
    )
    handle = do(kind, wire.url, lambda client: client.task(TASK))
    seen: Task = handle.task
    assert seen.created_at is not None
    assert seen.created_at.isoformat() == "2026-11-24T11:24:15.013000+00:00"
    assert seen.attempts[0].error == "worker lost"
    assert seen.waiting_for is not None
    assert seen.waiting_for.task_ids == (OTHER_TASK,)
    assert seen.raw["a_field_of_the_future"] == [1]
    assert not seen.has_ended
    assert "HM-4471" not in repr(seen)


def test_steps_cancel_retry_and_health(wire: Wire, kind: str) -> None:
    wire.says(
        Reply(200, {"steps": [{"attempt": 1, "position": 1, "index": 0, "status": "success", "label": "Sign in"}]})
    )
    assert do(kind, wire.url, lambda client: client.handle(TASK).steps())[0].label == "Sign in"
    wire.says(Reply(200, {"success": True, "task_id": TASK, "status": "cancelled"}))
    assert do(kind, wire.url, lambda client: client.handle(TASK).cancel()) == "cancelled"
    wire.says(Reply(202, ACCEPTED | {"task_id": OTHER_TASK}))
    assert do(kind, wire.url, lambda client: client.handle(TASK).retry()).task_id == OTHER_TASK
    wire.says(Reply(200, {"success": True, "status": "running"}))
    assert do(kind, wire.url, lambda client: client.handle(TASK).respond("continue", note="approved")) == "running"
    assert wire.asked[-1].body == {"answer": "continue", "note": "approved"}
    wire.says(Reply(503, {"status": "unhealthy", "message": "The database cannot be reached"}))
    health = do(kind, wire.url, lambda client: client.health())
    assert (health.is_healthy, health.message) == (False, "The database cannot be reached")
    wire.says(Reply(503, b"<h1>"))
    with pytest.raises(UnavailableError):
        do(kind, wire.url, lambda client: client.health())


# --- waiting


def test_waiting_asks_the_server_to_hold_its_answer(wire: Wire, kind: str) -> None:
    wire.says(Reply(200, task("success", output_data=[{"json_data": {"status": "paid"}}])))
    result = do(kind, wire.url, lambda client: client.handle(TASK).result(timeout=90))
    assert result == [{"json_data": {"status": "paid"}}]
    assert wire.asked[0].query == {"wait": "60"}


def test_a_wait_survives_a_fault_and_goes_on_while_the_task_runs(wire: Wire, kind: str) -> None:
    wire.says(hung_up(), Reply(200, task("running")), Reply(200, task("failed", error="no")))
    ended = do(kind, wire.url, lambda client: client.handle(TASK).wait(timeout=30))
    assert (ended.status, len(wire.asked)) == ("failed", 3)


def test_a_task_that_failed_is_an_error_where_one_checks(wire: Wire, kind: str) -> None:
    wire.says(Reply(200, task("failed", error="Nothing matched the locator")))
    with pytest.raises(TaskFailedError, match="ended as failed: Nothing matched") as raised:
        do(kind, wire.url, lambda client: client.handle(TASK).wait(check=True))
    assert raised.value.task.status == "failed"


def test_when_the_server_holds_no_answer_the_task_is_looked_at(wire: Wire, kind: str) -> None:
    wire.says(refused(503, "Too many requests wait.", Retry_After="0"), Reply(200, task("running")), Reply(200, task()))
    assert do(kind, wire.url, lambda client: client.handle(TASK).wait(timeout=30.9)).succeeded
    assert [asked.query for asked in wire.asked] == [{"wait": "30"}, {}, {}]


def test_a_wait_that_is_over_says_how_the_task_stands(wire: Wire, kind: str) -> None:
    wire.routes["GET", f"/api/v1/tasks/{TASK}"] = Reply(200, task("running"))
    with pytest.raises(WaitTimeoutError, match=r"within 0\.3 s; it goes on") as raised:
        do(kind, wire.url, lambda client: client.handle(TASK).wait(timeout=0.3))
    assert raised.value.task is not None
    assert raised.value.task.status == "running"
    # Looked at again at its end, unless the first answer took as long.
    assert len(wire.asked) in (1, 2)
    with pytest.raises(WaitTimeoutError):
        do(kind, wire.url, lambda client: client.handle(TASK).wait(timeout=0))
    with pytest.raises(ValueError, match="negative"):
        do(kind, wire.url, lambda client: client.handle(TASK).wait(timeout=-1))


def test_a_wait_for_a_server_that_went_away_ends_in_time(kind: str) -> None:
    with pytest.raises(ConnectionFailedError):
        do(kind, "http://127.0.0.1:1", lambda client: client.handle(TASK).wait(timeout=0.2))


# --- lists and batches


def test_a_list_is_read_page_by_page_with_its_filters(wire: Wire, kind: str) -> None:
    wire.says(
        Reply(200, {"tasks": [task("queued")], "next_cursor": "c1"}),
        Reply(200, {"tasks": [task("queued", task_id=OTHER_TASK)], "next_cursor": None}),
    )
    found = do(kind, wire.url, lambda client: client.tasks(status="queued", endpoint_name=None, page_size=1))
    assert [each.task_id for each in found] == [TASK, OTHER_TASK]
    assert [asked.query for asked in wire.asked] == [
        {"limit": "1", "status": "queued"},
        {"limit": "1", "status": "queued", "cursor": "c1"},
    ]


def test_ended_tasks_go_on_where_the_pages_were_worked_off(wire: Wire) -> None:
    first = {"tasks": [task(), task(task_id=OTHER_TASK)], "next_cursor": "c1", "resume_cursor": "c1"}
    last = {"tasks": [], "next_cursor": None, "resume_cursor": "c2"}
    nothing_yet = {"tasks": [], "next_cursor": None, "resume_cursor": None}
    with Client(wire.url, KEY) as client:
        ended = client.ended_tasks(after="2026-11-24T00:00:00Z")
        wire.says(Reply(200, nothing_yet))
        assert (list(ended), ended.resume_cursor) == ([], None)
        wire.says(Reply(200, first))
        for each in ended:
            assert each.task_id == TASK
            break
        # The second task of the page was not worked off: it must come again.
        assert ended.resume_cursor is None
        wire.says(Reply(200, first), Reply(200, last))
        assert len(list(ended)) == 2
        assert ended.resume_cursor == "c2"
        wire.says(Reply(200, nothing_yet))
        assert list(ended) == []
        assert ended.resume_cursor == "c2"
    assert wire.asked[-1].query == {"limit": "100", "ended_after": "2026-11-24T00:00:00Z", "cursor": "c2"}


def test_ended_tasks_of_another_day_need_the_cursor_only(wire: Wire, kind: str) -> None:
    wire.says(Reply(200, {"tasks": [task()], "next_cursor": None, "resume_cursor": "c3"}))

    def read(client: Any) -> Any:
        ended = client.ended_tasks(cursor="c2", page_size=200)
        return ended.__iter__() if kind == "blocking" else ended.__aiter__()

    assert len(do(kind, wire.url, read)) == 1
    assert wire.asked[0].query == {"limit": "200", "cursor": "c2"}
    with pytest.raises(ValueError, match="from when on"):
        do(kind, wire.url, lambda client: client.ended_tasks())


def _taken(asked: Any) -> Reply:
    results = [{"status": 202, "success": True, "task_id": TASK, "duplicate": False} for _ in asked.body["items"]]
    return Reply(202, {"success": True, "results": results})


def test_a_large_batch_goes_in_parts_of_1000_and_keeps_each_answer(wire: Wire, kind: str) -> None:
    wire.routes["POST", "/api/v1/inference/batch"] = _taken
    items = [Submission("claims-status", {"claim": [str(number)]}) for number in range(2001)]
    result = do(kind, wire.url, lambda client: client.submit_many(items))
    assert [len(asked.body["items"]) for asked in wire.asked] == [1000, 1000, 1]
    assert (len(result), len(result.accepted), len(result.refused)) == (2001, 2001, 0)
    assert [each.idempotency_key for each in result] == [each.idempotency_key for each in items]
    assert len({each.idempotency_key for each in items}) == 2001


def test_a_batch_is_split_by_its_size_too(wire: Wire, kind: str) -> None:
    wire.routes["POST", "/api/v1/inference/batch"] = _taken
    items = [Submission("claims-status", {"claim": ["ä" * 3_000_000]}) for _ in range(3)]
    assert len(do(kind, wire.url, lambda client: client.submit_many(items))) == 3
    assert [len(asked.body["items"]) for asked in wire.asked] == [2, 1]


def test_a_refused_item_is_one_answer_among_others(wire: Wire, kind: str) -> None:
    no = {"status": 400, "success": False, "message": "priority no", "errors": {"priority": ["no"]}}
    yes = {"status": 202, "success": True, "task_id": TASK, "duplicate": True}
    wire.says(Reply(202, {"success": False, "results": [no, yes]}))
    result = do(kind, wire.url, lambda client: client.submit_many([Submission("a"), Submission("b")]))
    assert isinstance(result.items[0].error, ValidationError)
    assert result.items[0].error.errors == {"priority": ["no"]}
    assert result.items[1].error is None
    assert result.items[1].duplicate


def test_a_batch_that_broke_off_keeps_the_answers_until_then(wire: Wire, kind: str) -> None:
    items = [Submission("claims-status") for _ in range(1500)]
    done = [{"status": 202, "success": True, "task_id": TASK}] * 1000
    wire.says(Reply(202, {"results": done}), refused(401))
    with pytest.raises(BatchInterruptedError, match="1000 of 1500") as raised:
        do(kind, wire.url, lambda client: client.submit_many(items))
    assert len(raised.value.answered) == 1000
    assert isinstance(raised.value.__cause__, UnauthorizedError)
    wire.says(refused(401))
    with pytest.raises(UnauthorizedError):
        do(kind, wire.url, lambda client: client.submit_many(items))


def test_all_or_nothing_is_one_request_or_none(wire: Wire, kind: str) -> None:
    items = [Submission("claims-status") for _ in range(1001)]
    with pytest.raises(ValueError, match="one request"):
        do(kind, wire.url, lambda client: client.submit_many(items, all_or_nothing=True))
    assert wire.asked == []
    wire.says(Reply(400, {"message": "Nothing was stored", "errors": {"items[3].priority": ["no"]}}))
    with pytest.raises(ValidationError) as raised:
        do(kind, wire.url, lambda client: client.submit_many(items[:1000], all_or_nothing=True))
    assert list(raised.value.errors) == ["items[3].priority"]
    assert wire.asked[0].body["all_or_nothing"] is True


def test_a_submission_with_an_unknown_option_is_refused_here() -> None:
    with pytest.raises(TypeError, match="uniqe"):
        Submission("claims-status", {}, {"uniqe": ["claim"]})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(TypeError, match="list of names"):
        Submission("claims-status", {}, {"unique": "claim"})


# --- automations


def test_automations_are_listed_read_published_checked_and_deactivated(wire: Wire, kind: str) -> None:
    known = {"endpoint_name": "claims/status", "version": 3, "input_parameters": ["claim"]}
    path = "/api/v1/automations/claims%2Fstatus"
    wire.says(Reply(200, {"automations": [known]}))
    assert do(kind, wire.url, lambda client: client.automations.list())[0].input_parameters == ("claim",)
    wire.says(Reply(200, known | {"automation": {"url": "https://example.com"}}))
    assert do(kind, wire.url, lambda client: client.automations.get("claims/status")).document == {
        "url": "https://example.com"
    }
    remark = {"path": "nodes[0]", "message": "unknown key"}
    wire.says(Reply(201, known | {"is_new_version": True, "warnings": [remark], "findings": []}))
    published = do(kind, wire.url, lambda client: client.automations.put("claims/status", {"a": 1}, note="new"))
    assert published.is_new_version
    assert published.warnings[0].path == "nodes[0]"
    wire.says(Reply(200, {"valid": False, "problems": [remark]}))
    assert not do(kind, wire.url, lambda client: client.automations.validate("claims/status", {})).valid
    wire.says(Reply(200, {"success": True}))
    do(kind, wire.url, lambda client: client.automations.delete("claims/status"))
    assert paths(wire.asked)[1:] == [f"GET {path}", f"PUT {path}", f"POST {path}/validate", f"DELETE {path}"]
    assert (wire.asked[2].query, wire.asked[2].body) == ({"note": "new"}, {"a": 1})
    with pytest.raises(ValueError, match="name"):
        do(kind, wire.url, lambda client: client.automations.delete(".."))


def test_scopes_are_found_by_requests_that_change_nothing(wire: Wire, kind: str) -> None:
    wire.says(refused(400), Reply(200, {"tasks": []}), refused(403))
    assert do(kind, wire.url, lambda client: client.scopes()) == {"submit": True, "read": True, "manage": False}
    assert [asked.body for asked in wire.asked] == [{}, None, {}]
    wire.says(refused(401))
    with pytest.raises(UnauthorizedError):
        do(kind, wire.url, lambda client: client.scopes())
