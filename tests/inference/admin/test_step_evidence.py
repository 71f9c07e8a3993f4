"""What a failed step has kept, on the page of its task."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from inference.admin.tasks.evidence import evidence_of
from tests.factories import make_artifact, make_step, make_task
from tests.inference.admin.seed import Seeded
from tests.inference.admin.test_task_page import html_of

pytestmark = pytest.mark.django_db


def test_console_and_network_of_a_failed_step_stand_in_order_of_time(maya: Client, seeded: Seeded) -> None:
    html = html_of(maya, seeded.failed)
    card = re.search(r'aria-label="Behind the page".*?</section>', html, re.DOTALL)
    assert card is not None
    offsets = re.findall(r'<span class="ox-muted">([+−][\d.]+ s)</span>', card[0])
    assert offsets == ["−0.9 s", "−0.5 s", "−0.3 s", "+0.6 s", "+0.6 s", "+2.1 s", "+8.4 s"]
    assert '<span class="ox-state" data-s="failed">GET 404</span>' in card[0]
    assert "1.2 s, net::ERR_CONNECTION_RESET" in card[0]
    assert '<span class="ox-state" data-s="failed">error</span>' in card[0]
    assert "<span>warning</span>" in card[0]


def test_the_page_of_a_failed_step_is_saved_unpacked_and_can_do_nothing(maya: Client, seeded: Seeded) -> None:
    html = html_of(maya, seeded.failed)
    link = re.search(r'href="([^"]+\?save)" download title="The page as it was', html)
    assert link is not None
    answer = maya.get(link[1])
    assert b"".join(answer.streaming_content) == b"<!doctype html><title>Review</title><h1>Review your claim</h1>"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="page-at-step-8.html"'
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_another_step_brings_its_own_evidence_or_none(maya: Client, seeded: Seeded) -> None:
    one = reverse("admin:inference_task_step", args=(seeded.failed.id, "8"))
    other = reverse("admin:inference_task_step", args=(seeded.failed.id, "5"))

    assert "Behind the page" in maya.get(one).content.decode()
    without = maya.get(other).content.decode()
    assert 'data-part="evidence"></div>' in without
    assert "Behind the page" not in without


def test_files_say_how_a_trace_is_opened(maya: Client, seeded: Seeded) -> None:
    html = html_of(maya, seeded.failed)
    assert "trace-of-try-2.zip" in html
    assert "Trace, for npx playwright show-trace" in html
    assert "Page of a failed step" in html


def test_other_compressed_files_stay_as_they_are(maya: Client) -> None:
    task = make_task()
    kept = make_artifact(task, content=b"\x1f\x8b", filename="rows.html.gz", content_type="application/gzip")

    answer = maya.get(reverse("admin:inference_task_artifact", args=(kept.id,)))

    assert b"".join(answer.streaming_content) == b"\x1f\x8b"
    assert "rows.html.gz" in answer.headers["Content-Disposition"]


def test_texts_of_pages_are_shown_as_texts(maya: Client) -> None:
    task = make_task(status="failed", error="e")
    line = {"at_ms": 1, "type": "error", "text": "<script>alert(1)</script>", "url": "javascript:alert(1)"}
    make_step(task, status="failed", error="e", details={"console": [line]})

    html = html_of(maya, task)

    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"console": None, "network": "x", "snapshot": 3},
        {"console": [], "network": [], "snapshot": {}},
        {"console": ["x", 1], "snapshot": {"id": "no uuid"}},
    ],
)
def test_nothing_usable_is_nothing(details: dict[str, Any]) -> None:
    assert evidence_of(details) is None


def test_odd_values_are_shown_as_well_as_can_be() -> None:
    artifact = "0190a0a0-0000-7000-8000-000000000000"
    found = evidence_of(
        {
            "console": [{"at_ms": "x", "type": None, "text": None}],
            "network": [{"url": "https://a.example/", "at_ms": 5}, {"failure": "gone", "status": True}],
            "snapshot": {"id": artifact, "bytes": True, "is_cut": 1},
        }
    )

    assert found is not None
    assert [(line.at, line.kind, line.state) for line in found.lines] == [
        ("+0.0 s", "log", ""),
        ("+0.0 s", "GET True", "failed"),
        ("+0.0 s", "GET open", ""),
    ]
    assert found.snapshot_link.endswith(f"{artifact}/?save")
    assert found.is_cut


def test_only_the_last_lines_are_shown() -> None:
    found = evidence_of({"console": [{"at_ms": n, "text": str(n)} for n in range(200)]})

    assert found is not None
    assert [found.lines[0].text, found.lines[-1].text, len(found.lines)] == ["80", "199", 120]
