"""The metrics that are counted, by name. What `GET /metrics` reads from other tables instead is in `collector.py`."""

from dataclasses import dataclass

# Pick-up takes milliseconds on an idle server, and as long as the queue is on a busy one.
_PICKUP_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200)
# Up to the longest that a task may take.
_DURATION_SECONDS = (0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600, 14400)


@dataclass(frozen=True)
class Family:
    """A counter, or a histogram if it has `buckets` (upper bounds). `name` is without prefix and suffix."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


SUBMISSIONS = Family(
    "submissions",
    "What was sent to the inference routes, by outcome (accepted, duplicate, refused) and HTTP status.",
    ("outcome", "status"),
)
PICKUP = Family(
    "task_pickup_seconds",
    "From when a task may start to when an attempt begins; waits for limits, pauses and the queue included.",
    buckets=_PICKUP_SECONDS,
)
ENDED = Family("tasks_ended", "Tasks that have ended, by automation and status.", ("automation", "status"))
DURATION = Family(
    "task_duration_seconds",
    "From the begin of the last attempt to the end of the task; without those that never began.",
    ("automation",),
    _DURATION_SECONDS,
)
STEP_FAILURES = Family("step_failures", "Steps that failed, by kind of node.", ("kind",))
BROWSER_RESTARTS = Family(
    "browser_restarts",
    "Browsers that a worker has replaced, by reason (crashed, worn_out, channel, page_not_responding).",
    ("reason",),
)

FAMILIES = (SUBMISSIONS, PICKUP, ENDED, DURATION, STEP_FAILURES, BROWSER_RESTARTS)
