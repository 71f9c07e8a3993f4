"""Documents in files, and what is told about them: for people, for programs, and for GitHub's annotations."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn

from automation.difference import Change
from automation.document import load
from automation.linter import Finding, lint
from automation.linter.catalog import DUPLICATE_KEY, INVALID, NO_TYPE, UNKNOWN_IGNORE, UNKNOWN_KEY
from automation.linter.written import Ignored
from automation.linter.written import check as check_written
from automation.outline import Outline
from automation.positions import Positions
from automation.problems import DocumentError, Problem, shortened

Format = Literal["text", "json", "github"]
FORMATS: tuple[Format, ...] = ("text", "json", "github")
_AS_WARNINGS = frozenset(rule.id for rule in (UNKNOWN_KEY, NO_TYPE, UNKNOWN_IGNORE, DUPLICATE_KEY))
_COLORS = {"error": "31;1", "warning": "33", "info": "36", "+": "32", "-": "31", ">": "36", "~": "33"}
_GITHUB = {"error": "error", "warning": "warning", "info": "notice"}
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Read:
    """A file: its document, or the problem that kept it from being read as JSON."""

    name: str
    document: Any
    problem: Problem | None
    positions: Positions | None
    line: int = 1

    def line_of(self, path: str) -> int:
        """The line of a path in the file; that of the mistake when the file is no JSON."""
        return self.line if self.positions is None else self.positions.line_of(path)


class _NotJsonError(Exception):
    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def as_read(name: str, document: object) -> Read:
    """A document that was read elsewhere; its lines are not known."""
    return Read(name, document, None, None)


def read_document(name: str, stdin: BinaryIO) -> Read:
    """The document in the file `name`; `-` is the standard input. Never raises for what stands in it."""
    try:
        if name == "-":
            content = stdin.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the name is not usable"
        return Read(name, None, Problem("", f"cannot be read: {reason}"), None)
    return read_content(name, content)


def read_content(name: str, content: bytes) -> Read:
    """The document that a file's bytes spell. Never raises for what stands in them."""
    try:
        text = _decoded(content)
        document = _parsed(text)
    except _NotJsonError as error:
        return Read(name, None, Problem("", error.message), None, error.line)
    return Read(name, document, None, Positions(text))


