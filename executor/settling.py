"""When a page has settled after an act: no navigation in flight, its requests answered, its DOM quiet.

Playwright's own events tell about requests. Navigations and changes of the DOM come from a DevTools session of
our own: a MutationObserver lives in an isolated world, which shares the page's DOM but none of its JavaScript
objects, so no page can see or break it.
"""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable
from typing import Any

from playwright.async_api import CDPSession, Page, Request, Response
from playwright.async_api import Error as PlaywrightError

logger = logging.getLogger(__name__)

QUIET_SECONDS = 0.1
# A navigation that was asked for and did not begin in this time never will (`javascript:`, `mailto:`).
_NAVIGATION_BEGINS_SECONDS = 0.5
_WORLD = "optexity-settling"
_BINDING = "__optexityChanged"

_WAITED_FOR = frozenset({"document", "stylesheet", "image", "font", "script", "xhr", "fetch"})
_ENDLESS_TYPES = re.compile(
    r"text/event-stream|multipart/x-mixed-replace|application/(grpc|x-ndjson|stream)", re.IGNORECASE
)
_ENDLESS_ADDRESSES = re.compile(r"socket\.io|sockjs|signalr|cometd|long-?poll", re.IGNORECASE)

# Changes before DOMContentLoaded are the parser's. A node whose attributes or text go on changing for a second
# is decoration (a ticker, an animation) and is not waited for; growing content always is.
_OBSERVE = (
    """(() => {
  const tell = globalThis["""
    f"'{_BINDING}'"
    """];
  const bursts = new WeakMap();
  let last = 0, timer = 0;
  const isNoise = record => {
    if (record.type === "childList" && record.addedNodes.length > record.removedNodes.length) return false;
    const now = performance.now(), burst = bursts.get(record.target);
    if (!burst || now - burst.last > (burst.isNoise ? 1000 : 250)) {
      bursts.set(record.target, {first: now, last: now, isNoise: false});
      return false;
    }
    burst.last = now;
    return burst.isNoise = now - burst.first > 1000;
  };
  const send = () => { timer = 0; last = performance.now(); tell(""); };
  const observer = new MutationObserver(records => {
    if (!records.some(record => !isNoise(record)) || timer) return;
    const wait = last + 20 - performance.now();
    if (wait <= 0) send(); else timer = setTimeout(send, wait);
  });
  const everything = {subtree: true, childList: true, attributes: true, characterData: true};
  const observe = () => observer.observe(document, everything);
  if (document.readyState !== "loading") observe();
  else document.addEventListener("DOMContentLoaded", observe, {once: true, capture: true});
})()"""
)


