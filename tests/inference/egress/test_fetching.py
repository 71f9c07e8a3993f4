import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
import trustme

from inference import egress
from inference.egress import (
    EgressRefusedError,
    FetchTooLargeError,
    fetch_to_file,
    guarded_session,
    read_body,
    time_limit,
)
from tests.inference.egress.places import Place, serving

pytestmark = pytest.mark.usefixtures("_no_environment")


@pytest.fixture
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def place() -> Iterator[Place]:
    with serving() as place:
        yield place


@pytest.fixture
def secret_place(place: Place) -> Iterator[Place]:
    """At the same port of ::1, which nothing permits."""
    with serving("::1", place.port) as other:
        yield other


@pytest.fixture
def session(place: Place) -> Iterator[requests.Session]:
    with guarded_session(allowed_hosts=[f"127.0.0.1:{place.port}"]) as session:
        yield session


def test_a_named_host_is_fetched_from(session: requests.Session, place: Place) -> None:
    assert session.get(f"{place.url}/").text == "hello"
    assert session.get(f"http://localhost:{place.port}/").text == "hello"
    assert session.get(f"  {place.url}/with blanks  ").text == "hello"


def test_what_nobody_named_is_not_even_connected_to(place: Place) -> None:
    with guarded_session(allowed_hosts=[]) as session, pytest.raises(EgressRefusedError) as refusal:
        session.get(f"{place.url}/?token=secret")

    assert str(refusal.value) == "127.0.0.1 is a loopback address that ALLOWED_PRIVATE_HOSTS does not name"
    assert isinstance(refusal.value, requests.RequestException)
    assert place.connections == 0


@pytest.mark.parametrize(
    "url", ["http://user:secret@127.0.0.1/", "file:///etc/passwd", "http://127.0.0.1\\@public.example/", "nowhere", ""]
)
def test_other_addresses_are_refused_before_anything_happens(session: requests.Session, url: str) -> None:
    with pytest.raises(EgressRefusedError) as refusal:
        session.get(url)
    assert "secret" not in str(refusal.value)


# --- redirects ---------------------------------------------------------------------------------------------------


def redirecting(place: Place, to: str) -> str:
    return f"{place.url}/redirect?to={quote(to, safe='')}"


def test_redirects_are_followed(session: requests.Session, place: Place) -> None:
    answer = session.get(redirecting(place, redirecting(place, "/end")))

    assert (answer.text, answer.url) == ("hello", f"{place.url}/end")
    assert len(answer.history) == 2


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("http://[::1]:{port}/", "loopback"),
        ("http://[::ffff:7f00:2]:{port}/", "loopback"),
        ("http://169.254.169.254/latest/", "metadata"),
        ("//169.254.169.254/latest/", "metadata"),
        ("http://10.0.0.1/", "private"),
        ("http://user:secret@127.0.0.1:{port}/", "user name or password"),
        ("file:///etc/passwd", "file:"),
        ("javascript:alert(1)", "javascript:"),
    ],
)
def test_a_redirect_is_judged_again(
    session: requests.Session, place: Place, secret_place: Place, to: str, words: str
) -> None:
    with pytest.raises(EgressRefusedError, match=words) as refusal:
        session.get(redirecting(place, to.format(port=place.port)))

    assert "secret" not in str(refusal.value)
    assert secret_place.connections == 0


def test_redirects_without_end_are_not_followed(session: requests.Session, place: Place) -> None:
    url = f"{place.url}/round"
    for _ in range(11):
        url = redirecting(place, url)

    with pytest.raises(requests.TooManyRedirects):
        session.get(url)


def test_the_body_of_a_redirect_is_not_waited_for(session: requests.Session, place: Place) -> None:
    began = time.monotonic()
    assert session.get(f"{place.url}/endless-redirect", timeout=20).text == "hello"
    assert time.monotonic() - began < 10


# --- names -------------------------------------------------------------------------------------------------------


class Rebinding:
    """A resolver under the control of an attacker: one answer first, another one ever after."""

    def __init__(self, first: str, then: str) -> None:
        self.asked = 0
        self._first, self._then = first, then

    def __call__(self, name: str, port: int) -> Sequence[str]:
        self.asked += 1
        return [self._first if self.asked == 1 else self._then]


def test_the_connection_goes_to_the_address_that_was_judged(place: Place, secret_place: Place) -> None:
    resolve = Rebinding("127.0.0.1", "::1")
    with guarded_session(allowed_hosts=["127.0.0.1"], resolve=resolve) as session:
        assert session.get(f"http://rebound.example:{place.port}/").text == "hello"
        assert resolve.asked == 1
        assert session.get(f"http://rebound.example:{place.port}/").text == "hello"  # the same connection
        assert resolve.asked == 1
        session.close()
        with pytest.raises(EgressRefusedError, match=r"rebound\.example is at ::1, a loopback address"):
            session.get(f"http://rebound.example:{place.port}/")

    assert place.connections == 1
    assert secret_place.connections == 0


