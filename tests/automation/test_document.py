"""The document itself: types and defaults, names that are filled in, and input that is no document at all."""

import json
import math
import sys
import time
from typing import Any

import pytest

import automation
from automation import ActionNode, AssertLocatorNode, DocumentError, ForLoopNode, IfElseNode, Problem
from automation.json_values import MAX_DEPTH, MAX_VALUES
from automation.problems import MAX_PROBLEMS
from tests.automation.documents import (
    branch,
    document,
    extraction,
    interaction,
    loaded,
    loop,
    paths,
    problems,
    problems_of,
    sleep,
)


def test_the_defaults_of_the_contract_are_filled_in() -> None:
    dumped = loaded().model_dump(mode="json")
    assert dumped == {
        "url": "http://demo.localhost/",
        "parameters": {"input_parameters": {}, "generated_parameters": {}, "secure_parameters": {}},
        "nodes": [],
        "post_processing_nodes": [],
        "browser_channel": "chromium",
        "backend": "browser-use",
        "os_emulation": None,
        "allow_cookies": False,
        "enable_browser_alerts": False,
        "max_retries": 0,
        "expected_downloads": 0,
        "remove_empty_nodes_in_axtree": True,
        "reuse_page_if_already_on_url": False,
        "take_final_screenshot": True,
        "automation_description": None,
        "automation_endpoint": None,
        "trace": "auto",
    }


@pytest.mark.parametrize(
    ("raw", "value"),
    [("2", 2), (2.0, 2), (True, 1), (-3, -3), (" 7 ", 7)],
)
def test_whole_numbers_are_read_leniently(raw: Any, value: int) -> None:
    assert loaded(max_retries=raw).max_retries == value


@pytest.mark.parametrize("raw", [2.5, "x", None, [], "2.5"])
def test_what_is_no_whole_number_is_refused(raw: Any) -> None:
    assert paths(max_retries=raw) == ["max_retries"]


@pytest.mark.parametrize("raw", [True, 1, "yes", "ON", "True", "t", "Y", "1"])
def test_booleans_are_read_leniently(raw: Any) -> None:
    assert loaded(allow_cookies=raw).allow_cookies is True


@pytest.mark.parametrize("raw", [2, "maybe", None, [], 0.5])
def test_what_is_no_boolean_is_refused(raw: Any) -> None:
    assert paths(allow_cookies=raw) == ["allow_cookies"]


@pytest.mark.parametrize("raw", [5, True, None, ["a"], {}])
def test_only_texts_are_texts(raw: Any) -> None:
    assert paths(url=raw) == ["url"]


def test_a_number_field_takes_numeric_text_and_a_text_field_no_number() -> None:
    assert loaded(sleep(end_sleep_time="2.5")).nodes[0].model_dump()["end_sleep_time"] == 2.5
    [problem] = problems(interaction("input_text", input_text=5))
    assert problem == Problem("nodes[0].interaction_action.input_text.input_text", "must be text, not a number")


def test_a_list_field_takes_no_bare_text() -> None:
    [problem] = problems(interaction("select_option", select_values="a"))
    assert problem.message == "must be a list, not text"


@pytest.mark.parametrize("channel", ["firefox", "msedge", "Chrome", ""])
def test_an_unknown_channel_is_refused(channel: str) -> None:
    assert paths(browser_channel=channel) == ["browser_channel"]


def test_a_misspelt_choice_names_the_nearest() -> None:
    [problem] = problems(browser_channel="chromum")
    assert problem.message.endswith("did you mean “chromium”?")


def test_the_url_may_be_empty_but_must_be_there() -> None:
    assert paths(url="") == []
    raw = document()
    del raw["url"]
    assert problems_of(raw) == [Problem("url", "is required")]


def test_nodes_may_be_missing_but_not_null() -> None:
    raw = document()
    del raw["nodes"]
    assert automation.load(raw).nodes == []
    assert paths(nodes=None) == ["nodes"]


