"""Rules about parameters and variables: what is named, whether it exists, and whether it has a value by then."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from automation.actions.control import CountLocatorAction, FailStateAction, SetVariableAction
from automation.actions.extraction import TwoFAAction
from automation.actions.files import DownloadFileAction
from automation.linter import catalog
from automation.linter.catalog import Finding
from automation.linter.programs import RESULT_NAMES, Program
from automation.linter.survey import Survey, Text, Visit
from automation.nodes import AssertLocatorNode, ForLoopNode, IfElseNode, PrivateNode
from automation.placeholders import PLACEHOLDER
from automation.problems import nearest, shortened

_BRACES = re.compile(r"\{([^{}]+)\}")
_LIKE_A_NAME = re.compile(r"\s*(?P<name>[^\W\d]\w*)\s*(?:\[(?P<index>[^\[\]]*)\])?(?P<rest>.*)", re.DOTALL)
_INDEX_OF = re.compile(r"index_of\((?P<name>[^()]*)\)")
_DEFAULT_NAME = re.compile(r"node[0-9]+_output")
# Fields whose text is stored with the task, shown to people, or part of an address.
_VISIBLE_FIELDS = frozenset({"unique_identifier", "failure_message", "download_filename", "filename", "url"})
_CONSTANTS = {"true": "True", "false": "False", "null": "None", "none": "None", "undefined": "None"}
# Words that are compared with all known names; more would take long on a document full of mistakes.
_MAX_SUGGESTIONS = 200

Where = Literal["text", "program", "loop", "after pass"]


@dataclass(frozen=True, slots=True)
class _Use:
    """One mention of a variable by a node."""

    name: str
    path: str
    where: Where


class _Reading:
    """Finds the uses of all nodes, and what is wrong with them whatever the order of the nodes is."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.used: set[str] = set()
        self.uses: dict[str, list[_Use]] = {}
        self._indexes = {visit.scope.node.index_variable_name for visit in survey.visits if visit.scope is not None}
        self._suggestions: dict[str, str | None] = {}
        self._known = sorted(survey.names)[:_MAX_SUGGESTIONS]

    def findings(self) -> Iterator[Finding]:
        for visit in self.survey.visits:
            uses: dict[_Use, None] = {}
            for found in self._of_node(visit):
                if isinstance(found, Finding):
                    yield found
                else:
                    uses[found] = None
                    self.used.add(found.name)
            self.uses[visit.path] = list(uses)

    def suggestion(self, name: str) -> str:
        """` (did you mean “…”?)` or nothing."""
        if name not in self._suggestions:
            known = self._known if len(self._suggestions) < _MAX_SUGGESTIONS else ()
            self._suggestions[name] = nearest(name, known)
        near = self._suggestions[name]
        return f"; did you mean “{near}”?" if near else ""

    def _of_node(self, visit: Visit) -> Iterator[_Use | Finding]:
        programs = {program.path: program for program in visit.programs}
        for text in visit.texts:
            program = programs.get(text.path)
            if program is not None:
                yield from self._of_program(program)
            if program is None or program.kind != "condition":
                yield from self._of_text(text, visit)
        if isinstance(visit.node, ForLoopNode):
            for name in visit.node.variable_names:
                yield from self._of_loop(name, f"{visit.path}.variable_name")

    def _of_loop(self, name: str, path: str) -> Iterator[_Use | Finding]:
        if not self.survey.is_known(name):
            message = f"loops over “{_shown(name)}”, which is neither declared nor set by a node"
            yield catalog.UNDECLARED.at(path, message, f"Declare or set it{self.suggestion(name)}")
        yield _Use(name, path, "loop")

    def _of_program(self, program: Program) -> Iterator[_Use | Finding]:
        if program.tree is None:
            return
        where: Where = "after pass" if program.field == "break_if" else "program"
        for name in program.names:
            if program.kind == "poll" and name in RESULT_NAMES:
                continue
            if program.kind != "poll" and self._is_secret(name):
                message = f"uses the secure parameter “{_shown(name)}”, which no condition or expression can see"
                yield catalog.SECRET_INVISIBLE.at(program.path, message, "Decide by what the page shows instead.")
                self.used.add(name)
            elif program.kind == "poll" or not self.survey.is_known(name):
                yield catalog.UNKNOWN_NAME.at(program.path, *self._unknown_name(name, program))
            else:
                yield _Use(name, program.path, where)
        yield from self._positions(program)

    def _unknown_name(self, name: str, program: Program) -> tuple[str, str]:
        message = f"uses the name “{_shown(name)}”, which does not exist here"
        if name in _CONSTANTS:
            return message, f"Write {_CONSTANTS[name]}."
        if program.kind == "poll":
            return message, f"A poll condition knows {', '.join(sorted(RESULT_NAMES))}; put variables into braces."
        return message, f"Declare or set it{self.suggestion(name)}"

    def _positions(self, program: Program) -> Iterator[Finding]:
        for node in ast.walk(program.tree) if program.tree is not None else ():
            match node:
                case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(position))):
                    yield from self._beyond_example(name, position, program.path, generated_first=True)
                case _:
                    pass

    def _of_text(self, text: Text, visit: Visit) -> Iterator[_Use | Finding]:
        if "{" not in text.bound:
            return
        for match in _BRACES.finditer(text.bound):
            placeholder = PLACEHOLDER.fullmatch(match[0])
            name = "" if placeholder is None else placeholder["name"] or placeholder["object"]
            if text.is_script:
                # Braces in a script belong to the script; a known name is used all the same.
                if self.survey.is_known(name):
                    yield _Use(name, text.path, "text")
            elif placeholder is None:
                yield from self._of_other_braces(match[1], text, visit)
            elif self.survey.is_known(name):
                yield _Use(name, text.path, "text")
                yield from self._of_known(name, placeholder, text)
            elif name.isidentifier():
                message = f"{{{_shown(match[1])}}} names “{_shown(name)}”, which is neither declared nor set by a node"
                yield catalog.UNDECLARED.at(text.path, message, f"Declare it under parameters{self.suggestion(name)}")

    def _of_known(self, name: str, placeholder: re.Match[str], text: Text) -> Iterator[Finding]:
        if self._is_secret(name):
            yield from self._of_secret(name, text)
        kinds = self.survey.kinds.get(name, set())
        is_object = "object" in kinds
        is_certain = not (self.survey.is_open_ended or self.survey.is_templated(name))
        if placeholder["position"] is None and not is_object and is_certain:
            message = f"{{{_shown(name)}.…}} reads a part of an object, but “{_shown(name)}” is a list of values"
            yield catalog.MISSPELT.at(text.path, message, f"Write {{{_shown(name)}[0]}}.")
        elif placeholder["position"] is not None and kinds == {"object"} and name not in self.survey.inputs:
            message = f"“{_shown(name)}” is an API result, an object without positions"
            yield catalog.MISSPELT.at(text.path, message, f"Write {{{_shown(name)}.body}} or a path below it.")
        elif placeholder["position"] is not None and is_certain:
            yield from self._beyond_example(name, int(placeholder["position"]), text.path)

    def _of_secret(self, name: str, text: Text) -> Iterator[Finding]:
        if text.field in ("download_metadata", "expression"):
            message = f"uses the secure parameter “{_shown(name)}”, which is never put in here"
            yield catalog.SECRET_INVISIBLE.at(text.path, message, "Use it only where it is typed or sent.")
        elif text.field in _VISIBLE_FIELDS:
            message = f"puts the secret “{_shown(name)}” into a text that is stored or shown"
            yield catalog.SECRET_SHOWN.at(text.path, message, "Leave the secret out of names, messages and addresses.")

    def _is_secret(self, name: str) -> bool:
        return name in self.survey.secure and name not in self.survey.inputs and name not in self.survey.kinds

    def _beyond_example(
        self, name: str, position: int, path: str, *, generated_first: bool = False
    ) -> Iterator[Finding]:
        kinds = self.survey.kinds.get(name, set())
        examples = self.survey.inputs.get(name)
        if kinds == {"single"} and (generated_first or examples is None) and position > 0:
            message = f"position {position} of “{_shown(name)}” is used, which only ever holds one value"
            yield catalog.BEYOND_EXAMPLE.at(path, message, f"Use {{{_shown(name)}[0]}}.")
        elif examples and not kinds and position >= len(examples):
            message = f"position {position} of “{_shown(name)}” is used, whose example has {len(examples)} value(s)"
            fix = "Give an example with as many values as are needed, or correct the position; it begins with 0."
            yield catalog.BEYOND_EXAMPLE.at(path, message, fix)

    def _of_other_braces(self, inner: str, text: Text, visit: Visit) -> Iterator[Finding]:
        if index_of := _INDEX_OF.fullmatch(inner):
            yield self._unbound(inner, text, visit, f"index_of takes the first name of a loop around this node, not "
                                                    f"“{_shown(index_of['name'])}”")  # fmt: skip
            return
        parts = _LIKE_A_NAME.fullmatch(inner)
        if parts is None:
            return
        name, index = parts["name"], parts["index"]
        is_known = self.survey.is_known(name)
        if index is None:
            if is_known and not parts["rest"].strip():
                message = f"{{{_shown(inner)}}} has no position, so it stays as it is written"
                yield catalog.MISSPELT.at(text.path, message, f"Write {{{name}[0]}}.")
            elif inner in self._indexes or inner == "index":
                yield self._unbound(inner, text, visit, "no loop around this node has that index")
        elif index.isidentifier() and not parts["rest"] and inner == f"{name}[{index}]":
            if is_known or name == "locator":
                yield self._unbound(inner, text, visit, self._why_unbound(name, index, visit))
                self.used.add(name)
            elif index in self._indexes:
                message = f"{{{_shown(inner)}}} names “{_shown(name)}”, which is neither declared nor set by a node"
                yield catalog.UNDECLARED.at(text.path, message, f"Declare it under parameters{self.suggestion(name)}")
        elif is_known:
            message = f"{{{_shown(inner)}}} is no placeholder: positions are plain numbers, without blanks or signs"
            yield catalog.MISSPELT.at(text.path, message, f"Write {{{name}[0]}} with the right position.")
            self.used.add(name)

    def _unbound(self, inner: str, text: Text, visit: Visit, why: str) -> Finding:
        around = ", ".join(
            f"{loop.node.index_variable_name} over {_shown(loop.node.variable_name or 'a locator')}"
            for loop in visit.loops[-3:]
        )
        fix = f"The loops around it: {around}." if around else "Use it in the body of a loop."
        return catalog.UNBOUND.at(text.path, f"{{{_shown(inner)}}} stays as it is written: {why}", fix)

    def _why_unbound(self, name: str, index: str, visit: Visit) -> str:
        around = next((loop for loop in visit.loops if loop.node.index_variable_name == index), None)
        if around is None:
            return f"no loop around this node has the index “{_shown(index)}”"
        if around.node.locator is not None:
            return (
                f"the loop with the index “{_shown(index)}” walks a locator; only {{locator[{_shown(index)}]}} is bound"
            )
        walked = _shown(around.node.variable_name or "")
        return f"the loop with the index “{_shown(index)}” walks {walked}, not “{_shown(name)}”"


