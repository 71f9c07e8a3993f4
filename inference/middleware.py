"""Errors that never reach a view of the API, in the API's shape: unknown routes, refused hosts, crashes."""

import logging
from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.gzip import GZipMiddleware

from inference.error_handler import as_inference_error, error_body, log_unexpected, status_message

logger = logging.getLogger(__name__)

_EXACT = ("/inference", "/api", "/health", "/is_task_running")
# Below it, what is saved is about what the headers weigh.
COMPRESS_FROM_BYTES = 4096
_COMPRESSED_TYPES = ("application/json", "application/schema+json")
_BELOW = tuple(f"{path}/" for path in _EXACT)


class JsonErrorsMiddleware:
    """Outermost: turns every error answer under the API's addresses that is not JSON yet into one that is."""

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
