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
from functools import partial

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator, Page
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from automation import LocatorCommand, LocatorError, parse_locator
from automation.actions.targeted import TargetedAction
from executor.errors import (
    NEEDS_MODEL,
    ActionError,
    ActionTimeoutError,
    BrowserCrashedError,
    ElementNotFoundError,
    act_began,
    first_line,
    is_gone,
    playwright_errors,
    reason_in,
)
from executor.keywords import find_by_keyword
from executor.locators import Box, build_locator, candidates_in_words, find_candidates
from executor.points import Point, element_at, read_point
from executor.run import Run

logger = logging.getLogger(__name__)

# What is left when no command finds an element: its description, for a model.
_BY_MODEL = f"finding it by its description {NEEDS_MODEL}"
# assert_locator_presence without a model: one pause, one more round.
_SECOND_ROUND_AFTER_SECONDS = 5.0
_VIEW_SETTLES_SECONDS = 0.1
# A longer one is no help in naming what is there instead.
_LONGEST_KEYWORD = 300


@dataclass(frozen=True, slots=True)
class Target:
    """An element that was found, and the milliseconds that each call on it may take.

    `left_ms`: until the node's time is over, for what must not be cut short and then done again. Playwright itself
    waits that long until the element can be acted on.
    """

    locator: Locator
    timeout_ms: float
    left_ms: float
    box: Box | None


