"""Uploaded files that no task has taken in time. Those of a task go with it."""

from typing import Any

from inference.housekeeping.batches import ROWS_AT_A_TIME, select, short_transaction, tried
from inference.housekeeping.progress import Progress
from inference.housekeeping.tasks import take_files
from inference.models import UploadedFile


def prune_uploads(progress: Progress) -> None:
    tally = progress.tally("uploads", "expired")
    after: tuple[Any, Any] | None = None
    while True:
        progress.check()
        batch = select(
            "SELECT expires_at, id FROM inference_uploadedfile WHERE task_id IS NULL AND expires_at <= %(now)s"  # noqa: S608 - constants
            + (" AND (expires_at, id) > (%(after_at)s, %(after_id)s)" if after else "")
            + " ORDER BY expires_at, id LIMIT %(at_a_time)s",
            {"now": progress.now, "at_a_time": ROWS_AT_A_TIME}
            | ({"after_at": after[0], "after_id": after[1]} if after else {}),
        )
        if not batch:
            return
        after = batch[-1][0], batch[-1][1]

        def remove(batch: list[tuple[Any, ...]] = batch) -> tuple[int, int, int]:
            return _remove([row[1] for row in batch], progress)

        done = tried("uploads", remove, failures=progress.failures)
        if done is not None:
            progress.count(tally, rows=done[0], files=done[1], size_bytes=done[2])


def _remove(ids: list[Any], progress: Progress) -> tuple[int, int, int]:
    """Rows, files and bytes. A task that takes one in this moment waits for the end of the transaction, or is not
    waited for."""
    stuck: set[str] = set()
    with short_transaction():
        rows = select(
            "SELECT id, storage_name, size_bytes FROM inference_uploadedfile"  # noqa: S608 - constants
            " WHERE id = ANY(%(ids)s) AND task_id IS NULL ORDER BY id"
            + ("" if progress.dry_run else " FOR UPDATE SKIP LOCKED"),
            {"ids": ids},
        )
        count, size_bytes = take_files([(row[1], row[2]) for row in rows], progress, stuck=stuck)
        gone = [row[0] for row in rows if row[1] not in stuck]
        if not progress.dry_run:
            UploadedFile.objects.filter(id__in=gone).delete()
    return len(gone), count, size_bytes
