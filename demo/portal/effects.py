"""Counts what was really submitted, so that a test can prove "exactly once"."""

import json
import threading
from collections import Counter
from pathlib import Path


class EffectLedger:
    """How often each effect happened, by its id. Safe to use from many threads.

    With a file, every effect is a line of JSON in it before it counts as done, so the counts
    survive a killed process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._file: Path | None = None

    def keep_in(self, path: Path) -> None:
        """Continue with the effects in `path` (made when missing) and add each new one to it."""
        with self._lock:
            path.touch()
            lines = path.read_text(encoding="utf-8").splitlines()
            self._counts = Counter(json.loads(line)["id"] for line in lines)
            self._file = path

    def record(self, effect_id: str) -> int:
        """Count one effect; returns how many there are now under this id."""
        line = json.dumps({"id": effect_id}) + "\n"
        with self._lock:
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(line)
            self._counts[effect_id] += 1
            return self._counts[effect_id]

    def count(self, effect_id: str) -> int:
        with self._lock:
            return self._counts[effect_id]

    def total(self) -> int:
        with self._lock:
            return self._counts.total()

    def by_id(self) -> dict[str, int]:
        """A copy: id -> count, in order of first appearance."""
        with self._lock:
            return dict(self._counts)

    def reset(self) -> None:
        with self._lock:
            self._counts.clear()
            if self._file is not None:
                self._file.write_text("", encoding="utf-8")


ledger = EffectLedger()
