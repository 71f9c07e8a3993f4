"""The filtering proxy by itself: its protocol, and what becomes of connections."""

import asyncio
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pytest_django import Settings

from executor import browser_proxy
from executor.browser_proxy import FilteringProxy
from tests.inference.egress.places import Place, serving

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
GREETING = b"\x05\x01\x00"
CHOSEN = b"\x05\x00"
CONNECTED, FAILED, NOT_ALLOWED = (bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0]) for code in (0, 1, 2))
HELLO = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def asking(host: str, port: int) -> bytes:
    return b"\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + port.to_bytes(2, "big")


@asynccontextmanager
async def a_proxy(**kwargs: Any) -> AsyncIterator[FilteringProxy]:
    proxy = FilteringProxy(**kwargs)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()


@asynccontextmanager
async def a_client(proxy: FilteringProxy, *messages: bytes) -> AsyncIterator[tuple[Reader, Writer]]:
    host, _, port = proxy.address.removeprefix("socks5://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for message in messages:
            writer.write(message)
            await writer.drain()
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - looked at, because it happens at the other end
            await asyncio.sleep(0.01)


@pytest.fixture
def place() -> Iterator[Place]:
    with serving() as place:
        yield place


Serve = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _named(settings: Settings) -> None:
    settings.BROWSER_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.fixture
def serve() -> Iterator[Callable[[Serve], int]]:
    """A server that treats its one connection as it is told; its port."""
    threads: list[threading.Thread] = []
    listeners: list[socket.socket] = []

    def start(treat: Serve, host: str = "127.0.0.1", port: int = 0) -> int:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        listeners.append(listener)

        def run() -> None:
            with suppress(OSError):
                accepted, _ = listener.accept()
                with accepted:
                    accepted.settimeout(20)
                    treat(accepted)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(20)


# --- the protocol ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "a.localhost.", "0x7f.1"])
def test_a_name_that_is_permitted_is_connected_to(place: Place, host: str) -> None:
    async def run() -> bytes:
        async with a_proxy() as proxy, a_client(proxy, GREETING, asking(host, place.port)) as (reader, writer):
            assert await reader.readexactly(12) == CHOSEN + CONNECTED
            writer.write(HELLO)
            return await reader.read()

    assert asyncio.run(run()).endswith(b"hello")


def test_addresses_come_in_two_kinds(place: Place, settings: Settings) -> None:
    port = place.port.to_bytes(2, "big")

    async def run(asked: bytes) -> bytes:
        async with a_proxy() as proxy, a_client(proxy, GREETING, asked, HELLO) as (reader, _):
            return await reader.read()

    settings.BROWSER_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    assert asyncio.run(run(b"\x05\x01\x00\x01" + bytes([127, 0, 0, 1]) + port)).endswith(b"hello")
    one = b"\x05\x01\x00\x04" + bytes(15) + b"\x01" + port
    assert asyncio.run(run(one)) == CHOSEN + NOT_ALLOWED
    settings.BROWSER_ALLOWED_PRIVATE_HOSTS = ["::1"]
    with serving("::1", place.port):
        assert asyncio.run(run(one)).endswith(b"hello")


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_may_come_in_pieces_or_all_at_once(place: Place, size: int) -> None:
    everything = GREETING + asking("localhost", place.port) + HELLO
    pieces = [everything[at : at + size] for at in range(0, len(everything), size)]

    async def run() -> bytes:
        async with a_proxy() as proxy, a_client(proxy) as (reader, writer):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            return await reader.read()

    answer = asyncio.run(run())
    assert answer.startswith(CHOSEN + CONNECTED + b"HTTP/1.1 200")
    assert answer.endswith(b"hello")


@pytest.mark.parametrize(
    "messages",
    [
        [b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n"],
        [b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00"],
        [b"\x05\x01\x02"],  # a password is all it offers
        [GREETING, b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50"],  # to be connected to
        [GREETING, b"\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50"],  # UDP
        [GREETING, b"\x05\x01\x00\x02\x7f\x00\x00\x01\x00\x50"],  # no kind of address
        [GREETING, b"\x04\x01\x00\x01\x7f\x00\x00\x01\x00\x50"],
        [GREETING, b"\x05\x01\x00\x03\x02\xff\xfe\x00\x50"],  # not ASCII
    ],
)
def test_what_is_no_request_of_a_browser_is_hung_up_on(messages: list[bytes]) -> None:
    async def run() -> bytes:
        async with a_proxy() as proxy, a_client(proxy, *messages) as (reader, _):
            answer = b""
            with suppress(ConnectionResetError):
                while received := await reader.read(100):
                    answer += received
            await until(lambda: proxy.open_connections == 0)
            return answer

    assert asyncio.run(run()) in (b"", CHOSEN)


def test_one_that_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_proxy, "_HANDSHAKE_SECONDS", 0.05)

    async def run() -> None:
        async with a_proxy() as proxy, a_client(proxy) as (reader, _):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            await until(lambda: proxy.open_connections == 0)

    asyncio.run(run())


def test_one_that_hangs_up_in_the_middle_is_forgotten() -> None:
    async def run() -> None:
        async with a_proxy() as proxy:
            async with a_client(proxy, GREETING + b"\x05\x01") as (reader, writer):
                assert await reader.readexactly(2) == CHOSEN
                writer.write_eof()
                assert await reader.read() == b""
            await until(lambda: proxy.open_connections == 0)

    asyncio.run(run())


def test_other_users_of_the_machine_are_not_served(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    actual = os.geteuid()
    monkeypatch.setattr("executor.browser_proxy.os.geteuid", lambda: actual + 1)

    async def run() -> None:
        async with a_proxy() as proxy, a_client(proxy, GREETING) as (reader, _):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            assert proxy.open_connections == 0

    asyncio.run(run())


def test_a_mistake_in_the_proxy_leaves_no_browser_waiting() -> None:
    def resolve(name: str, port: int) -> Sequence[str]:
        raise ZeroDivisionError

    async def run() -> None:
        async with a_proxy(resolve=resolve) as proxy:
            async with a_client(proxy, GREETING, asking("a.example", 80)) as (reader, _), asyncio.timeout(15):
                with suppress(ConnectionResetError):
                    assert await reader.read() == CHOSEN
            await until(lambda: proxy.open_connections == 0)

    asyncio.run(run())


def test_a_kernel_that_does_not_say_whose_a_connection_is_changes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_proxy, "_NETLINK_SOCK_DIAG", 31)  # nobody's

    async def run() -> bytes:
        async with a_proxy() as proxy, a_client(proxy, GREETING, asking("localhost", place.port)) as (reader, _):
            return await reader.readexactly(12)

    assert asyncio.run(run()) == CHOSEN + CONNECTED


# --- refusals and failures ---------------------------------------------------------------------------------------


def answer_and_failure(host: str, port: int, **kwargs: Any) -> tuple[bytes, Any]:
    async def run() -> tuple[bytes, Any]:
        async with a_proxy(**kwargs) as proxy, a_client(proxy, GREETING, asking(host, port)) as (reader, _):
            answer = await reader.read()
            shown = f"[{host}]" if ":" in host else host
            return answer, proxy.failure_of(f"ws://{shown}:{port}/x")

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("10.0.0.1", "10.0.0.1 is a private address that BROWSER_ALLOWED_PRIVATE_HOSTS does not name"),
        ("::1", "::1 is a loopback address that"),
        ("metadata.google.internal", "never opened"),
        ("inside.example", "inside.example is at 10.0.0.1, a private address that"),
    ],
)
def test_a_refusal_is_remembered_with_its_reason(host: str, words: str) -> None:
    answer, failure = answer_and_failure(host, 80, resolve=lambda name, port: ["10.0.0.1"])

    assert answer == CHOSEN + NOT_ALLOWED
    assert failure.is_refusal
    assert words in failure.reason


def test_its_own_port_is_refused_to_pages() -> None:
    async def run() -> Any:
        async with a_proxy() as proxy:
            port = int(proxy.address.rpartition(":")[2])
            async with a_client(proxy, GREETING, asking("127.0.0.1", port)) as (reader, _):
                assert await reader.read() == CHOSEN + NOT_ALLOWED
            return proxy.failure_of(f"http://127.0.0.1:{port}/")

    assert asyncio.run(run()).reason.endswith("is this server's own")


def no_such_name(name: str, port: int) -> Sequence[str]:
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize("host", ["nowhere.example", "gone.invalid"])
def test_a_name_that_nobody_knows_is_a_failure(host: str) -> None:
    answer, failure = answer_and_failure(host, 80, resolve=no_such_name)

    assert answer == CHOSEN + FAILED
    assert (failure.reason, failure.is_refusal) == ("net::ERR_NAME_NOT_RESOLVED", False)


def test_a_failure_is_forgotten_when_it_is_over(place: Place, settings: Settings) -> None:
    answers = iter([["::1"], ["127.0.0.1"]])

    async def run() -> list[Any]:
        seen: list[Any] = []
        async with a_proxy(resolve=lambda name, port: next(answers)) as proxy:
            for _ in range(2):
                async with a_client(proxy, GREETING, asking("two.example", place.port)) as (reader, _writer):
                    await reader.readexactly(12)
                    seen.append(proxy.failure_of(f"http://two.example:{place.port}/"))
        return seen

    settings.BROWSER_ALLOWED_PRIVATE_HOSTS = ["two.example"]
    failed, connected = asyncio.run(run())
    assert failed.reason == "net::ERR_CONNECTION_REFUSED"
    assert connected is None


def test_the_first_address_of_two_is_not_waited_for_long(serve: Callable[..., int], settings: Settings) -> None:
    settings.BROWSER_ALLOWED_PRIVATE_HOSTS = ["two.example"]
    with socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=0) as silent:
        port = silent.getsockname()[1]
        serve(lambda accepted: accepted.sendall(b"second"), port=port)

        async def run() -> bytes:
            async with (
                a_proxy(resolve=lambda name, port: ["::1", "127.0.0.1"]) as proxy,
                a_client(proxy, GREETING, asking("two.example", port)) as (reader, _),
            ):
                return await reader.read()

        with socket.create_connection(("::1", port)):  # its queue is full now
            assert asyncio.run(run()) == CHOSEN + CONNECTED + b"second"


