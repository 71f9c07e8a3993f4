"""What the API says of the queue: 429 when it is full, and why a task waits."""

from datetime import datetime

from inference.models import ApiKey, Automation, Task
from inference.services.pauses import pause, whole_queue
from tests.factories import make_key, make_task, make_user, make_worker_host
from tests.inference.conftest import ApiClient, a_body, assert_error


def test_a_full_queue_answers_429_and_when_to_come_back(api: ApiClient, automation: Automation) -> None:
    key, text = make_key()
    ApiKey.objects.filter(pk=key.pk).update(queue_limit=1)
    client = api.with_key(text)
    first = client.submit(a_body(unique_parameter_names=["payer"]))
    assert first.status_code == 202

    refused = client.submit(a_body())

    assert_error(refused, 429, "Too many tasks of this API key wait (the limit is 1)")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    duplicate = client.submit(a_body(unique_parameter_names=["payer"]))
    assert (duplicate.status_code, duplicate.json()["task_id"]) == (202, first.json()["task_id"])
    assert Task.objects.count() == 1
    client.session.close()


def test_a_queued_task_says_why_it_waits(api: ApiClient, automation: Automation) -> None:
    make_worker_host(seconds_ago=1)
    task_id = api.submit(a_body()).json()["task_id"]

    waiting = api.get(f"/api/v1/tasks/{task_id}").json()["waiting_for"]
    assert waiting == {
        "reason": "worker",
        "message": "Waits for a free worker",
        "position": 1,
        "until": None,
        "since": None,
        "paused_by": None,
        "task_ids": [],
    }

    pause(whole_queue(), actor=make_user(username="maya"), reason="maintenance")
    waiting = api.get(f"/api/v1/tasks/{task_id}").json()["waiting_for"]
    assert (waiting["reason"], waiting["paused_by"]) == ("queue_paused", "maya")
    assert datetime.fromisoformat(waiting["since"]).tzinfo is not None


def test_a_task_that_does_not_wait_says_null(api: ApiClient, automation: Automation) -> None:
    task = make_task(automation=automation, status="success")
    assert api.get(f"/api/v1/tasks/{task.id}").json()["waiting_for"] is None
