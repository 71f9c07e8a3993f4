"""Placeholders: `{name[0]}` and `{name.key}` of variables, `{name[index]}`, `{index}`, `{locator[index]}` of loops.

Which fields of a document hold placeholders, and when they are filled in, stands on the fields themselves as
`Placeholders` metadata (TEXT, QUOTED, ...): `automation.binding` reads it from there.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

NO_VALUES: Mapping[str, Any] = {}

# `{name[3]}`: a name may be any text that set_variable was given, so everything but brackets and braces.
# `{name.key[0].key}`: a path into an object. Neither pattern can backtrack: the classes exclude what follows.
PLACEHOLDER = re.compile(
    r"\{(?P<name>[^{}\[\]]+)\[(?P<position>0|[1-9][0-9]{0,8})\]\}"
    r"|\{(?P<object>[^{}\[\].]+)(?P<path>\.\w+(?:\.\w+|\[[0-9]{1,9}\])*)\}"
)
_PATH_PART = re.compile(r"\.(\w+)|\[([0-9]+)\]")
_SINGLE_NUMBERED = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\[[0-9]+\]\}")
# Anything that could still become something else by a loop or a variable.
_ANY_PLACEHOLDER = re.compile(r"\{[^{}]+\}")


@dataclass(frozen=True, slots=True)
class Placeholders:
    """How placeholders in a field are filled in. Loop bindings reach every field that carries this metadata.

    moment: `node`: by `expand_node`, just before the node runs. `use`: by the action, with `expand_value`, when
    it knows more. `source`: never as plain text, for the field is a little program (locator command, condition,
    expression): its parser takes the variables, so that values stay data.
    strip_quotes: double quotes at both ends are dropped.
    read_by_model: the text goes to a language model, so secure values appear as `<secret:name>`.
    literal_safe: a little program that `expand_node` fills in; values inside its string literals stay data.
    in_keys: the field is an object whose keys, not values, hold placeholders.
    """

    moment: Literal["node", "use", "source"] = "node"
    strip_quotes: bool = False
    read_by_model: bool = False
    literal_safe: bool = False
    in_keys: bool = False


TEXT = Placeholders()
QUOTED = Placeholders(strip_quotes=True)
PROMPT = Placeholders(read_by_model=True)
QUOTED_PROMPT = Placeholders(strip_quotes=True, read_by_model=True)
LITERAL_SAFE = Placeholders(literal_safe=True)
FORMAT_KEYS = Placeholders(in_keys=True)
LATE = Placeholders(moment="use")
SOURCE = Placeholders(moment="source")

Lookup = Callable[[re.Match[str]], str | None]


def lookup(
    *,
    input: Mapping[str, Any] = NO_VALUES,
    generated: Mapping[str, Any] = NO_VALUES,
    secure: Mapping[str, Sequence[str]] = NO_VALUES,
) -> Lookup:
    """The function that gives the text for a match of PLACEHOLDER, or None when it has to stay as it is.

    `{name[0]}`: input parameters win over secure ones, those over generated ones; a missing or null item of one
    lets the next answer. `{name.key}`: generated objects only. Nothing is looked up that isn't asked for, so
    `secure` may be a mapping that fetches on access.
    """

    def text_for(match: re.Match[str]) -> str | None:
        name = match["name"]
        if name is None:
            return _text_at_path(generated.get(match["object"]), match["path"])
        for values in (input, secure, generated):
            items = values.get(name) if name in values else None
            position = int(match["position"])
            if isinstance(items, list | tuple) and position < len(items) and items[position] is not None:
                return value_text(items[position])
        return None

    return text_for


def value_text(value: object) -> str:
    """A value as the text that takes the place of its placeholder: `True`, `1.0`, `["a", 1]`."""
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _text_at_path(value: object, path: str) -> str | None:
    if not isinstance(value, dict):
        return None
    for key, position in _PATH_PART.findall(path):
        if key and isinstance(value, dict) and key in value:
            value = value[key]
        elif position and isinstance(value, list) and int(position) < len(value):
            value = value[int(position)]
        else:
            return None
    return None if value is None else value_text(value)


def fill_in(template: str, text_for: Lookup, *, strip_quotes: bool = False) -> str:
    """`template` with every known placeholder replaced, in one pass: what is put in is not looked at again."""
    filled = PLACEHOLDER.sub(lambda match: _or_itself(match, text_for(match)), template)
    return filled.strip('"') if strip_quotes else filled


def _or_itself(match: re.Match[str], text: str | None) -> str:
    return match[0] if text is None else text


def expand(
    template: str,
    *,
    input: Mapping[str, Any] = NO_VALUES,
    generated: Mapping[str, Any] = NO_VALUES,
    secure: Mapping[str, Sequence[str]] = NO_VALUES,
    strip_quotes: bool = False,
) -> str:
    """`template` with its placeholders replaced by values; what is unknown stays as it stands.

    `input` and `secure` map names to lists (secure values are the resolved texts), `generated` to lists or, for
    API results, objects. `strip_quotes` drops double quotes at both ends, whether anything was replaced or not.
    """
    values = lookup(input=input, generated=generated, secure=secure)
    return fill_in(template, values, strip_quotes=strip_quotes)


def expand_value(
    value: Any,
    *,
    input: Mapping[str, Any] = NO_VALUES,
    generated: Mapping[str, Any] = NO_VALUES,
    secure: Mapping[str, Sequence[str]] = NO_VALUES,
) -> Any:
    """A copy of a JSON value with the placeholders of all its texts replaced (not those of keys).

    For fields that are resolved late: `download_metadata`, when the file is registered.
    """
    values = lookup(input=input, generated=generated, secure=secure)
    return map_texts(value, lambda text: fill_in(text, values))


def map_texts(value: Any, change: Callable[[str], str], *, in_keys: bool = False) -> Any:
    """A copy of a JSON value with `change` applied to its texts at any depth; with `in_keys`, to keys instead."""
    match value:
        case str():
            return value if in_keys else change(value)
        case list() | tuple():
            return type(value)(map_texts(item, change, in_keys=in_keys) for item in value)
        case dict():
            return {
                (change(key) if in_keys else key): map_texts(item, change, in_keys=in_keys)
                for key, item in value.items()
            }
        case _:
            return value


def bind_pass(
    text: str,
    *,
    index: int,
    index_variable_name: str = "index",
    variable_names: Sequence[str] | None = None,
    locator: str | None = None,
) -> str:
    """`text` with the placeholders of one loop bound to its pass `index`; all others stay.

    Give `variable_names` for a variable loop, `locator` (the loop's own command, with *its* variables still as
    placeholders, so that the command's parser keeps their values apart) for a locator loop.
    """
    for name in variable_names or ():
        text = text.replace(f"{{{name}[{index_variable_name}]}}", f"{{{name}[{index}]}}")
    if variable_names:
        text = text.replace(f"{{index_of({variable_names[0]})}}", str(index))
    if locator is not None:
        text = text.replace(f"{{locator[{index_variable_name}]}}", f"{locator}.nth({index})")
    return text.replace(f"{{{index_variable_name}}}", str(index))


def mentioned(text: str) -> frozenset[tuple[str, int]]:
    """The (name, position) pairs of the numbered placeholders in `text`."""
    return frozenset(
        (match["name"], int(match["position"])) for match in PLACEHOLDER.finditer(text) if match["name"] is not None
    )


def mentions_empty_input(text: str, input: Mapping[str, Sequence[Any]]) -> bool:
    """Whether `text` has a placeholder of an input parameter whose list is empty: such a text is not typed."""
    return any(name in input and not input[name] for name, _ in mentioned(text))


def is_single_unresolved_placeholder(text: str) -> bool:
    """Whether an expanded text is one numbered placeholder and nothing else: such a text is not typed either."""
    return _SINGLE_NUMBERED.fullmatch(text) is not None


def has_placeholder(text: str) -> bool:
    """Whether `text` holds something in braces that a loop or a variable may replace."""
    return _ANY_PLACEHOLDER.search(text) is not None
