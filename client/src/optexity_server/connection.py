"""Where the server is and what opens it."""

import os
import threading
import warnings
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from optexity_server.errors import InsecureConnectionWarning

URL_VARIABLE = "OPTEXITY_SERVER_URL"
KEY_VARIABLE = "OPTEXITY_SERVER_KEY"
DEFAULT_URL = "http://127.0.0.1:9000"

_warned: set[str] = set()
_warned_lock = threading.Lock()


@dataclass(frozen=True)
class Connection:
    """An address without a slash at its end, and a key that no repr shows."""

    url: str
    key: str | None = field(default=None, repr=False)

    @classmethod
    def resolve(cls, url: str | None, key: str | None) -> "Connection":
        """What was given, else the environment's, else the local server. Raises ValueError."""
        address = _checked_url(url or os.environ.get(URL_VARIABLE) or DEFAULT_URL)
        return cls(address, _checked_key(os.environ.get(KEY_VARIABLE) if key is None else key))

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return _is_loopback(urlsplit(self.url).hostname or "")

    def warn_if_insecure(self, *, stacklevel: int) -> None:
        """Once for each server: the key can be read on the way."""
        if self.key is None or self.is_local or not self.url.startswith("http:"):
            return
        with _warned_lock:
            if self.url in _warned:
                return
            _warned.add(self.url)
        message = f"The API key is sent unencrypted to {self.url}: use https"
        warnings.warn(message, InsecureConnectionWarning, stacklevel=stacklevel + 1)


def _checked_url(text: str) -> str:
    # No message repeats the text: somebody may have put a password or a key into it.
    try:
        parts = urlsplit(text.strip())
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError("the server's URL must be a full http:// or https:// address")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the server's URL must not hold a user name or a password: pass the key by itself")
    if parts.query or parts.fragment:
        raise ValueError("the server's URL must end with its path, without ? and #")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def _checked_key(text: str | None) -> str | None:
    key = (text or "").strip()
    if not key:
        return None
    # Checked here, because the errors of the libraries below would repeat it.
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("the API key must be one word of ASCII characters: copy it again")
    return key


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
