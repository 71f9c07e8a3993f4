"""What the API can answer besides success. The status is a fact of the class; the message is for a person.

No message holds a parameter's value, a key's secret or long input: names that came from outside go through
`shorten` first.
"""

from typing import ClassVar

SHOWN_CHARACTERS = 100


def shorten(text: str) -> str:
    """`text` as a message may repeat it: at most 100 characters, no control characters."""
    cut = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in cut)


class InferenceError(Exception):
    """An answer other than success.

    `message` is one sentence that a person can act on. `errors` maps the path of a field to what is wrong with
    it. `retry_after` is in seconds.
    """

    status: ClassVar[int] = 500

    def __init__(
        self, message: str, *, errors: dict[str, list[str]] | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errors = errors
        self.retry_after = retry_after


class ValidationFailedError(InferenceError):
    """The request is wrong, and stays wrong when it is sent again."""

    status = 400


class UnauthorizedError(InferenceError):
    """No usable key. One and the same answer for every reason, so that it tells nothing about keys."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Invalid or missing API key: send a valid one in the header x-api-key.")


class ForbiddenError(InferenceError):
    """The key is known, and its scopes do not cover the request."""

    status = 403


class NotFoundError(InferenceError):
    """It does not exist, or this key may not see it."""

    status = 404


class TaskEndedError(InferenceError):
    """The task has ended already; what happened to it is history."""

    status = 409


class TaskActiveError(InferenceError):
    """The task has not ended yet, and the request needs one that has."""

    status = 409


class NothingAskedError(InferenceError):
    """The task waits for no answer of a person, or has got another one."""

    status = 409


class NothingToDecideError(InferenceError):
    """No act of the task is open, or somebody has decided otherwise."""

    status = 409


class OutcomeError(InferenceError):
    """Running the task again could do twice what cannot be taken back."""

    status = 409


class TooLargeError(InferenceError):
    """The body is larger than this route takes."""

    status = 413


class IdempotencyMismatchError(InferenceError):
    """The idempotency key was used before, with another body."""

    status = 422


class QueueFullError(InferenceError):
    """As many tasks wait as an operator allows; the same request is taken once some of them have started."""

    status = 429

    def __init__(self, message: str, *, retry_after: int = 10) -> None:
        super().__init__(message, retry_after=retry_after)


class TooManyRequestsError(InferenceError):
    """The caller sends faster than an operator allows, or too many keys that cannot be used."""

    status = 429

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, retry_after=max(1, retry_after))


class ControlPlaneError(InferenceError):
    """The remote control plane could not be asked, or refused."""

    status = 500


class UnavailableError(InferenceError):
    """Something that the answer needs is away for the moment."""

    status = 503

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message, retry_after=retry_after)


class TooManyWaitersError(UnavailableError):
    """As many requests wait for tasks as this process allows."""


def endpoint_not_found(endpoint_name: str) -> NotFoundError:
    return NotFoundError(
        f"Endpoint '{shorten(endpoint_name)}' not found: no active automation of that name can be used with this key."
    )
