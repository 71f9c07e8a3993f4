"""The results of many tasks, one after the other."""

import csv
import io
import json
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import click

from optexity_server.cli.session import Session, server_command
from optexity_server.client import Client, EndedTasks
from optexity_server.errors import NotFoundError
from optexity_server.models import Task, TaskFilters, TaskSummary
from optexity_server.tables import DELIMITERS

COLUMNS = (
    *("task_id", "endpoint_name", "version", "status", "error", "created_at", "started_at", "completed_at"),
    *("duration_ms", "input_parameters", "output_data"),
)


@click.command()
@click.option("--status", metavar="STATUS", help="Only tasks in this state.")
@click.option("--automation", "endpoint_name", metavar="NAME", help="Only tasks of this automation.")
@click.option("--created-after", metavar="INSTANT", help="ISO 8601 with an offset, e.g. 2026-01-31T08:00:00Z.")
@click.option("--created-before", metavar="INSTANT")
@click.option("--ended-after", metavar="INSTANT", help="Only tasks that have ended, in the order of their ends.")
@click.option("--cursor", metavar="CURSOR", help="Go on where an export with --ended-after has come to.")
@click.option("--needs-review", is_flag=True, default=None, help="Only tasks with an act that somebody has to decide.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many tasks.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option(
    "--csv", "as_table", is_flag=True, help="A table of the server: CSV with a column for each input and output."
)
@click.option("--delimiter", type=click.Choice(list(DELIMITERS)), help="With --csv: what separates the cells.")
@click.option("--raw", is_flag=True, help="With --csv: without what protects spreadsheets, for programs.")
@click.option("--to", "path", type=click.Path(dir_okay=False, path_type=Path), help="A new file (default: stdout).")
@server_command
def export(
    session: Session,
    form: str,
    path: Path | None,
    limit: int | None,
    ended_after: str | None,
    cursor: str | None,
    as_table: bool,
    delimiter: str | None,
    raw: bool,
    **given: Any,
) -> None:
    """Print tasks with their inputs and results: JSON, one task a line, or CSV."""
    if session.output.as_json and (form != "jsonl" or as_table):
        raise click.UsageError("--json excludes --csv and --format csv")
    if (delimiter or raw) and not as_table:
        raise click.UsageError("--delimiter and --raw are for --csv")
    session.output.is_stream = True
    filters: Any = given
    if as_table:
        to = sys.stdout.buffer if path is None else path
        form_of_table: Any = {"delimiter": delimiter or "comma", "raw": raw}
        with session.client() as client:
            exported = client.export_csv(
                to, limit=limit, ended_after=ended_after, cursor=cursor, **form_of_table, **filters
            )
        _tell(session, exported.rows, exported.resume_cursor)
        return
    with session.client() as client:
        found = _tasks(client, filters, ended_after, cursor)
        # "x": what is there already is not overwritten.
        place: Any = nullcontext(sys.stdout) if path is None else path.open("x", encoding="utf-8", newline="")
        with place as file:
            count = _write(session, client, islice(found, limit), file, form)
    _tell(session, count, found.resume_cursor if isinstance(found, EndedTasks) else None)


def _tell(session: Session, count: int, resume_cursor: str | None) -> None:
    session.output.say(f"{count} tasks")
    if resume_cursor is not None:
        session.output.say(f"go on later with: --cursor {resume_cursor}")


def _tasks(client: Client, filters: TaskFilters, ended_after: str | None, cursor: str | None) -> Iterable[TaskSummary]:
    if ended_after is None and cursor is None:
        return client.tasks(**filters)
    return client.ended_tasks(after=ended_after, cursor=cursor, **filters)


def _write(session: Session, client: Client, found: Iterable[TaskSummary], file: TextIO, form: str) -> int:
    count = 0
    if form == "csv":
        file.write(_csv_line(COLUMNS))
    for summary in found:
        try:
            task = client.task(summary.task_id).task
        except NotFoundError:
            session.output.say(f"Task {summary.task_id} is gone")
            continue
        assert task is not None  # noqa: S101 - it was just read
        file.write(json.dumps(task.raw, separators=(",", ":")) + "\n" if form == "jsonl" else _csv_line(_cells(task)))
        # Each one is there as soon as it is read: for a pipe, and for whoever ends this early.
        file.flush()
        count += 1
    return count


def _cells(task: Task) -> list[str]:
    return [_cell(task.raw.get(name)) for name in COLUMNS]


def _cell(value: Any) -> str:
    """Texts as they are, everything else as JSON. A text that a spreadsheet would take for a formula gets an
    apostrophe: pages are free to put one into an error."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
