"""The rules: which addresses are never connected to, and which only when a setting names them.

The table is written out instead of asking `ipaddress.is_private`: what that says changes between versions of
Python, and it has no answer for metadata services, carrier NAT or an IPv4 address wrapped in an IPv6 one.
Sources: the IANA registries of special-purpose addresses (RFC 6890, RFC 8190).
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Literal

import psutil
from django.conf import settings

from inference.egress.hosts import Address, AddressError, Host, bare_name, read_host

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AddressRange:
    """`kind` is for people: “10.0.0.1 is {kind}”. Ranges that are not `nameable` are refused whatever is set."""

    network: Network
    kind: str
    nameable: bool


def _ranges(kind: str, *networks: str, nameable: bool) -> list[AddressRange]:
    return [AddressRange(ip_network(network), kind, nameable) for network in networks]


# The first match counts, so single addresses stand before the ranges that hold them.
_RANGES: tuple[AddressRange, ...] = (
    *_ranges(
        "the address of a metadata service",
        "169.254.169.254/32",  # AWS, Azure, Google, Oracle, OpenStack and others
        "169.254.170.2/32",  # credentials of AWS containers
        "169.254.170.23/32",
        "169.254.0.23/32",  # Tencent
        "100.100.100.200/32",  # Alibaba
        "192.0.0.192/32",  # Oracle
        "168.63.129.16/32",  # Azure, in the midst of ordinary addresses
        "fd00:ec2::/32",  # AWS: ::254, and ::23 for containers
        "fd20:ce::254/128",  # Google
        "fd00:c1::a9fe:a9fe/128",  # Oracle
        "fd00:42::42/128",  # Scaleway
        nameable=False,
    ),
    *_ranges("a broadcast address", "255.255.255.255/32", nameable=False),
    *_ranges("an unspecified address, which means this machine", "0.0.0.0/8", "::/128", nameable=False),
    *_ranges("a link-local address", "169.254.0.0/16", "fe80::/10", nameable=False),
    *_ranges("a multicast address", "224.0.0.0/4", "ff00::/8", nameable=False),
    *_ranges("a loopback address", "127.0.0.0/8", "::1/128", nameable=True),
    *_ranges("a private address", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", nameable=True),
    *_ranges("a private address", "fc00::/7", "fec0::/10", nameable=True),
    *_ranges("an address behind a carrier's NAT", "100.64.0.0/10", nameable=True),
    *_ranges("an address of a benchmarking network", "198.18.0.0/15", "2001:2::/48", nameable=True),
    *_ranges("an address of a local translator", "64:ff9b:1::/48", nameable=True),
    *_ranges(
        "a reserved address",
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
        *("100::/64", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        nameable=False,
    ),
)
# Addresses that another one is wrapped in are judged by what they stand for, so they are looked for first.
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE = IPv6Network("::/96")

# Refused by name, too: what they resolve to differs from cloud to cloud.
_METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "metadata.azure.com",
        "metadata.tencentyun.com",
        "metadata.platformequinix.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)

SettingName = Literal["ALLOWED_PRIVATE_HOSTS", "BROWSER_ALLOWED_PRIVATE_HOSTS"]


# --- what the settings name ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry of a setting: a name or a network, at one port or at any (None)."""

    what: str | Network
    port: int | None

    def covers(self, name: str | None, address: Address, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if isinstance(self.what, str):
            return name is not None and bare_name(name) == self.what
        return address in self.what


def read_allowed_host(entry: str) -> AllowedHost:
    """`name`, `10.0.0.7`, `10.0.0.0/8`, `fd00::1`, each with `:port` behind it (IPv6 in brackets then).

    Raises ValueError, for an entry that would not do what its author thinks.
    """
    what, port = _split_port(entry.strip())
    if "://" in entry or "@" in entry or "*" in what:
        raise ValueError(
            f"“{entry}” must be a host name, an IP address or a network like 10.0.0.0/8, with or without :port"
        )
    host = _read_entry(what, entry)
    if isinstance(host, str):
        if bare_name(host) in _METADATA_NAMES:
            raise ValueError(f"“{entry}” is the name of a metadata service, which is never opened")
        return AllowedHost(bare_name(host), port)
    network = host if isinstance(host, IPv4Network | IPv6Network) else ip_network(host)
    if (range_ := _range_around(network)) is not None:
        raise ValueError(f"“{entry}” is {range_.kind}, which is never opened")
    return AllowedHost(network, port)


def _read_entry(what: str, entry: str) -> Host | Network:
    if "/" in what:
        try:
            return ip_network(what.strip("[]"))
        except ValueError as error:
            raise ValueError(f"“{entry}” is no network: {error}") from error
    try:
        return read_host(what)
    except AddressError as error:
        raise ValueError(f"“{entry}”: {error}") from error


def _split_port(entry: str) -> tuple[str, int | None]:
    before, colon, after = entry.rpartition(":")
    is_bare_ipv6 = ":" in before and not before.endswith("]")
    if not colon or is_bare_ipv6 or entry.endswith("]"):
        return entry, None
    return before, read_port(after)


def read_port(text: str) -> int:
    """Raises ValueError for what is no port."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536):
        raise ValueError(f"“{text}” is no port (1 to 65535)")
    return int(text)


def _range_around(network: Network) -> AddressRange | None:
    """The range that is never opened and holds the whole network."""
    for each in _RANGES:
        if not each.nameable and network[0] in each.network and network[-1] in each.network:
            return each
    return None


@lru_cache(maxsize=64)
def _read_allowed_hosts(entries: tuple[str, ...]) -> tuple[AllowedHost, ...]:
    return tuple(map(read_allowed_host, entries))


# --- the judgement -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EgressPolicy:
    """What may be connected to. `setting_name` is what a person is told to change."""

    allowed: tuple[AllowedHost, ...]
    setting_name: SettingName
    # Ports of this process that no page may reach, such as that of the browser's proxy.
    further_own_ports: frozenset[int] = frozenset()

    @classmethod
    def of_server(cls, allowed_hosts: Sequence[str] | None = None) -> "EgressPolicy":
        """For what the server fetches and sends; None: ALLOWED_PRIVATE_HOSTS."""
        entries = settings.ALLOWED_PRIVATE_HOSTS if allowed_hosts is None else allowed_hosts
        return cls(_read_allowed_hosts(tuple(entries)), "ALLOWED_PRIVATE_HOSTS")

    @classmethod
    def of_browser(cls, *, further_own_ports: Iterable[int] = ()) -> "EgressPolicy":
        """For what pages open: BROWSER_ALLOWED_PRIVATE_HOSTS."""
        entries = tuple(settings.BROWSER_ALLOWED_PRIVATE_HOSTS)
        return cls(_read_allowed_hosts(entries), "BROWSER_ALLOWED_PRIVATE_HOSTS", frozenset(further_own_ports))

    def refusal_of_name(self, name: str, port: int) -> str | None:
        """Why a host name is refused before anybody resolves it, or None."""
        if bare_name(name) in _METADATA_NAMES:
            return f"{bare_name(name)} is a metadata service, which is never opened"
        database = database_place()
        if bare_name(name) in database.names and port == database.port:
            return f"{bare_name(name)} at port {port} is this server's own database"
        return None

    def refusal_of_address(self, address: Address, port: int, *, name: str | None = None) -> str | None:
        """Why a connection to that address is refused, or None. `name`: what resolved to it."""
        if not 0 < port < 65536:
            return f"{port} is no port"
        for each in (address, *_wrapped_in(address)):
            if is_own_port(each, port, self.further_own_ports):
                return f"{_subject(name, address, each)} this machine, and port {port} is this server's own"
            if (range_ := _range_of(each)) is None:
                continue
            if not range_.nameable:
                return f"{_subject(name, address, each)} {range_.kind}, which is never opened"
            if not any(entry.covers(name, each, port) for entry in self.allowed):
                return f"{_subject(name, address, each)} {range_.kind} that {self.setting_name} does not name"
        return None


def _subject(name: str | None, address: Address, meant: Address) -> str:
    """The beginning of the sentence `10.0.0.1 is a private address …`, however it was arrived at."""
    if meant != address:
        wrapped = f"{address} stands for {meant}," if name is None else f"{address}, which stands for {meant},"
        return wrapped if name is None else f"{bare_name(name)} is at {wrapped}"
    return f"{address} is" if name is None else f"{bare_name(name)} is at {address},"


def _range_of(address: Address) -> AddressRange | None:
    for each in _RANGES:
        if address in each.network:
            return each
    if isinstance(address, IPv6Address) and address not in _GLOBAL_IPV6 and not _wrapped_in(address):
        return AddressRange(IPv6Network("::/0"), "a reserved address", nameable=False)
    return None


def _wrapped_in(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address stands for; whoever routes it may connect to them."""
    if isinstance(address, IPv4Address) or address.packed == bytes(16) or int(address) == 1:
        return ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _NAT64 or address in _TRANSLATED or address in _COMPATIBLE:
        return (IPv4Address(address.packed[-4:]),)
    return ()


# --- this server's own ports ---------------------------------------------------------------------------------


def is_own_port(address: Address, port: int, further: frozenset[int] = frozenset()) -> bool:
    """Whether this server itself listens there: its web ports and its database, on any address of this machine,
    and the database on its own host."""
    database = database_place()
    if port == database.port and address in database.addresses:
        return True
    is_own = port in further or port in settings.OWN_PORTS or port == database.port
    return is_own and _is_this_machine(address)


def _is_this_machine(address: Address) -> bool:
    if address.is_loopback or address.is_unspecified:
        return True
    # Not remembered: addresses come and go, and this is asked for a handful of ports only.
    listed = (each.address.partition("%")[0] for interface in psutil.net_if_addrs().values() for each in interface)
    return str(address) in listed


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """Where the database listens: the hosts as the setting writes them, names and addresses."""

    port: int
    names: frozenset[str]
    addresses: frozenset[Address]


def database_place() -> DatabasePlace:
    database = settings.DATABASES["default"]
    return _read_database_place(str(database.get("HOST") or ""), str(database.get("PORT") or ""))


@lru_cache(maxsize=8)
def _read_database_place(hosts: str, ports: str) -> DatabasePlace:
    names, addresses = set[str](), set[Address]()
    for text in hosts.split(","):
        with contextlib.suppress(AddressError):  # nothing, or the folder of a Unix socket
            host = read_host(text)
            if isinstance(host, str):
                names.add(bare_name(host))
            else:
                addresses.add(host)
    first_port = ports.partition(",")[0]
    return DatabasePlace(int(first_port) if first_port.isdigit() else 5432, frozenset(names), frozenset(addresses))
