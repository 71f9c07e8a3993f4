"""docs/linter.md says what the linter does: every rule is there, and its two examples are judged as it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import automation
from automation import RULES, Finding
from automation.reports import findings_of, read_document
from tests.automation.documents import document

MANUAL = (Path(__file__).parents[2] / "docs" / "linter.md").read_text(encoding="utf-8")
SECTION = re.compile(
    r"^### (?P<id>AL\d{3}) (?P<name>[a-z-]+)\n\n\*(?P<severity>\w+)\*(?P<elsewhere> · not portable)?\. "
    r"(?P<text>[^\n]+)\n\n"
    r"Not so:\n\n```json\n(?P<bad>.*?)```\n\nBetter:\n\n```json\n(?P<good>.*?)```\n",
    re.DOTALL | re.MULTILINE,
)
SECTIONS = {match["id"]: match for match in SECTION.finditer(MANUAL)}


def judged(example: str, folder: Path) -> list[Finding]:
    """The findings about an example of the manual, which may leave out what every document has."""
    raw = json.loads(example)
    if "url" in raw and "parameters" in raw:
        file = folder / "document.json"
        file.write_text(example, encoding="utf-8")
        with file.open("rb") as stdin:
            return findings_of(read_document(str(file), stdin))
    return automation.lint(completed(raw))


def completed(raw: dict[str, Any]) -> dict[str, Any]:
    if "type" in raw:
        return document(raw)
    whole = document(*raw["nodes"])
    parameters = {**whole["parameters"], **raw.get("parameters", {})}
    return {**whole, **raw, "parameters": parameters}


def test_every_rule_has_a_section() -> None:
    assert list(SECTIONS) == list(RULES)
    assert MANUAL.count("\n### ") == len(RULES)


@pytest.mark.parametrize("rule_id", RULES)
def test_the_section_says_what_the_rule_is(rule_id: str) -> None:
    section, rule = SECTIONS[rule_id], RULES[rule_id]
    assert (section["name"], section["severity"]) == (rule.name, rule.severity)
    assert (section["elsewhere"] is None) == (rule.portable is None)
    assert section["text"].startswith(rule.summary)


@pytest.mark.parametrize("rule_id", RULES)
def test_the_bad_example_is_told_and_the_good_one_is_not(rule_id: str, tmp_path: Path) -> None:
    bad, good = (judged(SECTIONS[rule_id][which], tmp_path) for which in ("bad", "good"))
    assert rule_id in {finding.rule for finding in bad}
    assert rule_id not in {finding.rule for finding in good}
    assert "AL001" not in {finding.rule for finding in good}
    assert all(finding.message and finding.fix for finding in bad)
