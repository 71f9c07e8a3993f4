"""The locator commands of a document, read once: what each is for, and its tree, or why there is none."""

from dataclasses import dataclass
from typing import Literal

from automation.actions.captcha import CaptchaAction
from automation.actions.control import CountLocatorAction
from automation.actions.extraction import LocatorExtraction
from automation.actions.pointer import DragToAction
from automation.actions.targeted import TargetedAction
from automation.actions.text import KeyPressAction
from automation.element import Element
from automation.locators import LocatorCommand, LocatorError, parse_locator
from automation.nodes import AssertLocatorNode, ForLoopNode
from automation.placeholders import PLACEHOLDER

Purpose = Literal["act", "check", "all", "first"]


@dataclass(frozen=True, slots=True)
class Command:
    """One locator command. purpose: an act (exactly one match), a check, all matches, or the first.

    tree is None when it is unreadable (`error` says why), or when only a run can know the whole of it.
    """

    path: str
    field: str
    text: str
    purpose: Purpose
    tree: LocatorCommand | None
    error: str


Trees = dict[str, LocatorCommand | LocatorError | None]


def read_command(owner: Element, field: str, path: str, text: str, bound: str, *, trees: Trees) -> Command | None:
    """The command in `field` of `owner`, or None when that is no command, or one that is never used.

    `bound`: the text with the first pass of its loops in place. `trees`: what has been read already; the same
    command often stands in a check and in an act.
    """
    purpose = _purpose(owner, field)
    if purpose is None:
        return None
    if bound not in trees:
        trees[bound] = _parsed(bound)
    tree = trees[bound]
    if not isinstance(tree, LocatorError):
        return Command(path, field, text, purpose, tree, "")
    column = _column(tree, text, bound)
    at = "" if column is None else f" (at character {column})"
    return Command(path, field, text, purpose, None, f"{tree.message}{at}")


def _purpose(owner: Element, field: str) -> Purpose | None:
    match owner, field:
        case (TargetedAction(), "command"):
            return None if owner.skip_command or isinstance(owner, KeyPressAction) else "act"
        case (DragToAction(), "target"):
            return "act"
        case (LocatorExtraction(), "command") | (CaptchaAction(), ("locator" | "secondary_locator")):
            return "first"
        case (AssertLocatorNode(), "locator"):
            return "check"
        case ((ForLoopNode() | CountLocatorAction()), "locator"):
            return "all"
        case _:
            return None


def _parsed(bound: str) -> LocatorCommand | LocatorError | None:
    try:
        return parse_locator(bound)
    except LocatorError as error:
        if PLACEHOLDER.match(bound.strip().strip('"')):
            return None
        if PLACEHOLDER.search(bound) is None:
            return error
        # A placeholder outside quotes is a part that only a run knows; a number is the likely one.
        try:
            return parse_locator(PLACEHOLDER.sub("0", bound))
        except LocatorError:
            return error


def _column(error: LocatorError, written: str, bound: str) -> int | None:
    """Where the error is in the text as written; None where the pass of a loop has moved it."""
    if error.column is None or written == bound:
        return error.column
    column = len(written) - (len(bound) - error.column)
    return column if column > 0 and written.endswith(bound[error.column - 1 :]) else None