_Guard = tuple[str, bool]


class _Flow:
    """Walks the nodes as the runner does, with the variables that are set, or may be set, at each point.

    Names are added to two sets and taken out again when a branch ends (`_undone`), so that the work is the
    document's size times its depth, however many variables there are.
    """

    def __init__(self, reading: _Reading, definite: Iterable[str] = ()) -> None:
        self._reading = reading
        self._survey = reading.survey
        self._definite = set(definite)
        self._maybe: set[str] = set()
        self._log: list[tuple[bool, str]] = []
        # Where a name is set on one side of a condition only, it has a value on the same side of the same condition.
        self._set_under: dict[str, set[_Guard]] = {}
        self._told: set[str] = set()

    def through(self, visits: list[Visit], guards: tuple[_Guard, ...] = ()) -> Iterator[Finding]:
        """The findings of a list of nodes; `self.ended` is then whether its end cannot be reached."""
        for position, visit in enumerate(visits):
            yield from self._through_node(visit, guards)
            if self.ended:
                if position + 1 < len(visits):
                    following = visits[position + 1]
                    message = "is never reached: the node before it always fails"
                    yield catalog.UNREACHABLE.at(following.path, message, "Remove it, or fail under a condition.")
                self.ended = True
                return
        self.ended = False

    ended = False

    def _through_node(self, visit: Visit, guards: tuple[_Guard, ...]) -> Iterator[Finding]:
        self.ended = False
        for use in self._reading.uses[visit.path]:
            if use.where != "after pass":
                yield from self._judged(use, guards)
        self._set(visit)
        match visit.node:
            case IfElseNode():
                yield from self._through_branches(visit, guards)
            case ForLoopNode():
                yield from self._through_loop(visit, visit.node, guards)
            case _:
                self.ended = isinstance(visit.action, FailStateAction)

    def _set(self, visit: Visit) -> None:
        for output in visit.outputs:
            self._add(output.name, definite=True)

    def _add(self, name: str, *, definite: bool) -> None:
        names = self._definite if definite else self._maybe
        if name not in names:
            names.add(name)
            self._log.append((definite, name))

    def _undone(self, mark: int) -> tuple[set[str], set[str]]:
        """What was set since `mark` for certain, and perhaps; both are taken back."""
        definite: set[str] = set()
        maybe: set[str] = set()
        while len(self._log) > mark:
            is_definite, name = self._log.pop()
            (self._definite if is_definite else self._maybe).discard(name)
            (definite if is_definite else maybe).add(name)
        return definite, maybe

    def _through_branches(self, visit: Visit, guards: tuple[_Guard, ...]) -> Iterator[Finding]:
        condition = visit.programs[0]
        constant = condition.constant
        (_, if_visits), (_, else_visits) = visit.children
        if constant is not None:
            live, dead = (if_visits, else_visits) if constant else (else_visits, if_visits)
            if dead:
                message = f"never runs: the condition is always {str(constant).lower()}"
                yield catalog.UNREACHABLE.at(dead[0].path, message, "Correct the condition, or remove the branch.")
            yield from self.through(live, guards)
            return
        results: list[tuple[bool, set[str], set[str], _Guard]] = []
        for visits, side in ((if_visits, True), (else_visits, False)):
            guard = (condition.text.strip(), side)
            mark = len(self._log)
            yield from self.through(visits, (*guards, guard))
            results.append((self.ended, *self._undone(mark), guard))
        self._merge(results)

    def _merge(self, results: list[tuple[bool, set[str], set[str], _Guard]]) -> None:
        reached = [result for result in results if not result[0]]
        self.ended = not reached
        if not reached:
            return
        always = set.intersection(*(definite for _, definite, _, _ in reached))
        for name in always:
            self._add(name, definite=True)
        for _, definite, maybe, guard in reached:
            for name in definite - always:
                self._set_under.setdefault(name, set()).add(guard)
            for name in (definite | maybe) - always:
                self._add(name, definite=False)

    def _through_loop(self, visit: Visit, node: ForLoopNode, guards: tuple[_Guard, ...]) -> Iterator[Finding]:
        (_, body), (_, resets) = visit.children
        mark = len(self._log)
        for inner in visit.inside():
            for output in inner.outputs:
                self._add(output.name, definite=False)
        yield from self.through(body, guards)
        after_body = len(self._log)
        yield from self.through(resets, guards)
        for use in self._reading.uses[visit.path]:
            if use.where == "after pass":
                yield from self._judged(use, guards)
        _, in_resets = self._undone(after_body)
        definite, maybe = self._undone(mark)
        runs = bool(node.on_error_in_loop == "raise" and not visit.loops and self._has_values(node))
        for name in definite:
            self._add(name, definite=runs)
        for name in maybe | in_resets:
            self._add(name, definite=False)
        self.ended = False

    def _has_values(self, node: ForLoopNode) -> bool:
        """Whether the loop runs at least once when a task's values are like the example."""
        return bool(node.variable_names and self._survey.inputs.get(node.variable_names[0]))

    def _judged(self, use: _Use, guards: tuple[_Guard, ...]) -> Iterator[Finding]:
        name = use.name
        survey = self._survey
        if name in self._definite or name in survey.inputs or name in survey.secure or name in self._told:
            return
        if survey.is_open_ended or (name not in survey.names and survey.is_templated(name)):
            return
        if not survey.is_known(name):
            return
        self._told.add(name)
        effect = "the task fails here" if use.where in ("program", "loop", "after pass") else "the placeholder stays"
        if name not in self._maybe:
            is_ever_set = name in survey.kinds or survey.is_templated(name)
            why = "is set only later, or elsewhere" if is_ever_set else "is set by no node"
            message = f"“{_shown(name)}” has no value here: it {why}, so {effect}"
            yield catalog.BEFORE_SET.at(use.path, message, "Move the node that sets it before this one.")
        elif not any(guard in self._set_under.get(name, ()) for guard in guards):
            message = f"“{_shown(name)}” is not set on every way to this node; where it is not, {effect}"
            yield catalog.MAYBE_UNSET.at(use.path, message, "Set a value for it before the branch or loop.")