@pytest.mark.parametrize("raw", [None, [], "x", 1, True, 1.5, b"x", object(), {1: 2}, ("a",)])
def test_what_is_no_document_is_a_document_error(raw: object) -> None:
    with pytest.raises(DocumentError) as caught:
        automation.load(raw)
    assert caught.value.problems


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
@pytest.mark.parametrize("field", ["max_retries", "unknown_key"])
def test_numbers_that_json_does_not_have_are_refused_everywhere(field: str, value: float) -> None:
    assert field in paths(**{field: value})


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e999"])
def test_a_text_that_reads_as_no_finite_number_is_no_number(value: str) -> None:
    assert paths(sleep(before_sleep_time=value)) == ["nodes[0].before_sleep_time"]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_texts_that_no_database_holds_are_refused_in_values_and_keys(text: str) -> None:
    assert paths(url=text) == ["url"]
    assert paths(unknown={text: 1}) == ["unknown"]


def nested(levels: int) -> list[Any]:
    innermost: list[Any] = []
    for _ in range(levels - 1):
        innermost = [innermost]
    return innermost


def test_nesting_is_limited() -> None:
    assert paths(unknown=nested(MAX_DEPTH)) == []
    [problem] = problems(unknown=nested(MAX_DEPTH + 1))
    assert problem.path.startswith("unknown[0][0]")
    assert "nested too deeply" in problem.message


def test_nesting_beyond_pythons_own_limit_is_a_problem_like_others() -> None:
    [problem] = problems(unknown=nested(sys.getrecursionlimit() * 10))
    assert "nested too deeply" in problem.message


