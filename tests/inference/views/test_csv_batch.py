"""POST /api/v1/inference/csv: a spreadsheet, and an answer per row."""

import json
from typing import Any

import pytest
import requests

from inference.models import Automation, IdempotencyKey, Task
from tests.factories import make_automation, make_key
from tests.inference.conftest import ApiClient, a_body, assert_error

ROUTE = "/api/v1/inference/csv"
MIB = 1024 * 1024


def send(api: ApiClient, text: str | bytes, *, content_type: str = "text/csv", **query: Any) -> requests.Response:
    body = text.encode() if isinstance(text, str) else text
    params = {"endpoint_name": "claims", **query}
    return api.post(ROUTE, data=body, params=params, headers={"Content-Type": content_type})


def stored() -> list[dict[str, Any]]:
    return [task.input_parameters for task in Task.objects.order_by("created_at", "id")]


def test_each_row_is_a_submission_and_is_answered_by_its_number(api: ApiClient) -> None:
    text = "patient_id,payer,_priority\r\nA-1,Acme,\r\nA-1,Acme,3\r\n\r\nA-2,Umbrella,high\r\nA-3,Acme,-2\r\n"
    response = send(api, text, unique_parameter_names="patient_id")

    body = response.json()
    results = body.pop("results")
    assert response.status_code == 202
    assert body == {"success": False, "message": "3 of 4 rows were accepted", "accepted": 3, "refused": 1}
    assert [(each["row"], each["status"]) for each in results] == [(2, 202), (3, 202), (5, 400), (6, 202)]
    assert [each.get("duplicate") for each in results] == [False, True, None, False]
    assert results[2]["errors"] == {"priority": ["priority must be a whole number, not a text."]}
    assert stored() == [
        {"patient_id": ["A-1"], "payer": ["Acme"]},
        {"patient_id": ["A-3"], "payer": ["Acme"]},
    ]
    assert [task.priority for task in Task.objects.order_by("created_at")] == [None, -2]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_files_of_every_excel_are_recognised(api: ApiClient, delimiter: str, mark: bytes) -> None:
    rows = [["payer", "patient_id"], ["Müller, Söhne; Co", "A\t1"]]
    text = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)

    assert send(api, mark + text.encode()).json()["accepted"] == 1
    assert stored() == [{"payer": ["Müller, Söhne; Co"], "patient_id": ["A\t1"]}]


def test_the_delimiter_is_the_one_that_makes_known_headings(api: ApiClient) -> None:
    make_automation(endpoint_name="odd", inputs=("a,b,c", "d"))

    assert send(api, "a,b,c;d\r\n1;2\r\n", endpoint_name="odd").json()["accepted"] == 1
    assert stored() == [{"a,b,c": ["1"], "d": ["2"]}]


def test_a_delimiter_may_be_said(api: ApiClient) -> None:
    make_automation(endpoint_name="one", inputs=("name",))

    assert_error(send(api, "name\r\nMüller, Anna\r\n", endpoint_name="one"), 400, "row 2, column 2 (B): the row has 2")
    assert send(api, "name\r\nMüller, Anna\r\n", endpoint_name="one", delimiter="semicolon").status_code == 202
    assert stored() == [{"name": ["Müller, Anna"]}]


def test_several_values_stand_in_columns_of_the_same_name(api: ApiClient) -> None:
    text = "patient_id,payer,patient_id,patient_id\n1,a,2,3\n1,b,,\n,c,,3\n,d,,\n"
    assert send(api, text).json()["accepted"] == 4
    assert [each["patient_id"] for each in stored()] == [["1", "2", "3"], ["1"], ["", "", "3"], []]


def test_a_name_with_an_underscore_is_written_with_one_more(api: ApiClient) -> None:
    make_automation(endpoint_name="odd", inputs=("_priority", "__x"))

    assert send(api, "__priority,___x,_priority\n9,y,5\n", endpoint_name="odd").json()["accepted"] == 1
    assert (stored(), Task.objects.get().priority) == ([{"_priority": ["9"], "__x": ["y"]}], 5)


def test_options_of_a_row_win_over_those_of_all(api: ApiClient) -> None:
    text = "patient_id,payer,_priority,_is_dedicated,_max_timeout_in_minutes\n1,a,,,\n2,b,7,FALSE,30\n"
    response = send(api, text, priority="4", is_dedicated="true", max_parallelism="2")

    assert response.json()["accepted"] == 2
    one, two = Task.objects.order_by("created_at")
    assert (one.priority, one.is_dedicated, one.max_timeout_in_minutes, one.max_parallelism) == (4, True, 10, 2)
    assert (two.priority, two.is_dedicated, two.max_timeout_in_minutes, two.max_parallelism) == (7, False, 30, 2)


def test_a_file_that_is_sent_again_makes_nothing_new(api: ApiClient) -> None:
    text = "patient_id,payer,_idempotency_key\n1,a,row-1\n2,b,row-2\n"
    first, second = (send(api, text).json()["results"] for _ in range(2))

    assert [each["duplicate"] for each in second] == [True, True]
    assert [each["task_id"] for each in second] == [each["task_id"] for each in first]
    # A row is the same submission as its JSON.
    alone = api.submit(a_body(input_parameters={"payer": ["a"], "patient_id": ["1"]}, idempotency_key="row-1"))
    assert alone.json()["task_id"] == first[0]["task_id"]


