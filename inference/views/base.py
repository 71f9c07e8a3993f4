"""What every view of the API shares: JSON both ways, one way to ask for a key, and how long a client waits."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from inference.error_handler import JSON_BODY
from inference.errors import UnauthorizedError, ValidationFailedError
from inference.models import ApiKey
from inference.serializers import LinkMaker
from inference.throttles import limit_rate

MAX_WAIT_SECONDS = 60
_PREFER_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=[,;]|$)", re.IGNORECASE)


class JsonOnly(BaseContentNegotiation):
    """Every answer is JSON, whatever the client says that it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """A view whose `scopes` say what a key needs for each method."""

    content_negotiation_class = JsonOnly
    http_method_names = ("get", "post", "put", "delete", "head", "options")
    scopes: ClassVar[Mapping[str, str]] = {}
    body_max_bytes = 1024 * 1024
    # The body, as a 415 tells what it should be.
    takes = JSON_BODY
    is_rate_limited = True

    def perform_authentication(self, request: Request) -> None:
        """Who it is, and whether it is too much: before the scope is looked at and the body is read."""
        super().perform_authentication(request)
        if self.is_rate_limited:
            limit_rate(request)

    def dispatch(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        if request.method == "OPTIONS":
            # Told before anybody is asked for a key, and nothing else is: neither whether the thing in the address
            # exists, nor what the view is about.
            return HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})
        return super().dispatch(request, *arguments, **named)

    def is_open_to(self, request: Request) -> bool:
        """Whether a caller without a key may go on."""
        return False


class OpenView(ApiView):
    """Answers everybody; a key that is sent is not even looked at."""

    authentication_classes = ()
    permission_classes = ()
    is_rate_limited = False


def api_key_of(request: Request) -> ApiKey | None:
    """The key that was sent; None for an anonymous local caller."""
    return request.auth if isinstance(request.auth, ApiKey) else None


def require_key(request: Request) -> ApiKey:
    """The key, on a route that is never open. Raises UnauthorizedError."""
    key = api_key_of(request)
    if key is None:
        raise UnauthorizedError
    return key


def links_of(request: Request) -> LinkMaker:
    return LinkMaker(request.build_absolute_uri)


def preferred_wait(request: Request) -> int:
    """Seconds of `Prefer: wait=N`, at most 60; 0 without one. A preference that cannot be read is none (RFC 7240)."""
    found = _PREFER_WAIT.search(request.headers.get("Prefer", ""))
    return min(int(found[1]), MAX_WAIT_SECONDS) if found else 0


def wanted_wait(request: Request) -> int:
    """Seconds of `?wait=N`, at most 60; 0 without one. Raises ValidationFailedError."""
    text = request.query_params.get("wait", "0")
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        message = f"wait must be a whole number of seconds, at most {MAX_WAIT_SECONDS}."
        raise ValidationFailedError(message, errors={"wait": [message]})
    return min(int(text), MAX_WAIT_SECONDS)


def wanted_task_id(request: Request) -> UUID:
    """The id in `?task_id=`. Raises ValidationFailedError."""
    try:
        return UUID(request.query_params.get("task_id", ""))
    except ValueError:
        message = "task_id must be the id of a task: add ?task_id=<uuid>."
        raise ValidationFailedError(message, errors={"task_id": [message]}) from None
