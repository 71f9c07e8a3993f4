"""Tables: rows to submit, in requests that the server takes, and tables of tasks that come in several answers."""

import csv
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Self
from uuid import uuid4

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
MAX_ROWS = 1000
# The server takes 16 MiB.
MAX_BYTES = 16 * 1024 * 1024 - 1024
# So many rows may be in a file, with the empty ones.
MAX_ROW_NUMBER = 100_000
KEY_HEADING = "_idempotency_key"
# The column for what does not fit into others is the last one.
FURTHER = "further_columns"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Row:
    """The cells of one row. `number` is what a spreadsheet shows: the headings are row 1, and empty rows count."""

    number: int
    cells: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class CsvTable:
    """Rows to submit. A heading is the name of a parameter, or an option behind an underscore (`_priority`)."""

    headings: tuple[str, ...]
    rows: tuple[Row, ...] = field(repr=False)

    @classmethod
    def read(cls, source: "CsvTable | str | os.PathLike[str]", *, delimiter: str | None = None) -> "CsvTable":
        """A text is the CSV itself, a path that of a file in UTF-8. Without a `delimiter` (comma, semicolon, tab), it
        is the one that splits the first row into the most cells. Raises ValueError, which repeats no cell."""
        if isinstance(source, CsvTable):
            return source
        text = source if isinstance(source, str) else _text_of(Path(source))
        rows = _read(text.removeprefix("\ufeff"), _sign(delimiter) if delimiter else _delimiter_of(text))
        headings = next(rows, Row(1, ())).cells
        if not headings or not all(headings):
            raise ValueError("the first row must have a heading in each column")
        filled = []
        for row in rows:
            if not any(row.cells):
                continue
            if len(row.cells) != len(headings):
                raise ValueError(f"row {row.number} has {len(row.cells)} cells, not {len(headings)}")
            filled.append(row)
        if not filled:
            raise ValueError("there are no rows (a text is the table itself; for a file, give a Path)")
        return cls(headings, tuple(filled))

    def with_values(self, values: Mapping[str, str | Sequence[str]]) -> Self:
        """With further parameters, which have the same values in each row. Raises ValueError."""
        added: list[tuple[str, str]] = []
        for name, given in values.items():
            heading = f"_{name}" if name.startswith("_") else name
            if heading in self.headings:
                raise ValueError(f"the parameter {name} is given for all rows, too")
            texts = [given] if isinstance(given, str) else list(given)
            if not all(isinstance(each, str) for each in texts):
                raise ValueError(f"the parameter {name} has a value that is no text, which a table cannot say")
            if texts and not texts[-1]:
                raise ValueError(f"the parameter {name} ends with an empty text, which a table cannot say")
            added += [(heading, each) for each in texts or [""]]
        cells = tuple(cell for _, cell in added)
        return replace(
            self,
            headings=(*self.headings, *(heading for heading, _ in added)),
            rows=tuple(Row(row.number, (*row.cells, *cells)) for row in self.rows),
        )

    def with_idempotency_keys(self, prefix: str | None) -> Self:
        """Each row that has no key gets one, so that sending it again makes no second task: `prefix-7` for the seventh
        row, without a prefix one of its own."""
        made = [str(uuid4()) if prefix is None else f"{prefix}-{count}" for count in range(1, len(self.rows) + 1)]
        if KEY_HEADING not in self.headings:
            rows = [Row(row.number, (*row.cells, key)) for row, key in zip(self.rows, made, strict=True)]
            return replace(self, headings=(*self.headings, KEY_HEADING), rows=tuple(rows))
        place = self.headings.index(KEY_HEADING)
        rows = [
            Row(row.number, (*row.cells[:place], row.cells[place] or key, *row.cells[place + 1 :]))
            for row, key in zip(self.rows, made, strict=True)
        ]
        return replace(self, rows=tuple(rows))

    @property
    def idempotency_keys(self) -> list[str]:
        place = self.headings.index(KEY_HEADING)
        return [row.cells[place] for row in self.rows]

    def parts(self) -> "Iterator[CsvTable]":
        """The rows in tables that fit into one request each."""
        room = MAX_BYTES - len(_line(self.headings)) - 2 * MAX_ROW_NUMBER
        part: list[Row] = []
        size = 0
        for row in self.rows:
            row_bytes = len(_line(row.cells))
            if part and (len(part) >= MAX_ROWS or size + row_bytes > room):
                yield replace(self, rows=tuple(part))
                part, size = [], 0
            part.append(row)
            size += row_bytes
        yield replace(self, rows=tuple(part))

    def content(self) -> bytes:
        """As the server takes it, with empty rows where some are left out: what it says names the rows of the file."""
        lines = [_line(self.headings)]
        keeps_numbers = self.rows[-1].number <= MAX_ROW_NUMBER
        number = 1
        for row in self.rows:
            if keeps_numbers:
                lines.append(b"\r\n" * (row.number - number - 1))
                number = row.number
            lines.append(_line(row.cells))
        return b"".join(lines)


