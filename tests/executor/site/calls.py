"""A second small site: an API and files, with a log of every request, its headers and its body."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

APP = """<!doctype html><title>App</title>
<button onclick="load('/json?by=button')">Load</button>
<button onclick="load('/json?by=first'); load('/json?by=second')">Load both</button>
<button onclick="send()">Send</button>
<button onclick="load('/hang')">Hang</button>
<button onclick="load('/files/slow.csv')">Load slowly</button>
<button onclick="load('/bytes')">Bytes</button>
<button onclick="load('/big?bytes=9000000')">Big</button>
<button onclick="setTimeout(() => load('/json?by=timer'), 400)">Later</button>
<button onclick="load('/json?by=leaving').then(() => location.href = '/plain')">Leave</button>
<input type="file" id="file"><button onclick="upload()">Upload</button>
<a href="/popup" target="_blank" rel="opener">Popup</a>
<a href="/files/slow.pdf" download>Slow file</a> <p id="out"></p>
<script>
async function load(path) { out.textContent = (await (await fetch(path)).arrayBuffer()).byteLength; }
async function send() { await fetch('/echo?by=page', {method: 'POST', body: '{"claim": "C-1"}',
  headers: {'Content-Type': 'application/json', 'X-Page': 'app'}}); out.textContent = 'sent'; }
async function upload() { const form = new FormData(); form.append('file', file.files[0]);
  await fetch('/uploaded', {method: 'POST', body: file.files[0], headers: {'X-Name': file.files[0].name}});
  out.textContent = 'uploaded'; }
</script>"""
FILES = """<!doctype html><title>Files</title>
<a href="/files/slow.csv" download>Slow</a> <a href="/cut.csv">Cut off</a>
<button onclick="load('/hidden.bin')">Load hidden</button>
<button onclick="load('/files/large.pdf')">Load large</button>
<button onclick="show('embed', 'src')">Embed</button> <button onclick="show('object', 'data')">Object</button>
<button onclick="show('iframe', 'src')">Frame</button>
<form action="/posted" method="post" target="_blank"><button>Print</button></form>
<a href="/endless.pdf" target="_blank">Endless</a> <a href="/files/slow.pdf" target="_blank">Slow letter</a>
 <a href="/files/letter.pdf">Letter</a>
<a href="/files/letter.pdf" download="saved.pdf">Save letter</a>
<select aria-label="Format" onchange="location.href = this.value"><option>None</option>
<option value="/attached.csv">CSV</option></select>
<ul><li><a href="/attached.csv?of=C-1">C-1</a></li><li><a href="/attached.csv?of=C-2">C-2</a></li></ul><p id="out"></p>
<script>
async function load(path) { out.textContent = (await (await fetch(path)).arrayBuffer()).byteLength; }
function show(tag, name) { const shown = document.createElement(tag); shown[name] = '/files/letter.pdf';
  shown.type = 'application/pdf'; document.body.append(shown); }
</script>"""
CLAIMS = b"claim,amount\nC-1,10\n"


@dataclass
class Request:
    """What came. Names of headers in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    pause_seconds: float = 0.0  # in the middle of the body
    missing_bytes: int = 0  # announced, and never sent
    is_endless: bool = False


def an_answer(value: Any) -> Answer:
    return Answer(json.dumps(value).encode(), "application/json")


