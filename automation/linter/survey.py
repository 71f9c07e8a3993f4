"""What a document says, collected once for all rules: its nodes with their loops, texts, programs and variables."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from automation.actions.assertion import LLMAssertion, PythonScriptAssertion
from automation.actions.control import CountLocatorAction, LLMQueryAction, MiscAction, SetVariableAction
from automation.actions.extraction import (
    APICallExtraction,
    ExtractionAction,
    LLMExtraction,
    LocatorExtraction,
    OCRCoordinatesExtraction,
    PythonScriptExtraction,
    TwoFAAction,
    VisionExtraction,
)
from automation.actions.files import DownloadFileAction
from automation.actions.form import DynamicFormMappingAction
from automation.actions.interaction import InteractionAction
from automation.actions.script import PowerShellAction, PythonScriptAction
from automation.document import Automation
from automation.element import Element, OneOf
from automation.linter.commands import Command, Trees, read_command
from automation.linter.programs import Program, ProgramKind, read_program
from automation.nodes import ActionNode, AssertLocatorNode, ForLoopNode, Node, PrivateNode
from automation.placeholders import Placeholders, bind_pass
from automation.problems import path_text
from automation.walking import child_lists

# What stands for the locator of a loop around a command. The loop's own text is judged once, at the loop, and would
# double with each level of nesting.
_LOOP_LOCATOR = 'locator("*")'
_NAME_CHARACTERS = 100
_SCRIPTS = (PythonScriptAction, PythonScriptExtraction, PythonScriptAssertion, PowerShellAction)
_PROGRAM_FIELDS: dict[str, ProgramKind] = {
    "condition": "condition",
    "break_if": "condition",
    "expression": "expression",
    "poll_condition": "poll",
}
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a node that may hold placeholders. `bound`: with the first pass of its loops in place."""

    path: str
    field: str
    text: str
    bound: str
    marks: Placeholders
    owner: Element

    @property
    def is_script(self) -> bool:
        """Whether braces in it usually belong to another language."""
        return isinstance(self.owner, _SCRIPTS)


OutputKind = Literal["single", "list", "object", "any"]


@dataclass(frozen=True, slots=True)
class Output:
    """A variable that a node sets: one value in a list, a list, an object, or unknown. `name` is bound."""

    name: str
    path: str
    kind: OutputKind
    written: str


@dataclass(slots=True, eq=False)
class LoopScope:
    """A loop around a node. is_used: whether a node in it mentions the pass."""

    node: ForLoopNode
    is_used: bool = False


@dataclass(slots=True, eq=False)
class Visit:
    """A node where it stands."""

    path: str
    node: Node
    loops: tuple[LoopScope, ...]
    in_reset: bool
    in_post_processing: bool
    # The innermost action of an action node (a ClickElementAction, an APICallExtraction, a SleepAction), and its path.
    action: Element | None
    action_path: str
    texts: list[Text] = field(default_factory=list[Text])
    commands: list[Command] = field(default_factory=list[Command])
    programs: list[Program] = field(default_factory=list[Program])
    outputs: list[Output] = field(default_factory=list[Output])
    children: list[tuple[str, list["Visit"]]] = field(default_factory=list[tuple[str, list["Visit"]]])
    scope: LoopScope | None = None

    def inside(self) -> Iterator["Visit"]:
        """The nodes inside this one, at any depth."""
        for _, visits in self.children:
            for visit in visits:
                yield visit
                yield from visit.inside()


