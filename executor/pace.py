"""How long a run waits for a page: until it has settled, and never longer than the document says."""

import asyncio
import time

from executor.watching import Tab

_AFTER_OPENING_SECONDS = 5.0
# Between two looks at a page that has no such element, or too many.
_LOOK_SECONDS = 0.1


class Pace:
    """Waits as the page allows. Another pace is a subclass: `bench/settling.py` has the contract's literal one."""

    async def opened(self, tab: Tab) -> None:
        """The start page has loaded."""
        await tab.activity.settle(_AFTER_OPENING_SECONDS)

    async def before_step(self, tab: Tab, seconds: float) -> None:
        """A step begins that is to be begun after so many seconds."""
        await tab.activity.settle(seconds)

    async def after_step(self, tab: Tab, seconds: float) -> None:
        """A step is done whose consequences may take so many seconds."""
        await tab.activity.settle(seconds)

    async def between_tries(self, *, begun: float, deadline: float, per_try_seconds: float) -> None:
        """A try did not work. `begun`, `deadline`: when it began and when there is no time left, like time.monotonic().

        One that ended early (several matches, an error) is followed by a short pause, a timed-out one by none.
        """
        used = time.monotonic() - begun
        await asyncio.sleep(max(0.0, min(_LOOK_SECONDS - used, deadline - time.monotonic())))


SETTLING = Pace()
