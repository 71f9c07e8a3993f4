"""What a killed worker may leave behind: Playwright's driver, Chromium, and their temporary files.

The driver and Chromium get the worker's mark in their environment, and the worker holds a lock on its folder
for as long as it lives; the kernel drops it when the process ends, however it ends.
"""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import psutil
from django.conf import settings

logger = logging.getLogger(__name__)

MARK = "OPTEXITY_WORKER"
_FOLDER_PREFIX = "worker-"
_LOCK = "lock"
# Chromium binds a Unix socket some 40 bytes below its temporary folder, and such a path ends at 107 bytes.
_LONGEST_FOLDER = 60
# "/worker-<pid>-<ticks>" with the longest of both.
_FOLDER_NAME_BYTES = 28


def worker_mark() -> str:
    """`<pid>:<start>` of this process; the second part tells it from a later one with the same pid."""
    pid = os.getpid()
    return f"{pid}:{_start_of(pid)}"


class WorkerFolder:
    """The temporary folder of this worker process and of all that it starts."""

    def __init__(self) -> None:
        self.path, self._lock = _locked_folder()

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _locked_folder() -> tuple[Path, TextIO]:
    while True:
        folder = _own_folder()
        # Not inherited: Python closes its descriptors in programs that it starts.
        lock = (folder / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _LOCK).exists():
            return folder, lock
        # Before it was locked, somebody took it for an abandoned one.
        lock.close()


def _own_folder() -> Path:
    parent = folders_parent()
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if parent.stat().st_uid != os.geteuid():
        raise PermissionError(f"{parent} belongs to another user, who could read what the browser puts there")
    folder = parent / f"{_FOLDER_PREFIX}{worker_mark().replace(':', '-')}"
    number = 0
    while folder.exists():  # a second pool of this process
        number += 1
        folder = folder.with_name(f"{_FOLDER_PREFIX}{worker_mark().replace(':', '-')}-{number}")
    folder.mkdir(mode=0o700)
    return folder


def kill_leftovers() -> int:
    """SIGKILL the processes and remove the folders of workers that are gone; returns how many processes."""
    killed = 0
    for process in _marked_processes():
        try:
            process.kill()
            killed += 1
        except psutil.Error:
            continue  # ended by itself
    folders = remove_abandoned()
    if killed or folders:
        logger.warning("removed leftovers of dead workers", extra={"processes": killed, "folders": folders})
    return killed


def remove_abandoned() -> int:
    """Remove the folders, with their browser profiles, of workers of this host that are gone; returns how many."""
    return sum(_remove_if_abandoned(folder) for folder in _worker_folders())


def abandoned_folders() -> list[Path]:
    """What `remove_abandoned` would remove."""
    return [folder for folder in _worker_folders() if _is_abandoned(folder)]


def _marked_processes() -> Iterator[psutil.Process]:
    me = psutil.Process()
    spared = {me.pid, *(parent.pid for parent in me.parents())}
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(MARK)
        except (psutil.Error, OSError):
            continue  # of another user, or gone
        if mark and process.pid not in spared and not _is_alive(mark):
            yield process


def _is_alive(mark: str) -> bool:
    pid, _, start = mark.partition(":")
    return pid.isdigit() and _start_of(int(pid)) == start


def _start_of(pid: int) -> str | None:
    """When the process began, as a text that only it has; None when there is no such process."""
    try:
        # Ticks since boot: unlike an instant, they do not move when the clock is set.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        pass
    try:
        return str(int(psutil.Process(pid).create_time()))
    except psutil.Error:
        return None


def folders_parent() -> Path:
    """Where the folders of workers are made: the first place that is short enough for Chromium's socket."""
    for folder in _parents():
        if len(os.fsencode(folder)) + _FOLDER_NAME_BYTES <= _LONGEST_FOLDER:
            return folder
    return _parents()[-1]


def _parents() -> list[Path]:
    mine = f"optexity-{os.getuid()}"
    return [Path(settings.DATA_DIR) / "tmp", Path(tempfile.gettempdir()) / mine, Path("/tmp") / mine]  # noqa: S108 - its owner is checked


def _worker_folders() -> Iterator[Path]:
    for parent in set(_parents()):
        if parent.is_dir():
            yield from parent.glob(f"{_FOLDER_PREFIX}*-*")


def _remove_if_abandoned(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return False  # its worker lives, or somebody else is removing it
    return True


def _is_abandoned(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True  # nobody can hold what is not there
    except OSError:
        return False  # its worker lives
    return True
