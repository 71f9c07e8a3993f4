"""What a task asks a person, and the answer, over HTTP."""

import uuid
from datetime import datetime
from typing import Any

import pytest

from inference.models import Automation, PersonRequest, Task
from tests.factories import (
    end_task,
    make_artifact,
    make_automation,
    make_key,
    make_person_request,
    make_step,
    make_task,
)
from tests.inference.conftest import ApiClient, assert_error


@pytest.fixture
def task(automation: Automation) -> Task:
    """A running task that asks a person with its third step."""
    task = make_task(automation=automation, status="running")
    for number in range(3):
        make_step(task, status="running" if number == 2 else "success")
    picture = make_artifact(task, kind="picture", content=b"\xff\xd8 the page", content_type="image/jpeg")
    make_person_request(task, question="Type the code", seconds=300, picture=picture)
    return task


def state_of(api: ApiClient, task: Task) -> dict[str, Any]:
    answer: dict[str, Any] = api.get(f"/api/v1/tasks/{task.id}").json()
    return answer


def test_a_waiting_task_tells_what_it_asks_until_when_and_where(api: ApiClient, task: Task) -> None:
    state = state_of(api, task)

    asked = state["waiting_for_person"]
    assert state["status"] == "running"
    assert asked["question"] == "Type the code"
    assert asked["request_id"] == str(PersonRequest.objects.get().id)
    until, asked_at = datetime.fromisoformat(asked["until"]), datetime.fromisoformat(asked["asked_at"])
    assert (until - asked_at).total_seconds() == 300
    assert asked["until"].endswith("+00:00")
    steps = api.get(f"/api/v1/tasks/{task.id}/steps").json()["steps"]
    assert [each["status"] for each in steps if each["index"] == asked["step"]] == ["running"]
    assert api.session.get(asked["screenshot"], timeout=10).content == b"\xff\xd8 the page"


def test_a_question_without_a_step_or_picture_is_told_all_the_same(api: ApiClient, automation: Automation) -> None:
    task = make_task(automation=automation, status="running")
    make_person_request(task)

    asked = state_of(api, task)["waiting_for_person"]

    assert (asked["step"], asked["screenshot"]) == (None, None)


@pytest.mark.parametrize("answer", ["continue", "give_up"])
def test_an_answer_is_taken_once_and_may_be_repeated(api: ApiClient, task: Task, answer: str) -> None:
    path, body = f"/api/v1/tasks/{task.id}/answer", {"answer": answer, "note": "typed"}

    first = api.post(path, json=body)
    again = api.post(path, json=body)

    assert (first.status_code, again.status_code) == (200, 200)
    expected = {"success": True, "task_id": str(task.id), "status": "running", "answer": answer}
    assert first.json() == expected | {"message": "The task is told", "duplicate": False}
    assert again.json() == expected | {"message": "The same was answered before", "duplicate": True}
    request = PersonRequest.objects.get()
    assert (request.outcome, request.note) == (answer, "typed")
    assert request.closed_by is not None
    assert request.closed_by["kind"] == "key"
    assert state_of(api, task)["waiting_for_person"] is None


def test_the_other_answer_is_refused_afterwards(api: ApiClient, task: Task) -> None:
    path = f"/api/v1/tasks/{task.id}/answer"
    api.post(path, json={"answer": "continue"})

    assert_error(api.post(path, json={"answer": "give_up"}), 409, f"Task {task.id} was answered before: continue")


def test_an_answer_to_an_earlier_question_is_no_answer_to_this_one(api: ApiClient, task: Task) -> None:
    path = f"/api/v1/tasks/{task.id}/answer"
    body = {"answer": "continue", "request_id": state_of(api, task)["waiting_for_person"]["request_id"]}
    api.post(path, json=body)
    make_person_request(task, question="And the next code?")

    assert api.post(path, json=body).json()["duplicate"] is True
    assert state_of(api, task)["waiting_for_person"]["question"] == "And the next code?"


def test_a_task_that_asks_nobody_takes_no_answer(api: ApiClient, automation: Automation, task: Task) -> None:
    quiet = make_task(automation=automation, status="running")
    assert state_of(api, quiet)["waiting_for_person"] is None
    refused = api.post(f"/api/v1/tasks/{quiet.id}/answer", json={"answer": "continue"})
    assert_error(refused, 409, f"Task {quiet.id} asks nobody")

    end_task(task, "cancelled")
    assert state_of(api, task)["waiting_for_person"] is None
    refused = api.post(f"/api/v1/tasks/{task.id}/answer", json={"answer": "continue"})
    assert_error(refused, 409, f"Task {task.id} does not wait any more")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "answer"),
        ({"answer": "perhaps"}, "answer"),
        ({"answer": None}, "answer"),
        ({"answer": ["continue"]}, "answer"),
        ({"answer": "timed_out"}, "answer"),
        ({"answer": "continue", "note": 5}, "note"),
        ({"answer": "continue", "note": None}, "note"),
        ({"answer": "continue", "note": "x" * 2001}, "note"),
        ({"answer": "continue", "request_id": "the first"}, "request_id"),
        ({"answer": "continue", "request_id": 7}, "request_id"),
        ({"answer": "continue", "request_id": None}, "request_id"),
        ([], "body"),
    ],
)
def test_a_wrong_answer_is_named_and_tells_the_task_nothing(api: ApiClient, task: Task, body: Any, path: str) -> None:
    errors = assert_error(api.post(f"/api/v1/tasks/{task.id}/answer", json=body), 400)

    assert list(errors) == [path]
    assert PersonRequest.objects.get().closed_at is None


def test_who_may_answer(api: ApiClient, task: Task) -> None:
    path, body = f"/api/v1/tasks/{task.id}/answer", {"answer": "continue"}
    _, reader = make_key(scopes=("read", "submit"))
    _, stranger = make_key(automations=[make_automation()])

    assert_error(api.with_key(reader).post(path, json=body), 403, "API key lacks the 'manage' scope")
    assert_error(api.with_key(stranger).post(path, json=body), 404, f"Task {task.id} not found")
    assert_error(api.with_key("").post(path, json=body), 401)
    assert_error(api.post(f"/api/v1/tasks/{uuid.uuid4()}/answer", json=body), 404)
    assert PersonRequest.objects.get().closed_at is None


def test_whether_a_task_runs_is_told_as_before(api: ApiClient, task: Task) -> None:
    assert api.get("/is_task_running").json() is True
    assert api.get("/health").json()["running_tasks"] == 1
