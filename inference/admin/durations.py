"""How long an automation usually takes, from its last good runs."""

from collections.abc import Collection
from dataclasses import dataclass

from django.core.cache import cache
from django.db import connection

# Of the newest runs this many are looked at; the good ones among them count.
RUNS_LOOKED_AT = 200
_CACHE_SECONDS = 60
_KEY = "inference.admin.durations.{}"

_USUAL = f"""
SELECT a.id, count(r.seconds),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.seconds),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY r.seconds)
FROM unnest(%s::bigint[]) AS a(id)
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM n.completed_at - n.started_at)::float8 AS seconds
    FROM (SELECT status, started_at, completed_at FROM inference_task t WHERE t.automation_id = a.id
          ORDER BY t.created_at DESC, t.id DESC LIMIT {RUNS_LOOKED_AT}) n
    WHERE n.status = 'success' AND n.started_at IS NOT NULL
) r
GROUP BY a.id
"""  # noqa: S608 - only a constant of this module is put in


@dataclass(frozen=True)
class Usual:
    """Seconds of the good ones among the last runs. `runs` is how many they were."""

    runs: int
    median: float
    slow: float  # the 95th percentile


@dataclass(frozen=True)
class Bar:
    """A duration drawn on the scale of its automation; widths in percent, as SVG takes them."""

    width: str
    tick: str
    state: str
    label: str


def usual_durations(automation_ids: Collection[int]) -> dict[int, Usual]:
    """For each automation that has a good run among its last ones. Kept for a minute; one query for the rest."""
    names = {automation_id: _KEY.format(automation_id) for automation_id in set(automation_ids)}
    known = cache.get_many(names.values())
    missing = [automation_id for automation_id, name in names.items() if name not in known]
    if missing:
        found = dict.fromkeys(missing) | _read(missing)
        cache.set_many({names[automation_id]: usual or "" for automation_id, usual in found.items()}, _CACHE_SECONDS)
        known |= {names[automation_id]: usual for automation_id, usual in found.items()}
    return {automation_id: known[name] for automation_id, name in names.items() if known.get(name)}


def bar(seconds: float, usual: Usual | None, *, state: str) -> Bar:
    """Full width is the slow end of the usual, or the duration itself when it is longer or nothing is known."""
    scale = max(usual.slow if usual else 0.0, seconds, 0.001)
    width = f"{max(1.0, 100 * seconds / scale):.1f}%"
    if usual is None or usual.runs < 3:
        return Bar(width, "", state, "")
    return Bar(width, f"{min(99.0, 100 * usual.median / scale):.1f}%", state, f"usually {usual.median:.0f} s")


def _read(automation_ids: list[int]) -> dict[int, Usual]:
    with connection.cursor() as cursor:
        cursor.execute(_USUAL, [automation_ids])
        return {
            automation_id: Usual(runs, median, slow) for automation_id, runs, median, slow in cursor.fetchall() if runs
        }
