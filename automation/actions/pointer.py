"""Clicking, hovering, dragging, scrolling."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic_core import InitErrorDetails

from automation.actions.targeted import DownloadingAction, TargetedAction
from automation.element import Element
from automation.placeholders import PROMPT, SOURCE
from automation.problems import error_at, refuse


def _check_deviation(value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            if key not in ("x", "y"):
                raise refuse("may hold only x and y")
    return value


class ClickElementAction(DownloadingAction):
    """Click an element. It doesn't wait for a navigation that the click begins."""

    double_click: bool = False
    button: Literal["left", "right", "middle"] = "left"
    force: bool = False
    mouse_click: bool = False
    # Pixels added to the element's top left corner when `mouse_click` is on.
    mouse_click_deviation: Annotated[dict[str, float] | None, BeforeValidator(_check_deviation)] = None


class HoverAction(TargetedAction):
    """Move the pointer over an element."""


class DragToAction(TargetedAction):
    """Drag the element onto another with real mouse moves. Our own: other loaders refuse it."""

    target: Annotated[str, SOURCE]
    steps: int = 10

    def problems(self) -> Iterator[InitErrorDetails]:
        if not self.target.strip():
            yield error_at(("target",), "must be the locator command of the element to drop on")
        if self.steps < 1:
            yield error_at(("steps",), "must be at least 1")
        yield from super().problems()


class ScrollAction(Element):
    """Turn the mouse wheel by `amount` pixels; -1: to the end of the page."""

    down: bool = True
    amount: int = -1
    prompt_instructions: Annotated[str | None, PROMPT] = None

    def problems(self) -> Iterator[InitErrorDetails]:
        if self.amount < -1:
            yield error_at(("amount",), "must be -1 (to the end) or a number of pixels from 0 on")
