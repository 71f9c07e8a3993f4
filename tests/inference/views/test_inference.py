"""POST /inference: what is taken, what is refused, and how that is told."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from inference.models import Automation, IdempotencyKey, Task, TaskEvent
from inference.services.submit import make_dedup_key
from inference.views.express import Express
from tests.factories import end_task, make_automation, make_key, make_user, make_version
from tests.inference.conftest import ApiClient, a_body, assert_error

JSON = {"Content-Type": "application/json"}


class _Learnt:
    """What is known of requests of every kind, or of every key: that they come through to the view."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def get(self, _: Any) -> Any:
        return self._value

    def put(self, *_: Any) -> None:
        """Nothing is new."""

    def forget(self, _: Any) -> None:
        """Nothing is forgotten."""


@pytest.fixture(autouse=True, params=["the view alone", "behind the express lane"])
def lane(request: pytest.FixtureRequest, live_server: Any) -> Iterator[None]:
    """What is taken and refused is the same for both."""
    server = live_server.thread.httpd
    application = server.get_app()
    if request.param == "behind the express lane":
        express = Express(application)
        express._headers, express._keys = _Learnt([("Content-Type", "application/json")]), _Learnt(True)  # type: ignore[assignment]
        server.set_app(express)
    yield
    server.set_app(application)


@pytest.mark.parametrize("route", ["/inference", "/api/v1/inference"])
def test_submission_stores_a_queued_task_and_names_it(api: ApiClient, automation: Automation, route: str) -> None:
    response = api.post(route, json=a_body(priority=-3, max_timeout_in_minutes=240, max_parallelism=2))

    task = Task.objects.get()
    assert response.status_code == 202
    assert response.json() == {
        "success": True,
        "message": "Task has been allocated",
        "task_id": str(task.id),
        "duplicate": False,
    }
    assert response.headers["Location"] == f"/api/v1/tasks/{task.id}"
    assert (task.status, task.priority, task.max_timeout_in_minutes, task.max_parallelism) == ("queued", -3, 240, 2)
    assert task.input_parameters == {"patient_id": ["A-1001"], "payer": ["Acme"]}
    assert task.version == automation.versions.get()
    assert task.id.version == 7


def test_submission_records_its_first_event_with_the_key_that_caused_it(api: ApiClient) -> None:
    api.submit(a_body())

    event = TaskEvent.objects.get()
    task = Task.objects.select_related("api_key").get()
    assert task.api_key is not None
    assert (event.task_id, event.kind, event.status) == (task.id, "status", "queued")
    assert event.cause == {"kind": "key", "id": task.api_key.public_id}
    assert event.at >= task.created_at


