"""GET /api/v1/tasks.csv: tasks as a table."""

import csv
import io
import json
import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inference import queries, task_table
from inference.models import Automation, Task
from inference.services.cancel import cancel_tasks
from inference.views import task_export
from tests.factories import end_task, make_automation, make_key, make_task
from tests.inference.conftest import ApiClient, assert_error

ROUTE = "/api/v1/tasks.csv"


def rows_of(response: requests.Response, delimiter: str = ",") -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def ended(automation: Automation, *output: Any, inputs: dict[str, list[Any]] | None = None) -> Task:
    task = make_task(automation=automation, input_parameters=inputs)
    end_task(task, output_data=list(output))
    return task


def test_a_row_has_the_task_its_inputs_and_its_output(api: ApiClient, automation: Automation) -> None:
    task = ended(
        automation,
        {"unique_identifier": "claim", "json_data": {"state": "open", "amount": 12.5, "lines": [1], "none": None}},
        {"json_data": {"page": "x"}},
        {"unique_identifier": "claim", "json_data": {"state": "paid"}},
        inputs={"patient_id": ["A-1", "A-2"], "payer": []},
    )
    response = api.get(ROUTE)

    (row,) = rows_of(response)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "X-Next-Cursor" not in response.headers
    assert response.content.startswith(b"\xef\xbb\xbftask_id,")
    assert (row["task_id"], row["status"], row["outcome_unknown"]) == (str(task.id), "success", "false")
    assert {name: text for name, text in row.items() if "." in name} == {
        "input.patient_id": "A-1",
        "input.patient_id[1]": "A-2",
        "input.payer": "",
        "output.claim.state": "open",
        "output.claim.state[1]": "paid",
        "output.claim.amount": "12.5",
        "output.claim.lines": "[1]",
        "output.claim.none": "",
        "output.page": "x",
    }


def test_columns_are_those_of_all_rows_and_each_value_stands_in_its_own(api: ApiClient, automation: Automation) -> None:
    other = make_automation(endpoint_name="other", inputs=("claim",))
    ended(automation, {"json_data": {"a": "1"}}, inputs={"patient_id": ["p"], "payer": ["q", "r"]})
    ended(other, {"json_data": {"b": "2"}}, {"unique_identifier": "x", "json_data": [3]}, inputs={"claim": ["c"]})

    newest, oldest = rows_of(api.get(ROUTE))
    assert newest["input.claim"] == "c"
    assert (newest["input.payer"], newest["output.a"], newest["output.b"], newest["output.x"]) == ("", "", "2", "[3]")
    assert (oldest["input.payer"], oldest["input.payer[1]"], oldest["output.a"]) == ("q", "r", "1")
    assert oldest["output.b"] == ""


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_what_a_spreadsheet_takes_for_a_formula_is_protected(
    api: ApiClient, automation: Automation, begin: str
) -> None:
    text = f'{begin}HYPERLINK("http://evil.example")'
    ended(automation, {"json_data": {"cell": text}}, inputs={"patient_id": [text], "payer": ["x=1"]})

    (row,) = rows_of(api.get(ROUTE))
    assert row["input.patient_id"] == row["output.cell"] == f"'{text}"
    assert row["input.payer"] == "x=1"
    raw = api.get(ROUTE, params={"raw": "true"})
    assert rows_of(raw)[0]["output.cell"] == text
    assert raw.content.startswith(b"task_id,")


def test_texts_survive_and_the_delimiter_may_be_chosen(api: ApiClient, automation: Automation) -> None:
    text = 'a;b,"c"\r\nд\té'
    ended(automation, {"json_data": {"cell": text}})

    for name, delimiter in (("comma", ","), ("semicolon", ";"), ("tab", "\t")):
        assert rows_of(api.get(ROUTE, params={"delimiter": name}), delimiter)[0]["output.cell"] == text


def test_pages_follow_each_other_by_the_cursor_and_by_the_link(
    api: ApiClient, automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "WALK_PAGE", 2)
    tasks = [str(make_task(automation=automation).id) for _ in range(7)]

    first = api.get(ROUTE, params={"limit": 3, "endpoint_name": "claims"})
    second = api.get(ROUTE, params={"limit": 3, "cursor": first.headers["X-Next-Cursor"]})
    link = second.headers["Link"].removeprefix("<").removesuffix('>; rel="next"')
    parts = urlsplit(link)
    third = api.get(f"{parts.path}?{parts.query}")

    found = [row["task_id"] for each in (first, second, third) for row in rows_of(each)]
    assert found == tasks[::-1]
    assert "Link" not in third.headers
    # The cursor is that of the list.
    page = api.get("/api/v1/tasks", params={"cursor": second.headers["X-Next-Cursor"]}).json()["tasks"]
    assert [each["task_id"] for each in page] == tasks[:1]


