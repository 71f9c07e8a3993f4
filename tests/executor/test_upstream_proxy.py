"""A task's own proxy behind the check: what it is asked for, with which name and password, and what it never sees."""

import asyncio
import base64
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from pytest_django import Settings

from executor.upstream_proxy import UpstreamProxy, read_upstream
from tests.executor.test_browser_proxy_connections import (
    CHOSEN,
    CONNECTED,
    FAILED,
    GREETING,
    HELLO,
    NOT_ALLOWED,
    a_client,
    a_proxy,
    asking,
    no_such_name,
    until,
)
from tests.inference.egress.places import Place, serving


class Upstream:
    """A proxy on loopback that answers with what it is told, or passes on to one place, whatever it is asked for."""

    def __init__(self, *, to: int, answer: bytes | None = None) -> None:
        self.asked: list[bytes] = []
        self._to = to
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            with accepted, suppress(OSError):
                accepted.settimeout(20)
                self._treat(accepted)

    def _treat(self, accepted: socket.socket) -> None:
        first = accepted.recv(4096)
        self.asked.append(first)
        if self._answer is not None:
            accepted.sendall(self._answer)
            accepted.shutdown(socket.SHUT_WR)
            while accepted.recv(4096):
                """Read all of it: closing with something unread would be a reset."""
            return
        if first.startswith(b"CONNECT"):
            accepted.sendall(b"HTTP/1.1 200 Connection established\r\nX-Own: 1\r\n\r\n")
        else:
            self._shake_hands(accepted, first)
        with socket.create_connection(("127.0.0.1", self._to)) as place:
            place.settimeout(20)
            place.sendall(accepted.recv(4096))
            while chunk := place.recv(4096):
                accepted.sendall(chunk)

    def _shake_hands(self, accepted: socket.socket, greeting: bytes) -> None:
        accepted.sendall(b"\x05" + greeting[-1:])
        if greeting[-1] == 2:
            self.asked.append(accepted.recv(4096))
            accepted.sendall(b"\x01\x00")
        self.asked.append(accepted.recv(4096))
        # The address that it has connected to may be of any kind.
        accepted.sendall(b"\x05\x00\x00\x03\x04abcd\x00\x50")

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(20)


@pytest.fixture
def place() -> Iterator[Place]:
    with serving() as place:
        yield place


@pytest.fixture
def upstream(place: Place) -> Iterator[Callable[..., Upstream]]:
    started: list[Upstream] = []

    def start(**kwargs: Any) -> Upstream:
        started.append(Upstream(to=place.port, **kwargs))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def ask(proxy_url: str, host: str, port: int, resolve: Callable[[str, int], Sequence[str]] = no_such_name) -> bytes:
    """Through a filtering proxy with that upstream: its answer, and the failure's reason if there is one."""

    async def run() -> bytes:
        async with a_proxy(resolve=resolve) as proxy:
            proxy.begin_task(upstream=read_upstream(proxy_url))
            async with a_client(proxy, GREETING, asking(host, port)) as (reader, writer):
                answer = await reader.readexactly(12)
                if answer == CHOSEN + CONNECTED:
                    writer.write(HELLO)
                    answer += await reader.read()
            await until(lambda: proxy.open_connections == 0)
            failure = proxy.failure_of(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
            return answer + (failure.reason.encode() if failure is not None else b"")

    return asyncio.run(run())


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_what_only_the_proxy_knows_is_passed_on_by_name(upstream: Callable[..., Upstream], scheme: str) -> None:
    proxy = upstream()
    answer = ask(f"{scheme}://127.0.0.1:{proxy.port}", "far.example", 8080)

    assert answer.startswith(CHOSEN + CONNECTED + b"HTTP/1.1 200")
    assert answer.endswith(b"hello")
    if scheme == "http":
        assert proxy.asked == [b"CONNECT far.example:8080 HTTP/1.1\r\nHost: far.example:8080\r\n\r\n"]
    else:
        assert proxy.asked == [GREETING, asking("far.example", 8080)]


def test_name_and_password_are_given(upstream: Callable[..., Upstream]) -> None:
    http, socks = upstream(), upstream()
    assert ask(f"http://us%40er:p%3Aw@127.0.0.1:{http.port}", "far.example", 80).endswith(b"hello")
    assert ask(f"socks5://us%40er:p%3Aw@127.0.0.1:{socks.port}", "far.example", 80).endswith(b"hello")

    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"us@er:p:w") in http.asked[0].split(b"\r\n")
    assert socks.asked[:2] == [b"\x05\x02\x00\x02", b"\x01\x05us@er\x03p:w"]


