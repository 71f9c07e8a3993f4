"""Reads the settings of the browser that are more than a text or a number. Wrong ones raise ValueError."""

import re
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import available_timezones

# What a document's `browser_channel` may be.
CHANNELS = ("chromium", "chrome", "cloakbrowser", "browser-use", "rdp")
# BCP 47, as far as browsers care: `de`, `pt-BR`, `zh-Hant-TW`.
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?")
_VIEWPORT = re.compile(r"([0-9]{3,4})\s*[xX×]\s*([0-9]{3,4})")
_SMALLEST, _LARGEST = 320, 4096


def read_channel(item: str) -> tuple[str, str]:
    """`name=target` as (name, target): a program, or the address of a browser's DevTools."""
    name, equals, target = (part.strip() for part in item.partition("="))
    if not equals or not target or name not in CHANNELS:
        raise ValueError(f"an entry must be name=target with a name of {', '.join(CHANNELS)}")
    if is_address(target):
        if not urlsplit(target).hostname:
            raise ValueError(f"the address of {name} has no host")
    elif not Path(target).is_absolute():
        raise ValueError(f"the target of {name} must be an absolute path, or an address with ws://, wss:// or http://")
    return name, target


def is_address(target: str) -> bool:
    return target.lower().startswith(("ws://", "wss://", "http://", "https://"))


def read_locale(text: str) -> str:
    """A language tag; blank is the browser's own."""
    if text and not _LOCALE.fullmatch(text):
        raise ValueError("it is no language tag such as de-DE")
    return text


def read_time_zone(text: str) -> str:
    """A name of the time zone database; blank is the machine's own."""
    if text and text not in available_timezones():
        raise ValueError("there is no such time zone; write it like Europe/Berlin")
    return text


def read_viewport(text: str) -> tuple[int, int]:
    """`1280x800` as (1280, 800), in CSS pixels."""
    found = _VIEWPORT.fullmatch(text.strip())
    sizes = (0, 0) if found is None else (int(found[1]), int(found[2]))
    if not all(_SMALLEST <= each <= _LARGEST for each in sizes):
        raise ValueError(f"it must be WIDTHxHEIGHT in pixels, each {_SMALLEST} to {_LARGEST}, such as 1280x800")
    return sizes


def read_check_page(text: str) -> str:
    """The address of the page that tells who is seen behind the proxy; blank is none."""
    if text and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname):
        raise ValueError("it must be an http:// or https:// address")
    return text