def test_a_name_with_one_refused_address_is_refused(place: Place, secret_place: Place) -> None:
    with (
        guarded_session(allowed_hosts=["127.0.0.1"], resolve=lambda name, port: ["127.0.0.1", "::1"]) as session,
        pytest.raises(EgressRefusedError, match="::1"),
    ):
        session.get(f"http://mixed.example:{place.port}/")

    assert place.connections == secret_place.connections == 0


def test_the_next_address_is_tried_when_one_does_not_answer(place: Place) -> None:
    with guarded_session(allowed_hosts=["two.example"], resolve=lambda name, port: ["::1", "127.0.0.1"]) as session:
        assert session.get(f"http://two.example:{place.port}/").text == "hello"


@pytest.mark.parametrize("ending", ["/?token=secret", "/secret"])
def test_errors_of_the_network_are_told_without_the_address(session: requests.Session, ending: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with (
            guarded_session(allowed_hosts=["127.0.0.1"]) as session,
            pytest.raises(requests.ConnectionError) as error,
        ):
            session.get(f"http://127.0.0.1:{port}{ending}")
    assert str(error.value) == f"could not connect to 127.0.0.1 at port {port} (Connection refused)"


def test_a_name_that_nobody_knows_is_told() -> None:
    def resolve(name: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with (
        guarded_session(allowed_hosts=[], resolve=resolve) as session,
        pytest.raises(requests.ConnectionError) as error,
    ):
        session.get("http://nowhere.example/?token=secret")
    assert str(error.value) == "the name nowhere.example was not resolved (Name or service not known)"


def test_a_host_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        # The queue of one is taken by the first: the kernel lets the second wait.
        with (
            socket.create_connection(("127.0.0.1", port)),
            guarded_session(allowed_hosts=["127.0.0.1"]) as session,
            pytest.raises(requests.ConnectTimeout, match="no answer in time"),
        ):
            session.get(f"http://127.0.0.1:{port}/", timeout=(0.3, 5))


# --- the environment ---------------------------------------------------------------------------------------------


def test_proxies_and_passwords_of_the_environment_are_ignored(
    session: requests.Session, place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    assert session.get(f"{place.url}/").text == "hello"
    assert session.get(f"{place.url}/", proxies={"http": "http://127.0.0.1:1"}).text == "hello"
    assert "Authorization" not in place.headers


# --- TLS ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def shop(authority: trustme.CA) -> Iterator[Place]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("shop.example").configure_cert(context)
    with serving(tls=context) as place:
        yield place


@pytest.fixture
def authority_file(authority: trustme.CA, tmp_path: Path) -> str:
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


def test_tls_goes_to_the_pinned_address_and_checks_the_name(shop: Place, authority_file: str) -> None:
    resolve = Rebinding("127.0.0.1", "10.0.0.1")
    with guarded_session(allowed_hosts=["127.0.0.1"], resolve=resolve) as session:
        session.verify = authority_file
        assert session.get(f"https://shop.example:{shop.port}/").text == "hello"

    assert shop.server_names == ["shop.example"]
    assert resolve.asked == 1


@pytest.mark.parametrize("name", ["other.example", "localhost"])
def test_a_certificate_of_another_name_is_no_certificate(shop: Place, authority_file: str, name: str) -> None:
    with guarded_session(allowed_hosts=["127.0.0.1"], resolve=lambda name, port: ["127.0.0.1"]) as session:
        session.verify = authority_file
        with pytest.raises(requests.exceptions.SSLError) as error:
            session.get(f"https://{name}:{shop.port}/?token=secret")

    assert "secret" not in str(error.value)
    assert shop.requests == []


def test_an_unknown_authority_is_not_believed_unless_the_environment_names_it(
    shop: Place, authority_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get() -> str:
        with guarded_session(allowed_hosts=["127.0.0.1"], resolve=lambda name, port: ["127.0.0.1"]) as session:
            return session.get(f"https://shop.example:{shop.port}/").text

    with pytest.raises(requests.exceptions.SSLError):
        get()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    assert get() == "hello"


# --- files and limits --------------------------------------------------------------------------------------------


def test_a_file_is_fetched_with_what_is_known_of_it(session: requests.Session, place: Place, tmp_path: Path) -> None:
    target = tmp_path / "file"
    fetched = fetch_to_file(
        session, redirecting(place, "/end"), target, max_bytes=5, total_seconds=20, headers={"X-Own": "yes"}
    )

    assert target.read_bytes() == b"hello"
    assert (fetched.status, fetched.size_bytes, fetched.final_url) == (200, 5, f"{place.url}/end")
    assert (fetched.content_type, fetched.disposition) == ("text/plain", 'attachment; filename="hello.txt"')
    assert place.headers["X-Own"] == "yes"


def test_a_file_that_is_not_there_has_its_status(session: requests.Session, place: Place, tmp_path: Path) -> None:
    fetched = fetch_to_file(session, f"{place.url}/missing", tmp_path / "file", max_bytes=100, total_seconds=20)
    assert (fetched.status, fetched.content_type) == (404, "")


@pytest.mark.parametrize("path", ["/announced", "/large", "/packed"])
def test_a_file_that_is_too_large_is_given_up(
    session: requests.Session, place: Place, tmp_path: Path, path: str
) -> None:
    target = tmp_path / "file"
    with pytest.raises(FetchTooLargeError, match="more than 100000"):
        fetch_to_file(session, f"{place.url}{path}", target, max_bytes=100_000, total_seconds=20)
    assert not target.exists()


@pytest.mark.parametrize("path", ["/dribble-headers", "/dribble-body"])
def test_a_file_that_takes_too_long_is_given_up(
    session: requests.Session, place: Place, tmp_path: Path, path: str
) -> None:
    target = tmp_path / "file"
    began = time.monotonic()
    with pytest.raises(requests.Timeout, match=r"no complete answer within 0\.3 s"):
        fetch_to_file(session, f"{place.url}{path}", target, max_bytes=10_000, total_seconds=0.3)

    assert time.monotonic() - began < 5
    assert not target.exists()


def test_a_handshake_that_never_ends_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        began = time.monotonic()
        with guarded_session(allowed_hosts=["127.0.0.1"]) as session, pytest.raises(requests.Timeout):
            fetch_to_file(session, f"https://127.0.0.1:{port}/", tmp_path / "file", max_bytes=9, total_seconds=0.3)
    assert time.monotonic() - began < 5


def test_time_that_is_over_before_the_connection_is_there_cuts_it(place: Place) -> None:
    def resolve(name: str, port: int) -> Sequence[str]:
        threading.Event().wait(0.2)
        return ["127.0.0.1"]

    with (
        guarded_session(allowed_hosts=["127.0.0.1"], resolve=resolve) as session,
        pytest.raises(requests.Timeout),
        time_limit(session, 0.05),
    ):
        session.get(f"http://slow.example:{place.port}/")


def test_a_limit_leaves_errors_as_they_are_and_ends_with_its_block(session: requests.Session, place: Place) -> None:
    with pytest.raises(EgressRefusedError), time_limit(session, 20):
        session.get("http://10.0.0.1/")
    with time_limit(session, 20), session.get(f"{place.url}/large", stream=True) as answer:
        assert len(read_body(answer, max_bytes=2_000_000)) == 2_000_000
    assert session.get(f"{place.url}/").text == "hello"
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_a_refusal_leaves_no_file(session: requests.Session, tmp_path: Path) -> None:
    target = tmp_path / "file"
    for url in ("http://10.0.0.1/", "http://user:secret@10.0.0.1/"):
        for cookies in (None, {"a": "b"}):
            with pytest.raises(EgressRefusedError):
                fetch_to_file(session, url, target, max_bytes=1, total_seconds=5, cookies=cookies)
    assert not target.exists()


def test_only_a_guarded_session_can_be_limited() -> None:
    with requests.Session() as plain, pytest.raises(TypeError), time_limit(plain, 1):
        raise AssertionError


@pytest.mark.parametrize("as_jar", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_cookies_stay_with_their_host(place: Place, tmp_path: Path, host: str, as_jar: bool) -> None:
    def fetch(url: str) -> str | None:
        given: CookieJar | dict[str, str] = cookies
        fetch_to_file(session, url, tmp_path / "file", max_bytes=100, total_seconds=20, cookies=given)
        return place.headers.get("Cookie")

    other = "localhost" if host == "127.0.0.1" else "127.0.0.1"
    jar = requests.cookies.RequestsCookieJar()
    jar.set("a", "1", domain=host if "." in host else f"{host}.local")
    cookies = jar if as_jar else {"a": "1"}
    with guarded_session(allowed_hosts=["127.0.0.1"]) as session:
        assert fetch(f"http://{host}:{place.port}/") == "a=1"
        assert fetch(redirecting(place, "/").replace("127.0.0.1", host)) == "a=1"
        elsewhere = redirecting(place, f"http://{other}:{place.port}/").replace(
            f"//127.0.0.1:{place.port}/r", f"//{host}:{place.port}/r"
        )
        assert fetch(elsewhere) is None


def test_the_package_offers_what_it_says() -> None:
    assert all(getattr(egress, name) for name in egress.__all__)
    with pytest.raises(AttributeError):
        _ = egress.nothing_of_the_kind
