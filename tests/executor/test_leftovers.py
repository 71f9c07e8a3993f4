import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from pytest_django import Settings

from executor import leftovers
from executor.leftovers import MARK, WorkerFolder, kill_leftovers, worker_mark

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def sleeper(mark: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(SLEEPER, env={**os.environ, MARK: mark}, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def test_only_processes_of_dead_workers_are_killed() -> None:
    with sleeper("999999999:1") as orphan, sleeper(worker_mark()) as mine, sleeper(f"{os.getpid()}:1") as reused:
        try:
            kill_leftovers()

            assert orphan.wait(10) == -9
            assert reused.wait(10) == -9  # the pid lives, but belongs to a later process
            assert mine.poll() is None
        finally:
            for process in (orphan, mine, reused):
                process.kill()


def test_folders_go_when_their_worker_is_gone(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path if len(str(tmp_path)) < 50 else Path("/tmp") / tmp_path.name  # noqa: S108
    folder = WorkerFolder()
    abandoned = folder.path.parent / "worker-1-1"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    (abandoned / "something").touch()
    try:
        kill_leftovers()

        assert folder.path.exists()
        assert not abandoned.exists()
    finally:
        folder.remove()
    assert not folder.path.exists()


def test_a_long_data_folder_gets_a_short_temporary_one(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / ("long" * 30)
    folder = WorkerFolder()
    try:
        assert len(str(folder.path)) < 80
        assert folder.path.stat().st_mode & 0o077 == 0
    finally:
        folder.remove()


def test_a_long_temporary_folder_of_the_environment_is_not_used(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA_DIR = tmp_path / ("long" * 30)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / ("long" * 30)))
    folder = WorkerFolder()
    try:
        assert len(str(folder.path)) < 60
    finally:
        folder.remove()


def test_a_folder_of_somebody_else_is_not_used(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder for somebody else")
    settings.DATA_DIR = tmp_path / ("long" * 30)
    other = tmp_path / "shared"
    other.mkdir()
    os.chown(other, 12345, 12345)
    monkeypatch.setattr(leftovers, "_parents", lambda: [other])

    with pytest.raises(PermissionError):
        WorkerFolder()
