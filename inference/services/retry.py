"""The same request once more, as a new task."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from inference.errors import OutcomeError, TaskActiveError, endpoint_not_found
from inference.models import ApiKey, Task
from inference.services.submit import (
    Submission,
    cause_of,
    check_parameter_names,
    new_task,
    sharer_of,
    store_task,
)


def retry_task(
    *,
    task: Task,
    cause: Mapping[str, Any] | None = None,
    api_key: ApiKey | None = None,
    user: AbstractBaseUser | None = None,
    is_confirmed: bool = False,
) -> Submission:
    """Queue a new task with the inputs of `task`, linked to it, for the newest version of its automation.

    Its idempotency key is not copied. An active task with the same unique parameters is answered as the duplicate
    that it is. Raises TaskActiveError (it has not ended), OutcomeError (an act of it was not seen to finish, and nobody
    has decided what became of it; or it happened, and `is_confirmed` is false), NotFoundError (its automation is
    inactive), ValidationFailedError (the newest version declares other parameters) and QueueFullError.
    """
    if not task.has_ended:
        raise TaskActiveError(f"Task {task.id} has not ended yet: cancel it first, or wait for its end.")
    _check_outcome(task, is_confirmed=is_confirmed)
    automation = task.automation
    version = automation.versions.defer("document", "note").first()
    if not automation.is_active or version is None:
        raise endpoint_not_found(task.endpoint_name)
    check_parameter_names(version, task.input_parameters, task.secure_parameters)
    key = api_key or task.api_key
    again = new_task(
        version,
        input_parameters=task.input_parameters,
        secure_parameters=task.secure_parameters,
        unique_parameter_names=task.unique_parameter_names,
        endpoint_name=automation.endpoint_name,
        priority=task.priority,
        max_timeout_in_minutes=task.max_timeout_in_minutes,
        is_dedicated=task.is_dedicated,
        max_parallelism=task.max_parallelism,
        per_login_parallelism=task.per_login_parallelism,
        use_proxy=task.use_proxy,
        api_key=key,
        # Whoever runs it again, it goes on using the share of the key that it was sent with.
        sharer=sharer_of(api_key=key, user=user),
        previous_task=task,
    )
    return store_task(again, queue_limit=automation.queue_limit, cause=cause or cause_of(api_key=api_key, user=user))


def _check_outcome(task: Task, *, is_confirmed: bool) -> None:
    if task.needs_review:
        raise OutcomeError(
            f"Task {task.id} needs review: an act of it was begun and not seen to finish. "
            f"Decide first whether it happened, with POST /api/v1/tasks/{task.id}/review or in the dashboard."
        )
    if task.outcome_unknown and task.review and task.review.get("happened") and not is_confirmed:
        raise OutcomeError(
            f"Task {task.id} was decided to have happened: running it again would do it twice. "
            'Send {"confirm": true} to do so.'
        )
