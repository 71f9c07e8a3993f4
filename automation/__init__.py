"""The automation language: what an author may write, what it means, and what is wrong with it.

Pure Python and pydantic; every function here can be tested in microseconds. The names below are the package's
public face; action models are imported from `automation.actions.<family>`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from automation.binding import ExpansionError, bind_node, expand_node, mentioned_variables
from automation.conditions import evaluate_condition, evaluate_expression, evaluate_poll_condition
from automation.document import Automation, load
from automation.evaluator import ExpressionError
from automation.labels import label_of, locator_text_of
from automation.locators import LocatorCommand, LocatorError, parse_locator
from automation.nodes import (
    ActionNode,
    AssertLocatorNode,
    ForLoopNode,
    IfElseNode,
    Node,
    PrivateNode,
)
from automation.options import choose_options
from automation.output_format import output_schema
from automation.parameters import Parameters, SecureParameter
from automation.placeholders import (
    bind_pass,
    expand,
    expand_value,
    is_single_unresolved_placeholder,
    mentions_empty_input,
)
from automation.problems import DocumentError, LanguageError, Problem
from automation.unknown_keys import unknown_keys
from automation.walking import ALL_KINDS, find_unsupported, kind_of, walk

if TYPE_CHECKING:
    from automation.difference import Change, diff
    from automation.linter import RULES, Finding, Rule, lint
    from automation.outline import Outline, OutlineStep, explain
    from automation.schema import json_schema

__all__ = [
    "ALL_KINDS",
    "RULES",
    "ActionNode",
    "AssertLocatorNode",
    "Automation",
    "Change",
    "DocumentError",
    "ExpansionError",
    "ExpressionError",
    "Finding",
    "ForLoopNode",
    "IfElseNode",
    "LanguageError",
    "LocatorCommand",
    "LocatorError",
    "Node",
    "Outline",
    "OutlineStep",
    "Parameters",
    "PrivateNode",
    "Problem",
    "Rule",
    "SecureParameter",
    "bind_node",
    "bind_pass",
    "choose_options",
    "diff",
    "evaluate_condition",
    "evaluate_expression",
    "evaluate_poll_condition",
    "expand",
    "expand_node",
    "expand_value",
    "explain",
    "find_unsupported",
    "is_single_unresolved_placeholder",
    "json_schema",
    "kind_of",
    "label_of",
    "lint",
    "load",
    "locator_text_of",
    "mentioned_variables",
    "mentions_empty_input",
    "output_schema",
    "parse_locator",
    "unknown_keys",
    "walk",
]

# The tools for authors and reviewers, loaded when they are first asked for: a worker never needs them.
_TOOLS = {
    "Change": "automation.difference",
    "Finding": "automation.linter",
    "Outline": "automation.outline",
    "OutlineStep": "automation.outline",
    "RULES": "automation.linter",
    "Rule": "automation.linter",
    "diff": "automation.difference",
    "explain": "automation.outline",
    "json_schema": "automation.schema",
    "lint": "automation.linter",
}


def __getattr__(name: str) -> Any:
    module = _TOOLS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value
