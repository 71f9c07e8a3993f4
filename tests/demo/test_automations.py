"""The bundled automations and requests: valid, complete, and right about the portal."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from playwright.sync_api import Page

from tests.demo.portal_process import PROJECT, Portal
from tests.demo.walker import Walk

AUTOMATIONS = sorted((PROJECT / "demo/automations").glob("*.json"))
NAMES = [path.stem for path in AUTOMATIONS]
ADDRESS = "http://127.0.0.1:8765"
# The nodes that change something which cannot be taken back, by the label that people see.
COMMIT_POINTS = {
    "northwind-intake": ["Submit the intake"],
    "northwind-record-effect": ["Record the effect"],
    "northwind-slow-effect": ["Record the effect"],
}


def document_of(name: str, address: str = ADDRESS) -> dict[str, Any]:
    text = (PROJECT / f"demo/automations/{name}.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text.replace(ADDRESS, address))
    return document


def request_of(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((PROJECT / f"demo/requests/{name}.json").read_text(encoding="utf-8"))
    return body


def all_nodes(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from all_nodes(node.get("if_nodes", []))
        yield from all_nodes(node.get("else_nodes", []))


def test_there_are_enough_of_them_and_each_has_a_request() -> None:
    assert len(NAMES) >= 6
    assert [path.stem for path in sorted((PROJECT / "demo/requests").glob("*.json"))] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_automation_is_valid(name: str) -> None:
    schema = json.loads((PROJECT / "tests/data/automation.schema.json").read_text(encoding="utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(document_of(name))] == []


@pytest.mark.parametrize("name", NAMES)
def test_automation_opens_the_portal_and_nothing_else(name: str) -> None:
    document = document_of(name)
    text = json.dumps(document)
    assert document["url"].startswith(f"{ADDRESS}/")
    assert text.count("http") == text.count(ADDRESS)


@pytest.mark.parametrize("name", NAMES)
def test_every_node_has_a_label(name: str) -> None:
    labels = [node.get("label", "") for node in all_nodes(document_of(name)["nodes"])]
    assert all(labels)


@pytest.mark.parametrize("name", NAMES)
def test_what_submits_is_a_commit_point(name: str) -> None:
    nodes = all_nodes(document_of(name)["nodes"])
    commit_points = [node["label"] for node in nodes if node.get("commit_point")]
    assert commit_points == COMMIT_POINTS.get(name, [])


@pytest.mark.parametrize("name", NAMES)
def test_extractions_do_not_wait_before_they_read(name: str) -> None:
    for node in all_nodes(document_of(name)["nodes"]):
        if "extraction_action" in node:
            assert node["before_sleep_time"] == 0, node["label"]


@pytest.mark.parametrize("name", NAMES)
def test_variables_written_are_the_declared_ones(name: str) -> None:
    document = document_of(name)
    written = set()
    for node in all_nodes(document["nodes"]):
        extracted = node.get("extraction_action", {}).get("locator", {})
        written |= {node.get("output_variable_name"), extracted.get("output_variable_name")}
    assert written - {None} == set(document["parameters"]["generated_parameters"])


@pytest.mark.parametrize("name", NAMES)
def test_request_sends_the_declared_parameters(name: str) -> None:
    body = request_of(name)
    assert body["endpoint_name"] == name
    assert body["input_parameters"].keys() == document_of(name)["parameters"]["input_parameters"].keys()
    assert set(body["unique_parameter_names"]) <= body["input_parameters"].keys()
    for values in body["input_parameters"].values():
        assert all(isinstance(value, str) for value in values)


@pytest.fixture
def play(page: Page, portal: Portal, tmp_path: Path) -> Any:
    """Play one automation on the running portal, with the parameters of its request or others."""

    def play(name: str, **parameters: list[str]) -> Walk:
        walk = Walk(page, request_of(name)["input_parameters"] | parameters, tmp_path)
        walk.run(document_of(name, portal.url))
        return walk

    return play


def test_eligibility_reads_the_facts_and_saves_the_summary(play: Any) -> None:
    walk = play("northwind-eligibility")
    assert walk.outputs == {
        "member_id": "NW-4471-203",
        "birth_date": "1984-04-12",
        "plan": "Juniper Gold",
        "status": "Active",
        "copay": "$20",
        "last_visit": "2026-11-20",
        "balance": "$142.50",
    }
    assert [path.name for path in walk.downloads] == ["visit-summary"]
    assert walk.downloads[0].read_bytes().startswith(b"%PDF")


def test_eligibility_says_who_is_unknown(play: Any) -> None:
    with pytest.raises(AssertionError, match=r"Northwind has no patient named Nobody\."):
        play("northwind-eligibility", patient=["Nobody"])


def test_intake_submits_once(play: Any, portal: Portal) -> None:
    walk = play("northwind-intake")
    assert walk.outputs == {"confirmation_number": "NW-100001", "visit": "Cardiology, 2026-12-03"}
    assert walk.skipped == [], "the privacy overlay was there"
    assert portal.get("/effects").json()["by_id"] == {"REF-20417": 1}


def test_report_has_the_filtered_claims(play: Any) -> None:
    walk = play("northwind-report-csv")
    assert walk.outputs["claim_count"] == "30 of 30 claims shown"
    assert [path.name for path in walk.downloads] == ["claims_Denied.csv"]
    lines = walk.downloads[0].read_text(encoding="utf-8").splitlines()
    assert len(lines) == 31
    assert lines[1].startswith(walk.outputs["first_claim"])


def test_coverage_popup_reads_the_card(play: Any) -> None:
    assert play("northwind-coverage-popup").outputs == {
        "payer": "Cedarstone Health",
        "plan": "Cedarstone Basic",
        "member_id": "NW-4549-425",
        "group_number": "G-40823",
        "deductible": "$3,500",
    }


def test_coverage_letter_is_saved(play: Any) -> None:
    walk = play("northwind-coverage-letter")
    assert walk.outputs["member_id"].encode() in walk.downloads[0].read_bytes()


def test_iframe_and_widget(play: Any) -> None:
    assert play("northwind-iframe-and-widget").outputs == {
        "member": "Amara Okafor",
        "answer": "Eligible",
        "copay": "$20",
        "pinned": "Call Amara Okafor about her new plan",
        "page_title": "Eligibility",
    }


def test_triage_takes_the_first_of_the_queue(play: Any) -> None:
    outputs = play("northwind-triage").outputs
    assert outputs["news"] == "The queue was refreshed: 4 referrals wait."
    assert outputs["taken"] == "You took the referral of Hyejin Park."
    assert outputs["next_in_line"].startswith("Emeka Nwosu")
    assert outputs["state"] == "Ready"


def test_record_effect_counts_one(play: Any, portal: Portal) -> None:
    assert play("northwind-record-effect", id=["a b/ü"]).outputs == {"effect_count": "1"}
    assert portal.get("/effects").json()["by_id"] == {"a b/ü": 1}


def test_slow_effect_counts_one_after_the_time(play: Any, portal: Portal) -> None:
    assert play("northwind-slow-effect", id=["late"], seconds=["1.5"]).outputs == {"effect_count": "1"}
    assert portal.get("/effects").json()["by_id"] == {"late": 1}
