"""The rules of the five node types, and how the type of an older node is inferred."""

from typing import Any

import pytest

from automation import ActionNode, AssertLocatorNode, ForLoopNode, IfElseNode, PrivateNode
from tests.automation.documents import (
    action_node,
    branch,
    extraction,
    interaction,
    loaded,
    loop,
    misc,
    node,
    paths,
    problems,
    sleep,
)

CHECK = {"type": "assert_locator_node", "locator": 'locator("a")', "assertion": "to_be_visible"}
FORM = {
    "type": "action_node",
    "dynamic_form_mapping_action": {
        "extraction_instructions": "x",
        "extraction_format": {},
        "callback_url": {"url": "https://forms.example/"},
    },
}
JUDGE = {"type": "action_node", "assertion_action": {"llm": {"extraction_instructions": "x"}}}


# Exactly one action


def test_a_node_needs_an_action() -> None:
    [problem] = problems({"type": "action_node"})
    assert problem.path == "nodes[0]"
    assert "exactly one of interaction_action" in problem.message


def test_null_actions_do_not_count() -> None:
    assert paths(sleep(fail_state_action=None, interaction_action=None)) == []
    assert paths({"type": "action_node", "sleep_action": None}) == ["nodes[0]"]


def test_a_misspelt_action_is_recognised() -> None:
    [problem] = problems({"type": "action_node", "interaction_acton": {}})
    assert problem.message.endswith("did you mean “interaction_action”?")
    [problem] = problems(interaction("clickelement"))
    assert problem.path == "nodes[0].interaction_action"
    assert problem.message.endswith("did you mean “click_element”?")


@pytest.mark.parametrize("wrapper", ["interaction_action", "extraction_action", "assertion_action"])
def test_wrappers_need_exactly_one(wrapper: str) -> None:
    assert paths({"type": "action_node", wrapper: {}}) == [f"nodes[0].{wrapper}"]
    both = {
        "interaction_action": {"go_back": {}, "scroll": {}},
        "extraction_action": {"state": {}, "screenshot": {"filename": "a"}},
        "assertion_action": {"network_call": {}, "llm": {"extraction_instructions": ""}},
    }[wrapper]
    assert paths({"type": "action_node", wrapper: both}) == [f"nodes[0].{wrapper}"]


def test_two_factor_is_no_action_of_its_own() -> None:
    code = {"action": {"type": "sms_two_fa_action", "from_number": "1", "to_number": "2"}, "output_variable_name": "c"}
    assert paths({"type": "action_node", "two_fa_action": code}) == ["nodes[0]"]
    assert paths(extraction("two_fa_action", **code)) == []


# Sleeping


@pytest.mark.parametrize(
    ("raw", "before", "end"),
    [
        (sleep(), 0.0, 5.0),
        (interaction("go_back"), 0.0, 5.0),
        (extraction("state"), 3.0, 0.0),
        (JUDGE, 0.0, 0.0),
        (FORM, 3.0, 0.0),
    ],
)
def test_sleep_times_depend_on_the_action_when_they_are_not_written(
    raw: dict[str, Any], before: float, end: float
) -> None:
    found = action_node(raw)
    assert (found.before_sleep_time, found.end_sleep_time) == (before, end)
    assert not found.before_sleep_is_explicit


@pytest.mark.parametrize("raw", [extraction("state"), JUDGE, FORM])
def test_written_sleep_times_stay_even_when_they_equal_the_usual_default(raw: dict[str, Any]) -> None:
    found = action_node({**raw, "before_sleep_time": 0.0, "end_sleep_time": 5.0})
    assert (found.before_sleep_time, found.end_sleep_time) == (0.0, 5.0)
    assert found.before_sleep_is_explicit


@pytest.mark.parametrize(("seconds", "is_valid"), [(0, True), (30, True), (30.5, False), (-0.1, False), (None, False)])
def test_the_end_sleep_is_bounded(seconds: float | None, is_valid: bool) -> None:
    assert paths(sleep(end_sleep_time=seconds)) == ([] if is_valid else ["nodes[0].end_sleep_time"])


