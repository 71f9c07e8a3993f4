"""What the command line says about a document, for the API, the import and the dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass

from automation import Finding, Problem
from automation.linter.catalog import INVALID
from automation.reports import Read, as_read, findings_of, verdict_on
from inference.services.publish import check_document


@dataclass(frozen=True, slots=True)
class Review:
    """problems: what keeps a document from being published. warnings: what loading ignores or guesses. findings: what
    else a careful reviewer would say; those of the warnings are among them."""

    problems: Sequence[Problem]
    warnings: Sequence[Problem]
    findings: Sequence[Finding]


def review_document(document: object) -> Review:
    """Look at a parsed document; nothing is written."""
    return review(as_read("document", document))


def review(read: Read) -> Review:
    """Look at a text that was read, or at why it could not be."""
    if read.problem is not None:
        return Review([read.problem], (), ())
    findings = [each for each in findings_of(read) if each.rule != INVALID.id]
    return Review(check_document(read.document), verdict_on(read).warnings, findings)
