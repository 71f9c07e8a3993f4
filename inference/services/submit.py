"""Take one task: the rules of a submission, and its single transaction.

The database is the only judge of duplicates and of idempotency keys. No INSERT is ever allowed to fail for
something expected: PostgreSQL would write the row, and so the parameters, into its own log.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction

from inference.errors import (
    IdempotencyMismatchError,
    QueueFullError,
    ValidationFailedError,
    endpoint_not_found,
    shorten,
)
from inference.models import (
    ACTIVE,
    ANONYMOUS,
    DASHBOARD,
    ApiKey,
    AutomationVersion,
    IdempotencyKey,
    Task,
    sharer_of_key,
)
from inference.models.database_clock import StatementTimestamp
from inference.models.identifiers import uuid7
from inference.services.uploads import take_uploads
from inference.telemetry.spans import traceparent_of_task
from inference.visibility import MAY_USE_SQL, may_use

ALLOCATED = "Task has been allocated"
MERGED = "A task with the same unique parameters is already active; this answer names it and nothing new was started"
REPEATED = "This idempotency key was sent before with the same body; this answer names the task of that time"

# By hand: with each submission, the ORM would spend more time on building it than PostgreSQL on the whole request.
NEWEST_VERSION = f"""
    SELECT v.id, v.automation_id, v.number, v.input_names, v.secure_names, v.max_retries, a.queue_limit
    FROM inference_automation a JOIN inference_automationversion v ON v.automation_id = a.id
    WHERE a.endpoint_name = %(name)s AND a.is_active AND {MAY_USE_SQL}
    ORDER BY v.number DESC
    LIMIT 1
"""  # noqa: S608 - put together from constants

ParameterValues = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Submission:
    """The task that a submission made or met. `duplicate`: it was there before, and nothing was started."""

    task_id: uuid.UUID
    duplicate: bool
    warnings: list[str] = field(default_factory=list)
    message: str = ALLOCATED


@dataclass(frozen=True)
class Idempotency:
    """A client's own key for this submission, and the body that it stands for."""

    owner: str | None
    key: str
    body_sha256: str


def submit_task(
    *,
    endpoint_name: str,
    input_parameters: ParameterValues,
    secure_parameters: ParameterValues | None = None,
    unique_parameter_names: Sequence[str] | None = None,
    idempotency_key: str | None = None,
    body_sha256: str | None = None,
    priority: int | None = None,
    max_timeout_in_minutes: int = 10,
    is_dedicated: bool = False,
    max_parallelism: int | None = None,
    per_login_parallelism: int | None = None,
    use_proxy: bool = False,
    api_key: ApiKey | None,
    user: AbstractBaseUser | None = None,
    previous_task: Task | None = None,
) -> Submission:
    """Store a task for the newest version of `endpoint_name`, or answer with the one that stands for it.

    `body_sha256` identifies the request for its `idempotency_key` (hex). Shapes and bounds are the caller's
    (`serializers.py`); names, combinations and uploaded files are checked here. Raises ValidationFailedError,
    NotFoundError (no such automation, or not this key's), IdempotencyMismatchError, QueueFullError.
    """
    unique_names = list(unique_parameter_names or ())
    check_unique_names(unique_names, input_parameters)
    _check_proxy(use_proxy=use_proxy)
    idempotency = None
    if idempotency_key is not None:
        idempotency = Idempotency(idempotency_owner(api_key), idempotency_key, body_sha256 or "")
        known = _known_submission(idempotency)
        # Before the rules: the same request keeps its answer when the automation has changed since.
        if known is not None:
            _check_visible(known.task_id, api_key=api_key, endpoint_name=endpoint_name)
            return known
    version = newest_version(endpoint_name, api_key)
    check_parameter_names(version, input_parameters, secure_parameters or {})
    task = new_task(
        version,
        input_parameters=input_parameters,
        secure_parameters=secure_parameters or {},
        unique_parameter_names=unique_names,
        endpoint_name=endpoint_name,
        priority=priority,
        max_timeout_in_minutes=max_timeout_in_minutes,
        is_dedicated=is_dedicated,
        max_parallelism=max_parallelism,
        per_login_parallelism=per_login_parallelism,
        use_proxy=use_proxy,
        api_key=api_key,
        sharer=sharer_of(api_key=api_key, user=user),
        previous_task=previous_task,
    )
    limits = queue_limits(task, vars(version)["queue_limit"])
    return _store(task, idempotency, cause_of(api_key=api_key, user=user), limits)


