"""Files that the site sends: attachments, PDFs that open in a tab or frame, blobs. Each is kept once.

Chromium's own downloads are Playwright's `download` events. A PDF that would open in the viewer is taken from the
response on its way into the browser (one request, so one-time links work), and then shown as before.
"""

import asyncio
import base64
import contextlib
import logging
import re
import shutil
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from playwright.async_api import CDPSession, Download, Page, Response
from playwright.async_api import Error as PlaywrightError

from executor import artifacts
from executor.errors import (
    ActionError,
    AutomationError,
    DiskFullError,
    DownloadMissingError,
    first_line,
    is_disk_full,
    is_gone,
)
from executor.fetching import fetch_file, outgoing_of

logger = logging.getLogger(__name__)

# Above this a PDF is replaced in the tab by a short page: it would have to go through two pipes as base64.
SHOWN_MAX_BYTES = 16 * 1024 * 1024
_READ_BYTES = 1024 * 1024
# Seconds for what has begun when the time for an expected download is over.
_BEGUN_SECONDS = 30.0
# Several files of one act come together; after the first one, this long without another ends the wait.
_TOGETHER_SECONDS = 0.25
# The same bytes as a response and as a download (a page that fetches a PDF and then saves it) are one file.
_SAME_FILE_SECONDS = 60.0
# Of a file that the browser itself could not write it says "canceled", and the part that was written is gone again: the
# disk is looked at while it comes. Less room than this is none.
_LOOK_AT_DISK_SECONDS = 0.1
_NO_ROOM_BYTES = 1024 * 1024
_PDF = "application/pdf"
_STAND_IN = "<!doctype html><title>PDF</title><p>This PDF was saved; it is too large to be shown here.</p>"
_NOT_KEPT = "<!doctype html><title>PDF</title><p>This PDF could not be saved.</p>"
_LEFT_OUT = "<!doctype html><title>PDF</title><p>This PDF is larger than ARTIFACT_MAX_MB, and was not saved.</p>"
# A constant function: a blob lives in the page, and leaves it in pieces.
_OPEN_BLOB = "async address => (await fetch(address)).blob()"
_READ_BLOB = """([blob, from, to]) => new Promise((done, fail) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
  reader.onerror = () => fail(reader.error);
  reader.readAsDataURL(blob.slice(from, to));
})"""

Report = Callable[[str, dict[str, Any]], None]


@dataclass(eq=False, slots=True)
class ArrivedFile:
    """A file that is here, in the attempt's own folder.

    `claimed`: a step has given it its final name. `superseded`: the same bytes came again, and count in its place.
    `act`: how many acts had expected files when it came.
    """

    suggested_name: str
    url: str
    path: Path
    size_bytes: int
    sha256: str
    content_type: str
    source: str  # "download", "response", or "fetched" by the server itself
    act: int
    arrived_at: float = field(default_factory=time.monotonic)
    claimed: bool = False
    is_stored: bool = False
    superseded: bool = False

    @property
    def name(self) -> str:
        """Its final name, once it has one, else the site's."""
        return self.path.name if self.is_stored else self.suggested_name


