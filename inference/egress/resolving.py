"""From a host to the addresses that may be connected to.

A name is looked up once, and the connection goes to an address of that very answer: a second look-up could give
another one (DNS rebinding). A name with one refused address is refused as a whole. To go to its other addresses
would be as safe for this connection, but a public name that also points inside is an attack or a mistake far more
often than a service, and a refusal is seen by somebody. `localhost` is no answer of anybody's DNS, so there the
permitted ones of both loopback addresses are used.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from inference.egress.hosts import Address, Host, bare_name
from inference.egress.policy import EgressPolicy, database_place

# (name, port) -> addresses as text. Blocks; raises OSError when there is no answer.
Resolve = Callable[[str, int], Sequence[str]]

# The system's resolver may try several servers for five seconds each, twice.
RESOLVE_SECONDS = 15.0
_MOST_ADDRESSES = 16
_LOOPBACK: tuple[Address, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


class RefusedError(Exception):
    """The policy does not permit the connection. Not an OSError, which network libraries take for bad luck."""


class NameNotResolvedError(OSError):
    """Nobody knows an address of the name."""


def resolve_by_system(name: str, port: int) -> list[str]:
    """The addresses that the C library gives, in its order of preference."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


def permitted_addresses(
    host: Host, port: int, policy: EgressPolicy, resolve: Resolve = resolve_by_system
) -> Sequence[Address]:
    """The addresses of `host` to connect to, best first.

    Blocks while a name is looked up. Raises RefusedError, or NameNotResolvedError.
    """
    if not isinstance(host, str):
        _require(policy.refusal_of_address(host, port))
        _require_not_database(str(host), (host,), port, resolve)
        return (host,)
    _require(policy.refusal_of_name(host, port))
    if is_localhost(host):
        return _permitted_loopback(host, port, policy)
    if is_nowhere(host):
        raise NameNotResolvedError(f"the name {bare_name(host)} stands for nothing")
    addresses = _look_up(host, port, resolve)
    for address in addresses:
        _require(policy.refusal_of_address(address, port, name=host))
    _require_not_database(host, addresses, port, resolve)
    return addresses


def needs_look_up(host: Host, port: int) -> bool:
    """Whether `permitted_addresses` may have to wait for a resolver."""
    is_name = isinstance(host, str) and not is_localhost(host) and not is_nowhere(host)
    return is_name or (port == database_place().port and bool(database_place().names))


def is_localhost(name: str) -> bool:
    """Names that never leave the machine (RFC 6761); browsers do not look them up either."""
    return bare_name(name) == "localhost" or bare_name(name).endswith(".localhost")


def is_nowhere(name: str) -> bool:
    """Names that never exist (RFC 6761); nobody is asked for them."""
    return bare_name(name).endswith(".invalid")


def _permitted_loopback(name: str, port: int, policy: EgressPolicy) -> Sequence[Address]:
    refusals = [policy.refusal_of_address(address, port, name=name) for address in _LOOPBACK]
    permitted = [address for address, refusal in zip(_LOOPBACK, refusals, strict=True) if refusal is None]
    if not permitted:
        _require(refusals[0])
    return permitted


def _require(refusal: str | None) -> None:
    if refusal is not None:
        raise RefusedError(refusal)


def _require_not_database(host: str, addresses: Sequence[Address], port: int, resolve: Resolve) -> None:
    """The database may be given by a name, and be reached by another one or by its address."""
    database = database_place()
    if port != database.port:
        return
    for each in database.names - {"localhost"}:
        try:
            own = _look_up(each, port, resolve)
        except NameNotResolvedError:
            continue
        if not set(own).isdisjoint(addresses):
            raise RefusedError(f"{bare_name(host)} at port {port} is this server's own database")


def _look_up(name: str, port: int, resolve: Resolve) -> list[Address]:
    try:
        texts = _with_time_limit(lambda: resolve(name, port))
    except OSError as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NameNotResolvedError(f"the name {bare_name(name)} was not resolved ({reason})") from error
    addresses = [ip_address(text.partition("%")[0]) for text in texts[:_MOST_ADDRESSES]]
    if not addresses:
        raise NameNotResolvedError(f"the name {bare_name(name)} has no address")
    return addresses


def _with_time_limit(look_up: Callable[[], Sequence[str]]) -> Sequence[str]:
    """In a thread that can be left alone: nothing interrupts the C library's resolver."""
    answer: list[Sequence[str]] = []
    failure: list[BaseException] = []

    def ask() -> None:
        try:
            answer.append(look_up())
        except BaseException as error:  # raised again by the one who waits
            failure.append(error)

    thread = threading.Thread(target=ask, name="name look-up", daemon=True)
    thread.start()
    thread.join(RESOLVE_SECONDS)
    if failure:
        raise failure[0]
    if not answer:
        raise TimeoutError(f"no answer within {RESOLVE_SECONDS:g} s")
    return answer[0]
