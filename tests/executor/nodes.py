"""Nodes of control flow as documents have them, in few words."""

from collections.abc import Mapping
from typing import Any

Node = Mapping[str, Any]


def say(text: str) -> Node:
    """Puts out `text`, with its placeholders filled in, as `said`."""
    return set_variable("said", expression=repr(text), output_variable_name="said")


def said(output: list[dict[str, Any]]) -> list[Any]:
    """What the nodes of `say` have put out, in order."""
    return [item["json_data"]["said"] for item in output if item.get("unique_identifier") == "said"]


def set_variable(name: str, **action: Any) -> Node:
    return misc(set_variable={"name": name, **action})


def misc(**actions: Any) -> Node:
    return {"type": "action_node", "misc_action": actions}


def fail(message: str = "no") -> Node:
    return {"type": "action_node", "fail_state_action": {"failure_message": message}}


def sleep(seconds: float) -> Node:
    return {"type": "action_node", "sleep_action": {"sleep_time": seconds}}


def if_else(condition: str, *nodes: Node, otherwise: tuple[Node, ...] = ()) -> Node:
    return {"type": "if_else_node", "condition": condition, "if_nodes": list(nodes), "else_nodes": list(otherwise)}


def loop(variable_name: str, *nodes: Node, **fields: Any) -> Node:
    return {"type": "for_loop_node", "variable_name": variable_name, "nodes": list(nodes), **fields}


def locator_loop(locator: str, *nodes: Node, **fields: Any) -> Node:
    return {"type": "for_loop_node", "locator": locator, "nodes": list(nodes), **fields}


def private(handler: str, **fields: Any) -> Node:
    return {"type": "private_node", "handler": handler, **fields}
