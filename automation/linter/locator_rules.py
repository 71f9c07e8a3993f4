"""Rules about locator commands: those that cannot be read, and those that break with the next change of the page."""

import json
import re
from collections.abc import Iterator, Sequence

from automation.actions.choice import CheckAction, SelectOptionAction
from automation.actions.extraction import LocatorExtraction
from automation.actions.files import UploadFileAction
from automation.actions.targeted import TargetedAction
from automation.actions.text import InputTextAction, KeyPressAction
from automation.linter import catalog
from automation.linter.catalog import Finding, Rule
from automation.linter.commands import Command
from automation.linter.survey import Survey, Visit
from automation.locators import Call, LocatorCommand, Property, Regex
from automation.placeholders import has_placeholder
from automation.problems import shortened

MAX_TEXT_CHARACTERS = 60
_MAX_STRUCTURE_STEPS = 4
_LITERAL_NTH = re.compile(r"\.nth\(\s*(?:index\s*=\s*)?(-?[0-9]+)\s*\)")
_GENERAL_TAGS = frozenset({"a", "button", "div", "span", "input", "li", "td", "tr", "p", "label", "img", "svg", "i"})
_QUOTED_TEXT = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_CSS_ID = re.compile(r"#((?:[\w-]|\\.)+)")
_ID_ATTRIBUTE = re.compile(r"[\[@]id\s*[\^$*]?=\s*[\"']?([^\"'\]\s]+)")
_CSS_CLASS = re.compile(r"\.((?:[A-Za-z_-]|\\.)(?:[\w-]|\\.)*)")
_CLASS_ATTRIBUTE = re.compile(r"[\[@]class\s*[\^$*~]?=?\s*,?\s*[\"']([^\"']+)[\"']")
_CSS_POSITION = re.compile(r":nth-(?:last-)?(?:child|of-type)\(|\bnth=")
_XPATH_POSITION = re.compile(r"\[\s*(?:[0-9]+|last\(\))\s*\]")
_TEXT_IN_SELECTOR = re.compile(
    r"(?::(?:has-)?text(?:-is)?\(|text\(\)\s*=|contains\((?:\.|text\(\)),)\s*(?:\"([^\"]*)\"|'([^']*)')"
)
# What component libraries call their elements, counting as they go: mat-input-3, :r1:, ember512, radix-:r4:.
_COUNTED_ID = re.compile(
    r":r[0-9a-z]+:|^(?:ember|gwt-uid-|yui_|ext-(?:gen|comp|element)|mat-|cdk-|ui-id-|react-select-|headlessui-|radix-"
    r"|select2-|j_id|isc_|dijit_|x-auto-|ctl\d|rc-tabs-|rc_select_|mui-|chakra-).*\d"
)
_LONG_NUMBER = re.compile(r"[0-9]{5,}")
_LONG_HEX = re.compile(r"[0-9a-f]{8,}")
_MADE_UP_CLASS = re.compile(
    r"^(?:css|emotion|jsx|tss|makeStyles)-(?=[a-z]*[0-9])[0-9a-z]{5,}|^svelte-[0-9a-z]{6,}$"
    r"|^sc-(?=[A-Z]*[a-z])(?=[a-z]*[A-Z])[A-Za-z]{5,}$|^jss[0-9]+$|^Mui\w+-root-[0-9]+$"
)
_HASH_END = re.compile(r"(?:__|--|_)([A-Za-z0-9+-]{5,10})$")
# Names and selectors are looked at up to here; nobody writes longer ones.
_MAX_NAME = 200
_MAX_SELECTOR = 4_000


def check(survey: Survey) -> Iterator[Finding]:
    """What is wrong with the locators of a document."""
    for visit in survey.visits:
        action = visit.action
        if isinstance(action, KeyPressAction):
            if action.command is not None or action.xpath is not None:
                message = "the keys go to the page, whatever command stands here"
                fix = "Click or focus the element before, and leave the command out."
                yield catalog.COMMAND_IGNORED.at(visit.action_path, message, fix)
            continue
        if isinstance(action, TargetedAction) and action.xpath is not None:
            yield from _xpath_field(action.xpath, f"{visit.action_path}.xpath", visit)
        for command in visit.commands:
            yield from _of_command(command, visit)


def _of_command(command: Command, visit: Visit) -> Iterator[Finding]:
    if command.error:
        fix = "See “Locator commands” in the manual for what can stand here."
        yield catalog.UNUSABLE.at(command.path, command.error, fix)
    if command.tree is None:
        return
    told: set[Rule] = set()
    for rule, message in _brittle(command.tree, command):
        if rule not in told:
            told.add(rule)
            yield rule.at(command.path, message, sturdier(command.text, visit))


