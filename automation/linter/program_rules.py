"""Rules about conditions and expressions: outside the language, constant, or true for another reason than meant."""

import ast
import re
from collections.abc import Iterator

from automation.actions.control import SetVariableAction
from automation.linter import catalog
from automation.linter.catalog import Finding
from automation.linter.programs import STAND_IN, Program, free_names
from automation.linter.survey import Survey, Visit
from automation.placeholders import PLACEHOLDER, lookup
from automation.problems import shortened
from automation.python_source import SourceError, parse

_VARIABLE = re.compile(r"(?P<name>[^\W\d]\w*)(?:\[[0-9]+\]|\.\w+)")
_EFFECTS = {
    "condition": "the task fails when it comes here",
    "expression": "the task fails when it comes here",
    "poll": "it never counts as fulfilled",
}


def check(survey: Survey) -> Iterator[Finding]:
    """What is wrong with the small programs of a document."""
    for visit in survey.visits:
        for program in visit.programs:
            if program.tree is None:
                message = f"{program.error}; {_EFFECTS[program.kind]}"
                fix = "See “Conditions and expressions” in the manual for what may stand here."
                yield catalog.UNREADABLE.at(program.path, message, fix)
            elif program.kind == "condition":
                yield from _condition(program, program.tree, survey)
        if isinstance(visit.action, SetVariableAction):
            yield from _unquoted(visit, survey)


def _condition(program: Program, tree: ast.expr, survey: Survey) -> Iterator[Finding]:
    quoted = _quoted_placeholder(program, tree, survey)
    if quoted is not None:
        message = f"uses the text “{shortened(quoted, 40)}” itself: nothing is put into texts here"
        yield catalog.QUOTED.at(program.path, message, f"Leave out the quotes: {shortened(quoted, 40)}.")
    elif program.constant is not None:
        message = f"is always {str(program.constant).lower()}"
        yield catalog.CONSTANT.at(program.path, message, "Let it depend on a variable, or remove the branch.")
    for name in _lists_as_values(tree, survey):
        message = f"“{shortened(name, 40)}” is a list here, whatever its first value is"
        yield catalog.LIST_AS_VALUE.at(program.path, message, f"Write {name}[0].")


def _quoted_placeholder(program: Program, tree: ast.expr, survey: Survey) -> str | None:
    """A placeholder that stands inside a text; there, too, the braces of known names have been left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for match in _VARIABLE.finditer(node.value):
                if f"{{{match[0]}}}" in program.text and survey.is_known(match["name"]):
                    return match[0]
    return None


def _lists_as_values(tree: ast.expr, survey: Survey) -> list[str]:
    """The variables that are used as if they were their own first value."""
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[ast.Constant(value=value)]):
                is_scalar = isinstance(value, str | int | float) or (
                    value is None and isinstance(op, ast.Is | ast.IsNot)
                )
                if is_scalar and not isinstance(op, ast.In | ast.NotIn) and _is_list(name, survey):
                    found[name] = None
            case _:
                pass
    for name in _truths(tree):
        # “Is the list empty?” is a sensible question, but not about a variable that always holds one value.
        if survey.kinds.get(name) == {"single"} and name not in survey.inputs:
            found[name] = None
    return list(found)


def _truths(tree: ast.expr) -> Iterator[str]:
    pending = [tree]
    while pending:
        match pending.pop():
            case ast.Name(id=name):
                yield name
            case ast.BoolOp(values=values):
                pending.extend(values)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                pending.append(operand)
            case _:
                pass


def _is_list(name: str, survey: Survey) -> bool:
    return name in survey.names and "object" not in survey.kinds.get(name, ())


def _unquoted(visit: Visit, survey: Survey) -> Iterator[Finding]:
    """An expression that works only if the values in it happen to be numbers, which the examples are not."""
    text = next((text for text in visit.texts if text.field == "expression"), None)
    readable = any(program.kind == "expression" and program.tree is not None for program in visit.programs)
    if text is None or not readable or PLACEHOLDER.search(text.bound) is None:
        return
    if not _reads_with_examples(text.bound, survey):
        message = "puts a text in as code: with the example's values it is no expression any more"
        fix = "Put quotes around the placeholder, or use the variable's name without braces."
        yield catalog.UNQUOTED.at(text.path, message, fix)


def _reads_with_examples(bound: str, survey: Survey) -> bool:
    examples = lookup(input=survey.inputs)
    try:
        with_zeros = parse(bound.strip(), lambda _: STAND_IN)
        with_values = parse(bound.strip(), lambda match: examples(match) or STAND_IN)
    except SourceError:
        return False
    return set(free_names(with_values.tree)) <= set(free_names(with_zeros.tree))