def store_task(task: Task, *, queue_limit: int | None, cause: Mapping[str, Any]) -> Submission:
    """Queue a task made by `new_task`, or answer with the active one that has its dedup key.

    `queue_limit` is its automation's. Raises QueueFullError.
    """
    return _store(task, None, cause, queue_limits(task, queue_limit))


def sharer_of(*, api_key: ApiKey | None, user: AbstractBaseUser | None = None) -> str:
    """With whom a task shares the workers: each key is a sharer, and so are all people, and all who are unknown."""
    if api_key is not None:
        return sharer_of_key(api_key.pk)
    return ANONYMOUS if user is None else DASHBOARD


def new_task(
    version: AutomationVersion,
    *,
    input_parameters: ParameterValues,
    secure_parameters: ParameterValues,
    unique_parameter_names: Sequence[str],
    **request: Any,
) -> Task:
    """The row for a checked request; not stored yet."""
    dedup_key = make_dedup_key(unique_parameter_names, input_parameters)
    return Task(
        id=uuid7(),
        automation_id=version.automation_id,
        version=version,
        input_parameters=dict(input_parameters),
        secure_parameters=dict(secure_parameters),
        unique_parameter_names=list(unique_parameter_names),
        dedup_key=dedup_key,
        dedup_hash=hashlib.sha256(dedup_key.encode()).hexdigest(),
        max_retries=version.max_retries,
        traceparent=traceparent_of_task(),
        **request,
    )


