"""Files of a task: safe names for people, names of our own in the storage, sizes and checksums."""

import hashlib
import mimetypes
import re
import unicodedata
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

MAX_NAME_CHARACTERS = 150
_LONGEST_SUFFIX = 20
_UNSAFE = re.compile(r"""[/\\:*?"'<>|#%&\x00-\x1f\x7f]""")
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What the storage has: its name there, its size and SHA-256 (hex)."""

    storage_name: str
    size_bytes: int
    sha256: str


def safe_filename(name: str) -> str:
    """`name` without anything that could leave a folder or trouble a file system; never empty.

    Unsafe characters become `_`, blanks are collapsed, dots and blanks at the ends go, at most 150 characters
    are kept, the extension among them.
    """
    visible = "".join("_" if unicodedata.category(each) in ("Cc", "Cf", "Cs") else each for each in name)
    clean = re.sub(r"\s+", " ", _UNSAFE.sub("_", visible)).strip(". ")
    stem, suffix = _split(clean)
    return (stem[: MAX_NAME_CHARACTERS - len(suffix)].rstrip(". ") + suffix) or "file"


def _split(name: str) -> tuple[str, str]:
    suffix = Path(name).suffix
    if not suffix or len(suffix) > _LONGEST_SUFFIX or " " in suffix:
        return name, ""
    return name[: -len(suffix)], suffix


class FileNames:
    """The names that a task's files have already: equal ones get `_2`, `_3`, ... before the extension."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        clean = safe_filename(name)
        stem, suffix = _split(clean)
        candidate, number = clean, 1
        while candidate.casefold() in self._taken:
            number += 1
            tail = f"_{number}{suffix}"
            candidate = stem[: MAX_NAME_CHARACTERS - len(tail)] + tail
        self._taken.add(candidate.casefold())
        return candidate


def content_type_of(filename: str, *, given: str | None = None) -> str:
    """What the site said, unless that says nothing; else by the extension."""
    if given and given.split(";")[0].strip() not in ("", "application/octet-stream", "binary/octet-stream"):
        return given.split(";")[0].strip().lower()[:255]
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"


def max_bytes() -> int:
    """The largest file that a task may keep."""
    return int(settings.ARTIFACT_MAX_MB) * 1024 * 1024


def checksum(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file, read once."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def store_bytes(data: bytes, *, task_id: uuid.UUID, artifact_id: uuid.UUID) -> StoredFile:
    """Keep `data` in the storage under a name of ours."""
    name = default_storage.save(_storage_name(task_id, artifact_id), ContentFile(data))
    return StoredFile(name, len(data), hashlib.sha256(data).hexdigest())


def store_file(path: Path, *, task_id: uuid.UUID, artifact_id: uuid.UUID) -> StoredFile:
    """Keep a copy of the file at `path` in the storage, chunk by chunk."""
    size, digest = checksum(path)
    with path.open("rb") as source:
        opened: IO[bytes] = source
        name = default_storage.save(_storage_name(task_id, artifact_id), File(opened))
    return StoredFile(name, size, digest)


def _storage_name(task_id: uuid.UUID, artifact_id: uuid.UUID) -> str:
    # Nothing of it comes from input.
    return f"{task_id}/{artifact_id}"
