"""A picture per step from the browser's screencast, so that no step waits for a screenshot.

The browser sends a JPEG frame whenever what it shows has changed; the newest frame is the present view. It
arrives some 30 ms late, so a step's picture is settled a little after the step, by the first frame that was taken
after its act. By then the next act may have begun; its picture of a page that it has led to is never taken for it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, ScreencastFrame

logger = logging.getLogger(__name__)

JPEG_QUALITY = 70
# A change of the view is a frame by then, also on a busy machine.
_FRAME_LATENCY_SECONDS = 0.15
# A frame of the next moment may have been drawn before the change was painted.
_PAINTED_SECONDS = 0.02
_SCREENSHOT_TIMEOUT_MS = 3000


@dataclass(frozen=True, slots=True)
class Frame:
    """One JPEG of the page's viewport. `taken_at` is like time.time()."""

    jpeg: bytes
    taken_at: float
    viewport_width: int
    viewport_height: int


class LivePictures:
    """The newest frames of one page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._arrived = asyncio.Event()
        self.newest: Frame | None = None

    async def start(self) -> None:
        """Begin the screencast. Start it before any tracing, whose smaller size it would inherit."""
        width, height = settings.BROWSER_VIEWPORT
        await self._page.screencast.start(
            on_frame=self._on_frame, size={"width": width, "height": height}, quality=JPEG_QUALITY
        )

    async def stop(self) -> None:
        """End the screencast, so that another one can begin."""
        await self._page.screencast.stop()

    def _on_frame(self, frame: ScreencastFrame) -> None:
        self.newest = Frame(frame["data"], frame["timestamp"] / 1000, frame["viewportWidth"], frame["viewportHeight"])
        self._arrived.set()

    async def frame_since(
        self, instant: float, *, navigated_at: Callable[[], float], next_act: asyncio.Event
    ) -> Frame | None:
        """The first frame taken after `instant`; the newest one when none comes, for then nothing has changed.

        `navigated_at` tells when the page last navigated: a frame of the page before or of the page after is never
        given. While `next_act` is not set, the newest frame still belongs to this step. Instants are like
        time.time(). None when there is no frame of this page.
        """
        instant += _PAINTED_SECONDS
        deadline = time.monotonic() + _FRAME_LATENCY_SECONDS
        arrived_at_page = navigated_at()
        mine: Frame | None = None
        while not self._is_after(instant) and (left := deadline - time.monotonic()) > 0:
            if not next_act.is_set() and self._is_after(arrived_at_page):
                mine = self.newest
            if navigated_at() != arrived_at_page:
                break
            self._arrived.clear()
            await _first_of(self._arrived, *(() if next_act.is_set() else (next_act,)), seconds=left)
        newest = self.newest
        if newest is None or newest.taken_at < arrived_at_page:
            return mine
        is_of_page_after = navigated_at() != arrived_at_page and newest.taken_at >= navigated_at()
        return mine if is_of_page_after else newest

    async def first_of_page(self, not_before: float) -> None:
        """Give a page that has just been navigated to a moment to show its first frame."""
        deadline = time.monotonic() + _FRAME_LATENCY_SECONDS
        while not self._is_after(not_before) and (left := deadline - time.monotonic()) > 0:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left)

    def _is_after(self, instant: float) -> bool:
        return self.newest is not None and self.newest.taken_at >= instant

    async def screenshot(self, *, timeout_ms: float = _SCREENSHOT_TIMEOUT_MS) -> Frame | None:
        """The view as it is now, asked for; None when the page cannot show it (crashed, closed, hanging)."""
        try:
            jpeg = await self._page.screenshot(
                type="jpeg", quality=JPEG_QUALITY, timeout=timeout_ms, animations="allow", caret="initial"
            )
        except PlaywrightError:
            return None
        size = self._page.viewport_size
        width, height = settings.BROWSER_VIEWPORT if size is None else (size["width"], size["height"])
        return Frame(jpeg, time.time(), width, height)


async def _first_of(*events: asyncio.Event, seconds: float) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
