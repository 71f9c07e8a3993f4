"""The way out of the browser: a SOCKS5 proxy on the worker's event loop that connects only where the policy permits.

Chromium is started with it as its only way to any address, loopback included, and hands over host names without
looking them up. So pages, frames, fetches, redirects, downloads, WebSockets and service workers all meet the check
at the moment of connecting. SOCKS and not an HTTP proxy: after the handshake the bytes are only passed on, while an
HTTP proxy must understand every request, keep-alive and upgrade; and Chromium asks an HTTP proxy for a password by
intercepting every request, which costs more than the check itself. In place of a password, the kernel is asked
whether the peer is a process of the user that this worker runs as.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from playwright.async_api import Browser, BrowserContext

from executor.upstream_proxy import UpstreamProxy, UpstreamProxyError
from inference.egress.hosts import Address, AddressError, Host, bare_name, read_host, read_url
from inference.egress.policy import EgressPolicy
from inference.egress.resolving import (
    NameNotResolvedError,
    RefusedError,
    Resolve,
    is_nowhere,
    needs_look_up,
    permitted_addresses,
    resolve_by_system,
)

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 30.0
_HANDSHAKE_SECONDS = 10.0
# How long the first address of a name may be silent before the next one is tried beside it (RFC 8305).
_NEXT_ADDRESS_SECONDS = 0.25
# Chromium would remember a name's address itself; here every connection of a page would ask the resolver again.
_REMEMBER_SECONDS = 60.0
_MOST_REMEMBERED = 512
# Different places that one task is told about; a page can ask for thousands.
_MOST_REPORTED = 50
_LOOK_UP_THREADS = 16

_VERSION = 5
_NO_PASSWORD = 0
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_SUCCEEDED, _FAILED, _NOT_ALLOWED = 0, 1, 2
_LONGEST_GREETING = 2 + 255

# Chromium's own words for what it would have seen without the proxy.
_CHROMIUM_WORDS = {
    errno.ECONNREFUSED: "net::ERR_CONNECTION_REFUSED",
    errno.ECONNRESET: "net::ERR_CONNECTION_RESET",
    errno.ENETUNREACH: "net::ERR_ADDRESS_UNREACHABLE",
    errno.EHOSTUNREACH: "net::ERR_ADDRESS_UNREACHABLE",
    errno.EADDRNOTAVAIL: "net::ERR_ADDRESS_UNREACHABLE",
    errno.ETIMEDOUT: "net::ERR_CONNECTION_TIMED_OUT",
}

# What Chromium says of every connection that the proxy did not make.
CONNECTION_FAILED = "ERR_SOCKS_CONNECTION"

Place = tuple[str, int]
# Called with what a task's timeline is told: kind and data of an event.
Report = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a connection was not made. A refusal is the policy's, and stays when it is tried again."""

    reason: str
    is_refusal: bool


