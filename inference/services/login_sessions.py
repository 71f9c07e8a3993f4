"""Stored browser sessions of logins: kept after a dedicated task, used by the next one, dropped, forgotten, expired.

What is stored for a login is one whole state, that of the task of it which ended well last. Workers name their lease
in every write, and the state that they mean: so neither a worker that was presumed dead nor an attempt that failed
with an older state touches a newer one.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.utils import timezone

from inference.encryption import UnsealError, seal, unseal
from inference.models import LoginSession, Task
from inference.models.database_clock import StatementTimestamp
from inference.services.audit import record_audit

# For so long a forgotten session cannot be brought back by attempts that began before. None of them runs longer.
MARK_HOURS = 24


class SessionUnusableError(Exception):
    """There is a stored session, and it is not used. The text says why, for the timeline."""


@dataclass(frozen=True)
class StoredSession:
    """A state that the next attempt may begin with. `state` is what its saver gave, as it was."""

    state_id: uuid.UUID
    state: bytes
    age_seconds: float
    host: str


def load_session(*, task: Task) -> StoredSession | None:
    """The stored session of a task's login; None when there is none. Raises SessionUnusableError."""
    row = (
        LoginSession.objects.filter(automation=task.automation_id, login=task.dedup_hash)
        .annotate(now=StatementTimestamp())
        .values_list("state_id", "sealed", "host", "saved_at", "expires_at", "now")
        .first()
    )
    if row is None:
        return None
    state_id, sealed, host, saved_at, expires_at, now = row
    if state_id is None or sealed is None:
        raise SessionUnusableError("a person has had it forgotten")
    if expires_at <= now:
        raise SessionUnusableError(f"it expired at {timezone.localtime(expires_at):%Y-%m-%d %H:%M}")
    try:
        state = unseal(bytes(sealed), about=_about(task.automation_id, task.dedup_hash, state_id))
    except UnsealError as error:
        raise SessionUnusableError(f"it cannot be decrypted: {error}") from error
    return StoredSession(state_id, state, (now - saved_at).total_seconds(), host)


def save_session(
    *, task: Task, token: int, state: bytes, size_bytes: int, ends_at: datetime | None = None
) -> uuid.UUID | None:
    """Store `state` for the login of a running task, in place of what is there; its id.

    `size_bytes` is told to people. It expires after LOGIN_SESSION_HOURS, or at `ends_at` when that is sooner. None,
    and nothing is written: the lease is gone, or a person had the session forgotten after this attempt began.
    """
    state_id = uuid.uuid4()
    sealed = seal(state, about=_about(task.automation_id, task.dedup_hash, state_id))
    with connection.cursor() as cursor:
        cursor.execute(
            _SAVE,
            {
                "task": task.id,
                "token": token,
                "state_id": state_id,
                "sealed": sealed,
                "size": size_bytes,
                "hours": settings.LOGIN_SESSION_HOURS,
                "ends_at": ends_at,
            },
        )
        return None if cursor.fetchone() is None else state_id


def drop_session(*, task: Task, token: int, state_id: uuid.UUID) -> bool:
    """Delete the state that an attempt of a running task began with; False when it is not there anymore, or the lease
    is gone."""
    with connection.cursor() as cursor:
        cursor.execute(_DROP, {"task": task.id, "token": token, "state_id": state_id})
        return cursor.fetchone() is not None


def forget_session(*, session: LoginSession, actor: AbstractBaseUser) -> bool:
    """Delete what is stored, for a person; False when it was gone already. Attempts that run now end as they would,
    and store nothing."""
    with transaction.atomic():
        forgotten = LoginSession.objects.filter(pk=session.pk, forgotten_at=None).update(
            state_id=None,
            sealed=None,
            size_bytes=0,
            forgotten_at=StatementTimestamp(),
            expires_at=StatementTimestamp() + timedelta(hours=MARK_HOURS),
        )
        if not forgotten:
            return False
        name = f"login {session.login[:8]} of {session.automation.endpoint_name}"
        record_audit(actor=actor, act="login.forget", target=name)
        return True


def delete_expired_sessions(*, dry_run: bool = False) -> int:
    """Delete the stored sessions whose time is over; their number. With `dry_run` they stay, and are counted."""
    over = LoginSession.objects.filter(expires_at__lte=StatementTimestamp())
    if dry_run:
        return over.filter(forgotten_at=None).count()
    with transaction.atomic():
        over.exclude(forgotten_at=None).delete()
        deleted, _ = over.delete()
    return deleted


def _about(automation_id: int, login: str, state_id: uuid.UUID) -> str:
    """What a sealed state is bound to: one state of one login."""
    return f"inference_loginsession:{automation_id}:{login}:{state_id}"


_SAVE = """
    INSERT INTO inference_loginsession
        (automation_id, login, state_id, sealed, size_bytes, host, task_id, saved_at, expires_at)
    SELECT t.automation_id, t.dedup_hash, %(state_id)s, %(sealed)s, %(size)s, split_part(t.lease_owner, '/', 1), t.id,
           statement_timestamp(),
           LEAST(statement_timestamp() + make_interval(hours => %(hours)s), %(ends_at)s::timestamptz)
    FROM inference_task t
    WHERE t.id = %(task)s AND t.lease_token = %(token)s AND t.status = 'running'
    FOR SHARE
    ON CONFLICT (automation_id, login) DO UPDATE
    SET state_id = EXCLUDED.state_id, sealed = EXCLUDED.sealed, size_bytes = EXCLUDED.size_bytes,
        host = EXCLUDED.host, task_id = EXCLUDED.task_id, saved_at = EXCLUDED.saved_at,
        expires_at = EXCLUDED.expires_at, forgotten_at = NULL
    WHERE inference_loginsession.forgotten_at IS NULL
       OR inference_loginsession.forgotten_at < (SELECT started_at FROM inference_task WHERE id = %(task)s)
    RETURNING id
"""
_DROP = """
    WITH mine AS (
        SELECT t.automation_id, t.dedup_hash FROM inference_task t
        WHERE t.id = %(task)s AND t.lease_token = %(token)s AND t.status = 'running'
        FOR SHARE
    )
    DELETE FROM inference_loginsession s USING mine
    WHERE s.automation_id = mine.automation_id AND s.login = mine.dedup_hash AND s.state_id = %(state_id)s
    RETURNING s.id
"""
