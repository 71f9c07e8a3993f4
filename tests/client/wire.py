"""A server that says what a test tells it to, word for word, and remembers what it was asked."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from optexity_server import AsyncClient, Client

KEY = "opx_testtest_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
TASK = "01a20ca7-a37e-7b71-8a42-80e70c30098e"
OTHER_TASK = "01a20ca7-a37e-7b71-8a42-80e70c30098f"
ARTIFACT = "01a20cc0-0000-7b71-8a42-80e70c300001"
ACCEPTED = {"success": True, "message": "Task has been allocated", "task_id": TASK, "duplicate": False}


@dataclass
class Asked:
    """A request as it came; `body` is what its JSON says, or the bytes of another type."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """What is sent back. `cut`: the connection is closed before the announced end. `until`: not before that is set."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    until: threading.Event | None = None

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def refused(status: int, message: str = "No.", **headers: str) -> Reply:
    body = {"success": False, "message": message, "error": message}
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def hung_up() -> Reply:
    """The connection is closed without a word."""
    return Reply(0)


def stream(*events: str, status: int = 200) -> Reply:
    """Server-sent events, and the end of the connection."""
    return Reply(status, "".join(events).encode(), {"Content-Type": "text/event-stream"}, cut=True)


def event(number: int, name: str, **data: Any) -> str:
    told = {"task_id": TASK, "at": "2026-11-24T11:24:15.013000+00:00", **data}
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(told)}\n\n"


def task(status: str = "success", **fields: Any) -> dict[str, Any]:
    return {"task_id": TASK, "endpoint_name": "claims-status", "status": status, "error": None, **fields}


def _told(body: bytes, content_type: str) -> Any:
    if not body:
        return None
    return json.loads(body) if content_type == "application/json" else body


class Wire:
    """The server. `replies` are used up in order; `routes` answer whenever no reply is left."""

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.routes: dict[tuple[str, str], Reply | Callable[[Asked], Reply]] = {}
        self.asked: list[Asked] = []
        self.unexpected: list[Asked] = []
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def answer(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                asked = Asked(
                    self.command,
                    parts.path,
                    dict(parse_qsl(parts.query, keep_blank_values=True)),
                    {name.lower(): value for name, value in self.headers.items()},
                    _told(body, self.headers.get("Content-Type") or ""),
                )
                self.send(wire.reply_to(asked))

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names of http.server

            def send(self, reply: Reply) -> None:
                if reply.until is not None:
                    reply.until.wait(20)
                if reply.cut or not reply.status:
                    self.close_connection = True
                if not reply.status:
                    return
                content = reply.content()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                is_stream = reply.headers.get("Content-Type") == "text/event-stream"
                if is_stream:
                    self.send_header("Connection", "close")
                elif "Content-Length" not in reply.headers:
                    self.send_header("Content-Length", str(len(content) * 2 if reply.cut else len(content)))
                with suppress(ConnectionError):  # who asked may have had enough
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def reply_to(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if self.replies:
            return self.replies.popleft()
        route = self.routes.get((asked.method, asked.path))
        if route is None:
            self.unexpected.append(asked)
            return refused(418, "The test expects no such request.")
        return route(asked) if callable(route) else route

    def says(self, *replies: Reply) -> None:
        self.replies.extend(replies)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def do(kind: str, url: str, act: Callable[[Any], Any], **options: Any) -> Any:
    """What `act` gets from a client of this kind: awaited, and made a list if it is a series."""
    options = {"key": KEY, **options}
    if kind == "blocking":
        with Client(url, **options) as client:
            result = act(client)
            return list(result) if isinstance(result, Iterator) else result
    return asyncio.run(_do(url, act, options))


async def _do(url: str, act: Callable[[Any], Any], options: dict[str, Any]) -> Any:
    async with AsyncClient(url, **options) as client:
        result = act(client)
        return [each async for each in result] if isinstance(result, AsyncIterator) else await result


def paths(asked: Sequence[Asked]) -> list[str]:
    return [f"{each.method} {each.path}" for each in asked]
