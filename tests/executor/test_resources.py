"""A worker takes no task while its host has too little memory or disk, and says so once."""

import logging
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from executor import leftovers, resources
from executor.claim import ClaimQueue
from executor.lease_owner import this_worker
from inference.models import WorkerHost

MIB = 1024 * 1024
MORE_THAN_THERE_IS_MB = 1_000_000_000


def test_there_is_room_where_nothing_is_asked_for(settings: Any) -> None:
    settings.WORKER_MIN_FREE_MEMORY_MB = settings.WORKER_MIN_FREE_DISK_MB = 0
    assert resources.shortage() == ""


def test_too_little_memory_is_told_with_its_setting(settings: Any) -> None:
    settings.WORKER_MIN_FREE_MEMORY_MB = MORE_THAN_THERE_IS_MB
    told = resources.shortage()
    assert told.startswith("too little memory: ")
    assert told.endswith(f"WORKER_MIN_FREE_MEMORY_MB asks for {MORE_THAN_THERE_IS_MB}")


def test_too_little_disk_is_told_with_the_folder(settings: Any) -> None:
    settings.WORKER_MIN_FREE_MEMORY_MB, settings.WORKER_MIN_FREE_DISK_MB = 0, MORE_THAN_THERE_IS_MB
    assert f"MiB free below {settings.DATA_DIR}" in resources.shortage()
    settings.ARTIFACT_DIR = settings.DATA_DIR / "not made yet"
    assert f"MiB free below {settings.DATA_DIR}, and" in resources.shortage()
    settings.WORKER_MIN_FREE_DISK_MB = 1
    assert resources.shortage() == ""


def test_the_folder_that_workers_use_is_looked_at(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WORKER_MIN_FREE_MEMORY_MB, settings.WORKER_MIN_FREE_DISK_MB = 0, 100
    settings.ARTIFACT_DIR = tmp_path
    used, roomy = leftovers.folders_parent(), shutil.disk_usage(tmp_path)._replace(free=200 * MIB)
    used.mkdir(parents=True, exist_ok=True)

    def disk_usage(folder: Path) -> Any:
        return roomy._replace(free=3 * MIB) if Path(folder) == used else roomy

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    assert resources.shortage() == f"too little disk: 3 MiB free below {used}, and WORKER_MIN_FREE_DISK_MB asks for 100"


def test_a_folder_that_cannot_be_looked_at_has_no_room(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WORKER_MIN_FREE_MEMORY_MB = 0
    monkeypatch.setattr(resources, "_existing", lambda folder: Path("/nowhere/at/all"))
    assert resources.shortage() == "the disk of /nowhere/at/all cannot be looked at: No such file or directory"


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    of_host = psutil.virtual_memory().available
    assert abs(resources.free_memory_bytes(tmp_path) - of_host) < 500 * MIB
    files = {
        "memory.max": "max",
        "memory.current": f"{700 * MIB}",
        "memory.stat": f"anon 1\ninactive_file {50 * MIB}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert abs(resources.free_memory_bytes(tmp_path) - of_host) < 500 * MIB
    (tmp_path / "memory.max").write_text(f"{1000 * MIB}\n")
    assert resources.free_memory_bytes(tmp_path) == 350 * MIB


@pytest.mark.django_db
def test_a_shortage_is_told_once_and_ends_by_itself(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "executor.claim")
    settings.WORKER_MIN_FREE_MEMORY_MB, settings.WORKER_MIN_FREE_DISK_MB = 0, MORE_THAN_THERE_IS_MB
    queue = ClaimQueue()
    assert [queue.has_room() for _ in range(3)] == [False, False, False]
    worker = WorkerHost.objects.get(owner=this_worker())
    assert worker.state == "unhealthy"
    assert worker.detail.startswith("too little disk: ")
    free_mb = shutil.disk_usage(settings.DATA_DIR).free // MIB
    assert free_mb > 2, "the disk of the tests is full"
    settings.WORKER_MIN_FREE_DISK_MB = 1
    assert queue.has_room()
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "takes no task",
        "takes tasks again",
    ]
