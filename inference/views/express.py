"""The express lane of POST /inference: plain submissions of many clients, stored in one transaction.

A request takes Django some milliseconds of processor time and the database a commit of its own. Most submissions are
plain, and clients send many at once. So those that come while one batch is being stored make up the next one, and
skip what they do not need: routing, middlewares, a serializer, a transaction each.

It only ever stores, and says so. Whatever else a request is (wrong, a duplicate, one that waits, of another shape) goes
the usual way to the view, untouched, and is answered there. Whether the usual way would have let a request through to
the view, and with which headers, is learnt from its answers to requests of the same host, scheme and so on.
"""

import io
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from rest_framework.renderers import JSONRenderer

from inference.authentication import sent_keys
from inference.error_handler import DATABASE_AWAY, as_inference_error, error_body, log_unexpected
from inference.errors import ValidationFailedError
from inference.middleware import begin_request
from inference.models import Scope
from inference.parsers import parse_json
from inference.serializers import plain_submission, submission_object
from inference.services.api_keys import find_key
from inference.services.submit import Submission
from inference.services.together import submit_together
from inference.telemetry import spans
from inference.telemetry.counters import counters
from inference.telemetry.families import SUBMISSIONS
from inference.throttles import COUNTED, may_send
from inference.views.inference import idempotency_header

ROUTES = ("/inference", "/api/v1/inference")
MAX_BODY_BYTES = 64 * 1024
MAX_TOGETHER = 64
# Batches of one key and automation, and of all, that a process stores at the same time.
BATCHES_PER_GROUP = 1
BATCHES = 4

