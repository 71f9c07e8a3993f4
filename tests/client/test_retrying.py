"""What is sent again and when: operations are driven by hand, without network and without waiting."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from optexity_server import operations
from optexity_server.calls import Answer, Call, Pause, ask
from optexity_server.errors import (
    ApiError,
    ConnectionFailedError,
    NotFoundError,
    OptexityError,
    RateLimitedError,
    UnavailableError,
)
from optexity_server.models import Submission
from optexity_server.retrying import LONGEST_PAUSE_SECONDS, Patience, RetryPolicy, retry_after_seconds
from tests.client.wire import TASK

GET = Call("GET", "/api/v1/tasks", is_repeatable=True)
POST = Call("POST", f"/api/v1/tasks/{TASK}/cancel")
POLICY = RetryPolicy(5, 120)
BROKEN = ConnectionFailedError("broken")


def answer(status: int, content: bytes = b"{}", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def drive(operation: Any, replies: Iterable[Answer | OptexityError]) -> tuple[Any, list[Call], list[float]]:
    """What the operation returns (or raises), what it asked and how long it paused."""
    calls: list[Call] = []
    pauses: list[float] = []
    coming = iter(replies)
    try:
        wanted = next(operation)
        while True:
            if isinstance(wanted, Pause):
                pauses.append(wanted.seconds)
                wanted = operation.send(None)
                continue
            calls.append(wanted)
            reply = next(coming)
            wanted = operation.throw(reply) if isinstance(reply, OptexityError) else operation.send(reply)
    except StopIteration as done:
        return done.value, calls, pauses
    except OptexityError as error:
        return error, calls, pauses


@pytest.mark.parametrize("passing", [BROKEN, answer(429), answer(503), answer(502), answer(504)])
def test_what_may_pass_is_tried_five_more_times_with_growing_pauses(passing: Any) -> None:
    error, calls, pauses = drive(ask(GET, POLICY), [passing] * 6)
    assert isinstance(error, ConnectionFailedError | RateLimitedError | UnavailableError)
    assert calls == [GET] * 6
    for number, pause in enumerate(pauses):
        assert 0.25 * 2**number <= pause <= 0.5 * 2**number
    assert len(pauses) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500, 301])
def test_what_stays_wrong_is_tried_once(status: int) -> None:
    error, calls, pauses = drive(ask(GET, POLICY), [answer(status)])
    assert isinstance(error, ApiError)
    assert (error.status, len(calls), pauses) == (status, 1, [])


@pytest.mark.parametrize("passing", [BROKEN, answer(429, retry_after="0"), answer(503, retry_after="0")])
def test_a_post_that_is_not_idempotent_is_tried_once(passing: Any) -> None:
    for operation in (operations.cancel_task(TASK, POLICY), operations.retry_task(TASK, POLICY)):
        error, calls, pauses = drive(operation, [passing])
        assert isinstance(error, OptexityError)
        assert (len(calls), pauses) == (1, [])


def test_an_answer_to_a_person_is_repeated_only_when_it_names_its_question() -> None:
    body = {"answer": "continue", "note": None, "request_id": None}
    _, calls, _ = drive(operations.answer_task(TASK, body, POLICY), [BROKEN])
    assert len(calls) == 1
    good = answer(200, b'{"status": "running"}')
    status, calls, _ = drive(operations.answer_task(TASK, body | {"request_id": TASK}, POLICY), [BROKEN, good])
    assert (status, len(calls)) == ("running", 2)
    assert calls[0].body == {"answer": "continue", "request_id": TASK}


def test_a_submission_is_repeated_with_the_same_key_and_body() -> None:
    good = answer(202, b'{"task_id": "x", "duplicate": true}')
    submission = Submission("claims-status", {"claim": ["HM-4471"]})
    told, calls, _ = drive(operations.submit(submission, POLICY, anonymous=False), [BROKEN, answer(503), good])
    assert told.task_id == "x"
    assert len(calls) == 3
    assert len({call.headers["Idempotency-Key"] for call in calls}) == 1
    assert (
        calls[0].body == calls[2].body == {"endpoint_name": "claims-status", "input_parameters": {"claim": ["HM-4471"]}}
    )


def test_retry_after_is_honoured_in_seconds_and_as_a_date() -> None:
    _, _, pauses = drive(ask(GET, POLICY), [answer(429, retry_after="17"), answer(200)])
    assert 17 <= pauses[0] <= 18
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    _, _, pauses = drive(ask(GET, POLICY), [answer(503, retry_after=later), answer(200)])
    assert 28 <= pauses[0] <= 31


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, None), ("soon", None), ("-5", None), ("", None), (" 3 ", 3.0), ("0", 0.0)]
)
def test_retry_after_that_says_nothing_is_none(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header) == seconds


def test_a_retry_after_beyond_the_limit_is_not_waited_for() -> None:
    error, calls, pauses = drive(ask(GET, RetryPolicy(5, 60)), [answer(429, retry_after="61")])
    assert isinstance(error, RateLimitedError)
    assert (error.retry_after, len(calls), pauses) == (61.0, 1, [])


def test_pauses_end_with_the_limit_of_all_of_them() -> None:
    now = 0.0
    patience = Patience(RetryPolicy(1000, 100), clock=lambda: now)
    while (pause := patience.pause_after(BROKEN)) is not None:
        assert pause <= LONGEST_PAUSE_SECONDS
        now += pause
    assert 100 - LONGEST_PAUSE_SECONDS <= now <= 100


def test_the_time_for_retries_begins_with_the_first_failure() -> None:
    now = 0.0
    patience = Patience(RetryPolicy(5, 10), clock=lambda: now)
    now = 90.0  # as long as an answer that was held
    assert patience.pause_after(BROKEN) is not None
    now = 101.0
    assert patience.pause_after(BROKEN) is None
    patience = Patience(RetryPolicy(5, 100), until=95.0, clock=lambda: now)
    assert patience.pause_after(BROKEN) is None


def test_a_policy_without_retries_tries_once() -> None:
    error, calls, _ = drive(ask(GET, RetryPolicy(0, 120)), [BROKEN])
    assert error is BROKEN
    assert len(calls) == 1
    with pytest.raises(ValueError, match="negative"):
        RetryPolicy(-1, 1)


def test_a_deactivation_whose_answer_got_lost_is_done_and_one_of_nothing_is_not() -> None:
    done, calls, _ = drive(operations.delete_automation("claims-status", POLICY), [BROKEN, answer(404)])
    assert (done, len(calls)) == (None, 2)
    error, _, _ = drive(operations.delete_automation("claims-status", POLICY), [answer(404)])
    assert isinstance(error, NotFoundError)
