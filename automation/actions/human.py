"""Asking a person."""

from pydantic import Field

from automation.element import Element


class HumanInLoopAction(Element):
    """Wait until a person has done something in the page, for at most so many seconds."""

    max_wait_time: float = Field(gt=0, le=600)
