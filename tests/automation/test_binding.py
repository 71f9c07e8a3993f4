"""Expansion per field: every field of the language gets what its own metadata says, and nothing else does."""

from collections.abc import Iterator
from typing import Any

import pytest

import automation
from automation import ActionNode, ExpansionError, ForLoopNode, IfElseNode, Node, bind_node, expand_node
from automation.binding import mentioned_variables
from automation.element import Element
from automation.nodes import NODE_TYPES
from automation.placeholders import Placeholders
from tests.automation.documents import action_node, branch, extraction, interaction, loop, misc, node, sleep

PLAIN = "plain"  # {x[0]} becomes v
QUOTED = "quoted"  # and quotes at the ends go
PROMPT = "prompt"  # secrets become <secret:name>
QUOTED_PROMPT = "quoted prompt"
BOUND = "bound"  # loops only
LATE = "late"  # loops only, then by the action
KEYS = "keys"  # the keys, not the values
PROGRAM = "program"  # as text, but values inside literals stay data

# The whole language: which fields hold placeholders. A field that is not here must not be touched.
EXPECTED = {
    "TargetedAction": {
        "command": BOUND,
        "xpath": PLAIN,
        "prompt_instructions": PROMPT,
        "coordinates": PLAIN,
        "keyword": PLAIN,
    },
    "DownloadingAction": {"download_filename": QUOTED, "download_metadata": LATE},
    "InputTextAction": {"input_text": QUOTED},
    "SelectOptionAction": {"select_values": QUOTED},
    "UploadFileAction": {"file_path": QUOTED, "file_url": QUOTED},
    "KeyPressAction": {"type": PLAIN},
    "DragToAction": {"target": BOUND},
    "ScrollAction": {"prompt_instructions": PROMPT},
    "GoToUrlAction": {"url": QUOTED},
    "CloseTabsUntilAction": {"matching_url": QUOTED},
    "DownloadUrlAsPdfAction": {"download_filename": QUOTED, "url": PLAIN},
    "DownloadFileAction": {"file_url": QUOTED, "output_variable_name": QUOTED},
    "AgenticTaskAction": {"task": QUOTED_PROMPT},
    "CloseOverlayPopupAction": {"task": QUOTED_PROMPT},
    "ExtractionAction": {"unique_identifier": PLAIN},
    "LLMExtraction": {"extraction_instructions": PROMPT},
    "NetworkCallExtraction": {"url_pattern": PLAIN, "download_filename": PLAIN},
    "PythonScriptExtraction": {"script": PLAIN},
    "ScreenshotExtraction": {"filename": PLAIN},
    "LocatorExtraction": {
        "command": BOUND,
        "output_variable_name": PLAIN,
        "extraction_format": KEYS,
        "extraction_instructions": PROMPT,
    },
    "EmailTwoFAAction": {
        "receiver_email_address": PLAIN,
        "sender_email_address": PLAIN,
        "integration_email_address": PLAIN,
    },
    "SlackTwoFAAction": {"slack_workspace_domain": PLAIN, "channel_name": PLAIN, "sender_name": PLAIN},
    "SMSTwoFAAction": {"from_number": PLAIN, "to_number": PLAIN},
    "TwoFAAction": {"instructions": PROMPT},
    "PDFExtraction": {"filename": PLAIN, "extraction_instructions": PROMPT},
    "VisionExtraction": {"prompt": PROMPT},
    "APICallExtraction": {
        "url": PLAIN,
        "headers": PLAIN,
        "query_params": PLAIN,
        "body": PLAIN,
        "poll_condition": PROGRAM,
    },
    "LLMAssertion": {"extraction_instructions": PROMPT},
    "NetworkCallAssertion": {"url_pattern": PLAIN, "header_filter": PLAIN},
    "PythonScriptAssertion": {"script": PLAIN},
    "PythonScriptAction": {"execution_code": PLAIN},
    "PowerShellAction": {"commands": PLAIN},
    "FailStateAction": {"failure_message": PLAIN},
    "CaptchaAction": {"locator": BOUND, "secondary_locator": BOUND},
    "SetVariableAction": {"name": PLAIN, "expression": BOUND, "output_variable_name": PLAIN},
    "CountLocatorAction": {"locator": BOUND, "name": PLAIN, "output_variable_name": PLAIN},
    "LLMQueryAction": {"prompt_instructions": PROMPT},
    "DynamicFormMappingAction": {"extraction_instructions": PROMPT},
    "FormMappingCallbackUrl": {"url": PLAIN, "api_key": PLAIN, "username": PLAIN, "password": PLAIN},
    "ForLoopNode": {"locator": BOUND, "break_if": BOUND},
    "IfElseNode": {"condition": BOUND},
    "AssertLocatorNode": {"locator": BOUND, "text": PLAIN},
    "PrivateNode": {"inputs": PLAIN},
}
METADATA = {
    PLAIN: Placeholders(),
    QUOTED: Placeholders(strip_quotes=True),
    PROMPT: Placeholders(read_by_model=True),
    QUOTED_PROMPT: Placeholders(strip_quotes=True, read_by_model=True),
    BOUND: Placeholders(moment="source"),
    LATE: Placeholders(moment="use"),
    KEYS: Placeholders(in_keys=True),
    PROGRAM: Placeholders(literal_safe=True),
}