def check(survey: Survey) -> Iterator[Finding]:
    """What is wrong with parameters, placeholders and variables."""
    reading = _Reading(survey)
    yield from reading.findings()
    yield from _Flow(reading).through(survey.nodes)
    # These run whatever failed before, so nothing is certain there, and little can be said.
    yield from _Flow(reading, survey.kinds).through(survey.post_processing)
    yield from _declarations(survey, reading.used)
    yield from _texts_taken_as_they_are(survey)
    for visit in survey.visits:
        yield from _outputs(visit, survey, reading.used)
        yield from _shadowed(visit)
    for visit in survey.visits:
        for use in reading.uses[visit.path]:
            if _DEFAULT_NAME.fullmatch(use.name) and use.name in survey.default_names:
                message = f"“{use.name}” is the name that a node got by its number; it changes when nodes are added"
                fix = "Give the node that sets it an output_variable_name."
                yield catalog.DEFAULT_NAME.at(use.path, message, fix)


def _declarations(survey: Survey, used: set[str]) -> Iterator[Finding]:
    maps: dict[str, Mapping[str, Sequence[object]]] = {
        "input_parameters": survey.inputs,
        "secure_parameters": survey.secure,
        "generated_parameters": survey.generated,
    }
    for field, declared in maps.items():
        for name in declared:
            path = f"parameters.{field}.{name}"
            is_given = field != "generated_parameters"
            if is_given and name not in used and name not in survey.script_words:
                must = ", but every task has to send it" if field == "input_parameters" else ""
                message = f"“{_shown(name)}” is used nowhere{must}"
                yield catalog.UNUSED.at(path, message, "Use it, or remove it.")
            if not is_given and not (name in survey.kinds or survey.is_open_ended or survey.is_templated(name)):
                message = f"no node sets “{_shown(name)}”"
                yield catalog.NEVER_SET.at(path, message, "Set it, or remove the declaration.")
            if not is_given and survey.generated[name]:
                message = f"the values of “{_shown(name)}” are never loaded; the run begins without them"
                fix = "Leave the list empty, and set the value with set_variable."
                yield catalog.GENERATED_VALUES.at(path, message, fix)
            others = [other for other, names in maps.items() if other != field and name in names]
            if others and field != "input_parameters":
                message = f"“{_shown(name)}” is declared under {others[0]}, too"
                fix = "Use two names: placeholders prefer the input value, conditions the generated one."
                yield catalog.TWO_MAPS.at(path, message, fix)