def _xpath_field(xpath: str, path: str, visit: Visit) -> Iterator[Finding]:
    message = "only this server reads xpath; other programs ignore the field and ask a language model"
    fix = f'Write it as a command, better {_instead(visit)} than locator("xpath=…").'
    yield catalog.XPATH_FIELD.at(path, message, fix)
    told: set[Rule] = set()
    for rule, detail in _brittle_selector(f"xpath={xpath[:_MAX_SELECTOR]}"):
        if rule not in told:
            told.add(rule)
            yield rule.at(path, detail, sturdier(xpath[:_MAX_SELECTOR], visit))


def _brittle(tree: LocatorCommand, command: Command) -> Iterator[tuple[Rule, str]]:
    positions = 0
    for step in tree.steps:
        match step:
            case Property(name="first" | "last"):
                positions += 1
            case Call(method="nth"):
                positions += 1
            case Call():
                yield from _brittle_call(step)
            case _:
                pass
    # Numbers that a loop or a variable gives are no one's guess, so those as written are counted.
    numbered = _LITERAL_NTH.findall(command.text)
    if positions >= 3 or len(numbered) >= 2:
        yield catalog.POSITIONAL, f"takes {max(positions, len(numbered))} elements by their number among others"
    elif command.purpose == "act" and numbered and numbered[0] not in ("0", "-0"):
        yield catalog.POSITION, f"takes match number {numbered[0]}, whichever element that is by then"
    if command.purpose == "act":
        yield from _too_general(tree)


def _too_general(tree: LocatorCommand) -> Iterator[tuple[Rule, str]]:
    match tree.steps:
        case [Call(method="locator", arguments=[str(selector)], options=())] if selector.strip() in _GENERAL_TAGS:
            yield catalog.TOO_GENERAL, f"matches every <{selector.strip()}>; with more than one the step fails"
        case [Call(method="get_by_role", arguments=[str(role)], options=())]:
            yield catalog.TOO_GENERAL, f"matches every {shortened(role, 20)}; with more than one the step fails"
        case _:
            pass


def _brittle_call(call: Call) -> Iterator[tuple[Rule, str]]:
    first = call.arguments[0] if call.arguments else None
    if call.method in ("locator", "frame_locator") and isinstance(first, str):
        yield from _brittle_selector(first)
    elif call.method == "get_by_test_id" and isinstance(first, str) and is_made_up_id(first):
        yield catalog.GENERATED_ID, f"the test id “{shortened(first, 40)}” looks made up by a program"
    elif isinstance(first, str):
        yield from _long(first)
    for name, option in call.options:
        if name in ("name", "has_text") and isinstance(option, str):
            yield from _long(option)
        if isinstance(option, LocatorCommand):
            yield from _nested(option)
    if isinstance(first, LocatorCommand):
        yield from _nested(first)


def _nested(tree: LocatorCommand) -> Iterator[tuple[Rule, str]]:
    for step in tree.steps:
        if isinstance(step, Call):
            yield from _brittle_call(step)


def _long(text: str | Regex) -> Iterator[tuple[Rule, str]]:
    if isinstance(text, str) and len(text) > MAX_TEXT_CHARACTERS and not has_placeholder(text):
        yield catalog.LONG_TEXT, f"depends on {len(text)} characters of text"


def _brittle_selector(selector: str) -> Iterator[tuple[Rule, str]]:
    for part in selector.split(">>"):
        part = part.strip()
        if part.startswith(("xpath=", "/", "(/", "..")):
            yield from _brittle_xpath(part.removeprefix("xpath=").strip())
        elif part.startswith("text="):
            yield from _long(part.removeprefix("text=").strip("\"' "))
        elif part.startswith(("role=", "id=", "data-testid=")):
            kind, _, value = part.partition("=")
            if kind != "role" and is_made_up_id(value.strip("\"'")):
                yield catalog.GENERATED_ID, f"the id “{shortened(value, 40)}” looks made up by a program"
        else:
            yield from _brittle_css(part.removeprefix("css="))


def _brittle_xpath(xpath: str) -> Iterator[tuple[Rule, str]]:
    if xpath.startswith("/") and not xpath.startswith("//"):
        yield catalog.ABSOLUTE_XPATH, "goes down from the root of the page, step by step"
    elif len(_XPATH_POSITION.findall(xpath)) >= 2:
        yield catalog.POSITIONAL, "takes several elements by their number among others"
    yield from _made_up_names(_ID_ATTRIBUTE.findall(xpath), _CLASS_ATTRIBUTE.findall(xpath))
    for match in _TEXT_IN_SELECTOR.finditer(xpath):
        yield from _long(match[1] or match[2] or "")