def test_a_name_is_looked_up_once_in_a_task(place: Place) -> None:
    asked: list[str] = []
    go_on = threading.Event()

    def resolve(name: str, port: int) -> Sequence[str]:
        asked.append(name)
        go_on.wait(20)
        return ["127.0.0.1"]

    request = asking("one.example", place.port)

    async def run() -> None:
        async with a_proxy(resolve=resolve) as proxy:
            async with a_client(proxy, GREETING, request), a_client(proxy, GREETING, request) as (reader, _):
                await until(lambda: len([task for task in asyncio.all_tasks() if "browser" in task.get_name()]) == 2)
                go_on.set()
                assert await reader.readexactly(12) == CHOSEN + CONNECTED
            async with a_client(proxy, GREETING, request) as (reader, _):
                assert await reader.readexactly(12) == CHOSEN + CONNECTED
            assert len(asked) == 1
            proxy.begin_task()
            async with a_client(proxy, GREETING, request) as (reader, _):
                assert await reader.readexactly(12) == CHOSEN + CONNECTED
            assert len(asked) == 2

    asyncio.run(run())


def test_a_look_up_whose_task_has_ended_is_nobodys() -> None:
    go_on = threading.Event()

    def resolve(name: str, port: int) -> Sequence[str]:
        go_on.wait(20)
        raise socket.gaierror(-2, "Name or service not known")

    async def run() -> None:
        async with a_proxy(resolve=resolve) as proxy, a_client(proxy, GREETING, asking("a.example", 80)) as (reader, _):
            await reader.readexactly(2)
            await until(lambda: proxy._running_look_ups)
            (look_up,) = proxy._running_look_ups.values()
            proxy.end_task()
            go_on.set()
            await until(look_up.done)
            await asyncio.sleep(0)
            assert proxy.failure_of("http://a.example/") is None

    asyncio.run(run())