class Downloads:
    """All files of one attempt, in the order of their arrival."""

    def __init__(self, *, folder: Path, report: Report) -> None:
        self._folder = folder
        self._report = report
        self._running: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.arrived: list[ArrivedFile] = []
        # Counts downloads, PDF responses and new tabs: the signs that a file may be on its way.
        self.begun = 0
        self._acts = 0
        # What went wrong with one of them, and how many had begun by then.
        self._failures: list[tuple[int, str]] = []
        # Sizes that responses have announced, by address.
        self._announced: dict[str, int] = {}
        self._disk_full: DiskFullError | None = None

    # --- what begins them ------------------------------------------------------------------------------------

    def expect(self) -> None:
        """An act begins that expects a file: what came before is not its file, though it may be the same."""
        self._acts += 1

    def on_new_tab(self) -> None:
        self.begun += 1

    def on_download(self, download: Download) -> None:
        self._start(self._keep_download(download))

    def on_response(self, response: Response, pages: Sequence[Page]) -> None:
        """A PDF that a script fetched, or one that a blob brings into a tab. Documents are intercepted instead.

        `pages`: those that are open, one of which made the blob.
        """
        if not _announces_pdf(response.headers):
            return
        is_document = response.request.resource_type == "document"
        if response.url.startswith("blob:") and is_document:
            self._start(self._keep_blob(response.url, pages))
        elif response.url.startswith(("http:", "https:")) and not is_document and response.ok:
            self._start(self._keep_body(response, pages))

    def on_document(self, session: CDPSession, event: dict[str, Any]) -> Coroutine[Any, Any, None]:
        """What to do with a paused response of a document (Fetch.requestPaused)."""
        headers = {each["name"].lower(): each["value"] for each in event.get("responseHeaders", ())}
        if headers.get("content-length", "").isdecimal():
            self._announced[event["request"]["url"]] = int(headers["content-length"])
        is_pdf = headers.get("content-type", "").split(";")[0].strip().lower() == _PDF
        is_attachment = headers.get("content-disposition", "").strip().lower().startswith("attachment")
        if event.get("responseStatusCode") != 200 or not is_pdf or is_attachment:
            return let_through(session, event)
        return self._tracked(self._keep_document(session, event, headers))

    # --- how they are kept -----------------------------------------------------------------------------------

    async def _keep_download(self, download: Download) -> None:
        self._report("download", {"state": "began", "name": download.suggested_filename, "url": download.url})
        try:
            path = await self._written_by_browser(download)
        except PlaywrightError as error:
            self._failed(download.url, first_line(error))
            return
        target = self.new_path()
        # Playwright's copy goes away with the context.
        await asyncio.to_thread(_link_or_copy, path, target)
        name = download.suggested_filename
        await self._arrive(target, name=name, url=download.url, source="download")

    async def _written_by_browser(self, download: Download) -> Path:
        """Where the browser has put it. Raises DiskFullError when it found no room, or PlaywrightError."""
        free = _free_bytes(self._folder)
        arriving = asyncio.ensure_future(download.path())
        try:
            while not (await asyncio.wait({arriving}, timeout=_LOOK_AT_DISK_SECONDS))[0]:
                free = min(free, _free_bytes(self._folder))
            return await arriving
        except PlaywrightError as error:
            free = min(free, _free_bytes(self._folder))
            if not is_gone(error) and free < max(_NO_ROOM_BYTES, self._announced.get(download.url, 0)):
                raise DiskFullError from error
            raise
        finally:
            arriving.cancel()

    async def _keep_document(self, session: CDPSession, event: dict[str, Any], headers: dict[str, str]) -> None:
        request, url = event["requestId"], event["request"]["url"]
        target, limit = self.new_path(), artifacts.max_bytes()
        try:
            taken = await session.send("Fetch.takeResponseBodyAsStream", {"requestId": request})
            size = await _read_stream(session, taken["stream"], target, max_bytes=limit)
            if size <= SHOWN_MAX_BYTES and size <= limit:
                shown = await asyncio.to_thread(target.read_bytes)
                kept = [each for each in event["responseHeaders"] if each["name"].lower() not in _REPLACED_HEADERS]
                answer = _answer(request, shown, kept)
            else:
                answer = _stand_in(request, _STAND_IN if size <= limit else _LEFT_OUT)
            await session.send("Fetch.fulfillRequest", answer)
        except PlaywrightError as error:
            # The tab was closed or went elsewhere in the middle.
            self._failed(url, first_line(error))
            return
        except OSError:
            # The page is not kept waiting for what will not come, and does not ask for it again.
            with contextlib.suppress(PlaywrightError):
                await session.send("Fetch.fulfillRequest", _stand_in(request, _NOT_KEPT))
            raise
        if size > limit:
            await asyncio.to_thread(target.unlink)
            self._failed(url, "it is larger than ARTIFACT_MAX_MB")
            return
        name = disposition_filename(headers.get("content-disposition", "")) or _name_in(url)
        await self._arrive(target, name=name, url=url, source="response")

    async def _keep_body(self, response: Response, pages: Sequence[Page]) -> None:
        target = self.new_path()
        try:
            body = await response.body()
        except PlaywrightError:
            # Too large for the browser to remember, or its page is gone.
            if response.request.method != "GET" or not pages or not await self._fetch_again(response, pages, target):
                return
        else:
            await asyncio.to_thread(target.write_bytes, body)
        name = disposition_filename(response.headers.get("content-disposition", "")) or _name_in(response.url)
        await self._arrive(target, name=name, url=response.url, source="response")

    async def _fetch_again(self, response: Response, pages: Sequence[Page], target: Path) -> bool:
        try:
            await fetch_file(await outgoing_of(response.request), pages[-1], target)
        except (ActionError, AutomationError) as error:
            self._failed(response.url, str(error))
            return False
        return True

    async def _keep_blob(self, url: str, pages: Sequence[Page]) -> None:
        """Read the blob in the page that made it: the viewer's own answer is HTML."""
        target = self.new_path()
        origin = url.removeprefix("blob:").split("/")[2:3]
        for page in [each for each in reversed(pages) if each.url.split("/")[2:3] == origin]:
            try:
                blob = await page.evaluate_handle(_OPEN_BLOB, url)
                size = int(await blob.evaluate("blob => blob.size"))
                with target.open("wb") as file:
                    for start in range(0, size, _READ_BYTES):
                        piece = await page.evaluate(_READ_BLOB, [blob, start, start + _READ_BYTES])
                        file.write(base64.b64decode(piece))
            except PlaywrightError:
                continue
            await self._arrive(target, name=f"{uuid.uuid4()}.pdf", url=url, source="response")
            return
        self._failed(url, "the page let go of the blob")

    async def _arrive(self, path: Path, *, name: str, url: str, source: str) -> None:
        size, digest = await asyncio.to_thread(artifacts.checksum, path)
        if source == "response" and not await asyncio.to_thread(_is_pdf, path):
            await asyncio.to_thread(path.unlink)
            return
        twin = self._twin_of(digest, source)
        if twin is not None and twin.act == self._acts:
            await asyncio.to_thread(path.unlink)
            if source == "download" and not twin.claimed:
                twin.suggested_name = name  # the site's name for it is better than one from an address
            return
        if twin is not None and not twin.claimed:
            # It came before anybody asked for it, and an act that waits for it has made it come again.
            twin.claimed = twin.superseded = True
        content_type = _PDF if source == "response" else artifacts.content_type_of(name)
        self._add(ArrivedFile(name, url, path, size, digest, content_type, source, self._acts))

    def _add(self, file: ArrivedFile) -> None:
        self.arrived.append(file)
        told = {"name": file.suggested_name, "bytes": file.size_bytes, "url": file.url}
        self._report("download", {"state": "arrived", **told})

    async def add_fetched(self, path: Path, *, name: str, url: str, content_type: str) -> ArrivedFile:
        """Count a file that the server fetched itself. One that a page has shown already is the same file."""
        size, digest = await asyncio.to_thread(artifacts.checksum, path)
        for file in self.arrived:
            if file.sha256 == digest and not file.claimed:
                await asyncio.to_thread(path.unlink)
                return file
        file_type = artifacts.content_type_of(name, given=content_type)
        file = ArrivedFile(name, url, path, size, digest, file_type, "fetched", self._acts)
        self._add(file)
        return file

    @property
    def files(self) -> list[ArrivedFile]:
        """What has arrived, each file once, in order."""
        return [file for file in self.arrived if not file.superseded]

    def _twin_of(self, digest: str, source: str) -> ArrivedFile | None:
        """The newest file with the same bytes that came the other way (as a response, or as a download), or before the
        present act."""
        recently = time.monotonic() - _SAME_FILE_SECONDS
        for file in reversed(self.arrived):
            is_another = file.sha256 != digest or file.source == "fetched" or file.superseded
            may_be_it = file.source != source or file.act != self._acts
            if not is_another and may_be_it and file.arrived_at > recently:
                return file
        return None

    def new_path(self) -> Path:
        """A free place in the attempt's folder."""
        return self._folder / uuid.uuid4().hex

    def _failed(self, url: str, reason: str) -> None:
        self._failures.append((self.begun, reason))
        self._report("download", {"state": "failed", "url": url, "error": reason})

    # --- waiting ---------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self.begun += 1
        task = asyncio.create_task(work, name="download")
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            if is_disk_full(error):
                error = DiskFullError()
            if isinstance(error, DiskFullError):
                self._disk_full = error
            self._report("download", {"state": "failed", "error": str(error)})

    def raise_if_full(self) -> None:
        """Raises DiskFullError when a file could not be kept for want of room: nothing more may be done as if it
        were there."""
        if self._disk_full is not None:
            raise DiskFullError(str(self._disk_full)) from self._disk_full

    async def _tracked(self, work: Coroutine[Any, Any, None]) -> None:
        self._start(work)

    async def wait_for_files(self, *, after: int, begun_before: int, seconds: float) -> list[ArrivedFile]:
        """The files that arrived after the first `after` ones, as soon as one is there and no other is coming.

        Raises DownloadMissingError when none comes in `seconds` (and half a minute more if something had begun), and
        DiskFullError.
        """
        deadline, was_extended = time.monotonic() + seconds, False
        while len(self.arrived) <= after:
            self.raise_if_full()
            if (left := deadline - time.monotonic()) > 0:
                await self._wait_for_change(left)
            elif not was_extended and self.begun - begun_before > self._failed_since(begun_before):
                deadline, was_extended = time.monotonic() + _BEGUN_SECONDS, True
            else:
                failures = {reason for begun, reason in self._failures if begun > begun_before}
                why = f" ({'; '.join(sorted(failures))})" if failures else ""
                raise DownloadMissingError(f"expected download did not arrive within {seconds:g} s{why}")
        await self._wait_until_idle(_BEGUN_SECONDS, quiet=_TOGETHER_SECONDS)
        self.raise_if_full()
        return self.arrived[after:]

    def _failed_since(self, begun_before: int) -> int:
        return sum(begun > begun_before for begun, _ in self._failures)

    async def wait_for_count(self, count: int, *, seconds: float) -> bool:
        """Wait until `count` files are here and none is on its way; whether so many came.

        Files that are on their way when the time is over have half a minute more. Raises DiskFullError.
        """
        deadline = time.monotonic() + seconds
        while (len(self.files) < count or self._running) and (left := deadline - time.monotonic()) > 0:
            self.raise_if_full()
            await self._wait_for_change(left)
        await self._wait_until_idle(_BEGUN_SECONDS, quiet=0.0)
        self.raise_if_full()
        if self._running:
            self._report("note", {"text": f"{len(self._running)} downloads were still running at the end"})
        return len(self.files) >= count

    async def wait_for_running(self, *, seconds: float) -> None:
        """Give files that are on their way so long to arrive. Raises DiskFullError."""
        await self._wait_until_idle(seconds, quiet=0.0)
        self.raise_if_full()

    async def _wait_until_idle(self, seconds: float, *, quiet: float) -> None:
        deadline = time.monotonic() + seconds
        seen = -1
        while time.monotonic() < deadline and (self._running or seen != self.begun):
            seen = self.begun
            await self._wait_for_change(max(quiet, deadline - time.monotonic()) if self._running else quiet)

    async def _wait_for_change(self, seconds: float) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def stop(self) -> None:
        for task in set(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


# The body that is handed back is neither compressed nor as long as the one that was sent.
_REPLACED_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})


