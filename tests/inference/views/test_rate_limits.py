"""Too many requests: of a key, of an address without one, and with keys that cannot be used."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIRequestFactory

from inference import throttles
from inference.models import Task
from tests.factories import make_key
from tests.inference.conftest import ApiClient, a_body, assert_error


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bucket fills up again, however slow the machine is."""
    for buckets in (throttles.callers, throttles.failures):
        monkeypatch.setattr(buckets, "_clock", lambda: 0.0)


def test_there_is_no_limit_unless_an_operator_sets_one(api: ApiClient) -> None:
    answers = [api.get("/api/v1/tasks").status_code for _ in range(80)]
    assert set(answers) == {200}


def test_a_key_is_limited_and_the_others_are_not(api: ApiClient, settings: Any) -> None:
    settings.RATE_LIMIT_PER_KEY, settings.RATE_LIMIT_BURST = 1, 3
    other = api.with_key(make_key()[1])

    answers = [api.submit(a_body()) for _ in range(10)]
    refused = [each for each in answers if each.status_code == 429]
    assert [each.status_code for each in answers[:3]] == [202] * 3
    assert len(refused) == 7
    for each in refused:
        assert_error(each, 429, "Too many requests of this API key (the limit is 1 a second)")
        assert each.headers["Retry-After"] == "1"
    assert Task.objects.count() == 10 - len(refused)
    assert other.submit(a_body()).status_code == 202


def test_a_limited_request_stores_nothing_and_says_nothing_of_its_body(api: ApiClient, settings: Any) -> None:
    settings.RATE_LIMIT_PER_KEY, settings.RATE_LIMIT_BURST = 1, 1
    api.get("/api/v1/tasks")
    _, reader = make_key(scopes=["read"])
    limited = api.with_key(reader)
    assert limited.get("/api/v1/tasks").status_code == 200

    # Before the scope, which this key lacks, and before the body, which is none.
    assert_error(limited.post("/api/v1/inference", data=b"{", headers={"Content-Type": "application/json"}), 429)


def test_callers_without_a_key_are_counted_by_their_address(api: ApiClient, settings: Any) -> None:
    settings.RATE_LIMIT_PER_KEY, settings.RATE_LIMIT_BURST = 1, 1
    settings.ALLOW_ANONYMOUS_LOCAL = True
    anonymous = api.with_key("")

    assert anonymous.post("/inference", json=a_body()).status_code == 202
    assert_error(anonymous.post("/inference", json=a_body()), 429, "Too many requests of this address")
    assert api.submit(a_body()).status_code == 202
    assert [anonymous.get("/is_task_running").status_code for _ in range(5)] == [200] * 5


def test_wrong_keys_are_slowed_and_a_right_one_is_not_locked_out(api: ApiClient, settings: Any) -> None:
    settings.FAILED_KEYS_PER_MINUTE = 3
    wrong = api.with_key(api.key[:-1] + ("A" if api.key[-1] != "A" else "B"))

    answers = [wrong.get("/api/v1/tasks") for _ in range(5)]
    assert [each.status_code for each in answers] == [401, 401, 401, 429, 429]
    assert_error(answers[-1], 429, "Too many requests with an invalid API key")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 20
    assert api.get("/api/v1/tasks").status_code == 200
    assert_error(api.with_key("").get("/api/v1/tasks"), 401)


def test_a_limit_costs_no_query(api: ApiClient, settings: Any) -> None:
    settings.RATE_LIMIT_PER_KEY, settings.RATE_LIMIT_BURST = 1000, 1000
    request: Any = APIRequestFactory().get("/")
    request.auth = make_key()[0]
    with CaptureQueriesContext(connection) as captured:
        throttles.limit_rate(request)
    assert len(captured) == 0


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "unix:", True),
    ],
)
def test_an_address_of_ipv6_is_its_network(one: str, other: str, is_same: bool) -> None:
    requests: list[Any] = [APIRequestFactory().get("/", REMOTE_ADDR=each) for each in (one, other)]
    first, second = (throttles._peer(each) for each in requests)
    assert (first == second) is is_same
