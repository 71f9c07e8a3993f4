"""Lines of paths in JSON texts."""

import json
from typing import Any

import pytest
from hypothesis import assume, given

from automation.positions import Positions
from automation.problems import path_text
from tests.automation.test_properties import FEW, JSON

TEXT = """{
  "url": "a",
  "nodes": [
    {"type": "x", "deep": {"a b": [1,
      2]}},
    {
      "type": "y"
    }
  ],
  "url": "b"
}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 1),
        ("url", 2),
        ("nodes", 3),
        ("nodes[0]", 4),
        ("nodes[0].deep", 4),
        ('nodes[0].deep["a b"]', 4),
        ('nodes[0].deep["a b"][1]', 5),
        ("nodes[1]", 6),
        ("nodes[1].type", 7),
        ("nodes[1].missing.far", 6),
        ("nodes[7]", 3),
        ("missing", 1),
    ],
)
def test_the_line_of_a_path(path: str, line: int) -> None:
    assert Positions(TEXT).line_of(path) == line


def test_keys_that_stand_twice_are_noticed() -> None:
    assert Positions(TEXT).duplicates == ["url"]
    assert Positions('{"a": {"\\u0061": 1, "a": 2}, "b": [{"a": 1}, {"a": 1}]}').duplicates == ["a.a"]


def places(value: Any, location: tuple[int | str, ...] = ()) -> list[tuple[int | str, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [location, *(place for key, item in items for place in places(item, (*location, key)))]


@FEW
@given(value=JSON)
def test_every_place_of_any_json_is_found(value: Any) -> None:
    text = json.dumps(value, indent=0)
    positions = Positions(text)
    paths = [path_text(place) for place in places(value)]
    assume(len(set(paths)) == len(paths))  # paths shorten long names, and blanks in them
    lines = [positions.line_of(path) for path in paths]
    # With one value on each line, the lines of a document's places only go down.
    assert lines == sorted(lines)
    assert not positions.duplicates
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


def test_names_that_differ_only_in_blanks_are_two() -> None:
    assert Positions('{" ": 1, "": 2}').duplicates == []
