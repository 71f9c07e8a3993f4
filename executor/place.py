"""Where a node stands in its document, and in which passes of which loops it runs."""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class Place:
    """`path` as in `nodes[2].if_nodes[0]`; `depth` counts the loops and branches around it; `passes` holds the number
    of the present pass of each loop around it, from 0, the outermost loop first."""

    path: str
    depth: int = 0
    passes: tuple[int, ...] = ()

    def item(self, number: int) -> Self:
        """Of one node in the list of nodes that is here."""
        return replace(self, path=f"{self.path}[{number}]")

    def inside(self, field: str, *, in_pass: int | None = None) -> Self:
        """Of a list of nodes in the node that is here; `in_pass` is given by a loop."""
        passes = self.passes if in_pass is None else (*self.passes, in_pass)
        return replace(self, path=f"{self.path}.{field}", depth=self.depth + 1, passes=passes)

    @property
    def details(self) -> dict[str, int | list[int]]:
        """What a row tells about its loops: `{"pass": 2}`, in nested loops `{"pass": [2, 0]}`, else nothing."""
        if not self.passes:
            return {}
        return {"pass": self.passes[0] if len(self.passes) == 1 else list(self.passes)}
