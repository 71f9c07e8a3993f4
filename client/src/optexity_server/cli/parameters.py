"""Values of input parameters from the command line, from a JSON file and from a CSV file."""

import csv
import json
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import click

Values = dict[str, list[Any]]


def pairs_of(context: click.Context, option: click.Parameter, given: Sequence[str]) -> list[tuple[str, str]]:
    """NAME=VALUE of each; the value may be empty and may hold further signs. Raises click.BadParameter."""
    parts = [text.partition("=") for text in given]
    if not all(name and sign for name, sign, _ in parts):
        # Without repeating it: it may be a secret in the wrong place.
        raise click.BadParameter("must be NAME=VALUE", context, option)
    return [(name, value) for name, _, value in parts]


def gather(pairs: Sequence[tuple[str, str]], empty: Sequence[str], file: TextIO | None) -> Values:
    """All values by name: those of the file, then those of the options. Raises click.UsageError."""
    values = {} if file is None else _from_json(file)
    for name, text in pairs:
        values.setdefault(name, []).append(text)
    for name in empty:
        if values.get(name):
            raise click.UsageError(f"--empty {name}: the parameter has values, too")
        values[name] = []
    return values


def rows(file: TextIO, common: Values) -> list[Values]:
    """The values of each row. The first line has the names; one that comes again appends to its list, and an empty
    cell adds nothing. Raises click.UsageError, so that a file is refused before any of it is sent."""
    try:
        return list(_rows(csv.reader(file, strict=True), common))
    except (csv.Error, UnicodeDecodeError):
        raise click.UsageError("--csv: this is no CSV file in UTF-8") from None


def _rows(lines: Any, common: Values) -> Iterable[Values]:
    names: list[str] = next(lines, [])
    if not names or not all(names):
        raise click.UsageError("--csv: the first line must have the name of a parameter in each column")
    for name in names:
        if name in common:
            raise click.UsageError(f"--csv: the parameter {name} is given for all rows, too")
    for cells in lines:
        if not cells:
            continue  # an empty line
        if len(cells) != len(names):
            raise click.UsageError(f"--csv: line {lines.line_num} has {len(cells)} cells, not {len(names)}")
        values: Values = {**common, **{name: [] for name in names}}
        for name, cell in zip(names, cells, strict=True):
            if cell:
                values[name].append(cell)
        yield values


def _from_json(file: TextIO) -> Values:
    try:
        told = json.load(file)
    except ValueError:
        raise click.UsageError("--input: this is no JSON in UTF-8") from None
    if not isinstance(told, dict):
        raise click.UsageError("--input: must be an object of parameter name to list of texts")
    values: Values = {}
    for name, given in told.items():
        listed = [given] if isinstance(given, str) else given
        if not isinstance(listed, list):
            raise click.UsageError(f"--input: {name} must be a text or a list of texts")
        values[name] = list(listed)
    return values