async def let_through(session: CDPSession, event: dict[str, Any]) -> None:
    """Give a paused response to the page unchanged."""
    # The request may have been cancelled meanwhile; then there is nothing to continue.
    with contextlib.suppress(PlaywrightError):
        await session.send("Fetch.continueResponse", {"requestId": event["requestId"]})


def _stand_in(request: str, page: str) -> dict[str, Any]:
    return _answer(request, page.encode(), [{"name": "Content-Type", "value": "text/html"}])


def _answer(request: str, body: bytes, headers: list[dict[str, str]]) -> dict[str, Any]:
    encoded = base64.b64encode(body).decode()
    return {"requestId": request, "responseCode": 200, "responseHeaders": headers, "body": encoded}


async def _read_stream(session: CDPSession, stream: str, target: Path, *, max_bytes: int) -> int:
    """Write what comes to `target`; its size. Reading ends when it is more than `max_bytes`."""
    size = 0
    with target.open("wb") as file:
        while True:
            piece = await session.send("IO.read", {"handle": stream, "size": _READ_BYTES})
            data = base64.b64decode(piece["data"]) if piece.get("base64Encoded") else piece["data"].encode()
            size += file.write(data)
            if piece["eof"] or size > max_bytes:
                break
    with contextlib.suppress(PlaywrightError):
        await session.send("IO.close", {"handle": stream})
    return size


