"""What can go wrong, as exceptions.

OptexityError
├── ApiError                       the server answered, and refused; `status` says how
│   ├── ValidationError            400
│   ├── UnauthorizedError          401
│   ├── ForbiddenError             403
│   ├── NotFoundError              404
│   ├── ConflictError              409
│   ├── IdempotencyMismatchError   422
│   ├── RateLimitedError           429
│   ├── ServerError                5xx
│   │   └── UnavailableError       502, 503, 504
│   └── RedirectRefusedError       3xx: a key is sent to the address that was configured and to no other
├── ConnectionFailedError          no answer that could be read
├── UnexpectedAnswerError          an answer that is not of this API
├── WaitTimeoutError               the task has not ended in time; it goes on
├── TaskFailedError                the task has ended, and not with `success`
├── BatchInterruptedError          a later batch failed; `answered` has what the server said before
└── DamagedFileError               the bytes are not those that the server announced

No message and no repr holds a key, a parameter or a body that was sent.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optexity_server.models import BatchResult, Task


class InsecureConnectionWarning(UserWarning):
    """A key is sent unencrypted to another machine."""


class OptexityError(Exception):
    """Everything that this package raises about the server and its answers."""


class ApiError(OptexityError):
    """The server refused. `errors` maps the path of a field to what is wrong with it; `request_id` finds the line in
    the server's log; `retry_after` is in seconds."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: Mapping[str, list[str]] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors: dict[str, list[str]] = dict(errors or {})
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.status}: {self.message}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status}, {self.message!r}, request_id={self.request_id!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.message, self.errors, self.request_id, self.retry_after)


class ValidationError(ApiError):
    """400: the request is wrong, and stays wrong when it is sent again."""


class UnauthorizedError(ApiError):
    """401: no key, or none that works."""


class ForbiddenError(ApiError):
    """403: the key lacks the scope."""


class NotFoundError(ApiError):
    """404: it does not exist, or this key may not see it."""


class ConflictError(ApiError):
    """409: the task's state does not allow it."""


class IdempotencyMismatchError(ApiError):
    """422: the idempotency key was used before, with another body."""


class RateLimitedError(ApiError):
    """429: too many requests, or as many tasks wait as an operator allows."""


class ServerError(ApiError):
    """5xx: the server failed."""


class UnavailableError(ServerError):
    """502, 503 or 504: not at the moment."""


class RedirectRefusedError(ApiError):
    """3xx: the address of the server has to be corrected; redirects are not followed."""


class ConnectionFailedError(OptexityError):
    """The server could not be reached, or the connection broke before the answer was complete."""


class UnexpectedAnswerError(OptexityError):
    """The answer is not one of this API: something else listens at that address."""


class WaitTimeoutError(OptexityError):
    """The task has not ended in time. It goes on; `task` is as it was last seen."""

    def __init__(self, task_id: str, seconds: float, task: "Task | None" = None) -> None:
        super().__init__(f"Task {task_id} has not ended within {seconds:g} s; it goes on")
        self.task_id = task_id
        self.seconds = seconds
        self.task = task

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.task_id, self.seconds, self.task)


class TaskFailedError(OptexityError):
    """The task has ended as `failed`, `cancelled` or `killed`."""

    def __init__(self, task: "Task") -> None:
        super().__init__(f"Task {task.task_id} ended as {task.status}" + (f": {task.error}" if task.error else ""))
        self.task = task

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.task,)


class BatchInterruptedError(OptexityError):
    """A request in the middle of a large `submit_many` failed for good; `__cause__` says how. `answered` has the
    answers until then; the items from number `len(answered.items)` on may be sent again with the same idempotency
    keys."""

    def __init__(self, answered: "BatchResult", total: int) -> None:
        super().__init__(f"{len(answered.items)} of {total} submissions were answered before a request failed")
        self.answered = answered
        self.total = total

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.answered, self.total)


class DamagedFileError(OptexityError):
    """What was received is not what the server announced: another length or another SHA-256."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: ValidationError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: IdempotencyMismatchError,
    429: RateLimitedError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def error_class(status: int) -> type[ApiError]:
    if 300 <= status < 400:
        return RedirectRefusedError
    return _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