def _texts_taken_as_they_are(survey: Survey) -> Iterator[Finding]:
    fields: list[tuple[str, object, str]] = [
        ("url", survey.automation.url, "Begin on a fixed page, and open the address with go_to_url.")
    ]
    for visit in survey.visits:
        node, action = visit.node, visit.action
        match node, action:
            case AssertLocatorNode(), _:
                fields.append((f"{visit.path}.output_variable_name", node.output_variable_name, "Use a fixed name."))
            case ForLoopNode(), _:
                fields.append((f"{visit.path}.variable_name", node.variable_name, "Name the variable itself."))
            case PrivateNode(), _:
                fields.append((f"{visit.path}.handler", node.handler, "Use a fixed name."))
            case _, SetVariableAction():
                fix = "Use expression, with the placeholder in quotes: \"'{name[0]}'\"."
                fields.append((f"{visit.action_path}.value", action.value, fix))
            case _, TwoFAAction():
                path = f"{visit.action_path}.output_variable_name"
                fields.append((path, action.output_variable_name, "Use a fixed name."))
            case _:
                pass
    for path, value, fix in fields:
        if isinstance(value, str) and _BRACES.search(value):
            yield catalog.NOT_EXPANDED.at(path, "holds a placeholder, and is taken as it is written", fix)


