"""The list of automations with how their last runs went."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.urls import reverse

from inference.admin.durations import RUNS_LOOKED_AT
from inference.admin.queue_pause import PAUSED
from inference.admin.wording import STATE_WORDS, Moment, Pill, ago, counted
from inference.models import Automation, QueuePause

PAGE_SIZE = 100
DOTS = 16
# So many failures in a row, newest first, are "failing".
FAILING_IN_A_ROW = 3

_RUNS = f"""
SELECT a.id, v.number, v.step_count, v.created_at, r.statuses, r.newest
FROM unnest(%s::bigint[]) AS a(id)
LEFT JOIN LATERAL (
    SELECT number, step_count, created_at FROM inference_automationversion
    WHERE automation_id = a.id ORDER BY number DESC LIMIT 1
) v ON true
CROSS JOIN LATERAL (
    SELECT array_agg(n.state ORDER BY n.created_at DESC, n.id DESC) AS statuses, max(n.created_at) AS newest
    FROM (SELECT id, created_at, CASE WHEN outcome_unknown AND review IS NULL THEN 'review' ELSE status END AS state
          FROM inference_task t WHERE t.automation_id = a.id
          ORDER BY t.created_at DESC, t.id DESC LIMIT {RUNS_LOOKED_AT}) n
) r
"""  # noqa: S608 - only a constant of this module is put in


@dataclass(frozen=True)
class Runs:
    """The newest version and the states of the last runs, newest first."""

    version: int
    step_count: int
    published_at: datetime | None
    states: tuple[str, ...]
    newest: datetime | None

    @property
    def ended(self) -> list[str]:
        return [state for state in self.states if state in ("success", "failed", "killed", "review")]

    @property
    def success(self) -> str:
        """`97 %` of the last runs that ended by themselves; "" for none."""
        ended = self.ended
        if not ended:
            return ""
        share = 100 * ended.count("success") / len(ended)
        return f"{share:.0f} %" if share in (0.0, 100.0) or len(ended) < 20 else f"{share:.1f} %"

    @property
    def is_failing(self) -> bool:
        newest = self.ended[:FAILING_IN_A_ROW]
        return len(newest) == FAILING_IN_A_ROW and all(state in ("failed", "killed") for state in newest)


@dataclass(frozen=True)
class Dot:
    x: int
    state: str


@dataclass(frozen=True)
class AutomationRow:
    name: str
    link: str
    is_active: bool
    description: str
    version: str
    steps: str
    dots: tuple[Dot, ...]
    dots_width: int
    dots_label: str
    success: str
    pill: Pill | None
    last_run: Moment | None
    runs_link: str


def read_runs(automation_ids: list[int]) -> dict[int, Runs]:
    """One query for all of them."""
    with connection.cursor() as cursor:
        cursor.execute(_RUNS, [automation_ids])
        return {
            automation_id: Runs(number or 0, steps or 0, published, tuple(states or ()), newest)
            for automation_id, number, steps, published, states, newest in cursor.fetchall()
        }


def automation_rows(automations: list[Automation], now: datetime) -> list[AutomationRow]:
    runs = read_runs([each.pk for each in automations])
    paused = set(
        QueuePause.objects.filter(automation__in=automations, login="").values_list("automation_id", flat=True)
    )
    return [_row(each, runs[each.pk], now, is_paused=each.pk in paused) for each in automations]


def health_pill(automation: Automation, runs: Runs, *, is_paused: bool) -> Pill | None:
    if not automation.is_active:
        return Pill("cancelled", "Inactive")
    if is_paused:
        return PAUSED
    if runs.is_failing:
        return Pill("failed", "Failing")
    return None


def dots(states: tuple[str, ...]) -> tuple[tuple[Dot, ...], int, str]:
    """The last runs, oldest left, as circles; their width; and the same in words."""
    shown = states[:DOTS][::-1]
    drawn = tuple(Dot(5 + 10 * position, state) for position, state in enumerate(shown))
    words = ", ".join(
        f"{shown.count(state)} {STATE_WORDS[state].lower()}" for state in STATE_WORDS if shown.count(state)
    )
    return drawn, 10 * max(1, len(shown)), f"Last {counted(len(shown), 'run')}: {words}" if shown else "No runs yet"


def _row(automation: Automation, runs: Runs, now: datetime, *, is_paused: bool) -> AutomationRow:
    drawn, width, label = dots(runs.states)
    return AutomationRow(
        name=automation.endpoint_name,
        link=reverse("admin:inference_automation_change", args=(automation.pk,)),
        is_active=automation.is_active,
        description=automation.description,
        version=f"v{runs.version}" if runs.version else "no version",
        steps=counted(runs.step_count, "step"),
        dots=drawn,
        dots_width=width,
        dots_label=label,
        success=runs.success,
        pill=health_pill(automation, runs, is_paused=is_paused),
        last_run=ago(runs.newest, now) if runs.newest else None,
        runs_link=f"{reverse('admin:inference_task_changelist')}?automation={automation.pk}",
    )


def list_answer(rows: list[AutomationRow]) -> str:
    active = [row for row in rows if row.is_active]
    failing = sum(row.pill is not None and row.pill.state == "failed" for row in active)
    if not rows:
        return "No automation yet"
    sentence = counted(len(active), "automation")
    if failing:
        return f"{sentence}, {failing} {'is' if failing == 1 else 'are'} failing"
    return sentence


def summary(runs: Runs) -> dict[str, Any]:
    return {"success": runs.success, "count": len(runs.ended)}
