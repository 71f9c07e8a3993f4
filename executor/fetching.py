"""Requests of the server on behalf of a document: through the guard of `inference.egress`, with cookies by the
browser's rules, followed through redirects, and limited in size and time."""

import asyncio
import http.client
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import urllib3
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Request

from executor import artifacts
from executor.cookies import CookieStore
from executor.errors import ActionError, AutomationError, DiskFullError, is_disk_full
from executor.threads import in_own_thread
from inference.egress import FetchTooLargeError, guarded_session, time_limit

MAX_REDIRECTS = 10
FETCH_SECONDS = 120.0
_CHUNK_BYTES = 64 * 1024
_FROM_BROWSER_SECONDS = 2.0
_USER_AGENT = "() => navigator.userAgent"
# What a redirect to another host must not take along. Cookies have rules of their own.
_CREDENTIAL = re.compile(r"auth|cookie|credential|key|pass|secret|session|signature|token", re.IGNORECASE)
_OF_A_BODY = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding"})
# Headers of a browser's request that belong to its connection, or that are made anew.
_OF_THE_CONNECTION = frozenset(
    {"accept-encoding", "connection", "content-length", "cookie", "host", "proxy-connection", "transfer-encoding"}
)
# The object that a message of urllib3 begins with.
_SPEAKER = re.compile(r"^(<[^>]*>|\w+\(host=[^)]*\)): ")

Result = TypeVar("Result")
# What `requests` and the libraries below it raise for an address, a header or a connection that is no good.
FETCH_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to be sent. Names of headers in lower case."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer at the end of all redirects. Names of headers in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def disposition(self) -> str:
        return self.headers.get("content-disposition", "")


async def fetch_bytes(outgoing: Outgoing, *, max_bytes: int, seconds: float) -> tuple[Answer, bytes]:
    """Send it without cookies of the browser, and read the whole answer. Raises FETCH_ERRORS."""

    def read(answer: Answer, chunks: Iterator[bytes]) -> tuple[Answer, bytes]:
        return answer, b"".join(chunks)

    return await _fetch(outgoing, CookieStore(), read, max_bytes=max_bytes, seconds=seconds)


async def fetch_file(outgoing: Outgoing, page: Page, target: Path) -> Answer:
    """Send it as the browser of `page` would (its cookies for that address, its User-Agent), the answer into `target`.

    Errors: AutomationError (no http(s) address), ActionError (refused, no connection, no 2xx, empty, too large),
    DiskFullError.
    """
    if urlsplit(outgoing.url).scheme not in ("http", "https"):
        raise AutomationError(f"{shown(outgoing.url)} is not an address that begins with http:// or https://")
    cookies = CookieStore.of_browser([dict(each) for each in await page.context.cookies()])
    headers = {"user-agent": agent, **outgoing.headers} if (agent := await _user_agent(page)) else outgoing.headers

    def write(answer: Answer, chunks: Iterator[bytes]) -> Answer:
        if not 200 <= answer.status < 300:
            raise requests.HTTPError(f"it answered HTTP {answer.status}")
        with target.open("wb") as file:
            size = sum(map(file.write, chunks))
        if size == 0:
            raise requests.HTTPError("it answered with an empty body")
        return answer

    asked = replace(outgoing, headers=headers)
    try:
        return await _fetch(asked, cookies, write, max_bytes=artifacts.max_bytes(), seconds=FETCH_SECONDS)
    except FETCH_ERRORS as error:
        if is_disk_full(error):
            raise DiskFullError from error
        raise ActionError(f"could not fetch {shown(outgoing.url)}: {reason_of(error)}") from error


async def outgoing_of(request: Request) -> Outgoing:
    """What a page has sent, to be sent again; without its cookies, which are those of the moment of sending."""
    try:
        sent = await asyncio.wait_for(request.all_headers(), _FROM_BROWSER_SECONDS)
    except (PlaywrightError, TimeoutError):
        sent = request.headers  # without those that the browser added last
    # HTTP/2 has headers like `:path`.
    headers = {name: sent[name] for name in sent if not name.startswith(":") and name not in _OF_THE_CONNECTION}
    return Outgoing(request.url, request.method, headers, {}, request.post_data_buffer)


async def _user_agent(page: Page) -> str | None:
    try:
        agent = await asyncio.wait_for(page.evaluate(_USER_AGENT), _FROM_BROWSER_SECONDS)
    except (PlaywrightError, TimeoutError):
        return None  # the page is busy, or on its way elsewhere
    return agent if isinstance(agent, str) else None


