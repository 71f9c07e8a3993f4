"""Stored sessions in the database: whose they are, who may write them, when they end."""

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from inference.models import AuditEvent, LoginSession, Task
from inference.models.database_clock import StatementTimestamp
from inference.services.login_sessions import (
    SessionUnusableError,
    delete_expired_sessions,
    drop_session,
    forget_session,
    load_session,
    save_session,
)
from tests.factories import end_task, make_automation, make_login_session, make_task, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def running(who: str = "maya", task: Task | None = None) -> Task:
    """A running task of a login; with `task`, another one of the same login."""
    return make_task(
        automation=None if task is None else task.automation,
        status="running",
        is_dedicated=True,
        input_parameters={"patient_id": [who]},
        unique_parameter_names=["patient_id"],
    )


def save(task: Task, state: bytes = b"state", token: int | None = None) -> uuid.UUID | None:
    return save_session(
        task=task, token=task.lease_token if token is None else token, state=state, size_bytes=len(state)
    )


def test_the_next_task_of_the_login_finds_what_was_saved() -> None:
    task = running()
    state_id = save(task, b"cookies")
    found = load_session(task=running(task=task))
    assert found is not None
    assert (found.state, found.state_id, found.host) == (b"cookies", state_id, "test-host:1:1")
    assert 0 <= found.age_seconds < 60
    assert load_session(task=running("omar", task)) is None
    assert load_session(task=running()) is None  # the same values of another automation


def test_what_is_stored_can_be_read_by_nobody_without_the_key() -> None:
    task = running()
    save(task, b"a cookie that is a secret")
    with connection.cursor() as cursor:
        cursor.execute("SELECT inference_loginsession::text FROM inference_loginsession")
        row = cursor.fetchone()[0]
    assert b"cookie".hex() not in row
    assert "cookie" not in row


def test_a_later_state_replaces_the_earlier_one() -> None:
    task, other = running(), None
    save(task, b"first")
    other = running(task=task)
    assert save(other, b"second") is not None
    found = load_session(task=task)
    assert found is not None
    assert found.state == b"second"
    assert LoginSession.objects.get().task_id == other.id


def test_of_states_that_are_saved_at_the_same_time_one_whole_state_is_left() -> None:
    task = running()
    tasks = [task, *(running(task=task) for _ in range(7))]
    states = [bytes([65 + number]) * 50_000 for number in range(8)]

    def save_one(number: int) -> uuid.UUID | None:
        try:
            return save(tasks[number], states[number])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(save_one, range(8)))
    found = load_session(task=task)
    assert found is not None
    assert found.state == states[ids.index(found.state_id)]
    assert LoginSession.objects.count() == 1


@pytest.mark.parametrize("how", ["another token", "ended", "cancelled"])
def test_without_the_lease_nothing_is_written_and_nothing_dropped(how: str) -> None:
    task = running()
    state_id = save(task, b"good")
    assert state_id is not None
    token = task.lease_token
    if how == "another token":
        token -= 1
    else:
        end_task(task, "success" if how == "ended" else "cancelled")
    assert save(task, b"late", token=token) is None
    assert not drop_session(task=task, token=token, state_id=state_id)
    found = load_session(task=task)
    assert found is not None
    assert found.state == b"good"


def test_only_the_state_that_is_meant_is_dropped() -> None:
    task = running()
    first = save(task, b"first")
    second = save(task, b"second")
    assert first is not None
    assert second is not None
    assert not drop_session(task=task, token=task.lease_token, state_id=first)
    assert load_session(task=task) is not None
    assert drop_session(task=task, token=task.lease_token, state_id=second)
    assert load_session(task=task) is None


def test_a_session_ends_after_its_hours_or_with_its_cookies(settings: Settings) -> None:
    settings.LOGIN_SESSION_HOURS = 2
    task = running()
    save(task)
    stored = LoginSession.objects.get()
    assert stored.expires_at - stored.saved_at == timedelta(hours=2)

    soon = timezone.now() + timedelta(minutes=5)
    save_session(task=task, token=task.lease_token, state=b"", size_bytes=0, ends_at=soon)
    assert LoginSession.objects.get().expires_at == soon
    much_later = timezone.now() + timedelta(days=400)
    save_session(task=task, token=task.lease_token, state=b"", size_bytes=0, ends_at=much_later)
    stored = LoginSession.objects.get()
    assert stored.expires_at - stored.saved_at == timedelta(hours=2)


def test_an_expired_session_is_not_used() -> None:
    task = running()
    make_login_session(task, expires_in_seconds=-1)
    with pytest.raises(SessionUnusableError, match=r"^it expired at \d{4}-\d\d-\d\d \d\d:\d\d$"):
        load_session(task=task)


def test_a_person_has_a_session_forgotten_and_the_audit_log_says_who() -> None:
    task = running()
    save(task)
    maya = make_user(username="maya")
    stored = LoginSession.objects.get()
    assert forget_session(session=stored, actor=maya)
    assert not forget_session(session=stored, actor=maya)

    stored.refresh_from_db()
    assert (stored.sealed, stored.state_id, stored.size_bytes) == (None, None, 0)
    event = AuditEvent.objects.get(act="login.forget")
    assert (event.actor, event.target) == ("maya", f"login {task.dedup_hash[:8]} of {task.automation.endpoint_name}")
    with pytest.raises(SessionUnusableError, match="forgotten"):
        load_session(task=task)


def test_an_attempt_that_began_before_brings_no_forgotten_session_back() -> None:
    before = running()
    save(before)
    forget_session(session=LoginSession.objects.get(), actor=make_user())
    assert save(before) is None
    after = running(task=before)
    assert save(after) is not None
    assert LoginSession.objects.get().forgotten_at is None


def test_what_is_over_its_time_is_deleted_and_counted() -> None:
    tasks = [running(who) for who in ("a", "b", "c", "d")]
    make_login_session(tasks[0], expires_in_seconds=-1)
    make_login_session(tasks[1], expires_in_seconds=-1)
    kept = make_login_session(tasks[2], expires_in_seconds=60)
    mark = make_login_session(tasks[3])
    forget_session(session=mark, actor=make_user())

    assert delete_expired_sessions(dry_run=True) == 2
    assert LoginSession.objects.count() == 4
    assert delete_expired_sessions() == 2
    assert _ids() == [kept.pk, mark.pk]
    assert delete_expired_sessions() == 0

    LoginSession.objects.filter(pk=mark.pk).update(expires_at=StatementTimestamp())
    assert delete_expired_sessions(dry_run=True) == 0  # a mark holds nothing
    assert delete_expired_sessions() == 0
    assert _ids() == [kept.pk]


def _ids() -> Sequence[int]:
    return sorted(LoginSession.objects.values_list("pk", flat=True))


def test_the_database_knows_rows_with_a_state_and_marks_and_one_row_per_login() -> None:
    task = running()
    make_login_session(task)
    with pytest.raises(IntegrityError, match="login_session_one_per_login"), transaction.atomic():
        make_login_session(task)
    with pytest.raises(IntegrityError, match="login_session_has_a_state_or_is_a_mark"), transaction.atomic():
        LoginSession.objects.update(sealed=None)
    with pytest.raises(IntegrityError, match="login_session_has_a_state_or_is_a_mark"), transaction.atomic():
        LoginSession.objects.update(forgotten_at=StatementTimestamp())


def test_a_login_is_named_by_its_automation_and_hash() -> None:
    session = make_login_session(running())
    assert str(session) == f"login {session.login[:8]} of automation {session.automation_id}"
    assert make_automation().pk != session.automation_id
