"""How much an element of a page is like the one that a locator command meant.

A command says something about its element: a role, words that people see, pieces of ids, classes and attributes, the
row or the frame around it. What it says is compared with what each element has, each kind of clue on its own, and the
clues that the command does not give do not count. Everything here is pure; pages are looked at in `locators.py`.
"""

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from automation.locators import Argument, Call, LocatorCommand, Regex
from executor.ui_words import FILLERS, SAME_MEANING

# How much each clue counts, when the command gives it.
_WORDS_WEIGHT = 5.0
_HINTS_WEIGHT = 3.0
_ATTRIBUTES_WEIGHT = 2.5
_CONTEXT_WEIGHT = 3.0
_ROLE_WEIGHT = 2.0
_TAG_WEIGHT = 1.0
# Roles that pages exchange when they are built anew, and how alike they still are.
_FAMILIES: tuple[tuple[frozenset[str], float], ...] = (
    (frozenset({"button", "link"}), 0.75),
    (frozenset({"button", "link", "menuitem", "tab", "option", "treeitem"}), 0.6),
    (frozenset({"textbox", "searchbox", "combobox", "spinbutton"}), 0.75),
    (frozenset({"combobox", "listbox", "radiogroup", "button"}), 0.55),
    (frozenset({"checkbox", "switch", "radio", "menuitemcheckbox", "menuitemradio"}), 0.7),
    (frozenset({"tab", "link", "button", "radio"}), 0.5),
    (frozenset({"heading", "text", "status", "alert", "paragraph", "cell", "listitem", "label"}), 0.5),
    (frozenset({"row", "listitem", "article"}), 0.6),
    (frozenset({"cell", "gridcell", "columnheader", "rowheader"}), 0.8),
    (frozenset({"table", "grid", "list"}), 0.6),
    (frozenset({"slider", "spinbutton", "textbox"}), 0.5),
    (frozenset({"file", "button"}), 0.5),
    (frozenset({"dialog", "alertdialog", "region"}), 0.6),
    (frozenset({"img", "button", "link"}), 0.3),
)
# What an act needs: a command for `input_text` means something to type into, whatever its role is called.
_ROLES_OF_KINDS: Mapping[str, frozenset[str]] = {
    "click_element": frozenset({"button", "link", "menuitem", "tab", "checkbox", "radio", "option", "switch"}),
    "input_text": frozenset({"textbox", "searchbox", "combobox", "spinbutton", "slider"}),
    "select_option": frozenset({"combobox", "listbox", "button"}),
    "check": frozenset({"checkbox", "radio", "switch", "menuitemcheckbox"}),
    "uncheck": frozenset({"checkbox", "switch", "menuitemcheckbox"}),
    "upload_file": frozenset({"file", "button"}),
}
_ROLES_OF_TAGS: Mapping[str, str] = {
    "a": "link",
    "button": "button",
    "select": "combobox",
    "textarea": "textbox",
    "input": "textbox",
    "table": "table",
    "tr": "row",
    "td": "cell",
    "th": "columnheader",
    "li": "listitem",
    "img": "img",
    "h1": "heading",
    "h2": "heading",
    "h3": "heading",
    "dialog": "dialog",
}
_FILLER_WORDS = frozenset(FILLERS.split())


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command says about its element, as far as people would."""

    role: str | None = None
    # What people see of it: name, label, text.
    words: str = ""
    # Words in ids, classes and test ids.
    hints: str = ""
    tag: str | None = None
    # Attributes that a selector states: name -> value.
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    # What stands around it: the row, the section, the form that earlier steps named.
    context: str = ""
    # What the node does with it: `input_text`, ...
    kind: str = ""
    # What the author wrote for people.
    instructions: str = ""


def wanted_by(command: LocatorCommand, *, kind: str = "", instructions: str = "") -> Wanted:
    """What the last finder of `command` says about the element; what the ones before say is its context."""
    found: list[Wanted] = []
    for step in command.steps:
        if isinstance(step, Call) and step.arguments and (said := _said_by(step)) is not None:
            found.append(said)
        elif isinstance(step, Call) and step.method in ("filter", "locator") and found:
            found[-1] = _narrowed(found[-1], step)
    if not found:
        return Wanted(kind=kind, instructions=instructions)
    last = found[-1]
    around = " ".join(f"{each.words} {each.hints}" for each in found[:-1])
    return Wanted(
        role=last.role,
        words=last.words.strip(),
        hints=last.hints.strip(),
        tag=last.tag,
        attributes=last.attributes,
        context=f"{around} {last.context}".strip(),
        kind=kind,
        instructions=instructions,
    )


def _said_by(step: Call) -> Wanted | None:
    first, options = step.arguments[0], dict(step.options)
    match step.method:
        case "get_by_role":
            return Wanted(role=_words(first).strip() or None, words=_words(options.get("name")))
        case "get_by_test_id":
            return Wanted(hints=_split_name(_words(first)), attributes={"data-testid": _words(first)})
        case "get_by_placeholder":
            return Wanted(role="textbox", words=_words(first), attributes={"placeholder": _words(first)})
        case "get_by_label":
            return Wanted(words=_words(first))
        case "get_by_alt_text":
            return Wanted(role="img", words=_words(first))
        case "get_by_text" | "get_by_title":
            return Wanted(words=_words(first))
        case "locator" if isinstance(first, str):
            return _narrowed(_said_by_selector(first), step)
        case _:
            return None


def _narrowed(wanted: Wanted, step: Call) -> Wanted:
    """`has_text` of a last finder is text of the element itself; `has` is what stands in it."""
    options = dict(step.options)
    inside = options.get("has")
    more = _words(options.get("has_text"))
    if isinstance(inside, LocatorCommand):
        said = wanted_by(inside)
        more = f"{more} {said.words} {said.hints}"
    return Wanted(
        role=wanted.role,
        words=f"{wanted.words} {more}".strip(),
        hints=wanted.hints,
        tag=wanted.tag,
        attributes=wanted.attributes,
        context=wanted.context,
    )


_ATTRIBUTE = re.compile(r"""\[\s*@?([\w:-]+)\s*(?:[~|^$*]?=\s*["']?([^"'\]]*)["']?)?[^\]]*\]""")
_XPATH_TEXT = re.compile(r"""(?:text\(\)|\.|@([\w:-]+))\s*(?:,|=)\s*["']([^"']*)["']""")
_HAS_TEXT = re.compile(r""":(?:has-text|text|text-is|contains)\(\s*["']?([^"')]*)["']?\s*\)""")
_ID_OR_CLASS = re.compile(r"[#.]((?:[\w-]|\\.)+)")
_TAG = re.compile(r"^(?:\*|([a-z][\w-]*))?")


def _said_by_selector(selector: str) -> Wanted:
    """The clues in the last part of a CSS selector or XPath; those of the parts before are its context."""
    selector = selector.strip()
    if selector.startswith(("xpath=", "//", "(//", "./", "/")):
        return _said_by_xpath(selector.removeprefix("xpath="))
    if selector.startswith("text="):
        return Wanted(words=selector.removeprefix("text=").strip("\"'"))
    selector = selector.removeprefix("css=")
    parts = [part for part in re.split(r"\s*>>\s*|\s*[>+~]\s*|\s+(?![^\[(]*[\])])", selector.strip()) if part]
    last = _said_by_compound(parts[-1]) if parts else Wanted()
    around = [_said_by_compound(part) for part in parts[:-1]]
    context = " ".join(f"{each.words} {each.hints}" for each in around)
    return Wanted(last.role, last.words, last.hints, last.tag, last.attributes, context.strip())


def _said_by_compound(part: str) -> Wanted:
    texts = _HAS_TEXT.findall(part)
    rest = _HAS_TEXT.sub("", part)
    attributes = {name.lower(): value or "" for name, value in _ATTRIBUTE.findall(rest)}
    rest = _ATTRIBUTE.sub("", rest)
    names = [name.replace("\\", "") for name in _ID_OR_CLASS.findall(re.sub(r":{1,2}[\w-]+(\([^)]*\))?", "", rest))]
    tag = _TAG.match(rest)
    return _with_attributes(
        words=" ".join(texts), names=names, tag=(tag[1] or None) if tag else None, attributes=attributes
    )


def _said_by_xpath(path: str) -> Wanted:
    parts = [part for part in re.split(r"/+(?![^\[]*\])", path.strip("()")) if part and not part.startswith("(")]
    said = [_said_by_xpath_step(part) for part in parts if part not in (".", "..")]
    if not said:
        return Wanted()
    context = " ".join(f"{each.words} {each.hints}" for each in said[:-1])
    last = said[-1]
    return Wanted(last.role, last.words, last.hints, last.tag, last.attributes, context.strip())


def _said_by_xpath_step(part: str) -> Wanted:
    tag = re.match(r"(?:[\w-]+::)?(?:\*|([a-z][\w-]*))", part)
    attributes: dict[str, str] = {}
    words: list[str] = []
    for name, value in _XPATH_TEXT.findall(part):
        if name:
            attributes[name.lower()] = value
        else:
            words.append(value)
    return _with_attributes(
        words=" ".join(words), names=[], tag=(tag[1] or None) if tag else None, attributes=attributes
    )


# Attributes whose value people read, and those whose value is a name in the page's code.
_SPOKEN = ("aria-label", "placeholder", "title", "alt", "value", "label")
_NAMES = ("id", "class", "name", "data-testid", "data-test", "data-test-id", "data-cy", "data-qa", "for")


def _with_attributes(*, words: str, names: Sequence[str], tag: str | None, attributes: Mapping[str, str]) -> Wanted:
    spoken = [attributes[name] for name in _SPOKEN if attributes.get(name)]
    named = [*names, *(attributes[name] for name in _NAMES if attributes.get(name))]
    role = attributes.get("role") or None
    kept = {name: value for name, value in attributes.items() if name not in ("class", "role") and value}
    return Wanted(
        role=role,
        words=" ".join([words, *spoken]).strip(),
        hints=" ".join(_split_name(each) for each in named).strip(),
        tag=tag,
        attributes=kept,
    )


def _words(argument: Argument) -> str:
    match argument:
        case str():
            return argument
        case Regex(pattern=pattern):
            return re.sub(r"\\.|[^\w\s]", " ", pattern).strip()
        case _:
            return ""


def _split_name(name: str) -> str:
    """`#saveButton-2` as `save button`: ids and classes are named after what they are."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return " ".join(re.findall(r"[^\W\d_]{2,}", apart)).lower()


