"""Keys that loading ignores: nearly always a misspelt field, whose value is then lost without a word."""

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from automation.document import Automation
from automation.element import Element
from automation.json_values import json_problems
from automation.nodes import inferred_type
from automation.problems import Problem, nearest, path_text, shortened

# What the linter is told to leave out: a key for it alone, meant to be unknown to everybody else.
IGNORE_KEY = "lint_ignore"
_Path = tuple[int | str, ...]
MAX_REPORTED = 200


def unknown_keys(document: object) -> list[Problem]:
    """Every key in a document that no element knows, with the nearest field that it could have meant.

    Works on invalid documents, too: what cannot be followed is left out. At most MAX_REPORTED are told.
    """
    _, is_json = json_problems(document)
    if not is_json:
        return []
    found: list[Problem] = []
    for path, key, model in _unknown_in(document, Automation, ()):
        suggestion = nearest(key, model.model_fields)
        hint = f"; did you mean “{suggestion}”?" if suggestion else ""
        found.append(Problem(path_text((*path, key)), f"“{shortened(key, 40)}” is unknown here and ignored{hint}"))
        if len(found) == MAX_REPORTED:
            break
    return found


def _unknown_in(value: Any, model: type[Element], path: _Path) -> Iterator[tuple[_Path, str, type[Element]]]:
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        field = model.model_fields.get(key)
        if field is None and key == IGNORE_KEY:
            continue
        if field is None:
            # `type` may be written where a node's type can be inferred, so every node has it as a field.
            yield path, key, model
        else:
            yield from _unknown_below(item, field.annotation, (*path, key))


def _unknown_below(value: Any, annotation: Any, path: _Path) -> Iterator[tuple[_Path, str, type[Element]]]:
    if not isinstance(value, dict | list):
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _unknown_below(value, arguments[0], path)
    elif origin in (Union, UnionType):
        models = [member for member in arguments if isinstance(member, type) and issubclass(member, Element)]
        model = _meant(value, models) if models else None
        if model is not None:
            yield from _unknown_in(value, model, path)
        elif not models:
            for member in arguments:
                if member is not NoneType:
                    yield from _unknown_below(value, member, path)
    elif origin is list and isinstance(value, list):
        for position, item in enumerate(value):
            yield from _unknown_below(item, arguments[0], (*path, position))
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from _unknown_below(item, arguments[1], (*path, key))
    elif isinstance(annotation, type) and issubclass(annotation, Element):
        yield from _unknown_in(value, annotation, path)


def _meant(value: Any, models: list[type[Element]]) -> type[Element] | None:
    """Which of several models a raw object is meant to be: by its type, or by its keys when it is a node."""
    if len(models) == 1:
        return models[0]
    if not isinstance(value, Mapping):
        return None
    kind = value.get("type", inferred_type(value))
    return next((model for model in models if kind in get_args(model.model_fields["type"].annotation)), None)
