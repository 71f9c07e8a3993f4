"""Keys: what is kept of them, and which are usable."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from inference.errors import ValidationFailedError
from inference.models import ApiKey, AuditEvent
from inference.services.api_keys import KEY_FORMAT, create_api_key, find_key, revoke_api_key
from tests.factories import make_automation, make_key, make_user

pytestmark = pytest.mark.django_db


def test_key_has_its_format_and_only_its_digest_is_kept() -> None:
    key, text = make_key(name="claims-backoffice")

    spelled = KEY_FORMAT.fullmatch(text)
    assert spelled is not None
    assert spelled[1] == key.public_id
    assert len(spelled[2]) == 43
    row = ApiKey.objects.values().get()
    assert row["digest"] == hashlib.sha256(text.encode()).hexdigest()
    assert spelled[2] not in str(row) + str(list(AuditEvent.objects.values()))


def test_keys_are_never_the_same() -> None:
    texts = {make_key()[1] for _ in range(20)}

    assert len(texts) == len({text[4:12] for text in texts}) == 20


def test_creating_and_revoking_are_audited_with_their_actor() -> None:
    maya = make_user(username="maya")
    key, _ = create_api_key(name="n", scopes=["read"], automations=[make_automation(endpoint_name="a")], actor=maya)
    assert revoke_api_key(key=key, actor=key) is True
    assert revoke_api_key(key=key, actor=maya) is False

    events = AuditEvent.objects.order_by("id")
    assert [(each.act, each.actor, each.user_id) for each in events] == [
        ("key.create", "maya", maya.pk),
        ("key.revoke", f"opx_{key.public_id}", None),
    ]
    assert events[0].data == {
        "public_id": key.public_id,
        "scopes": ["read"],
        "automations": ["a"],
        "expires_at": None,
    }


def test_key_is_found_by_its_text_alone() -> None:
    key, text = make_key()

    assert find_key(text) == key
    for wrong in (text[:-1], text + "x", text.upper(), text.replace("opx_", "opy_"), f" {text}", "", "opx_", "\udcff"):
        assert find_key(wrong) is None


def test_key_works_until_it_expires() -> None:
    _, soon = make_key(expires_at=timezone.now() + timedelta(minutes=1))
    _, past = make_key(expires_at=timezone.now() - timedelta(seconds=1))

    assert find_key(soon) is not None
    assert find_key(past) is None


def test_revoked_key_is_useless_at_once() -> None:
    key, text = make_key()
    revoke_api_key(key=key, actor="test")

    assert key.revoked_at is not None
    assert find_key(text) is None


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [
        ("", ["read"], "name"),
        ("  ", ["read"], "name"),
        ("n" * 201, ["read"], "name"),
        ("line\nbreak", ["read"], "name"),
        ("n", [], "scopes"),
        ("n", ["all"], "scopes"),
        ("n", ["worker", "submit"], "scopes"),
    ],
)
def test_senseless_keys_are_refused(name: str, scopes: list[str], field: str) -> None:
    with pytest.raises(ValidationFailedError) as refusal:
        create_api_key(name=name, scopes=scopes, actor="test")

    assert set(refusal.value.errors or {}) == {field}
    assert ApiKey.objects.count() == AuditEvent.objects.count() == 0