class PageActivity:
    """What one page is busy with. Feed it Playwright's request events; it listens to the rest itself."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session: CDPSession | None = None
        self._main_frame: str | None = None
        self._world: int | None = None
        self._changed = asyncio.Event()
        self._changed_at = 0.0  # time.monotonic() of the last change of the DOM; 0: none since the act began
        self._asked: dict[str, float] = {}  # frame id -> when it was asked to navigate
        self._loading: set[str] = set()  # frame ids
        self._pending: dict[Request, float] = {}
        self._endless: set[str] = set()  # addresses whose requests stay open for as long as the page lives
        # Like time.time(): the last navigation that took hold, and the last change of the DOM.
        self.navigated_at = 0.0
        self.last_changed_at = 0.0
        self._answered_at = 0.0  # the end of the last request that was waited for

    async def watch(self) -> None:
        """Begin to listen. The page's present document is watched as well as all later ones."""
        session = await self._page.context.new_cdp_session(self._page)
        listeners: dict[str, Callable[[dict[str, Any]], None]] = {
            "Page.frameScheduledNavigation": self._on_scheduled,
            "Page.frameRequestedNavigation": self._on_asked,
            "Page.frameClearedScheduledNavigation": self._on_cleared,
            "Page.frameStartedNavigating": self._on_started,
            "Page.frameStartedLoading": self._on_loading,
            "Page.frameStoppedLoading": self._on_stopped,
            "Page.frameNavigated": self._on_navigated,
            "Page.navigatedWithinDocument": self._on_cleared,
            "Page.frameDetached": self._on_stopped,
            "Runtime.bindingCalled": self._on_changed,
            "Runtime.executionContextCreated": self._on_world,
            "Runtime.executionContextDestroyed": self._on_world_gone,
        }
        for name, listener in listeners.items():
            session.on(name, listener)
        await session.send("Runtime.addBinding", {"name": _BINDING, "executionContextName": _WORLD})
        script = {"source": _OBSERVE, "worldName": _WORLD, "runImmediately": True}
        await asyncio.gather(
            session.send("Page.enable"),
            session.send("Page.addScriptToEvaluateOnNewDocument", script),
            session.send("Runtime.enable"),
        )
        tree = await session.send("Page.getFrameTree")
        self._main_frame = tree["frameTree"]["frame"]["id"]
        self._session = session

    async def stop(self) -> None:
        """Listen no more, so that another one can."""
        session, self._session = self._session, None
        if session is not None:
            await session.detach()

    # --- what happens ----------------------------------------------------------------------------------------

    def on_request(self, request: Request) -> None:
        url = request.url
        if request.resource_type not in _WAITED_FOR or not url.startswith(("http://", "https://")):
            return
        if _address(url) in self._endless or _ENDLESS_ADDRESSES.search(url):
            return
        self._pending[request] = time.monotonic()

    def on_response(self, response: Response) -> None:
        """A stream has been answered when its headers are there; its body never ends."""
        if _ENDLESS_TYPES.search(response.headers.get("content-type", "")):
            self._endless.add(_address(response.url))
            self.on_request_ended(response.request)

    def on_request_ended(self, request: Request) -> None:
        if self._pending.pop(request, None) is not None:
            self._answered_at = time.time()
            self._changed.set()

    def _on_asked(self, event: dict[str, Any]) -> None:
        if event.get("disposition", "currentTab") == "currentTab":
            self._asked[event["frameId"]] = time.monotonic()

    def _on_scheduled(self, event: dict[str, Any]) -> None:
        if event.get("delay", 0) < 1:  # a page that reloads itself in a minute is settled until then
            self._asked[event["frameId"]] = time.monotonic()

    def _on_cleared(self, event: dict[str, Any]) -> None:
        self._asked.pop(event["frameId"], None)
        self._changed.set()

    def _on_started(self, event: dict[str, Any]) -> None:
        if event.get("navigationType") in ("sameDocument", "historySameDocument"):
            return
        self._asked.pop(event["frameId"], None)
        self._loading.add(event["frameId"])

    def _on_loading(self, event: dict[str, Any]) -> None:
        self._loading.add(event["frameId"])

    def _on_stopped(self, event: dict[str, Any]) -> None:
        self._loading.discard(event["frameId"])
        self._on_cleared(event)

    def _on_navigated(self, event: dict[str, Any]) -> None:
        frame = event["frame"]
        if "parentId" in frame:
            return
        self._main_frame = frame["id"]
        self.navigated_at = time.time()
        # What changed was the old document.
        self._changed_at = 0.0
        # The frames of the old document are gone with it.
        self._loading &= {frame["id"]}
        self._changed.set()

    def _on_changed(self, _event: dict[str, Any]) -> None:
        self._changed_at, self.last_changed_at = time.monotonic(), time.time()
        self._changed.set()

    def _on_world(self, event: dict[str, Any]) -> None:
        context = event["context"]
        if context.get("name") == _WORLD and context.get("auxData", {}).get("frameId") == self._main_frame:
            self._world = context["id"]

    def _on_world_gone(self, event: dict[str, Any]) -> None:
        if event.get("executionContextId") == self._world:
            self._world = None

    # --- waiting ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """An act begins: what the page did before is of no interest for it."""
        self._changed_at = 0.0
        self._pending.clear()
        self._asked.clear()

    def expect_changes(self, *, unless_navigated_since: float) -> None:
        """The act that has just been done may change the page a moment later (timers, animations): watch it for as
        long as after a change. A page that was navigated to since that instant (like time.time()) is another one."""
        if self.navigated_at < unless_navigated_since:
            self._changed_at = time.monotonic()

    def quiet_seconds(self) -> float:
        """For how long the page has asked for nothing and changed nothing; 0 while it waits for an answer."""
        if self._waits_for_an_answer():
            return 0.0
        return max(0.0, time.time() - max(self.navigated_at, self.last_changed_at, self._answered_at))

    async def settle(self, seconds: float) -> bool:
        """Wait until the page has settled, at most `seconds`; False when it had not by then.

        Requests that are still open at the end are not waited for again.
        """
        deadline = time.monotonic() + seconds
        while True:
            # Consequences of what was just seen may not have been told yet: handlers run first.
            answered = await self._let_page_finish_its_turn(deadline - time.monotonic())
            if not answered:
                await asyncio.sleep(min(0.01, max(0.0, deadline - time.monotonic())))
            if self._busy_for() == 0:
                return answered or time.monotonic() < deadline
            while (busy := self._busy_for()) > 0:
                left = deadline - time.monotonic()
                if left <= 0:
                    self._endless |= {_address(request.url) for request in self._pending if _is_call(request)}
                    self._pending.clear()
                    return False
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), min(left, busy))

    def _busy_for(self) -> float:
        """Seconds after which it is worth looking again; 0 when the page has settled."""
        if self._waits_for_an_answer():
            return _NAVIGATION_BEGINS_SECONDS
        return max(0.0, self._changed_at + QUIET_SECONDS - time.monotonic())

    def _waits_for_an_answer(self) -> bool:
        now = time.monotonic()
        for frame, asked_at in list(self._asked.items()):
            if now - asked_at > _NAVIGATION_BEGINS_SECONDS:
                del self._asked[frame]
        return bool(self._loading or self._asked or self._pending)

    async def _let_page_finish_its_turn(self, seconds: float) -> bool:
        """Let handlers, microtasks and timers that are due run; False when there is no document to ask, or when
        it was busy all the time."""
        session, world = self._session, self._world
        if session is None or world is None or seconds <= 0 or self._loading:
            return False
        turn = {"expression": "new Promise(done => setTimeout(done))", "awaitPromise": True, "contextId": world}
        try:
            await asyncio.wait_for(session.send("Runtime.evaluate", turn), seconds)
        except (PlaywrightError, TimeoutError):
            return False
        return True


def _address(url: str) -> str:
    return re.split(r"[?#]", url, maxsplit=1)[0]


def _is_call(request: Request) -> bool:
    return request.resource_type in ("xhr", "fetch")
