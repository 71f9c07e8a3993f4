"""What `bench.contract` changes in the description before Schemathesis makes requests of it."""

import json
from typing import Any

import schemathesis

AUTOMATION_SCHEMA = "/api/automation.schema.json"


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Documents of automations become plain objects.

    Their schema refers to itself all over, and Schemathesis unfolds it for as long as one lets it. That schema is held
    against the loader by tests/automation/test_editor_schema.py.
    """
    text = json.dumps(raw_schema).replace(json.dumps({"$ref": AUTOMATION_SCHEMA}), '{"type": "object"}')
    raw_schema.clear()
    raw_schema.update(json.loads(text))