def test_task_takes_its_retries_from_the_newest_version(api: ApiClient, automation: Automation) -> None:
    newest = make_version(
        automation,
        document={
            "url": "",
            "parameters": {"input_parameters": {"only": []}, "generated_parameters": {}},
            "nodes": [],
            "max_retries": 2,
        },
    )

    api.submit(a_body(input_parameters={"only": []}))

    task = Task.objects.get()
    assert (task.version, task.max_retries) == (newest, 2)


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"endpoint_name": ...}, "endpoint_name", "endpoint_name is required."),
        ({"endpoint_name": 5}, "endpoint_name", "endpoint_name must be a text, not a number."),
        ({"endpoint_name": None}, "endpoint_name", "endpoint_name must be a text, not null."),
        ({"endpoint_name": ""}, "endpoint_name", "endpoint_name must have 1 to 255 characters."),
        ({"input_parameters": ...}, "input_parameters", "input_parameters is required."),
        ({"input_parameters": []}, "input_parameters", "input_parameters must be an object of lists"),
        ({"input_parameters": None}, "input_parameters", "input_parameters must be an object of lists, not null"),
        ({"input_parameters": {"payer": "x"}}, "input_parameters.payer", "input_parameters.payer must be a list"),
        (
            {"input_parameters": {"payer": ["x", 5]}},
            "input_parameters.payer[1]",
            "input_parameters.payer[1] must be a text, not a number.",
        ),
        ({"input_parameters": {"payer": [None]}}, "input_parameters.payer[0]", "input_parameters.payer[0] must be"),
        ({"input_parameters": {"payer": [["x"]]}}, "input_parameters.payer[0]", "input_parameters.payer[0] must be"),
        ({"input_parameters": {"payer": [True]}}, "input_parameters.payer[0]", "input_parameters.payer[0] must be"),
        (
            {"input_parameters": {"payer": ["x"]}},
            "input_parameters.patient_id",
            "input_parameters: parameter 'patient_id' is missing",
        ),
        (
            {"input_parameters": {"payer": [], "patient_id": [], "extra": []}},
            "input_parameters.extra",
            "input_parameters: parameter 'extra' is not declared",
        ),
        (
            {"unique_parameter_names": ["nope"]},
            "unique_parameter_names[0]",
            "unique_parameter_names contains key 'nope' not found in input_parameters",
        ),
        (
            {"unique_parameter_names": ["payer", "payer"]},
            "unique_parameter_names[1]",
            "unique_parameter_names contains key 'payer' more than once",
        ),
        ({"unique_parameter_names": "payer"}, "unique_parameter_names", "unique_parameter_names must be a list"),
        ({"unique_parameter_names": [1]}, "unique_parameter_names[0]", "unique_parameter_names[0] must be a text"),
        ({"priority": "1"}, "priority", "priority must be a whole number, not a text."),
        ({"priority": 1.5}, "priority", "priority must be a whole number"),
        ({"priority": True}, "priority", "priority must be a whole number, not a boolean."),
        ({"priority": 2**31}, "priority", "priority must be a whole number from"),
        ({"max_timeout_in_minutes": 0}, "max_timeout_in_minutes", "max_timeout_in_minutes must be a whole number from"),
        ({"max_timeout_in_minutes": 241}, "max_timeout_in_minutes", "max_timeout_in_minutes must be"),
        ({"max_timeout_in_minutes": None}, "max_timeout_in_minutes", "max_timeout_in_minutes must be"),
        ({"max_parallelism": 0}, "max_parallelism", "max_parallelism must be a whole number from 1"),
        ({"per_login_parallelism": 0}, "per_login_parallelism", "per_login_parallelism must be"),
        ({"is_dedicated": "true"}, "is_dedicated", "is_dedicated must be true or false, not a text."),
        ({"use_proxy": True}, "use_proxy", "use_proxy cannot be true: no proxy is configured"),
        ({"use_proxy": True, "is_dedicated": True}, "use_proxy", "use_proxy cannot be true together with is_dedicated"),
        ({"idempotency_key": ""}, "idempotency_key", "idempotency_key must have 1 to 256 characters."),
        ({"idempotency_key": "k" * 257}, "idempotency_key", "idempotency_key must have 1 to 256 characters."),
        ({"task_callback_url": "ftp://a/b"}, "task_callback_url", "task_callback_url must be a full http"),
        ({"task_callback_url": "http://[::1"}, "task_callback_url", "task_callback_url must be a full http"),
        ({"task_callback_url": 1}, "task_callback_url", "task_callback_url must be a text"),
        ({"secure_parameters": []}, "secure_parameters", "secure_parameters must be an object"),
    ],
)
def test_wrong_body_is_refused_by_field(api: ApiClient, fields: dict[str, Any], path: str, message: str) -> None:
    errors = assert_error(api.submit(a_body(**fields)), 400, message)

    assert path in errors
    assert Task.objects.count() == 0


def test_a_proxy_may_be_wanted_when_one_is_set(api: ApiClient, settings: Any) -> None:
    settings.BROWSER_PROXY = "http://proxy.example:3128"

    answer = api.submit(a_body(use_proxy=True))

    assert answer.status_code == 202
    assert Task.objects.get().use_proxy


def test_all_wrong_fields_are_told_at_once(api: ApiClient) -> None:
    errors = assert_error(api.submit(a_body(priority="x", is_dedicated=1, endpoint_name=...)), 400)

    assert set(errors) == {"endpoint_name", "priority", "is_dedicated"}


