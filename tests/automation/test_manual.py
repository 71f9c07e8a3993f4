"""docs/automation-language.md says what the code does: every kind and extension is named, its examples hold."""

import json
import re
from pathlib import Path

import pytest

import automation
from automation.evaluator import FUNCTIONS, METHODS
from automation.locators import parse_locator
from automation.output_format import TYPE_NAMES
from tests.automation.test_schema import EXTENSIONS

MANUAL = (Path(__file__).parents[2] / "docs" / "automation-language.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(json|python)\n(.*?)^```", MANUAL, re.DOTALL | re.MULTILINE)[:2])


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


def test_the_example_document_loads() -> None:
    raw = json.loads(BLOCKS["json"])
    assert automation.unknown_keys(raw) == []
    assert len(automation.load(raw).nodes) == 3


def test_the_example_commands_are_commands() -> None:
    for line in BLOCKS["python"].strip().splitlines():
        bound = automation.bind_pass(
            line, index=1, index_variable_name="row", variable_names=["names"], locator='locator("tr")'
        )
        assert parse_locator(bound) is not None
