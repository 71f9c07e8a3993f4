"""What a test may set in the running portal, and what the portal remembers for it."""

import threading
from typing import Literal, get_args

Consent = Literal["off", "first-visit"]
CONSENT_MODES: tuple[Consent, ...] = get_args(Consent)


class Switches:
    """State of the whole process besides the effects. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._initial_consent: Consent = "off"
        self._consent: Consent = "off"
        self._failed_keys: set[str] = set()
        self._confirmations = 0

    def start_with(self, *, consent: Consent) -> None:
        """Set the mode that `reset` goes back to."""
        with self._lock:
            self._initial_consent = self._consent = consent

    @property
    def consent(self) -> Consent:
        with self._lock:
            return self._consent

    @consent.setter
    def consent(self, mode: Consent) -> None:
        with self._lock:
            self._consent = mode

    def is_first_time(self, key: str) -> bool:
        """True once per key, until the next reset."""
        with self._lock:
            if key in self._failed_keys:
                return False
            self._failed_keys.add(key)
            return True

    def next_confirmation(self) -> str:
        """The number of one more accepted intake: NW-100001, NW-100002, ..."""
        with self._lock:
            self._confirmations += 1
            return f"NW-{100_000 + self._confirmations}"

    def reset(self) -> None:
        with self._lock:
            self._consent = self._initial_consent
            self._failed_keys.clear()
            self._confirmations = 0

    def as_dict(self) -> dict[str, object]:
        with self._lock:
            return {
                "consent": self._consent,
                "failed_keys": sorted(self._failed_keys),
                "confirmations": self._confirmations,
            }


switches = Switches()
