"""An element by a word that people see on it: its name, label, placeholder, title or text."""

from collections.abc import Iterator
from typing import Literal

from playwright.async_api import Locator, Page

from executor.errors import ElementNotFoundError

# What people act on, beside buttons; any other element is found by its text.
_ROLES: tuple[
    Literal[
        "link",
        "tab",
        "menuitem",
        "option",
        "checkbox",
        "radio",
        "switch",
        "combobox",
        "textbox",
        "searchbox",
        "slider",
    ],
    ...,
] = (
    "link",
    "tab",
    "menuitem",
    "option",
    "checkbox",
    "radio",
    "switch",
    "combobox",
    "textbox",
    "searchbox",
    "slider",
)


async def find_by_keyword(page: Page, keyword: str) -> Locator:
    """The one visible element of the main frame that `keyword` names, by Playwright's own engines.

    The first way that finds anything decides, whole and exact names before parts of them: a control's name, a
    label, a placeholder, a title, a picture's text, a text. Raises ElementNotFoundError when nothing is found,
    and when that way finds several.
    """
    for way in _ways(page, keyword):
        visible = way.filter(visible=True)
        count = await visible.count()
        if count > 1:
            raise ElementNotFoundError(f"the keyword names {count} elements")
        if count == 1:
            return visible
    raise ElementNotFoundError("no visible element has the keyword as its name, label or text")


def _ways(page: Page, keyword: str) -> Iterator[Locator]:
    for exact in (True, False):
        controls = page.get_by_role("button", name=keyword, exact=exact)
        for role in _ROLES:
            controls = controls.or_(page.get_by_role(role, name=keyword, exact=exact))
        yield controls
        yield page.get_by_label(keyword, exact=exact)
        yield page.get_by_placeholder(keyword, exact=exact)
        yield page.get_by_title(keyword, exact=exact)
        yield page.get_by_alt_text(keyword, exact=exact)
        yield page.get_by_text(keyword, exact=exact)
