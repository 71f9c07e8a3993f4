"""Who may call what: keys in three spellings, scopes, restricted keys, and the local rule without a key."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from inference.authentication import is_anonymous_local
from inference.models import ApiKey, Automation, Scope, Task
from inference.services.api_keys import revoke_api_key
from tests.factories import make_automation, make_key, make_task, make_user
from tests.inference.conftest import ApiClient, a_body, assert_error

UNUSABLE = "opx_abcdefgh_" + "x" * 43


@pytest.fixture
def anonymous(api: ApiClient) -> ApiClient:
    return api.with_key("")


@pytest.mark.parametrize(
    ("header", "spelling"),
    [
        ("x-api-key", "{key}"),
        ("Authorization", "x-api-key {key}"),
        ("Authorization", "X-API-Key   {key}"),
        ("Authorization", "Bearer {key}"),
        ("authorization", "bearer {key}"),
    ],
)
def test_key_is_taken_in_each_spelling(api: ApiClient, anonymous: ApiClient, header: str, spelling: str) -> None:
    response = anonymous.submit(a_body(), headers={header: spelling.format(key=api.key)})

    assert response.status_code == 202
    assert Task.objects.select_related("api_key").get().api_key == ApiKey.objects.get()


def test_every_unusable_key_gets_one_and_the_same_answer(api: ApiClient, anonymous: ApiClient) -> None:
    expired = make_key(expires_at=timezone.now() - timedelta(seconds=1))[1]
    revoked_key, revoked = make_key()
    revoke_api_key(key=revoked_key, actor="test")
    owner = make_user()
    deactivated = make_key(owner=owner)[1]
    owner.is_active = False
    owner.save()
    wrong_secret = api.key[:-1] + ("A" if api.key[-1] != "A" else "B")

    answers = [
        anonymous.submit(a_body(), headers=headers)
        for headers in (
            {},
            {"x-api-key": ""},
            {"x-api-key": "nonsense"},
            {"x-api-key": UNUSABLE},
            {"x-api-key": wrong_secret},
            {"x-api-key": expired},
            {"x-api-key": revoked},
            {"x-api-key": deactivated},
            {"x-api-key": f"x-api-key {api.key}"},
            {"x-api-key": "é".encode() * 2000},
            {"Authorization": api.key},
            {"Authorization": "Bearer"},
            {"Authorization": f"Basic {api.key}"},
            {"Authorization": f"Bearer {UNUSABLE}"},
            {"Authorization": f"Bearer {UNUSABLE}", "x-api-key": api.key},
        )
    ]

    for answer in answers:
        assert_error(answer, 401, "Invalid or missing API key")
        assert answer.headers["WWW-Authenticate"] == "x-api-key"
    assert len({answer.text for answer in answers}) == 1
    assert Task.objects.count() == 0


def test_the_same_key_in_both_headers_is_one_key(api: ApiClient) -> None:
    assert api.submit(a_body(), headers={"Authorization": f"Bearer {api.key}"}).status_code == 202


def test_key_is_asked_for_before_the_body_is_read(anonymous: ApiClient) -> None:
    response = anonymous.post("/api/v1/inference", data=b"{", headers={"Content-Type": "application/json"})

    assert_error(response, 401)


@pytest.mark.parametrize("scopes", [[Scope.READ], [Scope.MANAGE], [Scope.WORKER]])
def test_submitting_needs_its_scope(api: ApiClient, scopes: list[str]) -> None:
    _, key = make_key(scopes=scopes)

    assert_error(api.with_key(key).submit(a_body()), 403, "API key lacks the 'submit' scope")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/v1/tasks/{id}", "read"),
        ("HEAD", "/api/v1/tasks/{id}", "read"),
        ("GET", "/api/v1/tasks/{id}/steps", "read"),
        ("GET", "/api/v1/tasks/{id}/artifacts", "read"),
        ("GET", "/api/v1/get_output_data?task_id={id}", "read"),
        ("GET", "/api/v1/get_downloads?task_id={id}", "read"),
        ("GET", "/api/v1/tasks", "read"),
        ("GET", "/api/v1/automations", "read"),
        ("GET", "/api/v1/automations/claims", "read"),
        ("PUT", "/api/v1/automations/claims", "manage"),
        ("DELETE", "/api/v1/automations/claims", "manage"),
        ("POST", "/api/v1/automations/claims/validate", "manage"),
        ("POST", "/api/v1/tasks/{id}/cancel", "manage"),
        ("POST", "/api/v1/tasks/{id}/retry", "manage"),
    ],
)
def test_each_route_needs_its_scope(api: ApiClient, automation: Automation, method: str, path: str, scope: str) -> None:
    task = make_task(automation=automation)
    others = [each for each in ("submit", "read", "manage") if each != scope]
    _, key = make_key(scopes=others)

    response = api.with_key(key).request(method, path.format(id=task.id))

    assert response.status_code == 403
    if method != "HEAD":
        assert_error(response, 403, f"API key lacks the '{scope}' scope")


def test_restricted_key_sees_and_uses_only_its_automations(api: ApiClient, automation: Automation) -> None:
    other = make_automation(endpoint_name="other", inputs=())
    _, key = make_key(automations=[other])
    restricted = api.with_key(key)
    hidden, shown = make_task(automation=automation), make_task(automation=other)

    assert_error(restricted.submit(a_body()), 404, "Endpoint 'claims' not found")
    assert restricted.submit({"endpoint_name": "other", "input_parameters": {}}).status_code == 202
    assert_error(restricted.get(f"/api/v1/tasks/{hidden.id}"), 404, f"Task {hidden.id} not found")
    assert restricted.get(f"/api/v1/tasks/{shown.id}").status_code == 200
    assert_error(restricted.post(f"/api/v1/tasks/{hidden.id}/cancel"), 404)


def test_use_is_noted_at_most_once_a_minute(api: ApiClient) -> None:
    api.submit(a_body())
    first = ApiKey.objects.get().last_used_at
    api.submit(a_body())
    assert ApiKey.objects.get().last_used_at == first
    assert first is not None

    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_apikey SET last_used_at = last_used_at - interval '61 seconds'")
    api.submit(a_body())

    last = ApiKey.objects.get().last_used_at
    assert last is not None
    assert last >= first


def test_unusable_key_is_not_noted_as_used(api: ApiClient) -> None:
    key, text = make_key()
    revoke_api_key(key=key, actor="test")

    api.with_key(text).submit(a_body())

    assert ApiKey.objects.get(pk=key.pk).last_used_at is None


def test_local_endpoint_is_open_only_when_the_operator_says_so(anonymous: ApiClient, settings: Any) -> None:
    assert_error(anonymous.post("/inference", json=a_body()), 401)

    settings.ALLOW_ANONYMOUS_LOCAL = True

    assert anonymous.post("/inference", json=a_body()).status_code == 202
    assert Task.objects.get().api_key is None
    assert_error(anonymous.submit(a_body()), 401)


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"])
def test_forwarded_request_is_never_local(anonymous: ApiClient, settings: Any, header: str) -> None:
    settings.ALLOW_ANONYMOUS_LOCAL = True

    assert_error(anonymous.post("/inference", json=a_body(), headers={header: "127.0.0.1"}), 401)


def test_key_that_is_sent_is_checked_on_the_local_endpoint_too(anonymous: ApiClient, settings: Any) -> None:
    settings.ALLOW_ANONYMOUS_LOCAL = True
    _, reader = make_key(scopes=[Scope.READ])

    assert_error(anonymous.with_key(UNUSABLE).post("/inference", json=a_body()), 401)
    assert_error(anonymous.with_key(reader).post("/inference", json=a_body()), 403)


@pytest.mark.parametrize(
    ("address", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("192.168.1.5", False),
        ("0.0.0.0", False),  # noqa: S104 - compared, not listened on
        ("", False),
        ("unix:", False),
        ("localhost", False),
    ],
)
def test_only_loopback_peers_are_local(settings: Any, address: str, is_local: bool) -> None:
    settings.ALLOW_ANONYMOUS_LOCAL = True
    request = APIRequestFactory().post("/inference", REMOTE_ADDR=address)

    assert is_anonymous_local(Request(request)) is is_local


def test_open_routes_do_not_look_at_keys(anonymous: ApiClient) -> None:
    for path in ("/health", "/api/v1/health", "/is_task_running"):
        assert anonymous.get(path, headers={"x-api-key": "nonsense"}).status_code == 200