# --- comparing ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Likeness:
    """0 to 1, and why, for people."""

    score: float
    reason: str


def rank(elements: Sequence[Mapping[str, Any]], wanted: Wanted) -> list[tuple[int, Likeness]]:
    """The elements' positions with their likeness, best first. An element has the keys that the collecting function
    in `locators.py` gives it; what it lacks counts as blank."""
    common = Counter(token for each in elements for token in set(_hint_tokens(each)))
    scored = [(position, _likeness(each, wanted, common)) for position, each in enumerate(elements)]
    scored.sort(key=lambda pair: -pair[1].score)
    return scored


def _likeness(element: Mapping[str, Any], wanted: Wanted, common: Mapping[str, int]) -> Likeness:
    clues = list(_clues(element, wanted, common))
    weight = sum(each.weight for each in clues)
    if not weight:
        return Likeness(0.0, "")
    score = sum(each.weight * each.likeness for each in clues) / weight
    score = min(1.0, score + _prior(element, wanted))
    telling = sorted(
        (each for each in clues if each.words and each.likeness >= 0.5), key=lambda each: -each.weight * each.likeness
    )
    best = [each.words for each in telling]
    differs = f"a {element.get('role')} instead of a {wanted.role}"
    if wanted.role and element.get("role") and element.get("role") != wanted.role:
        best = [*best[:2], differs]
    return Likeness(round(score, 3), ", ".join(dict.fromkeys(best[:3])))


