"""What `GET /metrics` answers, put together at each scrape from a few small reads of PostgreSQL.

What it costs depends on how many tasks wait and run, and on how many automations there are, never on how many tasks
have ended.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from math import inf
from typing import Any

import psutil
from django.conf import settings
from django.db import connection, transaction
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from inference.error_handler import DATABASE_AWAY
from inference.models import ApiKey, Automation
from inference.queue_state import WORKER_SEEN_SECONDS
from inference.telemetry.counters import counters
from inference.telemetry.families import FAMILIES, Family
from inference.telemetry.folding import fold
from inference.visibility import may_use

PREFIX = "optexity_"
# A scrape that finds many ends uncounted counts some of them, and the next one goes on.
FOLD_SECONDS = 1.0
_WORKER_STATES = ("idle", "busy", "starting", "unhealthy", "lost")

_QUEUE = """
    SELECT automation_id, count(*), extract(epoch FROM statement_timestamp()
        - min(available_at) FILTER (WHERE available_at <= statement_timestamp()))::double precision
    FROM inference_task WHERE status = 'queued' GROUP BY automation_id
"""
_RUNNING = """
    SELECT automation_id, count(*) FILTER (WHERE status = 'running')
    FROM inference_task WHERE status IN ('allocated', 'running') GROUP BY automation_id
"""
_WORKERS = """
    SELECT host, pid, memory_bytes,
        CASE WHEN seen_at > statement_timestamp() - make_interval(secs => %s) THEN state ELSE 'lost' END
    FROM inference_workerhost
"""
_COUNTED = """
    SELECT name, labels, part, sum(value) FROM inference_metriccounter GROUP BY name, labels, part ORDER BY 1, 2, 3
"""

# Of one family: values of its labels -> part -> value.
Samples = Mapping[tuple[str, ...], Mapping[str, float]]


def exposition(api_key: ApiKey | None) -> bytes:
    """All metrics that `api_key` may see, in Prometheus' text format 0.0.4; all of them without a key.

    With the database away only what is known without it.
    """
    registry = CollectorRegistry()
    registry.register(_Scrape(api_key))
    return generate_latest(registry)


class _Scrape:
    """One answer."""

    def __init__(self, api_key: ApiKey | None) -> None:
        self._api_key = api_key

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        try:
            from_database = list(self._from_database())
        except DATABASE_AWAY:
            from_database = []
            connection.close()
        yield _gauge(
            "database_reachable", "1 while this server reaches its database, else 0.", float(bool(from_database))
        )
        yield _gauge(
            "web_memory_bytes",
            "Resident memory of the web process that answers.",
            float(psutil.Process().memory_info().rss),
        )
        about = GaugeMetricFamily(f"{PREFIX}build_info", "The version that runs; always 1.", labels=["version"])
        about.add_metric([settings.VERSION], 1.0)
        yield about
        yield from from_database

    def _from_database(self) -> Iterator[Metric]:
        counters.flush()
        fold(max_seconds=FOLD_SECONDS)
        with transaction.atomic(), connection.cursor() as cursor:
            # Whatever the statistics say of a table that changes fast: its partial indexes are small, it is not.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(_QUEUE)
            queued = {row[0]: row[1:] for row in cursor.fetchall()}
            cursor.execute(_RUNNING)
            running = dict(cursor.fetchall())
            cursor.execute("SET LOCAL enable_seqscan = on")
            cursor.execute(_WORKERS, [WORKER_SEEN_SECONDS])
            workers = cursor.fetchall()
            cursor.execute(_COUNTED)
            counted = _by_family(cursor.fetchall())
            automations = list(
                Automation.objects.filter(may_use(self._api_key)).values_list("id", "endpoint_name", "is_active")
            )
            is_restricted = self._api_key is not None and self._api_key.automations.exists()
        names = {number: name for number, name, is_active in automations if is_active or number in {*queued, *running}}
        yield from _queue_gauges(names, queued, running)
        yield from _worker_gauges(workers)
        visible = {name for _, name, _ in automations} if is_restricted else None
        for family in FAMILIES:
            yield _counted(family, _visible(family, counted.get(family.name, {}), visible))


def _queue_gauges(
    names: Mapping[int, str], queued: Mapping[int, Sequence[Any]], running: Mapping[int, int]
) -> Iterator[Metric]:
    depth = _by_automation("queue_tasks", "Tasks that wait, by automation; pauses before a retry included.")
    oldest = _by_automation("queue_oldest_seconds", "For how long the oldest task that may start has waited; 0: none.")
    runs = _by_automation("running_tasks", "Tasks that run, by automation.")
    for number, name in sorted(names.items(), key=lambda item: item[1]):
        count, seconds = queued.get(number, (0, None))
        depth.add_metric([name], count)
        oldest.add_metric([name], seconds or 0.0)
        runs.add_metric([name], running.get(number, 0))
    yield from (depth, oldest, runs)


def _worker_gauges(workers: Sequence[Sequence[Any]]) -> Iterator[Metric]:
    states = dict.fromkeys(_WORKER_STATES, 0)
    memory = GaugeMetricFamily(
        f"{PREFIX}worker_memory_bytes", "Memory of a worker with its browser (PSS).", labels=["host", "pid"]
    )
    for host, pid, memory_bytes, state in workers:
        states[state] = states.get(state, 0) + 1
        if memory_bytes is not None and state != "lost":
            memory.add_metric([host, str(pid)], memory_bytes)
    by_state = GaugeMetricFamily(
        f"{PREFIX}workers", "Worker processes by state; lost: not seen for a minute.", labels=["state"]
    )
    for state, count in states.items():
        by_state.add_metric([state], count)
    yield from (by_state, memory)


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, help, value=value)


def _by_automation(name: str, help: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, help, labels=["automation"])


def _by_family(rows: Sequence[tuple[str, str, str, float]]) -> dict[str, Samples]:
    found: dict[str, dict[tuple[str, ...], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for name, labels, part, value in rows:
        found[name][tuple(json.loads(labels))][part] = value
    return dict(found)


def _visible(family: Family, samples: Samples, automations: Collection[str] | None) -> Samples:
    """Without those of automations that the key may not see; None: it may see all."""
    if automations is None or "automation" not in family.labels:
        return samples
    at = family.labels.index("automation")
    return {labels: parts for labels, parts in samples.items() if labels[at] in automations}


def _counted(family: Family, samples: Samples) -> Metric:
    if not family.buckets:
        counter = CounterMetricFamily(PREFIX + family.name, family.help, labels=family.labels)
        for labels, parts in samples.items():
            counter.add_metric(labels, parts[""])
        return counter
    histogram = HistogramMetricFamily(PREFIX + family.name, family.help, labels=family.labels)
    for labels, parts in samples.items() if samples or family.labels else [((), {})]:
        histogram.add_metric(labels, _cumulative(family, parts), parts.get("sum", 0.0))
    return histogram


def _cumulative(family: Family, parts: Mapping[str, float]) -> list[tuple[str, float]]:
    """Prometheus' buckets of what is stored; bounds that an older version had count in the next one above."""
    stored = [(float(part), value) for part, value in parts.items() if part != "sum"]
    bounds = [*map(float, family.buckets), inf]
    return [
        ("+Inf" if bound == inf else repr(bound), sum(value for at, value in stored if at <= bound)) for bound in bounds
    ]
