"""What can be wrong with a document, and how it is told: a path, what is wrong there, and what would be right.

No message repeats a free text of the document: it may hold a password. Names, choices and numbers are repeated,
cut to a readable length.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

# Enough for a person to work through; a document with more is broken in one place many times.
MAX_PROBLEMS = 200
# Names among which the nearest is looked for; comparing with more takes too long.
_MAX_CHOICES = 200
# The type of every error that already has its final message.
_TOLD = "problem"

_Location = tuple[int | str, ...]


class Problem(NamedTuple):
    """One thing that is wrong: `path` like `nodes[3].sleep_action.sleep_time` ("" is the document itself)."""

    path: str
    message: str


class LanguageError(Exception):
    """The base of everything this package raises on purpose."""


class DocumentError(LanguageError):
    """The document isn't valid. `problems` has everything that was found, never empty."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{first.path or 'document'}: {first.message}{more}")


def path_text(location: Iterable[int | str]) -> str:
    """`("nodes", 3, "inputs", "a b")` as `nodes[3].inputs["a b"]`."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier():
            path += f".{part}" if path else part
        else:
            path += f"[{json.dumps(shortened(part), ensure_ascii=False)}]"
    return path


def shortened(text: str, limit: int = 60) -> str:
    """`text` on one line, with an ellipsis when it had to be cut to `limit` characters."""
    line = " ".join(text[: limit * 4].split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` is most likely a misspelling of, or None."""
    folded = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word[:60].lower().strip(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def error_at(
    location: Sequence[int | str], message: str, *, word: str = "", choices: Sequence[str] = ()
) -> InitErrorDetails:
    """One line of a ValidationError. `word` is what stands there, `choices` what could: see `problems_of`."""
    # Finding the nearest choice is slow, so it is left to the end, when only MAX_PROBLEMS are left.
    context = {"word": word, "choices": tuple(choices[:_MAX_CHOICES])} if word else None
    error = PydanticCustomError(_TOLD, "{told}", {"told": message, **(context or {})})
    return InitErrorDetails(type=error, loc=tuple(location), input=None)


def refuse(message: str, *, word: str = "", choices: Sequence[str] = ()) -> ValidationError:
    """The error for a validator function to raise about the value it was given."""
    return refusal([error_at((), message, word=word, choices=choices)])


def refusal(errors: Sequence[InitErrorDetails]) -> ValidationError:
    return ValidationError.from_exception_data("automation", list(errors[: MAX_PROBLEMS + 1]))


def each_read(items: Sequence[Any], read: Callable[[Any], Any]) -> list[Any]:
    """`read` applied to every item of a list; raises what it refuses, with positions, for MAX_PROBLEMS at most.

    A hostile list of a million wrong items costs no more than one of a few hundred.
    """
    found: list[Any] = []
    errors: list[InitErrorDetails] = []
    for position, item in enumerate(items):
        try:
            found.append(read(item))
        except ValidationError as error:
            for line in retold(error):
                location = (position, *line.get("loc", ()))
                errors.append(InitErrorDetails(type=line["type"], loc=location, input=None))
            if len(errors) > MAX_PROBLEMS:
                break
    if errors:
        raise refusal(errors)
    return found


def retold(error: ValidationError) -> list[InitErrorDetails]:
    """The lines of `error` in our words, without the values that pydantic would repeat."""
    lines: list[InitErrorDetails] = []
    for line in error.errors(include_url=False)[: MAX_PROBLEMS + 1]:
        context: Mapping[str, Any] = line.get("ctx") or {}
        if line["type"] == _TOLD:
            custom = PydanticCustomError(_TOLD, "{told}", dict(context))
            lines.append(InitErrorDetails(type=custom, loc=line["loc"], input=None))
        else:
            lines.append(_retold_line(line["type"], line["loc"], context, line["input"]))
    return lines


def problems_of(error: ValidationError) -> list[Problem]:
    """Everything that `error` says, with the nearest right name where one was misspelt."""
    lines = error.errors(include_url=False)
    found: list[Problem] = []
    for line in lines[:MAX_PROBLEMS]:
        context: Mapping[str, Any] = line.get("ctx") or {}
        message = str(context.get("told", line["msg"]))
        word: str = context.get("word", "")
        suggestion = nearest(word, context["choices"]) if word else None
        if suggestion is not None:
            message += f"; did you mean “{suggestion}”?"
        found.append(Problem(path_text(line["loc"]), message))
    if len(lines) > MAX_PROBLEMS:
        found.append(Problem("", "there are more problems than these; repair these first"))
    return found


_WANTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "an object",
    "model": "an object",
    "tuple": "a list",
}


def _retold_line(kind: str, location: _Location, context: Mapping[str, Any], value: object) -> InitErrorDetails:
    match kind:
        case "missing":
            return error_at(location, "is required")
        case "literal_error":
            choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
            wanted = f"must be {listed(choices)}"
            if not isinstance(value, str):
                return error_at(location, f"{wanted}, not {json_kind(value)}")
            return error_at(location, f"{wanted}, not “{shortened(value, 40)}”", word=value or " ", choices=choices)
        case "finite_number":
            return error_at(location, "must be a finite number")
        case "int_from_float":
            return error_at(location, "must be a whole number, without a fraction")
        case "int_parsing" | "float_parsing" | "bool_parsing":
            return error_at(location, f"must be {_WANTED[kind.split('_')[0]]}; this text is none")
        case "int_parsing_size":
            return error_at(location, "must be a number of reasonable length")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            bound = next(iter(context.values()))
            words = kind.replace("_than_equal", " than or equal to").replace("_than", " than")
            return error_at(location, f"must be {words} {bound}")
        case "too_short" | "string_too_short":
            return error_at(location, "must not be empty")
        case "recursion_loop":
            return error_at(location, "is nested too deeply")
        case _:
            article = _WANTED.get(kind.removesuffix("_type").removesuffix("_attributes"))
            message = f"must be {article}, not {json_kind(value)}" if article else "is not valid here"
            return error_at(location, message)


def listed(words: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def json_kind(value: object) -> str:
    """What JSON calls the type of `value`, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "something JSON does not have"
