"""Files without a row, and rows without a file.

The first are removed once they are older than a grace, since a file is written before its row. The second are marked,
and the mark is taken back when the file is there again: a disk that was not mounted must not cost anybody a result.
Only where files lie in a folder of this host.
"""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connection

from inference.housekeeping.artifacts import mark_removed
from inference.housekeeping.batches import ROWS_AT_A_TIME, select, short_transaction, tried
from inference.housekeeping.progress import Progress
from inference.housekeeping.rules import MAY_LOSE, Rules
from inference.housekeeping.storage import (
    FoundFile,
    file_size,
    remove_empty_folders,
    remove_file,
    storage_folder,
    stored_files,
)

MISSING = "missing"


def prune_orphans(grace: timedelta, rules: Rules, progress: Progress) -> None:
    folder = storage_folder()
    if folder is None:
        return
    _files_without_row(folder, grace, progress)
    _rows_without_file(rules, progress)


def _files_without_row(folder: Path, grace: timedelta, progress: Progress) -> None:
    written_before = progress.now.timestamp() - grace.total_seconds()
    unknown, back = progress.tally("orphans", "no row"), progress.tally("orphans", "file is back")
    files = stored_files(folder)
    for batch in _in_batches(files):
        progress.check()
        rows = dict(
            select(
                "SELECT storage_name, removal FROM inference_artifact WHERE storage_name = ANY(%(names)s)"
                " UNION ALL SELECT storage_name, '' FROM inference_uploadedfile WHERE storage_name = ANY(%(names)s)",
                {"names": [file.name for file in batch]},
            )
        )
        returned = [file.name for file in batch if rows.get(file.name) == MISSING and not file.is_link]
        if returned:
            progress.count(back, rows=len(returned) if progress.dry_run else _take_mark_back(returned))
        for file in batch:
            # A row that says that its file was removed does not keep one that lies there all the same.
            is_kept = file.name in rows and rows[file.name] in ("", MISSING)
            if not is_kept and file.written_at < written_before:
                _remove_orphan(file, progress, unknown)
    if not progress.dry_run:
        remove_empty_folders(folder, written_before=written_before)


def _in_batches(files: Iterator[FoundFile]) -> Iterator[list[FoundFile]]:
    while batch := list(itertools.islice(files, ROWS_AT_A_TIME)):
        yield batch


def _remove_orphan(file: FoundFile, progress: Progress, tally: Any) -> None:
    if not progress.dry_run:
        try:
            if remove_file(file.name, recorded_bytes=file.size_bytes) is None:
                return  # gone since it was found
        except OSError as error:
            progress.failures.append(f"the file {file.name} could not be removed: {error.strerror}")
            return
    progress.count(tally, files=1, size_bytes=file.size_bytes)


def _take_mark_back(names: list[str]) -> int:
    with short_transaction(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_artifact SET removed_at = NULL, removal = ''"
            " WHERE storage_name = ANY(%s) AND removal = %s",
            [names, MISSING],
        )
        return int(cursor.rowcount)


def _rows_without_file(rules: Rules, progress: Progress) -> None:
    """Of tasks that have ended and stay, and of files that no rule of this run removes."""
    tally = progress.tally("orphans", "no file")
    condition = f"a.removed_at IS NULL AND {MAY_LOSE} AND NOT {rules.task_goes} AND NOT {rules.artifact_goes()}"
    after: Any = None
    while True:
        progress.check()
        batch = select(
            "SELECT a.id, a.storage_name, a.size_bytes FROM inference_artifact a"  # noqa: S608 - conditions of ours
            f" JOIN inference_task t ON t.id = a.task_id WHERE {condition}"
            + (" AND a.id > %(after)s" if after is not None else "")
            + " ORDER BY a.id LIMIT %(at_a_time)s",
            rules.parameters | {"after": after, "at_a_time": ROWS_AT_A_TIME},
        )
        if not batch:
            return
        after = batch[-1][0]
        lost = [row[0] for row in batch if _is_missing(row[1], row[2], progress)]
        if not lost:
            continue
        if progress.dry_run:
            progress.count(tally, rows=len(lost))
            continue

        def mark(lost: list[Any] = lost) -> int:
            mark_removed(lost, MISSING)
            return len(lost)

        progress.count(tally, rows=tried("orphans", mark, failures=progress.failures) or 0)


def _is_missing(name: str, recorded_bytes: int, progress: Progress) -> bool:
    try:
        return file_size(name, recorded_bytes=recorded_bytes) is None
    except OSError as error:
        progress.failures.append(f"the file {name} could not be looked at: {error.strerror}")
        return False
