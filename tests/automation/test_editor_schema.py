"""The JSON Schema for editors: it takes what the loader takes, and sees most of what it refuses."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import automation
from automation import DocumentError, json_schema
from automation.schema_texts import DESCRIPTIONS
from tests.automation.documents import EXAMPLES, document, example, extraction, interaction, loop, misc, sleep
from tests.automation.test_properties import FEW, VALID, places

ROOT = Path(__file__).parents[2]
SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
DOCUMENTS = [*sorted(EXAMPLES.glob("valid_*.json")), *sorted((ROOT / "demo" / "automations").glob("*.json"))]


def refused(raw: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:100]}" for error in VALIDATOR.iter_errors(raw)]


def test_the_exported_schema_is_what_the_code_says() -> None:
    exported = (ROOT / "docs" / "automation.schema.json").read_text(encoding="utf-8")
    assert json.loads(exported) == SCHEMA, "run: python -m automation schema > docs/automation.schema.json"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.stem)
def test_valid_documents_pass(file: Path) -> None:
    assert refused(json.loads(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("invalid_*.json")), ids=lambda file: file.stem)
def test_invalid_documents_are_refused(file: Path) -> None:
    assert refused(json.loads(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "node",
    [
        sleep(end_sleep_time="2", expect_new_tab=0),
        sleep(before_sleep_time=True),
        {"sleep_action": {"sleep_time": " 1.5e1 "}},
        interaction("click_element", command="a", coordinates=["x", 1.5], force="YES"),
        interaction("key_press", type=["{key[0]}", "ctrl"]),
        interaction("switch_tab", tab_index=2.0),
        loop(variable_name="  ", locator="a"),
        misc("set_variable", name="n", value=False),
        extraction("locator", command="a", extraction_format={"x": "anything"}),
        extraction(
            "llm", extraction_format={"a": "str or None", "b": [{"c": "'int'"}], "d": 5}, extraction_instructions=""
        ),
        {**sleep(), "lint_ignore": ["AL601", "fixed-sleep"], "unknown": 1},
    ],
)
def test_what_the_loader_takes_leniently_passes(node: dict[str, Any]) -> None:
    automation.load(document(node))
    assert refused(document(node)) == []


@pytest.mark.parametrize(
    "node",
    [
        {"type": None},
        {"type": "step"},
        sleep(end_sleep_time=31),
        sleep(expect_new_tab=True),
        interaction("input_text", command="a", input_text=5),
        interaction("input_text", press_enter=True),
        interaction("click_element", assert_locator_presence=True),
        interaction("click_element", mouse_click_deviation={"z": 1}),
        interaction("upload_file", command="a"),
        interaction("close_tabs_until", matching_url="a", tab_index=1),
        interaction("scroll", amount=-2),
        loop(),
        misc("set_variable", name="n"),
        extraction("locator", command="a", extraction_format={"x": "str"}, read="everything"),
        extraction("llm", extraction_format={"a": []}, extraction_instructions=""),
    ],
)
def test_what_the_loader_refuses_is_refused(node: dict[str, Any]) -> None:
    with pytest.raises(DocumentError):
        automation.load(document(node))
    assert refused(document(node))


VALUES = st.sampled_from([None, True, 0, 1, -1, 2.5, "", "x", "2", "yes", " 3 ", [], ["x"], {}, "str", "{a[0]}", "1e3"])


@settings(FEW, max_examples=150)
@given(name=st.sampled_from(VALID), data=st.data(), value=VALUES)
def test_nothing_that_loads_is_refused(name: str, data: st.DataObject, value: Any) -> None:
    raw = copy.deepcopy(example(name))
    container, key = data.draw(st.sampled_from(places(raw)))
    container[key] = value
    try:
        automation.load(raw)
    except DocumentError:
        return
    assert refused(raw) == []


def test_every_field_has_help_and_every_help_a_field() -> None:
    fields = {
        (name, field): schema
        for name, model in [("Automation", SCHEMA), *SCHEMA["$defs"].items()]
        for field, schema in model.get("properties", {}).items()
        if name not in ("Node", "TypedNode")
    }
    assert [place for place, schema in fields.items() if not schema.get("description")] == []
    used = {key for name, field in fields for key in (f"{name}.{field}", field)}
    assert set(DESCRIPTIONS) <= used
