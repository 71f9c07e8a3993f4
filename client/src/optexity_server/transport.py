"""The two ways to carry calls out, blocking and asynchronous, on httpx. Its errors end here."""

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx

from optexity_server.calls import Answer, Call, Operation, Pause, refusal
from optexity_server.connection import Connection
from optexity_server.errors import ConnectionFailedError, OptexityError, UnexpectedAnswerError

T = TypeVar("T")
Verify = ssl.SSLContext | bool

CONNECT_SECONDS = 10.0
# The server sends a comment every 15 seconds while nothing happens; three missing mean that it is gone.
SILENT_STREAM_SECONDS = 45.0


def _options(connection: Connection, version: str, timeout: float, verify: Verify) -> dict[str, Any]:
    python = ".".join(map(str, sys.version_info[:2]))
    headers = {"User-Agent": f"optexity-server-client/{version} python/{python}", "Accept": "application/json"}
    if connection.key is not None:
        # As Authorization, which httpx hides in the repr of headers.
        headers["Authorization"] = f"Bearer {connection.key}"
    # Reading all certificates takes a tenth of a second; nothing on this way is encrypted, not even a proxy's part.
    is_plain = connection.is_local and connection.url.startswith("http:")
    return {
        "base_url": connection.url,
        "headers": headers,
        "timeout": httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
        "verify": False if is_plain else verify,
        "follow_redirects": False,
        # A proxy of the environment is for other machines: a server on this one is not asked through it.
        "trust_env": not connection.is_local,
    }


def _request(
    http: httpx.Client | httpx.AsyncClient,
    call: Call,
    timeout: float,
    content: Iterator[bytes] | AsyncIterator[bytes] | None = None,
) -> httpx.Request:
    limits = httpx.Timeout(timeout + call.hold_seconds, connect=min(timeout, CONNECT_SECONDS))
    # In bytes, because httpx takes a text for ASCII, and the server reads UTF-8.
    headers = [(name.encode(), value.encode()) for name, value in call.headers.items()]
    if call.content is not None:
        # Else it would be sent in chunks without a length, and refused only after all of it was there.
        headers.append((b"Content-Length", str(call.content.size_bytes).encode()))
    body: dict[str, Any] = {} if call.body is None else {"json": call.body}
    return http.build_request(
        call.method, call.path, params=call.query, headers=headers, timeout=limits, content=content, **body
    )


async def _as_asynchronous(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        # A local disk is as fast as the network: not worth a thread for each part.
        yield chunk


@contextmanager
def _httpx_errors() -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise ConnectionFailedError(f"The server did not answer in time ({type(error).__name__})") from error
    except httpx.DecodingError as error:
        raise UnexpectedAnswerError("The server's answer cannot be unpacked") from error
    except httpx.ConnectError as error:
        raise ConnectionFailedError(f"The server cannot be reached: {error}") from error
    except httpx.TransportError as error:
        raise ConnectionFailedError(f"The connection to the server broke: {error or type(error).__name__}") from error


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


class Transport:
    """Carries operations out, blocking."""

    def __init__(self, connection: Connection, version: str, *, timeout: float, verify: Verify) -> None:
        self._timeout = timeout
        self._http = httpx.Client(**_options(connection, version, timeout, verify))

    def close(self) -> None:
        self._http.close()

    def run(self, operation: Operation[T]) -> T:
        """What `operation` returns. Raises what it raises."""
        try:
            wanted = next(operation)
            while True:
                try:
                    answer = self._do(wanted)
                except OptexityError as error:
                    wanted = operation.throw(error)
                else:
                    wanted = operation.send(answer)
        except StopIteration as done:
            returned: T = done.value
            return returned

    def _do(self, wanted: Call | Pause) -> Answer | None:
        if isinstance(wanted, Pause):
            self.pause(wanted.seconds)
            return None
        content = None if wanted.content is None else wanted.content.chunks()
        request = _request(self._http, wanted, self._timeout, content)
        with _httpx_errors():
            response = self._http.send(request, stream=True)
            try:
                if wanted.sink is None or not response.is_success:
                    return Answer(response.status_code, _headers(response), response.read())
                wanted.sink.begin()
                for chunk in response.iter_bytes():
                    wanted.sink.write(chunk)
                return Answer(response.status_code, _headers(response), b"")
            finally:
                response.close()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    @contextmanager
    def stream(self, call: Call, *, is_live: bool) -> Iterator[Iterator[bytes]]:
        """The parts of a good answer as they come; of a live one there are always some. Raises ApiError."""
        request = _request(self._http, call, SILENT_STREAM_SECONDS if is_live else self._timeout)
        with _httpx_errors():
            response = self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    raise refusal(Answer(response.status_code, _headers(response), response.read()))
                yield response.iter_bytes()
            finally:
                response.close()


class AsyncTransport:
    """Carries operations out on an event loop."""

    def __init__(self, connection: Connection, version: str, *, timeout: float, verify: Verify) -> None:
        self._timeout = timeout
        self._http = httpx.AsyncClient(**_options(connection, version, timeout, verify))

    async def close(self) -> None:
        await self._http.aclose()

    async def run(self, operation: Operation[T]) -> T:
        """What `operation` returns. Raises what it raises."""
        try:
            wanted = next(operation)
            while True:
                try:
                    answer = await self._do(wanted)
                except OptexityError as error:
                    wanted = operation.throw(error)
                else:
                    wanted = operation.send(answer)
        except StopIteration as done:
            returned: T = done.value
            return returned

    async def _do(self, wanted: Call | Pause) -> Answer | None:
        if isinstance(wanted, Pause):
            await self.pause(wanted.seconds)
            return None
        content = None if wanted.content is None else _as_asynchronous(wanted.content.chunks())
        request = _request(self._http, wanted, self._timeout, content)
        with _httpx_errors():
            response = await self._http.send(request, stream=True)
            try:
                if wanted.sink is None or not response.is_success:
                    return Answer(response.status_code, _headers(response), await response.aread())
                wanted.sink.begin()
                async for chunk in response.aiter_bytes():
                    # A local disk is as fast as the network: not worth a thread for each part.
                    wanted.sink.write(chunk)
                return Answer(response.status_code, _headers(response), b"")
            finally:
                await response.aclose()

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @asynccontextmanager
    async def stream(self, call: Call, *, is_live: bool) -> AsyncIterator[AsyncIterator[bytes]]:
        """The parts of a good answer as they come; of a live one there are always some. Raises ApiError."""
        request = _request(self._http, call, SILENT_STREAM_SECONDS if is_live else self._timeout)
        with _httpx_errors():
            response = await self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    raise refusal(Answer(response.status_code, _headers(response), await response.aread()))
                yield response.aiter_bytes()
            finally:
                await response.aclose()
