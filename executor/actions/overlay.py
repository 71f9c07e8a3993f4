"""Closing what covers the page, without a language model."""

import asyncio
import time

from automation.actions.agentic import CloseOverlayPopupAction
from executor.errors import AutomationError, playwright_errors
from executor.overlays.covers import kind_of_cover
from executor.overlays.freeing import Freeing
from executor.run import Run

# Consent notices come a moment after the page.
_COMES_WITHIN_SECONDS = 1.0
_LOOK_SECONDS = 0.2


async def close_overlay_popup(action: CloseOverlayPopupAction, run: Run) -> None:
    """Accept a cookie notice, and close other covers by their own controls, in at most `max_steps` acts.

    What is still in the way afterwards is a warning. Errors: AutomationError (a backend that cannot run).
    """
    if action.backend == "browserbase":
        raise AutomationError("close_overlay_popup: the backend “browserbase” cannot run")
    freeing = Freeing(run.page, run.tab.activity)
    address = _address(run)
    with playwright_errors("close what covers the page"):
        if not await _something_covers(freeing):
            run.step.note("nothing covers the page")
            return
        for _ in range(action.max_steps):
            if not await freeing.step():
                break
        left = (await freeing.look()).in_the_way
    for act in freeing.done:
        run.step.note(act)
    if _address(run) != address:
        run.step.warn("that led to another page")
    for cover in left:
        if kind_of_cover(cover) == "own":
            run.step.warn(f"{cover} was left alone: it seems to be a part of the page")
        else:
            run.step.warn(f"{cover} still covers the page")


async def _something_covers(freeing: Freeing) -> bool:
    ends_at = time.monotonic() + _COMES_WITHIN_SECONDS
    while not (await freeing.look()).covers:
        if time.monotonic() > ends_at:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True


def _address(run: Run) -> str:
    return run.page.url.partition("#")[0]