Act = Callable[[Target], Awaitable[None]]
ActAtPoint = Callable[[Point], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Search:
    """How the element of an action is looked for, again at each try.

    `find` is None when it cannot be looked for at all: `problem` says why. `like`: a command that says what it is, for
    naming what is there instead; None where none does.
    """

    find: Callable[[Page], Awaitable[Locator]] | None
    like: LocatorCommand | None = None
    problem: str = ""


@dataclass(slots=True)
class _Failure:
    """Why the last try did not work. `matched`: something was there, but could not be acted on."""

    reason: str
    matched: bool

    @property
    def says_little(self) -> bool:
        return self.reason == "nothing matched" or self.reason.startswith("Timeout ")


async def act_on_element(
    action: TargetedAction,
    run: Run,
    act: Act,
    *,
    at_point: ActAtPoint | None = None,
    needs_visible: bool = True,
    only_once: bool = False,
) -> None:
    """Find the action's element and do `act` with it.

    `at_point`: done instead for an action that has nothing but coordinates; without it, `act` gets the element that
    shows there. `needs_visible` false: attached is enough (file inputs). `only_once`: never repeat the act, once it
    was begun; that of a commit point never is.
    With `skip_prompt` a step that could not be done is skipped; otherwise ElementNotFoundError or
    ActionTimeoutError says what was looked for and what is there instead.
    """
    if run.node.interaction_action is None or run.node.interaction_action.max_tries < 1:
        _no_usable_command(action, run)
        return
    search = _search_for(action, run)
    if search is None and action.coordinates is not None and at_point is not None:
        await _act_at_point(action, run, at_point)
        return
    search = search or _search_at_point(action)
    if search is None:
        _no_usable_command(action, run)
        return
    rounds = 2 if action.assert_locator_presence else 1
    failure = _Failure("", matched=False)
    for number in range(rounds):
        if number:
            await asyncio.sleep(_SECOND_ROUND_AFTER_SECONDS)
        found = await _try_search(search, run, act, needs_visible=needs_visible, only_once=only_once)
        if found is None:
            return
        failure = found
    if action.skip_prompt and not action.assert_locator_presence:
        run.step.skip(failure.reason)
        return
    raise await _explained(failure, search, action, run)


def _search_for(action: TargetedAction, run: Run) -> _Search | None:
    """By command, else by xpath, else by keyword: the first that the author gave; None when there is none."""
    command = action.command
    if command is None and action.xpath:
        command = f"locator({'xpath=' + action.xpath!r})"
    if command is not None and not action.skip_command:
        return _search_by_command(command, run)
    if action.keyword and action.keyword.strip():
        keyword = action.keyword.strip()
        like = parse_locator(f"get_by_text({keyword!r})") if len(keyword) < _LONGEST_KEYWORD else None
        return _Search(partial(find_by_keyword, keyword=keyword), like)
    return None


def _search_by_command(command: str, run: Run) -> _Search | None:
    try:
        parsed = run.parse(command)
    except LocatorError as error:
        return _Search(None, problem=f"the locator command {error}")
    if parsed is None:
        return None

    async def find(page: Page) -> Locator:
        return build_locator(parsed, page)

    return _Search(find, parsed)


def _search_at_point(action: TargetedAction) -> _Search | None:
    coordinates = action.coordinates
    if coordinates is None:
        return None

    async def find(page: Page) -> Locator:
        return await element_at(page, read_point(coordinates, page))

    return _Search(find)


async def _act_at_point(action: TargetedAction, run: Run, act: ActAtPoint) -> None:
    """Once: what lies at the point is not looked at, so there is nothing to wait for."""
    try:
        point = read_point(action.coordinates or ("", ""), run.page)
        run.last_box = Box(x=point.x, y=point.y, width=1, height=1)
        run.step.details["box"] = run.last_box
        run.step.details["viewport"] = run.page.viewport_size
        await run.about_to_act()
        with playwright_errors(f"the point {point}"):
            await act(point)
    except ActionError as error:
        if not action.skip_prompt:
            raise
        run.step.skip(str(error))


def _no_usable_command(action: TargetedAction, run: Run) -> None:
    if action.skip_prompt:
        run.step.skip("there is no locator command to try, and skip_prompt is set")
        return
    goal = f" (“{action.prompt_instructions[:80]}”)" if action.prompt_instructions.strip() else ""
    raise ElementNotFoundError(f"the node has no locator command to try{goal}, and {_BY_MODEL}")


async def _try_search(search: _Search, run: Run, act: Act, *, needs_visible: bool, only_once: bool) -> _Failure | None:
    """None when the act is done, else what stood in the way at the last try."""
    interaction = run.node.interaction_action
    if search.find is None or interaction is None:
        return _Failure(search.problem, matched=False)
    per_call = max(0.05, interaction.max_timeout_seconds_per_try)
    deadline = time.monotonic() + interaction.max_tries * per_call
    failure = _Failure("nothing matched", matched=False)
    while (left := deadline - time.monotonic()) > 0:
        begun = time.monotonic()
        timeout_ms = max(1.0, min(per_call, left) * 1000)
        try:
            locator = await search.find(run.page)
            box = await _bring_into_view(locator, run, timeout_ms, needs_visible=needs_visible)
            await run.about_to_act()
            left_ms = max(timeout_ms, (deadline - time.monotonic()) * 1000)
            await act(Target(locator, timeout_ms, left_ms, box))
            return None
        except (ElementNotFoundError, ActionTimeoutError) as error:
            _refuse_second_act(error, str(error), run, only_once=only_once)
            latest = _Failure(str(error), matched=isinstance(error, ActionTimeoutError))
        except PlaywrightError as error:
            if _closed_its_tab(error, run):
                return None
            latest = _judge(error, run, only_once=only_once)
        # A try that the end of the time has cut short knows less than the one before it.
        if left >= per_call / 2 or not latest.says_little:
            failure = latest
        await run.pace.between_tries(begun=begun, deadline=deadline, per_try_seconds=per_call)
    return failure


def _closed_its_tab(error: PlaywrightError, run: Run) -> bool:
    """Whether the act was done, and the page then closed the tab that it was done in. Raises BrowserCrashedError when
    the page crashed, or the tab was the last one."""
    if not is_gone(error):
        return False
    _ = run.tab
    return act_began(error)


def _judge(error: PlaywrightError, run: Run, *, only_once: bool) -> _Failure:
    if is_gone(error):
        _ = run.tab  # says so when the page crashed or was the last one
        _refuse_second_act(error, "the page was closed meanwhile", run, only_once=only_once)
        return _Failure("the page was closed meanwhile", matched=False)
    _refuse_second_act(error, reason_in(error), run, only_once=only_once)
    is_unmatched = (
        isinstance(error, PlaywrightTimeoutError)
        and "waiting for" in str(error)
        and ("locator resolved to" not in str(error))
    )
    return _Failure("nothing matched" if is_unmatched else reason_in(error), matched=not is_unmatched)


def _refuse_second_act(error: Exception, reason: str, run: Run, *, only_once: bool) -> None:
    """Raises ActionError where the act may have happened: doing it again could submit it twice."""
    if (only_once or run.step.is_commit_point) and (run.has_act_begun or act_began(error)):
        raise ActionError(f"the act was begun and not seen to finish: {reason}") from error


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


async def _explained(failure: _Failure, search: _Search, action: TargetedAction, run: Run) -> ActionError:
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
        candidates = await find_candidates(
            search.like, run.page, kind=run.step.kind, instructions=action.prompt_instructions
        )
    except (PlaywrightError, BrowserCrashedError) as error:
        logger.debug("no candidates: %s", first_line(error))
        candidates = []
    if candidates:
        run.step.details["candidates"] = candidates
        message += f"; nearest: {candidates_in_words(candidates)}"
    return ElementNotFoundError(f"{message}; {_BY_MODEL}")
