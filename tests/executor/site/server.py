"""A small site of the tests' own: pages by path, some slow, some files, and a log of what was asked for."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.executor.site import list_pages, overlay_pages, pages, pointing_pages

Headers = dict[str, str]


@dataclass
class Answer:
    body: bytes
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Headers = field(default_factory=dict)


Query = dict[str, str]
Page = Callable[[Query], Answer]


class Site:
    """Serves on a free port of loopback. `requests` has every path with its query, in order."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.stopping = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                site.requests.append(self.path)
                parts = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                if parts.path == "/stream":
                    self._stream()
                    return
                answer = site.answer(parts.path, query)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(answer.body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def _stream(self) -> None:
                """An event stream that never ends by itself."""
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                try:
                    while not site.stopping.wait(0.2):
                        self.wfile.write(b"data: tick\n\n")
                        self.wfile.flush()
                except OSError:
                    return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Browsers hang up in the middle; that is no error here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="site", daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, query: Query) -> Answer:
        page = ROUTES.get(path)
        return page(query) if page else Answer(b"<h1>Not found</h1>", status=404)

    def asked_for(self, path: str) -> int:
        """How often `path` was asked for, with any query."""
        return sum(urlsplit(each).path == path for each in self.requests)

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def html(text: str) -> Page:
    body = text.encode()
    return lambda query: Answer(body)


def _after(seconds: float, answer: Answer) -> Answer:
    time.sleep(seconds)
    return answer


def _file(name: str, body: bytes, content_type: str, *, inline: bool = False) -> Page:
    disposition = f'{"inline" if inline else "attachment"}; filename="{name}"'
    return lambda query: Answer(body, content_type, headers={"Content-Disposition": disposition})


ROUTES: dict[str, Page] = {
    **{path: html(text) for path, text in (pointing_pages.PAGES | overlay_pages.PAGES).items()},
    **{path: html(text) for path, text in list_pages.PAGES.items()},
    "/": html(pages.HOME),
    "/form": html(pages.FORM),
    "/second": html(pages.SECOND),
    "/late": html(pages.LATE),
    "/late-rows": lambda query: _after(0.8, Answer(pages.ROWS.encode())),
    "/hung": lambda query: _after(30, Answer(b"")),
    "/streaming": html(pages.STREAMING),
    "/polling": html(pages.POLLING),
    "/poll": lambda query: _after(20, Answer(b"{}", "application/json")),
    "/animated": html(pages.ANIMATED),
    "/rendered": html(pages.RENDERED),
    "/frames": html(pages.FRAMES),
    "/frame": html(pages.FRAME),
    "/covered": html(pages.COVERED),
    "/busy": html(pages.BUSY),
    "/files": html(pages.FILES),
    "/report.csv": _file("report.csv", pages.CSV, "text/csv"),
    "/letter.pdf": lambda query: Answer(pages.PDF, "application/pdf"),
    "/named.pdf": _file("summary of visit.pdf", pages.PDF_2, "application/pdf", inline=True),
    "/attached.pdf": _file("attached.pdf", pages.PDF, "application/pdf"),
    "/empty.csv": _file("empty.csv", b"", "text/csv"),
    "/huge.bin": lambda query: Answer(
        bytes(pages.HUGE_BYTES), "application/octet-stream", headers={"Content-Disposition": "attachment"}
    ),
    "/evil.csv": _file("..%2f..%2fevil.csv", pages.CSV, "text/csv"),
    "/slow": lambda query: _after(float(query.get("seconds", "1")), Answer(b"<h1>Slow</h1>")),
    "/broken": lambda query: Answer(b"<h1>Broken</h1>", status=500),
    "/dialogs": html(pages.DIALOGS),
    "/noisy": html(pages.NOISY),
    "/long": html(pages.LONG),
    "/box": html(pages.BOX),
    "/table": html(pages.TABLE),
    "/keys": html(pages.KEYS),
    "/tampered": html(pages.TAMPERED),
    "/unsaved": html(pages.UNSAVED),
    "/ip.json": lambda query: Answer(b'{"ip": "203.0.113.7", "country": "DE"}', "application/json"),
    "/cookie": lambda query: Answer(b"<h1>Cookie</h1>", headers={"Set-Cookie": "session=cookie-secret; Path=/"}),
    "/echo": lambda query: Answer(f"<!doctype html><title>Echo</title><script>{query['script']}</script>".encode()),
    "/tangled": html(pages.TANGLED),
    "/tangled.css": lambda query: Answer(pages.TANGLED_STYLES, "text/css"),
}
