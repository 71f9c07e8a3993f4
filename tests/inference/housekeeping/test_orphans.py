"""Files without a row, rows without a file, and what is never touched."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from inference.housekeeping.limits import Limit, limits_from_settings
from inference.housekeeping.storage import file_size, remove_file, stored_files
from inference.models import Artifact, TaskStatus
from tests.factories import make_artifact, make_task
from tests.inference.housekeeping.aging import counts, days, ended_task, make_file_older, path_of, swept

# Written now is old enough for the tests.
NO_GRACE = {"orphans": Limit(timedelta(seconds=-60))}


def put(folder: Path, name: str, content: bytes = b"orphan") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_files_without_a_row_go_and_those_with_one_stay(artifact_folder: Path) -> None:
    kept = make_artifact(ended_task(days_ago=1))
    orphan, loose = put(artifact_folder, "a-task/a-file"), put(artifact_folder, "loose", b"12")

    pruned = swept(NO_GRACE)

    assert counts(pruned) == {("orphans", "no row"): (0, 2, 8)}
    assert not orphan.parent.exists()
    assert not loose.exists()
    assert path_of(kept).exists()


def test_a_young_file_stays_since_its_row_may_be_about_to_be_written(artifact_folder: Path) -> None:
    young = put(artifact_folder, "a-task/a-file")
    os.utime(young, (0, 0))  # its content is old; that it lies here is not

    assert counts(swept({"orphans": limits_from_settings()["orphans"]})) == {}
    assert young.exists()
    (artifact_folder / "new-task").mkdir()
    swept({"orphans": limits_from_settings()["orphans"]})
    assert (artifact_folder / "new-task").is_dir()


def test_links_are_not_followed(artifact_folder: Path, tmp_path: Path) -> None:
    outside = put(tmp_path, "outside/precious")
    (artifact_folder / "folder-link").symlink_to(outside.parent)
    put(artifact_folder, "a-task/a-file")
    (artifact_folder / "a-task" / "file-link").symlink_to(outside)

    pruned = swept(NO_GRACE)

    assert counts(pruned) == {("orphans", "no row"): (0, 3, 6)}
    assert outside.read_bytes() == b"orphan"
    assert not list(artifact_folder.iterdir())


def test_a_row_whose_folder_became_a_link_touches_nothing_outside(artifact_folder: Path, tmp_path: Path) -> None:
    artifact = make_artifact(ended_task(days_ago=1), kind=Artifact.Kind.PICTURE)
    make_file_older(artifact, 10)
    folder = path_of(artifact).parent
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    folder.symlink_to(moved)

    swept({"pictures": days(7)})

    assert [path.name for path in moved.iterdir()] == [artifact.storage_name.rpartition("/")[2]]


@pytest.mark.parametrize("name", ["../secret_key", "/etc/hostname", "a/../../x", "", "a//b", "./a", "a\0b", "."])
def test_names_that_lead_elsewhere_name_no_file(artifact_folder: Path, name: str) -> None:
    outside = put(artifact_folder.parent, "x")
    assert file_size(name, recorded_bytes=1) is None
    assert remove_file(name, recorded_bytes=1) is None
    assert outside.exists()
    outside.unlink()


def test_a_folder_is_not_taken_for_a_file(artifact_folder: Path) -> None:
    (artifact_folder / "a" / "b").mkdir(parents=True)
    assert remove_file("a/b", recorded_bytes=0) is None
    assert (artifact_folder / "a" / "b").is_dir()


def test_a_row_without_its_file_is_marked_and_the_mark_is_taken_back(artifact_folder: Path) -> None:
    artifact = make_artifact(ended_task(days_ago=1), content=b"back again")
    path = path_of(artifact)
    content = path.read_bytes()
    path.unlink()

    assert counts(swept(NO_GRACE)) == {("orphans", "no file"): (1, 0, 0)}
    artifact.refresh_from_db()
    assert artifact.removal == "missing"
    assert counts(swept(NO_GRACE)) == {}

    put(artifact_folder, artifact.storage_name, content)
    assert counts(swept(NO_GRACE)) == {("orphans", "file is back"): (1, 0, 0)}
    artifact.refresh_from_db()
    assert artifact.is_there
    assert path.read_bytes() == b"back again"


def test_a_running_tasks_missing_file_is_not_marked() -> None:
    artifact = make_artifact(make_task(status=TaskStatus.RUNNING))
    path_of(artifact).unlink()
    assert counts(swept(NO_GRACE)) == {}


def test_a_file_whose_row_says_that_it_was_removed_goes(artifact_folder: Path) -> None:
    artifact = make_artifact(ended_task(days_ago=1), kind=Artifact.Kind.PICTURE)
    make_file_older(artifact, 10)
    swept({"pictures": days(7)})
    put(artifact_folder, artifact.storage_name)

    assert counts(swept(NO_GRACE)) == {("orphans", "no row"): (0, 1, 6)}
    artifact.refresh_from_db()
    assert artifact.removal == "age"


def test_without_the_folder_no_row_is_marked(artifact_folder: Path) -> None:
    artifact = make_artifact(ended_task(days_ago=1))
    away = artifact_folder.rename(artifact_folder.with_name("away"))
    try:
        assert counts(swept(NO_GRACE)) == {}
        artifact.refresh_from_db()
        assert artifact.is_there
    finally:
        away.rename(artifact_folder)


def test_a_file_that_cannot_be_removed_is_told(artifact_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's refusal, where root is not asked for permissions."""
    orphan = put(artifact_folder, "a-task/a-file")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "unlink", refuse)
    pruned = swept(NO_GRACE)

    assert pruned.failures == ("the file a-task/a-file could not be removed: Permission denied",)
    assert orphan.exists()


def test_many_files_are_found_one_by_one(artifact_folder: Path) -> None:
    names = {f"folder-{number % 7}/{number}" for number in range(1200)}
    for name in names:
        put(artifact_folder, name)
    assert {file.name for file in stored_files(artifact_folder)} == names
    assert counts(swept(NO_GRACE))[("orphans", "no row")][1] == 1200
