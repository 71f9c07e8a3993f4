"""Traces: one from the request that submits a task, through the queue, to each step of each attempt.

OpenTelemetry's SDK is loaded only where OTEL_EXPORTER_OTLP_ENDPOINT is set. A span says what ran, how it ended and how
long it took; never an address, a parameter, a label or a message.
"""

import os
import re
import socket
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any

from django.conf import settings
from structlog.contextvars import bound_contextvars

from optexity_site.trace_settings import read_collector, read_headers

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

# What the end of a process may be held up for by a collector that does not answer.
_END_SECONDS = 1.0
# https://www.w3.org/TR/trace-context/#traceparent-header: of a later version the first four parts mean the same.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_guard = threading.Lock()
_provider: "TracerProvider | None" = None


class Traced:
    """A span that runs; a stand-in that does nothing where there are no traces."""

    def __init__(self, span: "Span | None" = None, context: "Context | None" = None) -> None:
        self._span = span
        self._context = context

    def ended(self, status: str, *, failed: bool) -> None:
        """How it ended, in one word."""
        if self._span is not None:
            self._span.set_attribute("optexity.status", status)
            if failed:
                _mark_failed(self._span)

    def answered(self, status: int) -> None:
        """The HTTP status of the answer."""
        if self._span is not None:
            self._span.set_attribute("http.response.status_code", status)
            if status >= 500:
                _mark_failed(self._span)

    def add(self, name: str, *, seconds: float, failed: bool, attributes: Mapping[str, str | int | None]) -> None:
        """A part of this span that has ended just now and took `seconds`. May be called by any thread."""
        if self._span is None:
            return
        ended_at = time.time_ns()
        part = _tracer().start_span(
            name,
            context=self._context,
            start_time=ended_at - round(seconds * 1e9),
            attributes=_told(attributes),
        )
        if failed:
            _mark_failed(part)
        part.end(ended_at)


def is_on() -> bool:
    return bool(settings.OTEL_EXPORTER_OTLP_ENDPOINT)


def load() -> None:
    """Load what traces need, if they are wanted: before processes fork, which then have it."""
    if is_on():
        from opentelemetry.exporter.otlp.proto.http import trace_exporter  # noqa: F401
        from opentelemetry.sdk.trace import export  # noqa: F401


def read_traceparent(header: str) -> str | None:
    """The header as it is kept (version 00, 55 characters); None for none or a wrong one."""
    found = _TRACEPARENT.fullmatch(header.strip()) if len(header) <= 512 else None
    if found is None or (header.strip()[:2] == "00" and found[4]):
        return None
    return f"00-{found[1]}-{found[2]}-{found[3]}"


@contextmanager
def submission(header: str, *, route: str) -> Generator[Traced]:
    """A request that submits. Tasks that are stored inside belong to its trace: the client's, or a new one."""
    sent = read_traceparent(header)
    if not is_on():
        with _in_log(sent), _current_is(sent):
            yield Traced()
        return
    attributes = {"http.request.method": "POST", "http.route": route}
    request = _span(f"POST {route}", sent, kind="SERVER", attributes=attributes)
    with request as (traced, traceparent), _current_is(traceparent):
        yield traced


def traceparent_of_task() -> str | None:
    """What a task that is stored now keeps. One that no traced request sends (the dashboard's, a repeated one) begins a
    trace of its own, so that all its attempts are in one."""
    current = _current.get()
    if current is not None or not is_on():
        return current
    with _span("submit", None, kind="PRODUCER") as (_, traceparent):
        return traceparent


@contextmanager
def attempt(
    traceparent: str | None, *, task_id: str, automation: str, number: int, waited_seconds: float
) -> Generator[Traced]:
    """One attempt of a task, and before it, as a span of its own, the wait in the queue."""
    if not is_on():
        with _in_log(traceparent):
            yield Traced()
        return
    attributes: dict[str, str | int | None] = {
        "optexity.task_id": task_id,
        "optexity.automation": automation,
        "optexity.attempt": number,
    }
    began_at = time.time_ns()
    wait = _tracer().start_span(
        "wait in queue",
        context=_remote(traceparent),
        start_time=began_at - round(waited_seconds * 1e9),
        attributes=_told(attributes),
    )
    wait.end(began_at)
    with _span("attempt", traceparent, kind="CONSUMER", attributes=attributes) as (traced, _):
        yield traced


def finish() -> None:
    """Send what is left, for as long as the end of a process may be held up."""
    global _provider
    with _guard:
        provider, _provider = _provider, None
    if provider is not None:
        sending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
        sending.start()
        sending.join(_END_SECONDS)


@contextmanager
def _span(
    name: str, parent: str | None, *, kind: str, attributes: Mapping[str, Any] | None = None
) -> Generator[tuple[Traced, str | None]]:
    """A span around what is done inside, with its own traceparent. Its id of the trace stands in the log lines."""
    from opentelemetry.trace import SpanKind, set_span_in_context

    span = _tracer().start_span(name, context=_remote(parent), kind=SpanKind[kind], attributes=_told(attributes or {}))
    own = span.get_span_context()
    traceparent = None
    if own.is_valid:
        traceparent = f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"
    try:
        with _in_log(traceparent):
            yield Traced(span, set_span_in_context(span)), traceparent
    except BaseException:
        _mark_failed(span)
        raise
    finally:
        span.end()


@contextmanager
def _current_is(traceparent: str | None) -> Generator[None]:
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def _in_log(traceparent: str | None) -> Generator[None]:
    with bound_contextvars(**({} if traceparent is None else {"trace_id": traceparent[3:35]})):
        yield


def _tracer() -> "Tracer":
    global _provider
    with _guard:
        if _provider is None:
            _provider = _make_provider()
            Finalize(None, finish, exitpriority=80)
        return _provider.get_tracer("optexity", settings.VERSION)


def _make_provider() -> "TracerProvider":
    """Made at the first span of a process, thus after the fork. The SDK reads its other variables itself: the sampler
    follows the parent if OTEL_TRACES_SAMPLER says nothing else."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    who = {
        "service.name": settings.OTEL_SERVICE_NAME,
        "service.version": settings.VERSION,
        "service.instance.id": f"{socket.gethostname()}/{os.getpid()}",
    }
    provider = TracerProvider(resource=Resource.create(who), shutdown_on_exit=False)
    endpoint = read_collector(settings.OTEL_EXPORTER_OTLP_ENDPOINT) + "/v1/traces"
    headers = read_headers(settings.OTEL_EXPORTER_OTLP_HEADERS)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, headers=headers)))
    return provider


def _remote(traceparent: str | None) -> "Context":
    """The context of a parent in another process; an empty one without it."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if traceparent is None:
        return Context()
    _, trace_id, span_id, flags = traceparent.split("-")
    parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _told(attributes: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in attributes.items() if value is not None}


def _mark_failed(span: "Span") -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR)


def _forget() -> None:
    """In a fork: the exporter's thread is the parent's."""
    global _provider, _guard
    _provider, _guard = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