def models(model: type[Element], seen: set[type[Element]]) -> Iterator[type[Element]]:
    """`model` and every model that it can hold."""
    if model in seen:
        return
    seen.add(model)
    yield model
    pending: list[Any] = [field.annotation for field in model.model_fields.values()]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, Element):
            yield from models(annotation, seen)
        pending += getattr(annotation, "__args__", ())


def all_models() -> list[type[Element]]:
    seen: set[type[Element]] = set()
    return [model for node_type in NODE_TYPES.values() for model in models(node_type, seen)]


@pytest.mark.parametrize("model", all_models(), ids=lambda model: model.__name__)
def test_the_metadata_of_every_field_is_that_of_the_contract(model: type[Element]) -> None:
    expected: dict[str, str] = {}
    for parent in reversed(model.__mro__):
        expected |= EXPECTED.get(parent.__name__, {})
    found = {
        name: next((item for item in field.metadata if isinstance(item, Placeholders)), None)
        for name, field in model.model_fields.items()
    }
    assert {name: kind for name, kind in found.items() if kind is not None} == {
        name: METADATA[kind] for name, kind in expected.items()
    }


VARIABLES: dict[str, Any] = {
    "input": {"x": ["v"], "q": ['it\'s "q"\\'], "empty": []},
    "generated": {"g": ["gen"]},
    "secure": {"s": ["hunter2"]},
}


def expanded(raw: dict[str, Any]) -> dict[str, Any]:
    dumped: dict[str, Any] = expand_node(node(raw), **VARIABLES).model_dump(mode="json")
    return dumped


def test_a_node_is_expanded_into_a_copy() -> None:
    before = node(interaction("go_to_url", url='"http://{x[0]}/{g[0]}/{s[0]}/{nobody[0]}"'))
    after = expand_node(before, **VARIABLES)
    assert isinstance(after, ActionNode)
    assert isinstance(before, ActionNode)
    assert after.interaction_action is not None
    assert after.interaction_action.go_to_url is not None
    assert after.interaction_action.go_to_url.url == "http://v/gen/hunter2/{nobody[0]}"
    assert before.interaction_action is not None
    assert before.interaction_action.go_to_url is not None
    assert "{x[0]}" in before.interaction_action.go_to_url.url


def test_a_node_without_placeholders_stays_the_same_object() -> None:
    before = node(sleep())
    assert expand_node(before, **VARIABLES) is before


def test_secrets_do_not_reach_language_models() -> None:
    agent = expanded(interaction("agentic_task", task="sign in with {s[0]} as {x[0]}", max_steps=1))
    assert agent["interaction_action"]["agentic_task"]["task"] == "sign in with <secret:s> as v"
    typed = expanded(interaction("input_text", input_text="{s[0]}", prompt_instructions="type {s[0]}"))
    assert typed["interaction_action"]["input_text"]["input_text"] == "hunter2"
    assert typed["interaction_action"]["input_text"]["prompt_instructions"] == "type <secret:s>"


