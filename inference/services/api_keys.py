"""Keys of the API: made, found again, limited, revoked.

A key is `opx_<8 characters, the public id>_<43 characters, 256 random bits>`. The database keeps the public id and
a SHA-256 of the whole: with 256 random bits behind it, a digest needs neither salt nor stretching.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q

from inference.errors import ValidationFailedError, shorten
from inference.models import ApiKey, Automation, Scope
from inference.models.database_clock import StatementTimestamp
from inference.services.audit import Actor, record_audit

KEY_FORMAT = re.compile(r"opx_([A-Za-z0-9]{8})_([A-Za-z0-9_-]{43})", re.ASCII)
_PUBLIC_ID_ALPHABET = string.ascii_letters + string.digits
# What an unknown key is compared with, so that it takes the same way as a known one.
_NO_DIGEST = hashlib.sha256(b"").hexdigest()
LARGEST_WEIGHT = 100
LARGEST_QUEUE_LIMIT = 1_000_000
# A busy key would otherwise write its row with every request.
LAST_USED_PRECISION = timedelta(minutes=1)

# By hand, for it comes with each request: building it in the ORM takes longer than running it.
LOOK_UP = """
    SELECT k.*,
        k.revoked_at IS NULL
            AND (k.expires_at IS NULL OR k.expires_at > statement_timestamp())
            AND (k.owner_id IS NULL OR EXISTS (SELECT FROM auth_user u WHERE u.id = k.owner_id AND u.is_active))
            AS is_usable,
        k.last_used_at IS NULL OR k.last_used_at <= statement_timestamp() - %(precision)s AS was_used_long_ago
    FROM inference_apikey k
    WHERE k.public_id = %(public_id)s
"""


def create_api_key(
    *,
    name: str,
    scopes: Iterable[str],
    owner: AbstractBaseUser | None = None,
    automations: Iterable[Automation] = (),
    expires_at: datetime | None = None,
    actor: Actor,
) -> tuple[ApiKey, str]:
    """Make a key; the second item is the whole key, which nobody can be shown again.

    Raises ValidationFailedError for an empty name, no scope, an unknown one, or `worker` together with `submit`.
    """
    wanted = sorted(set(scopes))
    _check_name_and_scopes(name, wanted)
    public_id = "".join(secrets.choice(_PUBLIC_ID_ALPHABET) for _ in range(8))
    text = f"opx_{public_id}_{secrets.token_urlsafe(32)}"
    allowed = list(automations)
    with transaction.atomic():
        key = ApiKey.objects.create(
            public_id=public_id,
            digest=digest_of(text),
            name=name.strip(),
            owner_id=None if owner is None else owner.pk,
            scopes=wanted,
            expires_at=expires_at,
        )
        key.automations.set(allowed)
        record_audit(
            actor=actor,
            act="key.create",
            target=str(key),
            data={
                "public_id": public_id,
                "scopes": wanted,
                "automations": [each.endpoint_name for each in allowed],
                "expires_at": None if expires_at is None else expires_at.isoformat(),
            },
        )
    return key, text


def revoke_api_key(*, key: ApiKey, actor: Actor) -> bool:
    """Make `key` useless from now on; False when it was revoked before."""
    with transaction.atomic():
        revoked = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=StatementTimestamp())
        if revoked:
            record_audit(actor=actor, act="key.revoke", target=str(key), data={"public_id": key.public_id})
    key.refresh_from_db(fields=("revoked_at",))
    return bool(revoked)


def limit_api_key(*, key: ApiKey, weight: int, queue_limit: int | None, actor: Actor) -> None:
    """Set how large a share of the workers `key` gets, and how many of its tasks may wait (None: the setting).

    Raises ValidationFailedError for a weight outside 1 to LARGEST_WEIGHT, or a limit below 1.
    """
    errors: dict[str, list[str]] = {}
    if not 1 <= weight <= LARGEST_WEIGHT:
        errors["weight"] = [f"weight must be a whole number from 1 to {LARGEST_WEIGHT}."]
    if queue_limit is not None and not 1 <= queue_limit <= LARGEST_QUEUE_LIMIT:
        errors["queue_limit"] = [f"queue_limit must be a whole number from 1 to {LARGEST_QUEUE_LIMIT}."]
    if errors:
        raise ValidationFailedError(next(iter(errors.values()))[0], errors=errors)
    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(weight=weight, queue_limit=queue_limit)
        record_audit(
            actor=actor,
            act="key.limits",
            target=str(key),
            data={"public_id": key.public_id, "weight": weight, "queue_limit": queue_limit},
        )
    key.refresh_from_db(fields=("weight", "queue_limit"))


def find_key(text: str) -> ApiKey | None:
    """The usable key that `text` spells, or None: malformed, unknown, wrong, expired, revoked, owner deactivated.

    Notes that it was used, at most once a minute.
    """
    spelled = KEY_FORMAT.fullmatch(text)
    known = None if spelled is None else _look_up(spelled[1])
    digest = _NO_DIGEST if known is None else known.key.digest
    if not hmac.compare_digest(digest, digest_of(text)) or known is None or not known.is_usable:
        return None
    if known.was_used_long_ago:
        _note_use(known.key)
    return known.key


@dataclass(frozen=True)
class _Known:
    """A key with what the database's clock says of it."""

    key: ApiKey
    is_usable: bool
    was_used_long_ago: bool


def _look_up(public_id: str) -> _Known | None:
    for key in ApiKey.objects.raw(LOOK_UP, {"public_id": public_id, "precision": LAST_USED_PRECISION}):
        told = vars(key)
        return _Known(key, is_usable=told["is_usable"], was_used_long_ago=told["was_used_long_ago"])
    return None


def _note_use(key: ApiKey) -> None:
    # Conditional on what was read: of many requests at the same moment one writes.
    ApiKey.objects.filter(pk=key.pk).filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lte=StatementTimestamp() - LAST_USED_PRECISION)
    ).update(last_used_at=StatementTimestamp())


def digest_of(text: str) -> str:
    """What is stored and compared of a key (SHA-256, hex)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_name_and_scopes(name: str, scopes: list[str]) -> None:
    errors: dict[str, list[str]] = {}
    if not name.strip() or len(name) > 200 or not name.isprintable():
        errors["name"] = ["name must be 1 to 200 printable characters."]
    unknown = [scope for scope in scopes if scope not in Scope.values]
    if unknown:
        known = ", ".join(Scope.values)
        errors["scopes"] = [f"scopes contains '{shorten(unknown[0])}'; the scopes are {known}."]
    elif not scopes:
        errors["scopes"] = [f"scopes must name at least one of {', '.join(Scope.values)}."]
    elif Scope.WORKER in scopes and Scope.SUBMIT in scopes:
        errors["scopes"] = ["scopes holds worker and submit; a host that runs tasks needs a key of its own."]
    if errors:
        raise ValidationFailedError(next(iter(errors.values()))[0], errors=errors)
