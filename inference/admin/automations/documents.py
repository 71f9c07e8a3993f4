"""A document on its way in: the text that a person typed or a file, parsed and looked at."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from automation import Finding as LintFinding
from automation import Problem
from automation.positions import Positions
from automation.reports import Read, read_content
from inference.services.review import review

LARGEST_DOCUMENT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (`failed`), unwise (`review`) or worth knowing (`skipped`), and where."""

    state: str
    message: str
    path: str
    line: int | None
    # What the linter calls it, and what would be better; empty for what keeps the document from loading.
    rule: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Draft:
    """A text that may become a version. `document` is None when it is not even JSON."""

    text: str
    document: Any = None
    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.state == "failed"]

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.state == "review"]

    @property
    def notes(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.state == "skipped"]


def read_draft(text: str, upload: "UploadedFile[Any] | None") -> Draft:
    """A file wins over the text. Nothing is written; what is wrong stands in `findings`."""
    text = text.replace("\r\n", "\n")
    content = text.encode(errors="replace")
    if upload is not None:
        if (upload.size or 0) > LARGEST_DOCUMENT_BYTES:
            return Draft(text, None, (Finding("failed", "The file is larger than 8 MB.", "", None),))
        content = upload.read()
        text = content.decode("utf-8-sig", errors="replace")
    if not content.strip():
        return Draft(text, None, (Finding("failed", "Paste a document, or choose a file.", "", None),))
    read = read_content("document", content)
    return Draft(text, read.document, _findings(read))


def draft_of(document: Any) -> Draft:
    """A document as its author wrote it but for blanks; it is looked at when somebody asks for that."""
    return Draft(pretty(document), document)


def pretty(document: object) -> str:
    """The text of a document for people."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def findings_from(errors: dict[str, list[str]], text: str) -> list[Finding]:
    """What a service refused, with lines."""
    positions = Positions(text)
    return [
        Finding("failed", _sentence(message), path, positions.line_of(path))
        for path, messages in errors.items()
        for message in messages
    ]


_STATES = {"error": "review", "warning": "review", "info": "skipped"}


def _findings(read: Read) -> list[Finding]:
    found = review(read)
    return [
        *(_of_problem(problem, read) for problem in found.problems),
        *(_of_linter(finding, read) for finding in found.findings),
    ]


def _of_problem(problem: Problem, read: Read) -> Finding:
    # Without a document the message is about the whole text, and has no subject.
    message = _sentence(problem.message) if read.problem is None else f"The text {problem.message}"
    return Finding("failed", message, problem.path, read.line_of(problem.path))


def _of_linter(finding: LintFinding, read: Read) -> Finding:
    state, message = _STATES[finding.severity], _sentence(finding.message)
    rule = f"{finding.rule} {finding.name}"
    return Finding(state, message, finding.path, read.line_of(finding.path), rule, finding.fix)


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a name of the language (`human_in_loop_action …`)."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text
