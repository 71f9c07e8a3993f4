"""How many requests a caller may send: token buckets in the memory of each web process.

In memory, so that a submission costs no further round trip to the database; with several web processes, each of them
allows the whole rate. A bucket that was forgotten for want of room begins full again.
"""

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from django.conf import settings
from rest_framework.request import Request

from inference.errors import TooManyRequestsError
from inference.models import ApiKey

# Some hundred bytes each.
MAX_BUCKETS = 10_000


class TokenBuckets:
    """Buckets by name. Each holds up to `burst` tokens, is full at first, and gets `rate` tokens a second."""

    def __init__(self, *, max_buckets: int = MAX_BUCKETS, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_buckets = max_buckets
        self._clock = clock
        self._lock = threading.Lock()
        # Name -> tokens, and when they were so many; least recently used first.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, *, rate: float, burst: int) -> float:
        """Take a token of this bucket: 0.0 if there was one, else the seconds until there will be."""
        with self._lock:
            now = self._clock()
            tokens, since = self._buckets.pop(name, (float(burst), now))
            tokens = min(float(burst), tokens + (now - since) * rate)
            wait = 0.0 if tokens >= 1 else (1 - tokens) / rate
            self._buckets[name] = (tokens - 1 if not wait else tokens, now)
            if len(self._buckets) > self._max_buckets:
                self._buckets.popitem(last=False)
            return wait

    def clear(self) -> None:
        """Every bucket is full."""
        with self._lock:
            self._buckets.clear()

    def __len__(self) -> int:
        return len(self._buckets)


# In the WSGI environment of a request that `may_send` has counted (no header can be called that).
COUNTED = "optexity.is_counted"

callers = TokenBuckets()
failures = TokenBuckets()


def may_send(key: ApiKey) -> bool:
    """Count a request of `key`. False: it is one too many."""
    rate: int = settings.RATE_LIMIT_PER_KEY
    return not rate or not callers.take(_name(key), rate=rate, burst=settings.RATE_LIMIT_BURST)


def limit_rate(request: Request) -> None:
    """Count an authenticated request, or one of a caller without a key. Raises TooManyRequestsError."""
    rate: int = settings.RATE_LIMIT_PER_KEY
    if not rate or request.META.get(COUNTED):
        return
    key = request.auth
    if isinstance(key, ApiKey):
        name, whose = _name(key), "this API key"
    else:
        name, whose = f"address:{_peer(request)}", "this address"
    wait = callers.take(name, rate=rate, burst=settings.RATE_LIMIT_BURST)
    if wait:
        raise TooManyRequestsError(
            f"Too many requests of {whose} (the limit is {rate} a second): send it again in a while, or many "
            "submissions in one request.",
            retry_after=math.ceil(wait),
        )


def count_failed_key(request: Request) -> None:
    """Count a key that cannot be used. Raises TooManyRequestsError when too many came from this address.

    Called once a key was found to be wrong, so it never keeps out a right one.
    """
    limit: int = settings.FAILED_KEYS_PER_MINUTE
    wait = failures.take(_peer(request), rate=limit / 60, burst=limit)
    if wait:
        raise TooManyRequestsError(
            "Too many requests with an invalid API key came from this address: send a valid one in x-api-key.",
            retry_after=math.ceil(wait),
        )


def _name(key: ApiKey) -> str:
    return f"key:{key.pk}"


def _peer(request: Request) -> str:
    """The address of the peer; of IPv6 the network, of which a caller has all addresses."""
    text: str = request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # a UNIX socket
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)
