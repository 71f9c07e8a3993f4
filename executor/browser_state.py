"""What a browser context knows of a login: cookies, local storage, IndexedDB, and the current tab's session storage.

Playwright reads and restores the first three, of every site that was visited. Session storage belongs to a tab and a
site: that of the page in front is taken, and put into the first tab of the next context before that opens anything.
"""

import asyncio
import json
import time
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Page, Route
from playwright.async_api import Error as PlaywrightError

from executor.errors import is_gone

READ_SECONDS = 10.0
RESTORE_SECONDS = 15.0
_ANSWER_SECONDS = 5.0
_FORM = 1
# Constant functions. Pages with an opaque origin have no session storage.
_READ_SESSION_STORAGE = """() => {
  try { if (location.protocol.startsWith("http")) return [location.origin, Object.entries(sessionStorage)]; } catch {}
  return ["", []];
}"""
_WRITE_SESSION_STORAGE = "items => { for (const [name, value] of items) sessionStorage.setItem(name, value); }"
_EVERYTHING = "**/*"


@dataclass(frozen=True, slots=True)
class BrowserState:
    """`storage` is Playwright's storage state; `session_storage` has `[name, value]` pairs of `origin`."""

    storage: dict[str, Any]
    origin: str = ""
    session_storage: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> bytes:
        # Escaped: storage may hold halves of surrogate pairs, which no UTF-8 has.
        state = {
            "form": _FORM,
            "storage": self.storage,
            "origin": self.origin,
            "session_storage": self.session_storage,
        }
        return json.dumps(state, separators=(",", ":")).encode("ascii")

    @classmethod
    def from_json(cls, text: bytes) -> "BrowserState":
        """Raises ValueError for what this server did not write in its present form."""
        state = json.loads(text)
        if not isinstance(state, dict) or state.get("form") != _FORM:
            raise ValueError("another form of browser state")
        items = tuple((name, value) for name, value in state["session_storage"])
        return cls(state["storage"], state["origin"], items)

    def ends_at(self) -> datetime | None:
        """When its last cookie expires, if nothing else could hold a login; None: nothing in it says when."""
        cookies: list[dict[str, Any]] = self.storage.get("cookies", [])
        if self.session_storage or any(map(_holds_something, self.storage.get("origins", []))):
            return None
        ends = [float(cookie.get("expires", -1)) for cookie in cookies]
        return datetime.fromtimestamp(max(ends), UTC) if ends and min(ends) >= 0 else None

    def without_expired_cookies(self) -> dict[str, Any]:
        """The storage state with the cookies that the browser would still send."""
        now = time.time()
        kept = [
            cookie for cookie in self.storage.get("cookies", []) if not 0 <= float(cookie.get("expires", -1)) <= now
        ]
        return {**self.storage, "cookies": kept}


def _holds_something(origin: dict[str, Any]) -> bool:
    return bool(origin.get("localStorage") or origin.get("indexedDB"))


def compress(text: bytes) -> bytes:
    return zlib.compress(text, 6)


def decompress(data: bytes, *, max_bytes: int) -> bytes:
    """Raises ValueError for what is damaged, or larger than `max_bytes`."""
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(data, max_bytes)
    except zlib.error as error:
        raise ValueError("damaged") from error
    if not reader.eof:
        raise ValueError("damaged, or larger than it may be")
    return text


async def read_state(context: BrowserContext, page: Page | None) -> tuple[BrowserState, bool]:
    """The state of the context, with the session storage of `page`, and whether IndexedDB is in it: a database without
    a name cannot be read.

    Raises PlaywrightError, or TimeoutError after READ_SECONDS.
    """
    async with asyncio.timeout(READ_SECONDS):
        has_databases = True
        try:
            storage = await context.storage_state(indexed_db=True)
        except PlaywrightError as error:
            if is_gone(error):
                raise
            storage, has_databases = await context.storage_state(), False
        origin, items = ("", []) if page is None else await page.evaluate(_READ_SESSION_STORAGE)
    pairs = tuple((name, value) for name, value in items)
    return BrowserState(dict(storage), origin, pairs), has_databases


async def restore_state(context: BrowserContext, state: BrowserState) -> None:
    """Put `state` into a fresh context, whose empty first tab stays empty, with no page to go back to.

    Nothing is asked of the sites: their pages are stood in for. Raises PlaywrightError, or TimeoutError after
    RESTORE_SECONDS.
    """
    async with asyncio.timeout(RESTORE_SECONDS):
        storage: Any = state.without_expired_cookies()
        if any(map(_holds_something, storage.get("origins", []))):
            await context.set_storage_state(storage)
        else:
            await context.add_cookies(storage["cookies"])
        if state.session_storage:
            await _restore_session_storage(context.pages[0], state)


async def _restore_session_storage(page: Page, state: BrowserState) -> None:
    await page.route(_EVERYTHING, _stand_in)
    try:
        await page.goto(state.origin)
        await page.evaluate(_WRITE_SESSION_STORAGE, [list(pair) for pair in state.session_storage])
        await page.goto("about:blank")
    finally:
        await page.unroute(_EVERYTHING, _stand_in)
    session = await page.context.new_cdp_session(page)
    await session.send("Page.resetNavigationHistory")
    await session.detach()


async def _stand_in(route: Route) -> None:
    await route.fulfill(status=200, content_type="text/html", body="<!doctype html>")


async def is_open_at(page: Page, url: str) -> bool:
    """Whether the page is at `url` (scheme, host, path but for a slash at its end, query and fragment) and answers."""
    if page.is_closed() or not url or _place(page.url) != _place(url):
        return False
    try:
        await asyncio.wait_for(page.locator("html").count(), _ANSWER_SECONDS)
    except (PlaywrightError, TimeoutError):
        return False
    return True


def _place(url: str) -> tuple[object, ...] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port, parts.path.rstrip("/"), parts.query, parts.fragment)
