"""Rows that are older than the tests: the guards of the database let nobody else write such instants."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.db import connection

from inference.housekeeping.limits import Limit
from inference.housekeeping.sweep import Pruned, prune
from inference.models import Artifact, Task
from tests.factories import make_task


def ended_task(*, days_ago: float, status: str = "success", **fields: Any) -> Task:
    task = make_task(status=status, **fields)
    make_older(task, days_ago)
    return task


def make_older(task: Task, days: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE inference_task DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE inference_task SET created_at = created_at - %(age)s, allocated_at = allocated_at - %(age)s,"
            " started_at = started_at - %(age)s, completed_at = completed_at - %(age)s WHERE id = %(id)s",
            {"age": timedelta(days=days), "id": task.id},
        )
        cursor.execute("ALTER TABLE inference_task ENABLE TRIGGER USER")
    task.refresh_from_db()


def make_file_older(artifact: Artifact, days: float) -> None:
    artifact.created_at -= timedelta(days=days)
    artifact.save(update_fields=["created_at"])


def path_of(artifact: Artifact) -> Path:
    return Path(default_storage.path(artifact.storage_name))


def days(number: float) -> Limit:
    return Limit(age=timedelta(days=number))


def swept(limits: Mapping[str, Limit], **options: Any) -> Pruned:
    """One run over the kinds that `limits` names."""
    return prune(actor="test", kinds=tuple(limits), limits=limits, **options)


def counts(pruned: Pruned) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Rows, files and bytes by kind and rule, without what is none."""
    return {
        (each.kind, each.rule): (each.rows, each.files, each.bytes)
        for each in pruned.tallies
        if each.rows or each.files
    }


def stops_after(calls: int) -> Callable[[], bool]:
    """Says that it is time to stop from the call after so many on."""
    left = [calls]

    def must_stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    return must_stop
