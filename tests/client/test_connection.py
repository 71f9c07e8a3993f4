"""Where the key goes, and where it never shows."""

import logging
import traceback
import warnings

import pytest

from optexity_server import Client, ConnectionFailedError, InsecureConnectionWarning, OptexityError
from optexity_server.connection import KEY_VARIABLE, URL_VARIABLE, Connection
from tests.client.wire import KEY, TASK, Reply, Wire, do, refused, task


def test_address_and_key_come_from_the_environment(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, f"{wire.url}/")
    monkeypatch.setenv(KEY_VARIABLE, f" {KEY}\n")
    wire.says(Reply(200, task()))
    with Client() as client:
        assert client.url == wire.url
        client.task(TASK)
    assert wire.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_without_anything_the_local_server_is_meant() -> None:
    assert Connection.resolve(None, None) == Connection("http://127.0.0.1:9000")


def test_a_server_below_a_path_is_asked_there(wire: Wire, kind: str) -> None:
    wire.says(Reply(200, task()))
    do(kind, f"{wire.url}/optexity/", lambda client: client.task(TASK))
    assert wire.asked[0].path == f"/optexity/api/v1/tasks/{TASK}"


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "ftp://example.com",
        "http:///x",
        "https://example.com:x",
        "http://a:b@example.com",
        "https://e.com/?k=b",
    ],
)
def test_a_strange_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as raised:
        Connection.resolve(url, KEY)
    assert url not in str(raised.value)


@pytest.mark.parametrize("key", [f"{KEY} {KEY}", f"{KEY}\nHost: x", f"{KEY}ä", f"{KEY}\0"])
def test_a_key_that_is_no_word_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="one word") as raised:
        Client("https://example.com", key)
    assert KEY not in "".join(traceback.format_exception(raised.value))


def test_the_key_is_in_no_repr_no_error_and_no_log(wire: Wire, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wire.says(refused(500), Reply(200, task()))
    shown = []

    def look(client: object) -> object:
        shown.append(repr(client) + repr(vars(client)))
        return client.task(TASK)  # type: ignore[attr-defined]

    with pytest.raises(OptexityError) as raised:
        do(kind, wire.url, look)
    do(kind, wire.url, look)
    with pytest.raises(ConnectionFailedError) as unreachable:
        do(kind, "http://127.0.0.1:1", look, retries=0)
    shown += [repr(raised.value), *traceback.format_exception(unreachable.value), caplog.text]
    assert "httpx" in caplog.text
    assert KEY not in "".join(shown)


def test_a_key_over_plain_http_to_another_machine_is_warned_of_once(recwarn: pytest.WarningsRecorder) -> None:
    with pytest.warns(InsecureConnectionWarning, match=r"unencrypted to http://automations\.example\.com") as told:
        Client("http://automations.example.com", KEY).close()
    assert told[0].filename == __file__
    assert KEY not in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client("http://automations.example.com", KEY).close()


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://automations.example.com", KEY),
        ("http://automations.example.com", ""),
        ("http://127.0.0.1:9000", KEY),
        ("http://[::1]:9000", KEY),
        ("http://localhost:9000", KEY),
    ],
)
def test_nothing_is_warned_of_where_nobody_listens(url: str, key: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client(url, key).close()


def test_a_local_server_is_not_asked_through_a_proxy(wire: Wire, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    wire.says(Reply(200, task()))
    do(kind, wire.url, lambda client: client.task(TASK), retries=0)
    assert len(wire.asked) == 1
