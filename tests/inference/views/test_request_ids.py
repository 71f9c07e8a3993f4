"""`X-Request-ID`: in every answer, the client's own where it can do no harm."""

import re

import pytest
from django.http import HttpRequest, StreamingHttpResponse
from structlog.contextvars import clear_contextvars, get_contextvars

from inference.middleware import RequestIdMiddleware
from tests.inference.conftest import ApiClient, a_body


@pytest.mark.parametrize("path", ["/health", "/api/v1/tasks", "/nothing", "/api/nothing", "/admin/login/"])
def test_every_answer_has_a_fresh_id(api: ApiClient, path: str) -> None:
    first, second = (api.with_key("").get(path).headers["X-Request-ID"] for _ in range(2))

    assert re.fullmatch(r"[0-9a-f]{32}", first)
    assert first != second


@pytest.mark.parametrize("sent", ["a", "A.b_c-9", "x" * 64])
def test_a_sent_id_is_taken(api: ApiClient, sent: str) -> None:
    refused = api.submit({}, headers={"X-Request-ID": sent})
    accepted = api.submit(a_body(), headers={"X-Request-ID": sent})

    assert [refused.status_code, accepted.status_code] == [400, 202]
    assert refused.headers["X-Request-ID"] == accepted.headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 65, "two words", "a\tb", "ä", "<b>", "a;b", "a\u0663"])
def test_an_id_that_could_do_harm_is_replaced(api: ApiClient, sent: str) -> None:
    answer = api.get("/health", headers={"X-Request-ID": sent.encode()})

    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_a_streamed_answer_is_made_with_the_id_bound_whatever_its_thread_does_meanwhile() -> None:
    seen = []

    def chunks() -> object:
        for number in range(2):
            seen.append(get_contextvars().get("request_id"))
            yield str(number).encode()

    request = HttpRequest()
    request.META["HTTP_X_REQUEST_ID"] = "first"
    response = RequestIdMiddleware(lambda _: StreamingHttpResponse(chunks()))(request)
    clear_contextvars()

    assert isinstance(response, StreamingHttpResponse)
    assert b"".join(response.streaming_content) == b"01"
    assert seen == ["first", "first"]
    assert get_contextvars() == {}


def test_a_stream_that_its_client_leaves_is_closed() -> None:
    closed = []

    def chunks() -> object:
        try:
            yield b"0"
            yield b"1"
        finally:
            closed.append(True)

    response = RequestIdMiddleware(lambda _: StreamingHttpResponse(chunks()))(HttpRequest())
    assert isinstance(response, StreamingHttpResponse)
    assert next(iter(response)) == b"0"
    response.close()

    assert closed == [True]