# --- in a thread ---------------------------------------------------------------------------------------------


async def _fetch(
    outgoing: Outgoing,
    cookies: CookieStore,
    use: Callable[[Answer, Iterator[bytes]], Result],
    *,
    max_bytes: int,
    seconds: float,
) -> Result:
    """What `use` makes of the answer. Its chunks are read in a thread, which is left alone when the attempt stops."""
    session = guarded_session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # ours is the only store of cookies
    was_given_up = threading.Event()

    def work() -> Result:
        with time_limit(session, seconds):
            response = _send(session, outgoing, cookies)
            with response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.url, response.status_code, headers)
                return use(answer, _chunks(response, max_bytes, was_given_up))

    try:
        return await in_own_thread(work, name="fetch")
    finally:
        was_given_up.set()
        session.close()


def _chunks(response: requests.Response, max_bytes: int, was_given_up: threading.Event) -> Iterator[bytes]:
    announced, size = response.headers.get("Content-Length", ""), 0
    if announced.isdecimal() and int(announced) > max_bytes:
        raise FetchTooLargeError(f"its answer of {announced} bytes is larger than {max_bytes}")
    for chunk in response.iter_content(_CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise FetchTooLargeError(f"its answer is larger than {max_bytes} bytes")
        if was_given_up.is_set():
            return
        yield chunk


def _send(session: requests.Session, outgoing: Outgoing, cookies: CookieStore) -> requests.Response:
    """The response that is no redirect, its body not yet read."""
    for _ in range(MAX_REDIRECTS + 1):
        # Cookies are judged by the address as it will be connected to, not as it was written.
        request = session.prepare_request(
            requests.Request(
                outgoing.method,
                outgoing.url,
                params=dict(outgoing.params),
                headers=_encoded(outgoing.headers),
                data=outgoing.body,
            )
        )
        _add_cookies(request, cookies)
        response = session.send(request, allow_redirects=False, stream=True)
        cookies.take(response.url, response.raw.headers.getlist("set-cookie"))
        target = session.get_redirect_target(response)
        if target is None:
            return response
        response.close()
        outgoing = _redirected(outgoing, response, urljoin(response.url, target))
    raise requests.TooManyRedirects(f"it leads through more than {MAX_REDIRECTS} redirects")


def _encoded(headers: Mapping[str, str]) -> dict[str, str | bytes]:
    """Values beyond ASCII go as UTF-8."""
    return {name: value if value.isascii() else value.encode() for name, value in headers.items()}


def _add_cookies(request: requests.PreparedRequest, cookies: CookieStore) -> None:
    """Those of the browser join those that the author gives."""
    if mine := cookies.header_for(request.url or ""):
        given = request.headers.get("cookie")
        request.headers["cookie"] = f"{given}; {mine}" if given else mine


def _redirected(outgoing: Outgoing, response: requests.Response, url: str) -> Outgoing:
    """The next request: what was posted is not posted again but for 307 and 308, as browsers do."""
    headers, method, body = outgoing.headers, outgoing.method, outgoing.body
    keeps_method = response.status_code in (307, 308) or method in ("GET", "HEAD")
    if not keeps_method and (response.status_code == 303 or method == "POST"):
        method, body = "GET", None
        headers = {name: value for name, value in headers.items() if name not in _OF_A_BODY}
    before, after = urlsplit(response.url), urlsplit(url)
    if after.hostname != before.hostname or (before.scheme == "https" and after.scheme != "https"):
        headers = {name: value for name, value in headers.items() if _CREDENTIAL.search(name) is None}
    return Outgoing(url, method, headers, {}, body)


# --- for people ----------------------------------------------------------------------------------------------


def shown(url: str) -> str:
    """An address without what may be secret in it: name and password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))[:200]


def reason_of(error: BaseException) -> str:
    """Why a request failed, in one line without the objects of the libraries and without the address's query."""
    if isinstance(error, requests.Timeout):
        return str(error) if str(error).startswith("no complete answer") else "it did not answer in time"
    cause = error
    while (inner := _inside(cause)) is not None:
        cause = inner
    text = _SPEAKER.sub("", str(getattr(cause, "strerror", None) or cause)).strip()
    return text.splitlines()[0][:300] if text else type(cause).__name__


def _inside(error: BaseException) -> BaseException | None:
    """The error that one of these libraries has wrapped, if it was."""
    candidates = (getattr(error, "reason", None), *reversed(error.args))
    return next((each for each in candidates if isinstance(each, BaseException)), None)
