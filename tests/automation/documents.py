"""Small documents and the problems that loading them tells."""

import json
from pathlib import Path
from typing import Any

import automation
from automation import ActionNode, Automation, DocumentError, Node, Problem

DATA = Path(__file__).parents[1] / "data"
EXAMPLES = DATA / "examples"


def example(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))
    return document


def document(*nodes: Any, **fields: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = {"input_parameters": {}, "generated_parameters": {}}
    return {"url": "http://demo.localhost/", "parameters": parameters, "nodes": list(nodes), **fields}


def loaded(*nodes: Any, **fields: Any) -> Automation:
    return automation.load(document(*nodes, **fields))


def problems(*nodes: Any, **fields: Any) -> list[Problem]:
    """The problems of a document; empty when it is valid."""
    return problems_of(document(*nodes, **fields))


def problems_of(raw: object) -> list[Problem]:
    try:
        automation.load(raw)
    except DocumentError as error:
        return error.problems
    return []


def paths(*nodes: Any, **fields: Any) -> list[str]:
    return [problem.path for problem in problems(*nodes, **fields)]


def node(raw: dict[str, Any]) -> Node:
    """The only node of a document."""
    return loaded(raw).nodes[0]


def action_node(raw: dict[str, Any]) -> ActionNode:
    only = node(raw)
    assert isinstance(only, ActionNode)
    return only


def interaction(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "action_node", "interaction_action": {name: fields}}


def extraction(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "action_node", "extraction_action": {name: fields}}


def misc(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "action_node", "misc_action": {name: fields}}


def sleep(**fields: Any) -> dict[str, Any]:
    return {"type": "action_node", "sleep_action": {"sleep_time": 0}, **fields}


def loop(*nodes: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "for_loop_node", "nodes": list(nodes), **fields}


def branch(condition: str, *nodes: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "if_else_node", "condition": condition, "if_nodes": list(nodes), **fields}
