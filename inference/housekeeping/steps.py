"""The timelines of tasks that stay: their steps, and what their pages wrote, asked and showed meanwhile.

Inputs, output, attempts, commit points, changes of the status and what people decided stay with the task.
"""

import json
from datetime import datetime
from typing import Any

from django.db import connection

from inference.housekeeping.batches import TASKS_AT_A_TIME, number, row_bytes, short_transaction, tried
from inference.housekeeping.limits import Limit
from inference.housekeeping.progress import Progress
from inference.housekeeping.rules import MAY_LOSE, Rules
from inference.housekeeping.tasks import newest_that_goes, walk
from inference.models import Step, TaskEvent

# Events that tell of the task stay; all others are of its steps and pages.
_OF_STEPS = "kind NOT IN ('status', 'review', 'person', 'cancel_requested', 'housekeeping')"
_HAS_STEPS = "EXISTS (SELECT FROM inference_step s WHERE s.task_id = t.id)"
_WORDS = {
    "age": "The steps were removed: they are kept for a limited time.",
    "size": "The steps were removed to make room: the oldest go first.",
}


def make_step_rules(rules: Rules, limit: Limit, progress: Progress) -> None:
    """By age, and of what that leaves by size."""
    if limit.age is not None:
        rules.steps.before = progress.now - limit.age
    if limit.total_bytes is not None:
        goes_anyway = f"({rules.task_goes} OR ({MAY_LOSE} AND {rules.steps.by_age('t.completed_at')}))"
        # Only what goes when the steps go; else the limit could never be met.
        weight = (
            f"COALESCE((SELECT sum({row_bytes(Step, 's')}) FROM inference_step s WHERE s.task_id = t.id), 0)"  # noqa: S608 - names of our own tables
            f" + COALESCE((SELECT sum({row_bytes(TaskEvent, 'e')}) FROM inference_taskevent e"
            f" WHERE e.task_id = t.id AND e.{_OF_STEPS}), 0)"
        )
        rules.steps.upto = newest_that_goes(
            limit.total_bytes,
            weight=weight,
            may_go=f"{MAY_LOSE} AND {_HAS_STEPS}",
            goes_anyway=goes_anyway,
            rules=rules,
            progress=progress,
        )


def prune_steps(rules: Rules, progress: Progress) -> None:
    too_old = rules.steps.by_age("t.completed_at")
    stays = f"{MAY_LOSE} AND {_HAS_STEPS} AND NOT {rules.task_goes}"
    if rules.steps.before is not None:
        _prune("age", f"{stays} AND {too_old}", rules.steps.before, rules, progress)
    if rules.steps.upto is not None:
        condition = f"{stays} AND {rules.steps.by_size('t')} AND NOT {too_old}"
        _prune("size", condition, None, rules, progress)


def _prune(rule: str, condition: str, before: datetime | None, rules: Rules, progress: Progress) -> None:
    tally = progress.tally("steps", rule)
    for batch in walk(condition, rules, progress, created_before=before, at_a_time=TASKS_AT_A_TIME):
        ids = [row[1] for row in batch]

        def remove(ids: list[Any] = ids) -> int:
            return _count(ids) if progress.dry_run else _remove(ids, rule)

        progress.count(tally, rows=tried("steps", remove, failures=progress.failures) or 0)


def _count(ids: list[Any]) -> int:
    return sum(
        number(f"SELECT count(*) FROM {rows}", {"ids": ids})  # noqa: S608 - from here
        for rows in (
            "inference_step WHERE task_id = ANY(%(ids)s)",
            f"inference_taskevent WHERE task_id = ANY(%(ids)s) AND {_OF_STEPS}",
        )
    )


def _remove(ids: list[Any], rule: str) -> int:
    """Rows that went. These tasks have ended for good, so no lock is needed: nobody adds steps to them."""
    with short_transaction(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM inference_step WHERE task_id = ANY(%s)", [ids])
        rows: int = cursor.rowcount
        cursor.execute(f"DELETE FROM inference_taskevent WHERE task_id = ANY(%s) AND {_OF_STEPS}", [ids])  # noqa: S608 - from here
        rows += cursor.rowcount
        # Why there are none, for those who look for them.
        cursor.execute(
            "INSERT INTO inference_taskevent (task_id, at, kind, cause, data)"
            " SELECT id, statement_timestamp(), 'housekeeping', '{\"kind\": \"housekeeping\"}', %s::jsonb"
            " FROM unnest(%s::uuid[]) AS id",
            [json.dumps({"text": _WORDS[rule]}), ids],
        )
    return rows