def _decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise _NotJsonError(f"is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _NotJsonError(f"is not UTF-8 (byte {error.start})", content.count(b"\n", 0, error.start) + 1) from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        message = f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        raise _NotJsonError(message, error.lineno) from None
    except RecursionError:
        raise _NotJsonError("is nested too deeply") from None
    except ValueError:  # what is left: a whole number of more digits than Python reads
        raise _NotJsonError("has a number of absurd length") from None


def _refuse_constant(name: str) -> NoReturn:
    raise _NotJsonError(f"holds {name}, which JSON does not have")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _NotJsonError("holds a number that is too large")
    return value


def findings_of(read: Read) -> list[Finding]:
    """What the linter says about a file."""
    if read.problem is not None:
        return [INVALID.at("", read.problem.message, "Correct it: the document cannot be run.")]
    return [*_duplicates(read), *lint(read.document)]


def _duplicates(read: Read) -> Iterator[Finding]:
    for path in read.positions.duplicates if read.positions is not None else ():
        message = "stands twice in its object, and only the last one counts"
        yield DUPLICATE_KEY.at(path, message, "Keep one of them.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a file loads: the problems that keep it from doing so, and what was ignored or guessed."""

    problems: list[Problem]
    warnings: list[Problem]


def verdict_on(read: Read) -> Verdict:
    """The verdict on a file."""
    if read.problem is not None:
        return Verdict([read.problem], [])
    problems: list[Problem] = []
    try:
        load(read.document)
    except DocumentError as error:
        problems = error.problems
    ignored = Ignored(read.document)
    found = [*_duplicates(read), *check_written(read.document, ignored)]
    told = [each for each in found if each.rule in _AS_WARNINGS and not ignored.is_ignored(each)]
    return Verdict(problems, [Problem(each.path, each.message) for each in told])


class Style:
    """Colors, when they are wanted."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def paint(self, kind: str, text: str) -> str:
        """`text` in the color of a severity or a sign of change."""
        return f"\x1b[{_COLORS[kind]}m{text}\x1b[0m" if self._color else text


def printable(text: str) -> str:
    """`text` without characters that would steer a terminal."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def json_line(value: Any) -> str:
    """A JSON value on one line. Half a surrogate pair, which no encoding can write, stays an escape."""
    line = json.dumps(value, ensure_ascii=False)
    return line if line.isascii() or not any("\ud800" <= each <= "\udfff" for each in line) else json.dumps(value)


def verdict_lines(read: Read, verdict: Verdict, form: Format, style: Style) -> Iterator[str]:
    """A verdict in the wanted form."""
    match form:
        case "json":
            yield json_line(
                {
                    "file": read.name,
                    "valid": not verdict.problems,
                    "problems": [problem._asdict() for problem in verdict.problems],
                    "warnings": [warning._asdict() for warning in verdict.warnings],
                }
            )
        case "github":
            for problem in verdict.problems:
                yield github_line("error", read, problem.path, problem.message, "invalid-document")
            for warning in verdict.warnings:
                yield github_line("warning", read, warning.path, warning.message, "ignored")
        case "text":
            state = style.paint("error", "not valid") if verdict.problems else style.paint("+", "valid")
            yield f"{printable(read.name)}: {state}"
            for severity, problems in (("error", verdict.problems), ("warning", verdict.warnings)):
                for problem in problems:
                    where = f"{read.line_of(problem.path)}: {printable(problem.path) or 'document'}"
                    yield f"  {style.paint(severity, severity)} line {where}: {printable(problem.message)}"


def finding_lines(read: Read, findings: Sequence[Finding], form: Format, style: Style) -> Iterator[str]:
    """The findings about a file in the wanted form."""
    match form:
        case "json":
            is_valid = not any(finding.rule == INVALID.id for finding in findings)
            told = [{**finding._asdict(), "line": read.line_of(finding.path)} for finding in findings]
            yield json_line({"file": read.name, "valid": is_valid, "findings": told})
        case "github":
            for finding in findings:
                message = f"{finding.message}. {finding.fix}"
                yield github_line(finding.severity, read, finding.path, message, f"{finding.rule} {finding.name}")
        case "text":
            yield f"{printable(read.name)}: {_counted(findings)}"
            for finding in findings:
                mark = style.paint(finding.severity, f"{finding.severity} {finding.rule} {finding.name}")
                elsewhere = " (not portable)" if finding.portable is False else ""
                yield f"  line {read.line_of(finding.path)}: {printable(finding.path) or 'document'}"
                yield f"    {mark}{elsewhere}: {printable(finding.message)}"
                yield f"    → {printable(finding.fix)}"


def _counted(findings: Sequence[Finding]) -> str:
    if not findings:
        return "nothing to say"
    counts = {name: sum(1 for each in findings if each.severity == name) for name in ("error", "warning", "info")}
    words = {"error": "error", "warning": "warning", "info": "note"}
    told = [f"{count} {words[name]}{'' if count == 1 else 's'}" for name, count in counts.items() if count]
    return ", ".join(told)


def outline_lines(read: Read, outline: Outline, form: Format) -> Iterator[str]:
    """An outline in the wanted form."""
    if form == "json":
        yield json_line({"file": read.name, **outline.as_json()})
        return
    if form == "github":
        yield f"::group::{_data(read.name)}"
    yield from map(printable, outline.lines())
    if form == "github":
        yield "::endgroup::"


_SIGNS = {"added": "+", "removed": "-", "moved": ">", "changed": "~"}


def change_lines(old: Read, new: Read, changes: Sequence[Change], form: Format, style: Style) -> Iterator[str]:
    """The differences between two files in the wanted form."""
    if form == "json":
        told = [_change_as_json(change) for change in changes]
        yield json_line({"old": old.name, "new": new.name, "equal": not changes, "changes": told})
        return
    for change in changes:
        text = _change_text(change)
        if form == "github":
            read = old if change.kind == "removed" else new
            yield github_line("info", read, change.path, text, change.kind)
        else:
            sign = _SIGNS[change.kind]
            yield style.paint(sign, printable(f"{sign} {text}"))


def _change_as_json(change: Change) -> Mapping[str, Any]:
    told = change._asdict()
    if change.kind != "changed":
        del told["before"], told["after"]
    return told


def _change_text(change: Change) -> str:
    match change.kind:
        case "changed":
            before, after = (shortened(json.dumps(each, ensure_ascii=False), 100) for each in change[4:6])
            return f"{change.path}: {before} → {after}"
        case "moved":
            return f"{change.path}: {change.what} (was {change.old_path})"
        case "added" | "removed":
            return f"{change.path}: {change.what}"


def problem_lines(read: Read, problems: Iterable[Problem], form: Format, style: Style) -> Iterator[str]:
    """Why a file could not be explained or compared."""
    yield from verdict_lines(read, Verdict(list(problems), []), form, style)


def github_line(severity: str, read: Read, path: str, message: str, title: str) -> str:
    """A workflow command that GitHub shows beside the line.

    Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    place = f"file={_property(read.name)},line={read.line_of(path)},title={_property(title)}"
    text = f"{path}: {message}" if path else message
    return f"::{_GITHUB[severity]} {place}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
