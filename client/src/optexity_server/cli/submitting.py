"""Commands that submit: submit, run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

import click

from optexity_server.cli.following import follow_to_end
from optexity_server.cli.output import Exit, Output
from optexity_server.cli.parameters import Values, files_of, gather, pairs_of, table_of
from optexity_server.cli.session import Session, server_command
from optexity_server.cli.tasks import timeout_option
from optexity_server.client import Client
from optexity_server.errors import OptexityError
from optexity_server.models import CsvOptions, ItemAnswer, SubmitOptions
from optexity_server.tables import DELIMITERS, MAX_ROWS, CsvTable

F = TypeVar("F", bound=Callable[..., Any])


def _submission_options(function: F) -> F:
    """What a submission may say, for both commands."""
    options = (
        click.argument("endpoint_name", metavar="AUTOMATION"),
        click.option(
            "-p",
            "pairs",
            multiple=True,
            metavar="NAME=VALUE",
            callback=pairs_of,
            help="A value of a parameter; again appends another.",
        ),
        click.option(
            "--file",
            "files",
            multiple=True,
            metavar="NAME=PATH",
            callback=files_of,
            help="Upload a file and give it as a value of a parameter; again appends another.",
        ),
        click.option("--empty", multiple=True, metavar="NAME", help="A parameter with an empty list."),
        click.option(
            "--input",
            "input_file",
            type=click.File(encoding="utf-8-sig"),
            metavar="FILE",
            help="A JSON object of parameter name to list of texts; - is stdin.",
        ),
        click.option("--unique", multiple=True, metavar="NAME", help="A parameter that identifies the task."),
        click.option("--priority", type=int, help="Lower runs first."),
        click.option("--max-timeout-in-minutes", type=click.IntRange(1, 240), help="Of one attempt (default 10)."),
        click.option("--dedicated", "is_dedicated", is_flag=True, help="Queue up with the tasks of the same login."),
        click.option("--max-parallelism", type=click.IntRange(min=1), help="Tasks of the automation at a time."),
        click.option("--per-login-parallelism", type=click.IntRange(min=1), help="Tasks of the login at a time."),
        click.option("--use-proxy", is_flag=True, help="Through the operator's proxy."),
        click.option(
            "--idempotency-key",
            metavar="TEXT",
            help="Sent again with the same key, it is the same task.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _options(given: dict[str, Any]) -> SubmitOptions:
    """Those that were given; what was not is left to the server."""
    return cast(
        "SubmitOptions",
        {name: value for name, value in given.items() if value is not None and value is not False and value != ()},
    )


@click.command()
@_submission_options
@click.option(
    "--csv",
    "csv_file",
    type=click.File(encoding="utf-8-sig"),
    metavar="FILE",
    help="One task for each row; the first row has the names of parameters, and of options behind an underscore "
    "(_priority). - is stdin. The count of the row is appended to an --idempotency-key.",
)
@click.option(
    "--delimiter",
    type=click.Choice(list(DELIMITERS)),
    help="With --csv: what separates the cells (default: what makes the most of the first row).",
)
@click.option("--all-or-nothing", is_flag=True, help="With --csv: one row that is refused refuses all (at most 1,000).")
@server_command
def submit(
    session: Session,
    endpoint_name: str,
    pairs: list[tuple[str, str]],
    files: list[tuple[str, Path]],
    empty: tuple[str, ...],
    input_file: TextIO | None,
    csv_file: TextIO | None,
    delimiter: str | None,
    all_or_nothing: bool,
    **given: Any,
) -> Exit:
    """Submit a task of AUTOMATION and print its id, or with --csv one task for each row."""
    values = gather(pairs, empty, input_file)
    options = _options(given)
    if csv_file is not None:
        if files:
            raise click.UsageError("--file is for one task, and --csv for many: each file is of one task")
        table = table_of(csv_file, delimiter, values)
        return _submit_rows(session, endpoint_name, table, options, all_or_nothing=all_or_nothing)
    if all_or_nothing or delimiter:
        raise click.UsageError("--all-or-nothing and --delimiter are for --csv")
    with session.client() as client:
        handle = client.submit(endpoint_name, _with_files(client, values, files), **options)
    assert handle.answer is not None  # noqa: S101 - a submission has its answer
    _warn(session.output, handle.answer.warnings)
    if handle.duplicate:
        session.output.say(handle.answer.message)
    session.output.result(handle.answer.raw, handle.task_id)
    return Exit.OK


@click.command()
@_submission_options
@timeout_option
@server_command
def run(
    session: Session,
    endpoint_name: str,
    pairs: list[tuple[str, str]],
    files: list[tuple[str, Path]],
    empty: tuple[str, ...],
    input_file: TextIO | None,
    timeout: float | None,
    **given: Any,
) -> Exit:
    """Submit a task of AUTOMATION, show its steps until it has ended, and print its output data."""
    values = gather(pairs, empty, input_file)
    with session.client() as client:
        handle = client.submit(endpoint_name, _with_files(client, values, files), **_options(given))
    assert handle.answer is not None  # noqa: S101 - a submission has its answer
    _warn(session.output, handle.answer.warnings)
    session.output.task_id = handle.task_id
    session.output.say(f"Task {handle.task_id}" + (" was there before" if handle.duplicate else ""))
    return follow_to_end(session, handle.task_id, timeout)


def _with_files(client: Client, values: Values, files: list[tuple[str, Path]]) -> Values:
    """`values` with what names the files, once they are uploaded."""
    for name, path in files:
        values.setdefault(name, []).append(client.upload(path).reference)
    return values


def _submit_rows(
    session: Session, endpoint_name: str, table: CsvTable, options: SubmitOptions, *, all_or_nothing: bool
) -> Exit:
    """A request at a time, so that what was taken is told before the next is sent."""
    rest: Any = dict(options)
    table = table.with_idempotency_keys(rest.pop("idempotency_key", None))
    for_all: CsvOptions = rest
    parts = list(table.parts())
    if all_or_nothing and len(parts) > 1:
        raise click.UsageError(f"--all-or-nothing takes at most {MAX_ROWS:,} rows, not {len(table.rows):,}")
    output = session.output
    output.is_stream = True
    told = refused = 0
    with session.client() as client:
        for part in parts:
            try:
                answers = list(client.submit_csv(part, endpoint_name, all_or_nothing=all_or_nothing, **for_all))
            except OptexityError as error:
                if not told:
                    raise
                return _interrupted(output, error, part.rows[0].number)
            told += _tell_rows(output, answers)
            refused += sum(not each.success for each in answers)
    output.say(f"{told - refused} of {told} rows were taken")
    return Exit.FAILED if refused else Exit.OK


def _tell_rows(output: Output, answers: list[ItemAnswer]) -> int:
    for answer in answers:
        if output.as_json:
            output.json_line({**answer.raw, "row": answer.row})
        elif answer.success and answer.task_id:
            output.result(None, answer.task_id)
        if not answer.success:
            output.say(f"row {answer.row}: {answer.message}")
    return len(answers)


def _interrupted(output: Output, error: OptexityError, row: int) -> Exit:
    output.say(
        f"The rows from {row} on were not answered: the same file with the same --idempotency-key makes no task twice"
    )
    return output.fail(error)


def _warn(output: Output, warnings: tuple[str, ...]) -> None:
    for each in warnings:
        output.say(f"Warning: {each}")