def test_commands_conditions_and_expressions_keep_their_placeholders() -> None:
    command = 'get_by_text("{x[0]}")'
    click = expanded(interaction("click_element", command=command))
    assert click["interaction_action"]["click_element"]["command"] == command
    assert expanded(loop(locator=command, break_if="{x[0]}"))["locator"] == command
    assert expanded(branch("{x[0]}"))["condition"] == "{x[0]}"
    variable = expanded(misc("set_variable", name="n_{x[0]}", expression="'{x[0]}'"))
    assert variable["misc_action"]["set_variable"]["expression"] == "'{x[0]}'"
    assert variable["misc_action"]["set_variable"]["name"] == "n_v"


def test_a_value_of_set_variable_is_taken_as_it_stands() -> None:
    variable = expanded(misc("set_variable", name="n", value="{x[0]}"))
    assert variable["misc_action"]["set_variable"]["value"] == "{x[0]}"


def test_download_metadata_waits_for_the_file() -> None:
    click = expanded(interaction("click_element", download_metadata={"a": "{x[0]}"}, download_filename='"{x[0]}"'))
    assert click["interaction_action"]["click_element"]["download_metadata"] == {"a": "{x[0]}"}
    assert click["interaction_action"]["click_element"]["download_filename"] == "v"


def test_of_a_format_the_keys_are_expanded() -> None:
    raw = extraction("locator", command="x", output_variable_name="{x[0]}", extraction_format={"{x[0]}": "{x[0]}"})
    locator = expanded(raw)["extraction_action"]["locator"]
    assert locator["extraction_format"] == {"v": "{x[0]}"}
    assert locator["output_variable_name"] == "v"


def test_texts_at_any_depth_of_a_body_are_expanded() -> None:
    raw = extraction("api_call", url="u", headers={"{x[0]}": "{x[0]}"}, body={"a": [{"{x[0]}": "{x[0]}"}, 5]})
    call = expanded(raw)["extraction_action"]["api_call"]
    assert call["headers"] == {"{x[0]}": "v"}
    assert call["body"] == {"a": [{"{x[0]}": "v"}, 5]}
    private = expanded({"type": "private_node", "handler": "{x[0]}", "inputs": {"a": {"b": ["{x[0]}"]}}})
    assert (private["handler"], private["inputs"]) == ("{x[0]}", {"a": {"b": ["v"]}})


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ("body.name == '{x[0]}'", "body.name == 'v'"),
        ("body.n >= {count[0]}", "body.n >= 3"),
        ("body.name == '{q[0]}'", "body.name == 'it\\'s \"q\"\\\\'"),
        ("body.name == {nobody[0]}", "body.name == {nobody[0]}"),
        ("not readable '{x[0]}", "not readable '{x[0]}"),
    ],
)
def test_values_inside_literals_of_a_poll_condition_stay_data(condition: str, result: str) -> None:
    variables = {**VARIABLES, "generated": {"count": [3]}}
    call = expand_node(node(extraction("api_call", url="u", poll_condition=condition)), **variables)
    assert call.model_dump()["extraction_action"]["api_call"]["poll_condition"] == result


def test_the_nodes_of_a_loop_or_branch_are_not_expanded_with_it() -> None:
    body = interaction("go_to_url", url="{x[0]}")
    assert expanded(loop(body, variable_name="x"))["nodes"][0]["interaction_action"]["go_to_url"]["url"] == "{x[0]}"
    assert expanded(branch("True", body))["if_nodes"][0]["interaction_action"]["go_to_url"]["url"] == "{x[0]}"


def test_a_key_from_a_variable_is_checked_when_it_is_known() -> None:
    key = node(interaction("key_press", type=["ctrl", "{x[0]}"]))
    assert expand_node(key, input={"x": ["a"]}).model_dump()["interaction_action"]["key_press"]["type"] == ["ctrl", "a"]
    for value in (["Hunter 2"], []):
        with pytest.raises(ExpansionError) as caught:
            expand_node(key, input={"x": value})
        assert "Hunter" not in str(caught.value)


# Loops


