"""Each status that the description promises is provoked, over a real socket, and answers as it is described.

`CASES` has one entry for each (method, route, status) of docs/openapi.json; a status without an entry fails, and so
does an entry without a status.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest
import requests
from django.db import OperationalError
from django.urls import resolve
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from inference import throttles
from inference.models import ApiKey, Artifact, Automation, CommitPoint, Scope, Task
from inference.openapi.schema import make_schema
from inference.services.waiting import waiters
from tests.factories import (
    a_document,
    end_task,
    make_artifact,
    make_automation,
    make_key,
    make_person_request,
    make_step,
    make_task,
    make_worker_host,
)
from tests.inference.conftest import ApiClient, a_body

DOCUMENT = make_schema()
ADDRESS = "https://server.example/api/schema"
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}
# One that nothing was forwarded for may ask for metrics without a key.
ELSEWHERE = {"X-Forwarded-For": "203.0.113.7"}
NOBODY = "01a20ca7-a37e-7b71-8a42-80e70c30098e"


@dataclass
class World:
    """A server with an automation, tasks in several states, a file, and keys. A case brings about what it needs."""

    api: ApiClient
    automation: Automation
    key: ApiKey
    settings: Any
    stack: ExitStack = field(default_factory=ExitStack)

    def task(self, status: str = "queued") -> Task:
        return make_task(automation=self.automation, status=status, input_parameters=a_body()["input_parameters"])

    def artifact(self) -> Artifact:
        return make_artifact(self.task("success"))

    def address(self, path: str) -> str:
        """An address of the route that leads to something."""
        if "{task_id}" in path:
            return path.replace("{task_id}", str(self.task().id))
        if "{artifact_id}" in path:
            return path.replace("{artifact_id}", str(self.artifact().id))
        if path.endswith("inference/csv"):
            return f"{path}?endpoint_name={self.automation.endpoint_name}"
        if path.endswith("files"):
            return f"{path}?filename=claim.pdf"
        path = path.replace("{endpoint_name}", self.automation.endpoint_name)
        return f"{path}?task_id={self.task().id}" if path.endswith(("_data", "_downloads")) else path

    def body(self, path: str) -> Any:
        """A body that the route takes; None for routes without one."""
        if path.endswith("inference"):
            return a_body()
        if path.endswith("batch"):
            return {"items": [a_body()]}
        if path.endswith("answer"):
            return {"answer": "continue"}
        if path.endswith("review"):
            return {"decision": "did_not_happen"}
        return a_document() if "/automations/" in path else None

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        address = options.pop("address", None) or self.address(path)
        if path.endswith(("csv", "files")) and method == "POST" and not {"data", "json"} & set(options):
            options["data"] = b"patient_id,payer\nA-1001,Acme\n"
            options["headers"] = CSV if path.endswith("csv") else {"Content-Type": "application/octet-stream"}
        if method in ("POST", "PUT") and not {"data", "json"} & set(options):
            options["json"] = self.body(path)
        return self.api.request(method, address, **options)

    def with_scopes(self, *scopes: str) -> ApiClient:
        self.api = self.api.with_key(make_key(scopes=scopes)[1])
        return self.api

    def fill_the_queue(self) -> None:
        self.task()
        ApiKey.objects.filter(pk=self.key.pk).update(queue_limit=1)
        make_task(automation=self.automation, api_key=self.key, input_parameters=a_body()["input_parameters"])


Send = Callable[[World, str, str], requests.Response]


def plain(world: World, method: str, path: str) -> requests.Response:
    return world.send(method, path)


def bad_address(world: World, method: str, path: str) -> requests.Response:
    address = world.address(path)
    return world.send(method, path, address=f"{address}{'&' if '?' in address else '?'}x=%00")


def without_key(world: World, method: str, path: str) -> requests.Response:
    return world.api.with_key("").request(method, world.address(path), json=world.body(path), headers=ELSEWHERE)


def without_scope(world: World, method: str, path: str) -> requests.Response:
    address = world.address(path)
    world.with_scopes(Scope.WORKER)
    return world.send(method, path, address=address)


def wrong_method(world: World, method: str, path: str) -> requests.Response:
    return world.api.request("PATCH", world.address(path))


def too_large(world: World, method: str, path: str) -> requests.Response:
    mib = 1 if path.startswith(("/inference", "/api/v1/tasks")) or path.endswith("/inference") else 16
    if path.endswith("files"):
        world.settings.UPLOAD_MAX_BYTES = 1024
        mib = 1
    headers = CSV if path.endswith("csv") else {"Content-Type": "application/octet-stream"}
    headers = headers if path.endswith(("csv", "files")) else JSON
    return world.send(method, path, data=b" " * (mib * 1024 * 1024 + 1), headers=headers)


def wrong_type(world: World, method: str, path: str) -> requests.Response:
    return world.send(method, path, data=b"x", headers={"Content-Type": "text/plain"})


def too_fast(world: World, method: str, path: str) -> requests.Response:
    address = world.address(path)
    world.settings.RATE_LIMIT_PER_KEY, world.settings.RATE_LIMIT_BURST = 1, 1
    throttles.callers.clear()
    world.stack.callback(throttles.callers.clear)
    # However slow the machine is, no token comes back.
    world.stack.enter_context(patch.object(throttles.callers, "_clock", lambda: 0.0))
    world.api.get("/api/v1/automations")
    return world.send(method, path, address=address)


def follow(world: World, method: str, path: str) -> requests.Response:
    address = path.replace("{task_id}", str(world.task("success").id))
    return world.send(method, path, address=address)


def nothing_left_to_follow(world: World, method: str, path: str) -> requests.Response:
    task = world.task("success")
    last = {"Last-Event-ID": str(task.events.latest("id").id)}
    return world.send(method, path, address=path.replace("{task_id}", str(task.id)), headers=last)


def needs_review(world: World) -> Task:
    task = world.task("running")
    CommitPoint.objects.create(task=task, attempt=1, path="nodes[0]")
    end_task(task, "failed", outcome_unknown=True)
    return task


def reviewed(*, times: int = 1, **body: Any) -> Send:
    def send(world: World, method: str, path: str) -> requests.Response:
        address = path.replace("{task_id}", str(needs_review(world).id))
        for decision in ("happened", "did_not_happen")[:times]:
            answer = world.send(method, path, address=address, json={"decision": decision, **body})
        return answer

    return send


def review_and_retry_with_full_queue(world: World, method: str, path: str) -> requests.Response:
    task = needs_review(world)
    world.fill_the_queue()
    body = {"decision": "did_not_happen", "retry": True}
    return world.send(method, path, address=path.replace("{task_id}", str(task.id)), json=body)


def csv_of(query: str, rows: bytes) -> Send:
    def send(world: World, method: str, path: str) -> requests.Response:
        address = f"{path}?endpoint_name=claims&all_or_nothing=true{query}"
        return world.send(method, path, address=address, data=rows, headers=CSV)

    return send


def with_a_fault(world: World, method: str, path: str) -> requests.Response:
    address = world.address(path)
    view = resolve(address.partition("?")[0]).func.view_class  # type: ignore[attr-defined]
    fault = patch.object(view, method.lower(), side_effect=RuntimeError("a secret in a message"))
    world.stack.enter_context(fault)
    return world.send(method, path, address=address)


def without_database(world: World, method: str, path: str) -> requests.Response:
    """As psycopg reports a server that is gone; tests/inference/served/test_outage.py cuts a real one off."""
    address = world.address(path)
    if method == "GET" and path.endswith(("health", "is_task_running")):
        name = "queue_health" if path.endswith("health") else "is_task_running"
        target = f"inference.views.health.{name}"
    else:
        target = "inference.authentication.find_key"
    world.stack.enter_context(patch(target, side_effect=OperationalError("server closed the connection")))
    return world.send(method, path, address=address)


def nothing_there(world: World, method: str, path: str) -> requests.Response:
    name = "no-such-name" if method in ("GET", "DELETE") else "a%0Ab"
    address = path.replace("{endpoint_name}", name)
    address = address.replace("{task_id}", NOBODY).replace("{artifact_id}", NOBODY)
    if path.endswith(("_data", "_downloads")):
        address += f"?task_id={NOBODY}"
    if path.endswith("inference/csv"):
        address += "?endpoint_name=no-such-name"
    options = {"json": a_body(endpoint_name="no-such-name")} if path.endswith("inference") else {}
    return world.send(method, path, address=address, **options)


def waited_for(world: World, method: str, path: str) -> requests.Response:
    first = world.send(method, path, headers={"Idempotency-Key": "row-1"}).json()
    end_task(Task.objects.get(id=first["task_id"]))
    return world.send(method, path, headers={"Idempotency-Key": "row-1", "Prefer": "wait=5"})


def other_body(world: World, method: str, path: str) -> requests.Response:
    world.send(method, path, headers={"Idempotency-Key": "row-1"})
    return world.send(method, path, headers={"Idempotency-Key": "row-1"}, json=a_body(priority=1))


def queue_full(world: World, method: str, path: str) -> requests.Response:
    world.fill_the_queue()
    return world.send(method, path)


def all_or_nothing(item: dict[str, Any], *more: dict[str, Any]) -> Send:
    def send(world: World, method: str, path: str) -> requests.Response:
        return world.send(method, path, json={"items": [item, *more], "all_or_nothing": True})

    return send


def batch_queue_full(world: World, method: str, path: str) -> requests.Response:
    world.fill_the_queue()
    return all_or_nothing(a_body())(world, method, path)


def of_a_task(status: str, *, asks: bool = False) -> Send:
    def send(world: World, method: str, path: str) -> requests.Response:
        task = world.task(status)
        if asks:
            make_step(task)
            make_person_request(task)
        return world.send(method, path, address=path.replace("{task_id}", str(task.id)))

    return send


def retry_with_full_queue(world: World, method: str, path: str) -> requests.Response:
    ended = world.task("failed")
    world.fill_the_queue()
    return world.send(method, path, address=path.replace("{task_id}", str(ended.id)))


def retry_of_an_inactive_automation(world: World, method: str, path: str) -> requests.Response:
    ended = world.task("failed")
    Automation.objects.update(is_active=False)
    return world.send(method, path, address=path.replace("{task_id}", str(ended.id)))


def published_twice(world: World, method: str, path: str) -> requests.Response:
    world.send(method, path)
    return world.send(method, path)


def known_schema(world: World, method: str, path: str) -> requests.Response:
    return world.send(method, path, headers={"If-None-Match": world.send(method, path).headers["ETag"]})


# What provokes a status on every route that has it, if nothing else is said below.
EVERYWHERE: dict[int, Send] = {
    429: too_fast,
    200: plain,
    400: bad_address,
    401: without_key,
    403: without_scope,
    404: nothing_there,
    405: wrong_method,
    413: too_large,
    415: wrong_type,
    500: with_a_fault,
    503: without_database,
}
TASK = "/api/v1/tasks/{task_id}"
CASES: dict[tuple[str, str, int], Send] = {
    ("POST", "/inference", 200): waited_for,
    ("POST", "/inference", 202): plain,
    ("POST", "/inference", 422): other_body,
    ("POST", "/inference", 429): queue_full,
    ("POST", "/api/v1/inference", 200): waited_for,
    ("POST", "/api/v1/inference", 202): plain,
    ("POST", "/api/v1/inference", 422): other_body,
    ("POST", "/api/v1/inference", 429): queue_full,
    ("POST", "/api/v1/inference/batch", 202): plain,
    ("POST", "/api/v1/inference/batch", 404): all_or_nothing(a_body(endpoint_name="no-such-name")),
    ("POST", "/api/v1/inference/batch", 422): all_or_nothing(
        a_body(idempotency_key="row-1"), a_body(idempotency_key="row-1", priority=1)
    ),
    ("POST", "/api/v1/inference/batch", 429): batch_queue_full,
    ("POST", "/api/v1/inference/csv", 202): plain,
    ("POST", "/api/v1/inference/csv", 422): csv_of(
        "", b"patient_id,payer,_idempotency_key,_priority\nA,B,row-1,1\nA,B,row-1,2\n"
    ),
    ("POST", "/api/v1/files", 201): plain,
    ("GET", f"{TASK}/events", 200): follow,
    ("GET", f"{TASK}/events", 204): nothing_left_to_follow,
    ("POST", f"{TASK}/review", 200): reviewed(),
    ("POST", f"{TASK}/review", 409): reviewed(times=2),
    ("POST", f"{TASK}/review", 429): review_and_retry_with_full_queue,
    ("POST", f"{TASK}/cancel", 409): of_a_task("success"),
    ("POST", f"{TASK}/answer", 200): of_a_task("running", asks=True),
    ("POST", f"{TASK}/answer", 409): of_a_task("running"),
    ("POST", f"{TASK}/retry", 202): of_a_task("failed"),
    ("POST", f"{TASK}/retry", 404): retry_of_an_inactive_automation,
    ("POST", f"{TASK}/retry", 409): of_a_task("running"),
    ("POST", f"{TASK}/retry", 429): retry_with_full_queue,
    ("PUT", "/api/v1/automations/{endpoint_name}", 200): published_twice,
    ("PUT", "/api/v1/automations/{endpoint_name}", 201): plain,
    ("GET", "/api/schema", 304): known_schema,
}


def documented() -> list[tuple[str, str, int]]:
    return [
        (method.upper(), path, int(status))
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        for status in operation["responses"]
    ]


def described(method: str, path: str, status: int) -> dict[str, Any]:
    response: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]["responses"][str(status)]
    name = response.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["responses"][name] if name else response


def closed(schema: Any) -> Any:
    """`schema` as a promise to hold nothing else: an answer with an undocumented field is a mistake, too."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict):
        inner["unevaluatedProperties"] = False
    return inner


