"""The server's own requests on a page's behalf, also when the browser does not answer what it is asked for them."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import urllib3
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Request
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from executor import fetching
from executor.errors import AutomationError
from executor.fetching import Outgoing, fetch_file, outgoing_of, reason_of, shown
from executor.loop import WorkerLoop
from tests.executor.site.calls import CLAIMS, CallSite


class Sent:
    """A request that a page has sent. `headers`: without those that the browser added last."""

    url = "http://127.0.0.1/claims"
    method = "POST"
    headers = {"x-page": "app", "cookie": "session=s", "host": "127.0.0.1", ":path": "/claims"}
    post_data_buffer = b"{}"

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure

    async def all_headers(self) -> dict[str, str]:
        if self._failure is not None:
            raise self._failure
        await asyncio.sleep(60)
        raise AssertionError


@pytest.mark.parametrize("failure", [PlaywrightError("Target page has been closed"), PlaywrightTimeoutError("x"), None])
def test_without_the_browsers_own_headers_a_request_goes_with_those_of_its_page(
    worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    monkeypatch.setattr(fetching, "_FROM_BROWSER_SECONDS", 0.1)
    outgoing = worker_loop.submit(outgoing_of(cast("Request", Sent(failure)))).result(10)

    assert outgoing == Outgoing(Sent.url, "POST", {"x-page": "app"}, {}, b"{}")


class BusyPage:
    """A page whose scripts never come to an end, or that says odd things. `agent`: what it answers."""

    def __init__(self, agent: Any = None) -> None:
        self._agent = agent
        self.context = self

    async def cookies(self) -> list[dict[str, Any]]:
        return []

    async def evaluate(self, expression: str) -> Any:
        if self._agent is None:
            await asyncio.sleep(60)
        if isinstance(self._agent, Exception):
            raise self._agent
        return self._agent


@pytest.mark.parametrize(
    ("agent", "sent"),
    [
        (None, "python-requests/"),
        (PlaywrightError("Execution context was destroyed"), "python-requests/"),
        (7, "python-requests/"),
        ("Mozilla/5.0 of this browser", "Mozilla/5.0 of this browser"),
    ],
)
def test_a_page_that_does_not_say_what_browser_it_is_in_delays_no_file(
    worker_loop: WorkerLoop, calls: CallSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: Any, sent: str
) -> None:
    monkeypatch.setattr(fetching, "_FROM_BROWSER_SECONDS", 0.1)
    target = tmp_path / "claims.csv"
    fetch = fetch_file(Outgoing(f"{calls.url}/claims.csv"), cast("Page", BusyPage(agent)), target)
    worker_loop.submit(fetch).result(20)

    assert target.read_bytes() == CLAIMS
    (request,) = calls.seen("/claims.csv")
    assert request.headers["user-agent"].startswith(sent)


def test_an_address_of_another_kind_is_the_documents_mistake(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    fetch = fetch_file(Outgoing("file:///etc/hostname"), cast("Page", BusyPage()), tmp_path / "x")
    with pytest.raises(AutomationError, match="is not an address that begins with http"):
        worker_loop.submit(fetch).result(10)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (requests.Timeout("HTTPConnectionPool(host='x', port=80): Read timed out. (read timeout=3)"),
         "it did not answer in time"),
        (requests.Timeout("no complete answer within 3 s"), "no complete answer within 3 s"),
        (requests.ConnectionError(urllib3.exceptions.MaxRetryError(cast("Any", None), "/?key=secret",
                                                                   ConnectionRefusedError(111, "Connection refused"))),
         "Connection refused"),
        (ValueError(), "ValueError"),
    ],
)  # fmt: skip
def test_reasons_are_one_line_without_the_address(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert shown("https://ada:pw@a.example/claims?key=s3cret#x") == "https://a.example/claims"
