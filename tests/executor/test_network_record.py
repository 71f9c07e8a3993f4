"""The record of calls keeps within its memory, and says why a body is missing."""

import asyncio
from typing import Any, cast

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Request, Response

from executor import network
from executor.actions.assertion import _has_headers
from executor.loop import WorkerLoop
from executor.network import Call, NetworkRecord, Wanted
from tests.executor.conftest import OnPage

ALL = Wanted((), reads_bodies=True)


class Sent:
    """A request; the headers that the browser added last cannot be had anymore."""

    url = "http://127.0.0.1/claims"
    headers = {"x-page": "app"}

    async def all_headers(self) -> dict[str, str]:
        raise PlaywrightError("Target page, context or browser has been closed")


class Answered:
    """The response to it."""

    request = Sent()
    url = Sent.url

    def __init__(self, body: bytes | None = b"x" * 40, *, status: int = 200, **headers: str) -> None:
        self.status = status
        self.headers = {"content-type": "text/plain", **headers}
        self._body = body

    async def body(self) -> bytes:
        if self._body is None:
            raise PlaywrightError("Response.body: No resource with given identifier found\nCall log")
        return self._body


def recorded(worker_loop: WorkerLoop, *responses: Answered) -> list[Call]:
    async def come() -> list[Call]:
        record = NetworkRecord([ALL])
        for each in responses:
            record.on_response(cast("Response", each))
            await record.wait_for_bodies(record.matching(None), seconds=5)
        return record.matching(None)

    return worker_loop.submit(come()).result(10)


def test_a_body_without_a_stated_length_is_measured_when_it_is_there(
    worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "MAX_BODY_BYTES", 39)
    (call,) = recorded(worker_loop, Answered())
    assert (call.body, call.missing) == (None, "its body of 40 bytes is too large to be kept")


def test_the_bodies_of_an_attempt_have_a_limit_together(
    worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "MAX_BODIES_BYTES", 60)
    first, second, third, fourth = recorded(worker_loop, *(Answered(), Answered(), Answered(b"y" * 20), Answered()))
    assert (first.body, third.body) == (b"x" * 40, b"y" * 20)
    used_up = "the bodies before it have used up the memory for them"
    assert (second.missing, fourth.missing) == (used_up, used_up)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (200, "the browser does not have its body anymore (No resource with given identifier found)"),
        (302, "an answer of this kind has no body"),
        (204, "an answer of this kind has no body"),
    ],
)
def test_a_body_that_is_not_there_is_told_with_its_reason(worker_loop: WorkerLoop, status: int, why: str) -> None:
    (call,) = recorded(worker_loop, Answered(None, status=status))
    assert (call.body, call.missing) == (None, why)


@pytest.mark.django_db(transaction=True)
def test_an_attempt_that_ends_at_once_waits_for_no_page(on_page: OnPage) -> None:
    async def come(page: Page) -> set[asyncio.Task[None]]:
        record = NetworkRecord([ALL])
        record.on_page(page)
        preparing = set(record._preparing)
        record.stop()
        await asyncio.gather(*preparing, return_exceptions=True)
        return preparing

    assert [each.cancelled() for each in on_page(come)] == [True]


@pytest.mark.parametrize(("value", "holds"), [("app", True), ("other", False)])
def test_without_the_browsers_own_headers_those_of_the_page_are_compared(
    worker_loop: WorkerLoop, value: str, holds: bool
) -> None:
    call = Call("request", cast("Request", Sent()))
    wanted: dict[str, Any] = {"x-page": value}
    assert worker_loop.submit(_has_headers(call, wanted)).result(10) is holds