def test_an_answer_ends_early_when_it_is_large(
    api: ApiClient, automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        ended(automation, {"json_data": {"text": "x" * 1000}})
    monkeypatch.setattr(task_export, "MAX_BYTES", 2000)

    first = api.get(ROUTE)
    second = api.get(ROUTE, params={"cursor": first.headers["X-Next-Cursor"]})
    assert (len(rows_of(first)), len(rows_of(second))) == (2, 1)
    assert "X-Next-Cursor" not in second.headers


def test_ends_may_be_followed(api: ApiClient, automation: Automation) -> None:
    early, late = make_task(automation=automation), make_task(automation=automation)
    for task in (late, early):
        cancel_tasks(Task.objects.filter(id=task.id), cause={"kind": "test"})

    first = api.get(ROUTE, params={"ended_after": "2020-01-01T00:00:00Z", "limit": 1})
    rest = api.get(ROUTE, params={"cursor": first.headers["X-Resume-Cursor"]})
    assert [row["task_id"] for row in rows_of(first) + rows_of(rest)] == [str(late.id), str(early.id)]
    assert "X-Next-Cursor" not in rest.headers
    assert rows_of(api.get(ROUTE, params={"cursor": rest.headers["X-Resume-Cursor"]})) == []


def test_what_needs_too_many_columns_is_kept_in_the_last_one(
    api: ApiClient, automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_table, "MAX_COLUMNS", 3)
    ended(automation, {"json_data": {"a": "1", "b": "2", "c": 3}}, inputs={"patient_id": ["p"], "payer": ["q"]})
    ended(automation, inputs={"patient_id": ["p", "p2"], "payer": ["q"]})

    newest, oldest = rows_of(api.get(ROUTE))
    assert (newest["input.patient_id[1]"], newest["further_columns"]) == ("p2", "")
    assert list(oldest)[-4:] == ["input.payer", "input.patient_id", "input.patient_id[1]", "further_columns"]
    assert json.loads(oldest["further_columns"]) == {"output.a": "1", "output.b": "2", "output.c": "3"}


def test_the_queries_of_a_page_do_not_grow_with_its_rows(api: ApiClient, automation: Automation) -> None:
    for _ in range(20):
        make_task(automation=automation)
    tasks = queries.walk_tasks(None, queries.TaskFilter(), after=None, by_end=False)
    with CaptureQueriesContext(connection) as captured:
        table = task_table.TaskTable()
        for task in tasks:
            table.add(task)
        table.close()

    assert table.rows == 20
    assert len(captured) == 3  # a page, what is large of it, and an empty page behind it
    assert all("OFFSET" not in each["sql"].upper() and "COUNT(" not in each["sql"].upper() for each in captured)


def test_large_outputs_are_not_read_at_the_same_time(automation: Automation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "WALK_BYTES", 1500)
    texts = ["".join(uuid.uuid4().hex for _ in range(each)) for each in (1, 1, 500, 1)]  # PostgreSQL compresses others
    tasks = [ended(automation, {"json_data": {"x": text}}) for text in texts]
    with CaptureQueriesContext(connection) as captured:
        walked = list(queries.walk_tasks(None, queries.TaskFilter(), after=None, by_end=True))

    assert [task.id for task in walked] == [task.id for task in tasks]
    assert [task.output_data for task in walked] == [task.output_data for task in tasks]
    parts = [each["sql"] for each in captured if "output_data" in each["sql"] and "pg_column_size" not in each["sql"]]
    assert [sql.count("::uuid") for sql in parts] == [2, 1, 1]


def test_filters_are_those_of_the_list(api: ApiClient, automation: Automation) -> None:
    other = make_automation(endpoint_name="other")
    shown = make_task(automation=other, status="failed", error="no such claim")
    make_task(automation=automation)

    assert [row["error"] for row in rows_of(api.get(ROUTE, params={"status": "failed"}))] == ["no such claim"]
    (row,) = rows_of(api.get(ROUTE, params={"endpoint_name": "other", "dedup_key": shown.dedup_key}))
    assert row["task_id"] == str(shown.id)
    assert rows_of(api.get(ROUTE, params={"created_before": "2020-01-01T00:00:00Z"})) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "10001"), ("limit", "0"), ("raw", "perhaps"), ("delimiter", "pipe"), ("cursor", "x"), ("status", "new")],
)
def test_a_wrong_query_is_refused(api: ApiClient, name: str, value: str) -> None:
    assert set(assert_error(api.get(ROUTE, params={name: value}), 400, name)) == {name}


def test_secrets_are_not_in_it_and_keys_see_what_they_may(api: ApiClient, automation: Automation) -> None:
    make_task(
        automation=automation, secure_parameters={"password": [{"vault": {"name": "portal-login", "type": "raw"}}]}
    )
    make_task(automation=make_automation(endpoint_name="other"))
    _, submitter = make_key(scopes=["submit"])
    _, of_one = make_key(automations=[automation])

    assert_error(api.with_key(submitter).get(ROUTE), 403, "API key lacks the 'read' scope")
    assert_error(api.with_key("").get(ROUTE), 401)
    answer = api.with_key(of_one).get(ROUTE)
    assert [row["endpoint_name"] for row in rows_of(answer)] == ["claims"]
    assert "portal-login" not in answer.text
    assert "password" not in answer.text


def test_only_so_many_are_made_at_the_same_time(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [task_export._places.acquire(blocking=False) for _ in range(task_export.MAX_AT_ONCE)]
    try:
        assert all(places)
        refused = api.get(ROUTE)
        assert_error(refused, 503, "Too many tables are being made")
        assert int(refused.headers["Retry-After"]) > 0
    finally:
        for _ in places:
            task_export._places.release()
    assert api.get(ROUTE).status_code == 200
