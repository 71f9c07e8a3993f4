"""Deciding over HTTP what became of an act that was begun and not seen to finish."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from inference.models import AuditEvent, Task, TaskEvent
from inference.queries import TaskFilter, list_tasks
from tests.factories import end_task, make_artifact, make_key, make_step, make_task
from tests.inference.conftest import ApiClient, assert_error

pytestmark = pytest.mark.django_db(transaction=True)


def open_task(status: str = "failed", **fields: Any) -> Task:
    task = make_task(status="running", **fields)
    end_task(task, status, error=None if status == "success" else "worker lost", outcome_unknown=True)
    return task


def assert_refused(response: requests.Response, status: int, part: str) -> None:
    assert_error(response, status)
    assert part in response.json()["message"]


def decide(api: ApiClient, task: Task, **body: Any) -> requests.Response:
    return api.post(f"/api/v1/tasks/{task.id}/review", json=body)


def test_a_decision_is_noted_once_and_told(api: ApiClient) -> None:
    task = open_task("success")
    assert api.get(f"/api/v1/tasks/{task.id}").json()["needs_review"] is True

    first = decide(api, task, decision="happened", note="NB-1 is in the portal")
    again = decide(api, task, decision="happened", note="another note")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == {
        "success": True,
        "message": "The decision is noted",
        "task_id": str(task.id),
        "decision": "happened",
        "duplicate": False,
        "new_task_id": None,
    }
    assert again.json()["duplicate"] is True
    told = api.get(f"/api/v1/tasks/{task.id}").json()
    assert (told["needs_review"], told["outcome_unknown"], told["status"]) == (False, True, "success")
    assert told["review"]["decision"] == "happened"
    assert told["review"]["note"] == "NB-1 is in the portal"
    assert told["review"]["by"]["kind"] == "key"
    assert told["review"]["at"] is not None
    assert AuditEvent.objects.filter(act="task.review").count() == 1
    assert TaskEvent.objects.filter(task=task, kind="review").count() == 1


def test_another_decision_is_a_conflict(api: ApiClient) -> None:
    task = open_task()
    decide(api, task, decision="did_not_happen")

    assert_refused(decide(api, task, decision="happened"), 409, "was decided before: it did not happen")
    assert api.get(f"/api/v1/tasks/{task.id}").json()["review"]["decision"] == "did_not_happen"


def test_there_is_nothing_to_decide_where_no_act_is_open(api: ApiClient) -> None:
    assert_refused(decide(api, make_task(status="failed"), decision="happened"), 409, "asks for no decision")
    assert api.get(f"/api/v1/tasks/{make_task(status='failed').id}").json()["review"] is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "decision is required."),
        ({"decision": "maybe"}, "decision must be one of happened, did_not_happen."),
        ({"decision": "did_not_happen", "retry": "yes"}, "retry must be true or false"),
        ({"decision": "happened", "retry": True}, "retry is only for did_not_happen"),
    ],
)
def test_a_wrong_body_is_refused(api: ApiClient, body: dict[str, Any], message: str) -> None:
    task = open_task()
    assert_refused(decide(api, task, **body), 400, message)
    task.refresh_from_db()
    assert task.review is None


def test_what_did_not_happen_is_run_again_once(api: ApiClient) -> None:
    task = open_task(input_parameters={"patient_id": ["A-7"]})

    first = decide(api, task, decision="did_not_happen", retry=True)
    again = decide(api, task, decision="did_not_happen", retry=True)

    new = Task.objects.get(previous_task=task)
    assert (first.status_code, first.headers["Location"]) == (200, f"/api/v1/tasks/{new.id}")
    assert first.json()["new_task_id"] == again.json()["new_task_id"] == str(new.id)
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert new.input_parameters == {"patient_id": ["A-7"]}


def test_a_decision_whose_new_task_is_refused_is_not_stored(api: ApiClient) -> None:
    task = open_task()
    task.automation.is_active = False
    task.automation.save()

    assert decide(api, task, decision="did_not_happen", retry=True).status_code == 404
    task.refresh_from_db()
    assert task.review is None


def test_racing_decisions_make_one_new_task(api: ApiClient) -> None:
    task = open_task()

    def send(_: int) -> int:
        return decide(api.with_key(api.key), task, decision="did_not_happen", retry=True).status_code

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(send, range(8))) == [200] * 8
    assert Task.objects.filter(previous_task=task).count() == 1
    assert AuditEvent.objects.filter(act="task.review").count() == 1


def test_only_keys_that_manage_decide(api: ApiClient) -> None:
    _, reader = make_key(scopes=("read", "submit"))
    task = open_task()

    assert decide(api.with_key(reader), task, decision="happened").status_code == 403
    task.refresh_from_db()
    assert task.review is None


def test_nothing_is_run_again_before_somebody_has_decided(api: ApiClient) -> None:
    task = open_task()

    assert_refused(api.post(f"/api/v1/tasks/{task.id}/retry", json={"confirm": True}), 409, "Decide first")
    assert not Task.objects.filter(previous_task=task).exists()
    decide(api, task, decision="did_not_happen")
    assert api.post(f"/api/v1/tasks/{task.id}/retry").status_code == 202


def test_what_happened_is_run_again_only_when_that_is_confirmed(api: ApiClient) -> None:
    task = open_task()
    decide(api, task, decision="happened")

    assert_refused(api.post(f"/api/v1/tasks/{task.id}/retry"), 409, "would do it twice")
    assert_refused(api.post(f"/api/v1/tasks/{task.id}/retry", json={"confirm": "yes"}), 400, "confirm must be")
    assert api.post(f"/api/v1/tasks/{task.id}/retry", json={"confirm": True}).status_code == 202


def test_the_list_has_those_that_need_review_and_the_others(api: ApiClient) -> None:
    undecided, decided, plain = open_task(), open_task(), make_task(status="success")
    decide(api, decided, decision="happened")

    def ids(query: str) -> set[str]:
        return {each["task_id"] for each in api.get(f"/api/v1/tasks?{query}").json()["tasks"]}

    assert ids("needs_review=true") == {str(undecided.id)}
    assert ids("needs_review=false") == {str(decided.id), str(plain.id)}
    listed = api.get("/api/v1/tasks?needs_review=true").json()["tasks"][0]
    assert (listed["needs_review"], listed["outcome_unknown"]) == (True, True)
    assert_refused(api.get("/api/v1/tasks?needs_review=1"), 400, "needs_review must be true or false")


@pytest.mark.parametrize("needs_review", [True, False])
def test_such_a_list_is_read_from_an_index(needs_review: bool) -> None:
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        list_tasks(None, TaskFilter(needs_review=needs_review), after=None, limit=5)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute("EXPLAIN " + queries.captured_queries[-3]["sql"])
            plan = "\n".join(line for (line,) in cursor.fetchall())
    assert ("task_needs_review" if needs_review else "task_newest_first") in plan


def test_the_newest_picture_stands_in_for_a_final_screenshot_that_nobody_could_take(api: ApiClient) -> None:
    task = make_task(status="running")
    for name in ("first.jpg", "last.jpg"):
        picture = make_artifact(task, kind="picture", filename=name, content_type="image/jpeg")
        make_step(task, picture=picture)
    make_step(task, status="failed")
    end_task(task, "failed", error="worker lost", outcome_unknown=True)
    assert api.get(f"/api/v1/tasks/{task.id}").json()["final_screenshot"]["filename"] == "last.jpg"

    known = make_task(status="running")
    make_step(known, picture=make_artifact(known, kind="picture", filename="p.jpg", content_type="image/jpeg"))
    end_task(known, "failed", error="worker lost")
    assert api.get(f"/api/v1/tasks/{known.id}").json()["final_screenshot"] is None
