"""Text that looks like Python, read as a tree and never run: locator commands, conditions, expressions.

Placeholders become part of the tree in one of two ways. Inside a string literal the value is data of that
literal, whatever quotes, backslashes or line breaks it has. Outside literals it is text, read like the rest.
"""

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from automation.placeholders import PLACEHOLDER, Lookup, fill_in

MAX_CHARACTERS = 4_000
# Characters of all values inside literals. A short text can name one large value many hundred times.
MAX_VALUE_CHARACTERS = 4 * 1024 * 1024

# The first character of the Unicode private-use areas; a text of MAX_CHARACTERS cannot contain all 6,400.
_FIRST_MARK = 0xE000
_QUOTES = re.compile(r"'''|\"\"\"|'|\"")
_VALID_ESCAPE = frozenset("\n\r\\'\"abfnrtvxNuU01234567")


class SourceError(Exception):
    """The text isn't readable. `column` is the 1-based position in the text as it was given, or None."""

    def __init__(self, message: str, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


@dataclass(frozen=True)
class Source:
    """A parsed text: `tree` has the values in place, `column_of` leads from its nodes to the text as given."""

    tree: ast.expr
    _lines: list[str]
    _origins: "_Origins"

    def column_of(self, node: ast.AST) -> int | None:
        """The 1-based position in the given text where `node` begins; of `value.name`, where `name` does."""
        if not isinstance(node, ast.expr | ast.keyword):
            return None
        if isinstance(node, ast.Attribute) and node.end_lineno and node.end_col_offset:
            start = node.end_col_offset - len(node.attr.encode())
            return _column(self._lines, self._origins, node.end_lineno, start)
        return _column(self._lines, self._origins, node.lineno, node.col_offset)


@dataclass
class _Origins:
    """Where the pieces of a rewritten text come from: positions in it, and the positions they had before."""

    written: list[int] = field(default_factory=list[int])
    given: list[int] = field(default_factory=list[int])

    def add(self, written: int, given: int) -> None:
        self.written.append(written)
        self.given.append(given)

    def column(self, position: int) -> int:
        piece = bisect_right(self.written, position) - 1
        following = self.given[piece + 1] if piece + 1 < len(self.given) else None
        column = self.given[piece] + position - self.written[piece]
        return (column if following is None else min(column, following)) + 1


def parse(text: str, values: Lookup | None = None) -> Source:
    """The tree of an expression. Raises SourceError for whatever Python itself could not read, or could not
    read safely: more than MAX_CHARACTERS, too many parentheses, NUL.
    """
    if len(text) > MAX_CHARACTERS:
        raise SourceError(f"is longer than {MAX_CHARACTERS:,} characters")
    rewritten, marked, origins = _rewrite(text, values)
    if len(rewritten) > 4 * MAX_CHARACTERS:
        raise SourceError(f"is longer than {4 * MAX_CHARACTERS:,} characters with its values in place")
    lines = rewritten.split("\n")
    try:
        tree = ast.parse(rewritten, mode="eval").body
        if marked:
            tree = _Unmark(marked).visit(tree)
    except SyntaxError as error:
        column = None if error.lineno is None else _column(lines, origins, error.lineno, (error.offset or 1) - 1)
        raise SourceError(f"is not readable ({error.msg})", column) from None
    except (ValueError, MemoryError, RecursionError, OverflowError):
        # Deep nesting ends the parser with a MemoryError that has nothing to do with the machine's memory.
        raise SourceError("is not readable (too deep, or with characters that no source may have)") from None
    return Source(tree, lines, origins)


def _column(lines: list[str], origins: _Origins, line: int, byte_offset: int) -> int:
    before = sum(len(earlier) + 1 for earlier in lines[: line - 1])
    current = lines[line - 1] if line <= len(lines) else ""
    return origins.column(before + len(current.encode()[:byte_offset].decode(errors="ignore")))


def _rewrite(text: str, values: Lookup | None) -> tuple[str, dict[str, str], _Origins]:
    """`text` with marks for values inside literals, values as text outside; the marks' values; the origins.

    Backslashes that begin no escape are doubled: they mean themselves, and Python would warn about them.
    """
    mark = next(chr(code) for code in range(_FIRST_MARK, _FIRST_MARK + 6400) if chr(code) not in text)
    marked: dict[str, str] = {}
    parts: list[str] = []
    origins = _Origins()
    room = MAX_VALUE_CHARACTERS

    def mark_for(match: re.Match[str]) -> str | None:
        value = values(match) if values is not None else None
        if value is None:
            return None
        nonlocal room
        room -= len(value)
        if room < 0:
            raise SourceError(f"is longer than {MAX_VALUE_CHARACTERS:,} characters with its values in place")
        key = f"{mark}{len(marked)}{mark}"
        marked[key] = value
        return key

    written = 0
    for start, end, kind in _pieces(text):
        origins.add(written, start)
        piece = text[start:end]
        if kind == "code" and values is not None:
            piece = fill_in(piece, values)
        elif kind != "code":
            piece = fill_in(piece, mark_for)
            if kind == "literal":
                piece = _with_valid_escapes(piece)
        parts.append(piece)
        written += len(piece)
    if not origins.given:
        origins.add(0, 0)
    rewritten = "".join(parts)
    if rewritten.count(mark) != 2 * len(marked):
        raise SourceError("has a value with a private-use character outside a string")
    return rewritten, marked, origins


def _pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, "code" | "literal" | "raw literal") of `text`, split finely enough for exact columns."""
    position = 0
    while position < len(text):
        opening = _QUOTES.search(text, position)
        code_end = opening.start() if opening else len(text)
        comment = text.find("#", position, code_end)
        if comment >= 0:
            line_end = text.find("\n", comment)
            code_end, opening = (len(text) if line_end < 0 else line_end), None
        yield from _around_placeholders(text, position, code_end, "code")
        position = code_end
        if opening:
            end = _literal_end(text, opening)
            prefix = re.search(r"[A-Za-z]{0,2}\Z", text[max(0, opening.start() - 2) : opening.start()])
            is_raw = prefix is not None and "r" in prefix[0].lower()
            yield from _around_placeholders(text, position, end, "raw literal" if is_raw else "literal")
            position = end


def _around_placeholders(text: str, start: int, end: int, kind: str) -> Iterator[tuple[int, int, str]]:
    for match in PLACEHOLDER.finditer(text, start, end):
        if match.start() > start:
            yield start, match.start(), kind
        yield match.start(), match.end(), kind
        start = match.end()
    if start < end:
        yield start, end, kind


def _literal_end(text: str, opening: re.Match[str]) -> int:
    quotes = opening[0]
    position = opening.end()
    while position < len(text):
        if text[position] == "\\":
            position += 2  # the same in raw literals: a backslash keeps the next quote from closing them
        elif text.startswith(quotes, position):
            return position + len(quotes)
        elif text[position] == "\n" and len(quotes) == 1:
            return position  # never closed; Python says so
        else:
            position += 1
    return len(text)


def _with_valid_escapes(literal: str) -> str:
    parts: list[str] = []
    position = 0
    while (backslash := literal.find("\\", position)) >= 0:
        following = literal[backslash + 1 : backslash + 2]
        parts.append(literal[position:backslash])
        parts.append("\\" + following if following in _VALID_ESCAPE else "\\\\" + following)
        position = backslash + 2
    parts.append(literal[position:])
    return "".join(parts)


class _Unmark(ast.NodeTransformer):
    """Puts the values where their marks stand. Marks only ever stand in constants."""

    def __init__(self, marked: dict[str, str]) -> None:
        self._values = marked
        self._mark = re.compile("|".join(map(re.escape, marked)))

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str):
            node.value = self._mark.sub(lambda match: self._values[match[0]], node.value)
        return node
