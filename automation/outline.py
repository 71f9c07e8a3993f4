"""What a document will do, in order and in words: what a reviewer reads before approving it.

Parameters and secrets appear by their names, fixed texts that are typed or sent never with their value.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from automation.actions.agentic import AgenticTaskAction
from automation.actions.assertion import LLMAssertion
from automation.actions.choice import SelectOptionAction
from automation.actions.control import LLMQueryAction, SetVariableAction
from automation.actions.extraction import (
    APICallExtraction,
    LLMExtraction,
    LocatorExtraction,
    NetworkCallExtraction,
    ScreenshotExtraction,
)
from automation.actions.files import DownloadFileAction, DownloadUrlAsPdfAction, UploadFileAction
from automation.actions.form import DynamicFormMappingAction
from automation.actions.human import HumanInLoopAction
from automation.actions.navigation import GoToUrlAction
from automation.actions.pointer import DragToAction
from automation.actions.script import PowerShellAction, PythonScriptAction
from automation.actions.targeted import DownloadingAction, TargetedAction
from automation.actions.text import InputTextAction
from automation.document import Automation, load
from automation.element import Element
from automation.labels import label_of
from automation.linter.needs import model_reason
from automation.linter.survey import Survey, Visit, extraction_of
from automation.nodes import ActionNode, AssertLocatorNode, ForLoopNode, PrivateNode
from automation.placeholders import PLACEHOLDER, has_placeholder
from automation.problems import listed, shortened

_INDENT = "   "
_BLOCKS = {"if_nodes": "then", "else_nodes": "otherwise", "nodes": "in each pass", "reset_nodes": "between two passes"}


@dataclass(frozen=True, slots=True)
class OutlineStep:
    """One node: what it does, what to know about it, and the nodes inside it under their words."""

    path: str
    text: str
    notes: tuple[str, ...]
    blocks: tuple[tuple[str, tuple["OutlineStep", ...]], ...]

    def as_json(self) -> dict[str, Any]:
        """The step as a JSON object."""
        blocks = [{"when": when, "steps": [step.as_json() for step in steps]} for when, steps in self.blocks]
        return {"path": self.path, "text": self.text, "notes": list(self.notes), "blocks": blocks}

    def lines(self, number: str, indent: str) -> Iterator[str]:
        """The step as lines of text, numbered `number` or below it."""
        yield f"{indent}{number} {self.text}"
        for note in self.notes:
            yield f"{indent}{_INDENT}· {note}"
        position = 0
        for when, steps in self.blocks:
            yield f"{indent}{_INDENT}{when}:"
            for step in steps:
                position += 1
                yield from step.lines(f"{number.rstrip('.')}.{position}", indent + _INDENT * 2)


@dataclass(frozen=True, slots=True)
class Outline:
    """A whole document: what it needs and gives, by words, and its steps. `str()` of it is the text to read."""

    facts: tuple[tuple[str, str], ...]
    steps: tuple[OutlineStep, ...]
    post_processing: tuple[OutlineStep, ...]

    def as_json(self) -> dict[str, Any]:
        """The outline as a JSON object."""
        return {
            "facts": dict(self.facts),
            "steps": [step.as_json() for step in self.steps],
            "post_processing": [step.as_json() for step in self.post_processing],
        }

    def lines(self) -> Iterator[str]:
        """The outline as lines of text."""
        width = max(len(name) for name, _ in self.facts)
        for name, value in self.facts:
            yield f"{name.ljust(width)}  {value}"
        for title, steps in (("Steps", self.steps), ("Afterwards, whether it succeeded or not", self.post_processing)):
            if steps:
                yield ""
                yield title
            for position, step in enumerate(steps, start=1):
                yield from step.lines(f"{position}.", _INDENT)

    def __str__(self) -> str:
        return "\n".join(self.lines())


def explain(document: object) -> Outline:
    """The outline of a parsed JSON document. Raises DocumentError, as `load` does."""
    survey = Survey(load(document))
    return Outline(
        facts=tuple(_facts(survey)),
        steps=tuple(_step(visit, survey) for visit in survey.nodes),
        post_processing=tuple(_step(visit, survey) for visit in survey.post_processing),
    )


def _facts(survey: Survey) -> Iterator[tuple[str, str]]:
    automation = survey.automation
    yield "Opens", shortened(_address(automation.url), 200) if automation.url.strip() else "an empty page"
    if automation.automation_description:
        yield "Described as", shortened(automation.automation_description, 200)
    if automation.browser_channel != "chromium":
        yield "Browser", automation.browser_channel
    yield from _some("Task sends", [f"{name} ({_count(len(values))})" for name, values in survey.inputs.items()])
    yield from _some("Uses secrets", _sources(automation))
    yield from _some("Contacts", _hosts(survey))
    yield from _some("Needs", _needs(survey))
    yield from _some("Outputs", _output_names(survey))
    files = sum(1 for visit in survey.visits if _gives_file(visit))
    if files or automation.expected_downloads > 0:
        waited = f", {automation.expected_downloads} waited for at the end" if automation.expected_downloads > 0 else ""
        yield "Files", f"from {_count(files, 'node')}{waited}"
    commits = [visit.path for visit in survey.visits if isinstance(visit.node, ActionNode) and visit.node.commit_point]
    if commits:
        yield "Commit points", _together(commits)
    if automation.max_retries > 0:
        yield "Attempts", f"up to {automation.max_retries + 1}"


def _some(name: str, values: Sequence[str]) -> Iterator[tuple[str, str]]:
    if values:
        yield name, _together(values)


def _together(values: Sequence[str], limit: int = 20) -> str:
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(values[:limit]) + more


def _count(number: int, what: str = "value") -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _sources(automation: Automation) -> list[str]:
    found: list[str] = []
    for name, sources in automation.parameters.secure_parameters.items():
        kinds = dict.fromkeys(source.chosen_name for source in sources)
        found.append(f"{name} ({listed(list(kinds)) or 'sent by the task'})")
    return found


def _hosts(survey: Survey) -> list[str]:
    """Every host that the document names: where pages are opened, and where data is sent or fetched."""
    hosts: dict[str, None] = {}
    for url in [survey.automation.url, *(url for visit in survey.visits for url in _addresses_of(visit.action))]:
        try:
            host = urlsplit(url.strip('" ')).netloc.rpartition("@")[2]
        except ValueError:
            host = ""
        if host or has_placeholder(url):
            hosts[shortened(host, 80) if host else "an address from a variable"] = None
    return list(hosts)


def _addresses_of(action: Element | None) -> Iterator[str]:
    match action:
        case GoToUrlAction() | APICallExtraction():
            yield action.url
        case DownloadFileAction():
            yield action.file_url
        case UploadFileAction(file_url=str(url)) | DownloadUrlAsPdfAction(url=str(url)):
            yield url
        case DynamicFormMappingAction():
            yield action.callback_url.url
        case _:
            pass


def _needs(survey: Survey) -> list[str]:
    visits = survey.visits
    found: list[str] = []
    models = [visit.path for visit in visits if model_reason(visit) is not None]
    if models:
        found.append(f"a language model ({_together(models, 5)})")
    if any(isinstance(visit.action, HumanInLoopAction) for visit in visits):
        found.append("a person")
    if any(text.is_script for visit in visits for text in visit.texts):
        found.append("permission to run scripts")
    handlers = dict.fromkeys(
        shortened(visit.node.handler, 40) for visit in visits if isinstance(visit.node, PrivateNode)
    )
    return [*found, *(f"the handler {handler}" for handler in handlers)]


def _output_names(survey: Survey) -> list[str]:
    """The labels of the output items, or the variables that they hold."""
    found: dict[str, None] = {}
    for visit in survey.visits:
        extraction = extraction_of(visit.node)
        action = visit.action
        if extraction is not None and extraction.unique_identifier:
            found[shortened(extraction.unique_identifier, 40)] = None
        elif isinstance(action, LocatorExtraction | LLMExtraction | APICallExtraction | LLMQueryAction):
            found.update(dict.fromkeys(shortened(output.written, 40) for output in visit.outputs))
        else:
            name: str | None = getattr(action, "output_variable_name", None)
            if name is not None and not isinstance(action, DownloadFileAction):
                found[shortened(name, 40)] = None
    return list(found)


def _gives_file(visit: Visit) -> bool:
    match visit.action:
        case DownloadingAction(expect_download=True) | DownloadUrlAsPdfAction() | ScreenshotExtraction():
            return True
        case NetworkCallExtraction(download_filename=str()):
            return True
        case _:
            return False


def _step(visit: Visit, survey: Survey) -> OutlineStep:
    label = visit.node.label
    # An author's label may promise what the node does not do, so the sentence is always our own.
    sentence = label_of(visit.node.model_copy(update={"label": None}))
    said = f" — “{shortened(label, 60)}”" if label and label.strip() else ""
    blocks = tuple(
        (_BLOCKS[name], tuple(_step(child, survey) for child in children))
        for name, children in visit.children
        if children
    )
    return OutlineStep(visit.path, sentence + said, tuple(_notes(visit, survey)), blocks)


def _notes(visit: Visit, survey: Survey) -> Iterator[str]:
    node = visit.node
    match node:
        case ActionNode():
            yield from _action_notes(visit, survey)
            if node.commit_point:
                yield "COMMIT POINT: cannot be taken back; no other attempt begins by itself"
            if node.expect_new_tab:
                yield "a new tab opens"
            if node.before_sleep_is_explicit and node.before_sleep_time > 0:
                yield f"sleeps {node.before_sleep_time:g} s before"
        case AssertLocatorNode():
            yield f"the answer is {_in_variable(visit)}" + ("; the task fails when it is no" if node.must_hold else "")
        case ForLoopNode():
            yield from _loop_notes(node)
        case PrivateNode() if node.inputs:
            yield f"gets {_together([shortened(name, 40) for name in node.inputs])}"
        case _:
            pass
    if isinstance(node, PrivateNode) and visit.outputs:
        yield f"gives {_in_variable(visit)}"


def _loop_notes(node: ForLoopNode) -> Iterator[str]:
    if node.max_iterations is not None:
        yield f"at most {node.max_iterations} passes"
    if node.break_if is not None:
        yield f"ends when {shortened(node.break_if, 80)}"
    match node.on_error_in_loop:
        case "continue":
            yield "a pass that fails is left, and the next one begins"
        case "break":
            yield "ends without an error when a pass fails"
        case "raise":
            pass


def _in_variable(visit: Visit) -> str:
    return _together([shortened(output.written, 40) for output in visit.outputs])


def _action_notes(visit: Visit, survey: Survey) -> Iterator[str]:
    action = visit.action
    if isinstance(action, TargetedAction):
        yield from _target_notes(action, survey)
    if isinstance(action, DownloadingAction) and action.expect_download:
        is_named = "download_filename" in action.model_fields_set and action.download_filename
        yield "a file must come" + (f", kept as {shortened(action.download_filename or '', 60)}" if is_named else "")
    match action:
        case SetVariableAction(expression=str(expression)):
            yield f"to {shortened(expression, 80)}"
        case SetVariableAction():
            yield "to a fixed value"
        case APICallExtraction():
            yield f"{action.method} {shortened(_address(action.url), 100)}"
            sent = [*_variables_in([text.text for text in visit.texts if text.owner is action], survey)]
            if sent:
                yield f"sends {_together(sent)}"
            if action.poll_condition is not None:
                yield f"asks up to {action.max_poll_attempts} times, until {shortened(action.poll_condition, 80)}"
        case AgenticTaskAction():
            yield f"goal: {shortened(action.task, 200)} (at most {action.max_steps} steps)"
        case LLMExtraction() | LLMAssertion() | DynamicFormMappingAction():
            yield f"asked for: {shortened(action.extraction_instructions, 200)}"
        case LLMQueryAction():
            yield f"asked for: {shortened(action.prompt_instructions, 200)}"
        case NetworkCallExtraction():
            yield f"addresses with {shortened(action.url_pattern, 80)}" if action.url_pattern else "all addresses"
        case ScreenshotExtraction():
            yield f"kept as {shortened(action.filename, 60)}"
        case PythonScriptAction():
            yield f"a program of {_count(action.execution_code.count(chr(10)) + 1, 'line')}"
        case PowerShellAction():
            yield _count(len(action.commands), "command")
        case HumanInLoopAction():
            yield f"for at most {action.max_wait_time:g} s"
        case _:
            pass
    if visit.outputs and not isinstance(action, SetVariableAction):
        yield f"sets {_in_variable(visit)}"


def _target_notes(action: TargetedAction, survey: Survey) -> Iterator[str]:
    match action:
        case InputTextAction():
            yield f"types {_typed(action.input_text, survey, by_model=not action.skip_prompt)}"
            if action.press_enter:
                yield "then presses Enter"
        case SelectOptionAction(select_values=list(values)):
            yield f"chooses {_together([shortened(value, 40) for value in values])}" if values else "chooses nothing"
        case UploadFileAction():
            yield f"takes {shortened(action.file_path or _address(action.file_url or ''), 80)}"
        case DragToAction():
            yield f"onto {shortened(action.target, 80)}"
        case _:
            pass
    if action.skip_prompt and not action.assert_locator_presence:
        yield "left out without an error when the element is not there"
    if action.prompt_instructions.strip() and action.skip_command:
        yield f"found by a model: {shortened(action.prompt_instructions, 80)}"


def _typed(text: str | None, survey: Survey, *, by_model: bool) -> str:
    if text is None:
        return "what a model writes" if by_model else "nothing"
    if not text:
        return "nothing, which clears the field"
    variables = _variables_in([text], survey)
    if not variables:
        return "a text from a loop" if has_placeholder(text) else "a fixed text"
    whole = PLACEHOLDER.fullmatch(text.strip('"')) is not None
    return variables[0] if whole else f"a text with {_together(variables)}"


def _variables_in(texts: Iterable[str], survey: Survey) -> list[str]:
    """`patient[0]`, `the secret password[0]`: what is put into these texts, by name."""
    found: dict[str, None] = {}
    for text in texts:
        for match in PLACEHOLDER.finditer(text):
            name = match["name"] or match["object"]
            is_secret = name in survey.secure and name not in survey.inputs
            found[f"{'the secret ' if is_secret else ''}{shortened(match[0].strip('{}'), 60)}"] = None
    return list(found)


def _address(url: str) -> str:
    """An address without what may be secret in it: user, password, query, fragment."""
    try:
        parts = urlsplit(url.strip('" '))
    except ValueError:
        return "an address"
    if not parts.netloc:
        return parts.path or url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
