"""Going to pages, going back, and what happens to tabs."""

from collections.abc import Iterator
from typing import Annotated

from pydantic_core import InitErrorDetails

from automation.element import Element, RawObject
from automation.placeholders import QUOTED
from automation.problems import error_at


class GoToUrlAction(Element):
    """Open an address in the current tab, or in a new one."""

    url: Annotated[str, QUOTED]
    new_tab: bool = False


class GoBackAction(Element):
    """One step back in the tab's history."""


class SwitchTabAction(Element):
    """Make a tab the current one, counted in opening order; negative from the end."""

    tab_index: int


class CloseCurrentTabAction(Element):
    """Close the current tab, unless it is the only one."""


class CloseAllButLastTabAction(Element):
    """Close every tab but the newest."""


class CloseTabsUntilAction(Element):
    """Close the newest tab until its address contains a text, or until that many tabs (+ 1) are left."""

    matching_url: Annotated[str | None, QUOTED] = None
    tab_index: int | None = None

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        if (raw.get("matching_url") is None) == (raw.get("tab_index") is None):
            yield error_at((), "needs exactly one of matching_url and tab_index")
