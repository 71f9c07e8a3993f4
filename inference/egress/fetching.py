"""Requests of the server itself: a session of `requests` that connects only to what the policy permits.

The check sits where the socket is opened, on the address that it is opened to, so no two readings of an address
can differ, and every redirect passes it again. TLS still sees the name: for SNI and for the certificate.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from inference.egress import resolving
from inference.egress.hosts import Address, AddressError, read_host, read_url
from inference.egress.policy import EgressPolicy
from inference.egress.resolving import NameNotResolvedError, RefusedError, Resolve, permitted_addresses

MAX_REDIRECTS = 10
# Seconds to connect and between two reads, for callers that name none: no request waits for ever.
DEFAULT_TIMEOUT = (10.0, 60.0)
_CHUNK_BYTES = 64 * 1024


class EgressRefusedError(requests.RequestException):
    """The policy does not permit the request. The message names the host and the reason, never a credential."""


class FetchTooLargeError(requests.RequestException):
    """The answer is larger than its limit."""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """What came with a fetched file. `disposition`: its Content-Disposition, or empty."""

    final_url: str
    status: int
    content_type: str
    disposition: str
    size_bytes: int


def guarded_session(*, allowed_hosts: Sequence[str] | None = None, resolve: Resolve | None = None) -> "GuardedSession":
    """A session whose every connection goes only to an address that the policy permits.

    `allowed_hosts` None: ALLOWED_PRIVATE_HOSTS; `resolve` None: the system's resolver. The session ignores proxies
    and passwords of the environment, and follows at most ten redirects. What it refuses raises EgressRefusedError.
    """
    return GuardedSession(EgressPolicy.of_server(allowed_hosts), resolve or resolving.resolve_by_system)


class GuardedSession(requests.Session):
    """Made by `guarded_session`."""

    def __init__(self, policy: EgressPolicy, resolve: Resolve) -> None:
        super().__init__()
        self.trust_env = False
        # The one thing of the environment that is wanted: a company's own certificate authority.
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self.max_redirects = MAX_REDIRECTS
        self.guard = ConnectionGuard(policy, resolve)
        adapter = _GuardedAdapter(self.guard)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        # As it was given, before anybody encodes its backslashes; what is around it, everybody drops.
        _require_plain_url(str(request.url).strip())
        return super().prepare_request(request)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Also called for each redirect."""
        _require_plain_url(request.url or "")
        kwargs["proxies"] = {}
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = DEFAULT_TIMEOUT
        return super().send(request, **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None:
            # Else `requests` reads the whole body of a redirect, however long it is, to keep the connection.
            resp.close()
        return target


def _require_plain_url(url: str) -> None:
    try:
        read_url(url)
    except AddressError as error:
        raise EgressRefusedError(str(error)) from error


class ConnectionGuard:
    """Opens the sockets of one session, and closes them when its time is over."""

    def __init__(self, policy: EgressPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        self.time_limit: TimeLimit | None = None

    def connect(self, host_text: str, port: int, *, seconds: float | None, options: Any) -> socket.socket:
        """A connection to a permitted address of that host. Raises RefusedError and OSError."""
        try:
            host = read_host(host_text)
        except AddressError as error:
            raise RefusedError(str(error)) from error
        addresses = permitted_addresses(host, port, self._policy, self._resolve)
        opened = _connect_to_one(addresses, port, seconds=DEFAULT_TIMEOUT[0] if seconds is None else seconds)
        for option in options or ():
            opened.setsockopt(*option)
        opened.settimeout(seconds)
        if self.time_limit is not None:
            self.time_limit.watch(opened)
        return opened


def _connect_to_one(addresses: Sequence[Address], port: int, *, seconds: float) -> socket.socket:
    """The first address that answers; they share the time."""
    ends_at = time.monotonic() + seconds
    failure: OSError = TimeoutError("timed out")
    for position, address in enumerate(addresses):
        left = ends_at - time.monotonic()
        if left <= 0:
            break
        opened = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            opened.settimeout(left / (len(addresses) - position))
            opened.connect((str(address), port))
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    reason = "no answer in time" if isinstance(failure, TimeoutError) else failure.strerror or str(failure)
    raise type(failure)(f"could not connect to {addresses[0]} at port {port} ({reason})") from failure


class _GuardedConnection(HTTPConnection):
    """`guard` comes through the pool's arguments."""

    def __init__(self, *args: Any, guard: ConnectionGuard, **kwargs: Any) -> None:
        self._guard = guard
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> socket.socket:
        seconds = self.timeout if isinstance(self.timeout, int | float) else None
        try:
            return self._guard.connect(self.host, self.port, seconds=seconds, options=self.socket_options)
        except NameNotResolvedError as error:
            raise NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, str(error)) from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error


class _GuardedTLSConnection(_GuardedConnection, HTTPSConnection):
    """TLS over such a connection, with the name of the address for SNI and certificate."""


class _GuardedPool(HTTPConnectionPool):
    ConnectionCls = _GuardedConnection


class _GuardedTLSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTLSConnection


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, guard: ConnectionGuard) -> None:
        self._guard = guard
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        manager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs)
        pools: dict[str, Any] = {
            "http": partial(_GuardedPool, guard=self._guard),
            "https": partial(_GuardedTLSPool, guard=self._guard),
        }
        manager.pool_classes_by_scheme = pools
        self.poolmanager = manager

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            return super().send(request, *args, **kwargs)
        except RefusedError as error:
            raise EgressRefusedError(str(error), request=request) from error
        except requests.ConnectionError as error:
            # urllib3's sentence repeats the whole address, whose query may hold a secret.
            reason = getattr(error.args[0], "reason", None) if error.args else None
            if reason is None:
                raise
            raise type(error)(str(reason.__cause__ or reason), request=request) from error


