"""How much may wait: per key and per automation, exact, and never against what adds no task."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from inference.errors import QueueFullError
from inference.models import ApiKey, Automation, IdempotencyKey, Task, TaskStatus
from inference.services.retry import retry_task
from inference.services.submit import Submission, submit_task
from tests.factories import end_task, make_automation, make_key, make_task, make_tasks, make_user

pytestmark = pytest.mark.django_db


def a_key(limit: int | None = None) -> ApiKey:
    key, _ = make_key()
    ApiKey.objects.filter(pk=key.pk).update(queue_limit=limit)
    key.refresh_from_db()
    return key


def submit(automation: Automation, key: ApiKey | None = None, *, patient: str = "A-1", **fields: Any) -> Submission:
    return submit_task(
        endpoint_name=automation.endpoint_name, input_parameters={"patient_id": [patient]}, api_key=key, **fields
    )


def test_a_key_may_have_as_many_tasks_waiting_as_its_limit_says() -> None:
    automation, key = make_automation(), a_key(limit=2)
    submit(automation, key)
    submit(automation, key)
    with pytest.raises(QueueFullError, match=r"^Too many tasks of this API key wait \(the limit is 2\)") as refused:
        submit(automation, key)
    assert refused.value.retry_after == 10
    submit(automation, a_key(limit=2))
    assert Task.objects.count() == 3


def test_what_has_started_or_ended_leaves_room() -> None:
    automation, key = make_automation(), a_key(limit=1)
    task = make_task(automation=automation, api_key=key)
    with pytest.raises(QueueFullError):
        submit(automation, key)
    end_task(task)
    submit(automation, key)


def test_an_automation_may_have_as_many_tasks_waiting_as_its_limit_says() -> None:
    automation = make_automation(queue_limit=2)
    submit(automation, a_key())
    submit(automation, user=make_user())
    with pytest.raises(QueueFullError, match=rf"^Too many tasks of '{automation.endpoint_name}' wait"):
        submit(automation)
    submit(make_automation())


def test_settings_are_the_limits_of_those_without_one_of_their_own(settings: Any) -> None:
    settings.QUEUE_LIMIT_PER_KEY, settings.QUEUE_LIMIT_PER_AUTOMATION = 1, 3
    automation = make_automation()
    key, larger = a_key(), a_key(limit=2)
    submit(automation, key)
    with pytest.raises(QueueFullError, match="this API key"):
        submit(automation, key)
    submit(automation, larger)
    submit(automation, larger)
    with pytest.raises(QueueFullError, match="this API key"):
        submit(automation, larger)
    with pytest.raises(QueueFullError, match=automation.endpoint_name):
        submit(automation)


def test_callers_without_a_key_share_one_limit_and_people_have_none(settings: Any) -> None:
    settings.QUEUE_LIMIT_PER_KEY = 1
    automation = make_automation()
    submit(automation)
    with pytest.raises(QueueFullError, match="callers without a key"):
        submit(automation)
    submit(automation, user=make_user())
    submit(automation, user=make_user())


def test_a_duplicate_is_answered_at_any_length_of_the_queue() -> None:
    automation, key = make_automation(), a_key(limit=1)
    first = submit(automation, key, unique_parameter_names=["patient_id"])
    again = submit(automation, key, unique_parameter_names=["patient_id"], idempotency_key="k", body_sha256="b")
    assert (again.task_id, again.duplicate) == (first.task_id, True)
    assert IdempotencyKey.objects.get().task_id == first.task_id
    with pytest.raises(QueueFullError):
        submit(automation, key, unique_parameter_names=["patient_id"], is_dedicated=True)


def test_a_repeated_idempotency_key_is_answered_at_any_length_of_the_queue() -> None:
    automation, key = make_automation(), a_key(limit=1)
    first = submit(automation, key, idempotency_key="k", body_sha256="b")
    again = submit(automation, key, idempotency_key="k", body_sha256="b")
    assert (again.task_id, again.duplicate) == (first.task_id, True)


def test_a_refusal_keeps_nothing_so_the_same_request_is_taken_later() -> None:
    automation, key = make_automation(), a_key(limit=1)
    task = make_task(automation=automation, api_key=key)
    with pytest.raises(QueueFullError):
        submit(automation, key, idempotency_key="k", body_sha256="b")
    assert not IdempotencyKey.objects.exists()
    end_task(task)
    assert not submit(automation, key, idempotency_key="k", body_sha256="b").duplicate


def test_running_again_counts_as_a_submission() -> None:
    key = a_key(limit=1)
    ended = make_task(status=TaskStatus.FAILED, api_key=key)
    make_task(automation=ended.automation, api_key=key)
    with pytest.raises(QueueFullError):
        retry_task(task=ended, user=make_user())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("whose", "limit", "waiting"), [("key", 20, 0), ("automation", 20, 0), ("key", 150, 30)])
def test_racing_submissions_never_pass_a_limit(whose: str, limit: int, waiting: int) -> None:
    """The last: they begin so far from the limit that they need not pass one by one, and end there."""
    automation = make_automation(queue_limit=limit if whose == "automation" else None)
    key = a_key(limit=limit if whose == "key" else None)
    make_tasks(waiting, automation=automation, api_key=key)
    start = threading.Barrier(8)

    def send(_: int) -> int:
        start.wait()
        taken = 0
        try:
            for _ in range(limit // 8 + 2):
                try:
                    submit(automation, key)
                    taken += 1
                except QueueFullError:
                    continue
            return taken
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert waiting + sum(pool.map(send, range(8))) == limit
    assert Task.objects.count() == limit
