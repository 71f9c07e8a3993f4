"""A point of the page's view in the place of an element."""

import math
from typing import NamedTuple

from playwright.async_api import Locator, Page

from executor.errors import ElementNotFoundError

# A constant function. It follows the point into open shadow roots and from a label to its control, and answers with
# one selector for each root on the way, outermost first; none for a point on nothing.
_PATH_TO = """([x, y]) => {
  let element = document.elementFromPoint(x, y);
  while (element?.shadowRoot?.elementFromPoint(x, y) && element.shadowRoot.elementFromPoint(x, y) !== element)
    element = element.shadowRoot.elementFromPoint(x, y);
  if (!element) return [];
  element = element.closest("label")?.control ?? element;
  const paths = [];
  let steps = [];
  while (element) {
    const place = element.parentNode ? [...element.parentNode.children].indexOf(element) + 1 : 1;
    steps.unshift(`${CSS.escape(element.localName)}:nth-child(${place})`);
    if (element.parentElement) { element = element.parentElement; continue; }
    paths.unshift(steps.join(" > "));
    steps = [];
    element = element.getRootNode().host;
  }
  return paths;
}"""


class Point(NamedTuple):
    """A place in the view, in CSS pixels from its top left corner."""

    x: float
    y: float

    def __str__(self) -> str:
        return f"{self.x:g}, {self.y:g}"


def read_point(coordinates: tuple[int, int] | tuple[str, str], page: Page) -> Point:
    """The point that a document's `coordinates` are, its placeholders filled in.

    Raises ElementNotFoundError for texts that are no numbers, and for a point outside of the view.
    """
    try:
        point = Point(*(float(each) for each in coordinates))
    except ValueError:
        raise ElementNotFoundError("the coordinates are not two numbers") from None
    size = page.viewport_size
    width, height = (math.inf, math.inf) if size is None else (size["width"], size["height"])
    if not (0 <= point.x < width and 0 <= point.y < height):
        raise ElementNotFoundError(f"the point {point} lies outside of the view of {width:g} x {height:g}")
    return point


async def element_at(page: Page, point: Point) -> Locator:
    """The element of the main frame that shows at `point`; for a label, the control that it belongs to.

    Raises ElementNotFoundError when nothing is there.
    """
    paths: list[str] = await page.evaluate(_PATH_TO, list(point))
    if not paths:
        raise ElementNotFoundError(f"there is nothing at the point {point}")
    return page.locator(" >> ".join(f"css={path}" for path in paths))
