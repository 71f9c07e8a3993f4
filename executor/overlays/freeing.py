"""Frees a page of what covers it: one click, or the Escape key, at a time."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from playwright.async_api import ElementHandle, Frame, JSHandle, Page
from playwright.async_api import Error as PlaywrightError

from executor.errors import first_line, is_gone
from executor.overlays.covers import SURVEY, Control, Cover, joined, kind_of_cover, may_escape, read_covers, ways_out
from executor.settling import PageActivity

logger = logging.getLogger(__name__)

_CLICK_MS = 1500
# Covers fade out, and the page answers a click first.
_GOES_WITHIN_SECONDS = 1.5
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Seen:
    """What covers the page now. `elements`: the controls' elements of each cover, in the browser."""

    covers: Sequence[Cover]
    elements: dict[int, list[ElementHandle]]

    @property
    def in_the_way(self) -> list[Cover]:
        return [each for each in self.covers if each.is_in_the_way or kind_of_cover(each) == "consent"]


@dataclass(slots=True)
class Freeing:
    """The work on one page. `done`: what was clicked or pressed, for people."""

    page: Page
    activity: PageActivity
    done: list[str] = field(default_factory=list[str])
    _tried: set[tuple[str, str, str]] = field(default_factory=set[tuple[str, str, str]])

    async def look(self) -> Seen:
        """What covers the page at this moment, also what lies in a frame of its own."""
        return await _look(self.page.main_frame)

    async def step(self) -> bool:
        """Try one way out of one cover; False when there is none left to try."""
        seen = await self.look()
        # The key goes to the page, which may give it to another dialog.
        is_free_to_escape = all(kind_of_cover(each) != "own" for each in seen.covers)
        for cover in sorted(seen.covers, key=lambda each: (kind_of_cover(each) != "consent", not each.is_modal)):
            for control in ways_out(cover):
                if self._is_new(cover, control.name, control.text):
                    await self._click(cover, control, seen.elements[cover.number][control.number])
                    return True
            if is_free_to_escape and may_escape(cover) and self._is_new(cover, "Escape", ""):
                await self.page.keyboard.press("Escape")
                await self._await_end(cover, "pressed Escape for")
                return True
        return False

    def _is_new(self, cover: Cover, *way: str) -> bool:
        key = (cover.title, way[0], way[1])
        if key in self._tried:
            return False
        self._tried.add(key)
        return True

    async def _click(self, cover: Cover, control: Control, element: ElementHandle) -> None:
        try:
            await element.click(timeout=_CLICK_MS)
        except PlaywrightError as error:
            if is_gone(error) and self.page.is_closed():
                raise
            logger.debug("a way out was not clickable: %s", first_line(error))
            return
        await self._await_end(cover, f"clicked “{control.text or control.name or 'close'}” in")

    async def _await_end(self, cover: Cover, act: str) -> None:
        ends_at = time.monotonic() + _GOES_WITHIN_SECONDS
        await self.activity.settle(_GOES_WITHIN_SECONDS)
        while any(each.title == cover.title for each in (await self.look()).covers):
            if time.monotonic() > ends_at:
                return
            await asyncio.sleep(_LOOK_SECONDS)
        self.done.append(f"{act} {cover}")


async def _look(frame: Frame, *, whole: bool = False) -> Seen:
    try:
        found = await frame.evaluate_handle(SURVEY, whole)
        covers = read_covers(await found.evaluate("found => found.covers"))
        elements = {each.number: await _elements(found, "controls", each.number) for each in covers}
        frames = {each.number: await _elements(found, "frames", each.number) for each in covers if each.has_frames}
        await found.dispose()
        for number, inner in frames.items():
            covers[number], elements[number] = await _with_frames(covers[number], elements[number], inner)
    except PlaywrightError as error:
        if is_gone(error) and frame.page.is_closed():
            raise
        return Seen([], {})  # the page is just going elsewhere
    return Seen(covers, elements)


async def _elements(found: JSHandle, which: str, number: int) -> list[ElementHandle]:
    listed = await found.evaluate_handle("(found, [which, number]) => found[which][number]", [which, number])
    properties = await listed.get_properties()
    return [element for each in properties.values() if (element := each.as_element()) is not None]


async def _with_frames(
    cover: Cover, elements: list[ElementHandle], frames: Sequence[ElementHandle]
) -> tuple[Cover, list[ElementHandle]]:
    """The cover with what its frames show."""
    for each in frames:
        content = await each.content_frame()
        if content is None:
            continue
        inner = await _look(content, whole=True)
        for shown in inner.covers:
            cover = joined(cover, shown)
            elements = elements + inner.elements[shown.number]
    return cover, elements