def test_many_wrong_values_do_not_make_a_long_answer(api: ApiClient) -> None:
    response = api.submit(a_body(input_parameters={"payer": [1] * 10_000, "patient_id": []}))

    assert len(assert_error(response, 400)) == 20


@pytest.mark.parametrize(
    ("body", "begins"),
    [
        (b"", "endpoint_name is required"),
        (b"{", "The body is not valid JSON: line 1, column 2"),
        (b"[]", "The body must be a JSON object, not a list."),
        (b'"text"', "The body must be a JSON object, not a text."),
        (b"null", "The body must be a JSON object, not null."),
        (b'{"priority": NaN}', "The body is not valid JSON: NaN"),
        (b'{"priority": -Infinity}', "The body is not valid JSON: -Infinity"),
        (b'{"priority": 1e999}', "The body is not valid JSON"),
        (b'{"priority": ' + b"9" * 5000 + b"}", "The body is not valid JSON"),
        (b"[" * 5000 + b"]" * 5000, ""),
        (b"[" * 200_000, "The body is not valid JSON"),
        (b'{"endpoint_name": "a\\u0000b"}', "endpoint_name contains a NUL character"),
        (b'{"a\\u0000b": 1}', "body has a key that contains a NUL"),
        (b'{"endpoint_name": "\\ud800"}', "endpoint_name contains half of a surrogate pair"),
        (b'{"endpoint_name": "\xff"}', "The body is not valid JSON: byte 19 is not UTF-8"),
    ],
)
def test_body_that_is_no_storable_json_object_is_refused(api: ApiClient, body: bytes, begins: str) -> None:
    assert_error(api.post("/api/v1/inference", data=body, headers=JSON), 400, begins)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        ('Application/JSON; charset="UTF-8"', 202),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=utf-16", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
        ("nonsense", 415),
    ],
)
def test_only_json_in_utf8_is_taken(api: ApiClient, content_type: str, status: int) -> None:
    response = api.post("/api/v1/inference", data=json.dumps(a_body()).encode(), headers={"Content-Type": content_type})

    assert response.status_code == status, response.text
    if status != 202:
        assert_error(response, status, "Send the body as JSON in UTF-8")


def test_answer_is_json_whatever_the_client_accepts(api: ApiClient) -> None:
    response = api.submit(a_body(), headers={"Accept": "text/html"})

    assert response.status_code == 202
    assert response.headers["Content-Type"] == "application/json"


def test_body_of_exactly_one_mebibyte_is_taken_and_one_byte_more_is_not(api: ApiClient) -> None:
    body = json.dumps(a_body()).encode()
    padding = b" " * (1024 * 1024 - len(body))

    assert api.post("/api/v1/inference", data=body + padding, headers=JSON).status_code == 202
    assert_error(api.post("/api/v1/inference", data=body + padding + b" ", headers=JSON), 413, "The body is too large")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_other_methods_are_refused(api: ApiClient, method: str) -> None:
    response = api.request(method, "/api/v1/inference")

    assert response.status_code == 405
    assert response.headers["Allow"] == "POST, OPTIONS"
    if method != "HEAD":
        assert_error(response, 405)


@pytest.mark.parametrize(
    "path", ["/inference/", "/inference/x", "/api", "/api/", "/api/v1/nothing", "/api/v2/inference", "/health/x"]
)
def test_unknown_route_answers_in_the_same_shape(api: ApiClient, path: str) -> None:
    assert_error(api.get(path), 404)


def test_unknown_route_elsewhere_is_an_ordinary_page(api: ApiClient) -> None:
    response = api.get("/nothing")

    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_host_name_that_is_not_ours_is_refused_in_the_same_shape(api: ApiClient) -> None:
    assert_error(api.get("/health", headers={"Host": "evil.example"}), 400, "The host name of this request")


