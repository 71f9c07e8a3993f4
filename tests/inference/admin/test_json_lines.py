import json

from hypothesis import given
from hypothesis import strategies as st

from inference.admin.automations.json_lines import line_numbers, line_of, pretty

TEXT = """{
  "url": "a \\"quoted\\" page",
  "nodes": [
    {"type": "action_node",
     "sleep_action": {"sleep_time": -1.5e3}},
    [],
    {}
  ],
  "flag": true
}"""


def test_each_value_is_found_on_the_line_where_its_key_stands() -> None:
    lines = line_numbers(TEXT)
    assert lines["url"] == 2
    assert lines["nodes"] == 3
    assert lines["nodes[0].type"] == 4
    assert lines["nodes[0].sleep_action.sleep_time"] == 5
    assert lines["nodes[2]"] == 7
    assert lines["flag"] == 9


def test_what_is_missing_points_to_what_is_around_it() -> None:
    lines = line_numbers(TEXT)
    assert line_of("nodes[0].sleep_action.missing", lines) == 5
    assert line_of("nodes[2].type", lines) == 7
    assert line_of("parameters.input_parameters", lines) == 1


def test_a_text_nested_beyond_all_measure_has_no_lines_and_does_no_harm() -> None:
    assert line_numbers("[" * 5000 + "]" * 5000) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=4), children, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_any_json_can_be_walked_and_is_the_same_when_printed(value: object) -> None:
    text = json.dumps(value, indent=2)
    lines = line_numbers(text)
    assert lines[""] == 1
    assert max(lines.values()) <= text.count("\n") + 1
    assert json.loads(pretty(value)) == value


def test_printed_documents_say_first_what_a_thing_is() -> None:
    printed = pretty({"nodes": [{"z": 1, "type": "action_node"}], "url": "x"})
    assert printed.index('"url"') < printed.index('"nodes"')
    assert printed.index('"type"') < printed.index('"z"')
