"""What the API reads of tasks is found by indexes, whatever is asked for and however many tasks there are.

The tables hold some 20,000 rows each, so that PostgreSQL has a choice, and makes it by its statistics: nothing is
switched off. Every statement that the routes make is explained with the values that it had.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test import Client

from inference.models import ApiKey, Artifact, Attempt, Step, Task, TaskEvent
from inference.queries import ListPosition, TaskFilter, list_ended_tasks, list_tasks
from inference.serializers import task_summaries
from inference.services.following import _events_after
from tests.empty_database import empty_database
from tests.factories import make_automation, make_key

COUNT = 20_000
LARGE = {each._meta.db_table for each in (Task, TaskEvent, Step, Artifact, Attempt)}
# A twentieth of a table.
MOST_SORTED = COUNT // 20
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LIST_INDEXES = (
    *("task_newest_first", "task_newest_first_by_status", "task_newest_by_automation", "task_newest_by_dedup_key"),
    *("task_by_automation_and_status", "task_in_order_of_end", "task_ends_by_status", "task_ends_by_automation"),
)
Plan = dict[str, Any]
# Around each test; what the module has loaded is committed before.
pytestmark = pytest.mark.django_db

LOAD_TASKS = """
    INSERT INTO inference_task (id, automation_id, version_id, endpoint_name, api_key_id, dedup_key, dedup_hash,
        input_parameters, secure_parameters, unique_parameter_names, max_timeout_in_minutes, is_dedicated, use_proxy,
        max_retries, retry_count, status, outcome_unknown, lease_token, held_slots, output_data, for_loop_status, notes,
        created_at, available_at, allocated_at, started_at, completed_at, sharer, is_delayed)
    SELECT gen_random_uuid(), v.automation_id, v.id, a.endpoint_name, %(key)s, d.key,
        encode(sha256(d.key::bytea), 'hex'), '{}', '{}', '[]', 10, false, false, 0, 0, s.status,
        s.status = 'failed' AND n %% 40 = 3, 0, '{}', '[]', '[]', '', t.at, t.at,
        CASE WHEN s.status <> 'queued' THEN t.at END, CASE WHEN s.status <> 'queued' THEN t.at END,
        CASE WHEN s.status <> 'queued' THEN t.at + make_interval(secs => n * 7919 %% 300) END, '', false
    FROM generate_series(1, %(count)s) n
    CROSS JOIN LATERAL (SELECT statement_timestamp() - interval '1 hour' - n * interval '1 minute' AS at) t
    CROSS JOIN LATERAL (SELECT CASE WHEN n %% 50 = 1 THEN 'queued' WHEN n %% 100 = 7 THEN 'killed'
        WHEN n %% 10 = 3 THEN 'failed' ELSE 'success' END AS status) s
    CROSS JOIN LATERAL (SELECT CASE WHEN n %% 50 = 2 THEN 'frequent' ELSE n::text END AS key) d
    JOIN inference_automationversion v ON v.id = (%(versions)s::bigint[])[1 + n / 7 %% 5]
    JOIN inference_automation a ON a.id = v.automation_id
"""
# Three steps, events, ... of some of the tasks each.
LOAD_REST = f"""
    INSERT INTO inference_attempt (task_id, number, token, host, worker, cause)
        SELECT id, 1, 1, 'h', 'h:1:1', '' FROM inference_task;
    INSERT INTO inference_taskevent (task_id, kind, status, cause, data)
        SELECT id, 'status', status, '{{}}', '{{}}' FROM inference_task CROSS JOIN generate_series(1, 3) LIMIT {COUNT};
    INSERT INTO inference_artifact (id, task_id, attempt, kind, filename, content_type, size_bytes, sha256,
                                    storage_name)
        SELECT gen_random_uuid(), id, 1, 'download', 'a.pdf', 'application/pdf', 1, '', gen_random_uuid()::text
        FROM inference_task CROSS JOIN generate_series(1, 3) LIMIT {COUNT};
    INSERT INTO inference_step (task_id, attempt, position, path, depth, kind, label, status, url, locator, healed,
                                is_commit_point, details, duration_ms, index)
        SELECT id, 1, n, 'nodes[0]', 0, 'click', '', 'success', '', '', false, false, '{{}}', 1, n
        FROM inference_task CROSS JOIN generate_series(1, 3) n LIMIT {COUNT};
    UPDATE inference_step s SET picture_id = (SELECT id FROM inference_artifact a WHERE a.task_id = s.task_id LIMIT 1)
        WHERE position = 1;
