"""Tasks that a browser agent with a language model does on its own."""

from typing import Annotated, Literal

from automation.element import Element
from automation.placeholders import QUOTED_PROMPT

OVERLAY_TASK = (
    "Free the page from whatever covers it. Accept a cookie or consent notice. Close any other dialog, banner or "
    "overlay with its own control: close, dismiss, skip, no thanks. Type nothing, sign up for nothing, and follow "
    "no link. Stop as soon as the page can be used, or at once if nothing covers it."
)


class _Agent(Element):
    backend: Literal["browser_use", "browserbase"] = "browser_use"
    keep_alive: bool = True


class AgenticTaskAction(_Agent):
    """Reach a goal that is given in words."""

    task: Annotated[str, QUOTED_PROMPT]
    max_steps: int
    use_vision: bool = False


class CloseOverlayPopupAction(_Agent):
    """Close what covers the page: cookie banners, newsletters, chats."""

    task: Annotated[str, QUOTED_PROMPT] = OVERLAY_TASK
    max_steps: int = 5
    use_vision: bool = True
