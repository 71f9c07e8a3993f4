"""On which line of a JSON text each of its values stands, so that a finding can point there."""

import json
import re
from collections.abc import Iterator, Sequence

from automation.problems import path_text

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_Path = tuple[int | str, ...]
_LEADING = ("type", "label", "url", "parameters", "input_parameters", "secure_parameters", "commit_point", "command")
_CLOSING = ("generated_parameters", "nodes", "if_nodes", "else_nodes", "reset_nodes", "post_processing_nodes")
_FIRST = {name: position - len(_LEADING) for position, name in enumerate(_LEADING)} | {
    name: position + 1 for position, name in enumerate(_CLOSING)
}
_BLANK = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"[^\s,\]}]+")
_PARENT = re.compile(r"(\.[^.\[\]]+|\[(?:\d+|\"(?:[^\"\\]|\\.)*\")\])$")


def line_numbers(text: str) -> dict[str, int]:
    """Path (as problems spell it) -> line, from 1, for a text that is valid JSON; empty when it is nested too deep."""
    found: dict[str, int] = {}
    try:
        for path, position in _values(text, 0, ()):
            if position >= 0:
                found.setdefault(path_text(path), position)
    except (RecursionError, ValueError, IndexError):
        return {}
    return _as_lines(text, found)


def line_of(path: str, lines: dict[str, int]) -> int | None:
    """The line of `path`, or of the nearest thing around it (what is missing has no line of its own)."""
    while path and path not in lines:
        shorter = _PARENT.sub("", path)
        path = shorter if shorter != path else ""
    return lines.get(path)


def _as_lines(text: str, positions: dict[str, int]) -> dict[str, int]:
    lines, line, seen = {}, 1, 0
    for path, position in sorted(positions.items(), key=lambda item: item[1]):
        line += text.count("\n", seen, position)
        seen = position
        lines[path] = line
    return lines


def _values(text: str, position: int, path: _Path) -> Iterator[tuple[_Path, int]]:
    """Each value with where it (or its key) begins; at last (path, -end - 1): where the outer value ended."""
    position = _skip(text, position)
    yield path, position
    opening = text[position]
    if opening == "{":
        yield from _items(text, position + 1, path, is_object=True)
    elif opening == "[":
        yield from _items(text, position + 1, path, is_object=False)
    elif opening == '"':
        yield path, -_string_end(text, position) - 1
    else:
        scalar = _SCALAR.match(text, position)
        if scalar is None:
            raise ValueError(position)
        yield path, -scalar.end() - 1


def _items(text: str, position: int, path: _Path, *, is_object: bool) -> Iterator[tuple[_Path, int]]:
    closing, count = ("}", 0) if is_object else ("]", 0)
    position = _skip(text, position)
    while text[position] != closing:
        inner: _Path
        if is_object:
            key_at = position
            position = _string_end(text, key_at)
            key = json.loads(text[key_at:position])
            position = _skip(text, position) + 1  # the colon
            inner = (*path, key)
            yield inner, key_at
        else:
            inner = (*path, count)
            count += 1
        for below, where in _values(text, position, inner):
            if below == inner and where < 0:
                position = -where - 1
            else:
                yield below, where
        position = _skip(text, position)
        if text[position] == ",":
            position = _skip(text, position + 1)
    yield path, -(position + 1) - 1


def _string_end(text: str, position: int) -> int:
    found = _STRING.match(text, position)
    if found is None:
        raise ValueError(position)
    return found.end()


def _skip(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def refuse_constant(name: str) -> float:
    """For `json.loads(parse_constant=…)`: NaN and Infinity are no JSON."""
    raise ValueError(f"{name} is not JSON")


def pretty(document: object, input_names: Sequence[str] = ()) -> str:
    """For people: the keys that say what a thing is come first (the database keeps no order of keys), and the
    input parameters in the order of `input_names`."""
    ordered = _ordered(document)
    if isinstance(ordered, dict) and isinstance(parameters := ordered.get("parameters"), dict):
        declared = parameters.get("input_parameters")
        if isinstance(declared, dict):
            order = {name: position for position, name in enumerate(input_names)}
            parameters["input_parameters"] = dict(sorted(declared.items(), key=lambda item: order.get(item[0], 0)))
    return json.dumps(ordered, indent=2, ensure_ascii=False)


def _ordered(value: object) -> object:
    if isinstance(value, list):
        return [_ordered(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: _FIRST.get(key, 0))}