def disposition_filename(disposition: str) -> str | None:
    """The file name in a Content-Disposition header; the extended form wins (RFC 6266)."""
    if extended := re.search(r"filename\*\s*=\s*[\w-]+'[^']*'([^;]+)", disposition, re.IGNORECASE):
        return unquote(extended[1].strip()) or None
    if quoted := re.search(r'filename\s*=\s*"((?:\\.|[^"\\])*)"', disposition, re.IGNORECASE):
        return re.sub(r"\\(.)", r"\1", quoted[1]) or None
    if plain := re.search(r"filename\s*=\s*([^;\s]+)", disposition, re.IGNORECASE):
        return plain[1]
    return None


def _announces_pdf(headers: dict[str, str]) -> bool:
    """By its type, or by being an attachment with such a name."""
    disposition = headers.get("content-disposition", "").strip().lower()
    is_attachment = disposition.startswith("attachment") and ".pdf" in disposition
    return is_attachment or headers.get("content-type", "").split(";")[0].strip().lower() == _PDF


def _name_in(url: str) -> str:
    """The last part of the address's path when it looks like a PDF's name, else an own name."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return name if name.lower().endswith(".pdf") else f"{uuid.uuid4()}.pdf"


def _is_pdf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"%PDF-"


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        with source.open("rb") as reader, target.open("wb") as writer:
            while chunk := reader.read(_READ_BYTES):
                writer.write(chunk)