class Survey:
    """A loaded document with everything that more than one rule asks for."""

    def __init__(self, automation: Automation) -> None:
        self.automation = automation
        self.inputs = automation.parameters.input_parameters
        self.secure = automation.parameters.secure_parameters
        self.generated = automation.parameters.generated_parameters
        # Variables that nodes set, with how, and the beginnings of names that are only known at run time.
        self.kinds: dict[str, set[OutputKind]] = {}
        self.prefixes: set[str] = set()
        self.default_names: set[str] = set()
        self.script_words: set[str] = set()
        self._trees: Trees = {}
        self.visits: list[Visit] = []
        self.nodes = self._visited(automation.nodes, "nodes", (), in_reset=False, in_post=False)
        self.post_processing = self._visited(
            automation.post_processing_nodes, "post_processing_nodes", (), in_reset=False, in_post=True
        )
        # A script may set any variable, and read any.
        self.is_open_ended = "variables" in self.script_words
        self.is_remote_desktop = automation.browser_channel == "rdp"
        self.names = {*self.inputs, *self.secure, *self.generated, *self.kinds}
        self._read_programs()

    def _visited(
        self, nodes: Sequence[Node], path: str, loops: tuple[LoopScope, ...], *, in_reset: bool, in_post: bool
    ) -> list[Visit]:
        return [
            self._visit(node, f"{path}[{position}]", loops, in_reset=in_reset, in_post=in_post)
            for position, node in enumerate(nodes)
        ]

    def _visit(self, node: Node, path: str, loops: tuple[LoopScope, ...], *, in_reset: bool, in_post: bool) -> Visit:
        visit = Visit(path, node, loops, in_reset, in_post, *innermost_action(node, path))
        self.visits.append(visit)
        inner = loops
        if isinstance(node, ForLoopNode):
            visit.scope = LoopScope(node)
            inner = (*loops, visit.scope)
        for text in texts_of(node, path):
            # What ends a loop is judged in its own passes.
            around = inner if text.field == "break_if" else loops
            with_pass = bound(text.text, around)
            visit.texts.append(Text(text.path, text.field, text.text, with_pass, text.marks, text.owner))
            command = read_command(text.owner, text.field, text.path, text.text, with_pass, trees=self._trees)
            if command is not None:
                visit.commands.append(command)
            if text.is_script:
                self.script_words.update(_WORD.findall(text.text))
        visit.outputs = [self._noted(output, loops) for output in _outputs_of(visit)]
        visit.children = [
            (name, self._visited(children, f"{path}.{name}", inner, in_reset=in_reset or name == "reset_nodes",
                                 in_post=in_post))
            for name, children in child_lists(node)
        ]  # fmt: skip
        return visit

    def _noted(self, output: Output, loops: tuple[LoopScope, ...]) -> Output:
        name = bound(output.written, loops)
        if "{" in output.written:
            self.prefixes.add(output.written.partition("{")[0])
        if not output.path:
            self.default_names.add(name)
        if "{" not in name:
            self.kinds.setdefault(name, set()).add(output.kind)
        return Output(name, output.path, output.kind, output.written)

    def _read_programs(self) -> None:
        for visit in self.visits:
            for text in visit.texts:
                kind = _PROGRAM_FIELDS.get(text.field)
                if kind is not None and (text.marks.moment == "source" or text.marks.literal_safe):
                    is_bound = text.bound != text.text
                    visit.programs.append(
                        read_program(text.bound, text.path, kind, self.is_known, field=text.field, is_bound=is_bound)
                    )

    def is_declared(self, name: str) -> bool:
        """Whether a variable that a node sets is declared."""
        return name in self.generated or name in self.inputs

    def is_known(self, name: str) -> bool:
        """Whether a name is declared, or set by a node."""
        return name in self.names or self.is_templated(name)

    def is_templated(self, name: str) -> bool:
        """Whether a node sets a variable whose name, known only at run time, may be `name`."""
        if not self.prefixes:
            return False
        return any(name[:length] in self.prefixes for length in range(min(len(name), _NAME_CHARACTERS) + 1))


def bound(text: str, loops: Iterable[LoopScope]) -> str:
    """`text` in the first pass of every loop around it, with a stand-in for the loops' locators."""
    for loop in loops:
        if "{" not in text:
            break
        changed = bind_pass(
            text,
            index=0,
            index_variable_name=loop.node.index_variable_name,
            variable_names=loop.node.variable_names or None,
            locator=None if loop.node.locator is None else _LOOP_LOCATOR,
        )
        if changed != text:
            loop.is_used = True
            text = changed
    return text


