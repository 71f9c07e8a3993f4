"""Filling in the placeholders of a node, on a copy: loop passes first, variables just before the node runs.

Which field is filled in how is read from the fields' own `Placeholders` metadata, so nothing here names a field.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Self, TypeVar

from automation.actions.text import KeyPressAction
from automation.conditions import filled_in_safely
from automation.element import Element
from automation.nodes import ActionNode, Node
from automation.placeholders import (
    NO_VALUES,
    Lookup,
    Placeholders,
    bind_pass,
    fill_in,
    lookup,
    map_texts,
    mentioned,
)
from automation.problems import LanguageError

ElementT = TypeVar("ElementT", bound=Element)
NodeT = TypeVar("NodeT", bound=Node)


class ExpansionError(LanguageError):
    """With its values in place a node is not valid: a key that does not exist."""


def expand_node(
    node: NodeT,
    *,
    input: Mapping[str, Any] = NO_VALUES,
    generated: Mapping[str, Any] = NO_VALUES,
    secure: Mapping[str, Sequence[str]] = NO_VALUES,
) -> NodeT:
    """A copy of `node` with the placeholders of its own fields filled in; a loop's or branch's nodes stay.

    In one pass: what is put in is not looked at again. Left as they are: locator commands, conditions and
    expressions, since `parse_locator`, `evaluate_condition` and `evaluate_expression` take the variables
    themselves, and `download_metadata`, which `expand_value` resolves when the file is registered.
    Texts for language models get `<secret:name>` in the place of secure values.
    Raises ExpansionError when a key name that came from a variable is none.
    """
    with_secrets = lookup(input=input, generated=generated, secure=secure)
    names = {name: _Masks(name) for name in secure}
    for_models = lookup(input=input, generated=generated, secure=names)

    def change(field: Placeholders, text: str) -> str:
        text_for = for_models if field.read_by_model else with_secrets
        return _filled_in(field, text, text_for)

    expanded = _rewritten(node, change, into_bodies=False)
    _check_keys(expanded)
    return expanded


def _filled_in(field: Placeholders, text: str, text_for: Lookup) -> str:
    if field.moment != "node":
        return text
    if field.literal_safe:
        return filled_in_safely(text, text_for)
    return fill_in(text, text_for, strip_quotes=field.strip_quotes)


class _Masks(tuple[str, ...]):
    """As many stand-ins as a list of secrets may have items, without asking how many there are."""

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        return super().__new__(cls, (f"<secret:{name}>",) * 64)


def _check_keys(node: Node) -> None:
    interaction = node.interaction_action if isinstance(node, ActionNode) else None
    key_press: KeyPressAction | None = interaction.key_press if interaction else None
    problem = key_press.key_problem() if key_press else None
    if problem is not None:
        raise ExpansionError(f"key_press: {problem}")


def bind_node(
    node: NodeT,
    *,
    index: int,
    index_variable_name: str = "index",
    variable_names: Sequence[str] | None = None,
    locator: str | None = None,
) -> NodeT:
    """A copy of `node`, nested nodes included, with the placeholders of one loop bound to its pass `index`.

    The arguments are those of `bind_pass`.
    """

    def change(_: Placeholders, text: str) -> str:
        return bind_pass(
            text,
            index=index,
            index_variable_name=index_variable_name,
            variable_names=variable_names,
            locator=locator,
        )

    return _rewritten(node, change, into_bodies=True)


def mentioned_variables(node: Node) -> frozenset[tuple[str, int]]:
    """The (name, position) pairs of all numbered placeholders in the node's own fields, commands included.

    What has to be fetched before the node runs is the part of these that names a secure parameter.
    """
    found: set[tuple[str, int]] = set()

    def collect(_: Placeholders, text: str) -> str:
        found.update(mentioned(text))
        return text

    _rewritten(node, collect, into_bodies=False)
    return frozenset(found)


_Change = Callable[[Placeholders, str], str]


def _rewritten(element: ElementT, change: _Change, *, into_bodies: bool) -> ElementT:
    """A copy of `element` with `change` applied to every text that may hold placeholders; itself if none did."""
    changed = dict(_changed_fields(element, change, into_bodies=into_bodies))
    return element.model_copy(update=changed) if changed else element


def _changed_fields(element: Element, change: _Change, *, into_bodies: bool) -> Iterator[tuple[str, Any]]:
    for name, field in _fields_of(type(element)):
        before = getattr(element, name)
        if field is not None:
            after = _changed_value(before, field, change)
        elif isinstance(before, Element):
            after = _rewritten(before, change, into_bodies=into_bodies)
        elif into_bodies and isinstance(before, list):
            after = [
                _rewritten(item, change, into_bodies=True) if isinstance(item, Element) else item for item in before
            ]
        else:
            continue
        if after is not before and after != before:
            yield name, after


def _changed_value(value: Any, field: Placeholders, change: _Change) -> Any:
    return map_texts(value, lambda text: change(field, text), in_keys=field.in_keys)


@cache
def _fields_of(model: type[Element]) -> tuple[tuple[str, Placeholders | None], ...]:
    """The fields of a model with their metadata; those without may hold elements that have fields of their own."""
    return tuple(
        (name, next((item for item in info.metadata if isinstance(item, Placeholders)), None))
        for name, info in model.model_fields.items()
    )
