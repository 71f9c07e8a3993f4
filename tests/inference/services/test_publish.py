"""Publishing: what becomes a version, and what is refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from automation import ALL_KINDS
from inference.errors import ValidationFailedError
from inference.models import AuditEvent, Automation, AutomationVersion
from inference.services.publish import (
    SUPPORTED_KINDS,
    check_document,
    deactivate_automation,
    publish_automation,
)
from tests.factories import a_document, make_user

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"
SLEEP = {"type": "action_node", "sleep_action": {"sleep_time": 0}}


@pytest.mark.django_db
def test_first_publication_makes_the_automation_and_reads_its_document() -> None:
    author = make_user(username="maya")
    branch = {"type": "if_else_node", "condition": "b[0] == 'x'", "if_nodes": [SLEEP], "else_nodes": [SLEEP]}
    document = a_document(inputs=["b", "a"], nodes=[SLEEP, branch], max_retries=3)

    version = publish_automation(document=document, endpoint_name="claims", author=author, note="first")

    assert version.automation == Automation.objects.get(endpoint_name="claims", is_active=True)
    assert (version.number, version.author, version.note) == (1, author, "first")
    assert (version.input_names, version.secure_names) == (["b", "a"], [])
    assert (version.step_count, version.max_retries) == (4, 3)
    assert AutomationVersion.objects.get().document == document
    event = AuditEvent.objects.get()
    assert (event.act, event.actor, event.target, event.data) == (
        "automation.publish",
        "maya",
        "claims",
        {"version": 1},
    )


@pytest.mark.django_db
def test_same_document_makes_no_version_and_a_subtly_different_one_does() -> None:
    one = a_document(nodes=[{"type": "action_node", "sleep_action": {"sleep_time": 1}}])
    one_as_float = a_document(nodes=[{"type": "action_node", "sleep_action": {"sleep_time": 1.0}}])

    numbers = [publish_automation(document=each, endpoint_name="a").number for each in (one, one, one_as_float, one)]

    assert numbers == [1, 1, 2, 3]
    assert AuditEvent.objects.count() == 3


@pytest.mark.django_db
def test_name_of_a_deactivated_automation_starts_afresh() -> None:
    first = publish_automation(document=a_document(), endpoint_name="a")
    assert deactivate_automation(automation=first.automation, actor="test") is True
    assert deactivate_automation(automation=first.automation, actor="test") is False

    second = publish_automation(document=a_document(), endpoint_name="a")

    assert second.number == 1
    assert second.automation != first.automation


@pytest.mark.django_db(transaction=True)
def test_racing_publications_take_turns() -> None:
    def publish(number: int) -> int:
        try:
            return publish_automation(document=a_document(inputs=[f"p{number}"]), endpoint_name="a").number
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(publish, range(8)))

    assert sorted(numbers) == list(range(1, 9))
    assert Automation.objects.count() == 1


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a\0", "n" * 256])
def test_names_that_nobody_can_type_are_refused(name: str) -> None:
    with pytest.raises(ValidationFailedError) as refusal:
        publish_automation(document=a_document(), endpoint_name=name)

    assert set(refusal.value.errors or {}) == {"endpoint_name"}


@pytest.mark.django_db
def test_every_problem_is_told_by_its_path_and_nothing_is_written() -> None:
    document = a_document(nodes=[SLEEP])
    document["parameters"]["secure_parameters"] = {
        "pin": [{"totp": {"totp_secret": "JBSWY3DPEHPK3PXP"}}],
        "word": [{"totp": {"totp_secret": "JBSWY3DPEHPK3PXP"}}],
    }

    with pytest.raises(ValidationFailedError) as refusal:
        publish_automation(document=document, endpoint_name="a")

    assert refusal.value.errors == {
        "parameters.secure_parameters.pin[0]": ["secure_parameters.totp cannot be run by this server"],
        "parameters.secure_parameters.word[0]": ["secure_parameters.totp cannot be run by this server"],
    }
    assert refusal.value.message == (
        "The automation is not usable: parameters.secure_parameters.pin[0] "
        "secure_parameters.totp cannot be run by this server (and 1 more)"
    )
    assert Automation.objects.count() == AuditEvent.objects.count() == 0


@pytest.mark.parametrize("sources", [[], [{"totp": {"totp_secret": "CANARYSEED"}}]])
def test_secure_parameters_are_refused_without_their_content(sources: list[Any]) -> None:
    document = a_document()
    document["parameters"]["secure_parameters"] = {"password": sources}

    problems = check_document(document)

    assert len(problems) == 1
    assert problems[0].path.startswith("parameters.secure_parameters.password")
    assert "CANARYSEED" not in str(problems)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("invalid_*.json")), ids=lambda file: file.stem)
def test_invalid_examples_have_problems(file: Path) -> None:
    assert check_document(json.loads(file.read_text()))


@pytest.mark.parametrize("document", [None, [], "text", 5, {}, {"nodes": None}])
def test_what_is_no_document_has_problems(document: object) -> None:
    assert check_document(document)


def test_every_supported_kind_is_a_kind() -> None:
    assert SUPPORTED_KINDS <= ALL_KINDS


@pytest.mark.django_db
def test_a_document_is_kept_in_its_order_and_with_its_numbers() -> None:
    document = a_document(inputs=["zeta", "alpha"], nodes=[SLEEP, {**SLEEP, "end_sleep_time": 5.0}])

    publish_automation(document=document, endpoint_name="verbatim")

    kept = AutomationVersion.objects.get().document
    assert json.dumps(kept) == json.dumps(document)
