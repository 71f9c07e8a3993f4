"""What only a language model can do. This server asks none, so each of these says what is missing."""

from typing import Never

from automation.element import Element
from executor.errors import NeedsModelError
from executor.run import Run


async def needs_model(_action: Element, run: Run) -> Never:
    """End the attempt (or the pass of a loop) with what to set. Errors: NeedsModelError, always."""
    raise NeedsModelError(run.step.label)