@dataclass(frozen=True, slots=True)
class _Clue:
    weight: float
    likeness: float
    words: str


def _clues(element: Mapping[str, Any], wanted: Wanted, common: Mapping[str, int]) -> Iterator[_Clue]:
    name = str(element.get("name", ""))
    if wanted.words:
        likeness = _words_likeness(element, wanted.words)
        yield _Clue(_WORDS_WEIGHT, likeness, "same name" if likeness >= 0.99 else "similar name")
    elif wanted.instructions:
        likeness = words_likeness(wanted.instructions, f"{name} {element.get('label', '')}")
        yield _Clue(_WORDS_WEIGHT / 2, likeness, "named in the instructions")
    if wanted.hints:
        likeness = _hints_likeness(element, wanted, common)
        yield _Clue(_HINTS_WEIGHT, likeness, "similar id or class")
    stated = {key: value for key, value in wanted.attributes.items() if key != "id"}
    if stated:
        yield _Clue(_ATTRIBUTES_WEIGHT, _attributes_likeness(element, stated), "same attributes")
    if wanted.context:
        around = " ".join(str(element.get(key, "")) for key in ("row", "beside", "around"))
        yield _Clue(_CONTEXT_WEIGHT, _context_likeness(wanted.context, around), "same surroundings")
    role = wanted.role or _ROLES_OF_TAGS.get(wanted.tag or "")
    if role:
        likeness = role_likeness(role, str(element.get("role", "")))
        yield _Clue(_ROLE_WEIGHT, likeness, "same role" if likeness >= 1 else "")
    elif wanted.kind in _ROLES_OF_KINDS:
        fits = element.get("role") in _ROLES_OF_KINDS[wanted.kind] or bool(element.get("acts"))
        yield _Clue(_ROLE_WEIGHT, 1.0 if fits else 0.2, "fits the act")
    if wanted.tag:
        yield _Clue(_TAG_WEIGHT, 1.0 if element.get("tag") == wanted.tag else 0.0, "same element")


