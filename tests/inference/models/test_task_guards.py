"""What the database refuses, whoever writes."""

import uuid

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from inference.models import (
    ENDED,
    AuditEvent,
    AutomationVersion,
    ConcurrencySlot,
    IdempotencyKey,
    Task,
    TaskEvent,
    TaskStatus,
)
from inference.models.database_clock import StatementTimestamp
from tests.factories import end_task, make_automation, make_key, make_task

pytestmark = pytest.mark.django_db

LEGAL = {
    ("queued", "allocated"),
    ("queued", "cancelled"),
    ("allocated", "running"),
    ("allocated", "queued"),
    ("allocated", "cancelled"),
    ("allocated", "killed"),
    ("running", "queued"),
    ("running", "success"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("running", "killed"),
}
ILLEGAL = [
    (old, new) for old in TaskStatus.values for new in TaskStatus.values if old != new and (old, new) not in LEGAL
]


@pytest.mark.parametrize(("old", "new"), ILLEGAL)
def test_no_other_transition_is_possible(old: str, new: str) -> None:
    task = make_task(status=old)
    values = {
        "status": new,
        "allocated_at": None if new == "queued" else StatementTimestamp(),
        "started_at": None if new in ("queued", "allocated") else StatementTimestamp(),
        "completed_at": StatementTimestamp() if new in ENDED else None,
        "lease_owner": "w" if new in ("allocated", "running") else None,
        "lease_expires_at": StatementTimestamp() if new in ("allocated", "running") else None,
    }
    with pytest.raises(IntegrityError, match=r"cannot go from|has ended and is frozen"), transaction.atomic():
        Task.objects.filter(id=task.id).update(**values)


@pytest.mark.parametrize("status", ENDED)
@pytest.mark.parametrize(
    "change",
    [
        {"error": "rewritten"},
        {"completed_at": None},
        {"started_at": None},
        {"input_parameters": {"patient_id": ["other"]}},
        {"secure_parameters": {"password": []}},
        {"dedup_hash": "0" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_ended_task_is_frozen(status: str, change: dict[str, object]) -> None:
    task = make_task(status=status)
    if next(iter(change)) == "started_at" and task.started_at is None:
        change = {"allocated_at": StatementTimestamp()}
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        Task.objects.filter(id=task.id).update(**change)


def test_result_notes_and_review_of_an_ended_task_may_still_be_written() -> None:
    task = make_task(status=TaskStatus.FAILED)
    changed = Task.objects.filter(id=task.id).update(output_data=[{"text": "late"}], notes="n", review={"sent": True})
    assert changed == 1


def test_an_ended_task_may_be_deleted_with_all_that_belongs_to_it() -> None:
    task = make_task(status=TaskStatus.SUCCESS)
    task.delete()
    assert not TaskEvent.objects.filter(task_id=task.id).exists()


def test_two_active_tasks_cannot_have_one_dedup_key() -> None:
    automation = make_automation()
    make_task(automation=automation, unique_parameter_names=["patient_id"])
    with pytest.raises(IntegrityError, match="task_one_active_per_dedup_key"), transaction.atomic():
        make_task(automation=automation, unique_parameter_names=["patient_id"])


def test_an_ended_or_a_dedicated_task_leaves_room_for_another() -> None:
    automation = make_automation()
    end_task(make_task(automation=automation, unique_parameter_names=["patient_id"]))
    make_task(automation=automation, unique_parameter_names=["patient_id"])
    make_task(automation=automation, unique_parameter_names=["patient_id"], is_dedicated=True)
    make_task(automation=automation, unique_parameter_names=["patient_id"], is_dedicated=True)
    assert automation.tasks.count() == 4


@pytest.mark.parametrize(
    "values",
    [
        {"status": "paused"},
        {"max_timeout_in_minutes": 0},
        {"max_timeout_in_minutes": 241},
        {"use_proxy": True, "is_dedicated": True},
        {"completed_at": StatementTimestamp()},
        {"lease_owner": "nobody"},
        {"allocated_at": F("created_at")},
    ],
    ids=lambda values: ",".join(values),
)
def test_a_queued_row_that_cannot_be_true_is_refused(values: dict[str, object]) -> None:
    task = make_task()
    with pytest.raises(IntegrityError), transaction.atomic():
        Task.objects.filter(id=task.id).update(**values)


def test_instants_cannot_go_backwards() -> None:
    task = make_task(status=TaskStatus.ALLOCATED)
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="never_go_backwards"), transaction.atomic():
        cursor.execute(
            "UPDATE inference_task SET allocated_at = created_at - interval '1 second' WHERE id = %s", [task.id]
        )


def test_nothing_ends_before_it_was_taken() -> None:
    task = make_task(status=TaskStatus.ALLOCATED)
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="never_go_backwards"), transaction.atomic():
        cursor.execute(
            "UPDATE inference_task SET status = 'cancelled', completed_at = statement_timestamp(),"
            " allocated_at = statement_timestamp() + interval '1 hour' WHERE id = %s",
            [task.id],
        )


@pytest.mark.parametrize("status", [status for status in TaskStatus.values if status != TaskStatus.QUEUED])
def test_a_task_begins_as_queued(status: str) -> None:
    task = make_task(status=status)
    task.pk, task.dedup_hash = uuid.uuid4(), "0" * 64
    with pytest.raises(IntegrityError, match=f"cannot begin as {status}"), transaction.atomic():
        task.save(force_insert=True)


def test_the_fencing_token_only_grows() -> None:
    task = make_task(status=TaskStatus.RUNNING)
    with pytest.raises(IntegrityError, match="cannot fall"), transaction.atomic():
        Task.objects.filter(id=task.id).update(lease_token=0)


def test_versions_events_and_audit_rows_never_change() -> None:
    task = make_task()
    audit = AuditEvent.objects.create(actor="maya", act="key.create", target="k")
    for change in (
        lambda: AutomationVersion.objects.filter(id=task.version_id).update(document={}),
        lambda: TaskEvent.objects.filter(task=task).update(kind="other"),
        lambda: AuditEvent.objects.filter(id=audit.id).update(actor="somebody else"),
        lambda: AuditEvent.objects.filter(id=audit.id).delete(),
    ):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            change()


def test_one_active_automation_per_name() -> None:
    make_automation(endpoint_name="claims", is_active=False)
    make_automation(endpoint_name="claims")
    with pytest.raises(IntegrityError, match="automation_name_unique_among_active"), transaction.atomic():
        make_automation(endpoint_name="claims")


def test_a_key_needs_a_known_scope_and_worker_excludes_submit() -> None:
    key, _ = make_key()
    for scopes in ([], ["admin"], ["worker", "submit"]):
        with pytest.raises(IntegrityError), transaction.atomic():
            type(key).objects.filter(id=key.id).update(scopes=scopes)


def test_anonymous_submissions_are_one_owner_of_idempotency_keys() -> None:
    IdempotencyKey.objects.create(owner=None, key="k", body_sha256="a" * 64)
    IdempotencyKey.objects.create(owner="user:1", key="k", body_sha256="a" * 64)
    with pytest.raises(IntegrityError), transaction.atomic():
        IdempotencyKey.objects.create(owner=None, key="k", body_sha256="b" * 64)


@pytest.mark.parametrize("end", ["success", "failed", "cancelled", "killed"])
def test_every_end_gives_the_slots_back(end: str) -> None:
    ConcurrencySlot.objects.create(key="automation:1", running=2)
    task = make_task(status=TaskStatus.RUNNING)
    Task.objects.filter(id=task.id).update(held_slots=["automation:1"])
    end_task(task, end)
    assert ConcurrencySlot.objects.get().running == 1
    assert task.held_slots == []
    assert task.lease_owner is None
