"""Servers on loopback that count what reaches them, and misbehave where a path says so."""

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Place:
    """One address at one port. `requests` has the paths, `headers` what came with the last one."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[str] = []
        self.headers: dict[str, str] = {}
        self.hosts: set[str] = set()
        self.server_names: list[str] = []
        self.connections = 0
        self.hold = threading.Event()
        self._server = _make_server(self, host, port)
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.server_names.append(name)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def serving(*args: Any, **kwargs: Any) -> Iterator[Place]:
    place = Place(*args, **kwargs)
    try:
        yield place
    finally:
        place.stop()


def _make_server(place: Place, host: str, port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            place.connections += 1
            super().setup()

        def log_message(self, *args: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            place.requests.append(self.path)
            place.headers = dict(self.headers)
            place.hosts.add(self.headers.get("Host", ""))
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            _PATHS.get(path, _hello)(self, place, {name: values[-1] for name, values in query.items()})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        do_OPTIONS = do_POST  # noqa: N815 - the standard library's names

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients hang up in the middle; that is meant here."""

    return Server((host, port), Handler)


Query = dict[str, str]
Answer = Callable[[BaseHTTPRequestHandler, Place, Query], None]


def _send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def _hello(handler: BaseHTTPRequestHandler, place: Place, query: Query) -> None:
    _send(handler, b"hello", Content_Type="text/plain", Content_Disposition='attachment; filename="hello.txt"')


def _redirect(handler: BaseHTTPRequestHandler, place: Place, query: Query) -> None:
    _send(handler, b"", 302, Location=query["to"])


def _endless_redirect(handler: BaseHTTPRequestHandler, place: Place, query: Query) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/")
    handler.send_header("Content-Length", "1000000000")
    handler.end_headers()
    place.hold.wait(30)


def _dribble_headers(handler: BaseHTTPRequestHandler, place: Place, query: Query) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not place.hold.wait(0.05):
        handler.wfile.write(b"x")


def _dribble_body(handler: BaseHTTPRequestHandler, place: Place, query: Query) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while not place.hold.wait(0.05):
        handler.wfile.write(b"x")


def _large(handler: BaseHTTPRequestHandler, place: Place, query: Query) -> None:
    """Without a length that could be believed."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(bytes(10_000))


def _packed(handler: BaseHTTPRequestHandler, place: Place, query: Query) -> None:
    _send(handler, gzip.compress(bytes(2_000_000)), Content_Encoding="gzip")


def _say(handler: BaseHTTPRequestHandler, place: Place, query: Query) -> None:
    _send(handler, query["body"].encode(), Content_Type=query["type"])


_PATHS: dict[str, Answer] = {
    "/say": _say,
    "/redirect": _redirect,
    "/endless-redirect": _endless_redirect,
    "/dribble-headers": _dribble_headers,
    "/dribble-body": _dribble_body,
    "/large": _large,
    "/packed": _packed,
    "/missing": lambda handler, place, query: _send(handler, b"gone", 404),
    "/announced": lambda handler, place, query: _send(handler, bytes(2_000_000)),
}
