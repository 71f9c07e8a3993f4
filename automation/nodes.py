"""The nodes of a document: one action each, loops, branches, checks, and code of the operator's own."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import InitErrorDetails

from automation.actions.assertion import AssertionAction
from automation.actions.captcha import CaptchaAction
from automation.actions.control import FailStateAction, MiscAction, SleepAction
from automation.actions.extraction import ExtractionAction
from automation.actions.form import DynamicFormMappingAction
from automation.actions.human import HumanInLoopAction
from automation.actions.interaction import InteractionAction
from automation.actions.script import PowerShellAction, PythonScriptAction
from automation.element import Element, OneOf, RawObject
from automation.placeholders import SOURCE, TEXT
from automation.problems import each_read, error_at, json_kind, refuse, shortened

# Seconds that a page gets to finish loading before it is read, when the author says nothing.
READING_BEFORE_SLEEP = 3.0
NEW_TAB_WAIT = 10.0
_BOOL = TypeAdapter(bool)


def _read_nodes(raw: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    # What is read needs no second look: the handler, which knows what else is wrong, would try all kinds of node.
    return each_read(raw, read_node) if isinstance(raw, list) else handler(raw)


def _read_typed_nodes(raw: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return each_read(raw, read_typed_node) if isinstance(raw, list) else handler(raw)


def read_node(raw: Any) -> Any:
    """The node that a raw object is, also one of an older document without `type`."""
    if isinstance(raw, dict) and "type" not in raw:
        raw = {**raw, "type": inferred_type(raw)}
    return read_typed_node(raw)


def read_typed_node(raw: Any) -> Any:
    """The node that a raw object with `type` is."""
    if isinstance(raw, Node):
        return raw
    if not isinstance(raw, dict):
        raise refuse(f"must be a node (an object), not {json_kind(raw)}")
    kind = raw.get("type")
    model = NODE_TYPES.get(kind) if isinstance(kind, str) else None
    if model is not None:
        return model.model_validate(raw)
    known = ", ".join(NODE_TYPES)
    if isinstance(kind, str):
        message = f"has the unknown type “{shortened(kind, 40)}”; use one of {known}"
        raise refuse(message, word=kind or " ", choices=list(NODE_TYPES))
    raise refuse(f"needs a type here, one of {known}" if "type" not in raw else f"has no valid type; use {known}")


def inferred_type(raw: RawObject) -> str:
    """The type of a node of an older document, by the keys that it has."""
    if "condition" in raw:
        return "if_else_node"
    if "variable_name" in raw:
        return "for_loop_node"
    if "locator" in raw and "assertion" in raw:
        return "assert_locator_node"
    if "locator" in raw and "nodes" in raw:
        return "for_loop_node"
    return "action_node"


class ActionNode(OneOf):
    """One action. Sleep times are seconds; `end_sleep_time` bounds the wait for the page's load event."""

    type: Literal["action_node"] = "action_node"
    interaction_action: InteractionAction | None = None
    assertion_action: AssertionAction | None = None
    extraction_action: ExtractionAction | None = None
    python_script_action: PythonScriptAction | None = None
    powershell_action: PowerShellAction | None = None
    sleep_action: SleepAction | None = None
    fail_state_action: FailStateAction | None = None
    captcha_action: CaptchaAction | None = None
    misc_action: MiscAction | None = None
    human_in_loop_action: HumanInLoopAction | None = None
    dynamic_form_mapping_action: DynamicFormMappingAction | None = None
    before_sleep_time: float = 0.0
    end_sleep_time: float = Field(default=5.0, ge=0, le=30)
    expect_new_tab: bool = False
    max_new_tab_wait_time: float = Field(default=0.0, ge=0, le=30)
    localized_axtree_string: str | None = None
    label: str | None = None
    # Ours: this act submits something that cannot be taken back, so no attempt after it starts by itself.
    commit_point: bool = False

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        if raw.get("interaction_action") is None and _reads_as_true(raw.get("expect_new_tab")):
            yield error_at(("expect_new_tab",), "belongs to interaction actions only; remove it")
        yield from super().raw_problems(raw)

    @property
    def before_sleep_is_explicit(self) -> bool:
        """Whether the author wrote `before_sleep_time`; the default only bounds a wait."""
        return "before_sleep_time" in self.model_fields_set

    def settled(self) -> dict[str, Any]:
        written = self.model_fields_set
        reads = self.extraction_action is not None or self.dynamic_form_mapping_action is not None
        settled: dict[str, Any] = {"max_new_tab_wait_time": NEW_TAB_WAIT if self.expect_new_tab else 0.0}
        if reads and "before_sleep_time" not in written:
            settled["before_sleep_time"] = READING_BEFORE_SLEEP
        if (reads or self.assertion_action is not None) and "end_sleep_time" not in written:
            settled["end_sleep_time"] = 0.0
        return settled


