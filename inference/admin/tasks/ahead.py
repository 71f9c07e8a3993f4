"""What a task has not reached yet: the nodes of its document after the last step, by their labels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.cache import cache

from automation import ActionNode, AssertLocatorNode, DocumentError, label_of, load
from inference.models import AutomationVersion, Step

SHOWN_AHEAD = 30
# A version never changes, so what is read of it holds; the time only bounds the memory.
_CACHE_SECONDS = 3600
_TOP_LEVEL = re.compile(r"nodes\[(\d+)\]")


@dataclass(frozen=True)
class Ahead:
    """`number` is the step's number to be, "" where branches or loops in between make it unknown."""

    number: str
    label: str


def nodes_ahead(version_id: int, steps: Sequence[Step]) -> list[Ahead]:
    """Top-level nodes after the last one that was begun. One query, and none while the version is remembered."""
    labels = _labels(version_id)
    begun = [int(found[1]) for step in steps if (found := _TOP_LEVEL.match(step.path))]
    first = max(begun) + 1 if begun else 0
    number: int | None = max((step.index for step in steps if step.index is not None), default=0)
    ahead: list[Ahead] = []
    for label, is_one_step in labels[first : first + SHOWN_AHEAD]:
        number = number + 1 if number is not None and is_one_step else None
        ahead.append(Ahead("" if number is None else str(number), label))
    return ahead


def _labels(version_id: int) -> list[tuple[str, bool]]:
    """Label and whether it is exactly one step, of each top-level node."""
    name = f"inference.admin.labels.{version_id}"
    known: list[tuple[str, bool]] | None = cache.get(name)
    if known is None:
        document = AutomationVersion.objects.values_list("document", flat=True).get(pk=version_id)
        try:
            nodes = load(document).nodes
        except DocumentError:  # a document of a version that knew other rules
            nodes = []
        known = [(label_of(node), isinstance(node, ActionNode | AssertLocatorNode)) for node in nodes]
        cache.set(name, known, _CACHE_SECONDS)
    return known
