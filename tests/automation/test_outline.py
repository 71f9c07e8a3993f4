"""The outline that a reviewer reads: what it says, and what it never says."""

import json
from pathlib import Path

import pytest

import automation
from automation import DocumentError, explain
from tests.automation.documents import branch, document, example, extraction, interaction, loop, misc
from tests.automation.test_properties import VALID

DEMO = Path(__file__).parents[2] / "demo" / "automations"


def test_the_outline_of_a_bundled_automation() -> None:
    raw = json.loads((DEMO / "northwind-record-effect.json").read_text())
    assert str(explain(raw)).splitlines() == [
        "Opens          http://127.0.0.1:8765/effects/record",
        "Described as   Record one effect under an id: the smallest automation that changes something.",
        "Task sends     id (1 value)",
        "Contacts       127.0.0.1:8765",
        "Outputs        effect_count",
        "Commit points  nodes[1]",
        "",
        "Steps",
        "   1. Type into “Effect id” — “Type the id”",
        "      · types id[0]",
        "   2. Click button “Record effect” — “Record the effect”",
        "      · COMMIT POINT: cannot be taken back; no other attempt begins by itself",
        "   3. Check that heading “Effect recorded” is visible — “Was it recorded?”",
        "      · the answer is recorded",
        "   4. If not recorded[0] — “If it was not recorded”",
        "      then:",
        "         4.1 Fail: Northwind did not record the effect {id[0]}. — “Give up”",
        "   5. Read test id “effect-count” — “Read the count”",
        "      · sets effect_count",
    ]


def test_loops_and_branches_are_blocks_with_running_numbers() -> None:
    body = branch("a[0] == 'x'", interaction("go_back"), else_nodes=[interaction("scroll")])
    raw = document(
        loop(
            body,
            variable_name="a",
            max_iterations=5,
            on_error_in_loop="continue",
            reset_nodes=[interaction("go_back")],
        )
    )
    assert (
        str(explain(raw)).splitlines()[-9:]
        == [
            "      · at most 5 passes",
            "      · a pass that fails is left, and the next one begins",
            "      in each pass:",
            "         1.1 If a[0] == 'x'",
            "            then:",
            "               1.1.1 Go back",
            "            otherwise:",
            "               1.1.2 Scroll down",
            "      between two passes:",
            "         1.2 Go back",
        ][-9:]
    )


def test_needs_and_secrets_are_named() -> None:
    raw = document(
        interaction("input_text", command='get_by_label("Password")', input_text="{password[0]}", press_enter=True),
        extraction("llm", extraction_format={"total": "str"}, extraction_instructions="the total"),
        extraction("api_call", url="https://erp.example/x?key={password[0]}", headers={"x-key": "{password[0]}"}),
        {"type": "private_node", "handler": "clinic.sync"},
        {"type": "action_node", "human_in_loop_action": {"max_wait_time": 60}},
        max_retries=2,
    )
    raw["parameters"]["secure_parameters"] = {"password": [{"vault": {"name": "clinic"}}]}
    outline = explain(raw)
    assert dict(outline.facts) == {
        "Opens": "http://demo.localhost/",
        "Uses secrets": "password (vault)",
        "Contacts": "demo.localhost, erp.example",
        "Needs": "a language model (nodes[1]), a person, the handler clinic.sync",
        "Outputs": "api_result",
        "Attempts": "up to 3",
    }
    assert outline.steps[0].notes == ("types the secret password[0]", "then presses Enter")
    assert "sends the secret password[0]" in outline.steps[2].notes


def test_a_label_does_not_hide_what_a_node_does() -> None:
    (step,) = explain(document({**interaction("go_back"), "label": "Nothing to see"})).steps
    assert step.text == "Go back — “Nothing to see”"


def test_what_is_typed_or_set_is_never_shown() -> None:
    secret = "hunter2-and-more"
    raw = document(
        interaction("input_text", command='get_by_label("Password")', input_text=secret),
        misc("set_variable", name="key", value=secret),
        interaction("go_to_url", url=f"https://u:{secret}@clinic.example/?token={secret}"),
        extraction("api_call", url=f"https://erp.example/?token={secret}", headers={"k": secret}, body=secret),
        {"type": "action_node", "python_script_action": {"execution_code": secret}},
    )
    outline = explain(raw)
    assert secret not in str(outline)
    assert secret not in json.dumps(outline.as_json())


@pytest.mark.parametrize("name", VALID)
def test_every_node_of_an_example_is_in_its_outline(name: str) -> None:
    outline = explain(example(name)).as_json()

    def paths(steps: list[dict[str, object]]) -> list[object]:
        found: list[object] = []
        for step in steps:
            found.append(step["path"])
            for block in step["blocks"]:  # type: ignore[attr-defined]
                found += paths(block["steps"])
        return found

    expected = [path for path, _ in automation.walk(automation.load(example(name)))]
    assert paths([*outline["steps"], *outline["post_processing"]]) == expected


def test_a_document_that_does_not_load_has_no_outline() -> None:
    with pytest.raises(DocumentError):
        explain({})
