"""Differences by meaning."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import automation
from automation import Change, DocumentError, diff
from tests.automation.documents import branch, document, example, extraction, interaction, loop, sleep
from tests.automation.test_properties import FEW, VALID

DEMO = Path(__file__).parents[2] / "demo" / "automations"


def click(name: str, **fields: Any) -> dict[str, Any]:
    return interaction("click_element", command=f'get_by_role("button", name="{name}")', **fields)


def told(old: Any, new: Any) -> list[tuple[str, str, str]]:
    return [(change.kind, change.path, change.old_path) for change in diff(old, new)]


@pytest.mark.parametrize("name", VALID)
def test_a_document_equals_itself_and_its_normalized_form(name: str) -> None:
    raw = example(name)
    assert diff(raw, copy.deepcopy(raw)) == []


def test_an_explicit_default_is_no_change() -> None:
    plain = document(click("Save"), extraction("locator", command="a", extraction_format={"x": "str"}))
    explicit = copy.deepcopy(plain)
    explicit["max_retries"] = 0
    explicit["nodes"][0] |= {"end_sleep_time": 5, "commit_point": False}
    explicit["nodes"][1]["extraction_action"]["allow_none"] = "no"
    assert diff(plain, explicit) == []


def test_names_that_loading_makes_up_are_no_change() -> None:
    download = click("Report", expect_download=True)
    check = {"type": "assert_locator_node", "locator": "a", "assertion": "to_be_visible"}
    assert told(document(download, check), document(sleep(), download, check)) == [("added", "nodes[0]", "")]


def test_nodes_that_are_added_removed_moved_and_changed() -> None:
    old = document(click("One"), click("Two"), click("Three"), click("Four"))
    new = document(click("Four"), click("One"), sleep(), click("Two", force=True))
    assert diff(old, new) == [
        Change("removed", "nodes[2]", "nodes[2]", "Click button “Three”"),
        Change("added", "nodes[2]", "", "Sleep 0 s"),
        Change(
            "changed",
            "nodes[3].interaction_action.click_element.force",
            "nodes[1].interaction_action.click_element.force",
            "force",
            before=False,
            after=True,
        ),
        Change("moved", "nodes[0]", "nodes[3]", "Click button “Four”"),
    ]


def test_a_node_between_the_same_neighbors_was_changed() -> None:
    old = document(sleep(), click("Save"), interaction("go_back"))
    new = document(sleep(), click("Store"), interaction("go_back"))
    path = "nodes[1].interaction_action.click_element.command"
    assert told(old, new) == [("changed", path, path)]


def test_what_is_inside_loops_and_branches_is_compared_there() -> None:
    old = document(loop(branch("a[0]", click("Save")), variable_name="a"))
    new = document(sleep(), loop(branch("a[0]", click("Save"), sleep()), variable_name="a"))
    assert told(old, new) == [
        ("added", "nodes[1].nodes[0].if_nodes[1]", ""),
        ("added", "nodes[0]", ""),
    ]


def test_a_node_may_move_into_a_branch() -> None:
    old = document(click("Save"), branch("a[0]", sleep()))
    new = document(branch("a[0]", sleep(), click("Save")))
    assert told(old, new) == [("moved", "nodes[0].if_nodes[1]", "nodes[0]")]


def test_parameters_and_fields_of_the_document() -> None:
    old = document(max_retries=1)
    new = document(url="https://clinic.example/")
    old["parameters"]["input_parameters"] = {"a": [1], "b": ["x"]}
    new["parameters"]["input_parameters"] = {"a": [True], "c": []}
    assert told(old, new) == [
        ("changed", "url", "url"),
        ("changed", "parameters.input_parameters.a", "parameters.input_parameters.a"),
        ("removed", "parameters.input_parameters.b", "parameters.input_parameters.b"),
        ("added", "parameters.input_parameters.c", ""),
        ("changed", "max_retries", "max_retries"),
    ]


def test_secrets_are_hidden() -> None:
    def with_secret(secret: str) -> dict[str, Any]:
        raw = document(
            interaction("input_text", command='get_by_label("Password")', input_text=secret),
            extraction("api_call", url="https://erp.example/", headers={"authorization": secret}),
            interaction("go_to_url", url=f"https://u:{secret}@clinic.example/"),
        )
        raw["parameters"]["secure_parameters"] = {"code": [{"totp": {"totp_secret": secret}}]}
        return raw

    changes = diff(with_secret("hunter2"), with_secret("hunter3"))
    assert len(changes) == 4
    assert "hunter" not in json.dumps(changes)


@settings(FEW, max_examples=50)
@given(order=st.permutations(range(12)), dropped=st.sets(st.integers(0, 11), max_size=4))
def test_each_node_is_told_once(order: list[int], dropped: set[int]) -> None:
    nodes = [click(str(number)) for number in range(12)]
    kept = [number for number in order if number not in dropped]
    changes = diff(document(*nodes), document(*(nodes[number] for number in kept)))
    assert {change.path for change in changes if change.kind == "removed"} == {f"nodes[{n}]" for n in dropped}
    assert {change.kind for change in changes} <= {"removed", "moved"}
    unmoved = [
        number for number in kept if f"nodes[{number}]" not in {c.old_path for c in changes if c.kind == "moved"}
    ]
    assert unmoved == sorted(unmoved)


def test_two_bundled_automations_differ_in_what_they_do_at_the_end() -> None:
    old, new = (
        json.loads((DEMO / f"northwind-{name}.json").read_text()) for name in ("coverage-letter", "eligibility")
    )
    changes = diff(old, new)
    added = [change.what for change in changes if change.kind == "added" and change.path.startswith("nodes")]
    assert added[0] == "Read the date of birth"
    assert {change.kind for change in changes} == {"added", "changed"}


def test_documents_that_do_not_load_cannot_be_compared() -> None:
    with pytest.raises(DocumentError):
        diff(document(), {})
    assert automation.diff(document(), document()) == []
