"""Requests and answers without any input or output: what the blocking and the asynchronous client share.

An operation is a generator. It yields what is to be done (a `Call`, a `Pause`) and is sent the `Answer`, so that one
description of a conversation serves both clients, and tests without a network.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from optexity_server.errors import ApiError, OptexityError, UnexpectedAnswerError, error_class
from optexity_server.retrying import Patience, RetryPolicy, retry_after_seconds

T = TypeVar("T")


class Sink(Protocol):
    """Where the bytes of a file go."""

    def begin(self) -> None:
        """Forget what came before: the file is sent from its start, perhaps for the second time."""

    def write(self, chunk: bytes, /) -> object:
        """The next part."""


class Source(Protocol):
    """Bytes that are sent as they are."""

    @property
    def size_bytes(self) -> int: ...

    def chunks(self) -> Iterator[bytes]:
        """From the start, each time that it is asked for."""


@dataclass(frozen=True)
class Call:
    """One request. `is_repeatable`: sent twice, it does what it does once. `hold_seconds` is how long the server was
    asked to hold its answer. With a `sink`, the body of a good answer goes there. `body` is sent as JSON, `content` as
    it is."""

    method: str
    path: str
    query: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = False
    hold_seconds: int = 0
    sink: Sink | None = None
    content: Source | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Pause:
    """Do nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    def json(self) -> Any:
        try:
            return json.loads(self.content)
        except ValueError:
            # Not chained: the error would carry the whole body.
            raise UnexpectedAnswerError(
                f"The server answered {self.status} without JSON: is this the address of an Optexity Server?"
            ) from None


Operation = Generator[Call | Pause, Answer | None, T]


def ask(
    call: Call,
    policy: RetryPolicy,
    *,
    until: float | None = None,
    gives_up_on: tuple[type[OptexityError], ...] = (),
    patience: Patience | None = None,
) -> Operation[Answer]:
    """The good answer to `call`. One that may be repeated is sent again as the policy says, until the instant `until`
    of the monotonic clock at most. Raises what the last answer means. Who gives a `patience` sees what it took."""
    patience = patience or Patience(policy, until)
    while True:
        try:
            return good(_came((yield call)))
        except OptexityError as error:
            if not call.is_repeatable or isinstance(error, gives_up_on):
                raise
            pause = patience.pause_after(error)
            if pause is None:
                raise
        yield Pause(pause)


def ask_once(call: Call) -> Operation[Answer]:
    """The answer to `call`, good or not."""
    return _came((yield call))


def good(answer: Answer) -> Answer:
    """`answer` if it is one of success. Raises ApiError."""
    if 200 <= answer.status < 300:
        return answer
    raise refusal(answer)


def refusal(answer: Answer) -> ApiError:
    """What an answer other than success means."""
    kind = error_class(answer.status)
    request_id = answer.headers.get("x-request-id")
    if 300 <= answer.status < 400:
        return kind(answer.status, _redirect_message(answer), None, request_id)
    told = _told(answer)
    message = told.get("message")
    errors = told.get("errors")
    return kind(
        answer.status,
        message if isinstance(message, str) else f"The server answered {answer.status} without saying why.",
        errors if isinstance(errors, Mapping) else None,
        request_id,
        retry_after_seconds(answer.headers.get("retry-after")),
    )


def _came(answer: Answer | None) -> Answer:
    assert answer is not None, "a Call is answered with an Answer"  # noqa: S101 - holds for every driver
    return answer


def _told(answer: Answer) -> Mapping[str, Any]:
    try:
        told = json.loads(answer.content)
    except ValueError:
        return {}
    return told if isinstance(told, Mapping) else {}


def _redirect_message(answer: Answer) -> str:
    """Says where to, by scheme and host only: the rest may hold what was sent."""
    try:
        to = urlsplit(answer.headers.get("location", ""))
        where = f" to {to.scheme}://{to.hostname}" + (f":{to.port}" if to.port else "") if to.hostname else ""
    except ValueError:
        where = ""
    return f"The server redirects{where}. Redirects are not followed: set the URL to where the server really is."
