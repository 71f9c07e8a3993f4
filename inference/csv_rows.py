"""Tables of texts as spreadsheets save them: which character separates the cells, and where one is malformed.

Rows are counted as a spreadsheet shows them: the headings are row 1, a cell may go over several lines, and empty rows
count.
"""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from inference.errors import ValidationFailedError

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
MAX_COLUMNS = 1_000
MAX_ROWS = 1_000
# With the empty ones: spreadsheets save thousands of them below a table that was longer once.
MAX_RECORDS = 100_000
# As many as the longest headings of all columns have, to find the delimiter by.
_MAX_HEADINGS_CHARACTERS = 1024 * 1024
# The csv module's own limit of 131,072 characters is one of the whole process, and lower than what a value may have.
# How large a cell can be is bounded by the body that it comes in.
csv.field_size_limit(64 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row, as many as there are headings. `number` is what a spreadsheet shows at its left."""

    number: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and the rows below them that are not empty."""

    headings: list[str]
    rows: list[Row]


def read_table(text: str, *, is_known: Callable[[str], bool], delimiter: str | None = None) -> Table:
    """The table that `text` spells. Without `delimiter` it is the one by which the headings are known ones.

    Raises ValidationFailedError, which names the place and repeats no cell.
    """
    records = _Records(text, delimiter or _delimiter_of(text, is_known))
    headings = next(iter(records), [])
    if not headings:
        raise wrong_cell(1, None, "has no headings: the first row names the columns")
    if len(headings) > MAX_COLUMNS:
        raise wrong_cell(1, None, f"has more than {MAX_COLUMNS:,} columns")
    rows: list[Row] = []
    for cells in records:
        if not any(cells):
            if records.number >= MAX_RECORDS:
                raise wrong_cell(records.number, None, f"is one too many: at most {MAX_RECORDS:,}, empty ones included")
            continue
        if len(cells) != len(headings):
            place = min(len(cells), len(headings)) + 1
            raise wrong_cell(
                records.number, place, f"the row has {len(cells):,} cells, and there are {len(headings):,} headings"
            )
        if len(rows) == MAX_ROWS:
            raise wrong_cell(records.number, None, f"is one too many: a request takes at most {MAX_ROWS:,} rows")
        rows.append(Row(records.number, cells))
    if not rows:
        raise wrong_cell(2, None, "is missing: there are headings, and no row with a value below them")
    return Table(headings, rows)


def wrong_cell(row: int, column: int | None, reason: str) -> ValidationFailedError:
    """`column` counts from 1; None: the whole row."""
    path = place_of(row, column)
    message = f"{path} {reason}." if column is None else f"{path}: {reason}."
    return ValidationFailedError(message, errors={path: [message]})


def place_of(row: int, column: int | None = None) -> str:
    """`row 7, column 3 (C)`: spreadsheets show letters, programs count."""
    return f"row {row}" if column is None else f"row {row}, column {column} ({_letters(column)})"


class _Records:
    """The records of a text, one after the other; `number` is that of the last one."""

    def __init__(self, text: str, delimiter: str) -> None:
        self.number = 0
        self._delimiter = delimiter
        self._has_nul = "\0" in text  # found at once where there is none
        self._lines = io.StringIO(text, newline="")
        self._taken: list[str] = []  # of the present record
        self._reader = csv.reader(self._take(), delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[list[str]]:
        while True:
            self._taken.clear()
            self.number += 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error:
                column, reason = _fault("".join(self._taken), self._delimiter)
                raise wrong_cell(self.number, column, reason) from None
            if self._has_nul:
                for column, cell in enumerate(cells, 1):
                    if "\0" in cell:
                        raise wrong_cell(self.number, column, "contains a NUL character, which no text here can hold")
            yield cells

    def _take(self) -> Iterator[str]:
        for line in self._lines:
            self._taken.append(line)
            yield line


def _delimiter_of(text: str, is_known: Callable[[str], bool]) -> str:
    """Decided by the headings alone: what stands in the cells below may look like anything.

    If several separate them into known names, or none does, it is the one that makes the most columns.
    """
    counted = {each: _headings(text, each) for each in DELIMITERS.values()}
    fitting = [each for each, headings in counted.items() if headings and all(map(is_known, headings))]
    return max(fitting or counted, key=lambda each: len(counted[each]))


def _headings(text: str, delimiter: str) -> list[str]:
    begin = text[:_MAX_HEADINGS_CHARACTERS]
    try:
        return next(csv.reader(io.StringIO(begin, newline=""), delimiter=delimiter, strict=True), [])
    except csv.Error:
        # Malformed: enough to see which delimiter was meant, so that the place of the fault is told right.
        return begin.partition("\n")[0].split(delimiter)


def _fault(record: str, delimiter: str) -> tuple[int, str]:
    """Where a record that the csv module has refused is wrong: the column, and why. Its own message names neither."""
    column, at, end = 1, 0, len(record)
    while at < end and column <= MAX_COLUMNS:
        if record[at] == '"':
            at = _end_of_quotes(record, at + 1)
            if at == end + 1:
                break
            if at < end and record[at] not in (delimiter, "\r", "\n"):
                return column, 'goes on behind its closing quote: a quote inside of quotes is written twice ("")'
        else:
            behind = record.find(delimiter, at)
            at = end if behind == -1 else behind
        if at < end and record[at] == delimiter:
            column += 1
        at += 1
    if column > MAX_COLUMNS:
        return column, f"the row has more than {MAX_COLUMNS:,} cells"
    return column, "begins with a quote that is never closed"


def _end_of_quotes(record: str, at: int) -> int:
    """Behind the closing quote; one behind the end of the record if there is none."""
    while (quote := record.find('"', at)) != -1:
        if record[quote + 1 : quote + 2] != '"':
            return quote + 1
        at = quote + 2
    return len(record) + 1


def _letters(column: int) -> str:
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