@pytest.mark.parametrize("name", ["nothing", "CLAIMS", " claims", "x" * 255])
def test_unknown_endpoint_is_not_found(api: ApiClient, name: str) -> None:
    shown = name if len(name) <= 100 else name[:100] + "…"

    assert_error(api.submit(a_body(endpoint_name=name)), 404, f"Endpoint '{shown}' not found")


def test_inactive_endpoint_is_not_found(api: ApiClient) -> None:
    make_automation(endpoint_name="old", is_active=False)

    assert_error(api.submit(a_body(endpoint_name="old")), 404, "Endpoint 'old' not found")


def test_unknown_fields_are_ignored_and_named(api: ApiClient) -> None:
    response = api.submit(a_body(rdp_parameter=None, is_browser=False))

    assert response.status_code == 202
    assert response.json()["warnings"] == [
        "Unknown field 'rdp_parameter' was ignored",
        "Unknown field 'is_browser' was ignored",
    ]


def test_callback_fields_are_checked_and_not_kept(api: ApiClient) -> None:
    response = api.submit(
        a_body(task_callback_url="https://example.test/done", task_callback_api_key="callback-secret")
    )

    assert response.status_code == 202
    assert "delivers no callbacks" in response.json()["warnings"][0]
    assert "callback-secret" not in str(list(Task.objects.values()))


def test_null_is_absent_where_the_contract_says_so(api: ApiClient) -> None:
    response = api.submit(
        a_body(
            priority=None,
            max_parallelism=None,
            per_login_parallelism=None,
            idempotency_key=None,
            task_callback_url=None,
            task_callback_api_key=None,
        )
    )

    assert response.status_code == 202
    assert "warnings" not in response.json()


def test_empty_lists_and_unicode_are_values(api: ApiClient) -> None:
    given = {"patient_id": [], "payer": ["", "Müller 🦷", "a\nb", "{x[0]}"]}

    assert api.submit(a_body(input_parameters=given)).status_code == 202
    assert Task.objects.get().input_parameters == given


def test_numbers_and_booleans_are_taken_when_the_operator_allows_it(api: ApiClient, settings: Any) -> None:
    settings.ACCEPT_SCALAR_PARAMETERS = True
    given = {"patient_id": [1, 1.5, True], "payer": ["x"]}

    assert api.submit(a_body(input_parameters=given)).status_code == 202
    assert Task.objects.get().input_parameters == given
    assert_error(api.submit(a_body(input_parameters={"patient_id": [None], "payer": []})), 400)


@pytest.mark.parametrize(
    "reference",
    [
        "text",
        {},
        {"onepassword": {"vault_name": "v"}},
        {"totp": {"totp_secret": "CANARYSEED"}, "vault": {"name": "x"}},
        {"vault": {"name": "CANARYSEED", "type": "totp_secret"}},
        {"vault": {"name": "CANARYSEED", "type": "raw", "digits": 6}},
    ],
)
def test_malformed_secure_parameter_is_refused_without_its_content(api: ApiClient, reference: Any) -> None:
    response = api.submit(a_body(secure_parameters={"password": [reference]}))

    errors = assert_error(response, 400, "secure_parameters.password[0] must hold exactly one of")
    assert list(errors) == ["secure_parameters.password[0]"]
    assert "CANARYSEED" not in response.text


def test_secure_parameter_that_is_not_declared_is_named_without_its_content(api: ApiClient) -> None:
    response = api.submit(a_body(secure_parameters={"password": [{"totp": {"totp_secret": "CANARYSEED"}}]}))

    assert_error(response, 400, "secure_parameters: parameter 'password' is not declared")
    assert "CANARYSEED" not in response.text


def test_long_names_are_cut_in_messages(api: ApiClient) -> None:
    response = api.submit(a_body(unique_parameter_names=["n" * 5000]))

    assert_error(response, 400, "unique_parameter_names contains key 'nnn")
    assert len(response.json()["message"]) < 250


