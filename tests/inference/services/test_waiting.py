"""Held answers: given as soon as the task ends, never forgotten, and bounded in number."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from inference.models import Automation, Task
from inference.services.waiting import waiters
from tests.factories import end_task, make_automation, make_key, make_task
from tests.inference.conftest import ApiClient, a_body, assert_error

# An answer that comes from a wake-up is far below this; one that comes from looking again is above.
PROMPT_SECONDS = 0.8


def until(look: Callable[[], Any], *, what: str) -> None:
    """Return when `look` is true; fails after ten seconds."""
    ends_at = time.monotonic() + 10
    while not look():
        assert time.monotonic() < ends_at, what
        threading.Event().wait(0.01)


def listeners() -> list[int]:
    """Server processes of connections whose last statement was LISTEN."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN task_ended' AND datname = current_database()"
        )
        return [pid for (pid,) in cursor.fetchall()]


def busy_connections() -> int:
    """Connections of this database beside this one and the listener."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND query <> 'LISTEN task_ended' AND backend_type = 'client backend'"
        )
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


@pytest.fixture
def task(api: ApiClient, automation: Automation) -> Task:
    return make_task(automation=automation)


def wait_for(api: ApiClient, task: Task, pool: ThreadPoolExecutor, seconds: int) -> "Future[Any]":
    """A held GET, once it is registered and the process listens."""
    held = pool.submit(api.get, f"/api/v1/tasks/{task.id}?wait={seconds}")
    until(lambda: task.id in waiters._events and waiters.is_listening, what="the request waits")
    return held


def test_answer_comes_as_soon_as_the_task_ends(api: ApiClient, task: Task, pool: ThreadPoolExecutor) -> None:
    held = wait_for(api, task, pool, 30)
    began = time.monotonic()

    end_task(task, "failed", error="could not")

    assert held.result().json()["status"] == "failed"
    assert time.monotonic() - began < PROMPT_SECONDS
    assert waiters._events == {}


def test_end_of_another_task_does_not_end_the_wait(api: ApiClient, task: Task, pool: ThreadPoolExecutor) -> None:
    held = wait_for(api, task, pool, 2)

    end_task(make_task())

    assert held.result().json()["status"] == "queued"


def test_answer_comes_when_the_time_is_up(api: ApiClient, task: Task) -> None:
    began = time.monotonic()

    response = api.get(f"/api/v1/tasks/{task.id}?wait=1")

    assert response.json()["status"] == "queued"
    assert 1 <= time.monotonic() - began < 4


def test_ended_task_is_answered_at_once(api: ApiClient) -> None:
    task = make_task(status="success")
    began = time.monotonic()

    assert api.get(f"/api/v1/tasks/{task.id}?wait=60").json()["status"] == "success"
    assert time.monotonic() - began < PROMPT_SECONDS


def test_task_that_is_deleted_meanwhile_is_not_found(api: ApiClient, task: Task, pool: ThreadPoolExecutor) -> None:
    held = wait_for(api, task, pool, 3)

    Task.objects.all().delete()

    assert_error(held.result(), 404)


@pytest.mark.parametrize("wait", ["-1", "x", "1.5", "", "9999999999"])
def test_wait_is_a_number_of_seconds(api: ApiClient, task: Task, wait: str) -> None:
    assert set(assert_error(api.get(f"/api/v1/tasks/{task.id}?wait={wait}"), 400, "wait must be")) == {"wait"}


def test_waiters_hold_no_database_connection(api: ApiClient, task: Task, pool: ThreadPoolExecutor) -> None:
    before = busy_connections()  # of threads that other tests of this process have left
    held = [pool.submit(api.get, f"/api/v1/tasks/{task.id}?wait=30") for _ in range(6)]
    until(lambda: len(waiters._events.get(task.id, ())) == 6 and waiters.is_listening, what="all six wait")

    until(lambda: busy_connections() <= before, what="no waiter keeps a connection")
    assert len(listeners()) == 1

    end_task(task)
    assert {each.result().json()["status"] for each in held} == {"success"}


def test_lost_connection_loses_no_wake_up(api: ApiClient, task: Task, pool: ThreadPoolExecutor) -> None:
    held = wait_for(api, task, pool, 30)
    (before,) = listeners()

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [before])
    end_task(task)  # nobody listens now

    began = time.monotonic()
    assert held.result().json()["status"] == "success"
    assert time.monotonic() - began < 3
    until(lambda: listeners() not in ([], [before]), what="a new connection listens")


def test_more_waiters_than_allowed_are_refused_and_store_nothing(
    api: ApiClient, task: Task, pool: ThreadPoolExecutor, settings: Any
) -> None:
    settings.MAX_WAITERS = 2
    held = [pool.submit(api.get, f"/api/v1/tasks/{task.id}?wait=30") for _ in range(2)]
    until(lambda: len(waiters._events.get(task.id, ())) == 2, what="both wait")

    refused_get = api.get(f"/api/v1/tasks/{task.id}?wait=30")
    refused_post = api.submit(a_body(), headers={"Prefer": "wait=30"})

    for refused in (refused_get, refused_post):
        assert_error(refused, 503, "Too many requests wait for tasks (at most 2)")
        assert int(refused.headers["Retry-After"]) >= 1
    assert Task.objects.count() == 1
    assert api.get(f"/api/v1/tasks/{task.id}").status_code == 200
    assert api.submit(a_body()).status_code == 202
    end_task(task)
    assert [each.result().status_code for each in held] == [200, 200]
    # The places are free again.
    assert api.get(f"/api/v1/tasks/{task.id}?wait=1").status_code == 200


def test_submission_that_prefers_to_wait_is_answered_with_the_ended_task(
    api: ApiClient, automation: Automation, pool: ThreadPoolExecutor
) -> None:
    held = pool.submit(api.submit, a_body(), headers={"Prefer": "respond-async, wait=30"})
    until(Task.objects.exists, what="the task is stored")
    task = Task.objects.get()
    end_task(task, "success", output_data=[{"plan": "Gold"}])

    response = held.result()

    assert response.status_code == 200
    assert response.headers["Preference-Applied"] == "wait"
    body = response.json()
    assert set(body) == {"success", "message", "task_id", "duplicate", "task"}
    assert (body["task_id"], body["duplicate"]) == (str(task.id), False)
    assert body["task"] == api.get(f"/api/v1/tasks/{task.id}").json()


def test_submission_that_waits_in_vain_is_accepted_as_usual(api: ApiClient) -> None:
    response = api.submit(a_body(), headers={"Prefer": "wait=1"})

    assert response.status_code == 202
    assert "Preference-Applied" not in response.headers
    assert set(response.json()) == {"success", "message", "task_id", "duplicate"}


@pytest.mark.parametrize("prefer", ["wait=0", "wait", "wait=x", "await=30", "handling=lenient", ""])
def test_preference_that_asks_for_no_wait_is_ignored(api: ApiClient, prefer: str) -> None:
    began = time.monotonic()

    assert api.submit(a_body(), headers={"Prefer": prefer}).status_code == 202
    assert time.monotonic() - began < PROMPT_SECONDS


def test_key_that_may_not_read_is_not_given_the_task(api: ApiClient) -> None:
    _, key = make_key(scopes=["submit"])
    began = time.monotonic()

    response = api.with_key(key).submit(a_body(), headers={"Prefer": "wait=30"})

    assert response.status_code == 202
    assert response.json()["warnings"] == ["Prefer: wait was not applied: the API key lacks the 'read' scope"]
    assert time.monotonic() - began < PROMPT_SECONDS


def test_duplicate_waits_for_the_winner(api: ApiClient, pool: ThreadPoolExecutor) -> None:
    automation = make_automation(endpoint_name="other")
    winner = make_task(automation=automation, unique_parameter_names=["patient_id"])
    body = {
        "endpoint_name": "other",
        "input_parameters": winner.input_parameters,
        "unique_parameter_names": ["patient_id"],
    }
    held = pool.submit(api.submit, body, headers={"Prefer": "wait=30"})
    until(lambda: winner.id in waiters._events, what="the duplicate waits")

    end_task(winner)

    assert held.result().json()["duplicate"] is True
    assert held.result().json()["task"]["status"] == "success"


def test_repeated_request_for_a_pruned_task_does_not_wait(api: ApiClient) -> None:
    body = a_body(idempotency_key="order-7")
    task_id = api.submit(body).json()["task_id"]
    Task.objects.all().delete()

    response = api.submit(body, headers={"Prefer": "wait=30"})

    assert (response.status_code, response.json()["task_id"]) == (202, task_id)