def make_dedup_key(unique_parameter_names: Sequence[str], input_parameters: ParameterValues) -> str:
    """Canonical JSON of the unique parameters (sorted keys, compact), or a random UUID when there are none."""
    if not unique_parameter_names:
        return str(uuid.uuid4())
    unique = {name: list(input_parameters[name]) for name in unique_parameter_names}
    return json.dumps(unique, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def cause_of(*, api_key: ApiKey | None, user: AbstractBaseUser | None = None) -> dict[str, str]:
    """Who asked, as a TaskEvent tells it."""
    if user is not None:
        return {"kind": "user", "id": user.get_username()}
    if api_key is not None:
        return {"kind": "key", "id": api_key.public_id}
    return {"kind": "anonymous"}


def check_unique_names(unique_names: Sequence[str], input_parameters: ParameterValues) -> None:
    """Every unique name once, and a key of the inputs. Raises ValidationFailedError."""
    for position, name in enumerate(unique_names):
        path = f"unique_parameter_names[{position}]"
        if name not in input_parameters:
            message = f"unique_parameter_names contains key '{shorten(name)}' not found in input_parameters"
            raise ValidationFailedError(message, errors={path: [message]})
        if name in unique_names[:position]:
            message = f"unique_parameter_names contains key '{shorten(name)}' more than once"
            raise ValidationFailedError(message, errors={path: [message]})


def check_parameter_names(
    version: AutomationVersion, input_parameters: ParameterValues, secure_parameters: ParameterValues
) -> None:
    """Exactly the declared names. Values are never repeated. Raises ValidationFailedError."""
    # A declared secure parameter that isn't sent falls back to the document's references.
    extra_secure = _without(secure_parameters, version.secure_names)
    found = [
        *_problems(
            "input_parameters",
            "is missing: the automation declares it",
            _without(version.input_names, input_parameters),
        ),
        *_problems(
            "input_parameters", "is not declared by the automation", _without(input_parameters, version.input_names)
        ),
        *_problems("secure_parameters", "is not declared by the automation", extra_secure),
    ]
    if found:
        raise ValidationFailedError(found[0][1], errors={path: [message] for path, message in found})


def _problems(field_name: str, reason: str, names: Iterable[str]) -> list[tuple[str, str]]:
    shown = [shorten(name) for name in names][:20]
    return [(f"{field_name}.{name}", f"{field_name}: parameter '{name}' {reason}") for name in shown]


def _without(names: Iterable[str], others: Iterable[str]) -> list[str]:
    left_out = set(others)
    return [name for name in names if name not in left_out]


def _check_proxy(*, use_proxy: bool) -> None:
    if use_proxy and not settings.BROWSER_PROXY:
        message = "use_proxy cannot be true: no proxy is configured on this server; set BROWSER_PROXY or leave it out"
        raise ValidationFailedError(message, errors={"use_proxy": [message]})


def newest_version(endpoint_name: str, api_key: ApiKey | None) -> AutomationVersion:
    """What a submission runs. Raises NotFoundError: no such automation, inactive, or not this key's."""
    parameters = {"name": endpoint_name, "key": None if api_key is None else api_key.pk}
    for newest in AutomationVersion.objects.raw(NEWEST_VERSION, parameters):
        return newest
    raise endpoint_not_found(endpoint_name)


def _check_visible(task_id: uuid.UUID, *, api_key: ApiKey | None, endpoint_name: str) -> None:
    """A key of the same owner may be restricted to other automations; a pruned task has nothing to hide."""
    if api_key is None or not Task.objects.filter(id=task_id).exists():
        return
    if not Task.objects.filter(may_use(api_key, "automation"), id=task_id).exists():
        raise endpoint_not_found(endpoint_name)


def idempotency_owner(api_key: ApiKey | None) -> str | None:
    """Keys of one person are one owner; anonymous submissions are one owner, too (null)."""
    if api_key is None:
        return None
    return f"user:{api_key.owner_id}" if api_key.owner_id is not None else f"key:{api_key.public_id}"


def _known_submission(idempotency: Idempotency) -> Submission | None:
    """The answer of the first submission with this key; None when there was none within IDEMPOTENCY_DAYS.

    Raises IdempotencyMismatchError when that one had another body.
    """
    known = (
        IdempotencyKey.objects.filter(
            owner=idempotency.owner,
            key=idempotency.key,
            created_at__gt=StatementTimestamp() - timedelta(days=settings.IDEMPOTENCY_DAYS),
        )
        .values_list("body_sha256", "task_id")
        .first()
    )
    if known is None:
        return None
    body_sha256, task_id = known
    if body_sha256 != idempotency.body_sha256:
        raise IdempotencyMismatchError(
            "This idempotency key was used before with another body: send a new key with a new request."
        )
    return Submission(task_id=task_id, duplicate=True, message=REPEATED)


@dataclass(frozen=True)
class QueueLimits:
    """How many tasks of the same key, and of the same automation, may wait; None: any number."""

    key: int | None
    automation: int | None


def queue_limits(task: Task, of_automation: int | None) -> QueueLimits:
    """An operator's number wins over the setting. People in the dashboard are bound by the automation's only."""
    of_key = None if task.api_key is None else task.api_key.queue_limit
    if of_key is None and task.sharer != DASHBOARD:
        of_key = settings.QUEUE_LIMIT_PER_KEY or None
    return QueueLimits(of_key, of_automation or settings.QUEUE_LIMIT_PER_AUTOMATION or None)


def _store(task: Task, idempotency: Idempotency | None, cause: Mapping[str, Any], limits: QueueLimits) -> Submission:
    """One transaction: the idempotency key, the task, its first event; a trigger wakes a worker at commit."""
    while True:
        with transaction.atomic():
            if idempotency is not None and not take_idempotency_keys([(idempotency, task.id)]):
                known = _known_submission(idempotency)
                if known is not None:
                    return known
                continue  # it ran out, or its submission was undone, between the two statements
            winner_id = _insert_or_meet(task, cause, limits)
            if winner_id == task.id:
                take_uploads(task)
                return Submission(task_id=task.id, duplicate=False)
            if idempotency is not None:
                IdempotencyKey.objects.filter(owner=idempotency.owner, key=idempotency.key).update(task_id=winner_id)
            return Submission(task_id=winner_id, duplicate=True, message=MERGED)


def take_idempotency_keys(wanted: Sequence[tuple[Idempotency, uuid.UUID]]) -> set[uuid.UUID]:
    """Write different keys, each with the task that it stands for, or take over those that ran out; the tasks of the
    keys that were had. A racing request with one of them waits here until the first has committed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO inference_idempotencykey AS known (owner, key, body_sha256, task_id, created_at)
            SELECT owner, key, body_sha256, task_id, statement_timestamp()
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::uuid[]) AS wanted (owner, key, body_sha256, task_id)
            ON CONFLICT (owner, key) DO UPDATE
                SET body_sha256 = EXCLUDED.body_sha256, task_id = EXCLUDED.task_id, created_at = EXCLUDED.created_at
                WHERE known.created_at <= statement_timestamp() - make_interval(days => %s)
            RETURNING task_id
            """,
            [
                [each.owner for each, _ in wanted],
                [each.key for each, _ in wanted],
                [each.body_sha256 for each, _ in wanted],
                [task_id for _, task_id in wanted],
                settings.IDEMPOTENCY_DAYS,
            ],
        )
        return {task_id for (task_id,) in cursor.fetchall()}


