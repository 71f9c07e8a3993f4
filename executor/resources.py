"""Whether this host has room for one more task: memory for its pages, disk for its files."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
from django.conf import settings

from executor import leftovers

MIB = 1024 * 1024
# Where a container sees its own limit (control groups, version 2); elsewhere the files are missing.
CGROUP = Path("/sys/fs/cgroup")


def shortage() -> str:
    """What there is too little of, as one sentence for an operator; "" when there is room."""
    needed_mb = settings.WORKER_MIN_FREE_MEMORY_MB
    if needed_mb and (free := free_memory_bytes()) < needed_mb * MIB:
        return _sentence("memory", free, "", "WORKER_MIN_FREE_MEMORY_MB", needed_mb)
    needed_mb = settings.WORKER_MIN_FREE_DISK_MB
    for folder in _folders() if needed_mb else ():
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            return f"the disk of {folder} cannot be looked at: {error.strerror}"
        if free < needed_mb * MIB:
            return _sentence("disk", free, f" below {folder}", "WORKER_MIN_FREE_DISK_MB", needed_mb)
    return ""


def free_memory_bytes(cgroup: Path = CGROUP) -> int:
    """What new processes may take without swapping: of the host, or of what the container's limit leaves."""
    of_host = int(psutil.virtual_memory().available)
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        statistics = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        # The kernel gives back what it only keeps of files.
        return min(of_host, limit - used + int(statistics["inactive_file"]))
    except (OSError, ValueError, KeyError):  # no control group of our own, or one without a limit ("max")
        return of_host


def _folders() -> Iterator[Path]:
    """The artifacts', the workers' own (profiles of the browser, and files on their way), and the one for temporary
    files. Before there is such a folder, what it will be made in."""
    yield _existing(settings.ARTIFACT_DIR)
    yield _existing(leftovers.folders_parent())
    yield Path(tempfile.gettempdir())


def _existing(folder: Path) -> Path:
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)


def _sentence(what: str, free: int, where: str, setting: str, needed_mb: int) -> str:
    return f"too little {what}: {free // MIB} MiB free{where}, and {setting} asks for {needed_mb}"