"""  # noqa: S608 - a number of ours


Statements = list[tuple[str, Any]]


@dataclass
class History:
    """Five automations, a key for all of them, and one for two."""

    keys: dict[str, tuple[ApiKey, str]]

    def key(self, name: str) -> ApiKey:
        return self.keys[name][0]


@pytest.fixture(scope="module")
def history(django_db_setup: None, django_db_blocker: Any) -> Iterator[History]:
    """Loaded once, for it takes seconds; the tests change nothing."""
    with django_db_blocker.unblock():
        try:
            yield _load()
        finally:
            empty_database()


def _load() -> History:
    automations = [make_automation(endpoint_name=f"claims-{number}") for number in range(5)]
    versions = [each.versions.get().pk for each in automations]
    keys = {name: make_key(automations=chosen) for name, chosen in (("all", ()), ("two", automations[:2]))}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL inference.load_history = 'on'")
        cursor.execute(LOAD_TASKS, {"count": COUNT, "versions": versions, "key": keys["all"][0].pk})
        cursor.execute(LOAD_REST)
        for table in sorted(LARGE | {"inference_automation", "inference_automationversion", "inference_apikey"}):
            cursor.execute(f"ANALYZE {table}")
    return History(keys)


@contextmanager
def caught() -> Iterator[Statements]:
    """The statements that are made meanwhile, with their values."""
    statements: Statements = []

    def keep(execute: Any, sql: str, values: Any, many: bool, context: Any) -> Any:
        statements.append((sql, values))
        return execute(sql, values, many, context)

    with connection.execute_wrapper(keep):
        yield statements


def plan_of(sql: str, values: Any) -> Plan:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", values)
        (told,) = cursor.fetchone()
    plan: Plan = (told if isinstance(told, list) else json.loads(told))[0]["Plan"]
    return plan


def reads(statements: Statements) -> Statements:
    return [(sql, values) for sql, values in statements if re.match(r"\s*(SELECT|WITH)\b", sql)]


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def scans_whole_table(plan: Plan) -> list[str]:
    return [
        f"Seq Scan on {node['Relation Name']}"
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE
    ]


def sorts_much(plan: Plan) -> list[str]:
    """Sorts of more than a few pages. What several conditions leave over may be less, and then sorting it is cheaper
    than going through an order for it."""
    return [
        f"{node['Node Type']} of {part['Plan Rows']} rows"
        for node in nodes(plan)
        if "Sort" in node["Node Type"]
        for part in node["Plans"]
        if part.get("Parent Relationship") == "Outer" and part["Plan Rows"] > MOST_SORTED
    ]


def wrong_of(statements: Statements) -> list[str]:
    plans = [plan_of(sql, values) for sql, values in reads(statements)]
    return [each for plan in plans for each in scans_whole_table(plan) + sorts_much(plan)]


def lists(history: History) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each combination of conditions from its beginning and from the middle, in turns with a value that many tasks
    have, one that few have, and one that nearly all have."""
    middle, recent, old = (
        Task.objects.order_by("-created_at")[place].created_at for place in (COUNT // 2, COUNT // 100, COUNT * 9 // 10)
    )
    somewhere = ListPosition(middle, UUID(int=2**127))
    combinations = itertools.product(
        history.keys, (False, True), (None, "claims-1"), (None, "frequent"), *[(False, True)] * 4, (None, somewhere)
    )
    for number, combination in enumerate(combinations):
        key, has_status, name, dedup_key, has_after, has_before, has_review, has_end, after = combination
        wanted = TaskFilter(
            status=("success", "killed", "failed", "queued")[number // 2 % 4] if has_status else None,
            endpoint_name=name,
            dedup_key=dedup_key,
            created_after=(recent, old)[number // 2 % 2] if has_after else None,
            created_before=middle if has_before else None,
            ended_after=(old, recent, middle)[number // 2 % 3] if has_end else None,
            needs_review=number // 2 % 2 == 0 if has_review else None,
        )
        read = list_ended_tasks if has_end else list_tasks
        yield f"key of {key}, {wanted}, after {after}", partial(read, history.key(key), wanted, after=after, limit=51)


def test_every_list_is_read_from_indexes(history: History) -> None:
    wrong, looked_at = [], 0
    for told, read in lists(history):
        with caught() as statements:
            task_summaries(read())
        looked_at += len(reads(statements))
        wrong += [f"{problem}: {told}" for problem in wrong_of(statements)]
    assert looked_at > 512
    assert wrong == [], "\n".join([f"{len(wrong)}", *wrong[:40]])


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        ("task_newest_first", TaskFilter()),
        ("task_newest_first_by_status", TaskFilter(status="failed")),
        ("task_by_automation_and_status", TaskFilter(status="failed", endpoint_name="claims-1")),
        ("task_newest_by_automation", TaskFilter(endpoint_name="claims-1")),
        ("task_newest_by_dedup_key", TaskFilter(dedup_key="frequent")),
        ("task_in_order_of_end", TaskFilter(ended_after=LONG_AGO)),
        ("task_ends_by_status", TaskFilter(status="failed", ended_after=LONG_AGO)),
        ("task_ends_by_automation", TaskFilter(status="failed", endpoint_name="claims-1", ended_after=LONG_AGO)),
    ],
    ids=str,
)
def test_a_list_reads_its_own_index(history: History, index: str, wanted: TaskFilter) -> None:
    """From the first row on, however the tasks are spread. And the test above can fail: without these it does."""
    read = list_tasks if wanted.ended_after is None else list_ended_tasks
    with caught() as statements:
        read(history.key("all"), wanted, after=None, limit=51)
    used = {node.get("Index Name") for sql, values in reads(statements) for node in nodes(plan_of(sql, values))}
    assert index in used
    with transaction.atomic(), connection.cursor() as cursor:
        for each in LIST_INDEXES:
            cursor.execute(f"DROP INDEX {each}")
        with caught() as statements:
            read(history.key("all"), wanted, after=None, limit=51)
        wrong = wrong_of(statements)
        transaction.set_rollback(True)
    assert wrong


@pytest.mark.parametrize("rest", ["", "/steps", "/artifacts", "/events"])
def test_what_belongs_to_a_task_is_found_by_indexes(history: History, rest: str) -> None:
    _, key = history.keys["two"]
    for status in ("success", "failed", *(["queued"] if rest != "/events" else [])):
        tasks = Task.objects.filter(status=status, endpoint_name="claims-0")
        task = tasks.filter(steps__isnull=False, events__isnull=False, artifacts__isnull=False).first()
        assert task is not None
        with caught() as statements:
            answer = Client().get(f"/api/v1/tasks/{task.id}{rest}", headers={"x-api-key": key})
            assert b"".join(answer)
        assert answer.status_code == 200
        found = reads(statements)
        assert any("inference_task" in sql for sql, _ in found)
        assert [each for sql, values in found for each in scans_whole_table(plan_of(sql, values))] == []


def test_events_for_all_who_follow_are_found_by_indexes(history: History) -> None:
    """What the listening thread reads for the streams of a process."""
    followed = dict.fromkeys(Task.objects.values_list("id", flat=True)[:50], 0)
    with caught() as statements:
        assert _events_after(followed)
    assert [each for sql, values in reads(statements) for each in scans_whole_table(plan_of(sql, values))] == []
