"""Rules about differences: what other programs do otherwise with such a document, and what has no effect here."""

from collections.abc import Iterator

from automation.actions.assertion import NetworkCallAssertion, PythonScriptAssertion
from automation.actions.choice import SelectOptionAction
from automation.actions.control import SetVariableAction
from automation.actions.extraction import LocatorExtraction, OCRCoordinatesExtraction, VisionExtraction
from automation.actions.pointer import DragToAction, ScrollAction
from automation.actions.script import PowerShellAction
from automation.actions.targeted import TargetedAction
from automation.actions.text import InputTextAction, KeyPressAction
from automation.linter import catalog
from automation.linter.catalog import Finding
from automation.linter.needs import found_by
from automation.linter.survey import Survey, Visit
from automation.locators import Call
from automation.nodes import AssertLocatorNode, ForLoopNode
from automation.placeholders import has_placeholder

# Keys of the language that no browser has, so that pressing them does nothing.
_NO_BROWSER_HAS = """
accept browserback browserfavorites browserforward browserhome browserrefresh browsersearch browserstop clear convert
execute final fn hanguel hangul hanja help junja kana kanji launchapp1 launchapp2 launchmail launchmediaselect
modechange nexttrack nonconvert playpause prevtrack select sleep stop volumedown volumemute volumeup yen
"""
KEYS_WITHOUT_MEANING = frozenset([*_NO_BROWSER_HAS.split(), *(f"f{number}" for number in range(13, 25))])
# The keys that every other program presses.
_PORTABLE_KEYS = frozenset(["enter", "tab", "space", "/", *"0123456789"])
# What only a page's own controls have: a select has none of these roles.
_NO_SELECT = frozenset(["button", "menu", "option", "searchbox", "textbox"])


def check(survey: Survey) -> Iterator[Finding]:
    """What a document means here and elsewhere."""
    for name, sources in survey.secure.items():
        for position, source in enumerate(sources):
            if source.vault is not None:
                path = f"parameters.secure_parameters.{name}[{position}].vault"
                yield _extension(path, "the source “vault” is refused by other programs", "Use onepassword there.")
    for visit in survey.visits:
        yield from _extensions(visit)
        yield from _keys(visit)
        yield from _without_effect(visit, survey)


def _extension(path: str, message: str, fix: str = "Keep it if the document is only run here.") -> Finding:
    return catalog.EXTENSION.at(path, message, fix)


def _extensions(visit: Visit) -> Iterator[Finding]:
    node, action, here = visit.node, visit.action, visit.action_path
    match node, action:
        case ForLoopNode(break_if=str()), _:
            yield _extension(f"{visit.path}.break_if", "other programs go on with the remaining passes")
        case AssertLocatorNode(), _:
            if node.must_hold:
                yield _extension(f"{visit.path}.must_hold", "other programs go on when the check fails")
            for name in ("text", "count"):
                if getattr(node, name) is not None:
                    yield _extension(f"{visit.path}.{name}", f"other programs do not look at {name}")
        case _, LocatorExtraction():
            if action.read != "text":
                yield _extension(f"{here}.read", "other programs read the element's text")
            if action.all:
                yield _extension(f"{here}.all", "other programs read the first match only")
        case _, SetVariableAction(as_list=True):
            yield _extension(f"{here}.as_list", "other programs store the list as one value")
        case _, InputTextAction(is_slider=True):
            message = "other programs ignore is_slider, and move no slider that a page has drawn itself"
            yield _extension(f"{here}.is_slider", message)
        case _, SelectOptionAction() if _is_no_select(visit):
            yield _extension(f"{here}.command", "other programs choose options of a <select> only")
        case _, DragToAction():
            yield _extension(here, "other programs refuse a document with drag_to")
        case _, KeyPressAction() if any(has_placeholder(key) for key in action.keys):
            yield _extension(f"{here}.type", "other programs refuse placeholders in key names")
        case _:
            pass


def _keys(visit: Visit) -> Iterator[Finding]:
    action = visit.action
    if not isinstance(action, KeyPressAction):
        return
    path = f"{visit.action_path}.type"
    unknown = [key for key in action.keys if key in KEYS_WITHOUT_MEANING]
    if unknown:
        message = f"no browser has the key {', '.join(unknown[:3])}; nothing is pressed"
        yield catalog.KEY_UNKNOWN.at(path, message, "Use what the page itself offers.")
    elif isinstance(action.type, list) or (action.type not in _PORTABLE_KEYS and not has_placeholder(action.type)):
        what = "several keys together" if isinstance(action.type, list) else "this key"
        message = f"other programs ignore {what}; here it is pressed"
        yield catalog.KEY_ELSEWHERE.at(path, message, "Remove the node if it was never meant to do anything.")


def _without_effect(visit: Visit, survey: Survey) -> Iterator[Finding]:
    action, path = visit.action, visit.action_path
    if isinstance(action, OCRCoordinatesExtraction | VisionExtraction | PowerShellAction):
        message = "is for remote desktops, and skipped in a browser"
        yield catalog.SKIPPED.at(path, message, "Use extraction.locator, or remove it.")
    if isinstance(action, InputTextAction) and action.fill_or_type == "type":
        message = "adds to what already stands in the field"
        fix = 'Use fill, or clear the field before with input_text "".'
        yield catalog.TYPE_KEEPS.at(f"{path}.fill_or_type", message, fix)
    if isinstance(action, NetworkCallAssertion | PythonScriptAssertion):
        message = "always fails in other programs; here it is judged"
        fix = "Use an assert_locator_node or an llm assertion if the document is to run elsewhere, too."
        yield catalog.ASSERTION_ELSEWHERE.at(path, message, fix)
    if survey.is_remote_desktop:
        return
    if isinstance(action, TargetedAction):
        yield from _other_means(visit, action)
    if isinstance(action, ScrollAction) and action.prompt_instructions:
        yield _no_effect(f"{path}.prompt_instructions", "prompt_instructions")


def _other_means(visit: Visit, action: TargetedAction) -> Iterator[Finding]:
    """A keyword and a point count only where nothing better is given."""
    way = found_by(visit, action)
    for name in ("keyword", "coordinates"):
        if getattr(action, name) is None:
            continue
        path = f"{visit.action_path}.{name}"
        if name == way:
            yield _extension(path, f"other programs ignore {name}; here the element is found by it")
        else:
            yield _no_effect(path, name)


def _no_effect(path: str, name: str) -> Finding:
    return catalog.NO_EFFECT.at(path, f"{name} is kept, and has no effect", "Leave it out.")


def _is_no_select(visit: Visit) -> bool:
    for command in visit.commands:
        if command.field == "command" and command.tree is not None:
            last = next((step for step in reversed(command.tree.steps) if isinstance(step, Call)), None)
            return last is not None and last.method == "get_by_role" and last.arguments[0] in _NO_SELECT
    return False