def _reads_as_true(value: Any) -> bool:
    if value is None:
        return False
    try:
        return _BOOL.validate_python(value)
    except ValidationError:
        return False


class ForLoopNode(Element):
    """Run `nodes` for each value of a variable (or of several, in parallel), or each match of a locator."""

    type: Literal["for_loop_node"] = "for_loop_node"
    variable_name: str | None = None
    locator: Annotated[str | None, SOURCE] = None
    index_variable_name: str = "index"
    # Seconds to wait for the first match of `locator`.
    locator_timeout: float = Field(default=5.0, ge=0)
    max_iterations: int | None = Field(default=None, gt=0)
    nodes: "AnyNodes"
    reset_nodes: "AnyNodes" = []
    on_error_in_loop: Literal["continue", "break", "raise"] = "raise"
    label: str | None = None
    # Ours: judged after each pass; true ends the loop.
    break_if: Annotated[str | None, SOURCE] = None

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        given = [name for name in ("variable_name", "locator") if _is_filled(raw.get(name))]
        if len(given) != 1:
            found = "both" if given else "neither"
            yield error_at((), f"holds {found} of variable_name and locator; give exactly one")
        index = raw.get("index_variable_name")
        if isinstance(index, str):
            message = _index_name_problem(index, raw.get("variable_name"), is_locator_loop=given == ["locator"])
            if message is not None:
                yield error_at(("index_variable_name",), message)
        elif given == ["variable_name"] and "index" in _names(raw.get("variable_name")):
            message = "must be given here, since a variable of the loop is called “index” like its default"
            yield error_at(("index_variable_name",), message)

    @property
    def variable_names(self) -> tuple[str, ...]:
        """The variables that are walked in parallel, the leading one first; empty for a locator loop."""
        return _names(self.variable_name)

    def settled(self) -> dict[str, Any]:
        return {name: (getattr(self, name) or "").strip() or None for name in ("variable_name", "locator")}


def _is_filled(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())


def _names(variable_name: Any) -> tuple[str, ...]:
    if not isinstance(variable_name, str):
        return ()
    return tuple(filter(None, (name.strip() for name in variable_name.split(","))))


def _index_name_problem(index: str, variable_name: Any, *, is_locator_loop: bool) -> str | None:
    if not index.isidentifier():
        return "must be a name: letters, digits and “_”, no digit first"
    if index == "index_of":
        return "cannot be “index_of”, which is a placeholder of its own"
    if index == "locator" and is_locator_loop:
        return "cannot be “locator” in a locator loop, where {locator[…]} is a placeholder of its own"
    if index in _names(variable_name):
        return "must differ from the names in variable_name"
    return None


class IfElseNode(Element):
    """Run one of two lists of nodes."""

    type: Literal["if_else_node"] = "if_else_node"
    condition: Annotated[str, SOURCE]
    if_nodes: "AnyNodes" = []
    else_nodes: "AnyNodes" = []
    label: str | None = None


class AssertLocatorNode(Element):
    """Store whether an element is visible (hidden) within `timeout` seconds."""

    type: Literal["assert_locator_node"] = "assert_locator_node"
    locator: Annotated[str, SOURCE]
    assertion: Literal["to_be_visible", "to_be_hidden"]
    output_variable_name: str | None = None
    timeout: float = 5.0
    label: str | None = None
    # Ours: the first match's text contains `text`; so many match; false fails the task.
    text: Annotated[str | None, TEXT] = None
    count: int | None = Field(default=None, ge=0)
    must_hold: bool = False


class PrivateNode(Element):
    """Call code that the operator registered under `handler`."""

    type: Literal["private_node"] = "private_node"
    handler: str
    inputs: Annotated[dict[str, Any], TEXT] = {}
    output_variable_names: list[str] | None = None
    before_sleep_time: float = 0.0
    end_sleep_time: float = 0.0
    label: str | None = None


Node = ActionNode | ForLoopNode | IfElseNode | AssertLocatorNode | PrivateNode
# Where older documents may leave out `type`, and where they may not.
AnyNodes = Annotated[list[Node], WrapValidator(_read_nodes)]
TypedNodes = Annotated[list[Node], WrapValidator(_read_typed_nodes)]

NODE_TYPES: Mapping[str, type[Node]] = {
    "action_node": ActionNode,
    "for_loop_node": ForLoopNode,
    "if_else_node": IfElseNode,
    "assert_locator_node": AssertLocatorNode,
    "private_node": PrivateNode,
}

ForLoopNode.model_rebuild()
IfElseNode.model_rebuild()
