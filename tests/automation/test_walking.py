"""Paths, kinds, and what a server cannot run."""

import pytest

import automation
from automation import ALL_KINDS, Automation, find_unsupported, kind_of, walk
from automation.walking import DOCUMENT_KINDS, NODE_KINDS
from tests.automation.documents import branch, document, example, extraction, interaction, loaded, loop, misc, sleep

CHECK = {"type": "assert_locator_node", "locator": "a", "assertion": "to_be_visible"}


def everything() -> list[Automation]:
    """Documents that use every kind together."""
    names = [
        "valid_01_login_and_export.json",
        "valid_04_every_interaction.json",
        "valid_05_every_extraction.json",
        "valid_06_conditions_misc_scripts.json",
        "valid_07_people_codes_and_forms.json",
        "valid_10_remote_desktop.json",
        "valid_12_private_and_post_processing.json",
    ]
    more = document(
        loop(interaction("drag_to", target="b"), variable_name="x"),
        misc("count_locator", locator="a", name="n"),
        interaction("close_tabs_until", tab_index=0),
        browser_channel="cloakbrowser",
    )
    more["parameters"]["secure_parameters"] = {"s": [{"vault": {"name": "n"}}]}
    return [
        *(automation.load(example(name)) for name in names),
        automation.load(more),
        loaded(browser_channel="browser-use"),
    ]


def test_walking_goes_in_document_order() -> None:
    found = loaded(
        sleep(),
        loop(sleep(), branch("x", sleep(), else_nodes=[sleep()]), variable_name="v", reset_nodes=[sleep()]),
        post_processing_nodes=[sleep()],
    )
    assert [path for path, _ in walk(found)] == [
        "nodes[0]",
        "nodes[1]",
        "nodes[1].nodes[0]",
        "nodes[1].nodes[1]",
        "nodes[1].nodes[1].if_nodes[0]",
        "nodes[1].nodes[1].else_nodes[0]",
        "nodes[1].reset_nodes[0]",
        "post_processing_nodes[0]",
    ]


def test_the_kind_of_a_node() -> None:
    found = loaded(
        interaction("click_element"),
        extraction("state"),
        {"type": "action_node", "assertion_action": {"network_call": {}}},
        misc("set_variable", name="n", value=1),
        {"type": "action_node", "misc_action": {}},
        sleep(),
        loop(variable_name="x"),
        branch("x"),
        CHECK,
        {"type": "private_node", "handler": "h"},
    )
    assert [kind_of(node) for node in found.nodes] == [
        "click_element",
        "extraction.state",
        "assertion.network_call",
        "misc.set_variable",
        "misc.nothing",
        "sleep_action",
        "for_loop_node",
        "if_else_node",
        "assert_locator_node",
        "private_node",
    ]


def test_there_are_57_kinds_and_every_one_occurs() -> None:
    assert len(ALL_KINDS) == 57
    used = {kind_of(node) for found in everything() for _, node in walk(found)}
    assert used == NODE_KINDS
    assert used | DOCUMENT_KINDS == ALL_KINDS


@pytest.mark.parametrize("kind", sorted(ALL_KINDS))
def test_each_kind_that_is_missing_is_found_and_no_other(kind: str) -> None:
    found = [problem for document in everything() for problem in find_unsupported(document, ALL_KINDS - {kind})]
    assert found
    assert all(problem.message.startswith(f"{kind} ") for problem in found)
    assert [problem for document in everything() for problem in find_unsupported(document, ALL_KINDS)] == []


def test_unsupported_kinds_are_named_with_their_paths() -> None:
    raw = document(loop(interaction("click_element"), variable_name="x"), post_processing_nodes=[sleep()])
    raw["browser_channel"] = "rdp"
    raw["parameters"]["secure_parameters"] = {"s": [{"totp": {"totp_secret": "x"}}]}
    found = find_unsupported(automation.load(raw), {"click_element"})
    assert [problem.path for problem in found] == [
        "browser_channel",
        "parameters.secure_parameters.s[0]",
        "post_processing_nodes",
        "nodes[0]",
        "post_processing_nodes[0]",
    ]
    assert found[1].message == "secure_parameters.totp cannot be run by this server"


def test_a_family_stands_for_all_its_kinds() -> None:
    raw = document(extraction("state"), misc("set_variable", name="n", value=1))
    raw["parameters"]["secure_parameters"] = {"s": [{"totp": {"totp_secret": "x"}}]}
    assert find_unsupported(automation.load(raw), {"extraction", "misc", "secure_parameters"}) == []
