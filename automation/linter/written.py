"""Rules about the document as it is written, before it is read: unknown keys, nodes without type, `lint_ignore`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from automation.json_values import json_problems
from automation.linter import catalog
from automation.linter.catalog import RULES, Finding
from automation.nodes import inferred_type
from automation.problems import nearest, shortened
from automation.unknown_keys import IGNORE_KEY, unknown_keys

_NODE_LISTS = ("nodes", "reset_nodes", "if_nodes", "else_nodes")
_NODE_PATH = re.compile(
    r"(?:nodes|post_processing_nodes)\[[0-9]+\](?:\.(?:nodes|reset_nodes|if_nodes|else_nodes)\[[0-9]+\])*"
)
_IDS = {**{rule_id: rule_id for rule_id in RULES}, **{rule.name: rule_id for rule_id, rule in RULES.items()}}


def check(document: object, ignored: "Ignored") -> Iterator[Finding]:
    """What is wrong with the text of a document, valid or not."""
    for problem in unknown_keys(document):
        yield catalog.UNKNOWN_KEY.at(problem.path, problem.message, "Correct the key, or remove it.")
    for path, node in ignored.nodes:
        if "type" not in node and not path.startswith("post_processing_nodes"):
            kind = inferred_type(node)
            yield catalog.NO_TYPE.at(path, f"is read as {kind}, by its keys", f'Add "type": "{kind}".')
    yield from ignored.findings


def _raw_nodes(document: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The raw nodes of a document with their paths, as far as they can be recognized."""
    if not json_problems(document)[1] or not isinstance(document, dict):
        return
    pending: list[tuple[str, Any]] = [(name, document.get(name)) for name in ("post_processing_nodes", "nodes")]
    while pending:
        path, value = pending.pop()
        if isinstance(value, list):
            pending.extend((f"{path}[{position}]", value[position]) for position in reversed(range(len(value))))
        elif isinstance(value, dict):
            yield path, value
            pending.extend((f"{path}.{name}", value[name]) for name in reversed(_NODE_LISTS) if name in value)


class Ignored:
    """What a document says is to be ignored, for itself and for its nodes."""

    def __init__(self, document: object) -> None:
        self.findings: list[Finding] = []
        self._everywhere: frozenset[str] = frozenset()
        self._below: dict[str, frozenset[str]] = {}
        if isinstance(document, dict) and IGNORE_KEY in document:
            self._everywhere = self._read(document[IGNORE_KEY], IGNORE_KEY)
        self.nodes = list(_raw_nodes(document))
        for path, node in self.nodes:
            if IGNORE_KEY in node:
                self._below[path] = self._read(node[IGNORE_KEY], f"{path}.{IGNORE_KEY}")

    def _read(self, value: Any, path: str) -> frozenset[str]:
        items = value if isinstance(value, list) else [value]
        ids: set[str] = set()
        for position, item in enumerate(items):
            rule_id = _IDS.get(item) if isinstance(item, str) else None
            if rule_id is None:
                self.findings.append(self._unknown(item, f"{path}[{position}]" if isinstance(value, list) else path))
            elif rule_id != catalog.INVALID.id:
                ids.add(rule_id)
        return frozenset(ids)

    def _unknown(self, item: Any, path: str) -> Finding:
        near = nearest(item, _IDS) if isinstance(item, str) and len(self.findings) < 20 else None
        shown = f"“{shortened(item, 40)}”" if isinstance(item, str) else "this"
        hint = f"; did you mean “{near}”?" if near else ""
        return catalog.UNKNOWN_IGNORE.at(path, f"{shown} is no rule{hint}", "Give ids or names of rules in a list.")

    def is_ignored(self, finding: Finding) -> bool:
        """Whether the document asks not to be told this."""
        if finding.rule in self._everywhere:
            return True
        match = _NODE_PATH.match(finding.path) if self._below else None
        path = match[0] if match else ""
        while path:
            if finding.rule in self._below.get(path, ()):
                return True
            path = path.rpartition(".")[0]
        return False