def texts_of(element: Element, path: str) -> Iterator[Text]:
    """The texts of an element that may hold placeholders, with their paths; not those of the nodes inside it."""
    for name, marks, may_hold in _fields_of(type(element)):
        value: Any = getattr(element, name)
        if value is None:
            continue
        if marks is None:
            if may_hold and isinstance(value, Element):
                yield from texts_of(value, f"{path}.{name}")
        elif isinstance(value, str):
            yield Text(f"{path}.{name}", name, value, value, marks, element)
        else:
            for where, text in _texts_in(value, f"{path}.{name}", in_keys=marks.in_keys):
                yield Text(where, name, text, text, marks, element)


def _texts_in(value: Any, path: str, *, in_keys: bool) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            if not in_keys:
                yield path, value
        case list() | tuple():
            for position, item in enumerate(value):
                yield from _texts_in(item, f"{path}[{position}]", in_keys=in_keys)
        case dict():
            for key, item in value.items():
                where = path_text(("", key)) if key.isidentifier() else path_text((key,))
                if in_keys:
                    yield path + where, key
                yield from _texts_in(item, path + where, in_keys=in_keys)
        case _:
            pass


@cache
def _fields_of(model: type[Element]) -> tuple[tuple[str, Placeholders | None, bool], ...]:
    found: list[tuple[str, Placeholders | None, bool]] = []
    for name, info in model.model_fields.items():
        marks = next((item for item in info.metadata if isinstance(item, Placeholders)), None)
        found.append((name, marks, marks is None))
    return tuple(found)


def innermost_action(node: Node, path: str) -> tuple[Element | None, str]:
    """What an action node does without its wrappers, and where it stands."""
    if not isinstance(node, ActionNode):
        return None, path
    wrapper_name = node.chosen_name
    wrapper: Element = getattr(node, wrapper_name)
    here = f"{path}.{wrapper_name}"
    if isinstance(wrapper, OneOf | MiscAction):
        name = wrapper.chosen_name
        return (None, here) if name is None else (getattr(wrapper, name), f"{here}.{name}")
    return wrapper, here


def _outputs_of(visit: Visit) -> list[Output]:
    """The variables that a node sets, as written; an empty path means that the name is a default one."""
    node, action, here = visit.node, visit.action, visit.action_path
    path = f"{here}.output_variable_name"
    match node, action:
        case AssertLocatorNode(output_variable_name=str(name)), _:
            return [_output(name, path if "output_variable_name" in node.model_fields_set else "", "single")]
        case PrivateNode(), _:
            return _named(node.output_variable_names or (), here, "any")
        case _, LocatorExtraction(output_variable_name=str(name)):
            kind: OutputKind = "any" if action.all or action.read == "table" else "single"
            return [_output(name, path if "output_variable_name" in action.model_fields_set else "", kind)]
        case _, TwoFAAction() | DownloadFileAction() | DynamicFormMappingAction():
            return [_output(action.output_variable_name, path, "single")]
        case _, APICallExtraction():
            return _named(action.output_variable_names, here, "object")
        case _, OCRCoordinatesExtraction():
            fields = ("output_x_variable", "output_y_variable")
            return [_output(getattr(action, name), f"{here}.{name}", "single") for name in fields]
        case _, SetVariableAction():
            return [_output(action.name, f"{here}.name", "list" if action.as_list else "single")]
        case _, CountLocatorAction():
            return [_output(action.name, f"{here}.name", "single")]
        case _, LLMExtraction() | LLMAssertion() | LLMQueryAction() | PythonScriptExtraction() | VisionExtraction():
            return _named(action.output_variable_names or (), here, "any")
        case _:
            return []


def _output(name: str, path: str, kind: OutputKind) -> Output:
    return Output(name, path, kind, name)


def _named(names: Sequence[str], here: str, kind: OutputKind) -> list[Output]:
    path = f"{here}.output_variable_names"
    return [_output(name, f"{path}[{position}]", kind) for position, name in enumerate(names)]


def interaction_of(node: Node) -> InteractionAction | None:
    """The wrapper of a node's interaction, or None."""
    return node.interaction_action if isinstance(node, ActionNode) else None


def extraction_of(node: Node) -> ExtractionAction | None:
    """The wrapper of a node's extraction, or None."""
    return node.extraction_action if isinstance(node, ActionNode) else None
