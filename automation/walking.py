"""Every node of a document with its path, the kinds of nodes, and which of them a server cannot run."""

from collections.abc import Collection, Iterator, Sequence

from automation.actions.assertion import AssertionAction
from automation.actions.control import MiscAction
from automation.actions.extraction import ExtractionAction
from automation.actions.interaction import InteractionAction
from automation.document import Automation
from automation.nodes import NODE_TYPES, ActionNode, ForLoopNode, IfElseNode, Node
from automation.parameters import SecureParameter
from automation.problems import Problem

# Channels that every Chromium serves.
_PLAIN_CHANNELS = ("chromium", "chrome")
_OTHER_CHANNELS = ("cloakbrowser", "browser-use", "rdp")
_FAMILIES = {
    "extraction_action": "extraction",
    "assertion_action": "assertion",
    "misc_action": "misc",
}

NODE_KINDS: frozenset[str] = frozenset(
    {
        *(name for name in NODE_TYPES if name != "action_node"),
        *InteractionAction.choices(),
        *(f"extraction.{name}" for name in ExtractionAction.choices()),
        *(f"assertion.{name}" for name in AssertionAction.choices()),
        *(f"misc.{name}" for name in (*MiscAction.model_fields, "nothing")),
        *(name for name in ActionNode.choices() if name not in ("interaction_action", *_FAMILIES)),
    }
)
DOCUMENT_KINDS: frozenset[str] = frozenset(
    {
        "post_processing_nodes",
        *(f"secure_parameters.{name}" for name in SecureParameter.choices()),
        *(f"browser_channel.{name}" for name in _OTHER_CHANNELS),
    }
)
ALL_KINDS: frozenset[str] = NODE_KINDS | DOCUMENT_KINDS


def walk(automation: Automation) -> Iterator[tuple[str, Node]]:
    """Every node with its path (`nodes[2].if_nodes[0]`), in document order, a node before those inside it."""
    yield from walk_nodes(automation.nodes, "nodes")
    yield from walk_nodes(automation.post_processing_nodes, "post_processing_nodes")


def walk_nodes(nodes: Sequence[Node], path: str) -> Iterator[tuple[str, Node]]:
    """The same for a list of nodes that stands at `path`."""
    for position, node in enumerate(nodes):
        here = f"{path}[{position}]"
        yield here, node
        for name, children in child_lists(node):
            yield from walk_nodes(children, f"{here}.{name}")


def child_lists(node: Node) -> tuple[tuple[str, Sequence[Node]], ...]:
    """The lists of nodes inside `node` with the names of their fields, in document order."""
    match node:
        case ForLoopNode():
            return ("nodes", node.nodes), ("reset_nodes", node.reset_nodes)
        case IfElseNode():
            return ("if_nodes", node.if_nodes), ("else_nodes", node.else_nodes)
        case _:
            return ()


def kind_of(node: Node) -> str:
    """What a node does, as one word of NODE_KINDS: `click_element`, `extraction.locator`, `if_else_node`."""
    if not isinstance(node, ActionNode):
        return node.type
    name = node.chosen_name
    action = node.chosen
    match action:
        case InteractionAction():
            return action.chosen_name
        case ExtractionAction() | AssertionAction():
            return f"{_FAMILIES[name]}.{action.chosen_name}"
        case MiscAction():
            return f"{_FAMILIES[name]}.{action.chosen_name or 'nothing'}"
        case _:
            return name


def find_unsupported(automation: Automation, supported: Collection[str]) -> list[Problem]:
    """Everything in the document whose kind (one of ALL_KINDS) is not in `supported`.

    The part of a kind before its dot stands for the whole family: `secure_parameters`, `extraction`.
    """
    return [
        Problem(path, f"{kind} cannot be run by this server")
        for path, kind in _kinds_used(automation)
        if kind not in supported and kind.partition(".")[0] not in supported
    ]


def _kinds_used(automation: Automation) -> Iterator[tuple[str, str]]:
    if automation.browser_channel not in _PLAIN_CHANNELS:
        yield "browser_channel", f"browser_channel.{automation.browser_channel}"
    for name, sources in automation.parameters.secure_parameters.items():
        for position, source in enumerate(sources):
            path = f"parameters.secure_parameters.{name}[{position}]"
            yield path, f"secure_parameters.{source.chosen_name}"
    if automation.post_processing_nodes:
        yield "post_processing_nodes", "post_processing_nodes"
    for path, node in walk(automation):
        yield path, kind_of(node)
