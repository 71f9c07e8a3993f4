"""The quick look at a document says "nothing unusual" only where the close one finds nothing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automation.json_values import MAX_DEPTH, _has_nothing_unusual, _looked_at_closely, json_problems

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["\0", "\ud800", "\udfff", "é", 2**63, 2**1024, -(2**1024), b"x", (1,), {1}, 1j])
)
KEYS = st.text(max_size=4) | st.sampled_from(["\0", "\ud800", "ä", 1, None])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@settings(max_examples=300, deadline=None)
@given(value=VALUES)
def test_the_quick_look_never_overlooks_anything(value: Any) -> None:
    found = _looked_at_closely(value)
    assert json_problems(value) == found
    assert not _has_nothing_unusual(value) or found == ([], True)


@pytest.mark.parametrize(
    "value",
    [
        {"nodes": [{"a": "b"}, 1, 2.5, True, None, "Größe 💥"], "ä": {}},
        [],
        {"a": [[[[["x"]]]]]},
    ],
)
def test_the_quick_look_is_enough_for_ordinary_documents(value: Any) -> None:
    assert _has_nothing_unusual(value)


@pytest.mark.parametrize("odd", ["\0", "\ud800", float("nan"), float("-inf"), 2**1024, b"x", (1,), {"\0": 1}, {1: 1}])
def test_one_odd_value_anywhere_is_enough_for_a_closer_look(odd: Any) -> None:
    for value in ({"a": [{"b": odd}]}, [1, [odd]], odd):
        assert not _has_nothing_unusual(value)


def test_depth_is_left_to_the_close_look() -> None:
    value: Any = "x"
    for _ in range(MAX_DEPTH + 2):
        value = [value]
    assert not _has_nothing_unusual(value)
    assert _looked_at_closely(value)[1] is False
