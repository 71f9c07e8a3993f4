"""Who did what, for the audit log."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from inference.models import ApiKey, AuditEvent

# A person, a key that manages, or a name such as "command line" for what an operator runs on the host.
Actor = AbstractBaseUser | ApiKey | str


def record_audit(*, actor: Actor, act: str, target: str, data: dict[str, Any] | None = None) -> None:
    """Append one event; call it in the transaction of the act itself, so that neither exists alone."""
    if isinstance(actor, ApiKey):
        user_id, name = actor.owner_id, f"opx_{actor.public_id}"
    elif isinstance(actor, str):
        user_id, name = None, actor
    else:
        user_id, name = actor.pk, actor.get_username()
    AuditEvent.objects.create(user_id=user_id, actor=name[:200], act=act, target=target[:300], data=data or {})
