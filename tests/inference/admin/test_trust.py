"""Trust in the scripts of an automation, on its page."""

import json

import pytest
from django.test import Client
from pytest_django import Settings

from inference.models import Automation
from tests.factories import a_document, make_automation
from tests.inference.admin.conftest import client_of, staff
from tests.inference.admin.seed import extra_version
from tests.inference.admin.test_automations import body, url

pytestmark = pytest.mark.django_db

SCRIPT = {"type": "action_node", "python_script_action": {"execution_code": "async def code_fn(page): pass"}}


def test_an_administrator_trusts_the_scripts_that_were_shown(maya: Client, settings: Settings) -> None:
    settings.ALLOW_SCRIPTS = True
    automation = make_automation(endpoint_name="scripted", document=a_document(nodes=[SCRIPT]))
    html = body(maya.get(url(automation)))
    assert "1 script in version 1: tasks that reach one fail" in html

    maya.post(url(automation, "trust"), {"to": "trusted", "version": "1"})
    automation.refresh_from_db()
    assert automation.is_trusted
    assert "1 script of version 1 may run." in body(maya.get(url(automation)))

    maya.post(url(automation, "trust"), {"to": "untrusted", "version": "1"})
    automation.refresh_from_db()
    assert not automation.is_trusted


def test_a_version_that_nobody_saw_is_not_trusted(maya: Client, settings: Settings) -> None:
    settings.ALLOW_SCRIPTS = True
    automation = make_automation(endpoint_name="scripted", document=a_document(nodes=[SCRIPT]))
    extra_version(automation)
    answer = maya.post(url(automation, "trust"), {"to": "trusted", "version": "1"}, follow=True)
    automation.refresh_from_db()
    assert not automation.is_trusted
    assert "Version 2 was published meanwhile" in body(answer)


def test_people_who_may_publish_may_not_trust(settings: Settings) -> None:
    settings.ALLOW_SCRIPTS = True
    automation = make_automation(endpoint_name="scripted", document=a_document(nodes=[SCRIPT]))
    client = client_of(staff("view_automation", "change_automation", "add_automation"))
    assert client.post(url(automation, "trust"), {"to": "trusted", "version": "1"}).status_code == 403
    html = body(client.get(url(automation)))
    assert "not trusted" in html
    assert "I have read them" not in html
    automation.refresh_from_db()
    assert not automation.is_trusted


def test_publishing_other_scripts_says_that_trust_is_gone(maya: Client, settings: Settings) -> None:
    settings.ALLOW_SCRIPTS = True
    automation = make_automation(endpoint_name="scripted", document=a_document(nodes=[SCRIPT]))
    maya.post(url(automation, "trust"), {"to": "trusted", "version": "1"})
    other = {"type": "action_node", "python_script_action": {"execution_code": "async def code_fn(page): 1"}}
    client = client_of(staff("view_automation", "change_automation"))
    sent = {"document": json.dumps(a_document(nodes=[other])), "note": ""}
    assert "an administrator has to trust them again" in body(
        client.post(url(automation, "publish"), sent, follow=True)
    )
    automation.refresh_from_db()
    assert not automation.is_trusted


def test_where_scripts_are_off_nothing_is_asked(maya: Client) -> None:
    automation = make_automation(endpoint_name="scripted", document=a_document(nodes=[SCRIPT]))
    assert 'id="scripts"' not in body(maya.get(url(automation)))
    Automation.objects.filter(pk=automation.pk).update(is_trusted=True)
    assert "ALLOW_SCRIPTS is off" in body(maya.get(url(automation)))


def test_an_automation_without_scripts_asks_nothing_either(maya: Client, settings: Settings) -> None:
    settings.ALLOW_SCRIPTS = True
    assert 'id="scripts"' not in body(maya.get(url(make_automation(endpoint_name="plain"))))
