"""Files of tasks that stay: pictures, traces, logs, downloads. The row stays, too, and says why its file is gone."""

from collections.abc import Iterator
from typing import Any

from django.db import connection

from inference.housekeeping.batches import ROWS_AT_A_TIME, number, select, short_transaction, tried
from inference.housekeeping.limits import Limit
from inference.housekeeping.progress import Progress
from inference.housekeeping.rules import MAY_LOSE, ArtifactRule, Place, Rule, Rules
from inference.housekeeping.tasks import take_files
from inference.models import Artifact

GROUPS: dict[str, tuple[str, ...]] = {
    "pictures": (Artifact.Kind.PICTURE, Artifact.Kind.SCREENSHOT),
    "traces": (Artifact.Kind.TRACE, Artifact.Kind.HAR, Artifact.Kind.VIDEO),
    "logs": (Artifact.Kind.LOG,),
    "downloads": (Artifact.Kind.DOWNLOAD,),
}
_OF_TASKS = "inference_artifact a JOIN inference_task t ON t.id = a.task_id"


def make_artifact_rule(kind: str, rules: Rules, limit: Limit, progress: Progress) -> None:
    """By age, and of what that leaves by size: the oldest files of this kind, whosever they are."""
    one = ArtifactRule(kinds=GROUPS[kind], rule=Rule(kind))
    rules.artifacts[kind] = one
    if limit.age is not None:
        one.rule.before = progress.now - limit.age
    if limit.total_bytes is not None:
        one.rule.upto = _newest_that_goes(limit.total_bytes, one, rules, progress)


def _newest_that_goes(limit_bytes: int, one: ArtifactRule, rules: Rules, progress: Progress) -> Place | None:
    # Nearly always the end of it: the index alone answers.
    most = number(f"SELECT sum(a.size_bytes) FROM inference_artifact a WHERE {_of_kind(one)}", rules.parameters)  # noqa: S608 - conditions of ours
    if most <= limit_bytes:
        return None
    stays = f"{_of_kind(one)} AND NOT {rules.task_goes}"
    too_old = f"({MAY_LOSE} AND {one.rule.by_age('a.created_at')})"
    total = number(
        f"SELECT sum(a.size_bytes) FROM {_OF_TASKS} WHERE {stays} AND NOT {too_old}",  # noqa: S608 - conditions of ours
        rules.parameters,
    )
    too_much, newest = total - limit_bytes, None
    for batch in _walk(f"{stays} AND {MAY_LOSE} AND NOT {too_old}", rules, progress) if too_much > 0 else ():
        for created_at, artifact_id, _, size_bytes in batch:
            if too_much <= 0:
                return newest
            too_much -= size_bytes
            newest = Place(created_at, artifact_id)
    return newest


def prune_artifacts(kind: str, rules: Rules, progress: Progress) -> None:
    one = rules.artifacts[kind]
    stays = f"{_of_kind(one)} AND {MAY_LOSE} AND NOT {rules.task_goes}"
    too_old = one.rule.by_age("a.created_at")
    if one.rule.before is not None:
        _prune(kind, "age", f"{stays} AND {too_old}", rules, progress)
    if one.rule.upto is not None:
        _prune(kind, "size", f"{stays} AND {one.rule.by_size('a')} AND NOT {too_old}", rules, progress)


def _of_kind(one: ArtifactRule) -> str:
    return f"a.removed_at IS NULL AND a.kind = ANY(%({one.rule.name}_kinds)s)"


def _walk(condition: str, rules: Rules, progress: Progress) -> Iterator[list[tuple[Any, ...]]]:
    """`created_at, id, storage_name, size_bytes` of files from the oldest on, in lists."""
    after: tuple[Any, Any] | None = None
    while True:
        progress.check()
        batch = select(
            f"SELECT a.created_at, a.id, a.storage_name, a.size_bytes FROM {_OF_TASKS} WHERE {condition}"  # noqa: S608 - conditions of ours
            + (" AND (a.created_at, a.id) > (%(after_at)s, %(after_id)s)" if after else "")
            + " ORDER BY a.created_at, a.id LIMIT %(at_a_time)s",
            rules.parameters
            | {"at_a_time": ROWS_AT_A_TIME}
            | ({"after_at": after[0], "after_id": after[1]} if after else {}),
        )
        if not batch:
            return
        yield batch
        after = batch[-1][0], batch[-1][1]


def _prune(kind: str, rule: str, condition: str, rules: Rules, progress: Progress) -> None:
    tally = progress.tally(kind, rule)
    for batch in _walk(condition, rules, progress):

        def remove(batch: list[tuple[Any, ...]] = batch) -> tuple[int, int, int]:
            return _remove(batch, rule, progress)

        done = tried(kind, remove, failures=progress.failures)
        if done is not None:
            progress.count(tally, rows=done[0], files=done[1], size_bytes=done[2])


def _remove(batch: list[tuple[Any, ...]], rule: str, progress: Progress) -> tuple[int, int, int]:
    """Rows, files and bytes. The files first: that makes room before anything is written, and a row whose file has
    gone is found again by this rule."""
    stuck: set[str] = set()
    count, size_bytes = take_files([(row[2], row[3]) for row in batch], progress, stuck=stuck)
    ids = [row[1] for row in batch if row[2] not in stuck]
    if not progress.dry_run:
        mark_removed(ids, rule)
    return len(ids), count, size_bytes


def mark_removed(ids: list[Any], removal: str) -> None:
    with short_transaction(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_artifact SET removed_at = statement_timestamp(), removal = %s"
            " WHERE id = ANY(%s) AND removed_at IS NULL",
            [removal, ids],
        )
