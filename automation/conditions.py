"""The three places of a document that hold a small part of Python: conditions, expressions, poll conditions."""

import ast
import re
from collections.abc import Mapping
from typing import Any

from automation.evaluator import MAX_SIZE, Evaluation, ExpressionError, PlainValue
from automation.placeholders import NO_VALUES, PLACEHOLDER, Lookup, lookup
from automation.python_source import Source, SourceError, parse

_NAME = r"(?P<name>[^\W\d]\w*)"
# `{a}`, `{a[anything]}` and `{r.body.items[0]}` in a condition mean the same without their braces.
_BRACED = re.compile(rf"\{{(?P<whole>{_NAME}(?:\[[^\[\]{{}}]*\]|(?:\.\w+)(?:\.\w+|\[[0-9]+\])*)?)\}}")
# What an API result may hold; a part that this result does not have reads as None.
_RESULT_KEYS = ("status_code", "headers", "body", "error", "message")


def evaluate_condition(condition: str, *, input: Mapping[str, Any], generated: Mapping[str, Any]) -> bool:
    """The truth of an if/else condition. Names are the variables as lists (API results as objects); a generated
    one hides an input one. Raises ExpressionError for any error.
    """
    names = {**input, **generated}

    def without_braces(match: re.Match[str]) -> str:
        return match["whole"] if match["name"] in names else match[0]

    if len(condition) > MAX_SIZE:
        raise ExpressionError("is too long")
    source = _parsed(_BRACED.sub(without_braces, condition))
    return bool(Evaluation(source, names).result())


def evaluate_expression(
    expression: str,
    *,
    input: Mapping[str, Any] = NO_VALUES,
    generated: Mapping[str, Any] = NO_VALUES,
) -> PlainValue:
    """The value of a set_variable expression, as plain JSON data.

    Give the expression with its placeholders: a value inside a string literal becomes data of that literal, a
    value outside is read as text. The variables are there as names, too, as in conditions.
    Raises ExpressionError for any error and for results that cannot be stored.
    """
    source = _parsed(expression, lookup(input=input, generated=generated))
    return Evaluation(source, {**input, **generated}).plain_result()


def evaluate_poll_condition(condition: str, result: Mapping[str, Any]) -> bool:
    """Whether an API result satisfies `condition` (with its placeholders filled in). Any error means: not yet."""
    names = {**dict.fromkeys(_RESULT_KEYS), **result}
    try:
        return bool(Evaluation(_parsed(condition), names, missing_is_none=True).result())
    except ExpressionError:
        return False


def filled_in_safely(program: str, text_for: Lookup) -> str:
    """`program` with its placeholders replaced so that values inside its string literals stay data.

    For programs that are stored or handed on as text. One that isn't readable comes back as it is.
    """
    if PLACEHOLDER.search(program) is None:
        return program
    try:
        return ast.unparse(parse(program, text_for).tree)
    except (SourceError, ValueError, RecursionError):
        return program


def check_expression(program: str, text_for: Lookup | None = None) -> None:
    """Raise ExpressionError if `program` can be seen to be outside the language without evaluating it."""
    Evaluation(_parsed(program, text_for), {}).check()


def _parsed(text: str, text_for: Lookup | None = None) -> Source:
    stripped = text.strip()
    if not stripped:
        raise ExpressionError("is empty")
    try:
        return parse(stripped, text_for)
    except SourceError as error:
        raise ExpressionError(error.message, error.column) from None