_JSON_TYPES = ("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8")
# A request with one of them asks for more than to be stored.
_OTHER_WISHES = ("HTTP_PREFER", "HTTP_ORIGIN", "HTTP_TRACEPARENT", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING")
# What decides about a request before it comes to the view, and about the headers of its answer.
_PROFILE = (
    *("PATH_INFO", "SCRIPT_NAME", "HTTP_HOST", "SERVER_PORT", "wsgi.url_scheme"),
    *("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_PORT", "HTTP_FORWARDED"),
)
_MAX_PROFILES = 256
_OF_ONE_ANSWER = ("content-length", "location", "x-request-id")

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Headers = list[tuple[str, str]]


@dataclass
class _Waiting:
    """A submission on its way into a batch. `gate` opens when it is stored, or is to lead the next batch itself."""

    request: Mapping[str, Any]
    gate: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    result: "UUID | Exception | None" = None
    is_counted: bool = False


@dataclass
class _Group:
    """Submissions of one key for one automation."""

    pending: deque[_Waiting] = field(default_factory=deque)
    leaders: int = 0


class Express:
    """Answers plain submissions by itself and hands everything else to `application`."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._lock = threading.Lock()
        self._groups: dict[tuple[str, str], _Group] = {}
        self._places = threading.BoundedSemaphore(BATCHES)
        self._headers: dict[tuple[Any, ...], Headers] = {}

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if not _may_be_plain(environ):
            return self.application(environ, start_response)
        profile = tuple(environ.get(name) for name in _PROFILE)
        headers = self._headers.get(profile)
        if headers is None:
            return self.application(environ, self._learning(profile, start_response))
        request_id = begin_request(environ)
        submission = _read(environ)
        keys = sent_keys(environ)
        if submission is None or len(keys) != 1:
            return self.application(environ, start_response)
        waiting = self._store(keys.pop(), submission)
        if waiting.is_counted:
            environ[COUNTED] = True
        if waiting.result is None:
            return self.application(environ, start_response)
        return _answer(waiting.result, [*headers, ("X-Request-ID", request_id)], start_response)

    def _learning(self, profile: tuple[Any, ...], start_response: StartResponse) -> StartResponse:
        """Keeps the headers of an answer to a submission that was taken."""

        def start(status: str, headers: Headers, *more: Any) -> Any:
            of_all = [each for each in headers if each[0].lower() not in _OF_ONE_ANSWER]
            sets_cookie = any(name.lower() == "set-cookie" for name, _ in headers)
            if status.startswith("202 ") and not sets_cookie and len(self._headers) < _MAX_PROFILES:
                self._headers[profile] = of_all
            return start_response(status, headers, *more)

        return start

    def _store(self, key_text: str, request: Mapping[str, Any]) -> _Waiting:
        """Store it with those that wait beside it: whoever comes first leads, and the others wait for him."""
        me = _Waiting(request)
        name = (key_text, request["endpoint_name"])
        with self._lock:
            group = self._groups.setdefault(name, _Group())
            if group.leaders < BATCHES_PER_GROUP:
                group.leaders += 1
                me.leads = True
            else:
                me.gate.acquire()
                group.pending.append(me)
        if not me.leads:
            me.gate.acquire()
        if me.leads:
            self._lead(me, name, group)
        return me

    def _lead(self, me: _Waiting, name: tuple[str, str], group: _Group) -> None:
        batch = [me]
        try:
            with self._places:
                with self._lock:
                    while group.pending and len(batch) < MAX_TOGETHER:
                        batch.append(group.pending.popleft())
                _submit(batch, name[0])
        finally:
            with self._lock:
                if group.pending:
                    successor = group.pending.popleft()
                    successor.leads = True
                    successor.gate.release()
                else:
                    group.leaders -= 1
                    if not group.leaders:
                        del self._groups[name]
            for each in batch[1:]:
                each.gate.release()


def _may_be_plain(environ: Mapping[str, Any]) -> bool:
    length: str = environ.get("CONTENT_LENGTH") or ""
    return (
        environ["REQUEST_METHOD"] == "POST"
        and environ.get("PATH_INFO") in ROUTES
        and not environ.get("QUERY_STRING")
        and environ.get("CONTENT_TYPE", "").lower() in _JSON_TYPES
        and length.isascii()
        and length.isdigit()
        and int(length) <= MAX_BODY_BYTES
        and not any(name in environ for name in _OTHER_WISHES)
        and not spans.is_on()
    )


def _read(environ: dict[str, Any]) -> dict[str, Any] | None:
    """The submission, if it is a plain one. The body can be read again."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    environ["wsgi.input"] = io.BytesIO(body)
    try:
        value = parse_json(body)
    except ValidationFailedError:
        return None
    return plain_submission(value, idempotency_header=idempotency_header(environ))


def _submit(batch: list[_Waiting], key_text: str) -> None:
    """Set the results: the id of the task, an error that its client is told, or None for the usual way."""
    try:
        key = find_key(key_text)
        if key is None or Scope.SUBMIT not in key.scopes:
            return
        for each in batch:
            each.is_counted = may_send(key)
        allowed = [each for each in batch if each.is_counted]
        if allowed:
            for each, task_id in zip(
                allowed, submit_together([each.request for each in allowed], api_key=key), strict=True
            ):
                each.result = task_id
    except DATABASE_AWAY as error:
        # Not once more by the usual way: the answer may have been lost on its way from a commit.
        for each in batch:
            each.result = error
    except Exception as error:
        log_unexpected(error)
    finally:
        connection.close()


def _answer(result: "UUID | Exception", headers: Headers, start_response: StartResponse) -> Iterable[bytes]:
    if isinstance(result, UUID):
        status, outcome = "202 Accepted", "accepted"
        told = submission_object(Submission(task_id=result, duplicate=False), [])
        headers = [*headers, ("Location", f"/api/v1/tasks/{result}")]
    else:
        known = as_inference_error(result)
        assert known is not None  # noqa: S101 - only errors that it knows are kept
        status, outcome = f"{known.status} Service Unavailable", "refused"
        told = error_body(known.message, known.errors)
        headers = [*headers, ("Retry-After", str(known.retry_after))]
    counters.count(SUBMISSIONS, outcome, status[:3])
    body = JSONRenderer().render(told)
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [body]
