"""A node in one short sentence for the timeline, and the text of its locator.

Both work on the node as it stands in the document (loops may be bound): give them no node with values in place.
What an author types, sends or runs is never part of a sentence.
"""

import re
from urllib.parse import urlsplit

from automation.actions.assertion import AssertionAction
from automation.actions.captcha import CaptchaAction
from automation.actions.control import FailStateAction, MiscAction, SleepAction
from automation.actions.extraction import ExtractionAction, TwoFAAction
from automation.actions.files import DownloadFileAction, DownloadUrlAsPdfAction
from automation.actions.human import HumanInLoopAction
from automation.actions.interaction import InteractionAction
from automation.actions.navigation import CloseTabsUntilAction, GoToUrlAction, SwitchTabAction
from automation.actions.pointer import ClickElementAction, ScrollAction
from automation.actions.script import PythonScriptAction
from automation.actions.targeted import TargetedAction
from automation.actions.text import KeyPressAction
from automation.element import Element
from automation.locators import Argument, Call, LocatorError, Regex, parse_locator
from automation.nodes import ActionNode, AssertLocatorNode, ForLoopNode, IfElseNode, Node
from automation.problems import shortened

_LOOP_MATCH = re.compile(r"^\s*\{locator\[\w+\]\}\.")
_ROLES_IN_WORDS = {"textbox": "field", "combobox": "list", "checkbox": "check box", "radio": "option"}


def label_of(node: Node) -> str:
    """The author's own label, or a sentence such as `Click button “Save”` or `If {count[0]} == 0`."""
    if node.label is not None and node.label.strip():
        return shortened(node.label, 120)
    match node:
        case ActionNode():
            return _action_label(node.chosen)
        case IfElseNode():
            return f"If {shortened(node.condition, 80)}"
        case ForLoopNode() if node.locator is not None:
            return f"For each {_described(node.locator)}"
        case ForLoopNode():
            return f"For each of {shortened(', '.join(node.variable_names), 60)}"
        case AssertLocatorNode():
            state = node.assertion.removeprefix("to_be_")
            return f"Check that {_described(node.locator)} is {state}"
        case _:
            return f"Run {shortened(node.handler, 60)}"


def locator_text_of(node: Node) -> str | None:
    """What a node finds its element by, as written: a locator command, an xpath as the command that it stands for,
    `keyword “Save”`, `point 120, 40`."""
    match node:
        case AssertLocatorNode() | ForLoopNode():
            return node.locator
        case ActionNode(interaction_action=InteractionAction() as interaction):
            return _command_of(interaction.chosen)
        case ActionNode(extraction_action=ExtractionAction(locator=locator)) if locator is not None:
            return locator.command
        case ActionNode(captcha_action=CaptchaAction() as captcha):
            return captcha.locator
        case ActionNode(misc_action=MiscAction(set_variable=None, llm_query=None, count_locator=count)) if count:
            return count.locator
        case _:
            return None


def _command_of(action: Element) -> str | None:
    if not isinstance(action, TargetedAction) or isinstance(action, KeyPressAction):
        return None
    if action.command is not None and not (action.skip_command and _is_named(action)):
        return action.command
    if action.xpath is not None and not action.skip_command:
        return f"locator({'xpath=' + action.xpath!r})"
    return _by_other_means(action)


def _is_named(action: TargetedAction) -> bool:
    """Whether the element could be found without a command."""
    return bool(action.keyword and action.keyword.strip()) or action.coordinates is not None


def _by_other_means(action: TargetedAction) -> str | None:
    if action.keyword and action.keyword.strip():
        return f"keyword “{shortened(action.keyword, 60)}”"
    return None if action.coordinates is None else "point {}, {}".format(*action.coordinates)


_PLAIN_LABELS = {
    "go_back": "Go back",
    "close_current_tab": "Close the tab",
    "close_all_but_last_tab": "Close all tabs but the newest",
    "close_overlay_popup": "Close what covers the page",
    "agentic_task": "Let the agent work",
    "llm": "Let a model read the page",
    "network_call": "Read network calls",
    "python_script": "Run a script",
    "screenshot": "Take a screenshot",
    "state": "Read the page's state",
    "pdf": "Read a PDF",
    "ocr_coordinates": "Find text on the screen",
    "vision": "Look at the screen",
    "api_call": "Call an API",
}
_ON_ELEMENTS = {
    "hover": "Point at",
    "check": "Check",
    "uncheck": "Uncheck",
    "input_text": "Type into",
    "select_option": "Choose in",
    "upload_file": "Upload into",
    "drag_to": "Drag",
}


