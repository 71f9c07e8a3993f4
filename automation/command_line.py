"""The commands about documents: `python -m automation` and `manage.py` call the same functions."""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from automation.difference import diff
from automation.outline import explain
from automation.problems import DocumentError
from automation.reports import (
    FORMATS,
    Format,
    Read,
    Style,
    change_lines,
    finding_lines,
    findings_of,
    outline_lines,
    problem_lines,
    read_document,
    verdict_lines,
    verdict_on,
)
from automation.schema import json_schema

# Exit codes. Wrong use is 2, too, as argparse has it; for `diff` 2 means that there was nothing to compare.
FINE = 0
FOUND = 1
TROUBLE = 2


class Output(Protocol):
    """Where lines go: sys.stdout, or Django's wrapper of it."""

    def write(self, text: str, /) -> Any: ...

    def isatty(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Run:
    """One call: its options by name, and where it reads and writes."""

    options: Mapping[str, Any]
    stdin: BinaryIO
    output: Output

    @property
    def form(self) -> Format:
        form: Format = self.options.get("format", "text")
        return form

    @property
    def style(self) -> Style:
        wants = not self.options.get("no_color")
        return Style(color=wants and self.form == "text" and self.output.isatty())

    def read(self, names: Sequence[str]) -> list[Read]:
        return [read_document(name, self.stdin) for name in names]

    def tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            # File names may hold bytes that are no text; they must not end the report.
            self.output.write(line.encode(errors="backslashreplace").decode() + "\n")


@dataclass(frozen=True, slots=True)
class LanguageCommand:
    """A command: its name under `python -m automation`, what it is for, its arguments, and what it does."""

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Run], int]


def _files(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="A JSON document; - is the standard input.")
    _format(parser)


def _format(parser: ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="text", help="For people, programs, or GitHub's checks.")


def _lint_arguments(parser: ArgumentParser) -> None:
    _files(parser)
    parser.add_argument("--strict", action="store_true", help="Let warnings fail, too.")


def _diff_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help="The earlier document; - is the standard input.")
    parser.add_argument("new", metavar="NEW", help="The later document.")
    _format(parser)


def _validate(run: Run) -> int:
    code = FINE
    for read in run.read(run.options["files"]):
        verdict = verdict_on(read)
        run.tell(verdict_lines(read, verdict, run.form, run.style))
        if verdict.problems:
            code = FOUND
    return code


def _lint(run: Run) -> int:
    failing = {"error", "warning"} if run.options["strict"] else {"error"}
    code = FINE
    for read in run.read(run.options["files"]):
        findings = findings_of(read)
        run.tell(finding_lines(read, findings, run.form, run.style))
        if any(finding.severity in failing for finding in findings):
            code = FOUND
    return code


def _explain(run: Run) -> int:
    code = FINE
    reads = run.read(run.options["files"])
    for position, read in enumerate(reads):
        if run.form == "text" and len(reads) > 1:
            run.tell([*([""] if position else []), f"== {read.name}"])
        problems = [read.problem] if read.problem is not None else []
        if not problems:
            try:
                run.tell(outline_lines(read, explain(read.document), run.form))
                continue
            except DocumentError as error:
                problems = error.problems
        run.tell(problem_lines(read, problems, run.form, run.style))
        code = FOUND
    return code


def _diff(run: Run) -> int:
    old, new = run.read([run.options["old"], run.options["new"]])
    unusable = False
    for read in (old, new):
        problems = verdict_on(read).problems
        if problems:
            run.tell(problem_lines(read, problems, run.form, run.style))
            unusable = True
    if unusable:
        return TROUBLE
    changes = diff(old.document, new.document)
    run.tell(change_lines(old, new, changes, run.form, run.style))
    return FOUND if changes else FINE


def _schema(run: Run) -> int:
    run.tell([json.dumps(json_schema(), indent=2, ensure_ascii=False)])
    return FINE


VALIDATE = LanguageCommand(
    "validate",
    "Say whether documents load, with every problem and its place. Exit code: 0 all load, 1 not all, 2 wrong use.",
    _files,
    _validate,
)
LINT = LanguageCommand(
    "lint",
    "Say what a careful reviewer would say. Exit code: 0 no errors, 1 errors (--strict: or warnings), 2 wrong use.",
    _lint_arguments,
    _lint,
)
EXPLAIN = LanguageCommand(
    "explain",
    "Say in words what documents will do, in order. Exit code: 0, 1 one does not load, 2 wrong use.",
    _files,
    _explain,
)
DIFF = LanguageCommand(
    "diff",
    "Compare two documents by what they mean. Exit code: 0 the same, 1 different, 2 one does not load, or wrong use.",
    _diff_arguments,
    _diff,
)
SCHEMA = LanguageCommand("schema", "Write the JSON Schema of documents, for editors.", lambda parser: None, _schema)
COMMANDS = (VALIDATE, LINT, EXPLAIN, DIFF, SCHEMA)
