"""Who calls: a key in one of three spellings, or nobody, where that is allowed."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from structlog.contextvars import bind_contextvars

from inference.errors import UnauthorizedError
from inference.models import ApiKey
from inference.services.api_keys import find_key
from inference.throttles import count_failed_key

_SCHEMES = ("x-api-key", "bearer")


class ApiKeyAuthentication(BaseAuthentication):
    """`x-api-key: KEY`, `Authorization: x-api-key KEY` or `Authorization: Bearer KEY`.

    `request.auth` is the ApiKey, None for an anonymous local caller. There is no `request.user`: the API knows keys.
    """

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        """Nobody and the key; None without a key. Raises UnauthorizedError for one that cannot be used, or
        TooManyRequestsError after many of them."""
        sent = sent_keys(request.META)
        if not sent:
            return None
        # Two different keys in one request: whichever were meant, the other is a mistake.
        key = find_key(sent.pop()) if len(sent) == 1 else None
        if key is None:
            count_failed_key(request)
            raise UnauthorizedError
        bind_contextvars(key_id=key.public_id)
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return "x-api-key"


def sent_keys(environ: Mapping[str, Any]) -> set[str]:
    """The different keys of a request (WSGI's names); what is no key at all is one that nobody has."""
    sent = set()
    if "HTTP_X_API_KEY" in environ:
        sent.add(environ["HTTP_X_API_KEY"].strip())
    if "HTTP_AUTHORIZATION" in environ:
        scheme, _, key = environ["HTTP_AUTHORIZATION"].strip().partition(" ")
        sent.add(key.strip() if scheme.lower() in _SCHEMES else "")
    return sent


def is_anonymous_local(request: Request) -> bool:
    """The quickstart's rule: switched on, and a program on this machine."""
    return bool(settings.ALLOW_ANONYMOUS_LOCAL) and is_local_peer(request)


def is_local_peer(request: Request) -> bool:
    """A loopback peer, and nothing that tells of a proxy in between."""
    if any(name == "HTTP_FORWARDED" or name.startswith("HTTP_X_FORWARDED") for name in request.META):
        return False
    return _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(address: str) -> bool:
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:  # a UNIX socket: some proxy is in between
        return False
    mapped = peer.ipv4_mapped if isinstance(peer, ipaddress.IPv6Address) else None
    return (mapped or peer).is_loopback
