"""What the stock cluster runs in the measurement: note the instant at which the function began."""

import os
import time
from pathlib import Path


def note_start(name: str) -> None:
    """Write the time of the start, in seconds of the system's clock, to a file that the bench waits for."""
    started_at = time.time()
    folder = Path(os.environ["BENCH_MARKS"])
    draft = folder / f"{name}.draft"
    draft.write_text(repr(started_at))
    draft.rename(folder / name)
