"""Files that come from the server: their names are looked at, and nothing is overwritten unasked."""

import hashlib
import os
import secrets
import unicodedata
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from optexity_server.errors import DamagedFileError, OptexityError
from optexity_server.models import Artifact

MAX_NAME_BYTES = 200
# Names that mean a device on Windows, with any extension.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})
_NOT_IN_NAMES = frozenset('<>:"|?*')


def safe_name(name: str, *, otherwise: str) -> str:
    """The last part of `name` as the name of a file: no folder, no control or direction character, nothing that any
    system takes for something else. `otherwise` if nothing is left."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in last if not unicodedata.category(each).startswith("C"))
    kept = "".join("_" if each in _NOT_IN_NAMES else each for each in shown).strip().lstrip(".").rstrip(". ")
    if kept.partition(".")[0].strip().lower() in _DEVICES:
        kept = f"_{kept}"
    return _cut(kept) or otherwise


def distinct_names(artifacts: Iterable[Artifact]) -> list[str]:
    """A safe name for each, in order; what has the same name as one before gets a number, compared without case."""
    taken: set[str] = set()
    names = []
    for artifact in artifacts:
        name = safe_name(artifact.filename, otherwise=artifact.artifact_id)
        stem, dot, ending = name.rpartition(".")
        if not stem:
            stem, dot, ending = name, "", ""
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}{dot}{ending}"
        taken.add(name.casefold())
        names.append(name)
    return names


def place_of(artifact: Artifact, path: str | os.PathLike[str]) -> Path:
    """The file that `path` means: itself, or one of the artifact's name if it is a folder."""
    wanted = Path(path)
    return wanted / safe_name(artifact.filename, otherwise=artifact.artifact_id) if wanted.is_dir() else wanted


@contextmanager
def place_for(to: str | os.PathLike[str] | BinaryIO, *, overwrite: bool) -> Generator[BinaryIO]:
    """The file to write to: `to` itself if it is one, else a new one that is there once all is written."""
    if not isinstance(to, str | os.PathLike):
        yield to
        return
    with NewFile(Path(to), overwrite=overwrite) as new:
        yield new.file
        new.keep()


class _Checked:
    """What the bytes have to be."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact
        self.begin()

    def begin(self) -> None:
        self._sha256 = hashlib.sha256()
        self._size = 0

    def count(self, chunk: bytes) -> None:
        self._sha256.update(chunk)
        self._size += len(chunk)

    def check(self) -> None:
        """Raises DamagedFileError."""
        artifact = self._artifact
        if artifact.size_bytes is not None and artifact.size_bytes != self._size:
            raise DamagedFileError(
                f"Artifact {artifact.artifact_id} has {artifact.size_bytes} bytes, but {self._size} came"
            )
        if artifact.sha256 and artifact.sha256 != self._sha256.hexdigest():
            raise DamagedFileError(f"Artifact {artifact.artifact_id} came with other content than was announced")


class InMemory:
    """Takes a file into memory, up to `max_bytes`."""

    def __init__(self, artifact: Artifact, max_bytes: int) -> None:
        self._checked = _Checked(artifact)
        self._max_bytes = max_bytes
        self._content = bytearray()

    def begin(self) -> None:
        self._checked.begin()
        self._content.clear()

    def write(self, chunk: bytes) -> None:
        if len(self._content) + len(chunk) > self._max_bytes:
            raise OptexityError(f"The file is larger than {self._max_bytes} bytes: save it, or raise max_bytes")
        self._checked.count(chunk)
        self._content += chunk

    def content(self) -> bytes:
        """Raises DamagedFileError."""
        self._checked.check()
        return bytes(self._content)


class NewFile:
    """Becomes the file `target`, which has the whole content or is not there. A context manager; what it has not been
    told to `keep` is gone at its end.

    The name is reserved first (FileExistsError if there is something, unless `overwrite`), so two that save to
    one name do not meet. The bytes go to a file beside it, which takes the name when it is complete.
    """

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        self.target = target
        self._part = target.with_name(f".{secrets.token_hex(8)}.part")
        self._overwrite = overwrite
        self._is_kept = False

    def __enter__(self) -> Self:
        if not self._overwrite:
            self.target.open("xb").close()
        try:
            self.file: BinaryIO = self._part.open("xb")
        except OSError:
            self._give_back()
            raise
        return self

    def keep(self) -> None:
        self.file.close()
        # Takes the place of a symbolic link instead of writing through it.
        self._part.replace(self.target)
        self._is_kept = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        if not self._is_kept:
            self._part.unlink(missing_ok=True)
            self._give_back()

    def _give_back(self) -> None:
        if not self._overwrite:
            with suppress(OSError):
                self.target.unlink()


class OnDisk(NewFile):
    """Takes an artifact to a file."""

    def __init__(self, artifact: Artifact, target: Path, *, overwrite: bool) -> None:
        super().__init__(target, overwrite=overwrite)
        self._checked = _Checked(artifact)

    def begin(self) -> None:
        self._checked.begin()
        self.file.seek(0)
        self.file.truncate()

    def write(self, chunk: bytes) -> None:
        self._checked.count(chunk)
        self.file.write(chunk)

    def keep(self) -> None:
        """Raises DamagedFileError."""
        self._checked.check()
        super().keep()


def _cut(name: str) -> str:
    """At most MAX_NAME_BYTES of UTF-8, with the ending kept if it is short."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    tail = (dot + ending).encode() if stem and len(ending) <= 10 else b""
    head = name.encode()[: MAX_NAME_BYTES - len(tail)].decode(errors="ignore")
    return head.rstrip(". ") + tail.decode()
