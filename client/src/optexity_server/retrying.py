"""Which failed request is sent again, and when."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from optexity_server.errors import (
    ApiError,
    ConnectionFailedError,
    OptexityError,
    RateLimitedError,
    UnavailableError,
)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20.0
_random = random.SystemRandom()


@dataclass(frozen=True)
class RetryPolicy:
    """At most `retries` more tries, begun within `max_retry_seconds` of the first failure."""

    retries: int = 5
    max_retry_seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.retries < 0 or self.max_retry_seconds < 0:
            raise ValueError("retries and max_retry_seconds must not be negative")


@dataclass
class Patience:
    """What is left of a policy for one request."""

    policy: RetryPolicy
    until: float | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.failures = 0
        self._ends_at = math.inf

    def pause_after(self, error: OptexityError) -> float | None:
        """Seconds to wait before the next try; None when there is none. Never less than the server's Retry-After, and
        none at all when that is later than the policy allows."""
        if not is_passing(error) or self.failures >= self.policy.retries:
            return None
        if not self.failures:
            # From now on, not from the first try: an answer that was held for a minute has not used anything up.
            self._ends_at = min(
                self.clock() + self.policy.max_retry_seconds, math.inf if self.until is None else self.until
            )
        pause = jittered(min(FIRST_PAUSE_SECONDS * 2**self.failures, LONGEST_PAUSE_SECONDS))
        if isinstance(error, ApiError) and error.retry_after is not None:
            # Not all of those that were sent away together come back together.
            pause = max(pause, error.retry_after + _random.uniform(0, min(1.0, error.retry_after / 10)))
        self.failures += 1
        return pause if self.clock() + pause <= self._ends_at else None


def is_passing(error: OptexityError) -> bool:
    """Whether the same request may be answered otherwise a little later."""
    return isinstance(error, ConnectionFailedError | RateLimitedError | UnavailableError)


def jittered(seconds: float) -> float:
    return seconds * _random.uniform(0.5, 1.0)


def retry_after_seconds(header: str | None) -> float | None:
    """The seconds of a Retry-After header, which has a number or a date; None for what is neither."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
