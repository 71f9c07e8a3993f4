"""POST /api/v1/inference/csv: the rows of a spreadsheet, each a submission."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from inference.csv_rows import DELIMITERS, Row, Table, place_of, read_table, wrong_cell
from inference.errors import ValidationFailedError, shorten
from inference.models import Scope
from inference.parsers import CsvParser
from inference.serializers import CsvQuerySerializer, TruthField, WholeNumberField
from inference.services.submit import check_unique_names, newest_version
from inference.views.base import api_key_of
from inference.views.batch import MIB, batch_object, submit_many
from inference.views.submissions import SubmissionView

# What a row may say of itself besides its parameters, in a column headed by an underscore and this name.
OPTIONS = (
    "idempotency_key",
    "priority",
    "max_timeout_in_minutes",
    "is_dedicated",
    "max_parallelism",
    "per_login_parallelism",
    "use_proxy",
)
_FIELDS = dict(CsvQuerySerializer().fields)
_NUMBER = re.compile(r"-?[0-9]{1,12}")


class InferenceCsvView(SubmissionView):
    """Each row is a submission to `?endpoint_name=`; options for all rows stand in the query, too.

    A heading is a parameter's name, or an option's behind an underscore; a parameter whose name begins with an
    underscore is written with one more.
    """

    scopes: ClassVar = {"POST": Scope.SUBMIT}
    parser_classes = (CsvParser,)
    body_max_bytes = 16 * MIB
    takes = "CSV in UTF-8, with Content-Type: text/csv"

    def post(self, request: Request) -> Response:
        if "Idempotency-Key" in request.headers:
            message = "Idempotency-Key is for a single submission: give each row one in a column _idempotency_key."
            raise ValidationFailedError(message, errors={"Idempotency-Key": [message]})
        query = CsvQuerySerializer(data=_typed_query(request.query_params))
        query.is_valid(raise_exception=True)
        key = api_key_of(request)
        declared = newest_version(query.validated_data["endpoint_name"], key).input_names
        text: Any = request.data
        table = read_table(
            text if isinstance(text, str) else "",  # an empty body is not parsed
            is_known=lambda heading: _is_known(heading, declared),
            delimiter=DELIMITERS.get(query.validated_data.get("delimiter", "")),
        )
        columns = _columns(table, declared)
        check_unique_names(query.validated_data.get("unique_parameter_names", ()), columns.parameters)
        for_all = {
            name: value for name, value in query.initial_data.items() if name not in CsvQuerySerializer.OF_REQUEST
        }
        results = submit_many(
            [columns.item(row, for_all) for row in table.rows],
            key,
            all_or_nothing=query.validated_data["all_or_nothing"],
            place=lambda number: place_of(table.rows[number].number),
        )
        numbered = [{"row": row.number, **result} for row, result in zip(table.rows, results, strict=True)]
        return Response(batch_object(numbered, called="rows"), status=status.HTTP_202_ACCEPTED)


class _Columns:
    """What each column is for: `parameters` by name with the places of their values, `options` with their place."""

    def __init__(self, headings: Sequence[str]) -> None:
        self.parameters: dict[str, list[int]] = {}
        self.options: dict[str, int] = {}
        for place, heading in enumerate(headings):
            if _is_option(heading):
                self.options[heading[1:]] = place
            else:
                self.parameters.setdefault(_parameter(heading), []).append(place)

    def item(self, row: Row, for_all: Mapping[str, Any]) -> dict[str, Any]:
        """The body of the submission that a row is."""
        own = {name: _typed(name, row.cells[place]) for name, place in self.options.items() if row.cells[place]}
        values = {name: _values([row.cells[place] for place in places]) for name, places in self.parameters.items()}
        return {**for_all, **own, "input_parameters": values}


def _columns(table: Table, declared: Sequence[str]) -> _Columns:
    """Raises ValidationFailedError for a heading that is empty, unknown or an option for the second time, and for a
    parameter without a column."""
    for column, heading in enumerate(table.headings, 1):
        shown = shorten(heading)
        if not heading:
            raise wrong_cell(1, column, "the heading is empty: each column is a parameter, or an option")
        if _is_option(heading) and heading in table.headings[: column - 1]:
            raise wrong_cell(1, column, f"the option '{shown}' has a column already")
        if _is_known(heading, declared):
            continue
        if _is_option(heading):
            known = ", ".join(f"_{each}" for each in OPTIONS)
            raise wrong_cell(1, column, f"there is no option '{shown}'; the options are {known}")
        raise wrong_cell(1, column, f"parameter '{shown}' is not declared by the automation")
    columns = _Columns(table.headings)
    if missing := [name for name in declared if name not in columns.parameters]:
        raise wrong_cell(
            1, None, f"has no column for the parameter '{shorten(missing[0])}': the automation declares it"
        )
    return columns


def _is_option(heading: str) -> bool:
    return heading.startswith("_") and not heading.startswith("__")


def _parameter(heading: str) -> str:
    return heading[1:] if heading.startswith("__") else heading


def _is_known(heading: str, declared: Sequence[str]) -> bool:
    return heading[1:] in OPTIONS if _is_option(heading) else _parameter(heading) in declared


def _values(cells: list[str]) -> list[str]:
    """Empty cells at the end are no values; one before another value is an empty text."""
    end = len(cells)
    while end and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _typed(name: str, text: str) -> Any:
    """An option as JSON would have it. What cannot be read stays a text, which its field then refuses by name."""
    field = _FIELDS.get(name)
    if isinstance(field, WholeNumberField) and _NUMBER.fullmatch(text):
        return int(text)
    if isinstance(field, TruthField):
        return {"true": True, "false": False}.get(text.lower(), text)
    return text


def _typed_query(query: Any) -> dict[str, Any]:
    """The query of the request; a name that is given twice is refused, save the one that is a list."""
    typed: dict[str, Any] = {}
    for name, texts in query.lists():
        if name == "unique_parameter_names":
            typed[name] = texts
        elif len(texts) > 1:
            message = f"{shorten(name)} is given more than once in the query."
            raise ValidationFailedError(message, errors={shorten(name): [message]})
        else:
            typed[name] = _typed(name, texts[0])
    return typed