class FilteringProxy:
    """One per worker process, for its one browser and the one task at a time that uses it."""

    def __init__(self, *, resolve: Resolve = resolve_by_system) -> None:
        self.resolve = resolve
        # The proxy that this task's traffic goes through, behind the check; None: directly.
        self.upstream: UpstreamProxy | None = None
        self._report: Report | None = None
        self._server: asyncio.Server | None = None
        self._port = 0
        self._clients: set[_Client] = set()
        self._look_ups: ThreadPoolExecutor | None = None
        self._running_look_ups: dict[Place, asyncio.Future[Sequence[Address]]] = {}
        self._remembered: dict[Place, tuple[float, Sequence[Address]]] = {}
        self._failures: dict[Place, Failure] = {}
        self._reported: set[Place] = set()

    async def start(self) -> None:
        """Listen on a free port of loopback. A started one stays as it is."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._look_ups = ThreadPoolExecutor(_LOOK_UP_THREADS, thread_name_prefix="look-up")
            self._server = await loop.create_server(lambda: _Client(self), "127.0.0.1", 0, backlog=256)
            self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop what is open."""
        self.end_task()
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await server.wait_closed()
        if self._look_ups is not None:
            self._look_ups.shutdown(wait=False, cancel_futures=True)
            self._look_ups = None

    @property
    def address(self) -> str:
        return f"socks5://127.0.0.1:{self._port}"

    @property
    def open_connections(self) -> int:
        return len(self._clients)

    def begin_task(self, *, report: Report | None = None, upstream: UpstreamProxy | None = None) -> None:
        """From now on connections belong to a new task, which is told of each place that it is refused."""
        self.end_task()
        self._report, self.upstream = report, upstream

    def end_task(self) -> None:
        """Drop the connections that are still open, and forget all about the task."""
        for client in list(self._clients):
            client.drop()
        self._report = self.upstream = None
        self._running_look_ups.clear()
        self._remembered.clear()
        self._failures.clear()
        self._reported.clear()

    def failure_of(self, url: str) -> Failure | None:
        """Why the last connection to the host of `url` was not made; None when it was, or nobody asked."""
        try:
            target = read_url(_as_http(url))
        except AddressError:
            return None
        return self._failures.get((str(target.host), target.port))

    # --- one connection --------------------------------------------------------------------------------------

    def add(self, client: "_Client") -> None:
        self._clients.add(client)

    def discard(self, client: "_Client") -> None:
        self._clients.discard(client)

    async def open(self, host_text: str, port: int) -> tuple[socket.socket, bytes]:
        """A connection to a place that the browser asked for, and what has come through it already.

        Raises RefusedError and OSError.
        """
        place = (host_text, port)
        try:
            host = read_host(host_text)
            place = (str(host), port)
            async with asyncio.timeout(CONNECT_SECONDS):
                opened = await self._open(host, port)
        except (RefusedError, AddressError) as error:
            self._note(place, Failure(str(error), is_refusal=True))
            raise RefusedError(str(error)) from error
        except OSError as error:
            self._remembered.pop(place, None)
            self._note(place, Failure(_in_chromium_words(error), is_refusal=False))
            raise
        self._failures.pop(place, None)
        return opened

    async def _open(self, host: Host, port: int) -> tuple[socket.socket, bytes]:
        policy = EgressPolicy.of_browser(further_own_ports=(self._port,))
        if self.upstream is None:
            return await _connect_to_first(await self._permitted(host, port, policy), port), b""
        # The upstream proxy looks the name up itself. What can be known here is judged here; a name that is known
        # only there is passed on.
        try:
            await self._permitted(host, port, policy)
        except NameNotResolvedError:
            if is_nowhere(str(host)):
                raise
        return await self.upstream.open(host, port)

    async def _permitted(self, host: Host, port: int, policy: EgressPolicy) -> Sequence[Address]:
        if not needs_look_up(host, port):
            return permitted_addresses(host, port, policy)
        place = (str(host), port)
        now = time.monotonic()
        if (remembered := self._remembered.get(place)) is not None and remembered[0] > now:
            return remembered[1]
        addresses = await asyncio.shield(self._look_up(host, port, policy))
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[place] = (now + _REMEMBER_SECONDS, addresses)
        return addresses

    def _look_up(self, host: Host, port: int, policy: EgressPolicy) -> "asyncio.Future[Sequence[Address]]":
        """The look-up that is under way already, or a new one: connections to a new name come several at a time."""
        place = (str(host), port)
        if (running := self._running_look_ups.get(place)) is not None:
            return running
        loop = asyncio.get_running_loop()
        look_up = loop.run_in_executor(self._look_ups, permitted_addresses, host, port, policy, self.resolve)

        def forget(done: "asyncio.Future[Sequence[Address]]") -> None:
            if self._running_look_ups.get(place) is done:
                del self._running_look_ups[place]
            if not done.cancelled():
                done.exception()  # seen, also when nobody waits for it anymore

        self._running_look_ups[place] = look_up
        look_up.add_done_callback(forget)
        return look_up

    def _note(self, place: Place, failure: Failure) -> None:
        if len(self._failures) >= _MOST_REMEMBERED:
            self._failures.clear()
        self._failures[place] = failure
        if not failure.is_refusal or self._report is None or place in self._reported:
            return
        self._reported.add(place)
        if len(self._reported) <= _MOST_REPORTED:
            self._report("request_failed", {"url": _shown(place), "error": failure.reason})
        elif len(self._reported) == _MOST_REPORTED + 1:
            self._report("note", {"text": f"more than {_MOST_REPORTED} places were refused; the rest is left out"})


# --- which proxy a page uses -------------------------------------------------------------------------------------

_proxies: WeakKeyDictionary[Browser, FilteringProxy] = WeakKeyDictionary()


def is_used_by(browser: Browser, proxy: FilteringProxy) -> None:
    _proxies[browser] = proxy


