"""The last console lines and requests of an attempt's pages, for the step that fails.

While all goes well an entry costs an append; its texts are read, masked and cut when they are asked for.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

from playwright.async_api import ConsoleMessage, Request, Response, WebError
from playwright.async_api import Error as PlaywrightError

MAX_CONSOLE_LINES = 40
MAX_REQUESTS = 60
# Requests that are not answered yet; more than that are streams and polls of a page that opens ever new ones.
_MAX_OPEN = 500
_LONGEST_TEXT = 300


class ConsoleLine(TypedDict):
    """`at_ms` is relative to the beginning of the step; what was there before has a negative one."""

    at_ms: int
    type: str
    text: str
    url: str


class RequestLine(TypedDict):
    """One request. `status` is None without an answer, `duration_ms` while it is open."""

    at_ms: int
    method: str
    url: str
    type: str
    status: int | None
    duration_ms: int | None
    failure: str | None


@dataclass(slots=True, eq=False)
class _Exchange:
    request: Request
    began: float
    ended: float | None = None
    response: Response | None = None
    failure: str | None = None


class PageLog:
    """Feed it Playwright's events; ask it when a step has failed."""

    def __init__(self) -> None:
        self._console: deque[tuple[float, ConsoleMessage | WebError]] = deque(maxlen=MAX_CONSOLE_LINES)
        self._exchanges: deque[_Exchange] = deque(maxlen=MAX_REQUESTS)
        self._open: dict[Request, _Exchange] = {}

    # --- what happens ----------------------------------------------------------------------------------------

    def on_console(self, message: ConsoleMessage | WebError) -> None:
        self._console.append((time.monotonic(), message))

    def on_request(self, request: Request) -> None:
        # The PDF viewer asks for hundreds of addresses of its own, and data: addresses are whole files.
        if not request.url.startswith(("http:", "https:")):
            return
        exchange = _Exchange(request, time.monotonic())
        self._exchanges.append(exchange)
        if len(self._open) >= _MAX_OPEN:
            del self._open[next(iter(self._open))]
        self._open[request] = exchange

    def on_response(self, response: Response) -> None:
        if (exchange := self._open.get(response.request)) is not None:
            exchange.response = response

    def on_request_ended(self, request: Request, *, failure: str | None) -> None:
        if (exchange := self._open.pop(request, None)) is not None:
            exchange.ended, exchange.failure = time.monotonic(), failure

    # --- what is kept ----------------------------------------------------------------------------------------

    def console_lines(self, *, since: float, step_began: float, mask: Callable[[str], str]) -> list[ConsoleLine]:
        """What pages wrote since `since`, oldest first. Instants are like time.monotonic()."""
        found: list[ConsoleLine] = []
        for at, message in self._console:
            if at >= since:
                with_type = _console_texts(message)
                found.append(
                    ConsoleLine(
                        at_ms=_milliseconds(at - step_began),
                        type=with_type[0],
                        text=mask(with_type[1])[:_LONGEST_TEXT],
                        url=mask(with_type[2])[:_LONGEST_TEXT],
                    )
                )
        return found

    def request_lines(self, *, since: float, step_began: float, mask: Callable[[str], str]) -> list[RequestLine]:
        """The requests that began, were open or ended since `since`, oldest first."""
        return [
            RequestLine(
                at_ms=_milliseconds(each.began - step_began),
                method=each.request.method,
                url=mask(each.request.url)[:_LONGEST_TEXT],
                type=each.request.resource_type,
                status=None if each.response is None else each.response.status,
                duration_ms=None if each.ended is None else _milliseconds(each.ended - each.began),
                failure=None if each.failure is None else mask(each.failure)[:_LONGEST_TEXT],
            )
            for each in self._of_interest(since)
        ]

    def _of_interest(self, since: float) -> Iterator[_Exchange]:
        for each in self._exchanges:
            if each.ended is None or each.ended >= since:
                yield each


def _console_texts(message: ConsoleMessage | WebError) -> tuple[str, str, str]:
    """Type, text and the address of the script that wrote it."""
    if isinstance(message, WebError):
        return "uncaught", str(message.error), ""
    try:
        place: dict[str, Any] = dict(message.location)
    except PlaywrightError:
        place = {}
    return message.type, message.text, str(place.get("url", ""))


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
