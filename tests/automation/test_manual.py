"""docs/automation-language.md says what the code does: every kind and extension is named, its examples hold."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import automation
from automation.conditions import check_expression
from automation.evaluator import FUNCTIONS, METHODS
from automation.locators import parse_locator
from automation.output_format import TYPE_NAMES
from tests.automation.documents import document
from tests.automation.test_schema import EXTENSIONS

MANUAL = (Path(__file__).parents[2] / "docs" / "automation-language.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(json|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", MANUAL, re.DOTALL | re.MULTILINE))
PROGRAM_FIELDS = frozenset({"command", "locator", "target", "condition", "expression", "break_if", "poll_condition"})
# What the items of a section's example stand in.
PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "A document": lambda fields: document(**fields),
    "Parameters": lambda parameters: {**document(), "parameters": parameters},
    "Nodes": document,
    "Interactions": lambda action: document({"type": "action_node", "interaction_action": action}),
    "Extractions": lambda action: document({"type": "action_node", "extraction_action": action}),
    "Assertions": lambda action: document({"type": "action_node", "assertion_action": action}),
    "Other actions": lambda action: document({"type": "action_node", **action}),
}


def block_of(section: str, language: str) -> str:
    """The first example of a section in this language."""
    blocks: list[tuple[str, str]] = BLOCK.findall(SECTIONS[section])
    return next(text for kind, text in blocks if kind == language)


def documents_of_examples() -> Iterator[dict[str, Any]]:
    """Every example of the manual in a document of its own."""
    for section, place in PLACES.items():
        for kind, text in BLOCK.findall(SECTIONS[section]):
            assert kind == "json"
            example = json.loads(text)
            for item in example if isinstance(example, list) else [example]:
                yield place(item)


@pytest.mark.parametrize("kind", sorted(automation.ALL_KINDS))
def test_every_kind_is_in_the_manual(kind: str) -> None:
    assert re.search(rf"`[^`\n]*\b{re.escape(kind.rpartition('.')[2])}\b[^`\n]*`", MANUAL)


@pytest.mark.parametrize("field", sorted(set().union(*EXTENSIONS.values())))
def test_every_extension_is_in_the_manual(field: str) -> None:
    extensions = MANUAL.partition("## Our extensions")[2].partition("\n## ")[0]
    assert f"`{field}`" in extensions


def test_the_words_of_expressions_and_types_are_in_the_manual() -> None:
    words = set(re.findall(r"\w+", MANUAL))
    assert words >= {*FUNCTIONS, *METHODS, *TYPE_NAMES}


def test_every_example_loads_without_an_unknown_key() -> None:
    for raw in documents_of_examples():
        assert automation.unknown_keys(raw) == []
        loaded = automation.load(raw)
        assert automation.load(loaded.model_dump(mode="json")) == loaded


@pytest.mark.parametrize("kind", sorted(automation.ALL_KINDS))
def test_every_kind_has_an_example(kind: str) -> None:
    others = automation.ALL_KINDS - {kind}
    assert any(automation.find_unsupported(automation.load(raw), others) for raw in documents_of_examples())


def test_the_programs_of_the_examples_are_programs() -> None:
    checked: list[str] = []
    for raw in documents_of_examples():
        for _, node in automation.walk(automation.load(raw)):
            bound = automation.bind_node(node, index=1, locator='get_by_role("row")')
            for field, program in programs_in(bound.model_dump(mode="json")):
                checked.append(field)
                if field in ("condition", "expression", "break_if", "poll_condition"):
                    check_expression(program)
                else:
                    assert parse_locator(program) is not None
    assert {"command", "locator", "target", "condition", "expression", "break_if", "poll_condition"} == set(checked)


def programs_in(value: Any) -> Iterator[tuple[str, str]]:
    """The locator commands, conditions and expressions of a dumped node with the names of their fields."""
    for field, item in value.items():
        if isinstance(item, dict):
            yield from programs_in(item)
        elif isinstance(item, list):
            for each in item:
                if isinstance(each, dict):
                    yield from programs_in(each)
        elif field in PROGRAM_FIELDS and isinstance(item, str):
            yield field, item


def test_the_example_document_loads() -> None:
    raw = json.loads(block_of("A document", "json"))
    assert automation.unknown_keys(raw) == []
    assert len(automation.load(raw).nodes) == 3


def test_the_example_commands_are_commands() -> None:
    for line in block_of("Locator commands", "python").strip().splitlines():
        bound = automation.bind_pass(
            line, index=1, index_variable_name="row", variable_names=["names"], locator='locator("tr")'
        )
        assert parse_locator(bound) is not None
