"""What holds for any input: no surprise exceptions, stable round trips, values that stay values."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import automation
from automation import DocumentError, ExpressionError, LocatorError
from automation.locators import Call, LocatorCommand
from tests.automation.documents import EXAMPLES, document, example

FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
VALID = sorted(path.name for path in EXAMPLES.glob("valid_*.json"))
# Characters that a database can hold, the awkward ones often.
TEXTS = st.text(
    alphabet=st.sampled_from("'\"\\{}[]().,#\n\r\t %a0")
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    max_size=20,
)


def load_or_problems(raw: object) -> automation.Automation | list[automation.Problem]:
    try:
        return automation.load(raw)
    except DocumentError as error:
        problems = error.problems
    assert problems
    assert all(isinstance(part, str) for problem in problems for part in problem)
    return problems


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    if isinstance(value, dict):
        return [(value, key) for key in value] + [place for item in value.values() for place in places(item)]
    if isinstance(value, list):
        return [(value, index) for index in range(len(value))] + [place for item in value for place in places(item)]
    return []


@FEW
@given(raw=JSON)
def test_anything_is_a_document_or_has_problems(raw: Any) -> None:
    load_or_problems(raw)
    assert all(path and message for path, message in automation.unknown_keys(raw))


@settings(FEW, max_examples=200)
@given(name=st.sampled_from(VALID), data=st.data(), replacement=JSON)
def test_a_document_with_one_part_replaced_loads_stably_or_has_problems(
    name: str, data: st.DataObject, replacement: Any
) -> None:
    raw = copy.deepcopy(example(name))
    container, key = data.draw(st.sampled_from(places(raw)))
    container[key] = replacement
    before = repr(raw)
    loaded = load_or_problems(raw)
    automation.unknown_keys(raw)
    assert repr(raw) == before
    if isinstance(loaded, automation.Automation):
        assert automation.load(json.loads(json.dumps(loaded.model_dump(mode="json")))) == loaded
        for _, node in automation.walk(loaded):
            assert automation.label_of(node)
            automation.locator_text_of(node)


@FEW
@given(value=TEXTS, quote=st.sampled_from(["'", '"', "'''", '"""']), prefix=st.sampled_from(["", "r"]))
def test_a_value_in_a_command_is_the_argument_whatever_it_holds(value: str, quote: str, prefix: str) -> None:
    command = f"get_by_text({prefix}{quote}{{x[0]}}{quote})"
    tree = automation.parse_locator(command, input={"x": [value]})
    assert tree == LocatorCommand((Call("get_by_text", (value,)),))


@FEW
@given(value=TEXTS, quote=st.sampled_from(["'", '"', "'''", '"""']))
def test_a_value_in_an_expression_is_the_text_whatever_it_holds(value: str, quote: str) -> None:
    assert automation.evaluate_expression(f"{quote}{{x[0]}}{quote}", input={"x": [value]}) == value


@FEW
@given(command=TEXTS | st.text(alphabet='get_by_text("x").nth1[]{}\'\\', max_size=40))
def test_a_command_is_a_tree_or_an_error(command: str) -> None:
    column: int | None = None
    tree: LocatorCommand | None = None
    try:
        tree = automation.parse_locator(command)
    except LocatorError as error:
        column = error.column
    assert column is None or 1 <= column <= len(command) + 1
    assert tree is None or tree.steps


@FEW
@given(expression=TEXTS | st.text(alphabet="ab01+-*/%()[]{}'\"., forinif", max_size=40))
def test_an_expression_has_a_plain_value_or_an_error(expression: str) -> None:
    try:
        value = automation.evaluate_expression(expression, input={"a": ["x", 1]}, generated={"b": {"a": [1]}})
    except ExpressionError:
        return
    assert json.loads(json.dumps(value)) == value


@FEW
@given(template=TEXTS, value=TEXTS)
def test_expansion_is_one_pass(template: str, value: str) -> None:
    # Splitting at the placeholder by hand is all that expansion may do.
    whole = "{x[0]}".join([template.replace("{", "("), template.replace("{", "(")])
    assert automation.expand(whole, input={"x": [value]}) == whole.replace("{x[0]}", value)


@FEW
@given(value=JSON)
def test_a_loop_leaves_values_of_set_variable_alone(value: Any) -> None:
    raw = document({"type": "private_node", "handler": "h", "inputs": {"v": value}})
    loaded = load_or_problems(raw)
    if isinstance(loaded, automation.Automation):
        bound = automation.bind_node(loaded.nodes[0], index=1, variable_names=["nobody"])
        if "{" not in repr(value):
            assert bound == loaded.nodes[0]


@pytest.mark.parametrize("name", VALID)
def test_every_example_can_be_bound_and_expanded(name: str) -> None:
    loaded = automation.load(example(name))
    for _, node in automation.walk(loaded):
        bound = automation.bind_node(node, index=0, variable_names=["x"])
        expanded = automation.expand_node(bound, input=loaded.parameters.input_parameters)
        assert automation.kind_of(expanded) == automation.kind_of(node)
