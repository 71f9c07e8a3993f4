"""One run of the housekeeping: what it may do, when it has to stop, and what it has done so far."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from inference.housekeeping.errors import StoppedError


@dataclass(slots=True)
class Tally:
    """What went of one kind by one rule. `bytes` are those of files; rows are not weighed."""

    kind: str
    rule: str
    rows: int = 0
    files: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Progress:
    """`now` is the database's clock at the beginning: ages are measured from it, so the rules stand still while the
    run goes on. `must_stop` is asked between batches; `tell` is called as often, with the tally that has grown."""

    now: datetime
    dry_run: bool = False
    must_stop: Callable[[], bool] = lambda: False
    tell: Callable[[Tally], None] = lambda tally: None
    deadline: float | None = None
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    # Sentences about what could not be done.
    failures: list[str] = field(default_factory=list)

    def tally(self, kind: str, rule: str) -> Tally:
        """The line of this kind and rule; it stands in the result from now on, also with nothing in it."""
        return self.tallies.setdefault((kind, rule), Tally(kind, rule))

    def count(self, tally: Tally, *, rows: int = 0, files: int = 0, size_bytes: int = 0) -> None:
        tally.rows += rows
        tally.files += files
        tally.bytes += size_bytes
        self.tell(tally)

    def check(self) -> None:
        """Raises StoppedError when it is time to stop; called where nothing is half done."""
        if self.must_stop() or (self.deadline is not None and time.monotonic() > self.deadline):
            raise StoppedError
