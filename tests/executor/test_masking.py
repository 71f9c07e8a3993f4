import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from executor.masking import Masking


def test_hidden_values_are_dots_everywhere_longest_first() -> None:
    masking = Masking()
    masking.hide("secret")
    masking.hide("secret-and-more")

    assert masking.mask("a secret-and-more, a secret, another") == "a •••, a •••, another"


def test_a_very_short_value_is_left_alone() -> None:
    masking = Masking()
    masking.hide("a")

    assert masking.mask("banana") == "banana"


SECRET = 'open "sesame" & <more>/42+é'
BYTES = SECRET.encode()
ENCODED = [
    SECRET,
    html.escape(SECRET),
    html.escape(SECRET, quote=False),
    quote(SECRET),
    quote(SECRET, safe=""),
    quote_plus(SECRET),
    quote(SECRET, safe="")
    .replace("%2F", "%2f")
    .replace("%3C", "%3c")
    .replace("%3E", "%3e")
    .replace("%2B", "%2b")
    .replace("%C3%A9", "%c3%a9"),
    json.dumps(SECRET)[1:-1],
    json.dumps(SECRET, ensure_ascii=False)[1:-1],
    json.dumps(json.dumps(SECRET)[1:-1])[1:-1],
    json.dumps(SECRET)[1:-1].replace("/", "\\/"),
]


@pytest.mark.parametrize("encoded", ENCODED)
def test_a_secret_is_known_in_what_pages_and_protocols_make_of_it(encoded: str) -> None:
    masking = Masking()
    masking.hide(SECRET)

    assert masking.mask(f"before {encoded} after") == "before ••• after"


@pytest.mark.parametrize("before", [b"", b"u:", b"user:", b"me:x"])
def test_base64_is_known_wherever_the_secret_begins_in_it(before: bytes) -> None:
    masking = Masking()
    masking.hide(SECRET)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + BYTES + b"!").decode()
        shown = masking.mask(encoded)
        assert "•••" in shown
        assert len(shown) <= len(before) * 2 + 10


def test_a_part_of_a_secret_in_a_field_is_hidden_and_other_values_are_not() -> None:
    masking = Masking()
    masking.hide(SECRET)

    assert masking.hides_something
    assert masking.mask_field('open "ses') == "•••"
    assert masking.mask_field(f"was {SECRET}") == "was •••"
    assert masking.mask_field("Ada") == "Ada"
    assert masking.mask_field("") == ""


def test_without_secrets_everything_stays() -> None:
    masking = Masking()
    masking.hide("")

    assert not masking.hides_something
    assert (masking.mask("a"), masking.mask_field("a")) == ("a", "a")


def test_what_is_no_unicode_can_be_hidden_too() -> None:
    masking = Masking()
    masking.hide("abc\ud800def")

    assert masking.mask("x abc\ud800def") == "x •••"
