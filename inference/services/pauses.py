"""An operator stops the queue, an automation or a login, and lets it go on.

The claim starts nothing of what is paused (migration 0008). Running tasks are left alone, submissions are still
taken, and an attempt that may be tried again waits with the rest.
"""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction

from inference.models import Automation, QueuePause, Task
from inference.queue_state import automation_key, login_key
from inference.services.audit import record_audit

MAX_REASON_CHARACTERS = 500


@dataclass(frozen=True)
class Stoppable:
    """What may be paused. `name` goes to the audit log: it holds no value of a parameter."""

    key: str
    act: str
    name: str
    automation_id: int | None = None
    login: str = ""


def whole_queue() -> Stoppable:
    return Stoppable(QueuePause.QUEUE, "queue", "the queue")


def of_automation(automation: Automation) -> Stoppable:
    return Stoppable(automation_key(automation.pk), "automation", automation.endpoint_name, automation.pk)


def login_of(task: Task) -> Stoppable:
    """The login that `task` runs under: its automation with its unique values."""
    return _login(task.automation, task.dedup_hash)


def stopped_by(row: QueuePause) -> Stoppable:
    """What a pause stops. Its automation is loaded, if it has one."""
    if row.automation is None:
        return whole_queue()
    if not row.login:
        return of_automation(row.automation)
    return _login(row.automation, row.login)


def pause(stoppable: Stoppable, *, actor: AbstractBaseUser, reason: str = "") -> bool:
    """Start nothing of it from now on; False when it is paused already, which then stays as it is."""
    reason = reason.strip()[:MAX_REASON_CHARACTERS]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO inference_queuepause (key, automation_id, login, user_id, paused_by, paused_at, reason)
            VALUES (%s, %s, %s, %s, %s, statement_timestamp(), %s)
            ON CONFLICT DO NOTHING RETURNING key
            """,
            [
                stoppable.key,
                stoppable.automation_id,
                stoppable.login,
                actor.pk,
                actor.get_username()[:200],
                reason,
            ],
        )
        if cursor.fetchone() is None:
            return False
        record_audit(actor=actor, act=f"{stoppable.act}.pause", target=stoppable.name, data={"reason": reason})
    return True


def resume(stoppable: Stoppable, *, actor: AbstractBaseUser) -> bool:
    """Let it go on, at once; False when it is not paused."""
    with transaction.atomic():
        deleted, _ = QueuePause.objects.filter(key=stoppable.key).delete()
        if not deleted:
            return False
        record_audit(actor=actor, act=f"{stoppable.act}.resume", target=stoppable.name)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify('task_queued', '')")  # sent at commit
    return True


def _login(automation: Automation, dedup_hash: str) -> Stoppable:
    key = login_key(automation.pk, dedup_hash)
    login = key.rpartition(":")[2]
    name = f"login {login[:8]} of {automation.endpoint_name}"
    return Stoppable(key, "login", name, automation.pk, login)
