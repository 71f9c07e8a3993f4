"""Files of the artifact storage: looked at and removed without ever following a symbolic link.

Every folder below the storage's own is opened by itself, as a folder and nothing else, so a link that somebody put in
the place of one leads nowhere. Names come from rows, and are not trusted either.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from django.core.files.storage import FileSystemStorage, default_storage, storages

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Of folders in folders; ours are one deep. Anything far deeper was not put there by this server.
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, or a symbolic link, below the storage's folder. `written_at` is in seconds of the Unix epoch, the later
    of its content's and its entry's: a restored backup counts from when it was restored."""

    name: str
    size_bytes: int
    written_at: float
    is_link: bool


def storage_folder() -> Path | None:
    """Where the files lie on this host; None for a storage elsewhere (object storage) or one that is not there."""
    root = _root()
    return root if root is not None and root.is_dir() else None


def file_size(name: str, *, recorded_bytes: int) -> int | None:
    """Bytes of a stored file; None when it is not there. A storage elsewhere is not asked: the row's size counts."""
    root = _root()
    if root is None:
        return recorded_bytes
    with _parent_of(root, name) as (parent, last):
        if parent is None:
            return None
        return _size(parent, last)


def remove_file(name: str, *, recorded_bytes: int) -> int | None:
    """Remove a stored file, and its folder if that is empty then; its bytes, or None when it was not there.

    Raises OSError when it is there and cannot be removed.
    """
    root = _root()
    if root is None:
        default_storage.delete(name)
        return recorded_bytes
    with _parent_of(root, name) as (parent, last):
        if parent is None:
            return None
        size = _size(parent, last)
        if size is None:
            return None
        with suppress(FileNotFoundError):
            os.unlink(last, dir_fd=parent)
    _remove_empty_folder(root, name)
    return size


def stored_files(folder: Path) -> Iterator[FoundFile]:
    """Everything below `folder` that is no folder, one folder after the other; none is held in memory."""
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield from _files_below(root, "", depth=0)
    finally:
        os.close(root)


def remove_empty_folders(folder: Path, *, written_before: float) -> int:
    """Remove folders right below `folder` that are empty and were not touched since; returns how many."""
    removed = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_ctime < written_before:
                    Path(entry.path).rmdir()
                    removed += 1
    return removed


def _files_below(folder: int, prefix: str, *, depth: int) -> Iterator[FoundFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed in this moment
            if stat.S_ISDIR(found.st_mode):
                if depth < _DEEPEST:
                    yield from _inner_files(folder, entry.name, prefix, depth)
            else:
                yield FoundFile(
                    name=prefix + entry.name,
                    size_bytes=found.st_size if stat.S_ISREG(found.st_mode) else 0,
                    written_at=max(found.st_mtime, found.st_ctime),
                    is_link=stat.S_ISLNK(found.st_mode),
                )


def _inner_files(folder: int, name: str, prefix: str, depth: int) -> Iterator[FoundFile]:
    try:
        inner = os.open(name, _FOLDER, dir_fd=folder)
    except OSError:
        return  # gone, or a link by now
    try:
        yield from _files_below(inner, f"{prefix}{name}/", depth=depth + 1)
    finally:
        os.close(inner)


def _root() -> Path | None:
    """The folder that the settings name, be it there or not; the operator may have made it a link."""
    storage = storages["default"]
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else None


@contextmanager
def _parent_of(root: Path, name: str) -> Iterator[tuple[int | None, str]]:
    """The opened folder that `name` lies in, and its last part; None when there is no such folder below `root`."""
    *folders, last = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in (*folders, last)):
        yield None, ""
        return
    opened: list[int] = []
    try:
        yield (opened[-1] if _open_one_by_one(root, folders, opened) else None), last
    finally:
        for each in reversed(opened):
            os.close(each)


def _open_one_by_one(root: Path, folders: list[str], opened: list[int]) -> bool:
    """Fills `opened`; False when one of the folders is not there, or is something else."""
    try:
        opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for each in folders:
            opened.append(os.open(each, _FOLDER, dir_fd=opened[-1]))
    except OSError as error:
        # ELOOP is the answer to a link; on Linux a link to a folder is "not a folder" first.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise
    return True


def _size(parent: int, name: str) -> int | None:
    """Bytes of what has this name; a link weighs nothing, and a folder is not a file."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(found.st_mode):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _remove_empty_folder(root: Path, name: str) -> None:
    """The folder of a task whose last file went. Its task has ended, so nobody is about to write there."""
    inside, _, _ = name.rpartition("/")
    if not inside:
        return
    with _parent_of(root, inside) as (parent, last), suppress(OSError):
        if parent is not None:
            os.rmdir(last, dir_fd=parent)