class ExportedTable:
    """A table of tasks from one answer or several, each of which has headings of its own."""

    def __init__(self, *, delimiter: str, raw: bool) -> None:
        self._delimiter = _sign(delimiter)
        self._raw = raw
        self._pages: list[ExportPage] = []
        self.rows = 0

    def next_page(self) -> "ExportPage":
        """Where the next answer goes."""
        page = ExportPage(self._delimiter)
        self._pages.append(page)
        return page

    def count(self) -> int:
        """The rows of the answer that has come last, which from then on belong to the table."""
        rows = sum(1 for _ in self._pages[-1].records()) - 1
        self.rows += max(0, rows)
        return rows

    def write_to(self, file: BinaryIO) -> None:
        """One answer is copied as it came; of several, each row gets the columns of all."""
        if len(self._pages) == 1:
            file.writelines(self._pages[0].chunks())
            return
        headings = self._headings()
        if not self._raw:
            file.write(_BOM)
        file.write(_line(headings, self._delimiter))
        for page in self._pages:
            records = page.records()
            own = next(records, [])
            for cells in records:
                values = dict(zip(own, cells, strict=False))
                file.write(_line([values.get(each, "") for each in headings], self._delimiter))

    def close(self) -> None:
        for page in self._pages:
            page.close()

    def _headings(self) -> list[str]:
        """Of all answers: in the order of the first one, with what is new before the next one that is known."""
        found: list[str] = []
        for page in self._pages:
            at = 0
            for heading in next(page.records(), []):
                if heading in found:
                    at = found.index(heading) + 1
                else:
                    found.insert(at, heading)
                    at += 1
        if FURTHER in found:
            found.append(found.pop(found.index(FURTHER)))
        return found


class ExportPage:
    """One answer on its way to the disk."""

    def __init__(self, delimiter: str) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the table
        self._delimiter = delimiter

    def begin(self) -> None:
        self._file.seek(0)
        self._file.truncate()

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def chunks(self) -> Iterator[bytes]:
        self._file.seek(0)
        while chunk := self._file.read(64 * 1024):
            yield chunk

    def records(self) -> Iterator[list[str]]:
        self._file.seek(0)
        text = io.TextIOWrapper(self._file, encoding="utf-8-sig", newline="")
        try:
            yield from csv.reader(text, delimiter=self._delimiter)
        finally:
            text.detach()

    def close(self) -> None:
        self._file.close()


def _sign(delimiter: str) -> str:
    try:
        return DELIMITERS[delimiter]
    except KeyError:
        raise ValueError(f"delimiter must be one of {', '.join(DELIMITERS)}") from None


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        # Not chained: its message would repeat what is in the file.
        raise ValueError("this is no CSV file in UTF-8") from None


def _delimiter_of(text: str) -> str:
    first = text.partition("\n")[0]
    return max(DELIMITERS.values(), key=lambda each: len(next(csv.reader([first], delimiter=each), [])))


def _read(text: str, delimiter: str) -> Iterator[Row]:
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error:
            # Not chained, for the same reason.
            raise ValueError(
                f"row {number} is no row of a CSV file, or one of its cells has more than "
                f"{csv.field_size_limit():,} characters"
            ) from None
        yield Row(number, tuple(cells))


def _line(cells: Sequence[str], delimiter: str = ",") -> bytes:
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode()
