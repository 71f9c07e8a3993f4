"""What steers the run instead of the page."""

import asyncio

from django.conf import settings

from automation.actions.control import FailStateAction, SleepAction
from executor.errors import FailStateError
from executor.run import Run


async def sleep(action: SleepAction, run: Run) -> None:
    """Sleep as long as the author says, or until the page has settled when HONOUR_EXPLICIT_SLEEPS is off."""
    seconds = max(0.0, action.sleep_time)
    if settings.HONOUR_EXPLICIT_SLEEPS:
        await asyncio.sleep(seconds)
    else:
        await run.tab.activity.settle(seconds)


async def fail_state(action: FailStateAction, run: Run) -> None:
    """End the attempt with the author's message."""
    raise FailStateError(run.masking.mask(action.failure_message))
