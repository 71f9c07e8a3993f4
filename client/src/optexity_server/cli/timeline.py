"""The steps of a task while they happen: a live table on a terminal, lines elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from optexity_server.cli.output import shown
from optexity_server.models import Event, Step

# What is still going on; everything else is a step's last word.
RUNNING = "running"
_STYLES = {"success": "green", "failed": "red", "warning": "yellow", "skipped": "dim", RUNNING: "cyan"}
# Of a long loop, the last ones fit on a screen.
MAX_LIVE_ROWS = 30


@dataclass(frozen=True)
class Line:
    """A step as it is shown."""

    attempt: int
    position: int
    index: int | None
    kind: str
    label: str
    status: str
    error: str | None
    duration_ms: int | None = None
    depth: int = 0

    @property
    def text(self) -> str:
        """In one line."""
        again = f"attempt {self.attempt}  " if self.attempt > 1 else ""
        took = "" if self.duration_ms is None else f"  {seconds(self.duration_ms)}"
        error = "" if not self.error else f"  {self.error}"
        what = "  " * self.depth + (self.label or self.kind)
        return f"{again}{number(self.index):>4}  {self.status:<8} {what}{took}{error}"


class Timeline:
    """All steps that were seen. `tell` is called once for each that has got its last status."""

    def __init__(self, tell: Callable[[Line], None] = lambda line: None, *, is_whole: bool = False) -> None:
        """`is_whole`: all steps are drawn, not only as many as fit on a screen."""
        self._is_whole = is_whole
        self.status = ""
        self._lines: dict[tuple[int, int], Line] = {}
        self._told: set[tuple[int, int]] = set()
        self._tell = tell

    def hear(self, event: Event) -> None:
        if event.name == "status" and event.status:
            self.status = event.status
        if event.name == "step" and event.status:
            self._put(_line_of_event(event.raw))

    def see(self, steps: list[Step]) -> None:
        for step in steps:
            self._put(_line_of_step(step))

    def _put(self, line: Line) -> None:
        place = (line.attempt, line.position)
        before = self._lines.get(place)
        # What was read from the timeline knows more than an event that says the same.
        if before is None or before.status == RUNNING or line.duration_ms is not None:
            self._lines[place] = line
        if line.status != RUNNING and place not in self._told:
            self._told.add(place)
            self._tell(line)

    def __rich__(self) -> Table:
        table = Table(box=box.SIMPLE, title=shown(self.status) or None, title_justify="left")
        for name in ("#", "status", "step", "time"):
            table.add_column(name, justify="right" if name in "#time" else "left")
        lines = [self._lines[place] for place in sorted(self._lines)]
        for line in lines if self._is_whole else lines[-MAX_LIVE_ROWS:]:
            style = _STYLES.get(line.status, "")
            said = Text(shown("  " * line.depth + (line.label or line.kind)))
            if line.error:
                said.append(f"\n{shown(line.error)}", style="red")
            took = "" if line.duration_ms is None else seconds(line.duration_ms)
            table.add_row(number(line.index), Text(shown(line.status), style=style), said, took)
        return table


def _line_of_step(step: Step) -> Line:
    return Line(
        step.attempt,
        step.position,
        step.index,
        step.kind,
        step.label,
        step.status,
        step.error,
        step.duration_ms,
        step.depth,
    )


def _line_of_event(told: Any) -> Line:
    def whole(name: str) -> int:
        value = told.get(name)
        return value if isinstance(value, int) else 0

    index = told.get("index")
    return Line(
        whole("attempt"),
        whole("position"),
        index if isinstance(index, int) else None,
        str(told.get("kind") or ""),
        str(told.get("label") or ""),
        str(told.get("status") or ""),
        told.get("error") if isinstance(told.get("error"), str) else None,
    )


def number(index: int | None) -> str:
    """As people count: from 1."""
    return "" if index is None else str(index + 1)


def seconds(duration_ms: int) -> str:
    return f"{duration_ms / 1000:.1f} s"
