"""Is this a JSON value that can be stored and walked safely? Asked before anything else looks at a document."""

import math

from automation.problems import MAX_PROBLEMS, Problem, json_kind, path_text

# Levels of lists and objects inside each other. Real documents have about ten; code that walks a document by
# recursion stays far from Python's own limit with a hundred.
MAX_DEPTH = 100
# Values in all, some seconds of work. A body of 16 MiB has fewer unless it is made of nothing but commas.
MAX_VALUES = 2_000_000

_Path = tuple["_Path", int | str] | None


def json_problems(document: object) -> tuple[list[Problem], bool]:
    """What JSON or the database cannot hold in `document`, and whether the rest of it can be judged all the same.

    Refused: more than MAX_DEPTH levels, NaN and infinities, numbers beyond a float's range, NUL and lone
    surrogates in texts and keys, keys that are not texts, and Python values that JSON does not have.
    """
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
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "contains half of a surrogate pair, which is not a character"
    return None


def _text(path: _Path) -> str:
    parts: list[int | str] = []
    while path is not None:
        path, part = path
        parts.append(part)
    return path_text(reversed(parts))
