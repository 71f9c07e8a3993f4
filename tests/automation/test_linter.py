"""What the linter says and does not say, beyond the two examples of each rule in the manual."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given

import automation
from automation import DocumentError, Finding, lint
from automation.actions.text import KEY_NAMES
from automation.linter import MAX_FINDINGS
from automation.linter.differences import KEYS_WITHOUT_MEANING
from automation.linter.locator_rules import is_made_up_class, is_made_up_id
from executor.actions import text as executor_keys
from tests.automation.documents import (
    EXAMPLES,
    branch,
    document,
    example,
    extraction,
    interaction,
    loop,
    misc,
    sleep,
)
from tests.automation.test_properties import FEW, JSON, VALID

DEMO = Path(__file__).parents[2] / "demo" / "automations"
FAIL = {"type": "action_node", "fail_state_action": {}}


def click(command: str, **fields: Any) -> dict[str, Any]:
    return interaction("click_element", command=command, **fields)


def typed(text: str, command: str = 'get_by_label("Name")') -> dict[str, Any]:
    return interaction("input_text", command=command, input_text=text)


def set_to(name: str, value: Any = 1) -> dict[str, Any]:
    return misc("set_variable", name=name, value=value)


def check(name: str | None = None, **fields: Any) -> dict[str, Any]:
    named = {} if name is None else {"output_variable_name": name}
    return {
        "type": "assert_locator_node",
        "locator": 'get_by_text("Ann")',
        "assertion": "to_be_visible",
        **named,
        **fields,
    }


def findings(
    *nodes: Any, inputs: Any = None, generated: Any = None, secure: Any = None, **fields: Any
) -> list[Finding]:
    raw = document(*nodes, **fields)
    raw["parameters"] = {
        "input_parameters": inputs or {},
        "generated_parameters": generated or {},
        "secure_parameters": secure or {},
    }
    automation.load(raw)
    return lint(raw)


def told(rule: str, *nodes: Any, **fields: Any) -> list[str]:
    """The paths where a rule is told."""
    return [finding.path for finding in findings(*nodes, **fields) if finding.rule == rule]


# Documents that people wrote

# Every warning about the examples, looked at one by one: each is so.
EXPECTED = {
    "valid_01_login_and_export.json": {"AL102": 1, "AL403": 1},
    "valid_02_parallel_and_nested_loops.json": {},
    "valid_03_locator_loops.json": {"AL513": 1},
    "valid_04_every_interaction.json": {"AL309": 1, "AL401": 1, "AL513": 1, "AL808": 1},
    "valid_05_every_extraction.json": {"AL103": 1, "AL405": 1, "AL804": 1, "AL902": 2},
    "valid_06_conditions_misc_scripts.json": {"AL510": 1, "AL514": 1, "AL804": 2},
    "valid_07_people_codes_and_forms.json": {"AL402": 1, "AL513": 1},
    "valid_08_nodes_without_type.json": {"AL002": 1, "AL514": 1},
    "valid_09_minimal.json": {"AL512": 1},
    "valid_10_remote_desktop.json": {"AL405": 1, "AL502": 1, "AL513": 1, "AL807": 1, "AL902": 1},
    "valid_11_api_polling.json": {"AL402": 1},
    "valid_12_private_and_post_processing.json": {"AL514": 1},
}


@pytest.mark.parametrize("name", VALID)
def test_the_examples_get_the_warnings_that_they_deserve(name: str) -> None:
    counted: dict[str, int] = {}
    for finding in lint(example(name)):
        assert finding.severity != "error"
        if finding.severity == "warning":
            counted[finding.rule] = counted.get(finding.rule, 0) + 1
    assert counted == EXPECTED[name]


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.json")), ids=lambda file: file.stem)
def test_the_bundled_automations_have_nothing_but_the_demo_password_in_clear(file: Path) -> None:
    found = [finding for finding in lint(json.loads(file.read_text())) if finding.severity != "info"]
    assert {finding.rule for finding in found} <= {"AL401"}
    assert all(finding.path.endswith("input_text.input_text") for finding in found)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("invalid_*.json")), ids=lambda file: file.stem)
def test_an_invalid_document_has_its_problems_as_findings(file: Path) -> None:
    raw = json.loads(file.read_text(encoding="utf-8"))
    with pytest.raises(DocumentError) as caught:
        automation.load(raw)
    found = [(finding.path, finding.message) for finding in lint(raw) if finding.rule == "AL001"]
    assert found == [tuple(problem) for problem in caught.value.problems]


@FEW
@given(raw=JSON)
def test_anything_can_be_linted(raw: Any) -> None:
    assert all(isinstance(finding, Finding) for finding in lint(raw))


# Variables


def test_a_variable_that_every_way_sets_is_set() -> None:
    either = branch("mode[0] == 'a'", set_to("n"), else_nodes=[set_to("n", 2)])
    assert told("AL111", either, branch("n[0] == 1", sleep()), inputs={"mode": ["a"]}) == []


def test_a_branch_that_fails_leaves_only_the_other_one() -> None:
    either = branch("mode[0] == 'a'", set_to("n"), else_nodes=[FAIL])
    assert told("AL111", either, branch("n[0] == 1", sleep()), inputs={"mode": ["a"]}) == []


def test_under_the_same_condition_a_variable_is_set() -> None:
    first = branch("mode[0] == 'a'", set_to("n"))
    same = branch("mode[0] == 'a'", branch("n[0] == 1", sleep()))
    other = branch("mode[0] == 'b'", branch("n[0] == 1", sleep()))
    assert told("AL111", first, same, inputs={"mode": ["a"]}) == []
    assert told("AL111", first, other, inputs={"mode": ["a"]}) == ["nodes[1].if_nodes[0].condition"]


def test_a_branch_does_not_see_what_the_other_one_sets() -> None:
    either = branch("mode[0] == 'a'", set_to("n"), else_nodes=[typed("{n[0]}")])
    path = "nodes[0].else_nodes[0].interaction_action.input_text.input_text"
    assert told("AL110", either, inputs={"mode": ["a"]}) == [path]


def test_the_first_pass_does_not_see_what_a_pass_sets_in_the_end() -> None:
    walked = loop(typed("{last[0]} {ids[index]}"), set_to("last"), variable_name="ids")
    assert told("AL111", walked, inputs={"ids": ["1"]}) == [
        "nodes[0].nodes[0].interaction_action.input_text.input_text"
    ]


def test_after_a_loop_over_given_values_its_variables_are_set() -> None:
    after = branch("n[0] == 1", sleep())
    over_values = loop(typed("{ids[index]}"), set_to("n"), variable_name="ids")
    over_matches = loop(click("{locator[index]}"), set_to("n"), locator='get_by_role("row")')
    assert told("AL111", over_values, after, inputs={"ids": ["1"]}) == []
    assert told("AL111", over_matches, after) == ["nodes[1].condition"]


def test_what_ends_a_loop_sees_what_its_passes_set() -> None:
    walked = loop(typed("{ids[index]}"), check("done"), variable_name="ids", break_if="done[0]")
    assert {"AL110", "AL111", "AL202"}.isdisjoint(
        finding.rule for finding in findings(walked, inputs={"ids": ["1"]}, generated={"done": []})
    )


def test_post_processing_may_use_whatever_was_set() -> None:
    after = [branch("n[0] == 1", sleep())]
    some = branch("mode[0] == 'a'", set_to("n"))
    assert told("AL111", some, inputs={"mode": ["a"]}, post_processing_nodes=after) == []


def test_a_name_made_of_a_pass_is_known_where_it_is_used() -> None:
    reading = extraction(
        "locator", command='get_by_test_id("dob")', output_variable_name="dob_{p}", extraction_format={"dob_{p}": "str"}
    )
    walked = loop(reading, branch("dob_{p}[0] == {dates[p]}", sleep()), variable_name="dates", index_variable_name="p")
    found = findings(walked, typed("{dob_0[0]} {other_0[0]}"), inputs={"dates": ["x"]})
    assert [finding.message for finding in found if finding.severity == "error"] == [
        "{other_0[0]} names “other_0”, which is neither declared nor set by a node"
    ]


def test_a_script_may_set_and_read_variables() -> None:
    script = extraction(
        "python_script", script="async def code_fn(axtree, browser, ctx):\n    ctx.variables['n'] = [1]"
    )
    assert told("AL110", script, branch("n[0] == 1", sleep()), generated={"n": []}) == []
    assert told("AL103", script, generated={"n": []}) == []
    assert told("AL102", script, inputs={"ctx": ["x"], "other": ["x"]}) == ["parameters.input_parameters.other"]


@pytest.mark.parametrize("text", ["{2}", "a{1,3}", "{}", "{unknown}", "{any thing}", "{{", "{a b[0]}", '{"json": 1}'])
def test_braces_that_have_nothing_to_do_with_variables_are_not_told(text: str) -> None:
    assert [
        each.rule for each in findings(typed(text + "{a[0]}"), inputs={"a": ["x"]}) if each.severity == "error"
    ] == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{a}", "AL106"),
        ("{a[-1]}", "AL106"),
        ("{a[00]}", "AL106"),
        ("{a[index+1]}", "AL106"),
        ("{a[0].name}", "AL106"),
        ("{a.name}", "AL106"),
        ("{index}", "AL107"),
        ("{a[index]}", "AL107"),
        ("{locator[row]}", "AL107"),
        ("{index_of(a)}", "AL107"),
        ("{b[0]}", "AL101"),
        ("{a[1]}", "AL105"),
    ],
)
def test_placeholders_that_stay(text: str, rule: str) -> None:
    assert told(rule, typed(text), inputs={"a": ["x"]}) == ["nodes[0].interaction_action.input_text.input_text"]


def test_a_misspelt_name_gets_the_nearest_one() -> None:
    (finding,) = [each for each in findings(typed("{pateint[0]}"), inputs={"patient": ["x"]}) if each.rule == "AL101"]
    assert finding.fix == "Declare it under parameters; did you mean “patient”?"


def test_an_api_result_has_keys_and_no_positions() -> None:
    call = extraction("api_call", url="https://erp.example/", output_variable_names=["job"])
    assert told("AL106", call, typed("{job.body.id}")) == []
    assert told("AL106", call, typed("{job[0]}")) == ["nodes[1].interaction_action.input_text.input_text"]


# Conditions


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        ("", "AL201"),
        ("a[0] =", "AL201"),
        ("a.__class__", "AL201"),
        ("lambda: 1", "AL201"),
        ("b[0] == 'x'", "AL202"),
        ("{b[0]} == 'x'", "AL202"),
        ("a[0] == null", "AL202"),
        ("True", "AL203"),
        ("'{a[0]}' == 'x'", "AL204"),
        ("a == 'x'", "AL205"),
        ("not found", "AL205"),
    ],
)
def test_conditions_that_go_wrong(condition: str, rule: str) -> None:
    inputs = {"a": ["x"]}
    assert told(rule, check("found"), branch(condition, sleep()), inputs=inputs) == ["nodes[1].condition"]


@pytest.mark.parametrize(
    "condition",
    [
        "{a[0]} == 'x'",
        "not a",
        "len(a) > 1 and a[0] in ['x', 'y']",
        "any(each == 'x' for each in a)",
        "not found[0]",
        "{a} == ['x']",
        "found[0] is None",
    ],
)
def test_conditions_that_are_fine(condition: str) -> None:
    rules = {each.rule for each in findings(check("found"), branch(condition, sleep()), inputs={"a": ["x"]})}
    assert not {rule for rule in rules if rule.startswith("AL2")}


def test_the_pass_of_a_loop_is_no_constant() -> None:
    walked = loop(branch("{index} > 0", typed("{ids[index]}")), variable_name="ids")
    assert told("AL203", walked, inputs={"ids": ["1"]}) == []


def test_a_branch_that_never_runs_is_told() -> None:
    assert told("AL501", branch("1 > 2", sleep(), else_nodes=[click("a")])) == ["nodes[0].if_nodes[0]"]
    both = branch("a[0]", FAIL, else_nodes=[FAIL])
    assert told("AL501", both, sleep(), sleep(), inputs={"a": ["x"]}) == ["nodes[1]"]


# Locators


def test_an_unusable_command_is_told_with_its_column_also_in_a_loop() -> None:
    walked = loop(click('{locator[index]}.get_by_role("link", nmae="x")'), locator='get_by_role("row")')
    (finding,) = [each for each in findings(walked) if each.rule == "AL301"]
    assert "nmae" in finding.message
    assert finding.message.endswith("(at character 38)")


@pytest.mark.parametrize("command", ["{locator_of[0]}", 'get_by_role("row").nth({n[0]})', 'get_by_text("{n[0]}")'])
def test_a_command_that_only_a_run_knows_is_not_judged(command: str) -> None:
    assert told("AL301", click(command), inputs={"locator_of": ['get_by_text("a")'], "n": ["1"]}) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mat-input-3", True),
        (":r1:", True),
        ("ember512", True),
        ("a1b2c3d4e5f6", True),
        ("550e8400-e29b-41d4-a716-446655440000", True),
        ("user-name", False),
        ("step2", False),
        ("claim-count", False),
        ("header-2024", False),
        ("{ids[0]}", False),
    ],
)
def test_ids_that_a_program_made_up(name: str, expected: bool) -> None:
    assert is_made_up_id(name) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("css-1q2w3e4", True),
        ("Button_root__3x9aZ", True),
        ("sc-bdVaJa", True),
        ("jss42", True),
        ("svelte-1tky8bj", True),
        ("btn-primary", False),
        ("card__title", False),
        ("e-commerce", False),
        ("css-button", False),
        ("col-md-6", False),
        ("is_active", False),
    ],
)
def test_classes_that_a_program_made_up(name: str, expected: bool) -> None:
    assert is_made_up_class(name) is expected


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("locator(\"div > div > div > [data-testid='total']\")", 'get_by_test_id("total")'),
        ("locator(\"/html/body/button[text()='Save']\")", 'get_by_role("button", name="Save")'),
        ("locator(\"#ember512[aria-label='Name']\")", 'get_by_label("Name")'),
    ],
)
def test_a_suggestion_uses_what_the_locator_already_says(command: str, words: str) -> None:
    assert any(words in finding.fix for finding in findings(click(command)) if finding.rule.startswith("AL3"))


@pytest.mark.parametrize(
    "command",
    [
        'get_by_role("table", name="Claims").locator("tbody tr").first.locator("td").first',
        'locator("#claim-count")',
        'get_by_role("row").nth({index})',
        "locator(\"css=input[name='q']\")",
        'frame_locator("iframe[title=challenge]").locator("#anchor")',
        'locator("main > ul > li").filter(has_text="INV-7")',
    ],
)
def test_sturdy_locators_are_left_alone(command: str) -> None:
    walked = loop(click(command), click("{locator[index]}"), locator='get_by_role("row")')
    assert not [each for each in findings(walked) if each.rule.startswith("AL3")]


# Secrets


def test_no_finding_repeats_a_secret() -> None:
    secret = "hunter2-and-more"
    call = extraction(
        "api_call", url=f"https://u:{secret}@erp.example/?token={secret}", headers={"Authorization": secret}
    )
    script = extraction("python_script", script=f"password = '{secret}'")
    found = findings(
        typed(secret, 'get_by_label("Password")'),
        call,
        script,
        inputs={"password": [secret]},
        secure={"code": [{"totp": {"totp_secret": secret}}]},
    )
    paths = [finding.path for finding in found if finding.rule == "AL401"]
    assert paths == [
        "nodes[0].interaction_action.input_text.input_text",
        "nodes[1].extraction_action.api_call.url",
        "nodes[1].extraction_action.api_call.headers.Authorization",
        "nodes[2].extraction_action.python_script.script",
    ]
    assert secret not in json.dumps(found)


@pytest.mark.parametrize("label", ["User name", "Spin rate", "Shopping list", "Coupon"])
def test_ordinary_fields_are_no_secrets(label: str) -> None:
    assert told("AL401", typed("plain", f'get_by_label("{label}")')) == []


def test_a_placeholder_is_no_secret_in_clear() -> None:
    call = extraction("api_call", url="https://erp.example/", headers={"authorization": "Bearer {key[0]}"})
    assert told("AL401", call, secure={"key": [{"vault": {"name": "n"}}]}) == []


# Order, loops, effects


def test_a_check_after_the_last_act_counts_in_all_its_forms() -> None:
    act = click('get_by_text("Save")')
    forms: list[list[dict[str, Any]]] = [
        [check(must_hold=True)],
        [check("ok"), branch("not ok[0]", FAIL)],
        [extraction("locator", command='get_by_test_id("id")', extraction_format={"id": "str"})],
        [click('get_by_text("Report")', expect_download=True)],
        [{"type": "action_node", "assertion_action": {"llm": {"extraction_instructions": "saved"}}}],
    ]
    for form in forms:
        assert told("AL513", act, *form) == []
    assert told("AL513", act) == ["nodes[0]"]
    assert told("AL513", check(must_hold=True), act) == ["nodes[1]"]
    assert told("AL513", act, check("ok")) == ["nodes[0]"]
    assert told("AL513", interaction("scroll"), sleep()) == []


def test_a_loop_that_counts_until_something_happens_has_progress() -> None:
    body = click('get_by_text("More")')
    assert told("AL502", loop(body, variable_name="n"), inputs={"n": ["1"]}) == ["nodes[0]"]
    assert told("AL502", loop(body, check("end"), variable_name="n", break_if="end[0]"), inputs={"n": ["1"]}) == []
    assert told("AL502", loop(body, variable_name="n", on_error_in_loop="break"), inputs={"n": ["1"]}) == []


def test_sleeps_that_the_contract_sets_by_itself_are_not_told() -> None:
    reading = extraction("locator", command='get_by_test_id("id")', extraction_format={"id": "str"})
    assert told("AL601", reading) == []
    assert told("AL601", {**reading, "before_sleep_time": 8}) == ["nodes[0].before_sleep_time"]


def test_keys_without_a_meaning_are_those_that_the_executor_leaves_out() -> None:
    named = {key for key in KEY_NAMES if len(key) > 1}
    assert named - set(executor_keys._KEYS) == KEYS_WITHOUT_MEANING


# Ignoring


def test_rules_are_ignored_by_id_or_name_everywhere_or_below_a_node() -> None:
    slow = {"type": "action_node", "sleep_action": {"sleep_time": 9}}
    assert told("AL601", slow, lint_ignore=["AL601"]) == []
    assert told("AL601", slow, lint_ignore=["fixed-sleep"]) == []
    nested = branch("a[0]", {**slow, "lint_ignore": ["AL602"]}, lint_ignore=["AL601"])
    assert told("AL601", slow, nested, inputs={"a": ["x"]}) == ["nodes[0].sleep_action.sleep_time"]
    assert told("AL002", slow, nested, inputs={"a": ["x"]}, lint_ignore=[]) == []


def test_problems_cannot_be_ignored() -> None:
    assert [finding.rule for finding in lint({"lint_ignore": ["AL001"], "parameters": None})][:1] == ["AL001"]


@pytest.mark.parametrize("value", [None, "AL999", 5, ["AL601", None], {"AL601": 1}, [["AL601"]]])
def test_a_strange_list_of_rules_is_told(value: Any) -> None:
    assert any(finding.rule == "AL004" for finding in findings(sleep(), lint_ignore=value))


# Cost


def calls_of(raw: object) -> int:
    """How many functions are called to lint a document."""
    count = 0

    def counted(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        lint(raw)
    finally:
        sys.setprofile(None)
    return count


def typical(size: int) -> dict[str, Any]:
    nodes = json.loads((DEMO / "northwind-intake.json").read_text())
    nodes["nodes"] = (nodes["nodes"] * (size // 30 + 1))[:size]
    whole: dict[str, Any] = nodes
    return whole


def many_branches(size: int) -> dict[str, Any]:
    return document(*(branch(f"a{n}[0] == 1", set_to(f"b{n}"), else_nodes=[set_to(f"c{n}")]) for n in range(size)))


def many_names(size: int) -> dict[str, Any]:
    nodes = [node for n in range(size) for node in (set_to(f"x{n}_{{i[0]}}"), typed(f"{{y{n}[0]}} {{x{n}_1[0]}}"))]
    return document(*nodes)


def nested_loops(size: int) -> dict[str, Any]:
    node = click("{locator[index]}{locator[index]}")
    for _ in range(20):
        node = loop(node, *(set_to(f"v{n}") for n in range(size // 20)), locator="{locator[index]}{locator[index]}")
    return document(node)


@pytest.mark.parametrize("shape", [typical, many_branches, many_names, nested_loops])
def test_the_work_grows_with_the_document(shape: Callable[[int], dict[str, Any]]) -> None:
    lint(shape(200))  # imports and caches
    assert calls_of(shape(400)) <= 2.2 * calls_of(shape(200))


def test_a_document_with_one_mistake_many_times_is_told_so_often_and_no_more() -> None:
    assert len(lint(document(*[typed("{x[0]}")] * (2 * MAX_FINDINGS)))) == MAX_FINDINGS


# A keyword, a point, a slider, a list of the page's own: used where nothing better is, and not portable


def differences(action: dict[str, Any], kind: str = "click_element") -> list[tuple[str, str]]:
    path = f"nodes[0].interaction_action.{kind}."
    return [
        (finding.rule, finding.path.removeprefix(path))
        for finding in findings(interaction(kind, **action))
        if finding.rule in ("AL901", "AL903")
    ]


@pytest.mark.parametrize(
    ("action", "told_about"),
    [
        ({"keyword": "Save"}, [("AL901", "keyword")]),
        ({"coordinates": [1, 2]}, [("AL901", "coordinates")]),
        ({"keyword": "Save", "coordinates": [1, 2]}, [("AL901", "keyword"), ("AL903", "coordinates")]),
        ({"command": 'get_by_text("a")', "keyword": "Save"}, [("AL903", "keyword")]),
        ({"command": 'get_by_text("a")', "skip_command": True, "keyword": "Save"}, [("AL901", "keyword")]),
        ({"xpath": "//a", "coordinates": [1, 2]}, [("AL903", "coordinates")]),
        ({"keyword": " "}, [("AL903", "keyword")]),
    ],
)
def test_other_means_of_finding_are_told_where_they_count(
    action: dict[str, Any], told_about: list[tuple[str, str]]
) -> None:
    assert sorted(differences({**action, "prompt_instructions": "the button"})) == told_about


def test_keys_go_to_no_element_whatever_names_one() -> None:
    assert differences({"type": "enter", "keyword": "Save"}, "key_press") == [("AL903", "keyword")]


@pytest.mark.parametrize(
    ("action", "is_told"),
    [
        ({"keyword": "Save"}, False),
        ({"coordinates": [1, 2]}, False),
        ({"coordinates": ["{x[0]}", 2]}, False),
        ({"coordinates": ["left", "top"]}, True),
        ({"keyword": "", "skip_prompt": False}, True),
    ],
)
def test_an_element_with_a_name_or_a_place_has_a_target(action: dict[str, Any], is_told: bool) -> None:
    assert bool(told("AL518", interaction("click_element", **action), inputs={"x": [1]})) is is_told


def test_a_slider_and_a_list_of_the_pages_own_are_told() -> None:
    slider = {"command": 'get_by_label("Volume")', "input_text": "7", "is_slider": True}
    assert differences(slider, "input_text") == [("AL901", "is_slider")]
    assert differences({"command": 'get_by_role("button", name="Plan")', "select_values": ["a"]}, "select_option") == [
        ("AL901", "command")
    ]
    assert differences({"command": 'get_by_label("Plan")', "select_values": ["a"]}, "select_option") == []
