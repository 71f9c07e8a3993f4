"""The linter: what a careful reviewer would say about a document, also about a valid one."""

from collections.abc import Callable, Iterator
from itertools import islice

from automation.document import load
from automation.linter import (
    clear_secrets,
    control,
    differences,
    downloads,
    locator_rules,
    needs,
    program_rules,
    variables,
    waiting,
    written,
)
from automation.linter.catalog import INVALID, RULES, SEVERITIES, Finding, Rule, Severity
from automation.linter.survey import Survey
from automation.problems import DocumentError

__all__ = ["MAX_FINDINGS", "RULES", "SEVERITIES", "Finding", "Rule", "Severity", "lint"]

# More than anyone reads; a document with more has one mistake many times.
MAX_FINDINGS = 1_000
_CHECKS: tuple[Callable[[Survey], Iterator[Finding]], ...] = (
    variables.check,
    program_rules.check,
    locator_rules.check,
    clear_secrets.check,
    control.check,
    waiting.check,
    downloads.check,
    needs.check,
    differences.check,
)


def lint(document: object) -> list[Finding]:
    """Everything that a reviewer should know about a parsed JSON document, in the order of its nodes.

    Never raises: what keeps the document from loading comes back as findings of AL001. A document and its nodes may
    hold `lint_ignore`, a list of rules that are not to be told there. At most MAX_FINDINGS are told.
    """
    ignored = written.Ignored(document)
    found = (finding for finding in _found(document, ignored) if not ignored.is_ignored(finding))
    return sorted(islice(found, MAX_FINDINGS), key=_place)


def _found(document: object, ignored: written.Ignored) -> Iterator[Finding]:
    try:
        automation = load(document)
    except DocumentError as error:
        for problem in error.problems:
            yield INVALID.at(problem.path, problem.message, "Correct it: the document cannot be run.")
        yield from written.check(document, ignored)
        return
    yield from written.check(document, ignored)
    survey = Survey(automation)
    for check in _CHECKS:
        yield from check(survey)


# The order of an author: what a document begins with, its nodes, what is inside a node after the node's own fields.
_RANKS = {
    "url": -2,
    "parameters": -1,
    "nodes": 1,
    "if_nodes": 1,
    "else_nodes": 2,
    "reset_nodes": 2,
    "post_processing_nodes": 3,
}


def _place(finding: Finding) -> tuple[list[tuple[int, str, int]], int, str]:
    """Where a finding belongs among the others: by its path, then by how serious it is."""
    parts: list[tuple[int, str, int]] = []
    for part in finding.path.split("."):
        name, _, number = part.partition("[")
        digits = number.partition("]")[0]
        parts.append((_RANKS.get(name, 0), name, int(digits) if digits.isdecimal() else -1))
    return parts, SEVERITIES.index(finding.severity), finding.rule
