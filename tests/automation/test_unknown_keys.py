"""Keys that loading ignores are told, with the field that they may have meant."""

from typing import Any

import pytest

from automation import load, unknown_keys
from automation.unknown_keys import MAX_REPORTED
from tests.automation.documents import branch, document, example, extraction, interaction, loop, sleep


def paths(raw: object) -> list[str]:
    return [path for path, _ in unknown_keys(raw)]


def test_unknown_keys_are_found_at_every_level() -> None:
    raw = document(
        {"sleep_action": {"sleep_time": 1, "slep": 1}, "comment": "x"},
        loop(
            branch("x", {**interaction("click_element", comand="x"), "max_tries": 3}, else_nodes=[{"lable": "x"}]),
            variable_name="v",
            reset_nodes=[
                extraction("two_fa_action", action={"type": "sms_two_fa_action", "to": 1}, output_variable_name="c")
            ],
        ),
        extraction("api_call", url="x", headers={"free": "x"}, body={"free": {"free": 1}}),
        {"locator": "x", "assertion": "to_be_visible", "must": 1},
        post_processing_nodes=[{"type": "private_node", "handler": "h", "inputs": {"free": 1}, "timeout": 1}],
        max_retry=2,
    )
    raw["parameters"]["secure_parameters"] = {"s": [{"vault": {"name": "n", "field": "x"}}]}
    assert sorted(paths(raw)) == [
        "max_retry",
        "nodes[0].comment",
        "nodes[0].sleep_action.slep",
        "nodes[1].nodes[0].else_nodes[0].lable",
        "nodes[1].nodes[0].if_nodes[0].interaction_action.click_element.comand",
        "nodes[1].nodes[0].if_nodes[0].max_tries",
        "nodes[1].reset_nodes[0].extraction_action.two_fa_action.action.to",
        "nodes[3].must",
        "parameters.secure_parameters.s[0].vault.field",
        "post_processing_nodes[0].timeout",
    ]


def test_the_nearest_field_is_named() -> None:
    [problem] = unknown_keys(document(interaction("click_element", comand="x")))
    assert problem.message == "“comand” is unknown here and ignored; did you mean “command”?"
    [problem] = unknown_keys(document(zzzz=1))
    assert problem.message == "“zzzz” is unknown here and ignored"


def test_unknown_keys_do_not_keep_a_document_from_loading() -> None:
    raw = example("valid_08_nodes_without_type.json")
    assert paths(raw) == ["an_unknown_key"]
    assert "an_unknown_key" not in load(raw).model_dump()


@pytest.mark.parametrize(
    "raw", [None, 5, [], "x", {"nodes": None}, {"nodes": [None, 5, []]}, {1: 2}, {"nodes": {"a": 1}}]
)
def test_what_is_no_document_has_no_unknown_keys(raw: Any) -> None:
    assert paths(raw) == []


def test_a_wrong_type_or_shape_ends_the_search_there_only() -> None:
    raw = document(sleep(type="nonsense", comment=1), sleep(interaction_action=[{"x": 1}], comment=1))
    assert paths(raw) == ["nodes[1].comment"]


def test_not_more_than_people_can_read() -> None:
    assert len(paths(document(**{f"key_{number}": 1 for number in range(3 * MAX_REPORTED)}))) == MAX_REPORTED


def test_what_the_linter_is_told_is_not_reported() -> None:
    node = {**sleep(), "lint_ignore": ["AL702"], "lint_ignored": []}
    assert paths(document(node, lint_ignore=["AL401"])) == ["nodes[0].lint_ignored"]
