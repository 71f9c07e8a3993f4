"""POST /api/v1/inference/batch: an answer per item, or all of them or none."""

from typing import Any

import pytest
import requests

from inference.models import Automation, IdempotencyKey, Task
from tests.factories import make_automation, make_key
from tests.inference.conftest import ApiClient, a_body, assert_error

ROUTE = "/api/v1/inference/batch"


def send(api: ApiClient, *items: Any, **fields: Any) -> requests.Response:
    return api.post(ROUTE, json={"items": list(items), **fields})


def a_visit(patient: str, **fields: Any) -> dict[str, Any]:
    return a_body(
        input_parameters={"patient_id": [patient], "payer": ["Acme"]}, unique_parameter_names=["patient_id"], **fields
    )


def test_each_item_is_a_submission_with_its_own_answer(api: ApiClient) -> None:
    response = send(
        api,
        a_visit("A-1"),
        a_visit("A-1"),
        a_body(endpoint_name="nowhere"),
        a_body(priority="high"),
        a_visit("A-2", colour="red"),
    )

    body = response.json()
    results = body.pop("results")
    assert response.status_code == 202
    assert body == {"success": False, "message": "3 of 5 items were accepted", "accepted": 3, "refused": 2}
    assert [result["status"] for result in results] == [202, 202, 404, 400, 202]
    assert [result.get("duplicate") for result in results] == [False, True, None, None, False]
    assert results[0]["task_id"] == results[1]["task_id"] != results[4]["task_id"]
    assert {str(task.id) for task in Task.objects.all()} == {results[0]["task_id"], results[4]["task_id"]}
    assert results[2]["message"] == results[2]["error"]
    assert results[3]["errors"] == {"priority": ["priority must be a whole number, not a text."]}
    assert results[4]["warnings"] == ["Unknown field 'colour' was ignored"]


def test_with_all_or_nothing_one_refusal_undoes_the_others(api: ApiClient) -> None:
    items = [a_visit("A-1", idempotency_key="one"), a_visit("A-2"), a_body(input_parameters={"payer": []})]
    errors = assert_error(
        send(api, *items, all_or_nothing=True), 400, "Nothing was stored: items[2]: input_parameters: parameter"
    )

    assert set(errors) == {"items[2].input_parameters.patient_id"}
    assert Task.objects.count() == IdempotencyKey.objects.count() == 0

    accepted = send(api, *items[:2], all_or_nothing=True)
    assert (accepted.status_code, accepted.json()["accepted"]) == (202, 2)
    assert Task.objects.count() == 2


def test_a_limit_of_waiting_tasks_holds_inside_a_batch(api: ApiClient, automation: Automation) -> None:
    Automation.objects.filter(pk=automation.pk).update(queue_limit=2)
    items = [a_visit(f"A-{number}") for number in range(3)]

    refused = send(api, *items, all_or_nothing=True)
    assert_error(refused, 429, "Nothing was stored: items[2]: Too many tasks of 'claims' wait")
    assert int(refused.headers["Retry-After"]) > 0
    assert Task.objects.count() == 0

    assert [result["status"] for result in send(api, *items).json()["results"]] == [202, 202, 429]


def test_a_batch_that_is_sent_again_makes_nothing_new(api: ApiClient) -> None:
    items = [a_body(idempotency_key=f"row-{number}") for number in range(3)]
    first, second = (send(api, *items).json()["results"] for _ in range(2))

    assert [result["duplicate"] for result in second] == [True] * 3
    assert [result["task_id"] for result in second] == [result["task_id"] for result in first]
    assert Task.objects.count() == 3


def test_a_thousand_items_are_taken_in_order_and_one_more_is_refused(api: ApiClient) -> None:
    results = send(api, *[a_visit(f"A-{number}") for number in range(1000)]).json()["results"]

    stored = {str(task.id): task.input_parameters["patient_id"] for task in Task.objects.all()}
    assert [stored[result["task_id"]] for result in results] == [[f"A-{number}"] for number in range(1000)]
    errors = assert_error(send(api, *[{}] * 1001), 400, "items must have 1 to 1,000 items")
    assert set(errors) == {"items"}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], "body"),
        ({}, "items"),
        ({"items": []}, "items"),
        ({"items": {}}, "items"),
        ({"items": [{}, 5]}, "items[1]"),
        ({"items": [{}], "all_or_nothing": "yes"}, "all_or_nothing"),
    ],
)
def test_what_is_no_batch_is_refused_whole(api: ApiClient, body: Any, path: str) -> None:
    assert path in assert_error(api.post(ROUTE, json=body), 400)
    assert Task.objects.count() == 0


def test_unknown_fields_of_the_batch_are_named(api: ApiClient) -> None:
    assert send(api, a_body(), mode="fast").json()["warnings"] == ["Unknown field 'mode' was ignored"]


def test_an_idempotency_key_of_the_whole_request_is_refused(api: ApiClient) -> None:
    response = api.post(ROUTE, json={"items": [a_body()]}, headers={"Idempotency-Key": "x"})
    assert_error(response, 400, "Idempotency-Key is for a single submission")


def test_a_batch_takes_more_than_a_submission_and_not_without_limit(api: ApiClient) -> None:
    large = a_body(input_parameters={"patient_id": ["x" * 600_000], "payer": ["Acme"]})
    assert send(api, large, large, large).json()["accepted"] == 3
    assert_error(api.post(ROUTE, data=b" " * (16 * 1024 * 1024 + 1), headers={"Content-Type": "application/json"}), 413)


def test_a_key_needs_the_scope_and_uses_only_its_automations(api: ApiClient, automation: Automation) -> None:
    make_automation(endpoint_name="other", inputs=("patient_id", "payer"))
    _, reader = make_key(scopes=["read"])
    _, of_one = make_key(scopes=["submit"], automations=[automation])

    assert_error(send(api.with_key(reader), a_body()), 403, "API key lacks the 'submit' scope")
    assert_error(send(api.with_key(""), a_body()), 401)
    results = send(api.with_key(of_one), a_body(), a_body(endpoint_name="other")).json()["results"]
    assert [result["status"] for result in results] == [202, 404]
