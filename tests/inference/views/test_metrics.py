"""GET /metrics: who may ask, and what it says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from prometheus_client.parser import text_string_to_metric_families

from inference.models import Automation, Scope
from inference.telemetry import collector
from inference.telemetry.counters import counters
from inference.telemetry.families import BROWSER_RESTARTS, PICKUP, STEP_FAILURES
from inference.telemetry.folding import fold
from tests.factories import make_automation, make_key, make_task, make_worker_host
from tests.inference.conftest import ApiClient, a_body, assert_error

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _nothing_counted(transactional_db: None) -> Iterator[None]:
    counters.begin()
    fold(max_seconds=1)
    yield
    counters.begin()


@pytest.fixture
def local(api: ApiClient) -> ApiClient:
    return api.with_key("")


def samples(api: ApiClient) -> dict[str, float]:
    """What it says, by `name{label="value"}`."""
    answer = api.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


# --- who ---------------------------------------------------------------------------------------------------------


def test_programs_on_this_machine_need_no_key_and_nothing_that_was_forwarded_counts_as_one(local: ApiClient) -> None:
    assert local.get("/metrics").status_code == 200
    for header in ("X-Forwarded-For", "Forwarded", "X-Forwarded-Proto"):
        assert_error(local.get("/metrics", headers={header: "127.0.0.1"}), 401)


def test_a_key_needs_the_read_scope_and_one_that_is_sent_is_looked_at(local: ApiClient) -> None:
    _, submit_only = make_key(scopes=[Scope.SUBMIT])
    _, reader = make_key(scopes=[Scope.READ])
    far = {"X-Forwarded-For": "192.0.2.1"}

    assert_error(local.with_key(submit_only).get("/metrics"), 403)
    assert_error(local.with_key("nonsense").get("/metrics"), 401)
    assert local.with_key(reader).get("/metrics", headers=far).status_code == 200


def test_a_host_name_that_is_not_ours_is_refused(local: ApiClient) -> None:
    assert_error(local.get("/metrics", headers={"Host": "rebound.example"}), 400)


def test_a_key_for_some_automations_sees_no_name_of_another(api: ApiClient, automation: Automation) -> None:
    hidden = make_automation(endpoint_name="hidden-one")
    _, text = make_key(automations=[automation])
    for each in (automation, hidden):
        for status in ("queued", "running", "success", "failed"):
            make_task(automation=each, status=status)

    assert "hidden-one" in api.get("/metrics").text
    seen = api.with_key(text).get("/metrics").text
    assert "hidden-one" not in seen
    assert 'optexity_tasks_ended_total{automation="claims",status="success"} 1.0' in seen
    assert 'optexity_queue_tasks{automation="claims"} 1.0' in seen


# --- what --------------------------------------------------------------------------------------------------------


def test_submissions_are_counted_by_outcome_and_status(api: ApiClient) -> None:
    same = a_body(unique_parameter_names=["payer"])
    for body in (a_body(), a_body(), same, same, a_body(priority="5"), a_body(endpoint_name="unknown")):
        api.submit(body)
    api.with_key("nonsense").submit(a_body())
    api.post("/api/v1/inference/batch", json={"items": [a_body(), same, a_body(input_parameters={})]})
    api.post("/api/v1/inference/batch", json={"items": []})
    api.get("/api/v1/inference")

    found = {name: value for name, value in samples(api).items() if name.startswith("optexity_submissions_total")}
    assert found == {
        'optexity_submissions_total{outcome="accepted",status="202"}': 4,
        'optexity_submissions_total{outcome="duplicate",status="202"}': 2,
        'optexity_submissions_total{outcome="refused",status="400"}': 3,
        'optexity_submissions_total{outcome="refused",status="401"}': 1,
        'optexity_submissions_total{outcome="refused",status="404"}': 1,
    }


def test_a_submission_is_not_slowed_down_by_counting(api: ApiClient) -> None:
    """Not one statement: what is counted is written later."""
    statements = []

    def note(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        statements.append(sql)
        return execute(sql, params, many, context)

    from django.test import Client

    with connection.execute_wrapper(note):
        response = Client().post(
            "/api/v1/inference", json.dumps(a_body()), content_type="application/json", headers={"x-api-key": api.key}
        )
    assert response.status_code == 202
    assert statements
    assert not [sql for sql in statements if "metric" in sql]


def test_the_queue_and_what_runs_by_automation(api: ApiClient, automation: Automation) -> None:
    make_automation(endpoint_name="idle")
    for status in ("queued", "queued", "queued", "running", "allocated", "success"):
        make_task(automation=automation, status=status)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_task SET available_at = statement_timestamp() - interval '90 s'"
            " WHERE id = (SELECT id FROM inference_task WHERE status = 'queued' ORDER BY id LIMIT 1)"
        )

    found = samples(api)
    assert found['optexity_queue_tasks{automation="claims"}'] == 3
    assert 90 <= found['optexity_queue_oldest_seconds{automation="claims"}'] < 150
    assert found['optexity_running_tasks{automation="claims"}'] == 1
    for name in ("queue_tasks", "queue_oldest_seconds", "running_tasks"):
        assert found[f'optexity_{name}{{automation="idle"}}'] == 0


def test_workers_by_state_with_their_memory(api: ApiClient) -> None:
    make_worker_host(state="idle", host="north", pid=7, memory_bytes=123)
    make_worker_host(state="busy", host="north", pid=8)
    make_worker_host(state="unhealthy")
    make_worker_host(state="idle", seconds_ago=61, memory_bytes=5, pid=9)

    found = samples(api)
    states = {state: found[f'optexity_workers{{state="{state}"}}'] for state in ("idle", "busy", "unhealthy", "lost")}
    assert states == {"idle": 1, "busy": 1, "unhealthy": 1, "lost": 1}
    memory = {name: value for name, value in found.items() if name.startswith("optexity_worker_memory_bytes")}
    assert memory == {'optexity_worker_memory_bytes{host="north",pid="7"}': 123}


def test_histograms_are_cumulative(api: ApiClient) -> None:
    for seconds in (0.02, 0.02, 100_000):
        counters.observe(PICKUP, seconds)

    found = samples(api)
    assert found['optexity_task_pickup_seconds_bucket{le="0.01"}'] == 0
    assert found['optexity_task_pickup_seconds_bucket{le="0.025"}'] == 2
    assert found['optexity_task_pickup_seconds_bucket{le="7200.0"}'] == 2
    assert found['optexity_task_pickup_seconds_bucket{le="+Inf"}'] == 3
    assert found["optexity_task_pickup_seconds_count"] == 3
    assert found["optexity_task_pickup_seconds_sum"] == pytest.approx(100_000.04)


def test_without_its_database_it_says_so(local: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: object) -> None:
        raise OperationalError("away")

    assert samples(local)["optexity_database_reachable"] == 1
    monkeypatch.setattr(collector, "fold", away)
    found = samples(local)
    assert found["optexity_database_reachable"] == 0
    assert found["optexity_web_memory_bytes"] > 1_000_000
    assert not [name for name in found if name.startswith("optexity_workers")]


# --- what is built on it -----------------------------------------------------------------------------------------


def known_names(api: ApiClient, automation: Automation) -> set[str]:
    """The name of every sample, once everything has happened."""
    for status in ("queued", "running", "success", "failed"):
        make_task(automation=automation, status=status)
    make_worker_host(memory_bytes=1)
    counters.observe(PICKUP, 1.0)
    counters.count(STEP_FAILURES, "click_element")
    counters.count(BROWSER_RESTARTS, "crashed")
    api.submit(a_body())
    return {name.partition("{")[0] for name in samples(api)}


def test_dashboard_and_alerts_use_metrics_that_there_are(api: ApiClient, automation: Automation) -> None:
    known = known_names(api, automation)
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
    on_dashboard = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    alerts = re.findall(r"^ +expr: (.+)$", (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(), re.MULTILINE)

    assert len(on_dashboard) >= 10
    assert len(alerts) >= 6
    for expression in (*on_dashboard, *alerts):
        used = set(re.findall(r"\boptexity_\w+", expression))
        assert used, expression
        assert used <= known, expression
    # And each metric is shown, or there would be no need to count it.
    bare = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in known if name.startswith("optexity_")}
    shown = " ".join(on_dashboard)
    assert [name for name in sorted(bare) if name not in shown] == []


def test_every_metric_is_in_the_manual(api: ApiClient, automation: Automation) -> None:
    manual = (ROOT / "docs" / "operations.md").read_text()
    names = {re.sub(r"_(bucket|count|sum)$", "", name) for name in known_names(api, automation)}
    assert [name for name in sorted(names) if f"`{name}" not in manual] == []
