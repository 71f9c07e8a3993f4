"""The corpus: every address with its verdict, with a resolver of the test's own."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from inference.egress.hosts import AddressError, read_host, read_url, without_credentials
from inference.egress.policy import EgressPolicy, read_allowed_host
from inference.egress.resolving import NameNotResolvedError, RefusedError, permitted_addresses

CORPUS: dict[str, Any] = json.loads(Path(__file__).with_name("addresses.json").read_text())


def look_up_in_corpus(name: str, port: int) -> Sequence[str]:
    found: Sequence[str] = CORPUS["names"].get(name.rstrip("."), CORPUS["names"]["public.example"])
    return found


@pytest.fixture
def policy(settings: Settings) -> EgressPolicy:
    settings.OWN_PORTS = CORPUS["own_ports"]
    return EgressPolicy.of_server(CORPUS["named"])


def judge(url: str, policy: EgressPolicy) -> Sequence[str]:
    """The addresses that would be connected to."""
    target = read_url(url)
    return [str(each) for each in permitted_addresses(target.host, target.port, policy, look_up_in_corpus)]


@pytest.mark.parametrize("url", CORPUS["allowed"])
def test_ordinary_and_named_addresses_pass(policy: EgressPolicy, url: str) -> None:
    assert judge(url, policy)


@pytest.mark.parametrize(("url", "words"), CORPUS["refused"])
def test_what_is_refused_says_why(policy: EgressPolicy, url: str, words: str) -> None:
    with pytest.raises((RefusedError, AddressError)) as refusal:
        judge(url, policy)

    assert words in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://inside.example/", "http://localhost/"])
def test_a_refusal_names_the_setting_of_the_one_who_connects(url: str, settings: Settings) -> None:
    settings.ALLOWED_PRIVATE_HOSTS = settings.BROWSER_ALLOWED_PRIVATE_HOSTS = []

    with pytest.raises(RefusedError, match=r"that ALLOWED_PRIVATE_HOSTS does not name$"):
        judge(url, EgressPolicy.of_server())
    with pytest.raises(RefusedError, match=r"that BROWSER_ALLOWED_PRIVATE_HOSTS does not name$"):
        judge(url, EgressPolicy.of_browser())


def test_the_two_settings_are_apart(settings: Settings) -> None:
    settings.ALLOWED_PRIVATE_HOSTS, settings.BROWSER_ALLOWED_PRIVATE_HOSTS = ["10.0.0.1"], ["10.0.0.2"]

    assert judge("http://10.0.0.1/", EgressPolicy.of_server()) == ["10.0.0.1"]
    assert judge("http://10.0.0.2/", EgressPolicy.of_browser()) == ["10.0.0.2"]
    with pytest.raises(RefusedError):
        judge("http://10.0.0.2/", EgressPolicy.of_server())
    with pytest.raises(RefusedError):
        judge("http://10.0.0.1/", EgressPolicy.of_browser())


def test_nothing_opens_what_is_never_opened(settings: Settings) -> None:
    settings.OWN_PORTS = [9000]
    everything = EgressPolicy.of_server(["0.0.0.0/0", "::/0", "cloud.example", "localhost"])

    for url in ("http://169.254.169.254/", "http://cloud.example/", "http://[fe80::1]/", "http://localhost:9000/"):
        with pytest.raises(RefusedError):
            judge(url, everything)
    assert judge("http://192.168.0.1/", everything) == ["192.168.0.1"]


def test_only_the_permitted_loopback_address_of_localhost_is_used() -> None:
    assert judge("http://localhost:8765/", EgressPolicy.of_server(["127.0.0.1"])) == ["127.0.0.1"]
    assert judge("http://localhost:8765/", EgressPolicy.of_server(["[::1]"])) == ["::1"]
    assert judge("http://localhost:8765/", EgressPolicy.of_server(["localhost"])) == ["127.0.0.1", "::1"]


def test_a_refused_name_is_not_looked_up() -> None:
    def resolve(name: str, port: int) -> Sequence[str]:
        raise AssertionError(name)

    with pytest.raises(RefusedError):
        permitted_addresses("metadata.google.internal", 80, EgressPolicy.of_server([]), resolve)


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "Name or service not known"), OSError("down")])
def test_a_name_that_nobody_knows_is_an_error_of_the_network(failure: OSError) -> None:
    def resolve(name: str, port: int) -> Sequence[str]:
        raise failure

    with pytest.raises(NameNotResolvedError, match=r"nowhere\.example was not resolved"):
        permitted_addresses("nowhere.example", 80, EgressPolicy.of_server([]), resolve)


def test_a_name_without_an_address_is_one_too() -> None:
    with pytest.raises(NameNotResolvedError, match="has no address"):
        permitted_addresses("nowhere.example", 80, EgressPolicy.of_server([]), lambda name, port: [])


def test_a_resolver_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Event

    from inference.egress import resolving

    monkeypatch.setattr(resolving, "RESOLVE_SECONDS", 0.05)
    hold = Event()

    def resolve(name: str, port: int) -> Sequence[str]:
        hold.wait(20)
        return []

    with pytest.raises(NameNotResolvedError, match="no answer"):
        permitted_addresses("slow.example", 80, EgressPolicy.of_server([]), resolve)
    hold.set()


# --- this server's own ports -------------------------------------------------------------------------------------


def addresses_of_this_machine() -> Iterator[str]:
    for addresses in psutil.net_if_addrs().values():
        yield from (each.address for each in addresses if each.family == socket.AF_INET)


def test_own_ports_are_refused_on_every_address_of_this_machine(settings: Settings) -> None:
    settings.OWN_PORTS = [9000]
    policy = EgressPolicy.of_server(["0.0.0.0/0"])

    for address in {*addresses_of_this_machine(), "127.0.0.1", "127.9.9.9"}:
        with pytest.raises(RefusedError, match="this server's own"):
            judge(f"http://{address}:9000/", policy)
    assert judge("http://127.0.0.1:9001/", policy) == ["127.0.0.1"]


@pytest.fixture
def with_database(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], EgressPolicy]:
    def place(host: str, port: str) -> EgressPolicy:
        # Around Django's signal: no connection is to follow.
        monkeypatch.setattr(django_settings, "DATABASES", {"default": {"HOST": host, "PORT": port}})
        return EgressPolicy.of_server(["0.0.0.0/0", "::/0", "db.example"])

    return place


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("10.0.0.5", "http://10.0.0.5:6543/"),
        ("10.0.0.4,10.0.0.5", "http://10.0.0.5:6543/"),
        ("10.0.0.5", "http://[::ffff:10.0.0.5]:6543/"),
        ("db.example", "http://db.example:6543/"),
        ("DB.example", "http://db.example.:6543/"),
        ("inside.example", "http://10.0.0.1:6543/"),
        ("/run/postgresql", "http://localhost:6543/"),
        ("", "http://127.0.0.1:6543/"),
    ],
)
def test_the_database_is_refused(with_database: Callable[[str, str], EgressPolicy], host: str, url: str) -> None:
    policy = with_database(host, "6543")

    with pytest.raises(RefusedError, match="this server's own"):
        judge(url, policy)
    assert judge(url.replace("6543", "6544"), policy)


def test_the_database_of_another_name_is_found_by_its_address(
    with_database: Callable[[str, str], EgressPolicy],
) -> None:
    policy = with_database("portal.example", "6543")
    names = {"alias.example": ["192.168.7.7"], "portal.example": ["192.168.7.7"]}

    with pytest.raises(RefusedError, match="database"):
        permitted_addresses("alias.example", 6543, policy, lambda name, port: names[name])


def test_a_database_without_a_port_has_the_usual_one(with_database: Callable[[str, str], EgressPolicy]) -> None:
    with pytest.raises(RefusedError):
        judge("http://127.0.0.1:5432/", with_database("", ""))


# --- what a setting may say --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        "intranet",
        "intranet.example:8080",
        "10.0.0.7",
        "10.0.0.7:80",
        "10.0.0.0/8",
        "10.0.0.0/8:443",
        "127.1",
        "::1",
        "[::1]:8765",
        "fd00::/8",
        "[fd00::/8]:443",
        "0.0.0.0/0",
        "100.64.0.0/10",
    ],
)
def test_names_addresses_and_networks_can_be_named(entry: str) -> None:
    assert read_allowed_host(entry)


@pytest.mark.parametrize(
    "entry",
    [
        "http://intranet",
        "*.example",
        "*",
        "user@intranet",
        "in tranet",
        "intranet:0",
        "intranet:65536",
        "intranet:http",
        "intranet:",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.256",
        "[::1",
        "fe80::1%eth0",
        "169.254.169.254",
        "169.254.0.0/16",
        "fe80::/10",
        "0.0.0.0/8",
        "224.0.0.0/24",
        "metadata.google.internal",
        "",
    ],
)
def test_nonsense_and_what_is_never_opened_cannot(entry: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_allowed_host(entry)


@pytest.mark.parametrize("name", ["ALLOWED_PRIVATE_HOSTS", "BROWSER_ALLOWED_PRIVATE_HOSTS", "OWN_PORTS"])
def test_a_wrong_setting_is_refused_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference.egress.policy import read_port
    from optexity_site.env import SettingError, env_list

    monkeypatch.setenv(name, "10.0.0.7, http://intranet")
    with pytest.raises(SettingError, match=name):
        env_list(name, default=[], help="", check=read_port if name == "OWN_PORTS" else read_allowed_host)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:secret@host/a@b", "http://host/a@b"),
        ("http://user:sec@ret@host/", "http://host/"),
        ("http://host/a@b?c@d", "http://host/a@b?c@d"),
        ("  HTTP:\\\\user:secret@host/", "  HTTP:\\\\host/"),
        ("no address", "no address"),
    ],
)
def test_credentials_are_left_out_of_what_people_read(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@pytest.mark.parametrize("host", ["", "a" * 254, "-a.example", "%ff.example", "xn--\u2014", "\u00ad"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(AddressError):
        read_host(host)
