"""What a node needs that a server may not have: a language model, a person, scripts, a handler, a channel."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from automation.actions.agentic import AgenticTaskAction, CloseOverlayPopupAction
from automation.actions.assertion import LLMAssertion, PythonScriptAssertion
from automation.actions.captcha import CaptchaAction
from automation.actions.choice import SelectOptionAction
from automation.actions.control import LLMQueryAction
from automation.actions.extraction import (
    APICallExtraction,
    LLMExtraction,
    PDFExtraction,
    PythonScriptExtraction,
    TwoFAAction,
)
from automation.actions.files import DownloadFileAction, DownloadUrlAsPdfAction, UploadFileAction
from automation.actions.form import DynamicFormMappingAction, callback_url_problem
from automation.actions.human import HumanInLoopAction
from automation.actions.script import PythonScriptAction
from automation.actions.targeted import TargetedAction
from automation.actions.text import InputTextAction, KeyPressAction
from automation.element import Element
from automation.linter import catalog
from automation.linter.catalog import Finding
from automation.linter.survey import Survey, Visit, interaction_of
from automation.nodes import PrivateNode
from automation.placeholders import has_placeholder
from automation.problems import shortened

_SCRIPTS = (PythonScriptAction, PythonScriptExtraction, PythonScriptAssertion)
_OUTSIDE = re.compile(r"^(?:/|~|[A-Za-z]:[\\/]|\\\\)|(?:^|[\\/])\.\.(?:[\\/]|$)")
_CHANNELS = ("cloakbrowser", "browser-use", "rdp")


def check(survey: Survey) -> Iterator[Finding]:
    """What has to be there before the document can run as it is meant."""
    channel = survey.automation.browser_channel
    if channel in _CHANNELS:
        message = f"“{channel}” is no browser that this server has by itself; tasks fail at once"
        fix = "Use chromium, or ask the operator to map the channel to a browser."
        yield catalog.CHANNEL.at("browser_channel", message, fix)
    for visit in survey.visits:
        yield from _of_node(visit, survey)


def _of_node(visit: Visit, survey: Survey) -> Iterator[Finding]:
    if isinstance(visit.node, PrivateNode):
        message = f"calls the handler “{shortened(visit.node.handler, 40)}” of the operator's own code"
        yield catalog.HANDLER.at(visit.path, message, "Make sure that the server has it; without it the node fails.")
        return
    action, path = visit.action, visit.action_path
    if action is None:
        return
    reason = model_reason(visit)
    if reason is not None:
        yield catalog.NEEDS_MODEL.at(path, reason, _without_model(action))
    match action:
        case PythonScriptAction() | PythonScriptExtraction() | PythonScriptAssertion():
            message = "runs only if the operator allows scripts and an administrator trusts this automation"
            yield catalog.SCRIPTS.at(path, message, "Do it with the actions of the language where that is possible.")
        case HumanInLoopAction():
            message = f"waits up to {action.max_wait_time:g} s for a person; with HUMAN_IN_LOOP=false it fails at once"
            yield catalog.PERSON.at(path, message, "Make sure that someone watches tasks of this automation.")
        case AgenticTaskAction(backend="browserbase") | CloseOverlayPopupAction(backend="browserbase"):
            yield catalog.BACKEND.at(f"{path}.backend", "“browserbase” always fails at run time", "Leave backend out.")
        case LLMAssertion() if "assertion_result" not in action.extraction_format:
            message = "has no assertion_result, by which the assertion is judged"
            yield catalog.NO_RESULT.at(f"{path}.extraction_format", message, 'Add "assertion_result": "bool".')
        case UploadFileAction(file_path=str(file)) if _OUTSIDE.search(file):
            message = "names a file by a path that only the operator's settings can allow"
            fix = "Send the file with the task, or name one below the upload folder."
            yield catalog.OUTSIDE.at(f"{path}.file_path", message, fix)
        case _:
            pass
    yield from _internal_addresses(action, path)


def _internal_addresses(action: Element, path: str) -> Iterator[Finding]:
    match action:
        case APICallExtraction() | DownloadUrlAsPdfAction():
            url, field = action.url, "url"
        case DownloadFileAction() | UploadFileAction():
            url, field = action.file_url, "file_url"
        case _:
            return
    if url and is_internal(url):
        message = "is fetched by the server, which refuses addresses of this machine and of private networks"
        fix = "Ask the operator to allow the address, or open it in the browser with go_to_url."
        yield catalog.INTERNAL.at(f"{path}.{field}", message, fix)


def is_internal(url: str) -> bool:
    """Whether an address, as far as it is known before the run, leads to this machine or a private network."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if "{" in urlsplit(url).netloc or not url.startswith(("http://", "https://")):
        return False
    return host.endswith(".localhost") or bool(host and callback_url_problem(url))


def found_by(visit: Visit, action: TargetedAction) -> str | None:
    """The field that an element is found by without a model: command, xpath, keyword or coordinates."""
    interaction = interaction_of(visit.node)
    if isinstance(action, KeyPressAction) or interaction is None or interaction.max_tries <= 0:
        return None
    if not action.skip_command and action.command is not None:
        return "command"
    if not action.skip_command and action.xpath is not None:
        return "xpath"
    if action.keyword is not None and action.keyword.strip():
        return "keyword"
    return None if action.coordinates is None else "coordinates"


def can_be_found(visit: Visit, action: TargetedAction) -> bool:
    """Whether the element can be found without a model: what it is found by is read and tried."""
    match found_by(visit, action):
        case None:
            return False
        case "command":
            return any(command.field == "command" and not command.error for command in visit.commands)
        case "coordinates":
            return all(_may_be_number(each) for each in action.coordinates or ())
        case _:
            return True


def _may_be_number(value: int | str) -> bool:
    return isinstance(value, int) or has_placeholder(value) or value.strip().removeprefix("-").isdecimal()


def model_reason(visit: Visit) -> str | None:
    """Why a node cannot be done without a language model, or None. Fallbacks for a command that fails don't count."""
    match visit.action:
        case KeyPressAction():
            return None
        case TargetedAction() as action:
            return _targeted_reason(visit, action)
        case AgenticTaskAction():
            return "an agent with a language model does this"
        case CloseOverlayPopupAction():
            return "without a model only the usual dialogs and banners are closed"
        case LLMExtraction():
            return "a language model reads the page"
        case PDFExtraction():
            return "a language model reads the PDF"
        case LLMAssertion():
            return "a language model judges the page"
        case LLMQueryAction():
            return "a language model is asked"
        case TwoFAAction():
            return "a language model finds the code in the message"
        case DynamicFormMappingAction():
            return "a language model lists the form's fields"
        case CaptchaAction(secondary_locator=str()):
            return "a language model solves the pictures"
        case _:
            return None


def _targeted_reason(visit: Visit, action: TargetedAction) -> str | None:
    if action.skip_prompt:
        return None
    if not can_be_found(visit, action):
        return "no command finds the element, so a language model has to" if is_described(action) else None
    if isinstance(action, InputTextAction) and action.input_text is None:
        return "no text is given, so a language model writes it"
    if isinstance(action, SelectOptionAction) and action.select_values is None:
        return "no options are given, so a language model chooses them"
    return None


def is_described(action: TargetedAction) -> bool:
    """Whether the element is at least described in words."""
    return bool(action.prompt_instructions.strip())


def _without_model(action: Element) -> str:
    match action:
        case TargetedAction():
            return "Give a command that finds the element, and the value to put in."
        case LLMExtraction():
            return "Read the values with extraction.locator where the page has a place for each."
        case LLMAssertion():
            return "Use an assert_locator_node with must_hold."
        case _:
            return "Make sure that the server has a model configured."