def test_duplicate_answers_with_the_active_task(api: ApiClient) -> None:
    first = api.submit(a_body(unique_parameter_names=["patient_id"])).json()
    other_payer = {"patient_id": ["A-1001"], "payer": ["Other"]}
    second = api.submit(a_body(unique_parameter_names=["patient_id"], input_parameters=other_payer))

    assert second.status_code == 202
    assert second.json()["task_id"] == first["task_id"]
    assert second.json()["duplicate"] is True
    assert "already active" in second.json()["message"]
    assert Task.objects.count() == TaskEvent.objects.count() == 1


def test_ended_winner_makes_room_for_a_new_task(api: ApiClient) -> None:
    first = api.submit(a_body(unique_parameter_names=["patient_id"])).json()
    end_task(Task.objects.get())

    second = api.submit(a_body(unique_parameter_names=["patient_id"])).json()

    assert second["duplicate"] is False
    assert second["task_id"] != first["task_id"]


def test_without_unique_names_nothing_is_merged(api: ApiClient) -> None:
    ids = {api.submit(a_body()).json()["task_id"] for _ in range(3)}

    assert len(ids) == Task.objects.count() == 3
    assert {len(key) for key in Task.objects.values_list("dedup_key", flat=True)} == {36}


def test_dedicated_tasks_queue_up_instead_of_merging(api: ApiClient) -> None:
    body = a_body(unique_parameter_names=["patient_id"], is_dedicated=True)

    assert {api.submit(body).json()["duplicate"] for _ in range(3)} == {False}
    assert Task.objects.count() == 3


def test_dedup_key_is_canonical_and_may_be_longer_than_an_index_row(api: ApiClient) -> None:
    values = {"payer": ["é" * 20_000], "patient_id": ["1", "2"]}
    body = a_body(input_parameters=values, unique_parameter_names=["payer", "patient_id"])

    first = api.submit(body).json()
    second = api.submit(body | {"unique_parameter_names": ["patient_id", "payer"]}).json()

    assert second == first | {"duplicate": True, "message": second["message"]}
    assert make_dedup_key(["b", "a"], {"a": ["x"], "b": ["ü", " "]}) == '{"a":["x"],"b":["ü"," "]}'


def test_automations_have_their_own_duplicates(api: ApiClient) -> None:
    make_automation(endpoint_name="other", inputs=("patient_id", "payer"))
    body = a_body(unique_parameter_names=["patient_id"])

    assert api.submit(body).json()["duplicate"] is False
    assert api.submit(body | {"endpoint_name": "other"}).json()["duplicate"] is False


def test_idempotency_key_answers_with_the_first_task_in_any_state(api: ApiClient) -> None:
    body = a_body(idempotency_key="order-7")
    first = api.submit(body).json()
    end_task(Task.objects.get())

    again = api.submit(body)

    assert again.status_code == 202
    assert again.json()["task_id"] == first["task_id"]
    assert again.json()["duplicate"] is True
    assert Task.objects.count() == 1


def test_idempotency_key_in_the_header_and_in_the_body_are_the_same(api: ApiClient) -> None:
    first = api.submit(a_body(), headers={"Idempotency-Key": "order-7"}).json()
    second = api.submit(a_body(idempotency_key="order-7")).json()
    third = api.submit(a_body(idempotency_key="order-7"), headers={"Idempotency-Key": "order-7"}).json()

    assert {first["task_id"], second["task_id"], third["task_id"]} == {str(Task.objects.get().id)}


def test_idempotency_header_may_hold_utf8(api: ApiClient) -> None:
    first = api.submit(a_body(), headers={"Idempotency-Key": "übung".encode()}).json()

    assert api.submit(a_body(idempotency_key="übung")).json()["task_id"] == first["task_id"]


def test_idempotency_header_and_field_that_disagree_are_refused(api: ApiClient) -> None:
    response = api.submit(a_body(idempotency_key="a"), headers={"Idempotency-Key": "b"})

    errors = assert_error(response, 400, "idempotency_key differs from the header")
    assert set(errors) == {"idempotency_key"}


