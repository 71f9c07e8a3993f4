"""Sliders: an `<input>` takes its value, one that a page has drawn itself is moved by its arrow keys.

Source: https://www.w3.org/WAI/ARIA/apg/patterns/slider/
"""

import asyncio
import math

from playwright.async_api import Locator

from executor.errors import ActionTimeoutError

# Constant functions.
_IS_FIELD = "element => ['INPUT', 'TEXTAREA'].includes(element.tagName)"
_NOW = "element => element.getAttribute('aria-valuenow')"
_OPPOSITE = {"ArrowRight": "ArrowLeft", "ArrowLeft": "ArrowRight"}
_MAX_PRESSES = 2000
# A page may show the new value a moment after the key.
_LOOKS = 5
_LOOK_SECONDS = 0.04


async def move_slider(locator: Locator, text: str, *, timeout_ms: float) -> None:
    """Bring the slider to the number that `text` is.

    Raises ActionTimeoutError when it is no slider, ends before that number, or has no such step.
    """
    if await locator.evaluate(_IS_FIELD, timeout=timeout_ms):
        await locator.fill(text, timeout=timeout_ms)
        return
    wanted = _number(text)
    if wanted is None:
        raise ActionTimeoutError("a slider is set to a number, and the text is none")
    now = await _value(locator, timeout_ms)
    key = "ArrowRight" if now < wanted else "ArrowLeft"
    for count in range(_MAX_PRESSES):
        if math.isclose(now, wanted):
            return
        await locator.press(key, timeout=timeout_ms)
        after = await _value_after(locator, now, timeout_ms)
        if after == now:
            raise ActionTimeoutError(f"the slider stays at {now:g}, and was to go to {wanted:g}")
        if abs(after - wanted) >= abs(now - wanted) and not math.isclose(after, wanted):
            if count:
                raise ActionTimeoutError(f"the slider has no step at {wanted:g}: it goes from {now:g} to {after:g}")
            key = _OPPOSITE[key]  # where texts run from right to left, sliders may, too
        now = after
    raise ActionTimeoutError(f"the slider is at {now:g} after {_MAX_PRESSES} key presses, and was to go to {wanted:g}")


async def _value(locator: Locator, timeout_ms: float) -> float:
    value = _number(await locator.evaluate(_NOW, timeout=timeout_ms) or "")
    if value is None:
        raise ActionTimeoutError("the element is no slider: it is no <input>, and has no number in aria-valuenow")
    return value


async def _value_after(locator: Locator, before: float, timeout_ms: float) -> float:
    for _ in range(_LOOKS):
        value = await _value(locator, timeout_ms)
        if value != before:
            return value
        await asyncio.sleep(_LOOK_SECONDS)
    return before


def _number(text: str) -> float | None:
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
