"""The express lane of POST /inference: plain submissions of many clients, stored in one transaction.

A request takes Django some milliseconds of processor time and the database a commit of its own. Most submissions are
plain, and clients send many at once. So those that come while one batch is being stored make up the next one, and
skip what they do not need: routing, middlewares, a serializer, a transaction each.

It only ever stores, and says so. Whatever else a request is (wrong, a duplicate, one that waits, of another shape) goes
the usual way to the view, untouched, and is answered there. Whether the usual way would have let a request through to
the view, and with which headers, is learnt from its answers: the first of each key, and of each host, scheme and so on,
goes there. So nobody without a key has more of a request looked at here than its head.
"""

import io
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection
from rest_framework.renderers import JSONRenderer
from structlog.contextvars import bind_contextvars

from inference.authentication import sent_keys
from inference.error_handler import DATABASE_AWAY, as_inference_error, error_body, log_unexpected
from inference.errors import ValidationFailedError
from inference.middleware import begin_request
from inference.models import Scope
from inference.parsers import parse_json
from inference.serializers import plain_submission, submission_object
from inference.services.api_keys import digest_of, find_key
from inference.services.submit import Submission
from inference.services.together import may_be_stored_together, submit_together
from inference.telemetry import spans
from inference.telemetry.counters import counters
from inference.telemetry.families import SUBMISSIONS
from inference.throttles import COUNTED, may_send
from inference.views.inference import idempotency_header

ROUTES = ("/inference", "/api/v1/inference")
MAX_BODY_BYTES = 64 * 1024
MAX_TOGETHER = 64
# Batches that a process stores at the same time: of one group, of one key, and of all. One may wait for a row that
# somebody else writes; then there is place for others, and who finds none goes the usual way.
BATCHES_PER_GROUP = 1
BATCHES_PER_KEY = 4
BATCHES = 8
PLACE_SECONDS = 0.1

