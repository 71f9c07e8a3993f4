"""Files on their way to the server: read in parts, and from the start again when they are sent again."""

import hashlib
import mimetypes
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from optexity_server.errors import DamagedFileError

CHUNK_BYTES = 64 * 1024


class InBytes:
    """What is in memory already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size_bytes(self) -> int:
        return len(self._content)

    def chunks(self) -> Iterator[bytes]:
        yield self._content


class Outgoing:
    """A file by its path, or one that is open for reading bytes, from where it stands. A context manager, which closes
    what it has opened itself.

    Raises OSError, and ValueError for what is not a file of bytes or cannot be read a second time.
    """

    def __init__(self, file: str | os.PathLike[str] | BinaryIO, filename: str | None, content_type: str | None) -> None:
        self._is_ours = isinstance(file, str | os.PathLike)
        self._file: BinaryIO = Path(file).open("rb") if isinstance(file, str | os.PathLike) else file  # noqa: SIM115
        try:
            self.size_bytes = self._measure()
            self.filename = filename or self._own_name()
        except BaseException:
            self.close()
            raise
        guessed, encoding = mimetypes.guess_type(self.filename)
        # Of what is packed, the guess is the type of what is in it.
        self.content_type = content_type or (guessed if guessed and not encoding else "application/octet-stream")
        self._sha256 = ""

    def chunks(self) -> Iterator[bytes]:
        digest = hashlib.sha256()
        self._file.seek(self._start)
        left = self.size_bytes
        while chunk := self._file.read(min(left, CHUNK_BYTES)):
            left -= len(chunk)
            digest.update(chunk)
            yield chunk
        self._sha256 = digest.hexdigest()

    def check(self, sha256: str) -> None:
        """Whether the server has what was sent. Raises DamagedFileError."""
        if sha256 and sha256 != self._sha256:
            raise DamagedFileError("The server has other bytes than were sent")

    def close(self) -> None:
        if self._is_ours:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _measure(self) -> int:
        if not self._file.seekable():
            raise ValueError("a file to upload must be one that can be read again: give its path, or an io.BytesIO")
        if not isinstance(self._file.read(0), bytes):
            raise ValueError("a file to upload must be open for reading bytes: open(path, 'rb')")
        self._start = self._file.tell()
        size = self._file.seek(0, os.SEEK_END) - self._start
        self._file.seek(self._start)
        return size

    def _own_name(self) -> str:
        name = getattr(self._file, "name", None)
        if not isinstance(name, str):
            raise ValueError("a file without a name needs filename=")
        return os.path.basename(name)  # noqa: PTH119 - a text, of which only the end is looked at
