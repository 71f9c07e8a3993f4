"""Whole tasks: the row, everything that points at it, and its files."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from inference.housekeeping.batches import (
    TASKS_AT_A_TIME,
    delete_with_dependents,
    number,
    row_bytes,
    select,
    short_transaction,
    tried,
)
from inference.housekeeping.limits import Limit
from inference.housekeeping.progress import Progress
from inference.housekeeping.rules import MAY_GO, Place, Rules
from inference.housekeeping.storage import file_size, remove_file
from inference.models import Task


def make_task_rules(rules: Rules, limit: Limit, progress: Progress) -> None:
    """By age, and of what that leaves by size."""
    if limit.age is not None:
        rules.tasks.before = progress.now - limit.age
    if limit.total_bytes is not None:
        too_old = f"({MAY_GO} AND {rules.tasks.by_age('t.completed_at')})"
        # Its row, and the files that are still there.
        weight = (
            f"{row_bytes(Task, 't')} + COALESCE((SELECT sum(a.size_bytes) FROM inference_artifact a"  # noqa: S608 - names of our own tables
            " WHERE a.task_id = t.id AND a.removed_at IS NULL), 0) + COALESCE((SELECT sum(u.size_bytes)"
            " FROM inference_uploadedfile u WHERE u.task_id = t.id), 0)"
        )
        rules.tasks.upto = newest_that_goes(
            limit.total_bytes, weight=weight, may_go=MAY_GO, goes_anyway=too_old, rules=rules, progress=progress
        )


def newest_that_goes(
    limit_bytes: int, *, weight: str, may_go: str, goes_anyway: str, rules: Rules, progress: Progress
) -> Place | None:
    """The newest of those tasks, counted from the oldest, without which the others weigh `limit_bytes` at most; None
    when all may stay. Nothing is sorted: the first statement adds up, the others read an index until it is enough."""
    total = number(
        f"SELECT sum({weight}) FROM inference_task t WHERE NOT {goes_anyway}",  # noqa: S608 - conditions of ours
        rules.parameters,
    )
    too_much, newest = total - limit_bytes, None
    for batch in walk(f"{may_go} AND NOT {goes_anyway}", rules, progress, columns=weight):
        for created_at, task_id, bytes_of_it in batch:
            if too_much <= 0:
                return newest
            too_much -= int(bytes_of_it)
            newest = Place(created_at, task_id)
    return newest


def walk(
    condition: str,
    rules: Rules,
    progress: Progress,
    *,
    columns: str = "",
    created_before: datetime | None = None,
    at_a_time: int = TASKS_AT_A_TIME * 10,
) -> Iterator[list[tuple[Any, ...]]]:
    """`created_at, id` and `columns` of tasks with this condition, from the oldest on, in lists."""
    after: tuple[Any, Any] | None = None
    while True:
        progress.check()
        batch = select(
            f"SELECT t.created_at, t.id{', ' + columns if columns else ''} FROM inference_task t"  # noqa: S608 - conditions of ours
            f" WHERE {condition}"
            + (" AND t.created_at < %(created_before)s" if created_before is not None else "")
            + (" AND (t.created_at, t.id) > (%(after_at)s, %(after_id)s)" if after else "")
            + " ORDER BY t.created_at, t.id LIMIT %(at_a_time)s",
            rules.parameters
            | {"created_before": created_before, "at_a_time": at_a_time}
            | ({"after_at": after[0], "after_id": after[1]} if after else {}),
        )
        if not batch:
            return
        yield batch
        after = batch[-1][0], batch[-1][1]


def prune_tasks(rules: Rules, progress: Progress) -> None:
    too_old = rules.tasks.by_age("t.completed_at")
    if rules.tasks.before is not None:
        _prune("age", f"{MAY_GO} AND {too_old}", rules.tasks.before, rules, progress)
    if rules.tasks.upto is not None:
        condition = f"{MAY_GO} AND {rules.tasks.by_size('t')} AND NOT {too_old}"
        _prune("size", condition, None, rules, progress)


def _prune(rule: str, condition: str, before: datetime | None, rules: Rules, progress: Progress) -> None:
    tally = progress.tally("tasks", rule)
    # Nothing has ended before it was made.
    for batch in walk(condition, rules, progress, created_before=before, at_a_time=TASKS_AT_A_TIME):
        ids = [row[1] for row in batch]

        def remove(ids: list[Any] = ids) -> tuple[int, int, int]:
            return _remove(ids, condition, rules, progress)

        done = tried("tasks", remove, failures=progress.failures)
        if done is not None:
            progress.count(tally, rows=done[0], files=done[1], size_bytes=done[2])


def _remove(ids: list[Any], condition: str, rules: Rules, progress: Progress) -> tuple[int, int, int]:
    """Rows, files and bytes that went (or would go). The files first: that makes room for what the database writes
    when the disk is full, and a file without its row would be found by nobody but the search for orphans."""
    with short_transaction():
        locking = "" if progress.dry_run else " ORDER BY t.id FOR UPDATE SKIP LOCKED"
        ids = [
            row[0]
            for row in select(
                f"SELECT t.id FROM inference_task t WHERE t.id = ANY(%(ids)s) AND {condition}{locking}",  # noqa: S608 - conditions of ours
                rules.parameters | {"ids": ids},
            )
        ]
        files = select(
            "SELECT storage_name, size_bytes FROM inference_artifact WHERE task_id = ANY(%(ids)s)"
            " AND removed_at IS NULL UNION ALL"
            " SELECT storage_name, size_bytes FROM inference_uploadedfile WHERE task_id = ANY(%(ids)s)",
            {"ids": ids},
        )
        count, size_bytes = take_files(files, progress)
        if not progress.dry_run:
            delete_with_dependents(Task, ids)
    return len(ids), count, size_bytes


def take_files(files: list[tuple[Any, ...]], progress: Progress, *, stuck: set[str] | None = None) -> tuple[int, int]:
    """Remove files by name and recorded size (a dry run only looks); how many there were, and their bytes. The names
    of those that cannot be removed are told, and added to `stuck`."""
    count = total = 0
    for name, recorded_bytes in files:
        try:
            take = file_size if progress.dry_run else remove_file
            size = take(name, recorded_bytes=recorded_bytes)
        except OSError as error:
            progress.failures.append(f"the file {name} could not be removed: {error.strerror}")
            if stuck is not None:
                stuck.add(name)
            continue
        if size is not None:
            count += 1
            total += size
    return count, total