_JSON_TYPES = ("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8")
# A request with one of them asks for more than to be stored.
_OTHER_WISHES = ("HTTP_PREFER", "HTTP_ORIGIN", "HTTP_TRACEPARENT", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING")
# What decides about a request before it comes to the view, and about the headers of its answer.
_PROFILE = ("PATH_INFO", "SCRIPT_NAME", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme")
_MAX_PROFILES = 256
_MAX_PROFILE_CHARACTERS = 1024
_MAX_KEYS = 4096
_OF_ONE_ANSWER = ("content-length", "location", "x-request-id")
# An answer with one of them is not like the others.
_UNUSUAL = ("set-cookie", "content-encoding", "preference-applied")

Known = TypeVar("Known")
Value = TypeVar("Value")
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


# A key, an automation, and the priority: rows of one INSERT that differed in it could take the lock of their line after
# those of their dedup keys, and wait in a circle with somebody who has the line.
_Name = tuple[str, str, int | None]


@dataclass
class _Group:
    """Submissions of the same name, in the order in which they came."""

    pending: deque[_Waiting] = field(default_factory=deque)
    leaders: int = 0


class _Recent(Generic[Known, Value]):
    """The most recently used `limit` entries. Safe to use from many threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._entries: OrderedDict[Known, Value] = OrderedDict()

    def get(self, known: Known) -> Value | None:
        with self._lock:
            value = self._entries.get(known)
            if value is not None:
                self._entries.move_to_end(known)
            return value

    def put(self, known: Known, value: Value) -> None:
        with self._lock:
            self._entries[known] = value
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)

    def forget(self, known: Known) -> None:
        with self._lock:
            self._entries.pop(known, None)

    def __len__(self) -> int:
        return len(self._entries)


class Express:
    """Answers plain submissions by itself and hands everything else to `application`."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._lock = threading.Lock()
        self._groups: dict[_Name, _Group] = {}
        self._at_work: Counter[str] = Counter()
        self._places = threading.BoundedSemaphore(BATCHES)
        self._headers: _Recent[tuple[Any, ...], Headers] = _Recent(_MAX_PROFILES)
        # Digests of keys with which a submission was taken.
        self._keys: _Recent[str, bool] = _Recent(_MAX_KEYS)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if not _may_be_plain(environ):
            return self.application(environ, start_response)
        keys = sent_keys(environ)
        profile = tuple(environ.get(name) for name in (*_PROFILE, *_trusted_headers()))
        if len(keys) != 1 or sum(len(each or "") for each in profile) > _MAX_PROFILE_CHARACTERS:
            return self.application(environ, start_response)
        (key_text,) = keys
        headers = self._headers.get(profile)
        if headers is None or not self._keys.get(digest_of(key_text)):
            return self.application(environ, self._learning(profile, key_text, start_response))
        request_id = begin_request(environ)
        # One id for the whole request, whichever way it goes.
        environ["HTTP_X_REQUEST_ID"] = request_id
        submission = _read(environ)
        if submission is None:
            return self.application(environ, start_response)
        waiting = self._store(key_text, submission)
        if waiting.is_counted:
            environ[COUNTED] = True
        if waiting.result is None:
            return self.application(environ, start_response)
        return _answer(waiting.result, [*headers, ("X-Request-ID", request_id)], start_response)

    def _learning(self, profile: tuple[Any, ...], key_text: str, start_response: StartResponse) -> StartResponse:
        """Keeps the headers of an answer to a submission that was taken, and that its key is one."""

        def start(status: str, headers: Headers, *more: Any) -> Any:
            names = {name.lower() for name, _ in headers}
            varies = any("encoding" in value.lower() for name, value in headers if name.lower() == "vary")
            if status.startswith("202 ") and not varies and names.isdisjoint(_UNUSUAL):
                self._headers.put(profile, [each for each in headers if each[0].lower() not in _OF_ONE_ANSWER])
                self._keys.put(digest_of(key_text), True)
            return start_response(status, headers, *more)

        return start

    def _store(self, key_text: str, request: Mapping[str, Any]) -> _Waiting:
        """Store it with those that wait beside it: whoever comes first leads, and the others wait for him."""
        me = _Waiting(request)
        name = (key_text, request["endpoint_name"], request.get("priority"))
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

    def _lead(self, me: _Waiting, name: _Name, group: _Group) -> None:
        """Store `me` and those that wait, or send them all the usual way."""
        batch = [me]
        error: Exception | None = None
        is_stored = False
        try:
            if self._take_place(name[0]):
                try:
                    batch += self._take_pending(group, MAX_TOGETHER - 1)
                    error = self._submit(batch, name[0])
                    is_stored = error is None
                finally:
                    self._leave_place(name[0])
        finally:
            others = batch[1:]
            if not is_stored:
                # Without a place or a database: whoever waits would wait for the same once more.
                late = self._take_pending(group, None)
                for each in late:
                    each.result = error
                others += late
            self._hand_over(name, group)
            for each in others:
                each.gate.release()

    def _take_place(self, key_text: str) -> bool:
        with self._lock:
            if self._at_work[key_text] >= BATCHES_PER_KEY:
                return False
            self._at_work[key_text] += 1
        if self._places.acquire(timeout=PLACE_SECONDS):
            return True
        self._forget_work(key_text)
        return False

    def _leave_place(self, key_text: str) -> None:
        self._places.release()
        self._forget_work(key_text)

    def _forget_work(self, key_text: str) -> None:
        with self._lock:
            self._at_work[key_text] -= 1
            if not self._at_work[key_text]:
                del self._at_work[key_text]

    def _take_pending(self, group: _Group, most: int | None) -> list[_Waiting]:
        with self._lock:
            count = len(group.pending) if most is None else min(most, len(group.pending))
            return [group.pending.popleft() for _ in range(count)]

    def _hand_over(self, name: _Name, group: _Group) -> None:
        """The next of those that wait leads, if there is one."""
        with self._lock:
            if group.pending:
                successor = group.pending.popleft()
                successor.leads = True
                successor.gate.release()
                return
            group.leaders -= 1
            if not group.leaders:
                del self._groups[name]

    def _submit(self, batch: list[_Waiting], key_text: str) -> Exception | None:
        """Set the results: the id of the task, an error that its client is told, or None for the usual way. Returns the
        error that made the database unreachable."""
        try:
            key = find_key(key_text)
            if key is None or Scope.SUBMIT not in key.scopes:
                self._keys.forget(digest_of(key_text))
                return None
            bind_contextvars(key_id=key.public_id)
            for each in batch:
                each.is_counted = may_send(key)
            allowed = [each for each in batch if each.is_counted]
            if allowed:
                ids = submit_together([each.request for each in allowed], api_key=key)
                for each, task_id in zip(allowed, ids, strict=True):
                    each.result = task_id
        except DATABASE_AWAY as error:
            # Not once more by the usual way: the answer may have been lost on its way from a commit.
            for each in batch:
                each.result = error
            return error
        except Exception as error:
            log_unexpected(error)
        finally:
            with suppress(DatabaseError):
                connection.close()
        return None


def _trusted_headers() -> list[str]:
    """Headers of a proxy that Django goes by here."""
    return [
        *(["HTTP_X_FORWARDED_HOST"] if settings.USE_X_FORWARDED_HOST else []),
        *(["HTTP_X_FORWARDED_PORT"] if settings.USE_X_FORWARDED_PORT else []),
        *([settings.SECURE_PROXY_SSL_HEADER[0]] if settings.SECURE_PROXY_SSL_HEADER else []),
    ]


def _may_be_plain(environ: Mapping[str, Any]) -> bool:
    length: str = environ.get("CONTENT_LENGTH") or ""
    return (
        environ["REQUEST_METHOD"] == "POST"
        and environ.get("PATH_INFO") in ROUTES
        and not environ.get("QUERY_STRING")
        and environ.get("CONTENT_TYPE", "").lower() in _JSON_TYPES
        and length.isascii()
        and length.isdigit()
        and len(length) <= len(str(MAX_BODY_BYTES))
        and int(length) <= MAX_BODY_BYTES
        and not any(name in environ for name in _OTHER_WISHES)
        and not spans.is_on()
    )


def _read(environ: dict[str, Any]) -> dict[str, Any] | None:
    """The submission, if it is a plain one. The body can be read again."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    environ["wsgi.input"] = io.BytesIO(body)
    try:
        request = plain_submission(parse_json(body), idempotency_header=idempotency_header(environ))
    except ValidationFailedError:
        return None
    except Exception as error:
        log_unexpected(error)
        return None
    return request if request is not None and may_be_stored_together(request) else None


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
