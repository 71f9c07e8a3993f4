"""Health and liveness."""

import pytest
from django.db import connection

from tests.factories import make_task, make_worker_host
from tests.inference.conftest import ApiClient


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
def test_healthy_server_tells_its_numbers(api: ApiClient, path: str) -> None:
    make_worker_host()
    make_worker_host(seconds_ago=61)
    make_task()
    make_task(status="running")

    response = ApiClient(api.url).get(path)

    assert response.status_code == 200
    assert response.json() == {
        "status": "healthy",
        "task_running": True,
        "queued_tasks": 1,
        "running_tasks": 1,
        "workers": 1,
    }


def test_idle_server_without_workers_is_healthy(api: ApiClient) -> None:
    assert api.get("/health").json()["status"] == "healthy"


def assert_unhealthy(api: ApiClient, message: str) -> None:
    response = api.get("/health")
    assert response.status_code == 503
    assert set(response.json()) == {"status", "message"}
    assert response.json()["status"] == "unhealthy"
    assert message in response.json()["message"]


def test_waiting_tasks_without_a_worker_are_unhealthy(api: ApiClient) -> None:
    make_task()
    make_worker_host(seconds_ago=61)

    assert_unhealthy(api, "no worker was seen for 60 seconds")


def test_task_that_pauses_before_a_retry_does_not_wait(api: ApiClient) -> None:
    task = make_task()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_task SET available_at = statement_timestamp() + interval '1 hour' WHERE id = %s",
            [task.id],
        )

    assert api.get("/health").json()["queued_tasks"] == 1


def test_task_beyond_its_own_limit_is_unhealthy(api: ApiClient) -> None:
    make_worker_host()
    task = make_task(status="running", max_timeout_in_minutes=1)
    assert api.get("/health").status_code == 200

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_task SET created_at = created_at - interval '121 seconds', "
            "allocated_at = allocated_at - interval '121 seconds', started_at = started_at - interval '121 seconds'"
        )

    assert_unhealthy(api, f"Task {task.id} runs longer")


def test_is_task_running_is_a_bare_boolean(api: ApiClient) -> None:
    make_task()
    assert api.get("/is_task_running").text == "false"

    make_task(status="running")
    assert api.get("/is_task_running").text == "true"
