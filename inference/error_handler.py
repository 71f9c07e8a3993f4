"""The one place where an exception becomes `{success, message, error, errors}`."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from psycopg_pool import PoolTimeout, TooManyRequests
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from inference.errors import (
    ForbiddenError,
    InferenceError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
    ValidationFailedError,
)
from optexity_site.log import place_of

logger = logging.getLogger(__name__)

DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout, TooManyRequests)
# Enough to mend a request by; a body with more is wrong in one place many times.
MAX_ERRORS = 20
# What a view takes that does not say otherwise (`takes`), as a 415 tells it.
JSON_BODY = "JSON in UTF-8, with Content-Type: application/json"

_STATUS_MESSAGES = {
    400: "The request is malformed.",
    401: "Invalid or missing API key: send a valid one in the header x-api-key.",
    403: "This request is not allowed.",
    404: "There is no such address: see docs/api.md for the routes of this server.",
    405: "This method is not allowed here.",
    413: "The body is too large.",
    414: "The address is too long.",
    500: "An unexpected error happened on the server; it was logged.",
    503: "Service unavailable: try again in a few seconds.",
}


def answer_error(error: Exception, context: Mapping[str, Any] | None = None) -> Response:
    """DRF's exception handler: every exception of a view, in the one shape. Logged here if it is unexpected."""
    set_rollback()
    known = as_inference_error(error)
    if known is not None:
        return _answer(known.status, known.message, errors=known.errors, headers=_headers(known))
    if isinstance(error, exceptions.APIException):
        return _answer_api_exception(error, taken=getattr((context or {}).get("view"), "takes", JSON_BODY))
    log_unexpected(error)
    return _answer(500, status_message(500))


def as_inference_error(error: Exception) -> InferenceError | None:
    """`error` as the contract knows it; None for what DRF itself raises and for the unexpected."""
    match error:
        case InferenceError():
            return error
        case exceptions.ValidationError():
            return _from_fields(error.detail)
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return UnauthorizedError()
        case exceptions.PermissionDenied() | PermissionDenied():
            return ForbiddenError(status_message(403))
        case exceptions.NotFound() | Http404():
            return NotFoundError(status_message(404))
        case UnreadablePostError():
            return ValidationFailedError("The body ended before it was complete: send the request again.")
        case _ if isinstance(error, DATABASE_AWAY):
            logger.warning("the database cannot be reached", extra={"error": type(error).__qualname__})
            return UnavailableError("Service unavailable: the database cannot be reached; try again in a few seconds.")
        case _:
            return None


def error_body(message: str, errors: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """The shape of every error; `error` is the same text for clients that read that key."""
    body: dict[str, Any] = {"success": False, "message": message, "error": message}
    if errors is not None:
        body["errors"] = errors
    return body


def status_message(status: int) -> str:
    """A sentence for a status that came without one."""
    return _STATUS_MESSAGES.get(status, _STATUS_MESSAGES[500 if status >= 500 else 400])


def log_unexpected(error: BaseException) -> None:
    """Class and place, nothing else: messages and local variables may hold what the request sent."""
    fields = {"error": type(error).__qualname__, "place": place_of(error)}
    logger.error("unexpected error in a request", extra=fields)


def _answer(
    status: int, message: str, *, errors: dict[str, list[str]] | None = None, headers: dict[str, str] | None = None
) -> Response:
    if status == 400 and errors is None:
        errors = {}
    return Response(error_body(message, errors if status == 400 else None), status=status, headers=headers)


def _headers(error: InferenceError) -> dict[str, str]:
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "x-api-key"
    return headers


def _answer_api_exception(error: exceptions.APIException, *, taken: str) -> Response:
    match error:
        case exceptions.UnsupportedMediaType():
            message = f"Send the body as {taken}."
        case exceptions.MethodNotAllowed():
            message = status_message(405)
        case _:
            message = status_message(error.status_code)
    wait = getattr(error, "wait", None)
    return _answer(error.status_code, message, headers=None if wait is None else {"Retry-After": str(int(wait))})


def _from_fields(detail: Any) -> ValidationFailedError:
    """A serializer's nested details, flat: path -> sentences that begin with the path."""
    errors: dict[str, list[str]] = {}
    for path, reason in _flat(detail, ""):
        if len(errors) >= MAX_ERRORS and path not in errors:
            break
        errors.setdefault(path, []).append(f"{path} {reason}")
    return ValidationFailedError(next(iter(errors.values()))[0], errors=errors)


def _flat(detail: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            # Our own fields report what is inside a value by a path that begins with a dot or a bracket.
            part = "" if key == "non_field_errors" else str(key)
            joined = f"{path}{part}" if not path or part.startswith((".", "[")) or not part else f"{path}.{part}"
            yield from _flat(value, joined)
    elif isinstance(detail, list | tuple):
        for each in detail:
            yield from _flat(each, path)
    else:
        yield path or "body", str(detail)