def _open_inside_all_of(document: dict[str, Any]) -> dict[str, Any]:
    """Components that others extend are closed by those alone."""
    text = json.dumps(document)
    extended = {
        name
        for name in document["components"]["schemas"]
        if f'"allOf": [{{"$ref": "#/components/schemas/{name}"' in text
    }
    strict = closed(document)
    for name in extended:
        original = strict["components"]["schemas"][name]
        strict["components"]["schemas"][name] = {k: v for k, v in original.items() if k != "unevaluatedProperties"}
    return strict


STRICT = _open_inside_all_of({"components": DOCUMENT["components"]})
REGISTRY: Registry[Any] = Registry().with_resource(ADDRESS, Resource(STRICT, DRAFT202012))


def assert_as_described(response: requests.Response, method: str, path: str) -> None:
    answer = described(method, path, response.status_code)
    for name, header in answer.get("headers", {}).items():
        declared = DOCUMENT["components"]["headers"][header["$ref"].rpartition("/")[2]]
        if declared.get("required"):
            assert name in response.headers, name
        if name in response.headers:
            value: Any = response.headers[name]
            schema = declared["schema"]
            Draft202012Validator(schema).validate(int(value) if schema["type"] == "integer" else value)
    if "content" not in answer:
        assert response.content == b""
        return
    ((media_type, content),) = answer["content"].items()
    sent = response.headers["Content-Type"].partition(";")[0]
    assert media_type in (sent, "*/*")
    if sent.endswith("json"):
        schema = closed(content["schema"])
        Draft202012Validator(
            {"$id": ADDRESS, **schema, "components": STRICT["components"]},
            registry=REGISTRY,
            format_checker=FormatChecker(),
        ).validate(response.json())


