"""A whole server as monitoring sees it: lasting counters, one trace through all processes, lines for a collector."""

import json
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
import requests

from tests.acceptance.conftest import Portal, Server, wait_for
from tests.otlp import Collector

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.stop()


@pytest.fixture(scope="module")
def monitored(portal: Portal, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    from optexity_site import embedded_db

    folder = tmp_path_factory.mktemp("monitored")
    server = Server(folder, portal, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    try:
        server.prepare()
        server.start(workers=1)
        yield server
    finally:
        if server.process is not None:
            server.stop()
        embedded_db.delete(folder / "data")


def metric(server: Server, sample: str) -> float:
    """The value of one sample; 0 when there is none."""
    answer = requests.get(f"{server.url}/metrics", timeout=30)
    assert answer.status_code == 200
    found = re.search(rf"^{re.escape(sample)} (\S+)$", answer.text, re.MULTILINE)
    return float(found[1]) if found else 0.0


ENDED = 'optexity_tasks_ended_total{automation="northwind-record-effect",status="success"}'
ACCEPTED = 'optexity_submissions_total{outcome="accepted",status="202"}'
PICKED_UP = "optexity_task_pickup_seconds_count"


def test_one_trace_leads_from_the_request_to_each_step_and_the_log_has_its_task(
    monitored: Server, collector: Collector
) -> None:
    trace, parent = uuid4().hex, uuid4().hex[:16]
    answer = requests.post(
        f"{monitored.url}/api/v1/inference",
        json={"endpoint_name": "northwind-record-effect", "input_parameters": {"id": ["traced"]}},
        headers={"x-api-key": monitored.key, "traceparent": f"00-{trace}-{parent}-01", "X-Request-ID": "a-trace"},
        timeout=30,
    )
    assert answer.headers["X-Request-ID"] == "a-trace"
    task_id = answer.json()["task_id"]
    assert monitored.ended(task_id)["status"] == "success"
    steps = requests.get(
        f"{monitored.url}/api/v1/tasks/{task_id}/steps", headers={"x-api-key": monitored.key}, timeout=30
    ).json()["steps"]

    def arrived() -> bool:
        names = [span.name for span in collector.spans if span.trace_id == trace]
        return "attempt" in names and "POST /api/v1/inference" in names

    wait_for(arrived, seconds=30, what="the spans of both processes")
    # Other tests' tasks are traced, too.
    (request,) = [span for span in collector.named("POST /api/v1/inference") if span.trace_id == trace]
    (attempt,) = [span for span in collector.named("attempt") if span.trace_id == trace]
    assert (request.trace_id, request.parent_id) == (trace, parent)
    assert (attempt.trace_id, attempt.parent_id) == (trace, request.span_id)
    assert request.resource["service.instance.id"] != attempt.resource["service.instance.id"]
    kinds = [span.attributes["optexity.step.kind"] for span in collector.spans if span.parent_id == attempt.span_id]
    assert kinds == [step["kind"] for step in steps]

    lines = [json.loads(line) for line in monitored.log.read_text().splitlines() if line.startswith("{")]
    of_task = [line for line in lines if line.get("task_id") == task_id]
    assert {"attempt began", "attempt ended"} <= {line["event"] for line in of_task}
    assert {line["trace_id"] for line in of_task if line["logger"] == "executor.worker"} == {trace}
    plain = [line for line in monitored.log.read_text().splitlines() if not line.startswith("{")]
    assert all(line.startswith(("Ready", "Stop")) for line in plain), plain  # what `serve` says itself


def test_counters_go_on_where_they_were_when_the_server_was_stopped(monitored: Server) -> None:
    before = {sample: metric(monitored, sample) for sample in (ENDED, ACCEPTED, PICKED_UP)}
    for number in range(3):
        assert monitored.ended(monitored.submit_effect(f"counted-{number}"))["status"] == "success"
    assert metric(monitored, ENDED) == before[ENDED] + 3
    assert metric(monitored, ACCEPTED) == before[ACCEPTED] + 3
    last = monitored.submit_effect("the last one")
    assert monitored.ended(last)["status"] == "success"
    monitored.stop()  # at once: each process writes what it has at its end

    monitored.start(workers=1)

    for sample, value in before.items():
        wait_for(lambda s=sample, v=value: metric(monitored, s) >= v + 4, seconds=15, what=sample)  # type: ignore[misc]
        assert metric(monitored, sample) == value + 4, sample


def test_workers_and_their_memory_are_seen(monitored: Server) -> None:
    assert metric(monitored, "optexity_database_reachable") == 1
    wait_for(
        lambda: metric(monitored, 'optexity_workers{state="idle"}') == 1, seconds=30, what="the worker is seen idle"
    )

    def memory() -> list[str]:
        text = requests.get(f"{monitored.url}/metrics", timeout=30).text
        return re.findall(r"^optexity_worker_memory_bytes\{\S+\} (\S+)$", text, re.MULTILINE)

    (used,) = wait_for(memory, seconds=60, what="the worker's memory")
    assert 50e6 < float(used) < 5e9
