"""How long and how much is kept, as the settings and the command line say it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

MIB = 1024 * 1024

# In the order in which they are done: whole tasks first, since all that belongs to them goes along.
KINDS = (
    "tasks",
    "steps",
    "pictures",
    "traces",
    "logs",
    "downloads",
    "uploads",
    "orphans",
    "sessions",
    "dashboard-logins",
    "idempotency-keys",
    "audit",
    "background-work",
    "concurrency-slots",
    "workers",
)
# Those that `--older-than` can be asked of.
KINDS_WITH_AGE = (
    "tasks",
    "steps",
    "pictures",
    "traces",
    "logs",
    "downloads",
    "orphans",
    "idempotency-keys",
    "audit",
    "background-work",
)
# The database itself refuses to delete a younger audit event (migration 0010).
AUDIT_MIN_DAYS = 30
# A file is written before its row, and a row may wait for a database that is away; this is far beyond both.
ORPHAN_GRACE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Limit:
    """`age`: what is older goes. `total_bytes`: of what is left the oldest go until so much remains. None: no bound."""

    age: timedelta | None = None
    total_bytes: int | None = None


def limits_from_settings() -> dict[str, Limit]:
    """The limit of each kind that has one."""
    limits = {
        kind: Limit(_days(f"RETENTION_{kind.upper()}_DAYS"), _bytes(f"RETENTION_{kind.upper()}_MB"))
        for kind in ("tasks", "steps", "pictures", "traces", "logs", "downloads")
    }
    return limits | {
        "orphans": Limit(ORPHAN_GRACE),
        "idempotency-keys": Limit(_days("IDEMPOTENCY_DAYS")),
        "audit": Limit(_days("RETENTION_AUDIT_DAYS")),
        "background-work": Limit(_days("RETENTION_BACKGROUND_WORK_DAYS")),
    }


def only_older_than(age: timedelta, kinds: Mapping[str, Limit]) -> dict[str, Limit]:
    """For one run: `age` instead of what the settings say, and nothing by size."""
    return {kind: Limit(age) for kind in kinds}


def _days(setting: str) -> timedelta | None:
    days: int = getattr(settings, setting)
    return timedelta(days=days) if days else None


def _bytes(setting: str) -> int | None:
    mib: int = getattr(settings, setting)
    return mib * MIB if mib else None
