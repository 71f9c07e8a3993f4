"""Tables as they are written by every program: what was written is read."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.csv_rows import DELIMITERS, MAX_RECORDS, read_table
from inference.errors import ValidationFailedError

TEXTS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12)
CELLS = st.text(alphabet=[*',;\t"\r\n', "a", "é", " ", "="], max_size=8) | TEXTS


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    headings = draw(st.lists(CELLS.filter(bool), min_size=2, max_size=5))
    width = len(headings)
    row = st.lists(CELLS, min_size=width, max_size=width).filter(any)
    return headings, draw(st.lists(row, min_size=1, max_size=6))


@given(tables(), st.sampled_from(sorted(DELIMITERS.values())), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_was_written_is_read(
    table: tuple[list[str], list[list[str]]], delimiter: str, end: str, quote_all: bool
) -> None:
    headings, rows = table
    text = io.StringIO(newline="")
    # With another end of lines than its own, Python's writer leaves a carriage return without quotes.
    quoting = csv.QUOTE_ALL if quote_all or end == "\n" else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([headings, *rows])

    read = read_table(text.getvalue(), is_known=set(headings).__contains__, delimiter=delimiter)
    assert read.headings == headings
    assert [row.cells for row in read.rows] == rows
    assert [row.number for row in read.rows] == list(range(2, len(rows) + 2))


@given(st.text(alphabet=[*',;\t"\r\n\0', "a", "b"], max_size=40))
def test_whatever_comes_is_read_or_refused_by_its_place(text: str) -> None:
    table, refused = None, None
    try:
        table = read_table(text, is_known=lambda heading: heading in ("a", "b"))
    except ValidationFailedError as error:
        refused = error
    if table is not None:
        assert all(len(row.cells) == len(table.headings) for row in table.rows)
    elif refused is not None:
        (path,) = refused.errors or {}
        assert path.startswith("row ")
        assert refused.message.startswith(path)


@pytest.mark.parametrize(("column", "letters"), [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ"), (703, "AAA")])
def test_columns_have_the_letters_of_spreadsheets(column: int, letters: str) -> None:
    text = ",".join(["x"] * column) + "\n" + ",".join(["y"] * (column - 1)) + "\n"
    if column == 1:
        text = 'x\n"y\n'
    with pytest.raises(ValidationFailedError) as refused:
        read_table(text, is_known=lambda _: True, delimiter=",")
    assert f"row 2, column {column} ({letters})" in refused.value.message


def test_empty_rows_are_counted_and_are_not_without_limit() -> None:
    empty = ",\r\n" * 5000
    table = read_table(f"a,b\r\n{empty}1,2\r\n{empty}", is_known=lambda _: True)
    assert [(row.number, row.cells) for row in table.rows] == [(5002, ["1", "2"])]

    with pytest.raises(
        ValidationFailedError, match=r"row 100000 is one too many: at most 100,000, empty ones included"
    ):
        read_table("a,b\n" + "\n" * MAX_RECORDS, is_known=lambda _: True)


@pytest.mark.parametrize("end", ['"x"y', '"x'])
def test_a_fault_behind_too_many_cells_is_not_searched_for(end: str) -> None:
    with pytest.raises(ValidationFailedError, match=r"row 2, column 1001 \(ALM\): the row has more than 1,000 cells"):
        read_table("a,b\n" + "x," * 5000 + end, is_known=lambda _: True)
