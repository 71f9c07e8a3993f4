"""Tasks as a table: a row each, with as many columns as their inputs and outputs turn out to need.

The headings come first in a file and are known last. So rows are put aside on the disk until all are there: nothing is
read from the database twice, no connection of it waits for a slow client, and memory holds one row at a time.
"""

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from typing import Any

from inference.models import Task
from inference.serializers import task_summary

# Of inputs and outputs; what needs more is kept together in the last column.
MAX_COLUMNS = 500
REST = "further_columns"
_CHUNK_CHARACTERS = 64 * 1024
# What spreadsheets take for a formula, wherever the text came from: https://owasp.org/www-community/attacks/CSV_Injection
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

# A kind ("input", "output"), then names.
_Column = tuple[str, ...]


class TaskTable:
    """Rows of tasks on the disk. Close it; the lines of it may be read once."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the answer
        self._columns: dict[_Column, int] = {}  # and how many values of each one task has at most
        self._fields: list[str] = []
        self._width = 0
        self._has_rest = False
        self.rows = 0
        self.bytes = 0

    def add(self, task: Task) -> None:
        # Why a task waits is of the moment, and a table is kept.
        summary = {name: value for name, value in task_summary(task, None).items() if name != "waiting_for"}
        fields = {name: _text(value) for name, value in summary.items()}
        self._fields = list(fields)
        values: dict[_Column, list[str]] = {}
        for name, given in task.input_parameters.items():
            values["input", name] = [_text(each) for each in given]
        for column, text in _outputs(task.output_data):
            values.setdefault(column, []).append(text)
        placed = [[list(column), texts[: self._room(column, max(1, len(texts)))]] for column, texts in values.items()]
        rest = {
            _heading(column, place): text
            for (column, texts), (_, kept) in zip(values.items(), placed, strict=True)
            for place, text in enumerate(texts)
            if place >= len(kept)
        }
        self._has_rest = self._has_rest or bool(rest)
        line = json.dumps([list(fields.values()), placed, _text(rest) if rest else ""]).encode() + b"\n"
        self.bytes += self._file.write(line)
        self.rows += 1

    def chunks(self, *, delimiter: str, raw: bool) -> "Chunks":
        """The file. `raw`: as programs read it, without a byte order mark, and no cell protected."""
        return Chunks(self, delimiter=delimiter, raw=raw)

    def lines(self) -> Iterator[list[str]]:
        """Headings, and a row for each task."""
        columns = sorted(self._columns, key=lambda column: column[0])  # inputs first; else in order of appearance
        rest = [REST] if self._has_rest else []
        yield [
            *self._fields,
            *(_heading(column, place) for column in columns for place in range(self._columns[column])),
            *rest,
        ]
        self._file.seek(0)
        for line in self._file:
            fields, placed, further = json.loads(line)
            values = {tuple(column): texts for column, texts in placed}
            row = [*fields]
            for column in columns:
                texts = values.get(column, [])
                row += texts + [""] * (self._columns[column] - len(texts))
            yield [*row, further] if rest else row

    def close(self) -> None:
        self._file.close()

    def _room(self, column: _Column, wanted: int) -> int:
        """How many values of `column` have a place; makes it, as far as there may be more."""
        has = self._columns.get(column, 0)
        more = min(max(wanted - has, 0), MAX_COLUMNS - self._width)
        if has + more:
            self._columns[column] = has + more
            self._width += more
        return min(wanted, has + more)


class Chunks:
    """The bytes of a table's file, piece by piece. Its `close` is called when the answer ends, however that is."""

    def __init__(self, table: TaskTable, *, delimiter: str, raw: bool) -> None:
        self._table = table
        self._pieces = self._make(delimiter, raw)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        self._table.close()

    def _make(self, delimiter: str, raw: bool) -> Iterator[bytes]:
        piece = io.StringIO(newline="")
        writer = csv.writer(piece, delimiter=delimiter)
        if not raw:
            piece.write("\ufeff")  # or Excel takes UTF-8 for something else
        for cells in self._table.lines():
            writer.writerow(cells if raw else map(_protected, cells))
            if piece.tell() >= _CHUNK_CHARACTERS:
                yield piece.getvalue().encode()
                piece.seek(0)
                piece.truncate()
        yield piece.getvalue().encode()


def _outputs(output_data: list[Any]) -> Iterator[tuple[_Column, str]]:
    """Each value of the output with its column: `output`, the item's unique_identifier if it has one, the key."""
    for item in output_data:
        if not isinstance(item, dict):
            yield ("output",), _text(item)
            continue
        identifier = item.get("unique_identifier")
        column = ("output",) if identifier is None else ("output", _text(identifier))
        for name, value in item.items():
            if name == "json_data" and isinstance(value, dict):
                for key, inner in value.items():
                    yield (*column, key), _text(inner)
            elif name == "json_data":
                yield column, _text(value)
            elif name != "unique_identifier":
                yield (*column, name), _text(value)


def _heading(column: _Column, place: int) -> str:
    return ".".join(column) + (f"[{place}]" if place else "")


def _text(value: Any) -> str:
    """Texts as they are, nothing for null, everything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _protected(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_BEGINS_FORMULA) else cell