@pytest.fixture
def world(live_server: Any, transactional_db: None, settings: Any) -> Iterator[World]:
    automation = make_automation(endpoint_name="claims", inputs=("patient_id", "payer"))
    make_worker_host(seconds_ago=1)
    key, text = make_key()
    made = World(ApiClient(live_server.url, text), automation, key, settings)
    with made.stack:
        yield made
    made.api.session.close()
    waiters.close()


def test_every_case_is_of_a_documented_status() -> None:
    assert set(CASES) <= set(documented())


@pytest.mark.parametrize(("method", "path", "status"), documented())
def test_documented_status_is_answered_as_described(world: World, method: str, path: str, status: int) -> None:
    send = CASES.get((method, path, status)) or EVERYWHERE.get(status)
    assert send is not None, "write a case that provokes this status"

    response = send(world, method, path)

    assert response.status_code == status, response.text
    assert_as_described(response, method, path)
    assert "a secret in a message" not in response.text


def test_an_undocumented_field_would_be_noticed() -> None:
    example = dict(DOCUMENT["paths"]["/health"]["get"]["responses"]["200"]["content"]["application/json"]["example"])
    check = Draft202012Validator(
        {"$id": ADDRESS, "$ref": "#/components/schemas/Health", "components": STRICT["components"]}, registry=REGISTRY
    )
    assert check.is_valid(example)
    assert not check.is_valid({**example, "more": 1})
    assert not check.is_valid({**example, "workers": "two"})