def failure_of(context: BrowserContext, url: str) -> Failure | None:
    """Why the browser of that context got no connection to the host of `url`, as far as its proxy knows."""
    proxy = _proxies.get(context.browser) if context.browser is not None else None
    return proxy.failure_of(url) if proxy is not None else None


def in_clear_words(context: BrowserContext, url: str, said: str) -> str:
    """The network error that Chromium `said` of a request, or why the proxy did not connect if it was that."""
    failure = failure_of(context, url) if CONNECTION_FAILED in said else None
    return said if failure is None else failure.reason


# --- the two ends of a connection --------------------------------------------------------------------------------


class _End(asyncio.Protocol):
    """Passes on what comes to the other end: bytes, their end, a reset; and waits when that one is full."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self.has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP's are
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """True: this direction has ended, the other one goes on."""
        self.has_ended = True
        if self.other is None or self.other.transport is None or self.other.has_ended:
            return False
        self.other.transport.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        other, self.other, self.transport = self.other, None, None
        if other is None or other.transport is None:
            return
        other.other = None
        if exc is None:
            other.transport.close()
        else:
            _reset(other.transport)


def _reset(transport: asyncio.Transport) -> None:
    """End it as one that the server has reset, so that the browser says what it would say without a proxy."""
    with contextlib.suppress(OSError):
        opened = transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Client(_End):
    """The browser's end: first the SOCKS5 handshake (RFC 1928), then bytes."""

    def __init__(self, proxy: FilteringProxy) -> None:
        super().__init__()
        self._proxy = proxy
        self._received = b""
        self._has_greeted = False
        self._opening: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not _is_of_this_user(transport.get_extra_info("socket")):
            logger.warning("a process of another user asked the browser's proxy for a connection")
            transport.close()
            return
        self._proxy.add(self)
        self._deadline = asyncio.get_running_loop().call_later(_HANDSHAKE_SECONDS, self.drop)

    def connection_lost(self, exc: Exception | None) -> None:
        self._proxy.discard(self)
        self._stop_waiting()
        if self._opening is not None:
            self._opening.cancel()
        super().connection_lost(exc)

    def drop(self) -> None:
        """End both ends at once."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.abort()
        if self._opening is not None:
            self._opening.cancel()
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self._received += data
        if self._opening is None:
            self._go_on()

    def eof_received(self) -> bool:
        # One that ends before it is connected has changed its mind.
        return super().eof_received() if self.other is not None else False

    def _go_on(self) -> None:
        """As much of the handshake as has been received."""
        if not self._has_greeted:
            self._read_greeting()
        if self._has_greeted:
            self._read_request()

    def _read_greeting(self) -> None:
        received = self._received
        if len(received) < 2 or len(received) < 2 + received[1]:
            if received[:1] not in (b"", bytes([_VERSION])):
                self.drop()
            return
        if received[0] != _VERSION or _NO_PASSWORD not in received[2 : 2 + received[1]]:
            self.drop()
            return
        self._received = received[2 + received[1] :]
        self._has_greeted = True
        self._write(bytes([_VERSION, _NO_PASSWORD]))

    def _read_request(self) -> None:
        try:
            asked_for = _read_request(self._received)
        except ValueError:
            self.drop()
            return
        if asked_for is None:
            return
        self._stop_waiting()
        host, port, self._received = asked_for
        connect = self._connect(host, port)
        self._opening = asyncio.get_running_loop().create_task(connect, name="connection of the browser")

    async def _connect(self, host: str, port: int) -> None:
        try:
            opened, first_bytes = await self._proxy.open(host, port)
        except RefusedError:
            self._answer(_NOT_ALLOWED)
            return
        except OSError:
            self._answer(_FAILED)
            return
        except BaseException:  # a mistake of ours leaves no browser waiting
            if self.transport is not None:
                self.transport.abort()
            raise
        # Told before the far end is read from, so that nothing of it can come ahead of the answer.
        self._answer(_SUCCEEDED)
        self._write(first_bytes)
        target = _End()
        target.other = self
        try:
            await asyncio.get_running_loop().create_connection(lambda: target, sock=opened)
        except BaseException:
            opened.close()
            raise
        self._join(target)

    def _join(self, target: _End) -> None:
        if target.transport is None:
            return
        if self.transport is None:
            target.transport.abort()
            return
        self.other = target
        target.transport.write(self._received)
        self._received = b""

    def _answer(self, code: int) -> None:
        self._write(bytes([_VERSION, code, 0, _IPV4, 0, 0, 0, 0, 0, 0]))
        if code != _SUCCEEDED and self.transport is not None:
            self.transport.close()

    def _write(self, data: bytes) -> None:
        if self.transport is not None and data:
            self.transport.write(data)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _read_request(received: bytes) -> tuple[str, int, bytes] | None:
    """Host, port and what follows the request; None when it is not complete. Raises ValueError for another kind."""
    if len(received) < 5:
        return None
    version, command, _, kind, first = received[:5]
    if version != _VERSION or command != _CONNECT or kind not in (_IPV4, _NAME, _IPV6):
        raise ValueError("not a request to connect")
    begin, size = (5, first) if kind == _NAME else (4, 4 if kind == _IPV4 else 16)
    end = begin + size
    if len(received) < end + 2:
        return None
    raw = received[begin:end]
    port = int.from_bytes(received[end : end + 2], "big")
    if kind == _NAME:
        host = raw.decode("ascii")
    else:
        host = socket.inet_ntop(socket.AF_INET if kind == _IPV4 else socket.AF_INET6, raw)
    return host, port, received[end + 2 :]


# --- connecting --------------------------------------------------------------------------------------------------


async def _connect_to_first(addresses: Sequence[Address], port: int) -> socket.socket:
    """The first address that answers, each tried a moment after the one before it. Raises the first one's OSError."""
    if len(addresses) == 1:
        return await connect_to(addresses[0], port)
    waiting = list(addresses)
    failures: list[BaseException] = []
    running: set[asyncio.Task[socket.socket]] = set()
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(connect_to(waiting.pop(0), port), name="connection to an address"))
            pause = _NEXT_ADDRESS_SECONDS if waiting else None
            done, _ = await asyncio.wait(running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                running.discard(each)
                if (failure := each.exception()) is None:
                    return each.result()
                failures.append(failure)
    finally:
        await _give_up(running)
    raise failures[0]


async def _give_up(tries: set[asyncio.Task[socket.socket]]) -> None:
    """End them, also those that have just succeeded beside the one that is used."""
    for each in tries:
        each.cancel()
    for late in await asyncio.gather(*tries, return_exceptions=True):
        if isinstance(late, socket.socket):
            late.close()


async def connect_to(address: Address, port: int) -> socket.socket:
    """A connected non-blocking socket. Raises OSError."""
    opened = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, (str(address), port))
    except BaseException:
        opened.close()
        raise
    return opened


