"""What covers a page (cookie notices, newsletters, chats), and which of its controls frees the page.

Without a language model, so by what such things have in common: a dialog role, a known consent container, a fixed
box on top of everything; and by what people call the controls. Better nothing than the wrong thing: a page's own
question (“Delete this record?”), its forms and its sign-in are never touched.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from executor.overlays import words

SURVEY = Path(__file__).with_name("survey.js").read_text(encoding="utf-8")

Kind = Literal["consent", "nag", "own"]

# Looked at with blanks joined, in lower case.
_LONGEST_NAME = 60
_MAX_NEWSLETTER_FIELDS = 3


@dataclass(frozen=True, slots=True)
class Control:
    """Something to click in a cover. `number`: its place among the cover's elements."""

    number: int
    text: str  # what it shows
    name: str  # what it is called for assistive technology, or by its title
    closes: bool  # its class, id or data says so
    navigates: bool  # a link to another address
    submits: bool  # sends a form that has fields


@dataclass(frozen=True, slots=True)
class Cover:
    """One thing that lies over the page. `number`: its place among those that were found together."""

    number: int
    title: str
    text: str
    is_modal: bool
    is_known_consent: bool  # made by one of the usual vendors
    names_cookies: bool  # its id or class does
    covers_middle: bool
    fields: int  # texts that could be typed
    asks_for_email: bool
    has_typed_text: bool
    has_password: bool
    has_frames: bool
    controls: Sequence[Control]

    @property
    def is_in_the_way(self) -> bool:
        return self.is_modal or self.covers_middle

    def __str__(self) -> str:
        return f"“{self.title}”" if self.title else "something without a text"


def kind_of_cover(cover: Cover) -> Kind:
    """`consent`: asks about cookies; `nag`: wants something of the visitor; `own`: belongs to what the page is for."""
    if cover.has_password or cover.has_typed_text:
        return "own"
    if _asks_about_cookies(cover):
        return "consent"
    if _any(cover, words.DECLINE, words.CLOSES_A_NAG):
        return "nag"  # a question that matters is not asked with “no thanks”
    is_newsletter = cover.asks_for_email and cover.fields <= _MAX_NEWSLETTER_FIELDS and _any(cover, words.WANTS)
    if is_newsletter:
        return "nag"
    does_something = any(words.DOES_SOMETHING.search(_name(each)) for each in cover.controls)
    if cover.fields or does_something or _any(cover, words.CANCEL, words.ACCEPT, words.REFUSE):
        return "own"
    # A panel at the side, with nothing but a cross, is the page's own.
    return "nag" if cover.is_in_the_way else "own"


def _asks_about_cookies(cover: Cover) -> bool:
    if cover.is_known_consent:
        return True
    is_about = cover.names_cookies or words.ABOUT_COOKIES.search(cover.text.casefold()) is not None
    if not is_about or cover.fields:
        return False
    has_ok = _any(cover, words.UNDERSTOOD) and not _any(cover, words.CANCEL)
    return has_ok or _any(cover, words.ACCEPT, words.REFUSE)


def ways_out(cover: Cover) -> Iterator[Control]:
    """The controls that free the page, the best first; none for what belongs to the page itself."""
    usable = [each for each in cover.controls if not each.navigates and not each.submits]
    wanted: tuple[re.Pattern[str], ...]
    match kind_of_cover(cover):
        case "consent":
            wanted = (words.ACCEPT, words.UNDERSTOOD, words.REFUSE, words.CLOSE)
        case "nag":
            wanted = (words.DECLINE, words.CLOSES_A_NAG, words.CLOSE)
        case "own":
            return
    for kind in wanted:
        yield from (each for each in usable if _is(kind, each))
    yield from (each for each in usable if each.closes and not _name(each))
    # A notice that asks nothing: its one button is the way out.
    if len(cover.controls) == 1 and not cover.fields:
        yield from (each for each in usable if _is(words.UNDERSTOOD, each))


def may_escape(cover: Cover) -> bool:
    """Whether the Escape key may be tried on it: nothing in it is unknown."""
    harmless = (
        words.ACCEPT,
        words.REFUSE,
        words.DECLINE,
        words.CLOSE,
        words.CLOSES_A_NAG,
        words.UNDERSTOOD,
        words.WANTS,
    )
    known = all(each.closes or any(_is(kind, each) for kind in harmless) for each in cover.controls)
    is_something = bool(cover.controls or cover.text)  # a shade over a page that loads goes by itself
    return known and is_something and cover.is_in_the_way and kind_of_cover(cover) != "own"


def _any(cover: Cover, *kinds: re.Pattern[str]) -> bool:
    return any(_is(kind, each) for kind in kinds for each in cover.controls)


def _name(control: Control) -> str:
    """What it is called, as far as that is the same everywhere; "" for what is no name."""
    return _plain(control.name) or _plain(control.text)


def _plain(text: str) -> str:
    return re.sub(r"[\s.]+", " ", text.casefold()).strip(" ›→»!") if len(text) <= _LONGEST_NAME else ""


def _is(kind: re.Pattern[str], control: Control) -> bool:
    names = {_plain(control.name), _plain(control.text)} - {""}
    return any(kind.fullmatch(each) is not None for each in names)


def joined(cover: Cover, inner: Cover) -> Cover:
    """`cover` with what a frame in it shows: `inner`'s controls come after its own."""
    moved = [replace(each, number=each.number + len(cover.controls)) for each in inner.controls]
    return replace(
        cover,
        title=cover.title or inner.title,
        text=f"{cover.text} {inner.text}",
        fields=cover.fields + inner.fields,
        asks_for_email=cover.asks_for_email or inner.asks_for_email,
        has_typed_text=cover.has_typed_text or inner.has_typed_text,
        has_password=cover.has_password or inner.has_password,
        controls=[*cover.controls, *moved],
    )


def read_covers(found: Sequence[dict[str, Any]]) -> list[Cover]:
    """From what `survey.js` tells."""
    return [_read_cover(number, each) for number, each in enumerate(found)]


def _read_cover(number: int, found: dict[str, Any]) -> Cover:
    return Cover(
        number=number,
        title=str(found["title"]),
        text=str(found["text"]),
        is_modal=bool(found["isModal"]),
        is_known_consent=bool(found["isConsent"]),
        names_cookies=bool(found["namesCookies"]),
        covers_middle=bool(found["coversMiddle"]),
        fields=int(found["fields"]),
        asks_for_email=bool(found["asksForEmail"]),
        has_typed_text=bool(found["hasTyped"]),
        has_password=bool(found["hasPassword"]),
        has_frames=bool(found["hasFrames"]),
        controls=[
            Control(
                number=place,
                text=str(each["text"]),
                name=str(each["name"]),
                closes=bool(each["closes"]),
                navigates=bool(each["navigates"]),
                submits=bool(each["submits"]),
            )
            for place, each in enumerate(found["controls"])
        ],
    )
