"""Ended tasks are counted from the table: each once, whoever ended it, at a cost that does not grow with the table."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from inference.models import Automation, MetricCounter, Task
from inference.services.cancel import cancel_tasks
from inference.telemetry import folding
from inference.telemetry.folding import fold
from tests.factories import make_automation, make_task, make_tasks

pytestmark = pytest.mark.django_db(transaction=True)


def ended() -> dict[str, float]:
    return dict(MetricCounter.objects.filter(name="tasks_ended").values_list("labels", "value"))


@pytest.fixture
def automation(transactional_db: None) -> Automation:
    """`claims`, after counting has begun."""
    automation = make_automation(endpoint_name="claims")
    make_task(automation=automation, status="success")
    fold(max_seconds=1)
    assert ended() == {}  # what ended before is not counted
    return automation


def test_each_end_is_counted_once_by_automation_and_status(automation: Automation) -> None:
    for status in ("success", "failed", "success", "queued", "running"):
        make_task(automation=automation, status=status)
    fold(max_seconds=1)
    fold(max_seconds=1)
    make_task(automation=automation, status="success")
    fold(max_seconds=1)

    assert ended() == {'["claims", "success"]': 3.0, '["claims", "failed"]': 1.0}
    durations = MetricCounter.objects.filter(name="task_duration_seconds").exclude(part="sum")
    assert sum(durations.values_list("value", flat=True)) == 4
    assert set(durations.values_list("labels", flat=True)) == {'["claims"]'}


def test_an_end_that_commits_late_is_not_passed(automation: Automation) -> None:
    late, early = make_tasks(2, automation=automation)
    has_ended, may_commit = threading.Event(), threading.Event()

    def end_late() -> None:
        with transaction.atomic():
            cancel_tasks(Task.objects.filter(id=late.id), cause={"kind": "test"})
            has_ended.set()
            assert may_commit.wait(30)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(end_late)
        assert has_ended.wait(30)
        cancel_tasks(Task.objects.filter(id=early.id), cause={"kind": "test"})
        fold(max_seconds=1)
        assert ended() == {}  # not before what may still come
        may_commit.set()
        done.result(30)
    fold(max_seconds=1)

    assert ended() == {'["claims", "cancelled"]': 2.0}


def test_many_ends_are_counted_in_batches_by_whoever_comes(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "ENDS_AT_A_TIME", 7)
    tasks = make_tasks(40, automation=automation)
    cancel_tasks(Task.objects.filter(id__in=[task.id for task in tasks]), cause={"kind": "test"})

    def count(_: int) -> None:
        fold(max_seconds=10)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(8)))

    assert ended() == {'["claims", "cancelled"]': 40.0}


def test_no_time_leaves_the_rest_for_the_next_one(automation: Automation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "ENDS_AT_A_TIME", 7)
    tasks = make_tasks(20, automation=automation)
    cancel_tasks(Task.objects.filter(id__in=[task.id for task in tasks]), cause={"kind": "test"})
    seen = []
    for _ in range(3):
        fold(max_seconds=0)
        seen.append(ended()['["claims", "cancelled"]'])

    assert seen == [7.0, 14.0, 20.0]


def test_a_scrape_reads_ended_tasks_through_the_index_of_their_ends(automation: Automation) -> None:
    """However large the table: no plan may read all of it."""
    make_tasks(3, automation=automation)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL inference.load_history = 'on'")
        cursor.execute(
            """
            INSERT INTO inference_task (id, automation_id, version_id, endpoint_name, input_parameters,
                secure_parameters, unique_parameter_names, dedup_key, dedup_hash, max_timeout_in_minutes, is_dedicated,
                use_proxy, max_retries, sharer, is_delayed, status, retry_count, outcome_unknown, lease_token,
                held_slots, output_data, for_loop_status, notes, completed_at, created_at)
            SELECT gen_random_uuid(), automation_id, version_id, endpoint_name, '{}', '{}', '[]', n::text, n::text, 10,
                false, false, 0, 'anonymous', false, 'failed', 0, false, 0, '{}', '[]', '[]', '',
                now() - make_interval(secs => n), now() - make_interval(secs => n)
            FROM generate_series(1, 20000) AS n, (SELECT * FROM inference_task LIMIT 1) AS one
            """
        )
        cursor.execute("ANALYZE inference_task")
    plans = Counter[str]()
    with connection.execute_wrapper(_explaining(plans)):
        from inference.telemetry.collector import exposition

        exposition(None)
    assert plans["looked at"] >= 4
    assert plans["Seq Scan on inference_task"] == 0


def _explaining(plans: Counter[str]):  # type: ignore[no-untyped-def]
    def run(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        if sql.lstrip().startswith("SELECT") and "FROM inference_task" in sql:
            with connection.connection.cursor() as cursor:
                cursor.execute("EXPLAIN " + sql, params)
                plan = "\n".join(row[0] for row in cursor.fetchall())
            plans["looked at"] += 1
            plans["Seq Scan on inference_task"] += "Seq Scan on inference_task" in plan
        return execute(sql, params, many, context)

    return run
