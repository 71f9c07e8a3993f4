"""A proxy that a task's traffic goes through: HTTP CONNECT or SOCKS5, with a user name and password if it wants one.

It is the operator's, so its own address is not judged. What it connects to is: literal addresses, metadata names,
and names that are looked up here to a refused address never reach it. A name that only the proxy can look up is
passed on, and what it finds there cannot be known here.
"""

import asyncio
import base64
import os
import re
import socket
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from urllib.parse import unquote, urlsplit

from inference.egress.hosts import Host

_DEFAULT_PORTS = {"http": 80, "socks5": 1080}
_LONGEST_ANSWER = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
_SOCKS_REASONS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "timed out",
}


class UpstreamProxyError(OSError):
    """The proxy did not connect; the message names it and the reason, without its password."""


@dataclass(frozen=True, slots=True)
class UpstreamProxy:
    """Where it is, and who we are to it."""

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    async def open(self, host: Host, port: int) -> tuple[socket.socket, bytes]:
        """A connection through the proxy, and what has already come through it. Raises UpstreamProxyError."""
        opened: socket.socket | None = None
        try:
            opened = await _connect(self.host, self.port)
            if self.scheme == "http":
                return opened, await self._ask_http(opened, host, port)
            return opened, await self._ask_socks(opened, host, port)
        except UpstreamProxyError:
            _close(opened)
            raise
        except OSError as error:
            _close(opened)
            # asyncio's own text for this repeats the address instead of the reason.
            reason = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error)
            raise UpstreamProxyError(f"the proxy {self} is not reached ({reason})") from error
        except BaseException:
            _close(opened)
            raise

    async def _ask_http(self, opened: socket.socket, host: Host, port: int) -> bytes:
        place = f"{_written(host)}:{port}"
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        if self.username is not None:
            pair = base64.b64encode(f"{self.username}:{self.password or ''}".encode()).decode("ascii")
            lines.append(f"Proxy-Authorization: Basic {pair}")
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(opened, ("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        answer = b""
        while b"\r\n\r\n" not in answer:
            received = await loop.sock_recv(opened, 4096)
            if not received or len(answer) > _LONGEST_ANSWER:
                raise UpstreamProxyError(f"the proxy {self} gave no answer that HTTP knows")
            answer += received
        head, _, rest = answer.partition(b"\r\n\r\n")
        status = _STATUS_LINE.match(head)
        if status is None:
            raise UpstreamProxyError(f"the proxy {self} gave no answer that HTTP knows")
        if status[1] == b"407":
            raise UpstreamProxyError(f"the proxy {self} does not accept the user name and password")
        if not status[1].startswith(b"2"):
            raise UpstreamProxyError(f"the proxy {self} answered {status[1].decode()} for {place}")
        return rest

    async def _ask_socks(self, opened: socket.socket, host: Host, port: int) -> bytes:
        reader = _Exactly(opened, self)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(opened, b"\x05\x01\x00" if self.username is None else b"\x05\x02\x00\x02")
        _, method = await reader.read(2)
        if method == 2 and self.username is not None:
            await loop.sock_sendall(opened, b"\x01" + _counted(self.username) + _counted(self.password or ""))
            if (await reader.read(2))[1] != 0:
                raise UpstreamProxyError(f"the proxy {self} does not accept the user name and password")
        elif method != 0:
            raise UpstreamProxyError(f"the proxy {self} wants another way of signing in")
        await loop.sock_sendall(opened, b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big"))
        _, code, _, kind = await reader.read(4)
        if code != 0:
            reason = _SOCKS_REASONS.get(code, f"code {code}")
            raise UpstreamProxyError(f"the proxy {self} did not reach {_written(host)}:{port} ({reason})")
        size = {1: 4, 4: 16}.get(kind)
        await reader.read((await reader.read(1))[0] + 2 if size is None else size + 2)
        return b""


def read_upstream(url: str) -> UpstreamProxy:
    """`http://user:password@host:port` or `socks5://…`, special characters percent-encoded.

    Raises ValueError, whose message does not repeat the password.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        raise ValueError("the proxy's address cannot be read") from None
    if scheme not in _DEFAULT_PORTS or not host:
        raise ValueError("the proxy's address must be http://host:port or socks5://host:port")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("the proxy's address must end behind its port; special characters are percent-encoded")
    username = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    if any(len((each or "").encode()) > 255 for each in (username, password)):
        raise ValueError("the proxy's user name and password may have 255 bytes each")
    return UpstreamProxy(scheme, host, port or _DEFAULT_PORTS[scheme], username, password)


class _Exactly:
    def __init__(self, opened: socket.socket, proxy: UpstreamProxy) -> None:
        self._opened, self._proxy = opened, proxy

    async def read(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            chunk = await asyncio.get_running_loop().sock_recv(self._opened, size - len(received))
            if not chunk:
                raise UpstreamProxyError(f"the proxy {self._proxy} hung up in the middle of its answer")
            received += chunk
        return received


async def _connect(host: str, port: int) -> socket.socket:
    """To the first address that answers."""
    loop = asyncio.get_running_loop()
    failure = OSError("no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setblocking(False)
            await loop.sock_connect(opened, address)
        except OSError as error:
            opened.close()
            failure = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise failure


def _close(opened: socket.socket | None) -> None:
    if opened is not None:
        opened.close()


def _written(host: Host) -> str:
    return host if isinstance(host, str) else f"[{host}]" if host.version == 6 else str(host)


def _counted(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data


def _socks_address(host: Host) -> bytes:
    if isinstance(host, str):
        return b"\x03" + _counted(host)
    return (b"\x01" if isinstance(host, IPv4Address) else b"\x04") + host.packed
