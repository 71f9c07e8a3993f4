"""A document on its way in: the text that a person typed or a file, parsed and looked at."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from automation import Problem, unknown_keys
from inference.admin.automations.json_lines import line_numbers, line_of, pretty, refuse_constant
from inference.services.publish import check_document

LARGEST_DOCUMENT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (`failed`) or unwise (`review`), and where."""

    state: str
    message: str
    path: str
    line: int | None


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


def read_draft(text: str, upload: "UploadedFile[Any] | None") -> Draft:
    """A file wins over the text. Nothing is written; what is wrong stands in `findings`."""
    if upload is not None:
        if (upload.size or 0) > LARGEST_DOCUMENT_BYTES:
            return Draft(text, None, (Finding("failed", "The file is larger than 8 MB.", "", None),))
        try:
            text = upload.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            return Draft(text, None, (Finding("failed", "The file is not a text in UTF-8.", "", None),))
    text = text.replace("\r\n", "\n")
    if not text.strip():
        return Draft(text, None, (Finding("failed", "Paste a document, or choose a file.", "", None),))
    try:
        document = json.loads(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        return Draft(text, None, (Finding("failed", f"This is not JSON: {error.msg}.", "", error.lineno),))
    except (ValueError, RecursionError) as error:
        return Draft(text, None, (Finding("failed", f"This is not JSON: {error}.", "", None),))
    return Draft(text, document, _findings(text, document))


def draft_of(document: Any, input_names: Sequence[str] = ()) -> Draft:
    return Draft(pretty(document, input_names), document)


def findings_from(errors: dict[str, list[str]], text: str) -> list[Finding]:
    """What a service refused, with lines."""
    lines = line_numbers(text)
    return [
        Finding("failed", _sentence(message), path, line_of(path, lines))
        for path, messages in errors.items()
        for message in messages
    ]


def _findings(text: str, document: Any) -> list[Finding]:
    lines = line_numbers(text)
    found = [_finding("failed", problem, lines) for problem in check_document(document)]
    return found + [_finding("review", problem, lines) for problem in unknown_keys(document)]


def _finding(state: str, problem: Problem, lines: dict[str, int]) -> Finding:
    return Finding(state, _sentence(problem.message), problem.path, line_of(problem.path, lines))


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a name of the language (`human_in_loop_action …`)."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text