# --- limits --------------------------------------------------------------------------------------------------


class TimeLimit:
    """Cuts the watched connections when the time is over, whatever they are in the middle of: connecting, TLS,
    headers or body. A time-out of a socket alone starts again with each byte."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        # Second handles on the sockets: TLS takes the first ones over.
        self._watched: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._ends_at

    def watch(self, opened: socket.socket) -> None:
        with self._lock:
            self._watched.append(opened.dup())
        if self.is_over:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            for each in self._watched:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self._timer.cancel()
        with self._lock:
            for each in self._watched:
                each.close()
            self._watched.clear()


@contextlib.contextmanager
def time_limit(session: requests.Session, seconds: float) -> Generator[None]:
    """Everything that a guarded session does inside ends within `seconds`, else requests.Timeout is raised.

    One thread at a time per session. The connections are closed at the end.
    """
    if not isinstance(session, GuardedSession):
        raise TypeError("only a session of guarded_session() can be limited")
    session.close()  # connections from before are not watched
    limit = session.guard.time_limit = TimeLimit(seconds)
    try:
        yield
    except (requests.RequestException, OSError) as error:
        if limit.is_over and not isinstance(error, EgressRefusedError | FetchTooLargeError):
            raise requests.Timeout(f"no complete answer within {seconds:g} s") from error
        raise
    else:
        # A connection that was cut in a body of unknown length looks like its end.
        if limit.is_over:
            raise requests.Timeout(f"no complete answer within {seconds:g} s")
    finally:
        session.guard.time_limit = None
        limit.end()
        session.close()


def read_body(response: requests.Response, *, max_bytes: int) -> bytes:
    """The body of a response that was asked for with `stream=True`. Raises FetchTooLargeError."""
    return b"".join(_limited_chunks(response, max_bytes))


def _limited_chunks(response: requests.Response, max_bytes: int) -> Iterator[bytes]:
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise FetchTooLargeError(f"the answer has {announced} bytes, more than {max_bytes}", response=response)
    size = 0
    for chunk in response.iter_content(_CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise FetchTooLargeError(f"the answer has more than {max_bytes} bytes", response=response)
        yield chunk


def fetch_to_file(
    session: requests.Session,
    url: str,
    target: Path,
    *,
    max_bytes: int,
    total_seconds: float,
    headers: Mapping[str, str] | None = None,
    cookies: CookieJar | Mapping[str, str] | None = None,
) -> FetchedFile:
    """GET `url` into `target`, whatever its status. Blocks: call it in a thread.

    Cookies of a mapping go to the host of `url` only, not to where it redirects. Raises EgressRefusedError,
    FetchTooLargeError and the exceptions of `requests`; then no file is left.
    """
    jar = _cookies_for(url, cookies)
    try:
        with (
            time_limit(session, total_seconds),
            session.get(url, headers=headers, cookies=jar, stream=True) as response,
            target.open("wb") as file,
        ):
            size = sum(map(file.write, _limited_chunks(response, max_bytes)))
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return FetchedFile(
        final_url=response.url,
        status=response.status_code,
        content_type=response.headers.get("Content-Type", ""),
        disposition=response.headers.get("Content-Disposition", ""),
        size_bytes=size,
    )


def _cookies_for(url: str, cookies: CookieJar | Mapping[str, str] | None) -> RequestsCookieJar:
    jar = RequestsCookieJar()
    if isinstance(cookies, CookieJar):
        jar.update(cookies)
    elif cookies:
        host = _host_of(url)
        for name, value in cookies.items():
            # The standard library writes names without a dot in this way.
            jar.set(name, value, domain=host if "." in host or ":" in host else f"{host}.local")
    return jar


def _host_of(url: str) -> str:
    try:
        return str(read_url(url).host)
    except AddressError as error:
        raise EgressRefusedError(str(error)) from error