def test_with_all_or_nothing_one_refusal_undoes_the_others(api: ApiClient) -> None:
    text = 'patient_id,payer,_idempotency_key,_priority\n"1\n1",a,k,\n2,b,,x\n'
    errors = assert_error(send(api, text, all_or_nothing="true"), 400, "Nothing was stored: row 3: priority must be")

    assert set(errors) == {"row 3.priority"}
    assert Task.objects.count() == IdempotencyKey.objects.count() == 0
    assert send(api, text.replace("x", "5"), all_or_nothing="true").json()["accepted"] == 2


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "row 1"),
        ("\n1,2\n", "row 1"),
        ("patient_id,payer\n", "row 2"),
        ("patient_id,payer\n\n,\n", "row 2"),
        ("patient_id,,payer\n1,2,3\n", "row 1, column 2 (B)"),
        ("patient_id,payer,color\n1,2,3\n", "row 1, column 3 (C)"),
        ("patient_id,payer,_color\n1,2,3\n", "row 1, column 3 (C)"),
        ("patient_id,payer, _priority\n1,2,3\n", "row 1, column 3 (C)"),
        ("patient_id,_priority,payer,_priority\n1,2,3,4\n", "row 1, column 4 (D)"),
        ("patient_id\n1\n", "row 1"),
        ("patient_id,payer\n1,2\n3\n", "row 3, column 2 (B)"),
        ("patient_id,payer\n1,2,3\n", "row 2, column 3 (C)"),
        ('patient_id,payer\n"1\n1",2\n3,"4"5\n', "row 3, column 2 (B)"),
        ('patient_id,payer\n1,2\n"a""b",c\n3,"4\n5,6\n', "row 4, column 2 (B)"),
        ('patient_id,"payer\n1,2\n', "row 1, column 2 (B)"),
        ("patient_id,payer\n1,2\x003\n", "row 2, column 2 (B)"),
        (",".join(["patient_id"] * 1000 + ["payer"]) + "\n", "row 1"),
    ],
)
def test_a_malformed_file_is_refused_whole_by_its_place(api: ApiClient, text: str, path: str) -> None:
    errors = assert_error(send(api, text), 400, path)
    assert set(errors) == {path}
    assert Task.objects.count() == 0


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"endpoint_name": None}, "endpoint_name"),
        ({"priority": "high"}, "priority"),
        ({"all_or_nothing": "perhaps"}, "all_or_nothing"),
        ({"delimiter": "pipe"}, "delimiter"),
        ({"unique_parameter_name": "payer"}, "unique_parameter_name"),
        ({"idempotency_key": "k"}, "idempotency_key"),
        ({"priority": ["1", "2"]}, "priority"),
        ({"unique_parameter_names": ["payer", "claim"]}, "unique_parameter_names[1]"),
        ({"use_proxy": "true", "is_dedicated": "true"}, "use_proxy"),
    ],
)
def test_a_wrong_query_is_refused_whole(api: ApiClient, query: dict[str, Any], path: str) -> None:
    assert path in assert_error(send(api, "patient_id,payer\n1,2\n", **query), 400)
    assert Task.objects.count() == 0


def test_no_cell_is_repeated_in_an_error(api: ApiClient) -> None:
    for text in ('patient_id,payer\n"hush"x,2\n', "patient_id,payer,_priority\n1,2,hush\n", "patient_id,payer\nhush\n"):
        assert "hush" not in send(api, text).text


def test_another_encoding_or_type_is_refused(api: ApiClient) -> None:
    assert_error(
        send(api, "patient_id,payer\n1,Müller\n".encode("cp1252")), 400, "The body is no CSV in UTF-8: byte 20"
    )
    assert_error(send(api, "a", content_type="text/csv; charset=windows-1252"), 415, "Send the body as CSV")
    assert_error(send(api, json.dumps({}), content_type="application/json"), 415, "Send the body as CSV in UTF-8")
    assert_error(
        api.post("/api/v1/inference", data=b"a", headers={"Content-Type": "text/csv"}), 415, "Send the body as J"
    )


def test_a_thousand_rows_are_taken_in_order_and_one_more_is_refused(api: ApiClient) -> None:
    text = "patient_id,payer\n" + "".join(f"A-{number},x\n" for number in range(1000))
    results = send(api, text).json()["results"]

    known = {str(task.id): task.input_parameters["patient_id"] for task in Task.objects.all()}
    assert [known[each["task_id"]] for each in results] == [[f"A-{number}"] for number in range(1000)]
    assert [each["row"] for each in results] == list(range(2, 1002))
    assert_error(send(api, text + "A,x\n"), 400, "row 1002 is one too many")


def test_a_file_may_be_large_and_not_without_limit(api: ApiClient) -> None:
    cell = "x" * 900_000
    assert send(api, f"patient_id,payer\n{cell},1\n{cell},2\n{cell},3\n").json()["accepted"] == 3
    assert_error(send(api, b" " * (16 * MIB + 1)), 413)


def test_a_key_needs_the_scope_and_uses_only_its_automations(api: ApiClient, automation: Automation) -> None:
    make_automation(endpoint_name="other", inputs=("patient_id", "payer"))
    _, reader = make_key(scopes=["read"])
    _, of_one = make_key(scopes=["submit"], automations=[automation])
    text = "patient_id,payer\n1,2\n"

    assert_error(send(api.with_key(reader), text), 403, "API key lacks the 'submit' scope")
    assert_error(send(api.with_key(""), text), 401)
    assert_error(send(api.with_key(of_one), text, endpoint_name="other"), 404, "Endpoint 'other' not found")
    assert send(api.with_key(of_one), text).status_code == 202
    key = api.post(ROUTE, data=text, headers={"Content-Type": "text/csv", "Idempotency-Key": "x"})
    assert_error(key, 400, "Idempotency-Key is for a single submission")