def _words_likeness(element: Mapping[str, Any], words: str) -> float:
    """The best of all that people could call the element; a code name counts a little less."""
    spoken = ("name", "label", "placeholder", "title", "text")
    best = max(words_likeness(words, str(element.get(key, ""))) for key in spoken)
    if best < 0.9:
        named = " ".join(_hint_tokens(element))
        best = max(best, 0.85 * words_likeness(words, named))
    if _is_read_by_its_neighbor(element):
        best = max(best, 0.9 * words_likeness(words, str(element.get("beside", ""))))
    return best


def _is_read_by_its_neighbor(element: Mapping[str, Any]) -> bool:
    """Fields and plain values: what stands before them says what they are."""
    return str(element.get("role", "")) in ("textbox", "searchbox", "combobox", "spinbutton", "text", "cell", "generic")


def _hints_likeness(element: Mapping[str, Any], wanted: Wanted, common: Mapping[str, int]) -> float:
    """How much of what the ids and classes say is in the element's own, or in what people read of it."""
    sought = _tokens(wanted.hints)
    telling = [each for each in sought if each not in _FILLER_WORDS] or list(sought)
    own = _hint_tokens(element)
    spoken = _tokens(f"{element.get('name', '')} {element.get('placeholder', '')} {element.get('label', '')}")
    if _is_read_by_its_neighbor(element):
        spoken += _tokens(str(element.get("beside", "")))
    role = str(element.get("role", ""))
    total = found = 0.0
    for token in dict.fromkeys(telling):
        weight = 1.0 / (1.0 + 0.3 * common.get(token, 0))
        likeness = max(_best_token(token, own), 0.95 * _best_token(token, spoken))
        total += weight
        found += weight * max(likeness, 0.5 if token == role else 0.0)
    return found / total if total else 0.0


def _hint_tokens(element: Mapping[str, Any]) -> list[str]:
    return _tokens(" ".join(_split_name(str(element.get(key, ""))) for key in ("id", "cls", "testid", "nameattr")))


def _attributes_likeness(element: Mapping[str, Any], stated: Mapping[str, str]) -> float:
    given: Mapping[str, Any] = element.get("attributes") or {}
    return sum(_attribute_likeness(name, value, given) for name, value in stated.items()) / len(stated)


def _attribute_likeness(name: str, value: str, given: Mapping[str, Any]) -> float:
    # Test ids are called differently from page to page.
    names = [name, *(each for each in given if "test" in each or "cy" in each)] if name.startswith("data-") else [name]
    found = [str(given[each]) for each in names if each in given]
    if not found:
        return 0.0
    return max(1.0 if each == value else 0.9 * words_likeness(_split_name(value), _split_name(each)) for each in found)


def _context_likeness(wanted: str, around: str) -> float:
    sought, there = _tokens(wanted), _tokens(around)
    if not sought:
        return 0.0
    return sum(_best_token(each, there) for each in sought) / len(sought)


