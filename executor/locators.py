"""From a parsed locator command to Playwright's locator, and what was there instead when it found nothing."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Frame, FrameLocator, Locator, Page

from automation.locators import Argument, Call, FrameAt, LocatorCommand, Property, Regex
from executor.errors import ElementNotFoundError

# Elements of one page that are looked at when a locator found nothing.
_MAX_LOOKED_AT = 400
_MAX_CANDIDATES = 3
_LOWEST_SCORE = 0.35


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
    found = _apply_steps(command, page)
    if not isinstance(found, Locator):
        raise ElementNotFoundError("the locator command ends in a frame instead of an element")
    return found


def _apply_steps(command: LocatorCommand, page: Page) -> Page | Frame | FrameLocator | Locator:
    found: Any = page  # the grammar guarantees that each step exists on what the steps before gave
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
    return found  # type: ignore[no-any-return]


def _argument(argument: Argument, page: Page) -> Any:
    match argument:
        case Regex():
            return argument.compiled()
        case LocatorCommand():
            return build_locator(argument, page)
        case _:
            return argument


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command says about its element, as far as people would."""

    role: str | None
    words: str


def wanted_by(command: LocatorCommand) -> Wanted:
    """The role and the words (name, label, text, pieces of a selector) of the last finder of `command`."""
    for step in reversed(command.steps):
        if not isinstance(step, Call) or not step.arguments:
            continue
        first, options = step.arguments[0], dict(step.options)
        if step.method == "get_by_role":
            return Wanted(str(first), _words(options.get("name")))
        if step.method == "locator" and isinstance(first, str):
            return Wanted(None, _selector_words(first) + " " + _words(options.get("has_text")))
        if step.method.startswith("get_by_"):
            return Wanted(None, _words(first))
    return Wanted(None, "")


def _words(argument: Argument) -> str:
    match argument:
        case str():
            return argument
        case Regex(pattern=pattern):
            return re.sub(r"\\.|[^\w\s]", " ", pattern).strip()
        case _:
            return ""


def _selector_words(selector: str) -> str:
    """`#save-button` as `save button`: ids and classes are named after what they are."""
    return " ".join(re.findall(r"[A-Za-z]{2,}", re.sub(r"([a-z])([A-Z])", r"\1 \2", selector))).lower()


# A constant function: it collects what a person could act on, with its role and name. Nothing of a command gets in.
_COLLECT = """limit => {
  const roles = {a: "link", button: "button", select: "combobox", textarea: "textbox", summary: "button",
                 h1: "heading", h2: "heading", h3: "heading", td: "cell", th: "columnheader", label: "label",
                 table: "table", option: "option", img: "img"};
  const inputs = {checkbox: "checkbox", radio: "radio", button: "button", submit: "button", reset: "button",
                  image: "button", range: "slider", number: "spinbutton", search: "searchbox", file: "file"};
  const text = element => (element.innerText || "").replace(/\\s+/g, " ").trim().slice(0, 80);
  const name = element => {
    const label = element.getAttribute("aria-label");
    if (label) return label;
    const by = element.getAttribute("aria-labelledby");
    if (by) {
      const named = by.split(/\\s+/).map(id => document.getElementById(id)).filter(Boolean).map(text).join(" ");
      if (named) return named;
    }
    if (element.labels && element.labels.length) return text(element.labels[0]);
    if (element.tagName === "INPUT" && ["button", "submit", "reset"].includes(element.type)) return element.value;
    return text(element) || element.getAttribute("placeholder") || element.getAttribute("title")
        || element.getAttribute("alt") || element.getAttribute("name") || "";
  };
  const found = [];
  const visit = root => {
    for (const element of root.querySelectorAll("*")) {
      if (found.length >= limit) return;
      if (element.shadowRoot) visit(element.shadowRoot);
      const tag = element.tagName.toLowerCase();
      const role = element.getAttribute("role")
          || (tag === "input" ? inputs[element.type] || "textbox" : roles[tag]);
      if (!role || (tag === "a" && !element.hasAttribute("href"))) continue;
      const box = element.getBoundingClientRect();
      if (!box.width || !box.height) continue;
      found.push({role, name: name(element).slice(0, 120), id: element.id || "", type: element.type === "password",
                  box: {x: box.x, y: box.y, width: box.width, height: box.height}});
    }
  };
  visit(document);
  return found;
}"""


async def find_candidates(command: LocatorCommand | None, page: Page) -> list[Candidate]:
    """The up to three elements of the page's frames that are most like the one that was meant, best first."""
    wanted = wanted_by(command) if command is not None else Wanted(None, "")
    scored: list[Candidate] = []
    for frame in page.frames[:5]:
        try:
            elements = await frame.evaluate(_COLLECT, _MAX_LOOKED_AT)
        except PlaywrightError:
            continue  # a frame that is just going away has nothing to offer
        scored.extend(_scored(elements, wanted, in_main_frame=frame == page.main_frame))
    scored.sort(key=lambda candidate: -candidate["score"])
    return scored[:_MAX_CANDIDATES]


def _scored(elements: list[dict[str, Any]], wanted: Wanted, *, in_main_frame: bool) -> Iterator[Candidate]:
    for element in elements:
        role, name = str(element["role"]), str(element["name"])
        likeness = max(_likeness(wanted.words, name), _likeness(wanted.words, _selector_words(str(element["id"]))))
        same_role = wanted.role is not None and role == wanted.role
        score = 0.75 * likeness + (0.25 if same_role else 0.0)
        if score < _LOWEST_SCORE or (wanted.words and likeness < _LOWEST_SCORE):
            continue
        candidate = Candidate(
            role=role, name=name, score=round(score, 2), reason=_reason(wanted, role, likeness, same_role)
        )
        if in_main_frame:  # boxes of other frames are in their own coordinates
            candidate["box"] = element["box"]
        yield candidate


def _likeness(wanted: str, found: str) -> float:
    """0 to 1; a name that contains the other counts as near."""
    wanted, found = wanted.casefold().strip(), found.casefold().strip()
    if not wanted or not found:
        return 0.0
    ratio = difflib.SequenceMatcher(None, wanted, found).ratio()
    return max(ratio, 0.8) if wanted in found or found in wanted else ratio


def _reason(wanted: Wanted, role: str, likeness: float, same_role: bool) -> str:
    if wanted.role is None:
        return "similar text"
    if not wanted.words:
        return "same role"
    name = "same name" if likeness == 1 else "similar name"
    return f"{name}, same role" if same_role else f"{name}, but a {role} instead of a {wanted.role}"


def candidates_in_words(candidates: list[Candidate]) -> str:
    """`button “Save draft”, link “Save”`, for error messages."""
    return ", ".join(f"{each['role']} “{each['name'][:60]}”" for each in candidates)
