"""The small programs of a document, read once: what names they use, and whether they are in the language at all."""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from automation.conditions import evaluate_condition
from automation.evaluator import FUNCTIONS, Evaluation, ExpressionError
from automation.python_source import Source, SourceError, parse

ProgramKind = Literal["condition", "expression", "poll"]
# What stands for the value of a placeholder outside quotes, which is some number as a rule.
STAND_IN = "(0)"
# What a poll condition may name, beside nothing else.
RESULT_NAMES = frozenset({"status_code", "headers", "body", "error", "message"})
# In conditions, braces around a known name mean nothing.
_BRACED = re.compile(r"\{(?P<whole>(?P<name>[^\W\d]\w*)(?:\[[^\[\]{}]*\]|\.\w[\w.\[\]]*)?)\}")


@dataclass(frozen=True, slots=True)
class Program:
    """A condition, expression or poll condition. `tree` is None when it is unreadable: `error` says why.

    names: the free names, in the order of their first use. is_bound: whether a loop's pass was put into it, so
    that columns are not those of the document and values not those of every pass.
    """

    path: str
    field: str
    kind: ProgramKind
    text: str
    tree: ast.expr | None
    error: str
    names: tuple[str, ...]
    is_bound: bool

    @property
    def constant(self) -> bool | None:
        """The truth of a condition that depends on nothing, or None."""
        if self.kind != "condition" or self.tree is None or self.names or self.is_bound:
            return None
        try:
            return evaluate_condition(self.text, input={}, generated={})
        except ExpressionError:
            return None


def read_program(
    text: str, path: str, kind: ProgramKind, is_known: Callable[[str], bool], *, field: str, is_bound: bool
) -> Program:
    """The program that stands at `path`; `text` has its loops bound."""
    tree: ast.expr | None = None
    error = ""
    try:
        tree = _checked(text, kind, is_known)
    except ExpressionError as raised:
        at = "" if raised.column is None or is_bound else f" (at character {raised.column})"
        error = f"{raised.message}{at}"
    return Program(path, field, kind, text, tree, error, () if tree is None else free_names(tree), is_bound)


def _checked(text: str, kind: ProgramKind, is_known: Callable[[str], bool]) -> ast.expr:
    stripped = text.strip()
    if not stripped:
        raise ExpressionError("is empty")
    try:
        source = _parsed_condition(stripped, is_known) if kind == "condition" else parse(stripped, lambda _: STAND_IN)
    except SourceError as error:
        raise ExpressionError(error.message, error.column) from None
    Evaluation(source, {}).check()
    return source.tree


def _parsed_condition(text: str, is_known: Callable[[str], bool]) -> Source:
    return parse(_BRACED.sub(lambda match: match["whole"] if is_known(match["name"]) else match[0], text))


def free_names(tree: ast.expr) -> tuple[str, ...]:
    """The names that a program takes from outside: not its functions, not the variables of its comprehensions."""
    own: set[str] = set()
    called: set[int] = set()
    found: dict[str, None] = {}
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            called.add(id(node.func))
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            own.add(node.id)
    for node in nodes:
        if isinstance(node, ast.Name) and id(node) not in called and node.id not in own:
            found[node.id] = None
    return tuple(found)
