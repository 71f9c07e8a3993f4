"""Which cookies a request of the server takes along: those that the browser would send to that address, no others."""

import ipaddress
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Cookie:
    """`domain` begins with a dot when the cookie is for subdomains, too. `partition`: the only site, if any, below
    which it is sent."""

    name: str
    value: str
    domain: str
    path: str = "/"
    is_secure: bool = False
    expires_at: float = -1  # like time.time(); -1: with the browser
    partition: str = ""

    def goes_to(self, url: str) -> bool:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        return (
            self._is_of(host)
            and _covers_path(self.path, parts.path or "/")
            and (not self.is_secure or parts.scheme == "https" or _is_local(host))
            and (self.expires_at < 0 or self.expires_at > time.time())
            and (not self.partition or _is_of_site(host, self.partition))
        )

    def _is_of(self, host: str) -> bool:
        domain = self.domain.lower()
        if not domain.startswith("."):
            return host == domain.strip("[]")
        return host == domain[1:] or (host.endswith(domain) and not _is_address(host))


def _covers_path(own: str, path: str) -> bool:
    return path == own or path.startswith(own if own.endswith("/") else f"{own}/")


def _is_local(host: str) -> bool:
    """Browsers hold these for safe without TLS."""
    return host == "localhost" or host.endswith(".localhost") or (_is_address(host) and _address(host).is_loopback)


def _is_of_site(host: str, site: str) -> bool:
    own = (urlsplit(site).hostname or "").lower()
    return bool(own) and (host == own or host.endswith(f".{own}"))


def _is_address(host: str) -> bool:
    try:
        _address(host)
    except ValueError:
        return False
    return True


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(host)


class CookieStore:
    """The browser's cookies at one moment, and those that come on the way through redirects."""

    def __init__(self, cookies: Iterable[Cookie] = ()) -> None:
        self._cookies = list(cookies)

    @classmethod
    def of_browser(cls, cookies: Iterable[Mapping[str, Any]]) -> "CookieStore":
        """From what a browser context lists. Sessions of other sites in the list go nowhere else."""
        return cls(
            Cookie(
                name=each["name"],
                value=each["value"],
                domain=each["domain"],
                path=each["path"],
                is_secure=each["secure"],
                expires_at=each["expires"],
                partition=each.get("partitionKey") or "",
            )
            for each in cookies
        )

    def header_for(self, url: str) -> str | None:
        """The value of the Cookie header for `url`, or None."""
        mine = sorted((each for each in self._cookies if each.goes_to(url)), key=lambda each: -len(each.path))
        return "; ".join(f"{each.name}={each.value}" if each.name else each.value for each in mine) or None

    def take(self, url: str, headers: Sequence[str]) -> None:
        """Remember what `url` set with these Set-Cookie headers, for itself only: a domain that it names is not
        believed, since nobody here knows which domains are shared by strangers."""
        host = (urlsplit(url).hostname or "").lower()
        for header in headers:
            pair, *attributes = header.split(";")
            name, equals, value = pair.partition("=")
            name, value = (name.strip(), value.strip()) if equals else ("", name.strip())
            said = {key.strip().lower(): text.strip() for key, _, text in (each.partition("=") for each in attributes)}
            self._cookies = [each for each in self._cookies if each.name != name or not each.goes_to(url)]
            if not _is_over(said):
                path = said["path"] if said.get("path", "").startswith("/") else "/"
                self._cookies.append(Cookie(name, value, host, path, is_secure="secure" in said))


def _is_over(attributes: Mapping[str, str]) -> bool:
    """Whether a cookie was set only to be deleted."""
    if (age := attributes.get("max-age")) is not None:
        return age.startswith("-") or age == "0"
    try:
        return "expires" in attributes and parsedate_to_datetime(attributes["expires"]).timestamp() <= time.time()
    except (ValueError, OverflowError):
        return False