def test_two_dead_addresses_are_one_failure(settings: Settings) -> None:
    settings.BROWSER_ALLOWED_PRIVATE_HOSTS = ["two.example"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        answer, failure = answer_and_failure("two.example", port, resolve=lambda name, port: ["::1", "127.0.0.1"])

    assert answer == CHOSEN + FAILED
    assert failure.reason == "net::ERR_CONNECTION_REFUSED"


def test_a_server_that_does_not_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_proxy, "CONNECT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        port = silent.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            answer, failure = answer_and_failure("127.0.0.1", port)

    assert answer == CHOSEN + FAILED
    assert failure.reason == "net::ERR_CONNECTION_TIMED_OUT"


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_proxy, "_MOST_REMEMBERED", 3)

    async def run() -> int:
        async with a_proxy(resolve=lambda name, port: ["10.0.0.1"]) as proxy:
            for number in range(10):
                async with a_client(proxy, GREETING, asking(f"n{number}.example", 80)) as (reader, _):
                    await reader.read()
            assert proxy.failure_of("http://n9.example/") is not None
            assert proxy.failure_of("no address") is None
            return len(proxy._failures)

    assert asyncio.run(run()) <= 3


# --- the bytes ---------------------------------------------------------------------------------------------------


def test_an_end_is_passed_on_and_the_other_direction_goes_on(serve: Callable[..., int]) -> None:
    def echo_at_the_end(accepted: socket.socket) -> None:
        received = b""
        while chunk := accepted.recv(1000):
            received += chunk
        accepted.sendall(b"got " + received)

    async def run(port: int) -> bytes:
        async with a_proxy() as proxy:
            async with a_client(proxy, GREETING, asking("127.0.0.1", port)) as (reader, writer):
                await reader.readexactly(12)
                writer.write(b"all of it")
                writer.write_eof()
                answer = await reader.read()
            await until(lambda: proxy.open_connections == 0)
            return answer

    assert asyncio.run(run(serve(echo_at_the_end))) == b"got all of it"


