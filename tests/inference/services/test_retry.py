"""The same request once more."""

import pytest

from inference.errors import NotFoundError, TaskActiveError, ValidationFailedError
from inference.models import IdempotencyKey, Task, TaskEvent
from inference.services.retry import retry_task
from tests.factories import make_automation, make_key, make_task, make_user, make_version

pytestmark = pytest.mark.django_db


def test_retry_runs_the_newest_version_with_the_same_request() -> None:
    automation = make_automation()
    task = make_task(automation=automation, status="failed", max_parallelism=2, is_dedicated=True, priority=9)
    newest = make_version(automation)
    maya = make_user(username="maya")

    submission = retry_task(task=task, user=maya)

    again = Task.objects.get(id=submission.task_id)
    assert submission.duplicate is False
    assert (again.version, again.previous_task, again.status) == (newest, task, "queued")
    assert (again.max_parallelism, again.is_dedicated, again.priority) == (2, True, 9)
    assert again.input_parameters == task.input_parameters
    assert TaskEvent.objects.get(task=again).cause == {"kind": "user", "id": "maya"}
    assert IdempotencyKey.objects.count() == 0


def test_retry_keeps_the_key_under_which_its_client_looks_for_it() -> None:
    key, _ = make_key()
    task = make_task(status="failed", api_key=key)

    again = Task.objects.get(id=retry_task(task=task, user=make_user()).task_id)

    assert again.api_key == key


def test_retry_meets_an_active_task_with_the_same_unique_parameters() -> None:
    automation = make_automation()
    ended = make_task(automation=automation, status="failed", unique_parameter_names=["patient_id"])
    active = make_task(automation=automation, unique_parameter_names=["patient_id"])

    submission = retry_task(task=ended, cause={"kind": "user", "id": "maya"})

    assert (submission.task_id, submission.duplicate) == (active.id, True)
    assert Task.objects.count() == 2


@pytest.mark.parametrize("status", ["queued", "allocated", "running"])
def test_active_task_is_not_retried(status: str) -> None:
    with pytest.raises(TaskActiveError):
        retry_task(task=make_task(status=status))


def test_task_of_an_inactive_automation_is_not_retried() -> None:
    automation = make_automation(is_active=False)

    with pytest.raises(NotFoundError):
        retry_task(task=make_task(automation=automation, status="failed"))


def test_task_is_not_retried_with_parameters_that_the_newest_version_does_not_declare() -> None:
    automation = make_automation(inputs=["patient_id", "payer"])
    task = make_task(automation=automation, status="failed")
    make_version(automation)  # declares patient_id only

    with pytest.raises(ValidationFailedError, match="parameter 'payer' is not declared"):
        retry_task(task=task)