def bound(raw: dict[str, Any], **arguments: Any) -> Node:
    return bind_node(node(raw), **{"index": 2, "variable_names": ["x"], **arguments})


def test_binding_reaches_the_whole_body() -> None:
    raw = loop(
        interaction("click_element", command='get_by_text("{x[index]}")', download_metadata={"n": "{index}"}),
        branch(
            "{x[index]} == 'a' and {index} > 0",
            misc("set_variable", name="n_{index}", expression="'{x[index]}'"),
            else_nodes=[
                {"type": "assert_locator_node", "locator": 'locator("{x[index]}")', "assertion": "to_be_hidden"}
            ],
        ),
        locator='{locator[other]}.locator("{index}")',
        index_variable_name="inner",
        reset_nodes=[{"type": "private_node", "handler": "{index}", "inputs": {"{index}": "{index_of(x)}"}}],
        break_if="{x[index]}",
    )
    found = bound(raw)
    assert isinstance(found, ForLoopNode)
    dumped = found.model_dump(mode="json")
    click = dumped["nodes"][0]["interaction_action"]["click_element"]
    assert (click["command"], click["download_metadata"]) == ('get_by_text("{x[2]}")', {"n": "2"})
    fork = dumped["nodes"][1]
    assert fork["condition"] == "{x[2]} == 'a' and 2 > 0"
    assert fork["if_nodes"][0]["misc_action"]["set_variable"]["expression"] == "'{x[2]}'"
    assert fork["if_nodes"][0]["misc_action"]["set_variable"]["name"] == "n_2"
    assert fork["else_nodes"][0]["locator"] == 'locator("{x[2]}")'
    assert dumped["locator"] == '{locator[other]}.locator("2")'
    assert dumped["reset_nodes"][0]["inputs"] == {"{index}": "2"}
    assert dumped["reset_nodes"][0]["handler"] == "{index}"
    assert dumped["break_if"] == "{x[2]}"


def test_binding_leaves_what_the_contract_leaves() -> None:
    found = bound(misc("set_variable", name="n", value="{x[index]}")).model_dump()
    assert found["misc_action"]["set_variable"]["value"] == "{x[index]}"
    check = {
        "type": "assert_locator_node",
        "locator": "a",
        "assertion": "to_be_visible",
        "output_variable_name": "o_{index}",
    }
    assert bound(check).model_dump()["output_variable_name"] == "o_{index}"
    assert bound(loop(variable_name="{index}")).model_dump()["variable_name"] == "{index}"


def test_a_value_with_quotes_is_safe_from_the_loop_to_the_locator() -> None:
    raw = interaction("click_element", command='{locator[row]}.get_by_text("{x[0]}")')
    found = bound(raw, index_variable_name="row", variable_names=None, locator='locator("tr", has_text="{x[0]}")')
    assert isinstance(found, ActionNode)
    assert found.interaction_action is not None
    assert found.interaction_action.click_element is not None
    command = found.interaction_action.click_element.command
    assert command == 'locator("tr", has_text="{x[0]}").nth(2).get_by_text("{x[0]}")'
    tree = automation.parse_locator(command, input={"x": ['a"b']})
    assert tree is not None
    assert 'a"b' in str(tree.steps[0])


def test_what_the_author_wrote_stays_known_after_binding_and_expansion() -> None:
    written = bound({**extraction("screenshot", filename="{x[index]}"), "before_sleep_time": 1})
    unwritten = bound(extraction("screenshot", filename="{x[index]}"))
    assert isinstance(written, ActionNode)
    assert isinstance(unwritten, ActionNode)
    assert expand_node(written, **VARIABLES).before_sleep_is_explicit
    assert not expand_node(unwritten, **VARIABLES).before_sleep_is_explicit


def test_the_variables_that_a_node_mentions() -> None:
    raw = interaction("input_text", command='get_by_label("{x[1]}")', input_text="{s[0]} {r.body} {x[1]}")
    assert mentioned_variables(action_node(raw)) == {("x", 1), ("s", 0)}
    nested = node(branch("{c[0]}", raw))
    assert isinstance(nested, IfElseNode)
    assert mentioned_variables(nested) == {("c", 0)}
