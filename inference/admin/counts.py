"""The few numbers that stand on every page: what waits, runs, failed, and needs a person."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import connection
from django.utils import timezone

# Counting stops here: a badge that reads "999+" says enough, and the cost stays constant.
COUNT_LIMIT = 1000
# Sent today is a sentence, so it counts further; an index-only scan.
TODAY_LIMIT = 20_000
# A worker that was not seen for this long is taken for gone.
WORKER_SEEN_SECONDS = 60

_CACHE_KEY = "inference.admin.counts"
_CACHE_SECONDS = 5

_COUNTS = f"""
SELECT statement_timestamp(),
  (SELECT count(*) FROM (SELECT 1 FROM inference_task WHERE status = 'queued' LIMIT {COUNT_LIMIT}) t),
  (SELECT extract(epoch FROM statement_timestamp() - t.created_at)
     FROM inference_task t WHERE t.status = 'queued' AND t.available_at <= statement_timestamp()
     ORDER BY t.created_at LIMIT 1),
  (SELECT count(*) FROM (SELECT 1 FROM inference_task WHERE status IN ('allocated', 'running')
     LIMIT {COUNT_LIMIT}) t),
  (SELECT count(*) FROM (SELECT 1 FROM inference_task
     WHERE status IN ('failed', 'killed') AND created_at >= %(yesterday)s AND completed_at >= %(midnight)s
     LIMIT {COUNT_LIMIT}) t),
  (SELECT count(*) FROM (SELECT 1 FROM inference_task
     WHERE status = 'success' AND created_at >= %(yesterday)s AND completed_at >= %(midnight)s
     LIMIT {TODAY_LIMIT}) t),
  (SELECT count(*) FROM (SELECT 1 FROM inference_task WHERE outcome_unknown AND review IS NULL
     LIMIT {COUNT_LIMIT}) t),
  (SELECT count(*) FROM (SELECT 1 FROM inference_personrequest WHERE closed_at IS NULL LIMIT {COUNT_LIMIT}) t),
  (SELECT count(*) FROM (SELECT 1 FROM inference_task WHERE created_at >= %(midnight)s LIMIT {TODAY_LIMIT}) t),
  (SELECT count(*) FROM inference_workerhost
     WHERE seen_at > statement_timestamp() - interval '{WORKER_SEEN_SECONDS} seconds'),
  (SELECT count(*) FROM inference_workerhost
     WHERE state = 'busy' AND seen_at > statement_timestamp() - interval '{WORKER_SEEN_SECONDS} seconds')
"""  # noqa: S608 - only constants of this module are put in


@dataclass(frozen=True)
class Counts:
    """Bounded counts as of `now` (the database's clock). `oldest_wait_seconds` is None when nothing may start."""

    now: datetime
    queued: int
    oldest_wait_seconds: float | None
    running: int
    failed_today: int
    succeeded_today: int
    needs_review: int
    ask_people: int  # tasks that wait for a person now
    sent_today: int
    workers: int
    busy_workers: int

    @property
    def needs_you(self) -> int:
        """What waits for a decision or an answer of people."""
        return min(COUNT_LIMIT, self.needs_review + self.ask_people)

    @property
    def needs_you_state(self) -> str:
        """The state in whose colors that number stands: a task that waits now goes before one that has ended."""
        return "human" if self.ask_people else "review"

    @property
    def nobody_works(self) -> bool:
        return self.workers == 0


def read_counts() -> Counts:
    """One query; what it finds is kept for the badges of the next pages."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, {"midnight": midnight, "yesterday": midnight - timedelta(days=1)})
        now, queued, oldest, *rest = cursor.fetchone()
    counts = Counts(now, queued, None if oldest is None else float(oldest), *rest)
    cache.set(_CACHE_KEY, counts, _CACHE_SECONDS)
    return counts


def recent_counts() -> Counts:
    """At most a few seconds old: for what is on every page (badges)."""
    counts: Counts | None = cache.get(_CACHE_KEY)
    return counts if counts is not None else read_counts()


def bounded(count: int) -> str:
    """`7`, `1,332` or `999+`."""
    return f"{COUNT_LIMIT - 1}+" if count == COUNT_LIMIT else f"{count:,}"