def test_a_server_may_end_first(serve: Callable[..., int]) -> None:
    received: list[bytes] = []

    def end_first(accepted: socket.socket) -> None:
        accepted.sendall(b"that was all")
        accepted.shutdown(socket.SHUT_WR)
        received.append(accepted.recv(1000))

    async def run(port: int) -> bytes:
        async with a_proxy() as proxy:
            async with a_client(proxy, GREETING, asking("127.0.0.1", port)) as (reader, writer):
                await reader.readexactly(12)
                said = await reader.read()
                writer.write(b"thanks")
                await writer.drain()
                await until(lambda: received)
            await until(lambda: proxy.open_connections == 0)
            return said

    assert asyncio.run(run(serve(end_first))) == b"that was all"
    assert received == [b"thanks"]


def test_a_reset_is_passed_on(serve: Callable[..., int]) -> None:
    def reset(accepted: socket.socket) -> None:
        accepted.recv(1)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def run(port: int) -> None:
        async with a_proxy() as proxy:
            async with a_client(proxy, GREETING, asking("127.0.0.1", port)) as (reader, writer):
                await reader.readexactly(12)
                writer.write(b"x")
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            await until(lambda: proxy.open_connections == 0)

    asyncio.run(run(serve(reset)))


TOTAL = 64 * 1024 * 1024


