"""Is this a JSON value that can be stored and walked safely? Asked before anything else looks at a document."""

import math
import re
from itertools import chain
from typing import Any

from automation.problems import MAX_PROBLEMS, Problem, json_kind, path_text

# Levels of lists and objects inside each other. Real documents have about ten; code that walks a document by
# recursion stays far from Python's own limit with a hundred.
MAX_DEPTH = 100
# Values in all, some seconds of work. A body of 16 MiB has fewer unless it is made of nothing but commas.
MAX_VALUES = 2_000_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_JSON_TYPES = frozenset({dict, list, str, int, float, bool, type(None)})
# NaN and infinities are not below it either.
_PLAIN_NUMBER = 2**63

_Path = tuple["_Path", int | str] | None


def json_problems(document: object) -> tuple[list[Problem], bool]:
    """What JSON or the database cannot hold in `document`, and whether the rest of it can be judged all the same.

    Refused: more than MAX_DEPTH levels, NaN and infinities, numbers beyond a float's range, NUL and lone
    surrogates in texts and keys, keys that are not texts, and Python values that JSON does not have.
    """
    return ([], True) if _has_nothing_unusual(document) else _looked_at_closely(document)


def _looked_at_closely(document: object) -> tuple[list[Problem], bool]:
    problems: list[Problem] = []
    # A stack instead of recursion, and linked paths instead of copied ones: a hostile document costs its size.
    pending: list[tuple[object, int, _Path]] = [(document, 0, None)]
    seen = 0
    is_json = True
    while pending:
        value, depth, path = pending.pop()
        if depth > MAX_DEPTH:
            too_deep = f"is nested too deeply: at most {MAX_DEPTH} lists and objects inside each other"
            return [*problems, Problem(_text(path), too_deep)], False
        message = _value_problem(value)
        if message is not None and len(problems) < MAX_PROBLEMS:
            problems.append(Problem(_text(path), message))
        is_json = is_json and _is_json(value)
        children = _children(value)
        seen += len(children)
        if seen > MAX_VALUES:
            return [*problems, Problem("", f"is too large: more than {MAX_VALUES:,} values")], False
        # Most values are short scalars without a problem; only the others are worth a place on the stack.
        pending.extend((child, depth + 1, (path, key)) for key, child in reversed(children) if not _is_plain(child))
    return problems, is_json


def _has_nothing_unusual(document: object) -> bool:
    """Whether a document needs no closer look: nearly all do not, and this takes a tenth of the time.

    It remembers no paths and asks for no reasons; False says nothing about the document.
    """
    level = [document]
    seen = depth = 0
    while level and depth < MAX_DEPTH and seen <= MAX_VALUES:
        # All values of one level together: Python is fast at doing one thing to many values.
        if not _JSON_TYPES.issuperset(map(type, level)):
            return False
        objects: list[dict[Any, Any]] = [value for value in level if type(value) is dict]
        lists: list[list[Any]] = [value for value in level if type(value) is list]
        keys = list(chain.from_iterable(objects))
        texts = [value for value in level if type(value) is str]
        numbers = [value for value in level if isinstance(value, int | float)]
        if not all(type(key) is str for key in keys) or _text_problem("".join(chain(keys, texts))) is not None:
            return False
        if not all(-_PLAIN_NUMBER < number < _PLAIN_NUMBER for number in numbers):
            return False
        level = [*chain.from_iterable(each.values() for each in objects), *chain.from_iterable(lists)]
        seen += len(level)
        depth += 1
    return not level


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() and "\0" not in value
    if isinstance(value, int):
        return -(2**63) < value < 2**63
    return value is None or (isinstance(value, float) and math.isfinite(value))


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value)
    return value is None or isinstance(value, str | int | float | list)


def _children(value: object) -> list[tuple[int | str, object]]:
    if isinstance(value, dict):
        return [(key if isinstance(key, str) else type(key).__name__, child) for key, child in value.items()]
    return list(enumerate(value)) if isinstance(value, list) else []


def _value_problem(value: object) -> str | None:
    match value:
        case None | bool() | list():
            return None
        case str():
            return _text_problem(value)
        case int():
            # pydantic reads whole numbers into float fields too, and 2**1024 has no float.
            return "is a number too large to store" if value.bit_length() > 1023 else None
        case float():
            return None if math.isfinite(value) else "must be a finite number; JSON has no NaN or Infinity"
        case dict():
            return next(filter(None, map(_key_problem, value)), None)
        case _:
            return f"is {json_kind(value)} ({type(value).__name__})"


def _key_problem(key: object) -> str | None:
    if not isinstance(key, str):
        return "has a key that is not text"
    problem = _text_problem(key)
    return None if problem is None else f"has a key that {problem}"


def _text_problem(text: str) -> str | None:
    if "\0" in text:
        return "contains a NUL character, which no database text can hold"
    if not text.isascii() and _SURROGATE.search(text):
        return "contains half of a surrogate pair, which is not a character"
    return None


def _text(path: _Path) -> str:
    parts: list[int | str] = []
    while path is not None:
        path, part = path
        parts.append(part)
    return path_text(reversed(parts))