def _in_chromium_words(error: OSError) -> str:
    if isinstance(error, UpstreamProxyError):
        return str(error)
    if isinstance(error, NameNotResolvedError):
        return "net::ERR_NAME_NOT_RESOLVED"
    if isinstance(error, TimeoutError):
        return "net::ERR_CONNECTION_TIMED_OUT"
    return _CHROMIUM_WORDS.get(error.errno or 0, "net::ERR_CONNECTION_FAILED")


def _as_http(url: str) -> str:
    """WebSockets have the ports of HTTP."""
    return f"http{url[2:]}" if url.startswith(("ws:", "wss:")) else url


def _shown(place: Place) -> str:
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{bare_name(host)}:{port}"


# --- who asks ----------------------------------------------------------------------------------------------------

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_ANY_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
# inet_diag_msg: 4 bytes, the id (48 bytes), expiry, two queues, then the user.
_USER_AT = _HEADER.size + 4 + 48 + 12


def _is_of_this_user(accepted: socket.socket) -> bool:
    """Whether the process at the other end runs as this one's user (sock_diag(7), a tenth of a millisecond).

    Kernels and sandboxes that do not answer leave it at the random port.
    """
    if not hasattr(socket, "AF_NETLINK"):
        return True
    try:
        peer, own = accepted.getpeername(), accepted.getsockname()
        asked = (
            _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
            + struct.pack("!HH", peer[1], own[1])
            + socket.inet_aton(peer[0]).ljust(16, b"\0")
            + socket.inet_aton(own[0]).ljust(16, b"\0")
            + _ANY_COOKIE
        )
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
            netlink.setblocking(False)  # the kernel answers within the call
            netlink.send(_HEADER.pack(_HEADER.size + len(asked), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + asked)
            answer = netlink.recv(4096)
    except OSError:
        return True
    if len(answer) < _USER_AT + 4 or _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return True
    user: int = struct.unpack_from("=I", answer, _USER_AT)[0]
    return user == os.geteuid()
