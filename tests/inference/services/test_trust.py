"""Trust in scripts: given by administrators for what they have read, and gone when something else is published."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from automation import load
from inference.errors import ForbiddenError, ValidationFailedError
from inference.models import AuditEvent, Automation
from inference.services.audit import Actor
from inference.services.publish import publish_automation
from inference.services.trust import may_run_scripts, script_digests, trust_automation
from tests.factories import a_document, make_automation, make_key, make_user

pytestmark = pytest.mark.django_db


def document(*scripts: str) -> dict[str, Any]:
    return a_document(
        nodes=[{"type": "action_node", "python_script_action": {"execution_code": each}} for each in scripts]
    )


@pytest.fixture
def administrator() -> User:
    return make_user(username="root", is_superuser=True)


def trusted(administrator: User, *scripts: str) -> Automation:
    automation = make_automation(endpoint_name="claims", document=document(*scripts))
    trust_automation(automation=automation, is_trusted=True, actor=administrator)
    return automation


def runs(automation: Automation, *scripts: str) -> bool:
    automation.refresh_from_db()
    return may_run_scripts(automation, load(document(*scripts)))


def test_every_kind_of_script_wherever_it_stands_has_a_digest() -> None:
    extraction = {"type": "action_node", "extraction_action": {"python_script": {"script": "b"}}}
    assertion = {"type": "action_node", "assertion_action": {"python_script": {"script": "c"}}}
    action = {"type": "action_node", "python_script_action": {"execution_code": "a"}}
    loop = {"type": "for_loop_node", "variable_name": "patient_id", "nodes": [extraction], "reset_nodes": [assertion]}
    branch = {"type": "if_else_node", "condition": "True", "if_nodes": [loop], "else_nodes": [action]}
    found = script_digests(load(a_document(nodes=[branch], post_processing_nodes=[action])))
    assert found == script_digests(load(document("c", "a", "b", "a")))
    assert len(found) == 3


def test_only_what_was_read_may_run(administrator: User) -> None:
    automation = trusted(administrator, "a", "b")
    assert runs(automation, "a", "b")
    assert runs(automation, "b")
    assert runs(automation)
    assert not runs(automation, "a", "b", "c")
    assert not runs(make_automation(endpoint_name="other", document=document("a")), "a")


def test_trust_is_told_to_the_audit_log_and_can_be_taken_back(administrator: User) -> None:
    automation = trusted(administrator, "a")
    assert not trust_automation(automation=automation, is_trusted=True, actor=administrator)
    assert trust_automation(automation=automation, is_trusted=False, actor=administrator)
    assert not runs(automation, "a")
    events = AuditEvent.objects.order_by("id").values_list("act", "actor", "target", "data")
    assert list(events) == [
        ("automation.trust", "root", "claims", {"scripts": 1}),
        ("automation.distrust", "root", "claims", {"scripts": 0}),
    ]


@pytest.mark.parametrize(
    "fields", [{"is_staff": True}, {"is_superuser": True, "is_active": False}], ids=["staff", "inactive"]
)
def test_nobody_but_an_administrator_decides(fields: dict[str, bool]) -> None:
    automation = make_automation(document=document("a"))
    with pytest.raises(ForbiddenError, match="Only an administrator"):
        trust_automation(automation=automation, is_trusted=True, actor=make_user(**fields))
    assert not runs(automation, "a")


def test_a_version_that_came_while_it_was_read_is_not_trusted(administrator: User) -> None:
    automation = make_automation(endpoint_name="claims", document=document("a"))
    publish_automation(document=document("evil"), endpoint_name="claims", actor="command line")
    with pytest.raises(ValidationFailedError, match="Version 2 was published meanwhile"):
        trust_automation(automation=automation, is_trusted=True, actor=administrator, reviewed_version=1)
    assert not runs(automation, "evil")
    assert trust_automation(automation=automation, is_trusted=True, actor=administrator, reviewed_version=2)


def test_an_automation_without_a_version_cannot_be_trusted(administrator: User) -> None:
    automation = Automation.objects.create(endpoint_name="empty")
    with pytest.raises(ValidationFailedError, match="no version yet"):
        trust_automation(automation=automation, is_trusted=True, actor=administrator)


def test_other_changes_keep_trust(administrator: User) -> None:
    automation = trusted(administrator, "a", "b")
    publish_automation(document=document("b") | {"max_retries": 2}, endpoint_name="claims", actor="command line")
    assert runs(automation, "b")
    assert runs(automation, "a")


def test_a_new_script_takes_trust_back_whoever_publishes_it(administrator: User) -> None:
    key, _ = make_key(owner=administrator)
    staff = make_user(is_staff=True)
    actors: list[tuple[User | None, Actor | None]] = [
        (None, None),
        (None, "command line"),
        (staff, None),
        # The key of an administrator is not the administrator.
        (administrator, key),
    ]
    for number, (author, actor) in enumerate(actors):
        automation = trusted(administrator, "a") if number == 0 else Automation.objects.get(endpoint_name="claims")
        trust_automation(automation=automation, is_trusted=True, actor=administrator)
        publish_automation(document=document(f"new {number}"), endpoint_name="claims", author=author, actor=actor)
        automation.refresh_from_db()
        assert (automation.is_trusted, automation.trusted_scripts) == (False, []), actor
        assert AuditEvent.objects.filter(act="automation.distrust").last().data == {"cause": "new scripts"}
        assert not runs(automation, "a")


def test_what_an_administrator_publishes_is_trusted(administrator: User) -> None:
    automation = trusted(administrator, "a")
    publish_automation(document=document("new"), endpoint_name="claims", author=administrator)
    assert runs(automation, "new")
    # Tasks may be waiting with the version before.
    assert runs(automation, "a")
    trust_automation(automation=automation, is_trusted=True, actor=administrator)
    assert not runs(automation, "a")


def test_publishing_gives_no_trust_by_itself(administrator: User) -> None:
    version = publish_automation(document=document("a"), endpoint_name="claims", author=administrator)
    publish_automation(document=document("b"), endpoint_name="claims", author=administrator)
    assert not runs(version.automation, "b")