def test_the_sleep_before_is_not_bounded() -> None:
    assert action_node(sleep(before_sleep_time=-100)).before_sleep_time == -100
    assert action_node(sleep(before_sleep_time=9999)).before_sleep_time == 9999


# New tabs


def test_a_new_tab_can_only_be_expected_of_interactions() -> None:
    assert paths({**interaction("go_back"), "expect_new_tab": True}) == []
    assert paths({**extraction("state"), "expect_new_tab": "yes"}) == ["nodes[0].expect_new_tab"]
    assert paths({**extraction("state"), "expect_new_tab": False}) == []


@pytest.mark.parametrize(("expects", "seconds"), [(True, 10.0), (False, 0.0)])
def test_the_wait_for_a_new_tab_is_checked_as_written_and_then_replaced(expects: bool, seconds: float) -> None:
    raw = {**interaction("go_back"), "expect_new_tab": expects, "max_new_tab_wait_time": 30}
    assert action_node(raw).max_new_tab_wait_time == seconds
    assert paths({**raw, "max_new_tab_wait_time": 31}) == ["nodes[0].max_new_tab_wait_time"]


# Loops


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({"variable_name": "x"}, True),
        ({"locator": 'locator("a")'}, True),
        ({}, False),
        ({"variable_name": "x", "locator": "y"}, False),
        ({"variable_name": "  ", "locator": " y "}, True),
        ({"variable_name": " ", "locator": ""}, False),
        ({"variable_name": None, "locator": "y"}, True),
        ({"variable_name": ","}, True),
    ],
)
def test_a_loop_has_exactly_one_source(fields: dict[str, Any], is_valid: bool) -> None:
    assert paths(loop(**fields)) == ([] if is_valid else ["nodes[0]"])


def test_the_source_of_a_loop_is_stripped() -> None:
    found = node(loop(variable_name="  ", locator=' get_by_role("row") '))
    assert isinstance(found, ForLoopNode)
    assert found.locator == 'get_by_role("row")'
    assert found.variable_name is None


@pytest.mark.parametrize(("variable_name", "names"), [("a", ("a",)), (" a , b,", ("a", "b")), (",", ())])
def test_a_loop_may_walk_several_variables(variable_name: str, names: tuple[str, ...]) -> None:
    found = node(loop(variable_name=variable_name))
    assert isinstance(found, ForLoopNode)
    assert found.variable_names == names


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({"variable_name": "x", "index_variable_name": "i"}, True),
        ({"variable_name": "x", "index_variable_name": "1i"}, False),
        ({"variable_name": "x", "index_variable_name": ""}, False),
        ({"variable_name": "x", "index_variable_name": "index_of"}, False),
        ({"variable_name": "x", "index_variable_name": "locator"}, True),
        ({"locator": "x", "index_variable_name": "locator"}, False),
        ({"variable_name": "x, y", "index_variable_name": "y"}, False),
        ({"variable_name": "index"}, False),
        ({"variable_name": "x", "index_variable_name": None}, False),
    ],
)
def test_the_name_of_a_loops_index(fields: dict[str, Any], is_valid: bool) -> None:
    assert paths(loop(**fields)) == ([] if is_valid else ["nodes[0].index_variable_name"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_iterations", 0),
        ("max_iterations", -1),
        ("locator_timeout", -0.5),
        ("reset_nodes", None),
        ("nodes", None),
        ("on_error_in_loop", "stop"),
    ],
)
def test_bounds_of_a_loop(field: str, value: Any) -> None:
    assert paths(loop(**{"variable_name": "x", field: value})) == [f"nodes[0].{field}"]


def test_a_loop_needs_its_body() -> None:
    assert paths({"type": "for_loop_node", "variable_name": "x"}) == ["nodes[0].nodes"]
    assert paths(loop(variable_name="x", max_iterations=None, break_if="done[0]")) == []


# Branches, checks, private nodes


def test_a_branch() -> None:
    found = node({"type": "if_else_node", "condition": ""})
    assert isinstance(found, IfElseNode)
    assert (found.if_nodes, found.else_nodes) == ([], [])
    assert paths({"type": "if_else_node"}) == ["nodes[0].condition"]
    assert paths(branch("x", else_nodes=None), {**branch("x"), "if_nodes": None}) == [
        "nodes[0].else_nodes",
        "nodes[1].if_nodes",
    ]


