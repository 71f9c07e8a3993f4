"""What holds for every answer: an id, and errors in the API's shape that never reach a view (unknown routes, refused
hosts, crashes)."""

import logging
import re
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, cast

from django.core.exceptions import DisallowedHost
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.middleware.gzip import GZipMiddleware
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars, get_contextvars

from inference.error_handler import as_inference_error, error_body, log_unexpected, status_message

logger = logging.getLogger(__name__)

_EXACT = ("/inference", "/api", "/health", "/is_task_running", "/metrics")
# Below it, what is saved is about what the headers weigh.
COMPRESS_FROM_BYTES = 4096
_COMPRESSED_TYPES = ("application/json", "application/schema+json")
_BELOW = tuple(f"{path}/" for path in _EXACT)


_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """Outermost: `X-Request-ID` in every answer, and `request_id` in every log line of its request.

    The client's own id is taken when it can do no harm in a log.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = begin_request(request.META)
        response = self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        if isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse):
            response.streaming_content = _bound(cast("Iterator[bytes]", response.streaming_content), get_contextvars())
        return response


def begin_request(environ: Mapping[str, Any]) -> str:
    """The id of this request (WSGI's names), which the lines that this thread logs have from now on."""
    sent = environ.get("HTTP_X_REQUEST_ID", "")
    request_id = sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
    # Here and not at the end: Django writes a line about some answers after the last middleware. This thread's next
    # request begins with this, too.
    clear_contextvars()
    bind_contextvars(request_id=request_id)
    return request_id


def _bound(source: Iterator[bytes], fields: dict[str, Any]) -> Generator[bytes]:
    """What `source` gives, made with `fields` in the log's lines: its thread may have other requests by then."""
    try:
        while True:
            with bound_contextvars(**fields):
                chunk = next(source, None)
            if chunk is None:
                return
            yield chunk
    finally:
        # A client that went away: the source learns of it as it would without this.
        close = getattr(source, "close", None)
        if close is not None:
            close()


class JsonErrorsMiddleware:
    """Turns every error answer under the API's addresses that is not JSON yet into one that is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_api_path(request.path_info):
            return self.get_response(request)
        try:
            # Asked here, so that the refusal is neither a page nor a trace in the log.
            request.get_host()
        except DisallowedHost:
            logger.warning("refused a request for a host name that ALLOWED_HOSTS does not have")
            return _answer(
                400, "The host name of this request is not allowed: an operator can add it to ALLOWED_HOSTS."
            )
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return _answer(400, "The address holds a NUL character, which no name here can have.")
        response = self.get_response(request)
        if response.status_code < 400:
            return response
        if response.headers.get("Content-Type", "").startswith("application/json"):
            _mark_as_logged(response)
            return response
        answer = _answer(response.status_code, status_message(response.status_code))
        for name in ("Allow", "Retry-After"):
            if name in response.headers:
                answer.headers[name] = response.headers[name]
        return answer

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """What a view of the API let through. None elsewhere: the admin keeps Django's own pages."""
        if not is_api_path(request.path_info):
            return None
        known = as_inference_error(exception)
        if known is None:
            log_unexpected(exception)
            return _answer(500, status_message(500))
        return _answer(known.status, known.message)


class CompressJsonMiddleware(GZipMiddleware):
    """Compresses larger JSON answers of the API for clients that take gzip.

    Only those. Compression tells an eavesdropper how well what an attacker makes a client send fits what is secret in
    the answer (BREACH). That takes a browser that sends its right to ask by itself; the API knows keys, which it does
    not. The dashboard's pages, with their cookies and CSRF tokens, streams and files stay as they are.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if (
            isinstance(response, HttpResponse)
            and is_api_path(request.path_info)
            and response.headers.get("Content-Type", "").partition(";")[0] in _COMPRESSED_TYPES
            and len(response.content) >= COMPRESS_FROM_BYTES
        ):
            return super().process_response(request, response)
        return response


def is_api_path(path: str) -> bool:
    """Whether errors at `path` are answered in the API's shape."""
    return path in _EXACT or path.startswith(_BELOW)


def _answer(status: int, message: str) -> JsonResponse:
    response = JsonResponse(error_body(message, {} if status == 400 else None), status=status)
    _mark_as_logged(response)
    return response


def _mark_as_logged(response: HttpResponseBase) -> None:
    # Django logs each error answer with its address, which may hold a signature; ours were logged where they were
    # handled, if at all.
    setattr(response, "_has_been_logged", True)  # noqa: B010 - Django's own mark
