import json
import re
from html import unescape
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from inference.models import AuditEvent, Automation, AutomationVersion, Task, TaskStatus
from tests.factories import a_document, make_automation, make_task
from tests.inference.admin.conftest import client_of, staff
from tests.inference.admin.seed import Seeded, extra_version

pytestmark = pytest.mark.django_db
LIST = "/admin/inference/automation/"
ADD = f"{LIST}add/"


def url(automation: Automation, verb: str = "") -> str:
    return reverse(f"admin:inference_automation_{verb or 'change'}", args=(automation.pk,))


def body(answer: Any) -> str:
    return str(unescape(answer.content.decode()))


def test_the_list_shows_how_the_last_runs_went(maya: Client, seeded: Seeded) -> None:
    html = body(maya.get(LIST))
    assert "3 automations" in html
    assert re.search(r'aria-label="Last \d+ runs: 1 running, \d+ success, 1 failed, 1 needs review"', html)
    assert "Inactive" in html


def test_an_automation_that_fails_again_and_again_is_failing(maya: Client) -> None:
    automation = make_automation(endpoint_name="broken")
    make_task(automation=automation, status=TaskStatus.SUCCESS)
    for _ in range(3):
        make_task(automation=automation, status=TaskStatus.FAILED, error="x")
    html = body(maya.get(f"{LIST}?q=broken"))
    assert "Failing" in html
    assert "25 %" in html


def test_the_number_of_queries_does_not_grow_with_the_automations(maya: Client) -> None:
    few = queries(maya, LIST)
    for _ in range(20):
        make_task(automation=make_automation())
    assert queries(maya, LIST) == few


def test_importing_a_pasted_document_makes_an_automation(maya: Client) -> None:
    sent = {"endpoint_name": "new-one", "note": "First", "document": json.dumps(a_document()), "publish": "1"}
    answer = maya.post(ADD, sent)
    version = AutomationVersion.objects.get(automation__endpoint_name="new-one")
    assert answer["Location"] == url(version.automation)
    assert (version.number, version.note) == (1, "First")
    assert version.author is not None
    assert version.author.username == "maya"
    assert version.document == a_document()


def test_importing_a_file_wins_over_the_text(maya: Client) -> None:
    document = a_document(inputs=("from_file",))
    file = SimpleUploadedFile("a.json", json.dumps(document).encode(), content_type="application/json")
    maya.post(ADD, {"endpoint_name": "by-file", "document": "not JSON", "file": file, "publish": "1"})
    assert AutomationVersion.objects.get(automation__endpoint_name="by-file").input_names == ["from_file"]


def test_checking_tells_every_problem_with_its_line_and_writes_nothing(maya: Client) -> None:
    before = Automation.objects.count()
    text = (
        '{\n  "url": "x",\n  "parameters": {"input_parameters": {}, "generated_parameters": {}},\n  "nodes": [\n'
        '    {"type": "action_node", "sleep_action": {}},\n    {"type": "nonsense"}\n  ],\n  "colour": 1\n}'
    )
    html = body(maya.post(ADD, {"endpoint_name": "checked", "document": text, "check": "1"}))
    assert "line 5" in html
    assert "nodes[0].sleep_action.sleep_time" in html
    assert "line 6" in html
    assert "2 errors" in html
    assert "1 warning" in html
    assert "“colour” is unknown here and ignored" in html
    assert 'data-bad-lines="5:failed 6:failed 8:review"' in html
    assert text in html  # what was typed is kept
    assert Automation.objects.count() == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"url": ', "The text is not JSON"),
        ('{"url": NaN}', "The text holds NaN, which JSON does not have"),
        ("", "Paste a document, or choose a file."),
        ("[]", "Must be an object"),
        ("[" * 100_000, "The text is nested too deeply"),
    ],
)
def test_a_text_that_is_no_document_is_refused_in_words(maya: Client, text: str, told: str) -> None:
    assert told in body(maya.post(ADD, {"endpoint_name": "bad", "document": text, "publish": "1"}))
    assert not Automation.objects.filter(endpoint_name="bad").exists()


