"""Trust in an automation's scripts: what an administrator has read may run, and nothing else.

Trust is kept as the digests of the scripts that were read. So neither a version that was published in the meantime
nor an old one that still waits in the queue runs code that nobody looked at.
"""

import hashlib
from collections.abc import Iterator

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from automation import ActionNode, load, walk
from automation import Automation as Document
from inference.errors import ForbiddenError, ValidationFailedError
from inference.models import Automation
from inference.services.audit import Actor, record_audit


def script_digests(document: Document) -> list[str]:
    """SHA-256 (hex) of each Python script in `document`, sorted, each once. Placeholders are not filled in."""
    return sorted({hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest() for text in _scripts(document)})


def may_run_scripts(automation: Automation, document: Document) -> bool:
    """Whether an administrator trusts `automation`, and has read every script of this version of it."""
    return automation.is_trusted and set(script_digests(document)) <= set(automation.trusted_scripts)


def trust_automation(
    *, automation: Automation, is_trusted: bool, actor: AbstractBaseUser, reviewed_version: int | None = None
) -> bool:
    """Let the scripts of the newest version run from now on, or no script anymore; False when nothing changed.

    `reviewed_version` is the number of the version that the actor has read. Raises ForbiddenError for anybody but an
    administrator, and ValidationFailedError when there is no version, or a newer one than was read.
    """
    if not is_administrator(actor):
        raise ForbiddenError("Only an administrator decides whether the scripts of an automation may run.")
    with transaction.atomic():
        locked = Automation.objects.select_for_update().get(pk=automation.pk)
        digests: list[str] = []
        if is_trusted:
            version = locked.versions.first()
            if version is None:
                raise _refusal("It has no version yet, so there is nothing to trust.")
            if reviewed_version is not None and version.number != reviewed_version:
                raise _refusal(f"Version {version.number} was published meanwhile: read its scripts first.")
            digests = script_digests(load(version.document))
        changed = (locked.is_trusted, locked.trusted_scripts) != (is_trusted, digests)
        if changed:
            _write(locked, is_trusted, digests)
            act = "automation.trust" if is_trusted else "automation.distrust"
            record_audit(actor=actor, act=act, target=locked.endpoint_name, data={"scripts": len(digests)})
    automation.is_trusted, automation.trusted_scripts = is_trusted, digests
    return changed


def carry_trust_over(*, automation: Automation, document: Document, actor: Actor) -> bool:
    """What becomes of trust when `document` is published; True when it was taken back.

    A script that nobody has read takes it back, unless an administrator publishes it. A key never counts as one,
    whoever owns it. Call it in the publication's transaction, with the automation locked.
    """
    if not automation.is_trusted:
        return False
    digests = script_digests(document)
    if set(digests) <= set(automation.trusted_scripts):
        return False
    if isinstance(actor, AbstractBaseUser) and is_administrator(actor):
        # Tasks that wait with a version before keep the scripts that were trusted then.
        _write(automation, True, sorted({*automation.trusted_scripts, *digests}))
        record_audit(
            actor=actor, act="automation.trust", target=automation.endpoint_name, data={"scripts": len(digests)}
        )
        return False
    _write(automation, False, [])
    record_audit(actor=actor, act="automation.distrust", target=automation.endpoint_name, data={"cause": "new scripts"})
    return True


def is_administrator(user: AbstractBaseUser) -> bool:
    return bool(user.is_active and getattr(user, "is_superuser", False))


def _write(automation: Automation, is_trusted: bool, digests: list[str]) -> None:
    automation.is_trusted, automation.trusted_scripts = is_trusted, digests
    automation.save(update_fields=["is_trusted", "trusted_scripts"])


def _scripts(document: Document) -> Iterator[str]:
    for _, node in walk(document):
        if not isinstance(node, ActionNode):
            continue
        if node.python_script_action is not None:
            yield node.python_script_action.execution_code
        if node.extraction_action is not None and node.extraction_action.python_script is not None:
            yield node.extraction_action.python_script.script
        if node.assertion_action is not None and node.assertion_action.python_script is not None:
            yield node.assertion_action.python_script.script


def _refusal(message: str) -> ValidationFailedError:
    return ValidationFailedError(message, errors={"is_trusted": [message]})