def test_a_slow_reader_holds_up_the_sender(serve: Callable[..., int]) -> None:
    sent = [0]

    def send_much(accepted: socket.socket) -> None:
        for _ in range(TOTAL // 65536):
            accepted.sendall(bytes(65536))
            sent[0] += 65536

    async def run(port: int) -> int:
        async with a_proxy() as proxy, a_client(proxy, GREETING, asking("127.0.0.1", port)) as (reader, _):
            await reader.readexactly(12)
            before = -1
            while before != sent[0]:  # until nothing moves anymore
                before = sent[0]
                await asyncio.sleep(0.2)
            held_up_at = sent[0]
            read = 0
            while chunk := await reader.read(1 << 20):
                read += len(chunk)
            assert read == TOTAL
            return held_up_at

    # What is on its way fits into the buffers of the kernel and of both ends.
    assert asyncio.run(run(serve(send_much))) < TOTAL / 2


async def send_all(writer: Writer) -> None:
    for _ in range(TOTAL // 65536):
        writer.write(bytes(65536))
        await writer.drain()


def test_a_slow_server_holds_up_the_browser(serve: Callable[..., int]) -> None:
    go_on = threading.Event()
    counted: list[int] = []

    def read_later(accepted: socket.socket) -> None:
        go_on.wait(20)
        count = 0
        while chunk := accepted.recv(1 << 20):
            count += len(chunk)
        counted.append(count)

    async def run(port: int) -> None:
        async with a_proxy() as proxy, a_client(proxy, GREETING, asking("127.0.0.1", port)) as (reader, writer):
            await reader.readexactly(12)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(send_all(writer), 0.5)
            go_on.set()
            await writer.drain()
            writer.write_eof()
            await until(lambda: counted)
        assert 65536 < counted[0] < TOTAL

    asyncio.run(run(serve(read_later)))


# --- the end of a task -------------------------------------------------------------------------------------------


def test_connections_end_with_their_task(serve: Callable[..., int]) -> None:
    ended = threading.Event()

    def wait_for_the_end(accepted: socket.socket) -> None:
        with suppress(ConnectionResetError):
            accepted.recv(1)
        ended.set()

    async def run(port: int) -> None:
        async with a_proxy() as proxy, a_client(proxy, GREETING, asking("127.0.0.1", port)) as (reader, _):
            await reader.readexactly(12)
            assert proxy.open_connections == 1
            proxy.end_task()
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            await until(lambda: proxy.open_connections == 0)
            await until(ended.is_set)

    asyncio.run(run(serve(wait_for_the_end)))


def test_one_that_is_still_being_made_ends_too() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        port = silent.getsockname()[1]

        async def run() -> list[str]:
            async with a_proxy() as proxy:
                async with a_client(proxy, GREETING, asking("127.0.0.1", port)) as (reader, _):
                    await reader.readexactly(2)
                    await until(lambda: any("connection of" in task.get_name() for task in asyncio.all_tasks()))
                    proxy.end_task()
                    with suppress(ConnectionResetError):
                        await reader.read()
                async with a_client(proxy, GREETING, asking("127.0.0.1", port)) as (reader, _):
                    await reader.readexactly(2)  # and one whose browser goes away
                await until(lambda: proxy.open_connections == 0)
                await asyncio.sleep(0)
                return [task.get_name() for task in asyncio.all_tasks() if "connection" in task.get_name()]

        with socket.create_connection(("127.0.0.1", port)):
            assert asyncio.run(run()) == []


def test_a_closed_proxy_can_be_started_again(place: Place) -> None:
    async def run() -> bytes:
        proxy = FilteringProxy()
        await proxy.close()  # one that never ran
        for _ in range(2):
            await proxy.start()
            await proxy.start()
            async with a_client(proxy, GREETING, asking("localhost", place.port)) as (reader, _):
                answer = await reader.readexactly(12)
            await proxy.close()
            with pytest.raises(ConnectionRefusedError):
                async with a_client(proxy):
                    raise AssertionError
        return answer

    assert asyncio.run(run()) == CHOSEN + CONNECTED