def test_a_check() -> None:
    found = node({**CHECK, "text": "{a[0]}", "count": "2", "must_hold": True, "timeout": -1})
    assert isinstance(found, AssertLocatorNode)
    assert (found.text, found.count, found.must_hold, found.timeout) == ("{a[0]}", 2, True, -1)
    assert paths({**CHECK, "assertion": "to_be_visble"}) == ["nodes[0].assertion"]
    assert paths({"type": "assert_locator_node"}) == ["nodes[0].locator", "nodes[0].assertion"]
    assert paths({**CHECK, "count": -1}) == ["nodes[0].count"]


def test_a_private_node() -> None:
    found = node({"type": "private_node", "handler": "h", "end_sleep_time": 45})
    assert isinstance(found, PrivateNode)
    assert (found.inputs, found.output_variable_names, found.end_sleep_time) == ({}, None, 45)
    assert paths({"type": "private_node", "inputs": []}) == ["nodes[0].handler", "nodes[0].inputs"]


def test_every_node_may_have_a_label() -> None:
    raws = [sleep(), loop(variable_name="x"), branch("x"), CHECK, {"type": "private_node", "handler": "h"}]
    assert [found.label for found in loaded(*({**raw, "label": "L"} for raw in raws)).nodes] == ["L"] * 5


def test_a_commit_point_is_marked_on_the_node() -> None:
    assert action_node({**interaction("click_element"), "commit_point": True}).commit_point
    assert not action_node(interaction("click_element")).commit_point


# Types


@pytest.mark.parametrize(
    ("raw", "model"),
    [
        ({"condition": "x", "variable_name": "y"}, IfElseNode),
        ({"variable_name": "x", "nodes": []}, ForLoopNode),
        ({"locator": "x", "assertion": "to_be_hidden", "nodes": []}, AssertLocatorNode),
        ({"locator": "x", "nodes": []}, ForLoopNode),
        ({"sleep_action": {"sleep_time": 1}}, ActionNode),
    ],
)
def test_the_type_of_an_older_node_is_inferred_everywhere_but_after_the_run(raw: dict[str, Any], model: type) -> None:
    assert isinstance(node(raw), model)
    nested = loop(raw, branch("x", raw, else_nodes=[raw]), variable_name="v", reset_nodes=[raw])
    assert paths(nested) == []
    assert paths(post_processing_nodes=[nested]) == []
    assert paths(post_processing_nodes=[raw]) == ["post_processing_nodes[0]"]


def test_a_private_node_needs_its_type() -> None:
    assert paths({"handler": "h"}) == ["nodes[0]"]


@pytest.mark.parametrize("kind", [None, "", "node", 5, [], "Action_Node"])
def test_a_type_that_is_written_must_be_right(kind: Any) -> None:
    assert paths(sleep(type=kind)) == ["nodes[0]"]


def test_a_misspelt_type_gets_the_nearest() -> None:
    [problem] = problems(sleep(type="for_lop_node"))
    assert "“for_lop_node”" in problem.message
    assert problem.message.endswith("did you mean “for_loop_node”?")


@pytest.mark.parametrize("raw", [None, 1, "sleep", [], True])
def test_what_is_no_object_is_no_node(raw: Any) -> None:
    assert paths(raw) == ["nodes[0]"]
    assert paths(loop(raw, variable_name="x")) == ["nodes[0].nodes[0]"]
    assert paths(post_processing_nodes=[raw]) == ["post_processing_nodes[0]"]


def test_an_empty_misc_action_is_fine_and_the_first_of_several_counts() -> None:
    empty = action_node({"type": "action_node", "misc_action": {}})
    assert empty.misc_action is not None
    assert empty.misc_action.chosen is None
    both = misc("count_locator", locator="x", name="n")
    both["misc_action"]["set_variable"] = {"name": "n", "value": 1}
    found = action_node(both)
    assert found.misc_action is not None
    assert found.misc_action.chosen_name == "set_variable"
