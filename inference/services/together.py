"""Store many plain submissions in one transaction: what a submission costs most is its commit, and its round trips."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from inference.errors import NotFoundError, ValidationFailedError
from inference.models import ApiKey, AutomationVersion, Task
from inference.models.identifiers import uuid7
from inference.services.submit import (
    Idempotency,
    QueueLimits,
    cause_of,
    check_parameter_names,
    check_unique_names,
    idempotency_owner,
    insert_unless_active,
    new_task,
    newest_version,
    queue_limits,
    sharer_of,
    take_idempotency_keys,
)
from inference.services.uploads import names_an_upload

# The tasks of one call wait in one line and have one priority. So calls that run side by side take the same locks in
# the same order: the line with the first row, then the dedup keys by their hashes. Of two that waited for each other
# one would be ended with an error.
_OTHER_LINES = ("is_dedicated", "max_parallelism", "per_login_parallelism")


class _NotPlainError(Exception):
    """Something has to be undone that was stored in this transaction."""


def may_be_stored_together(request: Mapping[str, Any]) -> bool:
    """Whether a submission (keywords of `submit_task`) can be plain; the rest is seen beside its automation."""
    has_line_of_its_own = any(request.get(name) for name in _OTHER_LINES)
    return not has_line_of_its_own and not request.get("use_proxy") and not names_an_upload(request["input_parameters"])


def submit_together(requests: Sequence[Mapping[str, Any]], *, api_key: ApiKey) -> list[UUID | None]:
    """The ids of the new tasks of `requests`, in order. Those are keywords of `submit_task` that
    `may_be_stored_together`, all for one automation and with one priority.

    None for a submission that was not stored, as it takes more than an INSERT: a wrong name, a duplicate, a known
    idempotency key, a limit. `submit_task` has the answer to it.
    """
    nothing: list[UUID | None] = [None] * len(requests)
    try:
        version = newest_version(requests[0]["endpoint_name"], api_key)
    except NotFoundError:
        return nothing
    plain = {
        position: _task(request, version, api_key)
        for position, request in enumerate(requests)
        if _is_plain(request, version)
    }
    # They are created at one instant: among each other, they run in the order of their ids.
    for task, task_id in zip(plain.values(), sorted(uuid7() for _ in plain), strict=True):
        task.id = task_id
    if not plain or _is_limited(next(iter(plain.values())), version):
        return nothing
    try:
        stored = _store(plain, requests, api_key)
    except _NotPlainError:
        return nothing
    return [plain[position].id if position in stored else None for position in range(len(requests))]


def _is_plain(request: Mapping[str, Any], version: AutomationVersion) -> bool:
    parameters = request["input_parameters"]
    try:
        check_unique_names(request.get("unique_parameter_names") or (), parameters)
        check_parameter_names(version, parameters, request.get("secure_parameters") or {})
    except ValidationFailedError:
        return False
    return True


def _task(request: Mapping[str, Any], version: AutomationVersion, api_key: ApiKey) -> Task:
    of_idempotency = ("idempotency_key", "body_sha256")
    rest = {name: value for name, value in request.items() if name not in of_idempotency}
    rest = {"secure_parameters": {}, "unique_parameter_names": (), **rest}
    return new_task(version, **rest, api_key=api_key, sharer=sharer_of(api_key=api_key))


def _is_limited(task: Task, version: AutomationVersion) -> bool:
    return queue_limits(task, vars(version)["queue_limit"]) != QueueLimits(None, None)


def _store(plain: Mapping[int, Task], requests: Sequence[Mapping[str, Any]], api_key: ApiKey) -> set[int]:
    """The positions of those that are stored now. Raises _NotPlainError when one that took its idempotency key was
    not: the key stands for another task then."""
    keys = _idempotency_keys(plain, requests, api_key)
    if not keys:
        return _insert(plain, api_key)
    with transaction.atomic():
        in_order = sorted(keys, key=lambda position: keys[position].key)
        taken = take_idempotency_keys([(keys[each], plain[each].id) for each in in_order])
        had = {position for position in keys if plain[position].id in taken}
        free = {each: task for each, task in plain.items() if not requests[each].get("idempotency_key") or each in had}
        stored = _insert(free, api_key)
        if had - stored:
            raise _NotPlainError
        return stored


def _idempotency_keys(
    plain: Mapping[int, Task], requests: Sequence[Mapping[str, Any]], api_key: ApiKey
) -> dict[int, Idempotency]:
    """By position; the first of several requests with the same key."""
    first: dict[str, int] = {}
    for position in plain:
        key = requests[position].get("idempotency_key")
        if key is not None:
            first.setdefault(key, position)
    owner = idempotency_owner(api_key)
    return {
        position: Idempotency(owner, key, requests[position].get("body_sha256") or "")
        for key, position in first.items()
    }


def _insert(tasks: Mapping[int, Task], api_key: ApiKey) -> set[int]:
    if not tasks:
        return set()
    in_order = sorted(tasks, key=lambda position: tasks[position].dedup_hash)
    stored = insert_unless_active([tasks[each] for each in in_order], cause_of(api_key=api_key))
    return {position for position, task in tasks.items() if task.id in stored}
