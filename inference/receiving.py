"""Files on their way in: straight to the disk, counted and hashed as they come, never as a whole in memory."""

import errno
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from inference.errors import TooLargeError, UnavailableError, ValidationFailedError

MIB = 1024 * 1024
# What a form adds to its file: boundaries, headers, small fields beside it.
FORM_BYTES = 64 * 1024
MAX_FILENAME_CHARACTERS = 255
_CHUNK_BYTES = 64 * 1024
_RETRY_AFTER_SECONDS = 60


class ArrivingFile(File):  # type: ignore[type-arg]  # not generic when the program runs
    """A temporary file beside the stored ones, so that keeping it is a rename. It goes away unless it is kept."""

    def __init__(self) -> None:
        self._written: IO[bytes] = tempfile.NamedTemporaryFile(prefix="incoming-", dir=_folder())  # noqa: SIM115 - closed by whoever receives
        super().__init__(self._written)
        self.size_bytes = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def take(self, chunk: bytes) -> None:
        """Raises TooLargeError, UnavailableError."""
        self.size_bytes += len(chunk)
        if self.size_bytes > settings.UPLOAD_MAX_BYTES:
            raise _too_large()
        self._digest.update(chunk)
        with disk_errors():
            self._written.write(chunk)

    def finish(self) -> None:
        """All of it is there."""
        with disk_errors():
            self._written.flush()
        self._written.seek(0)

    def temporary_file_path(self) -> str:
        """Asked by Django's file storage, which then moves the file instead of copying it."""
        return self._written.name

    def close(self) -> None:
        with suppress(FileNotFoundError):  # it was kept, and has another name now
            super().close()


def receive_file(stream: Any, meta: Mapping[str, Any], *, filename: str | None) -> tuple[ArrivingFile, str]:
    """The file in a body, and its name: the field `file` of a form, or the whole body, which `filename` belongs to.

    `stream` is what the bytes are read from, None for an empty body. The caller closes the file. Raises TooLargeError,
    UnavailableError (the disk is short) and ValidationFailedError.
    """
    is_form = meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() == "multipart/form-data"
    declared = _declared_bytes(meta)
    if declared > settings.UPLOAD_MAX_BYTES + (FORM_BYTES if is_form else 0):
        raise _too_large()
    _check_disk(declared)
    if stream is None:
        _refuse("file", "The body is empty: send the file in it, or as the field file of a form.")
    if is_form:
        return _from_form(stream, meta)
    if filename is None:
        _refuse("filename", "filename is missing: add ?filename=<name> to the address, or send a form.")
    return _from_body(stream, declared), check_filename(filename)


def check_filename(name: str) -> str:
    """The last part of `name`, whatever a path is written with. Raises ValidationFailedError."""
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    if not last or last in (".", "..") or len(last) > MAX_FILENAME_CHARACTERS or not last.isprintable():
        _refuse("filename", f"filename must have 1 to {MAX_FILENAME_CHARACTERS} printable characters.")
    return last


@contextmanager
def disk_errors() -> Iterator[None]:
    """A full disk, as the API tells it."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_is_short() from error
        raise


class _FormHandler(FileUploadHandler):
    """Takes the one file of a form."""

    def __init__(self) -> None:
        super().__init__()
        self.arriving: ArrivingFile | None = None
        self.name = ""
        self.is_complete = False

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name, *args, **kwargs)
        if field_name != "file" or self.arriving is not None:
            _refuse("file", "The form must have one file, in the field file.")
        self.name = check_filename(file_name)
        self.arriving = ArrivingFile()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.arriving is not None:
            self.arriving.take(raw_data)

    def file_complete(self, file_size: int) -> None:
        self.is_complete = True


def _from_form(stream: Any, meta: Mapping[str, Any]) -> tuple[ArrivingFile, str]:
    handler = _FormHandler()
    try:
        try:
            MultiPartParser(dict(meta), stream, [handler]).parse()
        except (MultiPartParserError, SuspiciousOperation):
            _refuse("body", "The body is no form with one file: send it as multipart/form-data with a field file.")
        if handler.arriving is None:
            _refuse("file", "The form has no file: send it in the field file.")
        if not handler.is_complete:
            _refuse("file", "The form ended before its file was complete: send it again.")
        return _whole(handler.arriving), handler.name
    except BaseException:
        if handler.arriving is not None:
            handler.arriving.close()
        raise


def _from_body(stream: IO[bytes], declared: int) -> ArrivingFile:
    arriving = ArrivingFile()
    try:
        while chunk := stream.read(_CHUNK_BYTES):
            arriving.take(chunk)
        if arriving.size_bytes < declared:
            _refuse("file", "The body ended before it was complete: send it again.")
        return _whole(arriving)
    except BaseException:
        arriving.close()
        raise


def _whole(arriving: ArrivingFile) -> ArrivingFile:
    if arriving.size_bytes == 0:
        _refuse("file", "The file is empty.")
    arriving.finish()
    return arriving


def _declared_bytes(meta: Mapping[str, Any]) -> int:
    text = meta.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isdigit() else 0


def _check_disk(coming_bytes: int) -> None:
    """As much stays free as a worker wants: a file must not stop the tasks."""
    if not settings.WORKER_MIN_FREE_DISK_MB:
        return
    free = shutil.disk_usage(_folder() or tempfile.gettempdir()).free
    if free - coming_bytes < settings.WORKER_MIN_FREE_DISK_MB * MIB:
        raise _disk_is_short()


def _folder() -> Path | None:
    """That of the storage; None for one that is elsewhere."""
    if not isinstance(default_storage, FileSystemStorage):
        return None
    folder = Path(default_storage.location)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _too_large() -> TooLargeError:
    return TooLargeError(f"The file is too large: this route takes at most {settings.UPLOAD_MAX_BYTES:,} bytes.")


def _disk_is_short() -> UnavailableError:
    return UnavailableError(
        "Service unavailable: the disk of the server is short of room for files; an operator has to free some.",
        retry_after=_RETRY_AFTER_SECONDS,
    )


def _refuse(path: str, message: str) -> NoReturn:
    raise ValidationFailedError(message, errors={path: [message]})
