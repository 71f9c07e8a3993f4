"""How the element of an action is found and acted on, again and again within the node's time.

Source of the rules: the contract's "try loop", with the whole time bounded by max_tries x
max_timeout_seconds_per_try; within it the search and the act are repeated, so short covers (spinners, animations)
pass by themselves.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from automation import LocatorCommand, LocatorError
from automation.actions.targeted import TargetedAction
from executor.errors import (
    ActionError,
    ActionTimeoutError,
    BrowserCrashedError,
    ElementNotFoundError,
    act_began,
    first_line,
    is_gone,
    reason_in,
)
from executor.locators import Box, build_locator, candidates_in_words, find_candidates
from executor.run import Run

logger = logging.getLogger(__name__)

NO_MODEL = "no language model is configured to look for it"
# Between two looks at a page that has no such element, or too many.
_POLL_SECONDS = 0.1
# assert_locator_presence without a model: one pause, one more round.
_SECOND_ROUND_AFTER_SECONDS = 5.0
_VIEW_SETTLES_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Target:
    """An element that was found, and the milliseconds that each call on it may take."""

    locator: Locator
    timeout_ms: float
    box: Box | None


Act = Callable[[Target], Awaitable[None]]


@dataclass(slots=True)
class _Failure:
    """Why the last try did not work. `matched`: something was there, but could not be acted on."""

    reason: str
    matched: bool


async def act_on_element(
    action: TargetedAction, run: Run, act: Act, *, needs_visible: bool = True, only_once: bool = False
) -> None:
    """Find the action's element and do `act` with it.

    `needs_visible` false: attached is enough (file inputs). `only_once`: never repeat the act, once it was begun.
    With `skip_prompt` a step that could not be done is skipped; otherwise ElementNotFoundError or
    ActionTimeoutError says what was looked for and what is there instead.
    """
    command = _command_of(action, run)
    if command is None or run.node.interaction_action is None or run.node.interaction_action.max_tries < 1:
        _no_usable_command(action, run)
        return
    rounds = 2 if action.assert_locator_presence else 1
    failure = _Failure("", matched=False)
    for number in range(rounds):
        if number:
            await asyncio.sleep(_SECOND_ROUND_AFTER_SECONDS)
        found = await _try_command(command, run, act, needs_visible=needs_visible, only_once=only_once)
        if found is None:
            return
        failure = found
    if action.skip_prompt and not action.assert_locator_presence:
        run.step.skip(failure.reason)
        return
    raise await _explained(failure, command, run)


def _command_of(action: TargetedAction, run: Run) -> LocatorCommand | str | None:
    """The parsed command, a text that says why it is unusable, or None when there is none."""
    if action.skip_command:
        return None
    command = action.command
    if command is None and action.xpath:
        command = f"locator({'xpath=' + action.xpath!r})"
    if command is None:
        return None
    try:
        return run.parse(command)
    except LocatorError as error:
        return f"the locator command {error}"


def _no_usable_command(action: TargetedAction, run: Run) -> None:
    if action.skip_prompt:
        run.step.skip("there is no locator command to try, and skip_prompt is set")
        return
    goal = f" (“{action.prompt_instructions[:80]}”)" if action.prompt_instructions.strip() else ""
    raise ElementNotFoundError(f"the node has no locator command to try{goal}, and {NO_MODEL}")


async def _try_command(
    command: LocatorCommand | str, run: Run, act: Act, *, needs_visible: bool, only_once: bool
) -> _Failure | None:
    """None when the act is done, else what stood in the way at the last try."""
    interaction = run.node.interaction_action
    if isinstance(command, str) or interaction is None:
        return _Failure(str(command), matched=False)
    per_call = max(0.05, interaction.max_timeout_seconds_per_try)
    deadline = time.monotonic() + interaction.max_tries * per_call
    failure = _Failure("nothing matched", matched=False)
    while (left := deadline - time.monotonic()) > 0:
        begun = time.monotonic()
        timeout_ms = max(1.0, min(per_call, left) * 1000)
        try:
            locator = build_locator(command, run.page)
            box = await _bring_into_view(locator, run, timeout_ms, needs_visible=needs_visible)
            await run.about_to_act()
            await act(Target(locator, timeout_ms, box))
            return None
        except ElementNotFoundError as error:
            failure = _Failure(str(error), matched=False)
        except ActionTimeoutError as error:
            failure = _Failure(str(error), matched=True)
        except PlaywrightError as error:
            failure = _judge(error, run, only_once=only_once)
        await _pause(begun, deadline)
    return failure


def _judge(error: PlaywrightError, run: Run, *, only_once: bool) -> _Failure:
    if is_gone(error):
        _ = run.tab  # says so when the page crashed or was the last one
        return _Failure("the page was closed meanwhile", matched=False)
    if act_began(error) and (only_once or run.step.is_commit_point):
        # It may have happened: doing it again could submit it twice.
        raise ActionError(f"the act was begun and not seen to finish: {reason_in(error)}") from error
    is_unmatched = (
        isinstance(error, PlaywrightTimeoutError)
        and "waiting for" in str(error)
        and ("locator resolved to" not in str(error))
    )
    return _Failure("nothing matched" if is_unmatched else reason_in(error), matched=not is_unmatched)


async def _pause(begun: float, deadline: float) -> None:
    """A try that ended early (several matches, an error) is followed by a short pause, a timed-out one by none."""
    used = time.monotonic() - begun
    await asyncio.sleep(max(0.0, min(_POLL_SECONDS - used, deadline - time.monotonic())))


async def _bring_into_view(locator: Locator, run: Run, timeout_ms: float, *, needs_visible: bool) -> Box | None:
    """Wait for the element, and scroll to it if it lies outside; its box for the step's picture."""
    box = await locator.bounding_box(timeout=timeout_ms)  # waits until it is attached; None while it is hidden
    if box is None and needs_visible:
        await locator.wait_for(state="visible", timeout=timeout_ms)
        box = await locator.bounding_box(timeout=timeout_ms)
    size = run.page.viewport_size
    if box is None or size is None:
        return None
    bottom, right = box["y"] + box["height"], box["x"] + box["width"]
    if box["x"] < 0 or box["y"] < 0 or right > size["width"] or bottom > size["height"]:
        await locator.scroll_into_view_if_needed(timeout=timeout_ms)
        box = await locator.bounding_box(timeout=timeout_ms)
        # The frames that show it come a little later, and the picture is of the moment of the act.
        await asyncio.sleep(_VIEW_SETTLES_SECONDS)
    if box is None:
        return None
    found = Box(x=box["x"], y=box["y"], width=box["width"], height=box["height"])
    run.step.details["box"] = found
    run.step.details["viewport"] = {"width": size["width"], "height": size["height"]}
    run.last_box = found
    return found


async def _explained(failure: _Failure, command: LocatorCommand | str, run: Run) -> ActionError:
    """The error for people: the locator, the page, what stood in the way, what is there instead."""
    interaction = run.node.interaction_action
    seconds = 0.0 if interaction is None else interaction.max_tries * interaction.max_timeout_seconds_per_try
    place = f"{run.step.locator} on {run.page.url}"
    if failure.matched:
        return ActionTimeoutError(f"{place} could not be used within {seconds:g} s: {failure.reason}")
    message = f"nothing usable matched {place} within {seconds:g} s"
    if failure.reason != "nothing matched":
        message += f" ({failure.reason})"
    try:
        tree = None if isinstance(command, str) else command
        candidates = await asyncio.wait_for(find_candidates(tree, run.page), 2)
    except (PlaywrightError, TimeoutError, BrowserCrashedError) as error:
        logger.debug("no candidates: %s", first_line(error))
        candidates = []
    if candidates:
        run.step.details["candidates"] = candidates
        message += f"; nearest: {candidates_in_words(candidates)}"
    return ElementNotFoundError(f"{message}; {NO_MODEL}")
