"""The bundled automations against the bundled portal, from the first page to the last file."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from automation import load
from executor.browser import BrowserPool
from executor.loop import WorkerLoop
from executor.runner import AttemptRunner
from inference.models import CommitPoint
from tests import factories
from tests.demo.portal_process import Portal, running_portal
from tests.executor.conftest import RUN_SECONDS, Outcome, RunNodes, interact, read

pytestmark = pytest.mark.django_db(transaction=True)

DEMO = Path(django_settings.BASE_DIR) / "demo"
RunDemo = Callable[[str], Outcome]


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with running_portal() as portal:
        yield portal


@pytest.fixture
def run_demo(portal: Portal, pool: BrowserPool, worker_loop: WorkerLoop, settings: Settings) -> RunDemo:
    """Run a bundled automation with the inputs of its bundled request, against the portal of the tests."""
    settings.UPLOAD_ROOTS = [DEMO / "files"]

    def run(name: str) -> Outcome:
        text = (DEMO / "automations" / f"northwind-{name}.json").read_text()
        document = json.loads(text.replace("http://127.0.0.1:8765", portal.url))
        request = json.loads((DEMO / "requests" / f"northwind-{name}.json").read_text())
        task = factories.make_task(
            automation=factories.make_automation(document=document),
            status="running",
            input_parameters=request["input_parameters"],
        )
        runner = AttemptRunner(
            task=task, automation=load(document), attempt_number=1, token=task.lease_token, pool=pool
        )
        worker_loop.submit(runner.execute()).result(RUN_SECONDS)
        return Outcome(task, runner, None)

    return run


def by_label(outcome: Outcome) -> dict[str, Any]:
    """json_data by the items' unique_identifier."""
    return {
        item["unique_identifier"]: next(iter(item["json_data"].values()))
        for item in outcome.output
        if "json_data" in item
    }


def test_eligibility_reads_the_record_and_saves_the_summary(run_demo: RunDemo) -> None:
    outcome = run_demo("eligibility")

    assert by_label(outcome)["member_id"] == "NW-4471-203"
    assert by_label(outcome)["status"] == "Active"
    assert outcome.files()["visit-summary.pdf"].startswith(b"%PDF-")
    assert {"patient-record.png", "final_screenshot.png"} <= set(outcome.files("screenshot"))
    assert all(step.picture for step in outcome.steps if step.index is not None)


def test_intake_fills_four_pages_and_submits_once(run_demo: RunDemo) -> None:
    outcome = run_demo("intake")

    assert by_label(outcome)["confirmation_number"].startswith("NW-")
    assert {step.status for step in outcome.steps} == {"success"}
    assert CommitPoint.objects.get(task=outcome.task).finished_at is not None


def test_a_letter_that_opens_in_a_tab_is_saved(run_demo: RunDemo) -> None:
    outcome = run_demo("coverage-letter")

    assert {name: body[:5] for name, body in outcome.files().items()} == {"coverage-letter.pdf": b"%PDF-"}


def test_a_window_of_its_own_is_read(run_demo: RunDemo) -> None:
    assert by_label(run_demo("coverage-popup"))["member_id"].startswith("NW-")


def test_claims_are_filtered_scrolled_and_exported(run_demo: RunDemo) -> None:
    outcome = run_demo("report-csv")

    assert outcome.files()["claims_Denied.csv"].startswith(b"claim,")
    assert outcome.error is None


def test_frames_and_shadow_roots(run_demo: RunDemo) -> None:
    seen = by_label(run_demo("iframe-and-widget"))

    assert seen["page_title"] == "Eligibility"
    assert "Amara Okafor" in seen["pinned"]


def test_a_page_where_everything_comes_late(run_demo: RunDemo) -> None:
    seen = by_label(run_demo("triage"))

    assert seen["taken"] == "You took the referral of Hyejin Park."
    assert seen["state"] == "Ready"


def typed(label: str, text: str, **fields: object) -> dict[str, Any]:
    return interact("input_text", {"command": f'get_by_label("{label}")', "input_text": text, **fields})


def test_notes_are_dragged_and_a_slider_is_moved(portal: Portal, run_nodes: RunNodes) -> None:
    done = 'get_by_role("list", name="Done")'
    nodes = [
        typed("Note text", "Call the lab"),
        interact("click_element", {"keyword": "Pin note"}),
        interact("drag_to", {"command": 'get_by_text("Call the lab")', "target": done}),
        read(f"{done}.locator('li span')", "done"),
        typed("Note size", "140", is_slider=True),
        read('get_by_label("Note size")', "size", read="attribute:aria-valuenow"),
    ]
    outcome = run_nodes(nodes, url=f"{portal.url}/state/sign-in?next=/notes")

    assert outcome.error is None
    assert outcome.values() == {"done": "Call the lab", "size": "140"}


def test_a_combobox_and_a_consent_notice(portal: Portal, run_nodes: RunNodes) -> None:
    plan = {"command": 'get_by_role("combobox", name="Insurance plan")', "select_values": ["juniper g"]}
    language = {"command": 'get_by_label("Preferred language")', "select_values": ["English"]}
    nodes = [
        interact("close_overlay_popup", {}),
        typed("Referral number", "REF-1"),
        typed("First name", "Ada"),
        typed("Last name", "Byron"),
        typed("Date of birth", "1990-01-02"),
        interact("select_option", language),
        interact("check", {"command": 'get_by_role("radio", name="Female", exact=True)'}),
        interact("click_element", {"keyword": "Continue"}),
        interact("select_option", plan),
        read('get_by_role("combobox", name="Insurance plan")', "plan", read="value"),
    ]
    portal.post("/state/consent/first-visit")
    try:
        outcome = run_nodes(nodes, url=f"{portal.url}/state/sign-in?next=/intake/new")
    finally:
        portal.post("/state/consent/off")

    assert outcome.error is None
    assert outcome.values() == {"plan": "Juniper Gold"}
    assert outcome.steps[0].details["notes"] == ["clicked “Accept all” in “Your privacy choices”"]
