"""From a parsed locator command to Playwright's locator, and what was there instead when it found nothing."""

import asyncio
import logging
from typing import Any, NotRequired, TypedDict

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Frame, Locator, Page

from automation.locators import Argument, Call, FrameAt, LocatorCommand, Property, Regex
from executor.errors import ElementNotFoundError
from executor.likeness import Wanted, rank, vocabulary, wanted_by
from executor.page_elements import COLLECT, SHORTLIST

logger = logging.getLogger(__name__)

MAX_CANDIDATES = 5
# What an error message names of them.
_NAMED_CANDIDATES = 3
_LOWEST_SCORE = 0.25
_MAX_FRAMES = 10
# A page that does not answer has no candidates to offer.
_SECONDS = 1.5


class Box(TypedDict):
    """Where an element is in the viewport, in CSS pixels."""

    x: float
    y: float
    width: float
    height: float


class Candidate(TypedDict):
    """An element that could be the one that was meant."""

    role: str
    name: str
    score: float
    reason: str
    box: NotRequired[Box]


def build_locator(command: LocatorCommand, page: Page) -> Locator:
    """The locator that `command` stands for on `page`. Raises ElementNotFoundError when it names a frame that is
    not there; nothing is searched for before the locator is used."""
    found: Locator = _apply_steps(command, page)
    return found


def _apply_steps(command: LocatorCommand, page: Page) -> Any:
    # The grammar guarantees that each step exists on what the steps before gave, and that the last one gives a locator.
    found: Any = page
    for step in command.steps:
        match step:
            case FrameAt(index=index):
                frames = page.frames
                if not -len(frames) <= index < len(frames):
                    raise ElementNotFoundError(f"the page has no frame {index} (it has {len(frames)})")
                found = frames[index]
            case Property(name=name):
                found = getattr(found, name)
            case Call(method=method, arguments=arguments, options=options):
                positional = [_argument(each, page) for each in arguments]
                found = getattr(found, method)(*positional, **{key: _argument(each, page) for key, each in options})
                if found is None:
                    raise ElementNotFoundError("the page has no frame of that name")
    return found


def _argument(argument: Argument, page: Page) -> Any:
    match argument:
        case Regex():
            return argument.compiled()
        case LocatorCommand():
            return build_locator(argument, page)
        case _:
            return argument


async def find_candidates(
    command: LocatorCommand | None, page: Page, *, kind: str = "", instructions: str = ""
) -> list[Candidate]:
    """The elements of the page's frames that are most like the one that was meant, best first, five at most.

    `kind` is what the node does with it (`input_text`), `instructions` what the author wrote for people. Answers
    within a second and a half, with what there is by then; values of fields are never looked at.
    """
    wanted = Wanted(kind=kind, instructions=instructions)
    if command is not None:
        wanted = wanted_by(command, kind=kind, instructions=instructions)
    looks = [asyncio.ensure_future(_look_at(frame, wanted)) for frame in page.frames[:_MAX_FRAMES]]
    await asyncio.wait(looks, timeout=_SECONDS)
    elements: list[dict[str, Any]] = []
    for look in looks:
        if look.done():
            elements += look.result()
        else:
            look.cancel()
    candidates: list[Candidate] = []
    for position, likeness in rank(elements, wanted):
        if likeness.score < _LOWEST_SCORE or len(candidates) == MAX_CANDIDATES:
            break
        candidates.append(_candidate(elements[position], likeness.score, likeness.reason))
    return candidates


async def _look_at(frame: Frame, wanted: Wanted) -> list[dict[str, Any]]:
    sought = {
        "words": vocabulary(wanted),
        "role": wanted.role or "",
        "tag": wanted.tag or "",
        "attributes": list(wanted.attributes),
        "hasContext": bool(wanted.context),
        "limit": SHORTLIST,
    }
    try:
        found = await frame.evaluate(COLLECT, sought)
    except PlaywrightError as error:
        logger.debug("a frame that is just going away has no candidates: %s", type(error).__name__)
        return []
    elements = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    if frame.parent_frame is not None:
        for each in elements:
            each.pop("box", None)  # in coordinates of its own frame
    return elements


def _candidate(element: dict[str, Any], score: float, reason: str) -> Candidate:
    candidate = Candidate(role=str(element["role"]), name=str(element["name"]), score=round(score, 2), reason=reason)
    if (box := element.get("box")) is not None:
        candidate["box"] = box
    return candidate


def candidates_in_words(candidates: list[Candidate]) -> str:
    """`button “Save draft”, link “Save”`, for error messages."""
    return ", ".join(f"{each['role']} “{each['name'][:60]}”" for each in candidates[:_NAMED_CANDIDATES])
