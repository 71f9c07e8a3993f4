"""Counting without a hot row: each process adds up in memory and writes its own rows every few seconds.

Nothing waits for anybody: a count is an addition under a lock of this process, and no two processes write the same row.
`folding.py` adds up the rows of processes that are quiet. A process that is killed loses what it counted since its last
flush, FLUSH_SECONDS at most while the database answers (docs/decisions/0004).
"""

import json
import logging
import os
import threading
import time
import uuid
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from multiprocessing.util import Finalize

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from psycopg_pool import PoolTimeout

from inference.telemetry.families import Family

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0

# Name of the family, JSON array of its label values, and which part of it: "" of a counter; of a histogram "sum" or
# the upper bound of a bucket (not cumulative; "inf" for the last).
Key = tuple[str, str, str]
_COUNTER, _SUM = "", "sum"

# `sequence`: a flush whose answer was lost is sent again, and counts once.
_ADD = """
    INSERT INTO inference_metriccounter AS known (process, name, labels, part, value, sequence, updated_at)
    SELECT %(process)s, name, labels, part, value, %(sequence)s, statement_timestamp()
    FROM unnest(%(names)s::text[], %(labels)s::text[], %(parts)s::text[], %(values)s::double precision[])
        AS given (name, labels, part, value)
    ON CONFLICT (process, name, labels, part) DO UPDATE
        SET value = known.value + EXCLUDED.value, sequence = EXCLUDED.sequence, updated_at = EXCLUDED.updated_at
        WHERE known.sequence < EXCLUDED.sequence
"""


class Counters:
    """What one process has counted and not written yet."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start from nothing, as another process: called after a fork, too."""
        self._process = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._pending: dict[Key, float] = defaultdict(float)
        self._flushing = threading.Lock()
        self._sent: dict[Key, float] = {}
        self._sequence = 0
        self._flushed_at = time.monotonic()
        self._thread: threading.Thread | None = None

    def count(self, family: Family, *labels: str) -> None:
        """One more."""
        with self._lock:
            self._pending[family.name, _as_text(labels), _COUNTER] += 1
        self._keep_flushing()

    def observe(self, family: Family, seconds: float, *labels: str) -> None:
        """One more value of a histogram."""
        with self._lock:
            for key, amount in observation(family, seconds, *labels).items():
                self._pending[key] += amount
        self._keep_flushing()

    def flush_if_due(self) -> None:
        """For loops that come by often and have a database connection: workers."""
        if time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was counted. What cannot be written now is kept for the next time."""
        with self._flushing:
            self._flushed_at = time.monotonic()
            while True:
                if not self._sent:
                    with self._lock:
                        self._sent, self._pending = dict(self._pending), defaultdict(float)
                    self._sequence += 1
                if not self._sent:
                    return
                try:
                    add(self._sent, process=self._process, sequence=self._sequence)
                except (DatabaseError, PoolTimeout) as error:
                    logger.warning("cannot write metrics: %s", type(error).__name__)
                    connection.close()
                    return
                self._sent = {}

    def _keep_flushing(self) -> None:
        """In a web process a thread does it; a worker comes by itself, and has connections enough."""
        if self._thread is not None or not settings.IS_WEB_PROCESS:
            return
        with self._lock:
            if self._thread is None:
                # Also where atexit is not run, in children of multiprocessing.
                Finalize(None, self._flush_in_thread, exitpriority=100)
                self._thread = threading.Thread(target=self._flush_for_ever, name="metrics", daemon=True)
                self._thread.start()

    def _flush_for_ever(self) -> None:
        while True:
            time.sleep(FLUSH_SECONDS)
            self._flush_in_thread()

    def _flush_in_thread(self) -> None:
        try:
            self.flush()
        finally:
            connection.close()  # back to the pool until the next time


def observation(family: Family, seconds: float, *labels: str) -> dict[Key, float]:
    """What one value adds to a histogram."""
    text = _as_text(labels)
    at = bisect_left(family.buckets, seconds)
    bound = "inf" if at == len(family.buckets) else repr(float(family.buckets[at]))
    return {(family.name, text, bound): 1.0, (family.name, text, _SUM): seconds}


def one(family: Family, *labels: str) -> Key:
    """The key of a counter."""
    return family.name, _as_text(labels), _COUNTER


def add(amounts: Mapping[Key, float], *, process: str, sequence: int) -> None:
    """Add to the rows of `process`, all or none; once for each `sequence`, which grows."""
    keys = sorted(amounts)  # in one order, so that two who write never wait for each other in a circle
    with connection.cursor() as cursor:
        cursor.execute(
            _ADD,
            {
                "process": process,
                "sequence": sequence,
                "names": [name for name, _, _ in keys],
                "labels": [labels for _, labels, _ in keys],
                "parts": [part for _, _, part in keys],
                "values": [amounts[key] for key in keys],
            },
        )


def _as_text(labels: tuple[str, ...]) -> str:
    return json.dumps(labels, ensure_ascii=False)


counters = Counters()
os.register_at_fork(after_in_child=counters.begin)