def test_the_number_of_values_is_limited() -> None:
    [problem] = problems(unknown=[[0] * 1_000] * (MAX_VALUES // 1_000))
    assert "too large" in problem.message


@pytest.mark.parametrize(
    "raw",
    [
        document(*[1] * 100_000),
        document(interaction("key_press", type=["nothing"] * 100_000)),
        document(
            extraction(
                "llm",
                extraction_instructions="",
                extraction_format={f"key{number}": "str" for number in range(10_000)},
                output_variable_names=["keys"] * 10_000,
            )
        ),
    ],
    ids=["nodes", "keys", "names"],
)
def test_a_document_that_is_wrong_in_very_many_places_is_refused_in_time(raw: dict[str, Any]) -> None:
    started = time.process_time()
    assert len(problems_of(raw)) == MAX_PROBLEMS + 1
    assert time.process_time() - started < 5


def test_a_structure_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "nested too deeply" in problems(unknown=endless)[0].message


def test_nodes_can_be_nested_as_deeply_as_the_limit_allows() -> None:
    node = sleep()
    # A branch takes two levels: its object and its list.
    for _ in range(MAX_DEPTH // 2 - 2):
        node = branch("True", node)
    automation.load(document(node))
    broken = sleep(end_sleep_time=31)
    for _ in range(MAX_DEPTH // 2 - 2):
        broken = branch("True", broken)
    [path] = paths(broken)
    assert path.startswith("nodes[0].if_nodes[0].if_nodes[0]")
    assert path.endswith(".end_sleep_time")


def test_all_problems_are_told_at_once_in_places_that_do_not_know_of_each_other() -> None:
    raw = document(
        {"type": "action_nod"},
        sleep(end_sleep_time=31, expect_new_tab=True),
        interaction("click_elment"),
        interaction("input_text", input_text=5, xpath="//a", command="b", press_enter="perhaps"),
        loop(sleep(fail_state_action={}), variable_name="x", locator="y", max_iterations=0),
        None,
        browser_channel="opera",
        allow_cookies="perhaps",
    )
    raw["parameters"] = {"input_parameters": {"a-b": ["x"], "task_id": 1}, "generated_parameters": {"c": [[1]]}}
    assert [path for path, _ in problems_of(raw)] == [
        'parameters.input_parameters["a-b"]',
        "parameters.input_parameters.task_id",
        "parameters.input_parameters.task_id",
        "parameters.generated_parameters.c[0]",
        "nodes[0]",
        "nodes[1].expect_new_tab",
        "nodes[1].end_sleep_time",
        "nodes[2].interaction_action",
        "nodes[3].interaction_action.input_text",
        "nodes[3].interaction_action.input_text.input_text",
        "nodes[3].interaction_action.input_text.press_enter",
        "nodes[4]",
        "nodes[4].max_iterations",
        "nodes[4].nodes[0]",
        "nodes[5]",
        "browser_channel",
        "allow_cookies",
    ]


def test_a_document_that_is_wrong_everywhere_is_told_in_part() -> None:
    found = problems(*[{} for _ in range(3 * MAX_PROBLEMS)])
    assert len(found) == MAX_PROBLEMS + 1
    assert "more problems" in found[-1].message


def test_the_error_as_text_names_the_first_problem() -> None:
    with pytest.raises(DocumentError, match=r"^nodes: must be a list, not null \(and 1 more\)$"):
        automation.load(document(nodes=None, post_processing_nodes=None))


def test_no_message_repeats_a_text_of_the_document() -> None:
    secret = "hunter2-hunter2"
    raw = document(
        interaction("input_text", input_text=[secret], prompt_instructions={"a": secret}),
        extraction("llm", extraction_format={"a": [5, secret]}, extraction_instructions=[secret]),
        max_retries=secret,
        allow_cookies=secret,
    )
    raw["parameters"]["secure_parameters"] = {"s": [{"totp": {"totp_secret": [secret], "digits": secret}}]}
    found = problems_of(raw)
    assert len(found) == 8
    assert not any(secret in message for _, message in found)


def test_a_seed_is_not_in_the_repr_of_a_document() -> None:
    raw = document()
    raw["parameters"]["secure_parameters"] = {"s": [{"totp": {"totp_secret": "JBSWY3DPEHPK3PXP"}}]}
    assert "JBSWY3DPEHPK3PXP" not in repr(automation.load(raw))


def test_a_loaded_document_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded().url = "x"  # type: ignore[misc]


@pytest.mark.parametrize("action", ["hover", "check", "drag_to", "go_to_url", "close_overlay_popup"])
def test_a_remote_desktop_takes_few_interactions_at_the_top_level(action: str) -> None:
    fields = {"url": "x"} if action == "go_to_url" else {"target": 'locator("b")'} if action == "drag_to" else {}
    raw = interaction(action, **fields)
    assert paths(raw, browser_channel="rdp") == [f"nodes[0].interaction_action.{action}"]
    assert paths(raw, browser_channel="chrome") == []
    assert paths(branch("True", raw), browser_channel="rdp") == []
    assert paths(browser_channel="rdp", post_processing_nodes=[raw]) == []


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("click_element", {}),
        ("input_text", {}),
        ("key_press", {"type": "a"}),
        ("agentic_task", {"task": "", "max_steps": 1}),
    ],
)
def test_a_remote_desktop_takes_these(action: str, fields: dict[str, Any]) -> None:
    assert paths(interaction(action, **fields), extraction("state"), browser_channel="rdp") == []


def test_output_variables_without_a_name_are_numbered_in_document_order() -> None:
    def read(**fields: Any) -> dict[str, Any]:
        return extraction("locator", command='locator("a")', extraction_format={"x": "str"}, **fields)

    check = {"type": "assert_locator_node", "locator": 'locator("a")', "assertion": "to_be_visible"}
    document = loaded(
        sleep(),  # 1
        loop(read(), variable_name="v", reset_nodes=[check]),  # 2: 3, 4
        branch("True", {"type": "private_node", "handler": "h"}, else_nodes=[read()]),  # 5: 6, 7
        {**check, "output_variable_name": "mine"},  # 8
        read(output_variable_name="x"),  # 9
        post_processing_nodes=[check],  # 10
    )
    outer, fork, named, read_named = document.nodes[1:]
    assert isinstance(outer, ForLoopNode)
    assert isinstance(fork, IfElseNode)
    assert named_output(outer.nodes[0]) == ("node3_output", {"node3_output": "str"})
    assert named_output(outer.reset_nodes[0]) == "node4_output"
    assert named_output(fork.else_nodes[0]) == ("node7_output", {"node7_output": "str"})
    assert named_output(named) == "mine"
    assert named_output(read_named) == ("x", {"x": "str"})
    assert named_output(document.post_processing_nodes[0]) == "node10_output"


def named_output(node: object) -> object:
    if isinstance(node, AssertLocatorNode):
        return node.output_variable_name
    assert isinstance(node, ActionNode)
    assert node.extraction_action is not None
    locator = node.extraction_action.locator
    assert locator is not None
    return locator.output_variable_name, locator.extraction_format


def test_loading_does_not_change_what_it_is_given() -> None:
    raw = document(
        {"sleep_action": {"sleep_time": 1}},
        extraction("locator", command="a", extraction_format={"x": "str"}),
        {"type": "action_node", "captcha_action": {"locator": "a", "config": {}}},
    )
    before = json.dumps(raw)
    automation.load(raw)
    assert json.dumps(raw) == before
