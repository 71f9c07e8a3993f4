"""Log files in DATA_DIR/logs, such as those that an operator lets the processes write.

Not the one of the embedded database: its server holds it open for as long as it lives, so removing the name would
free nothing and hide what it writes.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from inference.housekeeping.limits import Limit
from inference.housekeeping.progress import Progress

_OPEN_ALWAYS = frozenset({"postgres.log"})


@dataclass(frozen=True, slots=True)
class _LogFile:
    name: str
    size_bytes: int
    written_at: float


def prune_log_files(limit: Limit, progress: Progress) -> None:
    """By age, then by size; both by when they were written to last."""
    folder = Path(settings.DATA_DIR) / "logs"
    if folder.is_symlink() or not folder.is_dir():
        return
    files = sorted(_log_files(folder), key=lambda file: file.written_at)
    if limit.age is not None:
        before = (progress.now - limit.age).timestamp()
        _remove(folder, [file for file in files if file.written_at < before], "file age", progress)
        files = [file for file in files if file.written_at >= before]
    if limit.total_bytes is not None:
        too_much = sum(file.size_bytes for file in files) - limit.total_bytes
        oldest: list[_LogFile] = []
        # The newest is the one that somebody writes.
        for file in files[:-1]:
            if too_much <= 0:
                break
            oldest.append(file)
            too_much -= file.size_bytes
        _remove(folder, oldest, "file size", progress)


def _log_files(folder: Path) -> list[_LogFile]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            state = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(state.st_mode) and ".log" in entry.name and entry.name not in _OPEN_ALWAYS:
                found.append(_LogFile(entry.name, state.st_size, state.st_mtime))
    return found


def _remove(folder: Path, files: list[_LogFile], rule: str, progress: Progress) -> None:
    tally = progress.tally("logs", rule)
    for file in files:
        progress.check()
        try:
            if not progress.dry_run:
                (folder / file.name).unlink(missing_ok=True)
        except OSError as error:
            progress.failures.append(f"the log file {file.name} could not be removed: {error.strerror}")
            continue
        progress.count(tally, files=1, size_bytes=file.size_bytes)