def test_a_kind_that_cannot_run_here_is_refused_when_it_is_published(maya: Client) -> None:
    document = a_document()
    document["parameters"]["secure_parameters"] = {"pin": [{"totp": {"totp_secret": "JBSWY3DPEHPK3PXP"}}]}
    html = body(maya.post(ADD, {"endpoint_name": "bad", "document": json.dumps(document), "publish": "1"}))
    assert "secure_parameters.totp cannot be run by this server" in html
    assert not Automation.objects.filter(endpoint_name="bad").exists()


def test_checking_tells_what_the_linter_says_and_what_would_be_better(maya: Client) -> None:
    node = {"type": "action_node", "interaction_action": {"click_element": {"command": "locator('a').click()"}}}
    text = json.dumps(a_document(inputs=("unused",), nodes=[node]), indent=2)
    html = body(maya.post(ADD, {"endpoint_name": "checked", "document": text, "check": "1"}))
    assert "AL102 unused-parameter" in html
    assert "Use it, or remove it." in html
    assert "AL301 unusable-locator" in html
    assert re.search(r"line \d+, <span[^>]*>nodes\[0\].interaction_action.click_element.command", html)


def test_what_the_linter_says_keeps_nothing_from_being_published(maya: Client) -> None:
    document = a_document(inputs=("unused",))
    maya.post(ADD, {"endpoint_name": "unwise", "document": json.dumps(document), "publish": "1"})
    assert Automation.objects.filter(endpoint_name="unwise").exists()


def test_a_bad_name_is_told_at_its_field(maya: Client) -> None:
    html = body(maya.post(ADD, {"endpoint_name": "a\x01b", "document": json.dumps(a_document()), "publish": "1"}))
    assert 'id="i-name-e"' in html


def test_publishing_makes_a_version_and_the_same_document_none(maya: Client, seeded: Seeded) -> None:
    document = {**seeded.claims.versions.all()[0].document, "max_retries": 4}
    sent = {"document": json.dumps(document), "note": "More tries"}
    assert "Version 3 is live" in body(maya.post(url(seeded.claims, "publish"), sent, follow=True))
    assert "this is version 3 already" in body(maya.post(url(seeded.claims, "publish"), sent, follow=True))
    assert [each.number for each in seeded.claims.versions.all()] == [3, 2, 1]


def test_publishing_an_unusable_document_keeps_what_was_typed(maya: Client, seeded: Seeded) -> None:
    answer = maya.post(url(seeded.claims, "publish"), {"document": '{"url": "kept"}', "note": "my note"})
    html = body(answer)
    assert '{"url": "kept"}' in html
    assert 'value="my note"' in html
    assert seeded.claims.versions.count() == 2


def test_an_old_version_is_shown_as_such_and_can_be_published_again(maya: Client, seeded: Seeded) -> None:
    extra_version(seeded.claims)
    html = body(maya.get(f"{url(seeded.claims)}?version=2"))
    assert "This is version 2, not the live one" in html
    assert "Back to version 2" in html
    assert "More tries" in html


def test_the_document_can_be_saved_as_a_file(maya: Client, seeded: Seeded) -> None:
    answer = maya.get(f"{url(seeded.claims, 'document')}?version=1")
    assert answer["Content-Disposition"] == 'attachment; filename="claims-submit-v1.json"'
    assert json.loads(answer.content) == seeded.claims.versions.get(number=1).document


def test_running_sends_one_value_per_line_and_is_audited(maya: Client, seeded: Seeded) -> None:
    sent = {
        "value-policy": "HM-1",
        "value-date_of_loss": "",
        "value-cause": "Fire",
        "value-estimate": "12.50\r\n",
        "value-documents": "a.pdf\r\n\r\nb.pdf",
        "unique": ["policy", "not_declared"],
        "priority": "-3",
        "max_timeout_in_minutes": "7",
        "is_dedicated": "on",
    }
    answer = maya.post(url(seeded.claims, "run"), sent)
    task = Task.objects.order_by("-created_at")[0]
    assert answer["Location"] == reverse("admin:inference_task_change", args=(task.id,))
    assert task.input_parameters == {
        "policy": ["HM-1"],
        "date_of_loss": [],
        "cause": ["Fire"],
        "estimate": ["12.50"],
        "documents": ["a.pdf", "", "b.pdf"],
    }
    assert task.unique_parameter_names == ["policy"]
    assert (task.priority, task.max_timeout_in_minutes, task.is_dedicated) == (-3, 7, True)
    assert AuditEvent.objects.filter(act="task.run", actor="maya").exists()


