"""HEAD, OPTIONS, pages of other origins, and compression, through the real server."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from inference.models import Automation
from inference.openapi.operations import OPERATIONS
from optexity_site.env import SettingError, env_list
from optexity_site.origins import read_origin
from tests.factories import make_artifact, make_automation, make_key, make_step, make_task
from tests.inference.conftest import ApiClient, a_body, assert_error
from tests.inference.served.conftest import Granian, database_url

PAGE = "https://app.example.com"


@pytest.fixture
def client(granian: Granian, automation: Automation) -> Iterator[ApiClient]:
    client = ApiClient(granian.url, make_key()[1])
    yield client
    client.session.close()


@pytest.fixture(scope="module")
def for_a_page(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Granian]:
    """A server that lets PAGE call."""
    with django_db_blocker.unblock():
        server = Granian(tmp_path_factory.mktemp("cors"), url=database_url(), CORS_ALLOWED_ORIGINS=PAGE)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


def address(path: str, automation: Automation) -> str:
    if "{" in path or path.endswith(("_data", "_downloads")):
        # A stream of events is over when its task is.
        status = "success" if path.endswith("/events") else "queued"
        task = make_task(automation=automation, input_parameters=a_body()["input_parameters"], status=status)
        if path.endswith(("_data", "_downloads")):
            return f"{path}?task_id={task.id}"
        path = path.replace("{task_id}", str(task.id)).replace("{endpoint_name}", automation.endpoint_name)
        if "{artifact_id}" in path:
            path = path.replace("{artifact_id}", str(make_artifact(task).id))
    return path


GET_ROUTES = [path for method, path in OPERATIONS if method == "GET"]


@pytest.mark.parametrize("path", [*GET_ROUTES, "/llms.txt", "/docs/api.md"])
def test_head_answers_like_get_without_a_body(client: ApiClient, automation: Automation, path: str) -> None:
    where = address(path, automation)
    plain = {"Accept-Encoding": "identity"}  # how long a compressed answer is, is left to chance on purpose
    got, told = client.get(where, headers=plain), client.request("HEAD", where, headers=plain)

    assert (told.status_code, told.content) == (got.status_code, b"")
    assert told.headers["Content-Type"] == got.headers["Content-Type"]
    if path == "/metrics":
        return  # it counts the request before
    assert told.headers.get("Content-Length") in (None, got.headers.get("Content-Length"))


@pytest.mark.parametrize("path", sorted({path for _, path in OPERATIONS} | {"/llms.txt", "/docs/api.md"}))
def test_options_tells_the_methods_and_nothing_else(granian: Granian, automation: Automation, path: str) -> None:
    where = path.replace("{task_id}", "01a20ca7-a37e-7b71-8a42-80e70c30098e").replace(
        "{artifact_id}", "01a20ca7-a37e-7b71-8a42-80e70c30098e"
    )

    answer = ApiClient(granian.url).request("OPTIONS", where.replace("{endpoint_name}", "no-such-name"))

    methods = {method for method, route in OPERATIONS if route == path} or {"GET"}
    methods |= {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    assert (answer.status_code, answer.content) == (204, b"")
    assert set(answer.headers["Allow"].split(", ")) == methods
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_other_methods_are_answered_with_those_there_are(client: ApiClient) -> None:
    for method in ("PATCH", "TRACE", "DELETE", "PURGE"):
        answer = client.request(method, "/api/v1/inference")
        assert_error(answer, 405)
        assert answer.headers["Allow"] == "POST, OPTIONS"


def test_unknown_route_has_no_options(granian: Granian, automation: Automation) -> None:
    assert_error(ApiClient(granian.url).request("OPTIONS", "/api/v1/nothing"), 404)


def test_no_page_of_another_origin_may_call_by_default(client: ApiClient) -> None:
    preflight = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
    for answer in (
        client.request("OPTIONS", "/api/v1/tasks", headers=preflight),
        client.get("/api/v1/tasks", headers={"Origin": PAGE}),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_allowed_page_may_ask_first_and_call(for_a_page: Granian, automation: Automation) -> None:
    client = ApiClient(for_a_page.url, make_key()[1])
    asks = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key, idempotency-key, prefer",
    }

    preflight = ApiClient(for_a_page.url).request("OPTIONS", "/api/v1/inference", headers=asks)
    called = client.submit(a_body(), headers={"Origin": PAGE})
    refused = ApiClient(for_a_page.url).get("/api/v1/tasks", headers={"Origin": PAGE})
    unknown = client.get("/api/v1/nothing", headers={"Origin": PAGE})
    malformed = client.get("/api/v1/tasks?x=%00", headers={"Origin": PAGE})

    assert preflight.status_code in (200, 204)
    assert preflight.headers["Access-Control-Allow-Origin"] == PAGE
    allowed = preflight.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"x-api-key", "authorization", "idempotency-key", "prefer", "last-event-id"} <= set(allowed)
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    # Errors, too: a page could not tell why it is refused otherwise.
    statuses = {202: called, 401: refused, 404: unknown, 400: malformed}
    for status, answer in statuses.items():
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
        assert "origin" in answer.headers["Vary"].lower()
    assert "Location" in called.headers["Access-Control-Expose-Headers"]
    # Never with cookies: a key is sent on purpose.
    for answer in (preflight, *statuses.values()):
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "http://app.example.com", f"{PAGE}.evil.example", "null"])
def test_other_pages_may_not_call(for_a_page: Granian, automation: Automation, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    for method in ("OPTIONS", "GET"):
        answer = ApiClient(for_a_page.url).request(method, "/api/v1/tasks", headers=headers)
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_allowed_page_may_not_read_the_dashboard(for_a_page: Granian, automation: Automation) -> None:
    answer = requests.get(f"{for_a_page.url}/admin/login/", headers={"Origin": PAGE}, timeout=30)

    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "text",
    ["*", "null", "https://*.example.com", "app.example.com", f"{PAGE}/", f"{PAGE}:443", "HTTPS://app.example.com", ""],
)
def test_what_is_no_origin_is_refused_at_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if text:
        monkeypatch.setenv("CORS_TEST_ORIGINS", f"{PAGE},{text}")
        with pytest.raises(SettingError, match="CORS_TEST_ORIGINS is wrong"):
            env_list("CORS_TEST_ORIGINS", default=[], help="", check=read_origin)
    else:
        with pytest.raises(ValueError, match="an origin is exactly"):
            read_origin(text)


@pytest.mark.parametrize("text", [PAGE, "http://localhost:5173", "http://127.0.0.1:8080", "https://[::1]:8443"])
def test_origins_are_taken(text: str) -> None:
    assert read_origin(text) == text


def raw(url: str, key: str, **headers: str) -> tuple[Any, bytes]:
    """The answer as it came over the wire, not decompressed."""
    response = requests.get(url, headers={"x-api-key": key, **headers}, stream=True, timeout=30)
    return response, response.raw.read(decode_content=False)


def test_large_json_is_compressed_for_clients_that_take_it(client: ApiClient) -> None:
    task = make_task(status="running")
    for _ in range(40):
        make_step(task)
    url = f"{client.url}/api/v1/tasks/{task.id}/steps"

    squeezed, wire = raw(url, client.key, **{"Accept-Encoding": "gzip"})
    plain, whole = raw(url, client.key, **{"Accept-Encoding": "identity"})

    assert squeezed.headers["Content-Encoding"] == "gzip"
    assert int(squeezed.headers["Content-Length"]) == len(wire) < len(whole) / 4
    assert json.loads(gzip.decompress(wire)) == json.loads(whole)
    assert "Content-Encoding" not in plain.headers
    for answer in (squeezed, plain):
        assert "accept-encoding" in answer.headers["Vary"].lower()


def test_small_answers_files_and_pages_are_not_compressed(client: ApiClient) -> None:
    task = make_task(status="success")
    artifact = make_artifact(task, content=b'{"a": 1}' * 2000, content_type="application/json")
    for path in ("/health", f"/api/v1/artifacts/{artifact.id}", "/admin/login/", "/api/docs"):
        answer, _ = raw(client.url + path, client.key, **{"Accept-Encoding": "gzip"})
        assert answer.status_code in (200, 503)
        assert "Content-Encoding" not in answer.headers, path


def test_compressed_description_is_the_same_for_who_has_it(client: ApiClient) -> None:
    url = f"{client.url}/api/schema"
    first, _ = raw(url, client.key, **{"Accept-Encoding": "gzip"})
    assert first.headers["Content-Encoding"] == "gzip"

    again, body = raw(url, client.key, **{"Accept-Encoding": "gzip", "If-None-Match": first.headers["ETag"]})

    assert (again.status_code, body) == (304, b"")


@pytest.fixture
def automation(transactional_db: None) -> Automation:
    return make_automation(endpoint_name="claims", inputs=("patient_id", "payer"))