def test_objects_with_everything_in_them_are_as_described(world: World) -> None:
    task = make_task(
        automation=world.automation,
        status="running",
        input_parameters=a_body()["input_parameters"],
        unique_parameter_names=["payer"],
        secure_parameters={"password": [{"vault": {"name": "portal"}}]},
        api_key=world.key,
        priority=-1,
        max_parallelism=2,
        output_data=[{"status": "paid"}, 5, None],
        for_loop_status=[{"variable": "claim"}],
        token_usage={"input": 5},
    )
    make_step(task, picture=make_artifact(task, kind=Artifact.Kind.PICTURE))
    make_step(task, index=None, status="failed", error="It broke.", duration_ms=None)
    make_person_request(task)
    removed = make_artifact(task, metadata={"claim": "HM-4471"})
    Artifact.objects.filter(id=removed.id).update(removed_at=removed.created_at, removal="age")
    get = world.api.get

    for include in ("", "?include=automation"):
        assert_as_described(get(f"/api/v1/tasks/{task.id}{include}"), "GET", TASK)
    assert_as_described(get(f"/api/v1/tasks/{task.id}/steps"), "GET", f"{TASK}/steps")
    assert_as_described(get(f"/api/v1/tasks/{task.id}/artifacts"), "GET", f"{TASK}/artifacts")
    end_task(task, "failed", error="Nobody answered.", final_screenshot=make_artifact(task, kind="screenshot"))
    make_artifact(task)
    again = make_task(automation=world.automation, input_parameters=a_body()["input_parameters"], previous_task=task)
    for each in (task, again):
        assert_as_described(get(f"/api/v1/tasks/{each.id}"), "GET", TASK)
    assert_as_described(get(f"/api/v1/get_output_data?task_id={task.id}"), "GET", "/api/v1/get_output_data")
    assert_as_described(get(f"/api/v1/get_downloads?task_id={task.id}"), "GET", "/api/v1/get_downloads")
    for query in ("?limit=1", "?ended_after=2026-01-01T00:00:00Z", "?status=failed&endpoint_name=claims"):
        assert_as_described(get(f"/api/v1/tasks{query}"), "GET", "/api/v1/tasks")