def test_a_wrong_number_is_told_at_its_field_and_values_are_kept(maya: Client, seeded: Seeded) -> None:
    before = Task.objects.count()
    html = body(maya.post(url(seeded.claims, "run"), {"value-policy": "HM-77", "priority": "soon"}))
    assert "Give a whole number." in html
    assert "HM-77" in html
    assert Task.objects.count() == before


def test_a_second_task_with_the_same_unique_values_leads_to_the_first(maya: Client) -> None:
    automation = make_automation(inputs=("member",))
    sent = {"value-member": "A-1", "unique": ["member"]}
    first = maya.post(url(automation, "run"), sent)
    second = maya.post(url(automation, "run"), sent, follow=True)
    assert second.redirect_chain[0][0] == first["Location"]
    assert "is active already" in body(second)


def test_other_values_begin_with_those_of_the_task(maya: Client, seeded: Seeded) -> None:
    html = body(maya.get(f"{url(seeded.claims)}?from={seeded.failed.id}"))
    assert "HM-4471-0928</textarea>" in html
    assert re.search(r'name="unique" value="policy" checked', html)
    other = body(maya.get(f"{url(seeded.intake)}?from={seeded.failed.id}"))
    assert "HM-4471-0928" not in other
    assert maya.get(f"{url(seeded.claims)}?from=nonsense").status_code == 200


def test_deactivating_and_activating_again(maya: Client, seeded: Seeded) -> None:
    maya.post(url(seeded.claims, "switch"), {"to": "inactive"})
    seeded.claims.refresh_from_db()
    assert not seeded.claims.is_active
    assert "Activate" in body(maya.get(url(seeded.claims)))
    maya.post(url(seeded.claims, "switch"), {"to": "active"})
    seeded.claims.refresh_from_db()
    assert seeded.claims.is_active
    acts = AuditEvent.objects.filter(target="claims-submit").values_list("act", flat=True)
    assert {"automation.deactivate", "automation.activate"} <= set(acts)


def test_a_name_that_is_taken_meanwhile_cannot_be_activated(maya: Client) -> None:
    old = make_automation(endpoint_name="twice", is_active=False)
    make_automation(endpoint_name="twice")
    assert "Another active automation is named twice" in body(
        maya.post(url(old, "switch"), {"to": "active"}, follow=True)
    )
    old.refresh_from_db()
    assert not old.is_active


def test_limits_are_saved_or_refused(maya: Client, seeded: Seeded) -> None:
    maya.post(url(seeded.claims, "limits"), {"max_parallelism": "4", "per_login_parallelism": "", "description": "D"})
    seeded.claims.refresh_from_db()
    assert (seeded.claims.max_parallelism, seeded.claims.per_login_parallelism) == (4, None)
    assert seeded.claims.description == "D"
    maya.post(url(seeded.claims, "limits"), {"max_parallelism": "0"})
    seeded.claims.refresh_from_db()
    assert seeded.claims.max_parallelism == 4


def test_who_may_only_look_can_change_and_run_nothing(seeded: Seeded) -> None:
    reader = client_of(staff("view_automation"))
    html = body(reader.get(url(seeded.claims)))
    assert "Publish version" not in html
    assert "Run with these values" not in html
    assert "readonly" in html
    for verb in ("check", "publish", "run", "switch", "limits"):
        assert reader.post(url(seeded.claims, verb), {}).status_code == 403, verb
    assert reader.get(ADD).status_code == 403
    assert client_of(staff("view_task")).get(url(seeded.claims)).status_code == 403


def test_nothing_is_changed_by_following_a_link(maya: Client, seeded: Seeded) -> None:
    for verb in ("check", "publish", "run", "switch", "limits"):
        assert maya.get(url(seeded.claims, verb)).status_code == 405, verb


@pytest.mark.parametrize("bad", ["0", "nonsense", "99999999999999999999"])
def test_an_unknown_automation_is_not_found(maya: Client, bad: str) -> None:
    assert maya.get(f"{LIST}{bad}/change/").status_code == 404


def queries(client: Client, address: str) -> int:
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)
