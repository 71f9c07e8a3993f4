"""The automation document: what an author writes, loaded and normalised."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from automation.actions.interaction import InteractionAction
from automation.element import Element, RawObject, with_fields
from automation.json_values import json_problems
from automation.nodes import (
    ActionNode,
    AnyNodes,
    AssertLocatorNode,
    ForLoopNode,
    IfElseNode,
    Node,
    TypedNodes,
)
from automation.parameters import Parameters
from automation.problems import DocumentError, Problem, error_at, problems_of

# What a remote desktop can do at the top level of a document.
_REMOTE_DESKTOP_ACTIONS = ("click_element", "input_text", "key_press", "agentic_task")


class Automation(Element):
    """A whole document. Load it with `load`, which tells all problems at once."""

    url: str
    parameters: Parameters
    nodes: AnyNodes = []
    post_processing_nodes: TypedNodes = []
    browser_channel: Literal["chromium", "chrome", "cloakbrowser", "browser-use", "rdp"] = "chromium"
    backend: Literal["browser-use", "computer-vision"] = "browser-use"
    os_emulation: Literal["windows", "linux"] | None = None
    allow_cookies: bool = False
    enable_browser_alerts: bool = False
    # Attempts after the first; a negative number acts as 0.
    max_retries: int = 0
    expected_downloads: int = 0
    remove_empty_nodes_in_axtree: bool = True
    reuse_page_if_already_on_url: bool = False
    take_final_screenshot: bool = True
    automation_description: str | None = None
    automation_endpoint: str | None = None
    # An extension of ours: other loaders ignore it, and the run is the same without it.
    trace: Literal["auto", "always", "never"] = "auto"

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        nodes = raw.get("nodes")
        if raw.get("browser_channel") != "rdp" or not isinstance(nodes, list):
            return
        for position, node in enumerate(nodes):
            interaction = node.get("interaction_action") if isinstance(node, dict) else None
            if isinstance(interaction, dict):
                for name in _refused_on_remote_desktops(interaction):
                    message = f"cannot be used here with browser_channel “rdp”; {_ALLOWED} can"
                    yield error_at(("nodes", position, "interaction_action", name), message)

    def settled(self) -> dict[str, Any]:
        numbering = _Numbering()
        nodes = numbering.named(self.nodes)
        return {"nodes": nodes, "post_processing_nodes": numbering.named(self.post_processing_nodes)}


def _refused_on_remote_desktops(interaction: RawObject) -> list[str]:
    names = (name for name in InteractionAction.choices() if interaction.get(name) is not None)
    return [name for name in names if name not in _REMOTE_DESKTOP_ACTIONS]


_ALLOWED = ", ".join(_REMOTE_DESKTOP_ACTIONS)


class _Numbering:
    """Gives output variables without a name the name `node{k}_output`, k counting all nodes from 1."""

    def __init__(self) -> None:
        self._count = 0

    def named(self, nodes: Sequence[Node]) -> list[Node]:
        return [self._named(node) for node in nodes]

    def _named(self, node: Node) -> Node:
        self._count += 1
        name = f"node{self._count}_output"
        match node:
            case ForLoopNode():
                return with_fields(node, nodes=self.named(node.nodes), reset_nodes=self.named(node.reset_nodes))
            case IfElseNode():
                return with_fields(node, if_nodes=self.named(node.if_nodes), else_nodes=self.named(node.else_nodes))
            case AssertLocatorNode(output_variable_name=None):
                return with_fields(node, output_variable_name=name)
            case ActionNode(extraction_action=extraction) if extraction is not None:
                locator = extraction.locator
                if locator is None or locator.output_variable_name is not None:
                    return node
                renamed = {name: next(iter(locator.extraction_format.values()))}
                locator = with_fields(locator, output_variable_name=name, extraction_format=renamed)
                return with_fields(node, extraction_action=with_fields(extraction, locator=locator))
            case _:
                return node


def load(document: object) -> Automation:
    """The automation that a parsed JSON document is, with defaults filled in and names settled.

    Raises DocumentError with all problems at once, and nothing else, whatever `document` is.
    """
    if not isinstance(document, dict):
        raise DocumentError([Problem("", "must be an object: an automation document")])
    problems, is_json = json_problems(document)
    if not is_json:
        raise DocumentError(problems)
    try:
        automation = Automation.model_validate(document)
    except ValidationError as error:
        raise DocumentError([*problems, *problems_of(error)]) from None
    if problems:
        raise DocumentError(problems)
    return automation