def _action_label(action: Element) -> str:
    match action:
        case InteractionAction():
            return _interaction_label(action.chosen_name, action.chosen)
        case ExtractionAction():
            return _extraction_label(action)
        case AssertionAction():
            return _assertion_label(action.chosen_name)
        case MiscAction():
            return _misc_label(action)
        case SleepAction():
            return f"Sleep {action.sleep_time:g} s"
        case FailStateAction():
            return f"Fail: {shortened(action.failure_message, 80)}"
        case CaptchaAction():
            return "Solve the captcha"
        case HumanInLoopAction():
            return "Wait for a person"
        case PythonScriptAction():
            return "Run a script"
        case _:
            return "Run PowerShell" if hasattr(action, "commands") else "Fill in a mapped form"


def _interaction_label(name: str, action: Element) -> str:
    match action:
        case ClickElementAction():
            verb = "Double-click" if action.double_click else "Click"
            side = "" if action.button == "left" else f" ({action.button})"
            return f"{verb} {_target(action)}{side}"
        case KeyPressAction():
            return f"Press {shortened(' + '.join(action.keys), 40)}" if action.keys else "Press nothing"
        case TargetedAction():
            return f"{_ON_ELEMENTS[name]} {_target(action)}"
        case ScrollAction():
            return f"Scroll {'down' if action.down else 'up'}"
        case GoToUrlAction():
            return f"Open {_address(action.url)}"
        case SwitchTabAction():
            return f"Switch to tab {action.tab_index}"
        case CloseTabsUntilAction():
            until = action.matching_url
            return f"Close tabs until {_address(until)}" if until is not None else "Close the newest tabs"
        case DownloadUrlAsPdfAction():
            return f"Save {_address(action.url) if action.url else 'the page'} as a file"
        case DownloadFileAction():
            return f"Fetch {_address(action.file_url)}"
        case _:
            return _PLAIN_LABELS[name]


def _extraction_label(action: ExtractionAction) -> str:
    if action.locator is not None:
        return f"Read {_described(action.locator.command)}"
    if isinstance(action.chosen, TwoFAAction):
        return "Wait for a code"
    return _PLAIN_LABELS[action.chosen_name]


def _assertion_label(name: str) -> str:
    return {"llm": "Let a model judge the page", "network_call": "Check network calls"}.get(name, "Check by a script")


def _misc_label(action: MiscAction) -> str:
    if action.set_variable is not None:
        return f"Set {shortened(action.set_variable.name, 40)}"
    if action.llm_query is not None:
        return "Ask a model"
    if action.count_locator is not None:
        return f"Count {_described(action.count_locator.locator)}"
    return "Do nothing"


def _target(action: TargetedAction) -> str:
    if action.command is not None and not (action.skip_command and _is_named(action)):
        return _described(action.command)
    if action.xpath is not None and not action.skip_command:
        return shortened(action.xpath, 60)
    if action.keyword and action.keyword.strip():
        return f"“{shortened(action.keyword, 60)}”"
    if action.coordinates is not None:
        return _by_other_means(action) or ""
    return f"“{shortened(action.prompt_instructions, 60)}”" if action.prompt_instructions.strip() else "an element"


def _described(command: str) -> str:
    """What a locator command finds, in words: `button “Save”`, `“Member ID”`, `#zoom`."""
    try:
        # Where the chain begins in a loop's match, the rest of it says what is meant.
        tree = parse_locator(_LOOP_MATCH.sub("", command))
    except LocatorError:
        tree = None
    for step in reversed(tree.steps if tree is not None else ()):
        words = _words(step) if isinstance(step, Call) else None
        if words is not None:
            return words
    return f"locator {shortened(command, 60)}"


def _words(call: Call) -> str | None:
    options = dict(call.options)
    first = call.arguments[0] if call.arguments else None
    match call.method:
        case "get_by_role":
            role = _ROLES_IN_WORDS.get(str(first), str(first))
            name = options.get("name")
            return role if name is None else f"{role} {_quoted(name)}"
        case "get_by_text" | "get_by_label" | "get_by_placeholder" | "get_by_alt_text" | "get_by_title":
            return _quoted(first)
        case "get_by_test_id":
            return f"test id {_quoted(first)}"
        case "describe":
            return shortened(str(first), 60)
        case "locator" if isinstance(first, str):
            has_text = options.get("has_text")
            return shortened(first, 60) if has_text is None else f"{shortened(first, 40)} {_quoted(has_text)}"
        case _:
            return None


def _quoted(argument: Argument) -> str:
    text = f"/{argument.pattern}/" if isinstance(argument, Regex) else str(argument)
    return f"“{shortened(text, 60)}”"


def _address(url: str) -> str:
    """An address without what may be secret in it: user, password, query, fragment."""
    try:
        parts = urlsplit(url.strip('" '))
    except ValueError:
        return "an address"
    if not parts.netloc:
        return shortened(parts.path or url, 80)
    return shortened(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", 80)
