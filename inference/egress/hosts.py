"""Hosts and addresses of URLs, read as Chromium reads them (https://url.spec.whatwg.org/#host-parsing).

Reading them in another way than the program that connects is how a guard is passed: `0x7f.1`, `127.1`,
`１２７.0.0.1` and `127。0。0。1` are all 127.0.0.1 to a browser and to the C library.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote_to_bytes

Address = IPv4Address | IPv6Address
# An address, or a name in lower-case ASCII (Punycode); a name keeps the trailing dot that makes it absolute.
Host = Address | str

DEFAULT_PORTS = {"http": 80, "https": 443}

_LONGEST_NAME = 253
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# `scheme://authority`. Everything before the first of / ? # is the authority for every reader of URLs, as long as it
# holds no backslash, blank or control character: those are where readers differ.
_BEGINNING = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#]*))?")
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CREDENTIALS = re.compile(r"^(\s*[A-Za-z][A-Za-z0-9+.-]*:[/\\]*)[^/?#\\]*@")
_PORT = re.compile(r":([0-9]{0,5})$")


class AddressError(ValueError):
    """The text is no address that may be opened; the message says why, without any credential of it."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL points to."""

    scheme: str
    host: Host
    port: int


def read_url(url: str) -> Target:
    """Scheme, host and port of an http(s) address without credentials. Raises AddressError for all others."""
    found = _BEGINNING.match(url)
    if found is None or _CONTROL.search(url):
        raise AddressError("that is no address (it must begin with http:// or https://)")
    scheme, authority = found[1].lower(), found[2]
    if scheme not in DEFAULT_PORTS:
        raise AddressError(f"only http and https addresses are opened, no {scheme}: ones")
    if not authority:
        raise AddressError("the address names no host")
    if _AMBIGUOUS.search(authority):
        raise AddressError("an address with a blank or a backslash in its host is not opened")
    if "@" in authority:
        raise AddressError("an address with a user name or password in it is not opened")
    port = DEFAULT_PORTS[scheme]
    if (written := _PORT.search(authority)) is not None:
        authority = authority[: written.start()]
        port = int(written[1] or port)
    if not 0 < port < 65536:
        raise AddressError(f"{port} is no port")
    return Target(scheme, read_host(authority), port)


def without_credentials(url: str) -> str:
    """The address for people to read, whatever is wrong with it."""
    return _CREDENTIALS.sub(r"\1", url)


def read_host(text: str) -> Host:
    """The host of a URL or of a proxy request. Raises AddressError when a browser would not take it either."""
    if not text:
        raise AddressError("the address names no host")
    if text.startswith("[") or ":" in text:
        return _read_ipv6(text)
    name = _to_ascii(text)
    labels = name.split(".")
    if labels[-1] == "" and len(labels) > 1:
        labels.pop()
    if _NUMBER.fullmatch(labels[-1]):
        return _read_ipv4(labels)
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise AddressError(f"“{_shortened(text)}” is no host name")
    return name


def bare_name(name: str) -> str:
    """The name without the trailing dot, for comparing."""
    return name.removesuffix(".")


def _to_ascii(text: str) -> str:
    if "%" in text:
        try:
            text = unquote_to_bytes(text).decode("utf-8")
        except UnicodeDecodeError as error:
            raise AddressError("the host is not UTF-8") from error
    if text.isascii():
        return text.lower()
    import idna  # its tables are loaded for the first name that needs them, not by every process

    try:
        # UTS 46 maps full-width digits and the dots of other scripts to ASCII, as browsers do.
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        try:
            mapped = idna.uts46_remap(text)
        except idna.IDNAError:
            mapped = ""
        if mapped and mapped.isascii():
            return mapped.lower()
        raise AddressError(f"“{_shortened(text)}” is no host name") from error


def _read_ipv4(labels: list[str]) -> IPv4Address:
    """One to four numbers, decimal, octal (`0177`) or hexadecimal (`0x7f`); the last one fills what is left."""
    numbers = [_read_number(label) for label in labels]
    if len(numbers) > 4 or any(number > 255 for number in numbers[:-1]):
        raise AddressError(f"“{_shortened('.'.join(labels))}” is no IPv4 address")
    *first, last = numbers
    if last >= 256 ** (5 - len(numbers)):
        raise AddressError(f"“{_shortened('.'.join(labels))}” is no IPv4 address")
    return IPv4Address(last + sum(number << (8 * (3 - place)) for place, number in enumerate(first)))


def _read_number(label: str) -> int:
    try:
        if label.startswith("0x"):
            return int(label[2:] or "0", 16)
        if not (label.isascii() and label.isdigit()):
            raise ValueError
        return int(label, 8 if len(label) > 1 and label.startswith("0") else 10)
    except ValueError as error:
        raise AddressError(f"“{_shortened(label)}” is no part of an IPv4 address") from error


def _read_ipv6(text: str) -> IPv6Address:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if "%" in inner:
        raise AddressError("an IPv6 address with a zone is link-local, and never opened")
    try:
        address = ip_address(inner)
    except ValueError as error:
        raise AddressError(f"“{_shortened(text)}” is no IPv6 address") from error
    if not isinstance(address, IPv6Address):
        raise AddressError(f"“{_shortened(text)}” is no IPv6 address")
    return address


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
