"""One factory per model: rows as the server itself would write them, with what the test cares about in keywords.

They need a database (`django_db`). Instants are the database's; a state other than queued is reached by the same
statements in the same order as in life, so the guards of migration 0002 hold here, too.
"""

import hashlib
import itertools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest

from inference.encryption import seal
from inference.models import (
    ENDED,
    ApiKey,
    Artifact,
    Attempt,
    Automation,
    AutomationVersion,
    LoginSession,
    PersonRequest,
    Scope,
    Step,
    StepStatus,
    Task,
    TaskEvent,
    TaskStatus,
    WorkerHost,
)
from inference.models.database_clock import StatementTimestamp
from inference.services.api_keys import create_api_key
from inference.services.submit import make_dedup_key

_numbers = itertools.count(1)


def a_document(
    *,
    inputs: Sequence[str] = ("patient_id",),
    nodes: Sequence[Mapping[str, Any]] = ({"type": "action_node", "sleep_action": {"sleep_time": 0}},),
    url: str = "http://demo.localhost:8765/",
    **fields: Any,
) -> dict[str, Any]:
    """A small valid automation document that declares `inputs`."""
    return {
        "url": url,
        "parameters": {
            "input_parameters": {name: ["example"] for name in inputs},
            "generated_parameters": {},
        },
        "nodes": [dict(node) for node in nodes],
        **fields,
    }


PASS_PHRASE = "a long pass phrase"


def make_user(*, username: str | None = None, password: str = PASS_PHRASE, **fields: Any) -> User:
    """A person; `is_staff` and `is_superuser` as keywords."""
    return User.objects.create_user(username or f"person{next(_numbers)}", password=password, **fields)


def make_automation(
    *,
    endpoint_name: str | None = None,
    document: Mapping[str, Any] | None = None,
    inputs: Sequence[str] = ("patient_id",),
    is_active: bool = True,
    author: User | None = None,
    note: str = "",
    **fields: Any,
) -> Automation:
    """An automation with one version."""
    automation = Automation.objects.create(
        endpoint_name=endpoint_name or f"automation-{next(_numbers)}", is_active=is_active, **fields
    )
    make_version(automation, document=document or a_document(inputs=inputs), author=author, note=note)
    return automation


def make_version(
    automation: Automation,
    *,
    document: Mapping[str, Any] | None = None,
    author: User | None = None,
    note: str = "",
) -> AutomationVersion:
    """One more version of `automation`, which is the newest from then on."""
    document = document or a_document()
    parameters = document["parameters"]
    newest = automation.versions.first()
    return AutomationVersion.objects.create(
        automation=automation,
        number=1 if newest is None else newest.number + 1,
        document=document,
        input_names=list(parameters["input_parameters"]),
        secure_names=list(parameters.get("secure_parameters", {})),
        step_count=sum(node.get("type", "action_node") == "action_node" for node in document["nodes"]),
        max_retries=max(0, document.get("max_retries", 0)),
        author=author,
        note=note,
    )


