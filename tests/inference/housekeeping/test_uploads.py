"""Uploaded files: those that no task took in time, and those of tasks that go."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from inference.housekeeping.limits import Limit
from inference.models import Task, UploadedFile
from inference.services.uploads import keep_upload
from tests.inference.housekeeping.aging import counts, days, ended_task, swept


def an_upload(
    *, task: Task | None = None, hours_left: float = 1, content: bytes = b"12345"
) -> tuple[UploadedFile, Path]:
    upload = keep_upload(ContentFile(content), filename="a", size_bytes=len(content), sha256="0" * 64, api_key=None)
    upload.task = task
    upload.expires_at = timezone.now() + timedelta(hours=hours_left)
    upload.save()
    return upload, Path(default_storage.path(upload.storage_name))


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_no_task_took_in_time_goes(dry_run: bool) -> None:
    _, expired = an_upload(hours_left=-1)
    waiting, file = an_upload()
    taken, taken_file = an_upload(task=ended_task(days_ago=1), hours_left=-1)

    pruned = swept({"uploads": Limit()}, dry_run=dry_run)

    assert counts(pruned) == {("uploads", "expired"): (1, 1, 5)}
    assert expired.exists() is dry_run
    assert file.exists()
    assert taken_file.exists()
    assert expired.parent.exists() is dry_run
    assert {waiting, taken} <= set(UploadedFile.objects.all())
    assert UploadedFile.objects.count() == (3 if dry_run else 2)


@pytest.mark.parametrize("dry_run", [True, False])
def test_they_go_with_their_task(dry_run: bool) -> None:
    _, file = an_upload(task=ended_task(days_ago=40))
    _, kept = an_upload(task=ended_task(days_ago=20))

    pruned = swept({"tasks": days(30)}, dry_run=dry_run)

    assert counts(pruned) == {("tasks", "age"): (1, 1, 5)}
    assert file.exists() is dry_run
    assert kept.exists()
    assert UploadedFile.objects.count() == (2 if dry_run else 1)


def test_they_count_in_the_size_of_tasks() -> None:
    oldest = ended_task(days_ago=2)
    an_upload(task=oldest, content=b"x" * 100_000)
    youngest = ended_task(days_ago=1)

    swept({"tasks": Limit(total_bytes=50_000)})
    assert list(Task.objects.all()) == [youngest]


def test_they_are_no_orphans_and_what_an_upload_left_behind_is() -> None:
    _, file = an_upload()
    left = Path(default_storage.path("incoming-x"))
    left.write_bytes(b"123")

    pruned = swept({"orphans": Limit(age=timedelta(seconds=-60))})

    assert counts(pruned) == {("orphans", "no row"): (0, 1, 3)}
    assert file.exists()
    assert not left.exists()
