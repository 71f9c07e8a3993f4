"""The record of network calls: what an attempt's pages asked for and were answered since the last interaction began.

Only what the document will ask for is recorded: a document without `network_call` nodes costs nothing, and one with
them only the calls whose addresses may match. Bodies are read the moment that they are complete, and the browser is
told to keep them for that moment: by itself it forgets them with the page, and many a page leaves on an answer.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Request, Response

from automation import ActionNode, Automation, walk
from executor.errors import first_line

# A page that asks for something every second would reach this in half an hour without an interaction.
MAX_CALLS = 2_000
# Chromium itself keeps no body above some 10 MB for us.
MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_BODIES_BYTES = 32 * 1024 * 1024
# Types whose bodies are no text, so that nobody reads them (they may still be saved as files).
_BINARY = re.compile(r"(image/(?!svg)|audio/|video/|font/|application/(pdf|zip|wasm|font)\b)", re.IGNORECASE)
_IN_BRACES = re.compile(r"\{[^{}]*\}")

Kind = Literal["request", "response"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Calls that a node of the document will look for. What its placeholders will become is not known yet: all
    `pieces` of its pattern stand in the address."""

    pieces: tuple[str, ...]
    reads_bodies: bool = False
    saves_bodies: bool = False

    def may_match(self, url: str) -> bool:
        return all(piece in url for piece in self.pieces)


def wanted_calls(automation: Automation) -> list[Wanted]:
    """What the network nodes of a document will look for, wherever they stand in it."""
    found: list[Wanted] = []
    for _, node in walk(automation):
        extraction = node.extraction_action if isinstance(node, ActionNode) else None
        assertion = node.assertion_action if isinstance(node, ActionNode) else None
        if extraction is not None and (read := extraction.network_call) is not None:
            saves = read.download_from == "response" and bool(read.download_filename)
            reads = read.extract_from == "response"
            found.append(Wanted(_pieces(read.url_pattern), reads_bodies=reads, saves_bodies=saves))
        if assertion is not None and (check := assertion.network_call) is not None:
            found.append(Wanted(_pieces(check.url_pattern)))
    return found


def _pieces(pattern: str | None) -> tuple[str, ...]:
    return tuple(filter(None, _IN_BRACES.split(pattern or "")))


@dataclass(eq=False, slots=True)
class Call:
    """A request or a response, in the order of arrival. `body` is a response's, when it was read; else `missing`
    says why not."""

    kind: Kind
    request: Request
    response: Response | None = None
    body: bytes | None = None
    missing: str | None = None
    reading: "asyncio.Task[None] | None" = None

    @property
    def url(self) -> str:
        return self.request.url

    @property
    def content_type(self) -> str:
        return "" if self.response is None else self.response.headers.get("content-type", "")


class NetworkRecord:
    """The calls of one attempt. Its listeners are called by `Tabs`, for all pages and from the first one on."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self._wanted = tuple(wanted)
        self._calls: list[Call] = []
        self._body_bytes = 0
        self._arrived = asyncio.Event()
        self._preparing: set[asyncio.Task[None]] = set()
        # Calls that were recorded in all, and those since the last interaction that were too many.
        self.recorded = self.left_out = 0

    # --- what happens ----------------------------------------------------------------------------------------

    def on_page(self, page: Page) -> None:
        if any(wanted.reads_bodies or wanted.saves_bodies for wanted in self._wanted):
            task = asyncio.create_task(_keep_bodies(page), name="bodies of a page")
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)

    def on_request(self, request: Request) -> None:
        if self._wants(request.url):
            self._add(Call("request", request))

    def on_response(self, response: Response) -> None:
        if not self._wants(response.url):
            return
        call = Call("response", response.request, response)
        if self._add(call):
            self._begin_reading(call, response)

    def _wants(self, url: str) -> bool:
        # Chromium's PDF viewer asks for hundreds of chrome-extension: addresses.
        return url.startswith(("http:", "https:")) and any(wanted.may_match(url) for wanted in self._wanted)

    def _add(self, call: Call) -> bool:
        if len(self._calls) >= MAX_CALLS:
            self.left_out += 1
            return False
        self._calls.append(call)
        self.recorded += 1
        self._arrived.set()
        return True

    def clear(self) -> None:
        """An interaction begins: what was before it is forgotten."""
        for call in self._calls:
            if call.reading is not None:
                call.reading.cancel()
        self._calls.clear()
        self._body_bytes = self.left_out = 0

    def stop(self) -> None:
        """The attempt ends; nobody will ask anymore."""
        self.clear()
        for task in self._preparing:
            task.cancel()

    # --- bodies ----------------------------------------------------------------------------------------------

    def _begin_reading(self, call: Call, response: Response) -> None:
        """Only bodies that a node may ask for; a task each, since all are answered by the browser in their order."""
        mine = [wanted for wanted in self._wanted if wanted.may_match(call.url)]
        is_saved = any(wanted.saves_bodies for wanted in mine)
        is_read = any(wanted.reads_bodies for wanted in mine)
        announced = response.headers.get("content-length", "")
        if not is_saved and not (is_read and _BINARY.match(call.content_type) is None):
            return
        if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
            call.missing = f"its body of {announced} bytes is too large to be kept"
        elif self._body_bytes >= MAX_BODIES_BYTES:
            call.missing = "the bodies before it have used up the memory for them"
        else:
            call.reading = asyncio.create_task(self._read(call, response), name="body of a response")

    async def _read(self, call: Call, response: Response) -> None:
        try:
            body = await response.body()
        except PlaywrightError as error:
            call.missing = _why_missing(response, error)
            return
        if len(body) > MAX_BODY_BYTES:
            call.missing = f"its body of {len(body)} bytes is too large to be kept"
        elif self._body_bytes + len(body) > MAX_BODIES_BYTES:
            call.missing = "the bodies before it have used up the memory for them"
        else:
            call.body = body
            self._body_bytes += len(body)

    async def wait_for_bodies(self, calls: Iterable[Call], *, seconds: float) -> None:
        """Give the responses among `calls` that still come a moment to be complete."""
        reading = [call for call in calls if call.reading is not None]
        tasks = [call.reading for call in reading if call.reading is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for call in reading:
            if call.reading is not None and not call.reading.done():
                call.missing = f"it was not complete after {seconds:g} s"

    # --- looking ---------------------------------------------------------------------------------------------

    def matching(self, pattern: str | None) -> list[Call]:
        """The calls whose address contains `pattern`, in order; all of them for null."""
        return [call for call in self._calls if (pattern or "") in call.url]

    async def wait_for_more(self, *, than: int, seconds: float) -> bool:
        """Wait until more calls have ever been recorded than `than`; False when none came in time."""
        deadline = time.monotonic() + seconds
        while self.recorded <= than:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                return False
        return True


async def _keep_bodies(page: Page) -> None:
    """Have the browser itself hold the bodies of the page's responses, out of reach of its navigations.

    Source: https://chromedevtools.github.io/devtools-protocol/tot/Network/#method-enable (experimental; a browser
    that does not know it holds them as long as the page)
    """
    sizes = {"maxTotalBufferSize": MAX_BODIES_BYTES, "maxResourceBufferSize": MAX_BODY_BYTES}
    with contextlib.suppress(PlaywrightError):  # a page that is closed already
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable", {"enableDurableMessages": True, **sizes})


def _why_missing(response: Response, error: PlaywrightError) -> str:
    if 300 <= response.status < 400 or response.status == 204:
        return "an answer of this kind has no body"
    return f"the browser does not have its body anymore ({first_line(error)})"
