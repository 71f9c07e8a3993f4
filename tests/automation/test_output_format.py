"""The small grammar of output types, and the JSON Schema that a format stands for."""

from typing import Any

import pytest

from automation import output_schema
from automation.output_format import format_problems

VALID = [
    "str",
    " int ",
    "\nfloat\n",
    "bool",
    "dict",
    "list",
    "tuple",
    "set",
    "frozenset",
    "bytes",
    "complex",
    "object",
    "None",
    "Any",
    "List",
    "Optional[str]",
    "List[str]",
    "list[str, int]",
    "list['str']",
    "'str'",
    "dict[str, int]",
    "dict[str, list[int]]",
    "tuple[int, ...]",
    "tuple[int, str, float]",
    "set[int]",
    "str | None",
    "str|int|None",
    "(str)",
    "(str | int) | None",
    "Optional[list[dict[str, Any]]]",
    "str or None",
    "list[str] or None",
]
INVALID = [
    "string",
    "integer",
    "number",
    "boolean",
    "array",
    "any",
    "datetime",
    "date",
    "Decimal",
    "Dict[str, int]",
    "Union[str, int]",
    "Literal['a']",
    "[str]",
    "",
    "  ",
    "1",
    "dict[str]",
    "dict[str, ...]",
    "List[str, int]",
    "Optional",
    "Optional[str, int]",
    "Optional[str, ...]",
    "str[int]",
    "'foo'",
    "'str",
    "str'",
    "str |",
    "| str",
    "list[]",
    "list[...]",
    "list[str",
    "list str",
    "(str",
    "str or int",
    "str or None or None",
    "Path",
    "type(1)",
    "str()",
    "lambda: 1",
    "__import__('os')",
    "str.upper",
    "int if 1 else str",
    "x" * 2000,
    "list[" * 500 + "str" + "]" * 500,
    "(" * 100 + "str" + ")" * 100,
]


def is_valid(kind: Any) -> bool:
    return not list(format_problems({"key": kind}, ()))


@pytest.mark.parametrize("text", VALID)
def test_types(text: str) -> None:
    assert is_valid(text)


@pytest.mark.parametrize("text", INVALID, ids=lambda text: repr(text[:30]))
def test_no_types(text: str) -> None:
    assert not is_valid(text)


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ({}, True),
        ({"a": {"b": ["str"]}}, True),
        ({"a": {"b": ["string"]}}, False),
        ([{"a": "str"}], True),
        ([{"a": "date"}], False),
        (["str", "nonsense"], True),
        ([], False),
        ([[]], False),
        ([1], False),
        (1, True),
        (None, True),
        (True, True),
        ({"model_config": "str"}, False),
    ],
)
def test_records_and_lists(kind: Any, verdict: bool) -> None:
    assert is_valid(kind) is verdict


def test_the_key_model_config_is_reserved() -> None:
    assert [line["loc"] for line in format_problems({"model_config": "str"}, ("f",))] == [("f", "model_config")]


def test_a_usual_mistake_gets_its_right_name() -> None:
    [line] = format_problems({"when": "datetime"}, ())
    assert "use str" in str(line["type"])


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def test_a_format_as_a_json_schema() -> None:
    schema = output_schema(
        {"total": "float", "lines": [{"text": "str"}], "tags": ["str"], "dropped": 5, "vat id": "Any"}
    )
    line = {
        "type": "object",
        "properties": {"text": nullable({"type": "string"})},
        "required": ["text"],
        "additionalProperties": False,
    }
    assert schema == {
        "type": "object",
        "properties": {
            "total": nullable({"type": "number"}),
            "lines": nullable({"type": "array", "items": line}),
            "tags": nullable({"type": "array", "items": {"type": "string"}}),
            "vat id": nullable({}),
        },
        "required": ["total", "lines", "tags", "vat id"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}),
        ("Optional[bool]", {"anyOf": [{"type": "boolean"}, {"type": "null"}]}),
        ("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
        ("list['str']", {"type": "array", "items": {"type": "string"}}),
        ("str or None", {"type": "string"}),
    ],
)
def test_a_type_as_a_json_schema(text: str, schema: dict[str, Any]) -> None:
    assert output_schema({"a": text})["properties"]["a"] == nullable(schema)