def _outputs(visit: Visit, survey: Survey, used: set[str]) -> Iterator[Finding]:
    for output in visit.outputs:
        is_templated = "{" in output.written
        if output.path and not is_templated and not survey.is_declared(output.name):
            message = f"sets “{_shown(output.name)}”, which is not declared"
            yield catalog.UNDECLARED_OUTPUT.at(output.path, message, "Declare it under generated_parameters.")
        if output.name in used or output.name in survey.script_words or is_templated or survey.is_open_ended:
            continue
        node, action = visit.node, visit.action
        match node, action:
            case AssertLocatorNode(must_hold=False), _:
                message = f"stores its result as “{_shown(output.name)}”, which nothing looks at; it fails no task"
                fix = "Decide by it in an if_else_node, or set must_hold."
                yield catalog.NO_CONSEQUENCE.at(visit.path, message, fix)
            case _, SetVariableAction(output_variable_name=None) | CountLocatorAction(output_variable_name=None):
                yield _never_used(output.path, output.name)
            case _, TwoFAAction() | DownloadFileAction():
                yield _never_used(output.path, output.name)
            case _:
                pass


def _never_used(path: str, name: str) -> Finding:
    message = f"“{_shown(name)}” is set, and used nowhere"
    return catalog.NEVER_USED.at(path, message, "Use it, or remove the node.")


def _shadowed(visit: Visit) -> Iterator[Finding]:
    if visit.scope is None:
        return
    index = visit.scope.node.index_variable_name
    if any(loop.node.index_variable_name == index for loop in visit.loops):
        message = (
            f"has the index “{_shown(index)}” of a loop around it; {{{_shown(index)}}} means the outer loop's pass"
        )
        yield catalog.SHADOWED.at(
            f"{visit.path}.index_variable_name", message, "Give the inner loop an index_variable_name of its own."
        )


def _shown(text: str) -> str:
    return shortened(text, 40)
