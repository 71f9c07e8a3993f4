"""Drop-downs that a page has built itself: the combobox and listbox patterns of ARIA.

Source: https://www.w3.org/WAI/ARIA/apg/patterns/combobox/ and .../patterns/listbox/
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from playwright.async_api import ElementHandle, Frame, Locator
from playwright.async_api import Error as PlaywrightError

from automation import choose_options
from executor.errors import ActionTimeoutError

_POLL_SECONDS = 0.05
_MAX_NAMED = 8
# A look at the page takes a moment, also at the end of the time.
_LEAST_MS = 100.0
_NO_LIST = 1_000_000

# Constant functions.
_KIND = """element => {
  if (element.tagName === "SELECT") return "select";
  const role = (element.getAttribute("role") || "").trim().split(/\\s+/)[0];
  if (role === "listbox" || role === "combobox") return role;
  return element.getAttribute("aria-haspopup") === "listbox" ? "combobox" : "";
}"""
_STATE = """element => ({
  lists: ["aria-controls", "aria-owns"]
    .flatMap(name => (element.getAttribute(name) || "").split(/\\s+/).filter(Boolean)),
  isOpen: element.getAttribute("aria-expanded") === "true",
  isField: ["INPUT", "TEXTAREA"].includes(element.tagName) && !element.readOnly,
})"""
_READ = """options => options.map(option => {
  const text = (option.innerText || "").replace(/\\s+/g, " ").trim();
  const label = option.getAttribute("aria-label") || text;
  return {
    value: option.dataset.value ?? option.getAttribute("value") ?? label,
    label,
    isSelected: option.getAttribute("aria-selected") === "true",
    tellsSelected: option.hasAttribute("aria-selected"),
    isDisabled: option.getAttribute("aria-disabled") === "true",
    isBusy: option.closest("[aria-busy=true]") !== null,
  };
})"""
_FIRST_NEW = "(lists, before) => lists.findIndex(each => !before.includes(each))"
_TAKES_SEVERAL = "option => option.closest('[role=listbox]')?.getAttribute('aria-multiselectable') === 'true'"


@dataclass(frozen=True, slots=True)
class _Option:
    """What is known of an option at the moment of reading."""

    value: str
    label: str
    is_selected: bool
    tells_selected: bool
    is_disabled: bool
    is_busy: bool


async def kind_of_choice(locator: Locator, *, timeout_ms: float) -> str:
    """`select`, `combobox`, `listbox`, or "" for an element that offers no options."""
    return str(await locator.evaluate(_KIND, timeout=timeout_ms))


async def choose(
    locator: Locator, wanted: Sequence[str], *, timeout_ms: float, on_chosen: Callable[[], None] = lambda: None
) -> None:
    """Choose the options that `wanted` means (see `automation.choose_options`) in a combobox or listbox.

    A list that takes several has exactly the wanted ones selected afterwards; otherwise the first of them is
    chosen. `on_chosen` is called whenever one was clicked. Raises ActionTimeoutError: the list never opened, or has
    no such option.
    """
    if not wanted:
        return
    ends_at = time.monotonic() + timeout_ms / 1000
    element = await locator.element_handle(timeout=timeout_ms)
    try:
        frame = await element.owner_frame()
        if frame is None:
            raise ActionTimeoutError("the element has left its page")
        is_listbox = await element.evaluate(_KIND) == "listbox"
        dropdown = _Dropdown(locator, element, frame, is_listbox=is_listbox, ends_at=ends_at, on_chosen=on_chosen)
        await _choose_in(dropdown, wanted)
    finally:
        await element.dispose()


async def _choose_in(dropdown: "_Dropdown", wanted: Sequence[str]) -> None:
    options = await dropdown.open(wanted)
    values = _wanted_values(options, wanted)
    if not await dropdown.takes_several():
        await dropdown.choose_one(next(each for each in options if each.value == values[0]))
        return
    for option in options:
        if option.is_selected != (option.value in values) and not option.is_disabled:
            await dropdown.click(option)
    await dropdown.close()


def _wanted_values(options: Sequence[_Option], wanted: Sequence[str]) -> list[str]:
    pairs = [(each.value, each.label) for each in options if not each.is_disabled]
    known = {value for value, _ in pairs}
    values = choose_options(pairs, wanted, takes_what_is_left=False)
    if not values or not known.issuperset(values):
        labels = [f"“{label}”" for _, label in pairs[:_MAX_NAMED]]
        more = ", …" if len(pairs) > _MAX_NAMED else ""
        raise ActionTimeoutError(f"no option fits; the list has {', '.join(labels) or 'none'}{more}")
    return values


class _Dropdown:
    """One such element while options are chosen. `ends_at`: time.monotonic() by which each wait ends.

    It is held by its handle: an open list may have the same label, and then the locator would match both.
    """

    def __init__(
        self,
        locator: Locator,
        element: ElementHandle,
        frame: Frame,
        *,
        is_listbox: bool,
        ends_at: float,
        on_chosen: Callable[[], None],
    ) -> None:
        self._element = element
        self._frame = frame
        self._is_listbox = is_listbox
        self._ends_at = ends_at
        self._on_chosen = on_chosen
        # Of a listbox; those of a combobox are wherever its list is.
        self._own_options = locator.locator("[role=option]").filter(visible=True)
        self._options = self._own_options
        # Lists that showed before this one was opened belong to something else.
        self._others: list[ElementHandle] = []

    def _left_ms(self) -> float:
        return max(_LEAST_MS, (self._ends_at - time.monotonic()) * 1000)

    async def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = await self._element.evaluate(_STATE)
        return state

    async def open(self, wanted: Sequence[str]) -> list[_Option]:
        """See that the options show, and read them. A field that shows none that fits is given the first wanted
        text, as people narrow such a list down."""
        state = await self._state()
        if not (state["isOpen"] or self._is_listbox):
            self._others = await self._visible_lists().element_handles()
        options = await self._read()
        if not options or not (state["isOpen"] or self._is_listbox):
            await self._click_open()
            options = await self._await_options(self._ends_at - self._left_ms() / 2000)
        if not options:
            await self._element.press("ArrowDown", timeout=self._left_ms())
            options = await self._await_options(self._ends_at - self._left_ms() / 2000)
        if state["isField"] and not _fits(options, wanted):
            await self._element.fill(wanted[0], timeout=self._left_ms())
            options = await self._await_options(self._ends_at, wanted) or options
        if not options:
            raise ActionTimeoutError("the list never showed an option")
        return options

    async def _click_open(self) -> None:
        if self._is_listbox:
            return
        try:
            await self._element.click(timeout=self._left_ms() / 3)
        except PlaywrightError:
            # What is drawn over the field takes the click; its keys still work.
            await self._element.focus()

    async def _await_options(self, ends_at: float, wanted: Sequence[str] = ()) -> list[_Option]:
        """The options once they are the same on two looks (and fit, when `wanted` is given), else the last seen."""
        before: list[_Option] = []
        while True:
            options = await self._read()
            is_ready = bool(options) and options == before and not any(each.is_busy for each in options)
            if (is_ready and (not wanted or _fits(options, wanted))) or time.monotonic() > ends_at:
                return options
            before = options
            await asyncio.sleep(_POLL_SECONDS)

    async def _read(self) -> list[_Option]:
        self._options = await self._find_options()
        return [
            _Option(
                value=str(each["value"]),
                label=str(each["label"]),
                is_selected=each["isSelected"],
                tells_selected=each["tellsSelected"],
                is_disabled=each["isDisabled"],
                is_busy=each["isBusy"],
            )
            for each in await self._options.evaluate_all(_READ)
        ]

    async def _find_options(self) -> Locator:
        """A listbox's own; else those of the lists that the element names, or of the list that has come up."""
        if self._is_listbox:
            return self._own_options
        named = ", ".join(f"[id={json.dumps(each)}]" for each in (await self._state())["lists"])
        if named:
            options = self._frame.locator(named).locator("[role=option]").filter(visible=True)
            if await options.count():
                return options
        lists = self._visible_lists()
        place = await lists.evaluate_all(_FIRST_NEW, self._others)
        # nth(-1) would be the last one; without a list, there are no options.
        come_up = lists.nth(place) if place >= 0 else lists.nth(_NO_LIST)
        return come_up.locator("[role=option]").filter(visible=True)

    def _visible_lists(self) -> Locator:
        return self._frame.locator("[role=listbox]").filter(visible=True)

    async def takes_several(self) -> bool:
        return bool(await self._options.first.evaluate(_TAKES_SEVERAL, timeout=self._left_ms()))

    async def choose_one(self, option: _Option) -> None:
        if not (option.is_selected and self._is_listbox):
            await self.click(option)

    async def click(self, option: _Option) -> None:
        """Click the option, wherever it is by now, and see that the list says so, if it says such things."""
        shown = await self._read()
        if not shown:
            await self._click_open()
            shown = await self._await_options(self._ends_at)
        place = next((number for number, each in enumerate(shown) if each.value == option.value), None)
        if place is None:
            raise ActionTimeoutError(f"the option “{option.label}” is gone")
        await self._options.nth(place).click(timeout=self._left_ms())
        self._on_chosen()
        if option.tells_selected and self._is_listbox:
            await self._await_selected(option, not option.is_selected or not await self.takes_several())

    async def _await_selected(self, option: _Option, is_selected: bool) -> None:
        while True:
            now = next((each for each in await self._read() if each.value == option.value), None)
            if now is None or now.is_selected == is_selected:
                return
            if time.monotonic() > self._ends_at:
                raise ActionTimeoutError(f"the option “{option.label}” was clicked, and its list took no notice")
            await asyncio.sleep(_POLL_SECONDS)

    async def close(self) -> None:
        """A list that stays open would cover what comes next."""
        if not self._is_listbox and (await self._state())["isOpen"]:
            await self._element.press("Escape", timeout=self._left_ms())


def _fits(options: Sequence[_Option], wanted: Sequence[str]) -> bool:
    try:
        return bool(options) and bool(_wanted_values(options, wanted))
    except ActionTimeoutError:
        return False
