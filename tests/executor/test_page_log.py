"""The ring of console lines and requests, with stand-ins for what Playwright hands out."""

import time
from typing import Any, cast

from playwright.async_api import ConsoleMessage, Request, Response
from playwright.async_api import Error as PlaywrightError

from executor.page_log import MAX_CONSOLE_LINES, MAX_REQUESTS, PageLog, RequestLine


class AnyRequest:
    method = "GET"
    resource_type = "fetch"

    def __init__(self, url: str) -> None:
        self.url = url


class AnyResponse:
    status = 200

    def __init__(self, request: AnyRequest) -> None:
        self.request = request


class AnyMessage:
    type = "log"

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def location(self) -> Any:
        raise PlaywrightError("gone")


def asked(log: PageLog, url: str) -> AnyRequest:
    request = AnyRequest(url)
    log.on_request(cast("Request", request))
    return request


def ended(log: PageLog, request: AnyRequest, *, failure: str | None = None) -> None:
    log.on_request_ended(cast("Request", request), failure=failure)


def lines(log: PageLog, since: float = 0.0) -> list[RequestLine]:
    return log.request_lines(since=since, step_began=time.monotonic(), mask=str)


def test_only_the_last_ones_are_kept() -> None:
    log = PageLog()
    for number in range(MAX_REQUESTS + 5):
        asked(log, f"http://a.example/{number}")
    for number in range(MAX_CONSOLE_LINES + 5):
        log.on_console(cast("ConsoleMessage", AnyMessage(str(number))))

    assert lines(log)[0]["url"] == "http://a.example/5"
    console = log.console_lines(since=0, step_began=time.monotonic(), mask=str)
    assert [console[0]["text"], console[-1]["text"], console[0]["url"]] == ["5", "44", ""]


def test_what_ended_before_is_left_out_and_what_is_open_is_not() -> None:
    log = PageLog()
    ended(log, asked(log, "http://a.example/before"))
    open_one = asked(log, "http://a.example/open")
    since = time.monotonic()
    log.on_response(cast("Response", AnyResponse(open_one)))
    failed = asked(log, "http://a.example/failed")
    ended(log, failed, failure="net::ERR_FAILED")

    told = {line["url"].rpartition("/")[2]: line for line in lines(log, since)}

    assert set(told) == {"open", "failed"}
    assert (told["open"]["status"], told["open"]["duration_ms"], told["open"]["failure"]) == (200, None, None)
    assert (told["failed"]["status"], told["failed"]["failure"]) == (None, "net::ERR_FAILED")
    assert log.console_lines(since=since, step_began=since, mask=str) == []


def test_a_page_that_opens_streams_without_end_takes_no_memory_without_end() -> None:
    log = PageLog()
    first = asked(log, "http://a.example/first")
    for number in range(600):
        asked(log, f"http://a.example/{number}")

    ended(log, first)
    log.on_response(cast("Response", AnyResponse(first)))

    assert len(log._open) == 500


def test_addresses_that_are_no_places_are_left_out() -> None:
    log = PageLog()
    other = asked(log, "data:text/plain,x")
    asked(log, "chrome-extension://abc/x.js")
    ended(log, other)

    assert lines(log) == []


def test_texts_are_masked_before_they_are_cut() -> None:
    log = PageLog()
    log.on_console(cast("ConsoleMessage", AnyMessage("x" * 295 + "secret")))
    asked(log, "http://a.example/" + "x" * 279 + "secret")

    def mask(text: str) -> str:
        return text.replace("secret", "•••")

    [console] = log.console_lines(since=0, step_began=time.monotonic(), mask=mask)
    [request] = log.request_lines(since=0, step_began=time.monotonic(), mask=mask)
    assert console["text"] == "x" * 295 + "•••"
    assert request["url"].endswith("x•••")