def _brittle_css(css: str) -> Iterator[tuple[Rule, str]]:
    positions = len(_CSS_POSITION.findall(css))
    outside_texts = _QUOTED_TEXT.sub('""', css)
    steps = outside_texts.count(">") + 1
    if positions >= 2:
        yield catalog.POSITIONAL, f"takes {positions} elements by their number among others"
    elif steps >= _MAX_STRUCTURE_STEPS:
        yield catalog.POSITIONAL, f"follows the page's structure for {steps} steps"
    ids = [*_CSS_ID.findall(outside_texts), *_ID_ATTRIBUTE.findall(css)]
    classes = [*_CSS_CLASS.findall(outside_texts), *_CLASS_ATTRIBUTE.findall(css)]
    yield from _made_up_names(ids, classes)
    for match in _TEXT_IN_SELECTOR.finditer(css):
        yield from _long(match[1] or match[2] or "")


def _made_up_names(ids: Sequence[str], classes: Sequence[str]) -> Iterator[tuple[Rule, str]]:
    for name in ids:
        if is_made_up_id(name):
            yield catalog.GENERATED_ID, f"the id “{shortened(name, 40)}” looks made up by a program"
    for names in classes:
        for name in names.split():
            if is_made_up_class(name):
                yield catalog.GENERATED_CLASS, f"the class “{shortened(name, 40)}” looks made up by a program"


def is_made_up_id(name: str) -> bool:
    """Whether an id looks counted or random, so that it will be another one tomorrow."""
    if has_placeholder(name):
        return False
    name = name[:_MAX_NAME].replace("\\", "")
    is_random = any(not found.isdigit() and not found.isalpha() for found in _LONG_HEX.findall(name))
    return is_random or _COUNTED_ID.search(name) is not None or _LONG_NUMBER.search(name) is not None


def is_made_up_class(name: str) -> bool:
    """Whether a class has the hash of a build in it: css-1q2w3e, Button_root__3x9aZ, sc-bdVaJa."""
    name = name[:_MAX_NAME]
    if _MADE_UP_CLASS.search(name):
        return True
    end = _HASH_END.search(name)
    return end is not None and _looks_random(end[1])


def _looks_random(text: str) -> bool:
    """Digits before letters, or capitals after small letters together with digits: no word that a person writes."""
    has_inner_digit = re.search(r"[0-9][A-Za-z]", text) is not None
    has_mixed_case = re.search(r"[a-z][A-Z]", text) is not None and re.search(r"[0-9]", text) is not None
    return has_inner_digit or has_mixed_case


# Attributes that a person sees or an author means, with the finder for each.
_ATTRIBUTES = (
    ("data-testid", "get_by_test_id"),
    ("aria-label", "get_by_label"),
    ("placeholder", "get_by_placeholder"),
    ("title", "get_by_title"),
    ("alt", "get_by_alt_text"),
)


def sturdier(selector: str, visit: Visit) -> str:
    """What to write instead of a brittle selector, from what stands in it and what the node does."""
    for attribute, finder in _ATTRIBUTES:
        found = re.search(rf"{attribute}\s*=\s*\\?[\"']([^\"'\\]+)\\?[\"']", selector)
        if found:
            return f"Use what it already names: {finder}({_literal(found[1])})."
    text = re.search(r"(?:text\(\)\s*=|:has-text\(|:text(?:-is)?\()\s*\\?[\"']([^\"'\\]+)\\?[\"']", selector)
    if text and len(text[1]) <= MAX_TEXT_CHARACTERS:
        if isinstance(visit.action, TargetedAction) and re.search(r"\bbutton\b", selector):
            return f'Use what a person sees: get_by_role("button", name={_literal(text[1])}).'
        return f"Use what a person sees: get_by_text({_literal(text[1])}, exact=True)."
    return f"Use what a person sees or what an author named, for example {_instead(visit)}."


def _literal(text: str) -> str:
    return json.dumps(shortened(text, 40), ensure_ascii=False)


def _instead(visit: Visit) -> str:
    match visit.action:
        case InputTextAction() | SelectOptionAction() | UploadFileAction():
            return 'get_by_label("…")'
        case CheckAction():
            return 'get_by_role("checkbox", name="…")'
        case TargetedAction():
            return 'get_by_role("button", name="…")'
        case LocatorExtraction():
            return 'get_by_test_id("…")'
        case _:
            return 'get_by_role("…", name="…")'