def role_likeness(wanted: str, found: str) -> float:
    """1 for the same role, less for one that pages use in its place, 0 for others."""
    if wanted == found:
        return 1.0
    shared = [likeness for roles, likeness in _FAMILIES if wanted in roles and found in roles]
    return max(shared, default=0.0)


def _prior(element: Mapping[str, Any], wanted: Wanted) -> float:
    """What decides between elements that are else alike: seen without scrolling, usable, in the page's main part."""
    worth = 0.01 * bool(element.get("isInView")) + 0.01 * (not element.get("isDisabled"))
    worth += 0.01 * (not element.get("isAside"))
    wants_act = wanted.role == "button" or wanted.tag == "button" or wanted.kind == "click_element"
    return worth + 0.03 * (wants_act and element.get("type") == "submit")


# --- words -------------------------------------------------------------------------------------------------------


def words_likeness(wanted: str, found: str) -> float:
    """0 to 1: the same text, one within the other, shared or kindred words, or similar spelling."""
    a, b = _plain(wanted), _plain(found)
    if not a or not b:
        return 0.0
    if a == b:
        return 1.0
    if _contains(a, b) or _contains(b, a):
        return 0.75 + 0.2 * min(len(a), len(b)) / max(len(a), len(b))
    sought, there = a.split(), b.split()
    forth = sum(_best_token(each, there) for each in sought) / len(sought)
    back = sum(_best_token(each, sought) for each in there) / len(there)
    tokens = 0.0 if forth + back == 0 else 2 * forth * back / (forth + back)
    return max(0.95 * tokens, 0.85 * forth if len(there) < 12 else 0.7 * forth, _spelling(a, b))


def _contains(part: str, whole: str) -> bool:
    return len(part) >= 2 and f" {part} " in f" {whole} "


def _spelling(a: str, b: str) -> float:
    if len(a) > 60 or len(b) > 60:
        return 0.0
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    if matcher.real_quick_ratio() < 0.6 or matcher.quick_ratio() < 0.6:
        return 0.0
    ratio = matcher.ratio()
    return 0.9 * ratio if ratio >= 0.6 else 0.0


def _best_token(token: str, others: Iterable[str]) -> float:
    return max((_token_likeness(token, each) for each in others), default=0.0)


@lru_cache(maxsize=20_000)
def _token_likeness(a: str, b: str) -> float:
    if a == b:
        return 1.0
    shorter, longer = sorted((a, b), key=len)
    if len(shorter) >= 3 and longer.startswith(shorter):
        return 0.6 + 0.35 * len(shorter) / len(longer)
    if _MEANINGS.get(a, frozenset[int]()) & _MEANINGS.get(b, frozenset[int]()):
        return 0.8
    if len(shorter) < 4:
        return 0.0
    if shorter in longer:
        return 0.5 + 0.3 * len(shorter) / len(longer)
    ratio = difflib.SequenceMatcher(None, a, b, autojunk=False).ratio()
    return ratio * 0.9 if ratio >= 0.75 else 0.0


@lru_cache(maxsize=5_000)
def _plain(text: str) -> str:
    """Lower case, without accents and punctuation."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    letters = unicodedata.normalize("NFKD", apart.replace("ß", "ss")).casefold()
    return " ".join(re.findall(r"[^\W_]+", "".join(each for each in letters if not unicodedata.combining(each))))


def _tokens(text: str) -> list[str]:
    return _plain(text).split()


def _meanings() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for number, line in enumerate(SAME_MEANING.strip().splitlines()):
        for word in line.split():
            found.setdefault(word, set()).add(number)
    return {word: frozenset(numbers) for word, numbers in found.items()}


_MEANINGS = _meanings()


def vocabulary(wanted: Wanted) -> list[str]:
    """All words that an element worth a closer look may share with what is wanted, kindred ones among them."""
    said = " ".join((wanted.words, wanted.hints, wanted.context, wanted.instructions, *wanted.attributes.values()))
    words = dict.fromkeys(_tokens(f"{said} {_split_name(said)}"))
    numbers = {number for each in words for number in _MEANINGS.get(each, ())}
    kindred = [word for word, its in _MEANINGS.items() if its & numbers]
    return list(dict.fromkeys([*words, *kindred]))
