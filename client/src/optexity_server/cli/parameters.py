"""Values of input parameters from the command line, from a JSON file and from a CSV file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from optexity_server.tables import CsvTable

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


def files_of(context: click.Context, option: click.Parameter, given: Sequence[str]) -> list[tuple[str, Path]]:
    """NAME=PATH of each, where there is a file. Raises click.BadParameter, before anything is sent."""
    files = [(name, Path(path)) for name, path in pairs_of(context, option, given)]
    for _, path in files:
        if not path.is_file():
            raise click.BadParameter(f"there is no file {path}", context, option)
    return files


def table_of(file: TextIO, delimiter: str | None, common: Values) -> CsvTable:
    """The rows of a CSV file, with values that are the same in each. Raises click.UsageError, so that a file is
    refused before any of it is sent."""
    try:
        return CsvTable.read(file.read(), delimiter=delimiter).with_values(common)
    except UnicodeDecodeError:
        raise click.UsageError("--csv: this is no CSV file in UTF-8") from None
    except ValueError as error:
        raise click.UsageError(f"--csv: {error}") from None


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
