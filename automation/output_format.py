"""Output formats: what a model's answer or an extraction looks like, `{"total": "float", "lines": [{"text": "str"}]}`.

A type is written as in Python's annotations, but it is read by this small grammar and never evaluated:

    type   = union [ "or" "None" ]
    union  = single { "|" single }
    single = name [ "[" type { "," type } [ "," "..." ] "]" ] | "(" type ")" | quote type quote
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import InitErrorDetails

from automation.problems import error_at, json_kind, shortened

_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "str": {"type": "string"},
    "bytes": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "complex": {"type": "string"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "object": {},
    "Any": {},
    "dict": {"type": "object"},
    "list": {"type": "array"},
    "List": {"type": "array"},
    "tuple": {"type": "array"},
    "set": {"type": "array"},
    "frozenset": {"type": "array"},
    "Optional": {},
}
TYPE_NAMES = tuple(_SCHEMAS)
_TAKE_TYPES = frozenset({"dict", "list", "List", "tuple", "set", "frozenset", "Optional"})
_TOKEN = re.compile(r"\s*(?:([A-Za-z_]\w*|\.\.\.|[\[\]|,()'\"])|(\S))")
_MAX_CHARACTERS = 1_000
_MAX_NESTING = 20
# What people write who think of JSON or of another language.
_SUGGESTIONS = {
    "string": "str",
    "text": "str",
    "integer": "int",
    "number": "float",
    "double": "float",
    "decimal": "str",
    "boolean": "bool",
    "array": "list",
    "any": "Any",
    "datetime": "str",
    "date": "str",
    "time": "str",
    "null": "None",
    "union": "int | str",
    "literal": "str",
    "map": "dict",
    "record": "dict",
}


class _TypeTextError(Exception):
    pass


class _TypeReader:
    def __init__(self, text: str) -> None:
        if len(text) > _MAX_CHARACTERS:
            raise _TypeTextError(f"is longer than {_MAX_CHARACTERS:,} characters")
        self._tokens: list[str] = []
        for match in _TOKEN.finditer(text.rstrip()):
            if match[2]:
                raise _TypeTextError(f"is not an output type: “{match[2]}” cannot stand in one")
            self._tokens.append(match[1])
        self._tokens.append("")
        self._nesting = 0

    def whole(self) -> dict[str, Any]:
        schema = self._type()
        if self._peek() == "or":
            self._tokens.pop(0)
            self._expect("None")
        if self._peek():
            raise _TypeTextError(f"is not an output type: “{shortened(self._peek(), 40)}” is too much")
        return schema

    def _peek(self) -> str:
        return self._tokens[0]

    def _expect(self, token: str) -> None:
        if self._tokens[0] != token:
            raise _TypeTextError(f"is not an output type: “{token}” is missing")
        self._tokens.pop(0)

    def _type(self) -> dict[str, Any]:
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise _TypeTextError("is nested too deeply for an output type")
        members = [self._single()]
        while self._peek() == "|":
            self._tokens.pop(0)
            members.append(self._single())
        self._nesting -= 1
        return members[0] if len(members) == 1 else {"anyOf": members}

    def _single(self) -> dict[str, Any]:
        token = self._tokens.pop(0) if self._peek() else ""
        match token:
            case "(":
                schema = self._type()
                self._expect(")")
                return schema
            case "'" | '"':
                schema = self._type()
                self._expect(token)
                return schema
            case name if name in _SCHEMAS:
                return self._named(name)
            case _:
                raise _TypeTextError(_unknown(token))

    def _named(self, name: str) -> dict[str, Any]:
        if self._peek() != "[":
            if name == "Optional":
                raise _TypeTextError("is not an output type: Optional needs a type in brackets, Optional[str]")
            return dict(_SCHEMAS[name])
        if name not in _TAKE_TYPES:
            raise _TypeTextError(f"is not an output type: {name} takes no brackets")
        return _container(name, *self._bracketed())

    def _bracketed(self) -> tuple[list[dict[str, Any]], bool]:
        """The types in brackets, and whether “, ...” follows them."""
        self._expect("[")
        members = [self._type()]
        while self._peek() == ",":
            self._tokens.pop(0)
            if self._peek() == "...":
                self._tokens.pop(0)
                self._expect("]")
                return members, True
            members.append(self._type())
        self._expect("]")
        return members, False


def _container(name: str, members: list[dict[str, Any]], open_ended: bool) -> dict[str, Any]:
    if name in ("Optional", "List") and (len(members) != 1 or open_ended):
        raise _TypeTextError(f"is not an output type: {name} takes exactly one type")
    if name == "dict" and len(members) < 2:
        raise _TypeTextError("is not an output type: dict takes two types, dict[str, int]")
    match name:
        case "Optional":
            return {"anyOf": [members[0], {"type": "null"}]}
        case "dict":
            return {"type": "object", "additionalProperties": members[1]}
        case "tuple" if not open_ended:
            return {"type": "array", "prefixItems": members, "minItems": len(members), "items": False}
        case _:
            return {"type": "array", "items": members[0]}


def _unknown(token: str) -> str:
    if not token:
        return "is not an output type: a type is missing"
    suggestion = _SUGGESTIONS.get(token.lower())
    hint = f"use {suggestion}" if suggestion else f"known are {', '.join(TYPE_NAMES)}"
    return f"is not an output type: “{shortened(token, 40)}” is unknown; {hint}"


def raw_format_problems(raw: Mapping[str, Any], field: str) -> Iterator[InitErrorDetails]:
    """What is wrong with the types of the format in `field` of a raw element, if there is one."""
    if isinstance(raw.get(field), dict):
        yield from format_problems(raw[field], (field,))


def format_problems(output_format: Mapping[str, Any], location: Sequence[int | str]) -> Iterator[InitErrorDetails]:
    """What is wrong with the types of a format that stands at `location`."""
    for key, kind in output_format.items():
        if key == "model_config":
            yield error_at((*location, key), "“model_config” cannot be a key of an output format")
        else:
            yield from _type_problems(kind, (*location, key))


def _type_problems(kind: Any, location: tuple[int | str, ...]) -> Iterator[InitErrorDetails]:
    match kind:
        case str():
            try:
                _TypeReader(kind).whole()
            except _TypeTextError as error:
                yield error_at(location, str(error))
        case dict():
            yield from format_problems(kind, location)
        case [(str() | dict()) as item, *_]:
            yield from _type_problems(item, (*location, 0))
        case []:
            yield error_at(location, 'is an empty list; put the type of its items into it, as in ["str"]')
        case [item, *_]:
            yield error_at((*location, 0), f"must be a type or an object of types, not {json_kind(item)}")
        case _:
            pass  # By contract a number, boolean or null drops the key without a word.


def output_schema(output_format: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a valid format. Every field is there and may be null; keys without a type are left out."""
    properties = {
        key: {"anyOf": [schema, {"type": "null"}]}
        for key, kind in output_format.items()
        if (schema := _schema(kind)) is not None
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _schema(kind: Any) -> dict[str, Any] | None:
    match kind:
        case str():
            return _TypeReader(kind).whole()
        case dict():
            return output_schema(kind)
        case [item, *_]:
            return {"type": "array", "items": _schema(item) or {}}
        case _:
            return None
