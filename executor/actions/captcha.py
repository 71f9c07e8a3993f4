"""Captchas: the click on the box; pictures are for a person, as long as no model looks at them."""

import time

from playwright.async_api import Locator
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from automation import LocatorError
from automation.actions.captcha import CaptchaAction
from executor import people
from executor.errors import AutomationError, ElementNotFoundError
from executor.locators import Box, build_locator
from executor.run import Run

_BOX_SECONDS = 5.0
# How long a person may take for the pictures.
PERSON_SECONDS = 300.0
_QUESTION = "Solve the captcha on the page, then let the run go on."


async def captcha(action: CaptchaAction, run: Run) -> None:
    """Click the captcha's box. When pictures come (`secondary_locator`), ask a person, or warn and go on.

    Errors: ElementNotFoundError (no box within 5 s), AutomationError (an offset that is no number),
    PersonGaveUpError. A captcha that nobody has solved fails nothing.
    """
    pictures = _first(action.secondary_locator, run) if action.secondary_locator else None
    box = await _find_box(_first(action.locator, run), run)
    x, y = box["x"] + _pixels(action, "primary_click_x_offset"), box["y"] + _pixels(action, "primary_click_y_offset")
    await run.about_to_act()
    await run.page.mouse.click(x, y)
    if pictures is None or not await _stay(pictures, seconds=max(0.0, action.wait_time)):
        return
    if not people.is_enabled():
        run.step.warn("the captcha shows pictures, and there is neither a language model nor a person to solve them")
    elif not await people.ask_person(run, question=_QUESTION, max_seconds=PERSON_SECONDS):
        run.step.warn(f"the captcha shows pictures, and nobody solved them within {PERSON_SECONDS:g} s")
    elif await pictures.is_visible():
        run.step.warn("the captcha still shows its pictures")


async def _find_box(first: Locator, run: Run) -> Box:
    try:
        await first.wait_for(state="visible", timeout=_BOX_SECONDS * 1000)
        await first.scroll_into_view_if_needed(timeout=_BOX_SECONDS * 1000)
        box = await first.bounding_box(timeout=_BOX_SECONDS * 1000)
    except PlaywrightTimeoutError:
        box = None
    if box is None:
        raise ElementNotFoundError(f"{run.step.locator} on {run.page.url} was not to be seen within {_BOX_SECONDS:g} s")
    run.last_box = Box(x=box["x"], y=box["y"], width=box["width"], height=box["height"])
    run.step.details["box"], run.step.details["viewport"] = run.last_box, run.page.viewport_size
    return run.last_box


async def _stay(pictures: Locator, *, seconds: float) -> bool:
    """Whether the pictures are there after that time; the page may take it to decide on them."""
    ends_at = time.monotonic() + seconds
    try:
        await pictures.wait_for(state="visible", timeout=max(1.0, seconds * 1000))
    except PlaywrightTimeoutError:
        return False
    try:
        await pictures.wait_for(state="hidden", timeout=max(1.0, (ends_at - time.monotonic()) * 1000))
    except PlaywrightTimeoutError:
        return True
    return False


def _first(command: str, run: Run) -> Locator:
    """What the command matches first. Raises ElementNotFoundError for one that cannot be used."""
    try:
        parsed = run.parse(command)
    except LocatorError as error:
        raise ElementNotFoundError(f"the locator command {error}") from error
    if parsed is None:
        raise ElementNotFoundError("the captcha's locator command is blank")
    return build_locator(parsed, run.page).first


def _pixels(action: CaptchaAction, name: str) -> float:
    try:
        return float(action.config[name] or 0)
    except (TypeError, ValueError):
        raise AutomationError(f"captcha: config.{name} must be a number of pixels") from None
