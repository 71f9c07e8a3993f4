"""The state of a browser as data: its form, its end, and what is left of it after a while."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from executor.browser_state import BrowserState, _place, compress, decompress

SOON, LATER = time.time() + 60, time.time() + 3600


def cookie(expires: float) -> dict[str, Any]:
    return {"name": "a", "value": "1", "domain": "portal.example", "path": "/", "expires": expires}


def state(*expires: float, **fields: Any) -> BrowserState:
    return BrowserState({"cookies": [cookie(each) for each in expires], "origins": []}, **fields)


def test_it_comes_back_as_it_was_also_with_halves_of_characters() -> None:
    origins = [{"origin": "https://portal.example", "localStorage": [{"name": "n", "value": "\ud83d half"}]}]
    before = BrowserState({"cookies": [], "origins": origins}, "https://portal.example", (("k", "\udc00"),))
    text = before.to_json()
    assert BrowserState.from_json(decompress(compress(text), max_bytes=len(text))) == before


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"form": 2}', b"\xff"])
def test_another_form_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own and ours
        BrowserState.from_json(text)


def test_what_is_damaged_or_grows_too_large_is_refused() -> None:
    packed = compress(b"x" * 1000)
    for data, most in ((packed[:-4], 1000), (b"nonsense", 1000), (packed, 999)):
        with pytest.raises(ValueError, match="damaged"):
            decompress(data, max_bytes=most)


def test_it_ends_with_the_last_cookie_if_nothing_else_could_hold_a_login() -> None:
    assert state(SOON, LATER).ends_at() == datetime.fromtimestamp(LATER, UTC)
    assert state(SOON, -1).ends_at() is None  # lives as long as the browser
    assert state().ends_at() is None
    assert state(SOON, session_storage=(("k", "v"),)).ends_at() is None
    for kind in ("localStorage", "indexedDB"):
        stored = BrowserState({"cookies": [cookie(SOON)], "origins": [{"origin": "o", kind: [{"name": "n"}]}]})
        assert stored.ends_at() is None
    empty = BrowserState({"cookies": [cookie(SOON)], "origins": [{"origin": "o", "localStorage": []}]})
    assert empty.ends_at() == datetime.fromtimestamp(SOON, UTC)


def test_cookies_that_have_expired_meanwhile_are_left_out() -> None:
    kept = state(-1, time.time() - 1, LATER).without_expired_cookies()["cookies"]
    assert [each["expires"] for each in kept] == [-1, LATER]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://a.example/x/", True),
        ("https://a.example", "https://a.example/", True),
        ("https://a.example/x", "https://a.example:443/x", True),
        ("https://A.example/x", "https://a.example/x", True),
        ("http://a.example/x", "https://a.example/x", False),
        ("https://a.example/x", "https://b.example/x", False),
        ("https://a.example/x", "https://a.example:8443/x", False),
        ("https://a.example/x", "https://a.example/X", False),
        ("https://a.example/x?a=1", "https://a.example/x?a=2", False),
        ("https://a.example/x?a=1", "https://a.example/x/?a=1", True),
        ("https://a.example/x#one", "https://a.example/x#two", False),
        ("https://a.example/x", "https://a.example/x#one", False),
    ],
)
def test_addresses_are_the_same_place_but_for_a_slash(one: str, other: str, same: bool) -> None:
    assert (_place(one) == _place(other)) is same


def test_what_is_no_address_is_no_place() -> None:
    assert _place("https://a.example:port/") is None