def make_key(
    *,
    name: str | None = None,
    scopes: Iterable[str] = (Scope.SUBMIT, Scope.READ, Scope.MANAGE),
    owner: User | None = None,
    automations: Iterable[Automation] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A key, and the text to send."""
    return create_api_key(
        name=name or f"key {next(_numbers)}",
        scopes=scopes,
        owner=owner,
        automations=automations,
        expires_at=expires_at,
        actor="test",
    )


def make_task(
    *,
    automation: Automation | None = None,
    status: str = TaskStatus.QUEUED,
    input_parameters: Mapping[str, Sequence[Any]] | None = None,
    unique_parameter_names: Sequence[str] = (),
    api_key: ApiKey | None = None,
    error: str | None = None,
    worker: str = "test-host:1:1",
    **fields: Any,
) -> Task:
    """A task of the newest version in any state; `fields` are columns (priority, output_data, max_retries, ...)."""
    automation = automation or make_automation()
    version = automation.versions.all()[0]
    if input_parameters is None:
        input_parameters = {name: ["A-1001"] for name in version.input_names}
    dedup_key = make_dedup_key(unique_parameter_names, input_parameters)
    task = Task.objects.create(
        automation=automation,
        version=version,
        endpoint_name=automation.endpoint_name,
        input_parameters=input_parameters,
        unique_parameter_names=list(unique_parameter_names),
        dedup_key=dedup_key,
        dedup_hash=hashlib.sha256(dedup_key.encode()).hexdigest(),
        api_key=api_key,
        **{"max_retries": version.max_retries, **fields},
    )
    _record(
        task,
        TaskStatus.QUEUED,
        {"kind": "key", "id": api_key.public_id} if api_key else {"kind": "anonymous"},
    )
    _bring_to(task, status, error=error, worker=worker)
    task.refresh_from_db()
    return task


def make_tasks(count: int, *, automation: Automation, **fields: Any) -> list[Task]:
    """Many queued tasks of one instant, each with a dedup key of its own; in their order in the queue."""
    version = automation.versions.all()[0]
    tasks = []
    for _ in range(count):
        dedup_key = str(uuid.uuid4())
        tasks.append(
            Task(
                automation=automation,
                version=version,
                endpoint_name=automation.endpoint_name,
                dedup_key=dedup_key,
                dedup_hash=hashlib.sha256(dedup_key.encode()).hexdigest(),
                **fields,
            )
        )
    return sorted(Task.objects.bulk_create(tasks), key=lambda task: task.id)


def make_attempt(task: Task, *, number: int | None = None, worker: str = "test-host:1:1", **fields: Any) -> Attempt:
    """One more try at `task`, with its present token."""
    return Attempt.objects.create(
        task=task,
        number=number or task.attempts.count() + 1,
        token=task.lease_token,
        host=worker.partition(":")[0],
        worker=worker,
        **fields,
    )


def make_step(task: Task, *, label: str = "Click “Save”", status: str = StepStatus.SUCCESS, **fields: Any) -> Step:
    """One more step of the task's newest attempt."""
    attempt = fields.pop("attempt", None) or max(1, task.attempts.count())
    position = fields.pop("position", None)
    if position is None:
        position = Step.objects.filter(task=task, attempt=attempt).count()
    values: dict[str, Any] = {
        "index": position + 1,
        "path": f"nodes[{position}]",
        "kind": "click_element",
        "duration_ms": None if status == StepStatus.RUNNING else 120,
        **fields,
    }
    return Step.objects.create(task=task, attempt=attempt, position=position, label=label, status=status, **values)


def make_person_request(
    task: Task, *, question: str = "Approve the sign-in", seconds: float = 300, **fields: Any
) -> PersonRequest:
    """A question of a running task's newest attempt, asked by its newest step."""
    newest = Step.objects.filter(task=task).order_by("attempt", "position").last()
    values = {
        "attempt": max(1, task.attempts.count()),
        "step_position": 0 if newest is None else newest.position,
        "deadline": StatementTimestamp() + timedelta(seconds=seconds),
        **fields,
    }
    request = PersonRequest.objects.create(task=task, question=question, **values)
    request.refresh_from_db()
    return request


def make_artifact(
    task: Task,
    *,
    content: bytes = b"%PDF-1.4 a small file",
    kind: str = Artifact.Kind.DOWNLOAD,
    filename: str = "claim.pdf",
    content_type: str = "application/pdf",
    **fields: Any,
) -> Artifact:
    """A stored file of `task`; its bytes are in the storage."""
    artifact_id = uuid.uuid4()
    storage_name = default_storage.save(f"tests/{task.id}/{artifact_id}", ContentFile(content))
    return Artifact.objects.create(
        id=artifact_id,
        task=task,
        kind=kind,
        filename=filename,
        content_type=content_type,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        storage_name=storage_name,
        **fields,
    )


def make_login_session(
    task: Task, *, state: bytes = b"a browser state", expires_in_seconds: float = 86400, **fields: Any
) -> LoginSession:
    """A stored session of the task's login, as if that task had ended well; sealed as the server does it."""
    state_id = uuid.uuid4()
    about = f"inference_loginsession:{task.automation_id}:{task.dedup_hash}:{state_id}"
    session = LoginSession.objects.create(
        automation=task.automation,
        login=task.dedup_hash,
        state_id=state_id,
        sealed=seal(state, about=about),
        task_id=task.id,
        expires_at=StatementTimestamp() + timedelta(seconds=expires_in_seconds),
        **{"host": "test-host", "size_bytes": len(state), **fields},
    )
    session.refresh_from_db()
    return session


def make_worker_host(*, owner: str | None = None, seconds_ago: float = 0, **fields: Any) -> WorkerHost:
    """A worker process that reported itself `seconds_ago`."""
    owner = owner or f"test-host:{next(_numbers)}:1"
    host = WorkerHost.objects.create(owner=owner, **{"host": "test-host", "pid": next(_numbers), **fields})
    if seconds_ago:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE inference_workerhost SET seen_at = statement_timestamp() - make_interval(secs => %s) "
                "WHERE owner = %s",
                [seconds_ago, owner],
            )
        host.refresh_from_db()
    return host


def end_task(task: Task, status: str = TaskStatus.SUCCESS, *, error: str | None = None, **results: Any) -> None:
    """Bring an active task to an end state; `results` are columns (output_data, ...)."""
    _bring_to(task, status, error=error, worker="test-host:1:1", **results)
    task.refresh_from_db()


def _bring_to(task: Task, status: str, *, error: str | None, worker: str, **results: Any) -> None:
    row = Task.objects.filter(id=task.id)
    present = row.values_list("status", flat=True).get()
    if status == TaskStatus.CANCELLED and present == TaskStatus.QUEUED:
        row.update(status=status, completed_at=_after("created_at"))
        _record(task, status, {"kind": "test"})
        return
    if present == TaskStatus.QUEUED and status != TaskStatus.QUEUED:
        _allocate(task, worker)
        present = TaskStatus.ALLOCATED
    if present == TaskStatus.ALLOCATED and status in (TaskStatus.RUNNING, *ENDED):
        row.update(status=TaskStatus.RUNNING, started_at=_after("allocated_at"))
        Attempt.objects.filter(task=task).update(started_at=StatementTimestamp())
        _record(task, TaskStatus.RUNNING, {"kind": "worker", "id": worker})
    if status in ENDED:
        row.update(status=status, error=error, completed_at=_after("created_at", "started_at"), **results)
        Attempt.objects.filter(task=task).update(ended_at=StatementTimestamp(), cause=status, error=error)
        _record(task, status, {"kind": "worker", "id": worker})


def _allocate(task: Task, worker: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_task SET status = 'allocated', lease_owner = %s, lease_token = lease_token + 1, "
            "allocated_at = GREATEST(statement_timestamp(), created_at), "
            "lease_expires_at = statement_timestamp() + interval '10 minutes' WHERE id = %s",
            [worker, task.id],
        )
    task.refresh_from_db()
    make_attempt(task, worker=worker)
    _record(task, TaskStatus.ALLOCATED, {"kind": "worker", "id": worker})


def _after(*columns: str) -> Greatest:
    return Greatest(StatementTimestamp(), *(F(column) for column in columns))


def _record(task: Task, status: str, cause: Mapping[str, Any]) -> None:
    TaskEvent.objects.create(task=task, kind="status", status=status, cause=dict(cause))