def test_what_is_said_of_documents_is_as_described(world: World) -> None:
    automations = "/api/v1/automations/{endpoint_name}"
    questionable = a_document(unknown="x", nodes=[{"interaction_action": {"click_element": {"xpath": "//a[3]"}}}])
    checked = world.send("POST", f"{automations}/validate", json=questionable)
    assert checked.json()["findings"]
    assert checked.json()["warnings"]
    assert_as_described(checked, "POST", f"{automations}/validate")
    refused = world.send("POST", f"{automations}/validate", json={"nodes": 5})
    assert refused.json()["problems"]
    assert_as_described(refused, "POST", f"{automations}/validate")
    published = world.send("PUT", automations, json=questionable)
    assert published.status_code == 201
    assert_as_described(published, "PUT", automations)
    assert_as_described(world.send("PUT", automations, json={"nodes": 5}), "PUT", automations)


def test_each_kind_of_refusal_in_a_batch_is_as_described(world: World) -> None:
    ApiKey.objects.filter(pk=world.key.pk).update(queue_limit=1)
    items = [
        a_body(idempotency_key="row-1"),
        a_body(idempotency_key="row-1", priority=1),
        a_body(),
        a_body(endpoint_name="no-such-name"),
        a_body(priority="high"),
    ]

    answer = world.api.post("/api/v1/inference/batch", json={"items": items, "more": 1})

    assert [each["status"] for each in answer.json()["results"]] == [202, 422, 429, 404, 400]
    assert_as_described(answer, "POST", "/api/v1/inference/batch")


def test_open_routes_ask_nobody_for_a_key(world: World) -> None:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            answer = without_key(world, method.upper(), path)
            is_open = operation["security"] == []
            assert (answer.status_code != 401) == is_open, (method, path)


def test_each_way_to_send_a_key_is_taken(world: World) -> None:
    open_client = world.api.with_key("")
    for headers in (
        {"x-api-key": world.api.key},
        {"Authorization": f"x-api-key {world.api.key}"},
        {"Authorization": f"Bearer {world.api.key}"},
    ):
        assert open_client.get("/api/v1/tasks", headers=headers).status_code == 200
    url = world.api.get(f"/api/v1/tasks/{world.artifact().task_id}/artifacts").json()["artifacts"][0]["url"]
    assert requests.get(url, timeout=30).status_code == 200
