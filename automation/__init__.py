"""The automation language: what an author may write, what it means, and what is wrong with it.

Pure Python and pydantic; every function here can be tested in microseconds. The names below are the package's
public face; action models are imported from `automation.actions.<family>`.
"""

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

__all__ = [
    "ALL_KINDS",
    "ActionNode",
    "AssertLocatorNode",
    "Automation",
    "DocumentError",
    "ExpansionError",
    "ExpressionError",
    "ForLoopNode",
    "IfElseNode",
    "LanguageError",
    "LocatorCommand",
    "LocatorError",
    "Node",
    "Parameters",
    "PrivateNode",
    "Problem",
    "SecureParameter",
    "bind_node",
    "bind_pass",
    "choose_options",
    "evaluate_condition",
    "evaluate_expression",
    "evaluate_poll_condition",
    "expand",
    "expand_node",
    "expand_value",
    "find_unsupported",
    "is_single_unresolved_placeholder",
    "kind_of",
    "label_of",
    "load",
    "locator_text_of",
    "mentioned_variables",
    "mentions_empty_input",
    "output_schema",
    "parse_locator",
    "unknown_keys",
    "walk",
]