def test_literal_addresses_are_passed_on_as_such(upstream: Callable[..., Upstream]) -> None:
    http, socks = upstream(), upstream()
    for host in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"):
        assert ask(f"http://127.0.0.1:{http.port}", host, 80).endswith(b"hello")
        assert ask(f"socks5://127.0.0.1:{socks.port}", host, 80).endswith(b"hello")

    assert b"CONNECT [2606:2800:21f:cb07:6820:80da:af6b:8b2c]:80 HTTP/1.1" in http.asked[1]
    assert socks.asked[1] == b"\x05\x01\x00\x01\x5d\xb8\xd7\x0e\x00\x50"
    assert socks.asked[3][:5] == b"\x05\x01\x00\x04\x26"


@pytest.mark.parametrize("host", ["10.0.0.1", "::1", "localhost", "metadata.google.internal", "inside.example"])
def test_the_proxy_is_not_even_asked_for_what_is_refused(
    upstream: Callable[..., Upstream], settings: Settings, host: str
) -> None:
    settings.BROWSER_ALLOWED_PRIVATE_HOSTS = []
    proxy = upstream()
    answer = ask(f"http://127.0.0.1:{proxy.port}", host, 80, resolve=lambda name, port: ["10.0.0.1"])

    assert answer.startswith(CHOSEN + NOT_ALLOWED)
    assert proxy.asked == []


def test_nothing_is_asked_for_what_does_not_exist(upstream: Callable[..., Upstream]) -> None:
    proxy = upstream()

    assert ask(f"http://127.0.0.1:{proxy.port}", "updates.invalid", 443).startswith(CHOSEN + FAILED)
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("scheme", "answer", "words"),
    [
        ("http", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "does not accept the user name and password"),
        ("http", b"HTTP/1.1 403 Forbidden\r\n\r\n", "answered 403 for far.example:80"),
        ("http", b"nothing of HTTP\r\n\r\n", "no answer that HTTP knows"),
        ("http", b"HTTP/1.1 200", "no answer that HTTP knows"),
        ("http", b"HTTP/1.1 200 OK\r\nX: " + bytes(20_000), "no answer that HTTP knows"),
        ("socks5", b"", "hung up in the middle"),
        ("socks5", b"\x05\xff", "another way of signing in"),
        ("socks5", b"\x05\x02\x01\x01", "does not accept the user name and password"),
        ("socks5", b"\x05\x00\x05\x05\x00\x01", "did not reach far.example:80 (connection refused)"),
        ("socks5", b"\x05\x00\x05\x63\x00\x01", "did not reach far.example:80 (code 99)"),
        ("socks5", b"\x05\x00\x05\x00\x00\x01", "hung up in the middle"),
    ],
)
def test_what_the_proxy_says_is_told_without_the_password(
    upstream: Callable[..., Upstream], scheme: str, answer: bytes, words: str
) -> None:
    proxy = upstream(answer=answer)
    told = ask(f"{scheme}://someone:hunter2@127.0.0.1:{proxy.port}", "far.example", 80).decode("latin-1")

    assert told.encode("latin-1").startswith(CHOSEN + FAILED)
    assert f"the proxy 127.0.0.1:{proxy.port}" in told
    assert words in told
    assert "hunter2" not in told


def test_a_proxy_that_is_not_there_is_told() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        told = ask(f"http://127.0.0.1:{closed.getsockname()[1]}", "far.example", 80)
    assert b"is not reached (Connection refused)" in told


def test_a_proxy_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.browser_proxy.CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = ask(f"http://127.0.0.1:{silent.getsockname()[1]}", "far.example", 80)
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            port = full.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                assert b"TIMED_OUT" in ask(f"http://127.0.0.1:{port}", "far.example", 80)
    assert b"TIMED_OUT" in told


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy.example:3128", UpstreamProxy("http", "proxy.example", 3128)),
        ("http://proxy.example/", UpstreamProxy("http", "proxy.example", 80)),
        ("SOCKS5://[::1]", UpstreamProxy("socks5", "::1", 1080)),
        ("socks5://a:b%2F@proxy.example:1", UpstreamProxy("socks5", "proxy.example", 1, "a", "b/")),
    ],
)
def test_a_proxy_is_written_as_an_address(url: str, proxy: UpstreamProxy) -> None:
    assert read_upstream(url) == proxy
    assert "b/" not in repr(proxy)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy.example:3128",
        "https://proxy.example",
        "socks4://proxy.example",
        "http://",
        "http://a:hunter2@proxy.example:port",
        "http://a:hunter2@proxy.example/path",
        "http://a:hunter2@proxy.example?x",
        "http://a:hunter2" + "x" * 255 + "@proxy.example",
        "http://[a:hunter2",
    ],
)
def test_another_text_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="the proxy's") as refusal:
        read_upstream(url)
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None