@pytest.mark.parametrize("header", ["", "k" * 257])
def test_idempotency_header_has_the_bounds_of_the_field(api: ApiClient, header: str) -> None:
    assert_error(api.submit(a_body(), headers={"Idempotency-Key": header}), 400, "Idempotency-Key must have 1 to 256")


def test_idempotency_key_with_another_body_is_refused(api: ApiClient) -> None:
    api.submit(a_body(idempotency_key="order-7"))

    assert_error(api.submit(a_body(idempotency_key="order-7", priority=1)), 422, "This idempotency key was used")
    assert Task.objects.count() == 1


def test_order_of_fields_does_not_make_another_body(api: ApiClient) -> None:
    body = a_body(idempotency_key="order-7")
    first = api.submit(body).json()

    assert api.submit(dict(reversed(body.items()))).json()["task_id"] == first["task_id"]


def test_idempotency_key_remembers_the_task_that_it_was_merged_with(api: ApiClient) -> None:
    winner = api.submit(a_body(unique_parameter_names=["payer"])).json()
    body = a_body(unique_parameter_names=["payer"], idempotency_key="order-7")
    assert api.submit(body).json()["task_id"] == winner["task_id"]
    end_task(Task.objects.get())

    assert api.submit(body).json()["task_id"] == winner["task_id"]
    assert Task.objects.count() == 1


def test_idempotency_key_outlives_its_task(api: ApiClient) -> None:
    body = a_body(idempotency_key="order-7")
    first = api.submit(body).json()
    Task.objects.all().delete()

    assert api.submit(body).json() == first | {"duplicate": True, "message": api.submit(body).json()["message"]}
    assert Task.objects.count() == 0


def test_idempotency_key_holds_when_the_automation_has_changed(api: ApiClient, automation: Automation) -> None:
    body = a_body(idempotency_key="order-7")
    first = api.submit(body).json()
    make_version(automation)  # declares patient_id only

    assert api.submit(body).json()["task_id"] == first["task_id"]
    assert_error(api.submit(a_body(idempotency_key="order-8")), 400, "input_parameters: parameter 'payer'")


def test_idempotency_key_runs_out(api: ApiClient, settings: Any) -> None:
    body = a_body(idempotency_key="order-7")
    first = api.submit(body).json()
    age_idempotency_keys(days=settings.IDEMPOTENCY_DAYS + 1)

    second = api.submit(body | {"priority": 4}).json()

    assert second["duplicate"] is False
    assert second["task_id"] != first["task_id"]
    assert IdempotencyKey.objects.get().task_id == uuid.UUID(second["task_id"])


def test_idempotency_keys_belong_to_the_owner_of_the_key(api: ApiClient, live_server: Any) -> None:
    owner = make_user()
    mine, also_mine = (make_key(owner=owner)[1] for _ in range(2))
    body = a_body(idempotency_key="order-7")

    first = api.with_key(mine).submit(body).json()

    assert api.with_key(also_mine).submit(body).json()["task_id"] == first["task_id"]
    assert api.submit(body).json()["task_id"] != first["task_id"]
    assert {str(each) for each in IdempotencyKey.objects.values_list("owner", flat=True)} == {
        f"user:{owner.pk}",
        f"key:{api.key[4:12]}",
    }


def test_idempotency_key_shows_no_task_that_the_key_may_not_see(api: ApiClient) -> None:
    owner = make_user()
    _, mine = make_key(owner=owner)
    _, restricted = make_key(owner=owner, automations=[make_automation(endpoint_name="other")])
    body = a_body(idempotency_key="order-7")
    api.with_key(mine).submit(body)

    assert_error(api.with_key(restricted).submit(body), 404, "Endpoint 'claims' not found")


def test_refused_submission_leaves_its_idempotency_key_free(api: ApiClient) -> None:
    assert_error(api.submit(a_body(idempotency_key="order-7", input_parameters={})), 400)

    assert api.submit(a_body(idempotency_key="order-7")).json()["duplicate"] is False


def age_idempotency_keys(*, days: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_idempotencykey SET created_at = created_at - make_interval(days => %s)", [days]
        )
