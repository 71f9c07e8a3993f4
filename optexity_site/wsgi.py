"""What granian serves: Django in threads, with a pool of database connections."""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optexity_site.settings")
# Set by `serve`, before it starts the web server.
_IS_SERVED = os.environ.get("OPTEXITY_WEB_PROCESS") == "1"
# Read by the settings: threads share a pool of connections. Set here, so that it holds however this is served.
os.environ["OPTEXITY_WEB_PROCESS"] = "1"

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_CHUNK_BYTES = 64 * 1024
_MEMORY_BYTES = 1024 * 1024


class FewAtOnce:
    """Lets `limit` requests in at the same time; others wait in their threads. An answer that is a stream has left by
    the time it is sent, so that those who follow or download something are not counted."""

    def __init__(self, application: Application, *, limit: int) -> None:
        self.application = application
        self._places = threading.BoundedSemaphore(limit)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._places:
            return self.application(environ, start_response)


class ChunkedBodies:
    """Gives a body that came in chunks the length that WSGI applications look for.

    The server hands such a body over with an end but without CONTENT_LENGTH, which Django reads as "empty". Read
    here up to one byte above `max_bytes`, so that the view still sees that it is too large.
    """

    def __init__(
        self, application: Application, *, max_bytes: int, max_bytes_at: Mapping[str, int] | None = None
    ) -> None:
        """`max_bytes_at` are other limits, by path."""
        self.application = application
        self.max_bytes = max_bytes
        self.max_bytes_at = max_bytes_at or {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower() and environ.get("wsgi.input_terminated"):
            max_bytes = self.max_bytes_at.get(environ.get("PATH_INFO", ""), self.max_bytes)
            environ["wsgi.input"], length = _read(environ["wsgi.input"], max_bytes)
            environ["CONTENT_LENGTH"] = str(length)
        return self.application(environ, start_response)


def _read(stream: IO[bytes], max_bytes: int) -> tuple[IO[bytes], int]:
    body = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 - closed with the request
    length = 0
    while length <= max_bytes:
        chunk = stream.read(min(_CHUNK_BYTES, max_bytes + 1 - length))
        if not chunk:
            break
        length += body.write(chunk)
    body.seek(0)
    return body, length


def make_application() -> Application:
    """Django with its settings read. A wrong setting or a database that cannot start ends the process, in one line."""
    from optexity_site import embedded_db
    from optexity_site.env import SettingError

    try:
        from django.conf import settings
        from django.core.wsgi import get_wsgi_application

        if not settings.DATABASE_URL:
            embedded_db.acquire(settings.DATA_DIR)
        from inference.receiving import FORM_BYTES

        django = get_wsgi_application()
        _require_schema()
        from inference.views.express import Express

        return ChunkedBodies(
            Express(FewAtOnce(django, limit=settings.WEB_THREADS)),
            max_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
            max_bytes_at={"/api/v1/files": settings.UPLOAD_MAX_BYTES + FORM_BYTES},
        )
    except (SettingError, embedded_db.EmbeddedDatabaseError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


def _require_schema() -> None:
    """End the process if the database is of another version: requests would fail one by one. One that is away now is
    answered for by each request."""
    from django.db import InterfaceError, OperationalError, connection
    from psycopg_pool import PoolTimeout

    from inference.services.schema import schema_problem

    try:
        problem = schema_problem()
    except (OperationalError, InterfaceError, PoolTimeout):
        return
    finally:
        connection.close()
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
        sys.exit(2)


def end_with_parent() -> None:
    """See that this web process ends when the one that started it is killed. Nobody else would end it: it would go on
    answering beside its successor, and outlive `serve`."""
    from executor.handover import die_with_parent

    parent = multiprocessing.parent_process()
    # While this process starts, it has its parent's handler of SIGTERM, which only takes a note.
    die_with_parent(signal.SIGKILL)
    if parent is not None and parent.pid != os.getppid():
        os._exit(1)  # it was killed before the kernel was told


if _IS_SERVED:
    end_with_parent()
application = make_application()
