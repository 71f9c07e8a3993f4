"""Automations over HTTP."""

import json

import pytest
from django.test import Client

from automation import json_schema
from inference.models import AuditEvent, Automation, AutomationVersion
from inference.services.trust import trust_automation
from tests.factories import a_document, make_automation, make_key, make_user
from tests.inference.conftest import ApiClient, assert_error


def test_put_publishes_versions_and_repeats_none(api: ApiClient) -> None:
    owner = make_user()
    key, text = make_key(owner=owner)
    client = api.with_key(text)

    first = client.request("PUT", "/api/v1/automations/team/new?note=first", json=a_document())
    same = client.request("PUT", "/api/v1/automations/team/new", json=a_document())
    second = client.request("PUT", "/api/v1/automations/team/new", json=a_document(inputs=["other"]))

    assert [each.status_code for each in (first, same, second)] == [201, 200, 201]
    assert [each.json()["version"] for each in (first, same, second)] == [1, 1, 2]
    versions = AutomationVersion.objects.filter(automation__endpoint_name="team/new").order_by("number")
    assert [(each.author, each.note, each.input_names) for each in versions] == [
        (owner, "first", ["patient_id"]),
        (owner, "", ["other"]),
    ]
    audit = AuditEvent.objects.filter(act="automation.publish")
    assert {each.actor for each in audit} == {f"opx_{key.public_id}"}


def test_put_refuses_what_cannot_run_and_names_each_path(api: ApiClient) -> None:
    document = a_document()
    document["parameters"]["secure_parameters"] = {"pin": [{"totp": {"totp_secret": "JBSWY3DPEHPK3PXP"}}]}
    path = "parameters.secure_parameters.pin[0]"

    errors = assert_error(
        api.request("PUT", "/api/v1/automations/new", json=document), 400, f"The automation is not usable: {path}"
    )

    assert errors == {path: ["secure_parameters.totp cannot be run by this server"]}
    assert not Automation.objects.filter(endpoint_name="new").exists()


def test_restricted_key_makes_no_new_automation(api: ApiClient, automation: Automation) -> None:
    _, text = make_key(automations=[make_automation(endpoint_name="mine")])
    client = api.with_key(text)

    assert client.request("PUT", "/api/v1/automations/mine", json=a_document(inputs=[])).status_code == 201
    for name in ("claims", "new"):
        assert_error(client.request("PUT", f"/api/v1/automations/{name}", json=a_document()), 403)
    assert automation.versions.count() == 1


def test_get_and_list_show_what_the_key_may_use(api: ApiClient, automation: Automation) -> None:
    make_automation(endpoint_name="other")
    _, text = make_key(automations=[automation])

    assert [each["endpoint_name"] for each in api.get("/api/v1/automations").json()["automations"]] == [
        "claims",
        "other",
    ]
    assert [each["version"] for each in api.with_key(text).get("/api/v1/automations").json()["automations"]] == [1]
    assert_error(api.with_key(text).get("/api/v1/automations/other"), 404, "Endpoint 'other' not found")
    shown = api.get("/api/v1/automations/claims").json()
    assert shown["automation"] == automation.versions.get().document
    assert shown["input_parameters"] == ["patient_id", "payer"]


def test_delete_deactivates(api: ApiClient, automation: Automation) -> None:
    assert api.request("DELETE", "/api/v1/automations/claims").status_code == 200

    automation.refresh_from_db()
    assert automation.is_active is False
    assert_error(api.request("DELETE", "/api/v1/automations/claims"), 404)
    assert AuditEvent.objects.filter(act="automation.deactivate", target="claims").count() == 1


def test_validate_writes_nothing(api: ApiClient, automation: Automation) -> None:
    good = api.post("/api/v1/automations/claims/validate", json=a_document(nodez=[]))
    bad = api.post("/api/v1/automations/claims/validate", json={"nodes": None})

    assert (good.status_code, good.json()["valid"], good.json()["problems"]) == (200, True, [])
    assert [each["path"] for each in good.json()["warnings"]] == ["nodez"]
    assert bad.status_code == 200
    assert bad.json()["valid"] is False
    assert {each["path"] for each in bad.json()["problems"]} >= {"url", "nodes"}
    assert automation.versions.count() == 1


def test_validate_says_what_the_linter_says(api: ApiClient) -> None:
    answer = api.post("/api/v1/automations/claims/validate", json=a_document(inputs=["unused"])).json()

    assert answer["valid"] is True
    (finding,) = [each for each in answer["findings"] if each["rule"] == "AL102"]
    assert finding == {
        "rule": "AL102",
        "name": "unused-parameter",
        "severity": "warning",
        "path": "parameters.input_parameters.unused",
        "message": "“unused” is used nowhere, but every task has to send it",
        "fix": "Use it, or remove it.",
        "portable": None,
    }


def test_publishing_says_it_too(api: ApiClient) -> None:
    answer = api.request("PUT", "/api/v1/automations/new", json=a_document(inputs=["unused"], nodez=[]))

    assert answer.status_code == 201
    assert [each["path"] for each in answer.json()["warnings"]] == ["nodez"]
    assert "AL102" in [each["rule"] for each in answer.json()["findings"]]


def test_the_schema_for_editors_needs_no_key() -> None:
    answer = Client().get("/api/automation.schema.json")

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/schema+json")
    assert json.loads(answer.content) == json_schema()


@pytest.mark.parametrize("document", [[], "text"])
def test_document_is_an_object(api: ApiClient, document: object) -> None:
    assert_error(api.request("PUT", "/api/v1/automations/new", json=document), 400, "The body must be a JSON object")


def test_put_says_when_new_scripts_took_the_trust_away(api: ApiClient) -> None:
    owner = make_user(is_superuser=True)
    _, text = make_key(owner=owner)
    client = api.with_key(text)

    def published(script: str) -> list[str]:
        document = a_document(nodes=[{"type": "action_node", "python_script_action": {"execution_code": script}}])
        answer = client.request("PUT", "/api/v1/automations/scripted", json=document).json()
        return [each["message"] for each in answer["warnings"] if "trusted" in each["message"]]

    assert published("a") == []
    automation = Automation.objects.get(endpoint_name="scripted")
    trust_automation(automation=automation, is_trusted=True, actor=owner)
    assert published("b") == [
        "the scripts changed, so the automation is not trusted anymore: they run when an administrator trusts it again"
    ]
    assert published("c") == []