class CallSite:
    """Serves on a free port of loopback. `requests` has them all, in order; `seen(path)` those of one path."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        # By path, for what only one test needs.
        self.files: dict[str, bytes] = {}
        # Paths that answer once.
        self.once: set[str] = set()
        self.stopping = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                """Quiet."""

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                parts = urlsplit(self.path)
                request = Request(
                    self.command,
                    parts.path,
                    {name: values[-1] for name, values in parse_qs(parts.query).items()},
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(length),
                )
                site.requests.append(request)
                answer = site.answer(request)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                if answer.is_endless:
                    self.send_header("Connection", "close")
                else:
                    self.send_header("Content-Length", str(len(answer.body) + answer.missing_bytes))
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.end_headers()
                half = len(answer.body) // 2
                self.wfile.write(answer.body[:half])
                self.wfile.flush()
                site.stopping.wait(answer.pause_seconds)
                self.wfile.write(answer.body[half:])
                if answer.is_endless:
                    self._write_on(answer.body)

            def _write_on(self, body: bytes) -> None:
                while not site.stopping.is_set():
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the library looks for these

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients hang up in the middle; that is no error here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="calls", daemon=True)
        self._thread.start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        # The same server by another name: another host for cookies.
        self.other_url = f"http://localhost:{self.port}"

    def seen(self, path: str) -> list[Request]:
        return [each for each in self.requests if each.path == path]

    def answer(self, request: Request) -> Answer:
        query = request.query
        if request.path in self.once and len(self.seen(request.path)) > 1:
            return Answer(b"gone", status=404)
        if request.path in self.files:
            pause = 1.5 if "slow" in request.path else 0.0
            kind = "application/pdf" if request.path.endswith("pdf") else "text/csv"
            return Answer(self.files[request.path], kind, pause_seconds=pause)
        match request.path:
            case "/app":
                return Answer(APP.encode())
            case "/files":
                return Answer(FILES.encode())
            case "/cut.csv":
                disposition = [("Content-Disposition", "attachment"), ("Connection", "close")]
                return Answer(CLAIMS, "text/csv", missing_bytes=10, headers=disposition)
            case "/attached.csv":
                disposition = [("Content-Disposition", f'attachment; filename="{query.get("of", "claims")}.csv"')]
                return Answer(CLAIMS, "text/csv", headers=disposition)
            case "/hidden.bin":
                disposition = [("Content-Disposition", 'attachment; filename="hidden letter.pdf"')]
                return Answer(b"%PDF-1.4 hidden", "application/octet-stream", headers=disposition)
            case "/posted":
                disposition = [("Content-Disposition", 'inline; filename="printed.pdf"')]
                return Answer(b"%PDF-1.4 posted", "application/pdf", headers=disposition)
            case "/endless.pdf":
                return Answer(b"%PDF-1.4 " + b"x" * 65536, "application/pdf", is_endless=True)
            case "/plain":
                return Answer(b"<!doctype html><title>Plain</title><h1>Plain</h1>")
            case "/popup":
                return Answer(
                    b"<title>Popup</title><button onclick='setTimeout(() => window.close(), 200)'>Close soon</button>"
                )
            case "/login":
                cookies = ["session=s3cret; Path=/", "deep=d; Path=/deep", "tls=t; Secure; Path=/"]
                return Answer(b"<h1>Signed in</h1>", headers=[("Set-Cookie", each) for each in cookies])
            case "/json":
                return an_answer({"by": query.get("by"), "n": len(self.seen("/json"))})
            case "/job":
                asked = len(self.seen("/job"))
                return an_answer(
                    {"status": "done" if asked >= int(query.get("after", 3)) else "running", "asked": asked}
                )
            case "/echo":
                return an_answer(
                    {
                        "method": request.method,
                        "headers": request.headers,
                        "body": request.body.decode(),
                        "query": query,
                    }
                )
            case "/redirect":
                headers = [("Location", query["to"])]
                if "cookie" in query:
                    headers.append(("Set-Cookie", query["cookie"]))
                return Answer(status=int(query.get("status", 302)), headers=headers)
            case "/loop":
                return Answer(status=302, headers=[("Location", "/loop")])
            case "/status":
                return Answer(b"no", "text/plain", status=int(query["code"]))
            case "/bytes":
                return Answer(bytes(range(256)), "application/octet-stream")
            case "/big":
                return Answer(b"x" * int(query["bytes"]), query.get("type", "text/plain"))
            case "/hang":
                self.stopping.wait(60)
                return Answer()
            case "/claims.csv":
                return Answer(CLAIMS, "text/csv")
            case "/export":
                return Answer(CLAIMS, "text/csv", headers=[("Content-Disposition", query["disposition"])])
            case "/bare":
                return Answer(CLAIMS, query.get("type", "text/csv"))
            case "/members.csv":
                is_member = "session=s3cret" in request.headers.get("cookie", "")
                return Answer(CLAIMS, "text/csv") if is_member else Answer(b"sign in", status=403)
            case "/empty" | "/uploaded":
                return Answer()
            case _:
                return Answer(b"<h1>Not found</h1>", status=404)

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
