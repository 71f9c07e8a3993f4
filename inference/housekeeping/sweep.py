"""`prune`: one run of the housekeeping, from the lock to the entry in the audit log."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.module_loading import import_string

from inference.housekeeping.artifacts import GROUPS, make_artifact_rule, prune_artifacts
from inference.housekeeping.batches import select
from inference.housekeeping.errors import OtherPruneRunsError, StoppedError
from inference.housekeeping.limits import KINDS, Limit, limits_from_settings
from inference.housekeeping.logs import prune_log_files
from inference.housekeeping.orphans import prune_orphans
from inference.housekeeping.progress import Progress, Tally
from inference.housekeeping.records import prune_records
from inference.housekeeping.rules import Rules
from inference.housekeeping.steps import make_step_rules, prune_steps
from inference.housekeeping.tasks import make_task_rules, prune_tasks
from inference.housekeeping.uploads import prune_uploads
from inference.housekeeping.words import amounts
from inference.services.audit import record_audit

logger = logging.getLogger(__name__)

# Any number that no other advisory lock of this database uses; "prun" in ASCII.
_ADVISORY_LOCK = 0x7072756E


@dataclass(frozen=True)
class Pruned:
    """What went, or in a dry run would go. `is_finished` is false when it was stopped before its end."""

    tallies: Sequence[Tally]
    failures: Sequence[str] = field(default_factory=tuple)
    is_finished: bool = True
    dry_run: bool = False

    @property
    def totals(self) -> Tally:
        total = Tally("total", "")
        for each in self.tallies:
            total.rows += each.rows
            total.files += each.files
            total.bytes += each.bytes
        return total


def prune(
    *,
    actor: str,
    kinds: Collection[str] = KINDS,
    limits: Mapping[str, Limit] | None = None,
    dry_run: bool = False,
    max_seconds: float | None = None,
    must_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Tally], None] = lambda tally: None,
) -> Pruned:
    """Remove what is over its time or too much, of `kinds`; `limits` instead of those of the settings.

    `actor` stands in the audit log. `must_stop` is asked often, and `tell` called as often. What a run that was
    stopped has left, the next one finds. Raises OtherPruneRunsError, and DatabaseError in an outage.
    """
    given = limits_from_settings() if limits is None else limits
    with _only_one():
        progress = Progress(
            now=_database_now(),
            dry_run=dry_run,
            must_stop=must_stop,
            tell=tell,
            deadline=None if max_seconds is None else time.monotonic() + max_seconds,
        )
        is_finished = True
        try:
            _prune_all([kind for kind in KINDS if kind in kinds], given, progress)
        except StoppedError:
            is_finished = False
        pruned = Pruned(tuple(progress.tallies.values()), tuple(progress.failures), is_finished, dry_run)
        if not dry_run:
            _record(pruned, actor)
    return pruned


def _prune_all(kinds: Sequence[str], limits: Mapping[str, Limit], progress: Progress) -> None:
    rules = Rules()
    if "tasks" in kinds:
        make_task_rules(rules, limits.get("tasks", Limit()), progress)
    if "steps" in kinds:
        make_step_rules(rules, limits.get("steps", Limit()), progress)
    for kind in (each for each in GROUPS if each in kinds):
        make_artifact_rule(kind, rules, limits.get(kind, Limit()), progress)
    for kind in kinds:
        progress.check()
        _prune_kind(kind, rules, limits, progress)


def _prune_kind(kind: str, rules: Rules, limits: Mapping[str, Limit], progress: Progress) -> None:
    limit = limits.get(kind, Limit())
    if kind == "tasks":
        prune_tasks(rules, progress)
    elif kind == "steps":
        prune_steps(rules, progress)
    elif kind in GROUPS:
        prune_artifacts(kind, rules, progress)
        if kind == "logs":
            prune_log_files(limit, progress)
    elif kind == "uploads":
        prune_uploads(progress)
    elif kind == "orphans":
        if limit.age is not None:
            prune_orphans(limit.age, rules, progress)
    else:
        prune_records(kind, limits, progress)
    if (path := settings.HOUSEKEEPING_ELSEWHERE.get(kind)) is not None:
        rule, prune_there = path[0], import_string(path[1])
        progress.count(progress.tally(kind, rule), rows=prune_there(dry_run=progress.dry_run))


@contextmanager
def _only_one() -> Iterator[None]:
    """One prune of this database at a time, on whatever host. The lock goes with its connection."""
    if not select("SELECT pg_try_advisory_lock(%(key)s)", {"key": _ADVISORY_LOCK})[0][0]:
        raise OtherPruneRunsError("Another prune of this database runs: wait for its end.")
    try:
        yield
    finally:
        try:
            select("SELECT pg_advisory_unlock(%(key)s)", {"key": _ADVISORY_LOCK})
        except DatabaseError:
            connection.close()  # and with it the lock


def _database_now() -> datetime:
    now: datetime = select("SELECT clock_timestamp()", {})[0][0]
    return now


def _record(pruned: Pruned, actor: str) -> None:
    """For people: what was done, and whether all of it could be."""
    data = {f"{each.kind} ({each.rule})": amounts(each) for each in pruned.tallies if each.rows or each.files}
    target = (
        "what was over its time" if data else "nothing: all is within its limits" if pruned.is_finished else "nothing"
    )
    if not pruned.is_finished:
        data["stopped"] = "before its end; the next one goes on"
    if pruned.failures:
        data["not done"] = f"{len(pruned.failures)}, first: {pruned.failures[0]}"
    record_audit(actor=actor, act="housekeeping.prune", target=target, data=data)
    total = pruned.totals
    logger.info(
        "housekeeping ended",
        extra={"rows": total.rows, "files": total.files, "bytes": total.bytes, "finished": pruned.is_finished},
    )
