"""The rules that all extractions share."""

from typing import Any

from executor.errors import ActionError
from executor.run import Run


def refuse_nulls(run: Run) -> None:
    """Without `allow_none`, a null anywhere in a variable that this node wrote fails the task."""
    extraction = run.node.extraction_action
    if extraction is None or extraction.allow_none:
        return
    empty = sorted(name for name in run.written if _has_null(run.memory.variables[name]))
    if empty:
        where = f" by {run.step.locator} on {run.page.url}" if run.step.locator else ""
        raise ActionError(f"no value was found for {', '.join(empty)}{where}, and allow_none is not set")


def _has_null(value: Any) -> bool:
    match value:
        case None:
            return True
        case list():
            return any(map(_has_null, value))
        case dict():
            return any(map(_has_null, value.values()))
        case _:
            return False
