"""The models against the published JSON Schema of the language: names, defaults, choices, required fields."""

import json
from typing import Any

import pytest

from automation import Automation
from tests.automation.documents import DATA

SCHEMA = json.loads((DATA / "automation.schema.json").read_text(encoding="utf-8"))
OURS = Automation.model_json_schema(mode="validation")
# Our classes say what they are where the schema's names do not.
RENAMED = {
    "AgenticTask": "AgenticTaskAction",
    "CloseTabsUntil": "CloseTabsUntilAction",
    "SMS2FAAction": "SMSTwoFAAction",
}
# Fields beyond the published language; docs/automation-language.md lists them.
EXTENSIONS = {
    "Automation": {"trace"},
    "ActionNode": {"label", "commit_point"},
    "AssertLocatorNode": {"label", "text", "count", "must_hold"},
    "ForLoopNode": {"label", "break_if"},
    "IfElseNode": {"label"},
    "InteractionAction": {"drag_to"},
    "LocatorExtraction": {"read", "all"},
    "PrivateNode": {"label"},
    "SecureParameter": {"vault"},
    "SetVariableAction": {"as_list"},
}
# Texts of our own.
OWN_DEFAULTS = {("CloseOverlayPopupAction", "task"), ("FailStateAction", "failure_message")}


DEFINITIONS = [
    ("Automation", SCHEMA, OURS),
    *((name, theirs, OURS["$defs"][RENAMED.get(name, name)]) for name, theirs in SCHEMA["$defs"].items()),
]


@pytest.mark.parametrize(("name", "theirs", "ours"), DEFINITIONS, ids=[name for name, *_ in DEFINITIONS])
def test_a_model_has_the_fields_of_the_schema(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    ours_fields, their_fields = ours.get("properties", {}), theirs.get("properties", {})
    assert set(ours_fields) - set(their_fields) == EXTENSIONS.get(name, set())
    assert set(their_fields) <= set(ours_fields)
    for field, their_field in their_fields.items():
        if (name, field) not in OWN_DEFAULTS and "default" in their_field:
            assert ours_fields[field].get("default", "none") == their_field["default"], field
        assert choices(ours_fields[field]) == choices(their_field), field
    # A node without `type`, and missing lists of nodes, are read all the same.
    required = set(theirs.get("required", [])) - {"type", "if_nodes", "nodes"}
    assert required <= set(ours.get("required", [])) <= required | {"type", "nodes"}


def choices(field: dict[str, Any]) -> set[str]:
    """The values that an enumeration of the field allows."""
    found = set(field.get("enum", []))
    for part in [*field.get("anyOf", []), *([field["items"]] if isinstance(field.get("items"), dict) else [])]:
        found |= choices(part)
    return found


def test_our_own_models_are_known() -> None:
    ours = set(OURS["$defs"]) - {RENAMED.get(name, name) for name in SCHEMA["$defs"]}
    assert ours == {"DragToAction", "VaultParameter"}
