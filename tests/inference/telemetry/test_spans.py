"""Traces of submissions: over a real socket to a collector that decodes them, and none where nobody asked for any."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.models import Automation, Task
from inference.telemetry import spans
from optexity_site.trace_settings import read_collector, read_headers
from tests.factories import make_task
from tests.inference.conftest import ApiClient, a_body, assert_error
from tests.otlp import Collector

ROOT = Path(__file__).resolve().parents[3]
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"
CANARY = "kanarienvogel"


@pytest.fixture
def collector(settings: Any) -> Iterator[Collector]:
    collector = Collector()
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url + "/"
    settings.OTEL_EXPORTER_OTLP_HEADERS = "x-token=a%20b"
    yield collector
    spans.finish()
    collector.stop()


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (SENT, SENT),
        (f" {SENT} ", SENT),
        (f"cc-{TRACE}-{SPAN}-01-what-will-be", SENT),
        (SENT.upper(), None),
        (f"{SENT}-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"{SENT},{SENT}", None),
        ("", None),
        (f"cc-{TRACE}-{SPAN}-01-" + "x" * 1000, None),
    ],
)
def test_only_a_traceparent_that_is_one_is_kept(header: str, kept: str | None) -> None:
    assert spans.read_traceparent(header) == kept


def test_without_a_collector_a_sent_trace_is_kept_for_workers_that_have_one(api: ApiClient) -> None:
    api.submit(a_body(), headers={"traceparent": SENT})
    api.submit(a_body(), headers={"traceparent": CANARY})
    api.submit(a_body())

    assert list(Task.objects.order_by("id").values_list("traceparent", flat=True)) == [SENT, None, None]


def test_a_submission_goes_on_with_the_trace_of_its_client(collector: Collector, api: ApiClient) -> None:
    body = a_body(input_parameters={"patient_id": [CANARY], "payer": [CANARY]})
    response = api.post(f"/api/v1/inference?note={CANARY}", json=body, headers={"traceparent": SENT})
    spans.finish()

    assert response.status_code == 202
    (span,) = collector.spans
    assert (span.name, span.trace_id, span.parent_id) == ("POST /api/v1/inference", TRACE, SPAN)
    assert Task.objects.get().traceparent == f"00-{TRACE}-{span.span_id}-01"
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/api/v1/inference",
        "http.response.status_code": 202,
    }
    assert span.resource["service.name"] == "optexity"
    assert not span.is_error
    assert CANARY.encode() not in collector.raw
    assert api.key.encode() not in collector.raw
    assert {headers["x-token"] for headers in collector.headers} == {"a b"}


def test_a_batch_is_one_request_and_each_submission_without_a_trace_begins_one(
    collector: Collector, api: ApiClient
) -> None:
    api.post("/api/v1/inference/batch", json={"items": [a_body(), a_body()]})
    api.submit(a_body())
    spans.finish()

    batch, single = collector.spans
    traces = [str(task.traceparent)[3:35] for task in Task.objects.order_by("id")]
    assert traces == [batch.trace_id, batch.trace_id, single.trace_id]
    assert batch.trace_id != single.trace_id
    assert batch.parent_id == single.parent_id == ""


def test_a_task_that_is_run_again_begins_a_trace_of_its_own(
    collector: Collector, api: ApiClient, automation: Automation
) -> None:
    ended = make_task(automation=automation, status="failed", traceparent=SENT)
    assert api.post(f"/api/v1/tasks/{ended.id}/retry").status_code == 202
    spans.finish()

    (span,) = collector.spans
    again = Task.objects.get(previous_task=ended)
    assert span.name == "submit"
    assert str(again.traceparent).startswith(f"00-{span.trace_id}-{span.span_id}-0")
    assert span.trace_id != TRACE


def test_what_the_client_does_not_sample_is_not_sent_and_stays_so(collector: Collector, api: ApiClient) -> None:
    api.submit(a_body(), headers={"traceparent": SENT[:-2] + "00"})
    traceparent = str(Task.objects.get().traceparent)
    with spans.attempt(traceparent, task_id="t", automation="a", number=1, waited_seconds=0) as traced:
        traced.add("click_element", seconds=0, failed=False, attributes={})
    spans.finish()

    assert (traceparent[3:35], traceparent[-2:]) == (TRACE, "00")
    assert collector.spans == []


def test_a_failed_part_is_marked_without_a_message(collector: Collector) -> None:
    def fail() -> None:
        with spans.attempt(SENT, task_id="t", automation="a", number=2, waited_seconds=1.5) as traced:
            traced.add("click_element", seconds=0.25, failed=True, attributes={"optexity.step.index": 1, "x": None})
            raise ValueError(CANARY)

    with pytest.raises(ValueError, match=CANARY):
        fail()
    spans.finish()

    (wait,), (step,), (attempt,) = (collector.named(name) for name in ("wait in queue", "click_element", "attempt"))
    assert (wait.trace_id, wait.parent_id, wait.ended_ns - wait.started_ns) == (TRACE, SPAN, 1_500_000_000)
    assert (attempt.trace_id, attempt.parent_id, attempt.is_error) == (TRACE, SPAN, True)
    assert (step.parent_id, step.is_error, step.ended_ns - step.started_ns) == (attempt.span_id, True, 250_000_000)
    assert step.attributes == {"optexity.step.index": 1}
    assert CANARY.encode() not in collector.raw


def test_a_collector_that_is_away_refuses_no_submission(settings: Any, api: ApiClient) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:9"
    assert api.submit(a_body()).status_code == 202
    assert_error(api.submit(a_body(priority="x")), 400)
    spans.finish()


@pytest.mark.parametrize("wrong", ["127.0.0.1:4318", "ftp://host", "http://", "http://host/?a=b"])
def test_a_wrong_address_of_the_collector_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="address"):
        read_collector(wrong)


def test_headers_of_the_collector_are_read_and_never_repeated() -> None:
    assert read_headers("a=b, c-d=e%2Cf ,") == {"a": "b", "c-d": "e,f"}
    for wrong in (CANARY, f"a b={CANARY}", f"={CANARY}"):
        with pytest.raises(ValueError, match="list") as told:
            read_headers(wrong)
        assert CANARY not in str(told.value)


def test_a_server_that_is_to_trace_and_cannot_says_what_to_install() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
from optexity_site.env import SettingError
try:
    import optexity_site.settings
except SettingError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "`pip install -r requirements-otel.txt`" in done.stdout
    assert (ROOT / "requirements-otel.txt").is_file()