def _refusal(task: Task, limits: QueueLimits) -> QueueFullError | None:
    """Why there is no room for one more waiting task; None when there is, and then until the transaction ends."""
    if limits.key is None and limits.automation is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inference_full_queue(%s, %s, %s, %s)",
            [task.sharer, limits.key, task.automation_id, limits.automation],
        )
        (full,) = cursor.fetchone()
    if full is None:
        return None
    if full == "automation":
        whose, limit = f"'{shorten(task.endpoint_name)}'", limits.automation
    else:
        whose, limit = ("this API key" if task.api_key_id else "callers without a key"), limits.key
    return QueueFullError(f"Too many tasks of {whose} wait (the limit is {limit}): send it again in a while.")


def _insert_or_meet(task: Task, cause: Mapping[str, Any], limits: QueueLimits) -> uuid.UUID:
    """Store `task`; its id, or that of the active task with its dedup key. Raises QueueFullError."""
    refusal = _refusal(task, limits)
    if refusal is not None:
        # A duplicate adds no task, so it is answered at any length of the queue.
        winner_id = _active_twin(task)
        if winner_id is None:
            raise refusal
        return winner_id
    while not insert_unless_active([task], cause):
        winner_id = _active_twin(task)
        if winner_id is not None:
            return winner_id
        # The winner has ended between the conflict and this look: there is room now.
    return task.id


def _active_twin(task: Task) -> uuid.UUID | None:
    """The active task that a submission of `task` would be merged with."""
    if task.is_dedicated:
        return None
    same = Task.objects.filter(automation_id=task.automation_id, dedup_hash=task.dedup_hash, is_dedicated=False)
    return same.filter(status__in=ACTIVE).values_list("id", flat=True).first()


def insert_unless_active(tasks: Sequence[Task], cause: Mapping[str, Any]) -> set[uuid.UUID]:
    """Insert the rows and their first events, in this order; the ids of those whose dedup key no active task has."""
    # Columns with a default of the database (its clock) are left to it.
    fields = [each for each in Task._meta.concrete_fields if not each.has_db_default()]
    names = ", ".join(connection.ops.quote_name(str(each.column)) for each in fields)
    statement = f"""
        WITH stored AS (
            INSERT INTO inference_task ({names})
            SELECT {names} FROM jsonb_populate_recordset(NULL::inference_task, %s::jsonb)
            ON CONFLICT DO NOTHING RETURNING id
        )
        INSERT INTO inference_taskevent (task_id, kind, status, cause, data)
        SELECT id, 'status', 'queued', %s::jsonb, '{{}}' FROM stored
        RETURNING task_id
    """  # noqa: S608 - names of our own columns; every value is a parameter
    rows = [{str(each.column): getattr(task, each.attname) for each in fields} for task in tasks]
    with connection.cursor() as cursor:
        cursor.execute(statement, [json.dumps(rows, default=str), json.dumps(dict(cause))])
        return {task_id for (task_id,) in cursor.fetchall()}
