"""What belongs to remote desktops: a browser has nothing to do it with, and the run goes on."""

from automation.element import Element
from executor.run import Run


async def skip(_action: Element, run: Run) -> None:
    """Leave the step out, and say so. Its variables stay unset."""
    run.step.skip("this is for remote desktops; in a browser it does nothing")
