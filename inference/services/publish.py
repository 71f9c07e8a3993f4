"""Automations by name: a document is checked and becomes the newest version, or the reasons why not are told."""

import json
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction

from automation import ALL_KINDS, DocumentError, Problem, find_unsupported, load, walk
from automation import Automation as Document
from inference.errors import ValidationFailedError, shorten
from inference.models import Automation, AutomationVersion
from inference.services.audit import Actor, record_audit
from inference.services.trust import carry_trust_over

# What this server can run; tests/test_architecture.py keeps it equal to what the executor runs. Secure parameters are
# missing: a document with them is refused here rather than failing at its first run.
SUPPORTED_KINDS = frozenset(kind for kind in ALL_KINDS if not kind.startswith("secure_parameters."))
MAX_NAME_CHARACTERS = 255


def check_document(document: object) -> list[Problem]:
    """Everything that keeps `document` from being published, in its order; empty when nothing does."""
    return _examine(document)[1]


def publish_automation(
    *,
    document: dict[str, Any],
    endpoint_name: str,
    author: AbstractBaseUser | None = None,
    note: str = "",
    actor: Actor | None = None,
) -> AutomationVersion:
    """Make `document` the newest version of `endpoint_name`, which is created if there is none.

    The same document as the newest version changes nothing and returns that one. `actor` is who did it, when it is
    not the author (a key, the command line). Scripts that nobody trusts yet take the automation's trust back, unless
    an administrator publishes them. Raises ValidationFailedError with one entry per path.
    """
    _check_name(endpoint_name)
    loaded, problems = _examine(document)
    if loaded is None or problems:
        raise _refusal(problems)
    with transaction.atomic():
        automation = _lock_or_create(endpoint_name)
        newest = automation.versions.first()
        if newest is not None and _same(newest.document, document):
            return newest
        version = AutomationVersion.objects.create(
            automation=automation,
            number=1 if newest is None else newest.number + 1,
            document=document,
            input_names=list(loaded.parameters.input_parameters),
            secure_names=list(loaded.parameters.secure_parameters),
            step_count=sum(1 for _, node in walk(loaded)),
            max_retries=max(0, loaded.max_retries),
            author_id=None if author is None else author.pk,
            note=note,
        )
        record_audit(
            actor=actor or author or "server",
            act="automation.publish",
            target=endpoint_name,
            data={"version": version.number},
        )
        carry_trust_over(automation=automation, document=loaded, actor=actor or author or "server")
    return version


def deactivate_automation(*, automation: Automation, actor: Actor) -> bool:
    """Answer 404 to new submissions from now on; its tasks stay. False when it was inactive before."""
    with transaction.atomic():
        deactivated = Automation.objects.filter(pk=automation.pk, is_active=True).update(is_active=False)
        if deactivated:
            record_audit(actor=actor, act="automation.deactivate", target=automation.endpoint_name)
    automation.is_active = False
    return bool(deactivated)


def _examine(document: object) -> tuple[Document | None, list[Problem]]:
    try:
        loaded = load(document)
    except DocumentError as error:
        return None, error.problems
    # A secure parameter without a source is declared all the same, and a task would have to send one.
    problems = [
        Problem(f"parameters.secure_parameters.{name}", "secure parameters cannot be used on this server")
        for name, sources in loaded.parameters.secure_parameters.items()
        if not sources
    ]
    return loaded, problems + find_unsupported(loaded, SUPPORTED_KINDS)


def _refusal(problems: Sequence[Problem]) -> ValidationFailedError:
    errors: dict[str, list[str]] = {}
    for problem in problems:
        errors.setdefault(problem.path or "document", []).append(problem.message)
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ValidationFailedError(
        f"The automation is not usable: {first.path or 'document'} {first.message}{more}", errors=errors
    )


def _check_name(endpoint_name: str) -> None:
    usable = (
        0 < len(endpoint_name) <= MAX_NAME_CHARACTERS
        and endpoint_name.isprintable()
        and endpoint_name == endpoint_name.strip()
    )
    if not usable:
        message = (
            f"endpoint_name must be 1 to {MAX_NAME_CHARACTERS} printable characters without blanks at its ends, "
            f"not '{shorten(endpoint_name)}'"
        )
        raise ValidationFailedError(message, errors={"endpoint_name": [message]})


def _lock_or_create(endpoint_name: str) -> Automation:
    """The active automation of that name, locked: two publications at the same time take turns."""
    while True:
        automation = Automation.objects.select_for_update().filter(endpoint_name=endpoint_name, is_active=True).first()
        if automation is not None:
            return automation
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO inference_automation (endpoint_name, description, is_active) VALUES (%s, '', true) "
                "ON CONFLICT DO NOTHING",
                [endpoint_name],
            )


def _same(stored: dict[str, Any], document: dict[str, Any]) -> bool:
    # As texts: Python holds True, 1 and 1.0 for equal, and a document may mean the difference.
    return json.dumps(stored, sort_keys=True) == json.dumps(document, sort_keys=True)
