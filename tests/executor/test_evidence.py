import gzip
import html
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from executor import evidence
from executor.loop import WorkerLoop
from inference.models import Artifact, StepStatus, Task
from tests.executor.conftest import Outcome, Prepare, RunNodes, click, interact, read, runner_task_id
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = 'open "sesame" & <more>/42'
MISSING = click('get_by_role("button", name="Transmit form")', max_tries=1, max_timeout_seconds_per_try=0.3)


def test_a_step_that_finds_nothing_says_what_where_and_what_was_there_instead(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([MISSING], url=f"{site.url}/tangled")

    told = str(outcome.error)
    assert 'get_by_role("button", name="Transmit form")' in told
    assert f"on {site.url}/tangled" in told
    assert "nearest: button “Send form”" in told
    step = outcome.step
    assert step.details["candidates"][0]["name"] == "Send form"
    assert step.details["candidates"][0]["reason"] == "similar name, same role"
    assert step.picture is not None


def test_the_page_of_a_failed_step_is_kept_as_html_that_runs_nothing(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            interact("input_text", {"command": 'get_by_label("Member")', "input_text": "HM-1"}),
            interact("input_text", {"command": 'get_by_label("Notes")', "input_text": "typed notes"}),
            interact("check", {"command": 'get_by_label("Agree")'}),
            interact("select_option", {"command": 'get_by_label("Plan")', "select_values": ["Plus"]}),
            MISSING,
        ],
        url=f"{site.url}/tangled",
    )

    text, artifact = _snapshot(outcome)
    assert artifact.content_type == "text/html; charset=utf-8"
    assert artifact.filename == "page-at-step-5.html"
    assert artifact.metadata == {"of": "snapshot", "step": 4, "is_cut": False}
    assert outcome.step.details["snapshot"] == {
        "id": str(artifact.id),
        "bytes": artifact.size_bytes,
        "is_cut": False,
    }
    assert "default-src 'none'" in text[:200]
    # What people entered, what frames and shadow trees show, and how it looks.
    assert 'value="HM-1"' in text
    assert ">typed notes</textarea>" in text
    assert re.search(r"<input[^>]* type=\"checkbox\"[^>]* checked>", text)
    assert "<option selected>Plus" in text
    assert '<template shadowrootmode="open"><p>In the <b>shadow</b></p></template>' in text
    assert "Inside" in html.unescape(re.findall(r'srcdoc="([^"]*)"', text)[0])
    assert "letter-spacing: 3px" in text
    assert "rgb(1, 2, 3)" in text
    # Nothing that runs, goes somewhere or is secret.
    for left_out in ("<script", "onclick", "onload", "javascript:", 'http-equiv="refresh', "<link", "by the page"):
        assert left_out not in text
    assert "never shown at all" not in text
    assert "hidden-token" not in text
    assert text.count("•••") == 2


def test_what_the_page_wrote_and_asked_for_is_kept_with_the_step(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Send form")'), MISSING],
        url=f"{site.url}/tangled",
    )

    details = outcome.step.details
    told = [(line["type"], line["text"]) for line in details["console"]]
    assert ("log", "loaded") in told
    assert ("warning", "pressed, on ") in told
    requests = {line["url"].removeprefix(site.url): line for line in details["network"]}
    page, call = requests["/tangled"], requests["/broken?of="]
    assert (page["method"], page["status"], page["type"], page["failure"]) == ("GET", 200, "document", None)
    assert (call["method"], call["status"], call["type"]) == ("GET", 500, "fetch")
    assert page["at_ms"] < call["at_ms"] <= 0
    assert page["duration_ms"] >= 0


def test_requests_that_were_never_answered_say_why(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([MISSING], url=f"{site.url}/noisy")

    lines = {line["url"].removeprefix(site.url): line for line in outcome.step.details["network"]}
    refused = lines["http://127.0.0.1:1/nothing"]
    assert refused["status"] is None
    assert "ERR_" in refused["failure"]
    assert ("uncaught", "uncaught thing") in [(each["type"], each["text"]) for each in outcome.step.details["console"]]


def test_steps_that_succeed_keep_nothing_of_it(run_nodes: RunNodes, site: Site) -> None:
    skipped = click('locator("#nowhere")', skip_prompt=True, max_tries=1, max_timeout_seconds_per_try=0.2)
    outcome = run_nodes([skipped, read('get_by_role("heading")')], url=f"{site.url}/tangled")

    assert [step.status for step in outcome.steps] == [StepStatus.SKIPPED, StepStatus.SUCCESS]
    for step in outcome.steps:
        assert not {"console", "network", "snapshot"} & set(step.details)
    assert outcome.files(Artifact.Kind.LOG) == {}


def test_secrets_are_nowhere_in_what_is_kept(prepare: Prepare, worker_loop: WorkerLoop, site: Site) -> None:
    nodes = [
        interact("input_text", {"command": 'get_by_label("Member")', "input_text": SECRET}),
        click('get_by_role("button", name="Send form")'),
        interact("input_text", {"command": 'frame_locator("iframe").get_by_label("Inside")', "input_text": SECRET}),
        # Not all of it was typed.
        interact("input_text", {"command": 'get_by_label("Notes")', "input_text": SECRET[:9]}),
        MISSING,
    ]
    outcome = _run_with_secret(prepare, worker_loop, nodes, f"{site.url}/tangled")

    text, _ = _snapshot(outcome)
    assert text.count("•••") == 5
    details = str(outcome.step.details)
    assert "•••" in details
    for told in (text, html.unescape(text), html.unescape(html.unescape(text)), details):
        assert "sesame" not in told
        assert SECRET[:9] not in told


def test_a_large_page_is_cut_and_compressed(run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.page_snapshot.MAX_FRAME_CHARACTERS", 300_000)
    script = "for (let n = 0; n < 9000; n++) { const p = document.createElement('p'); p.textContent = 'line ' + n + ' '"
    script += ".repeat(20); document.documentElement.append(p) }"
    outcome = run_nodes([MISSING], url=f"{site.url}/echo?script={script.replace('+', '%2B')}")

    text, artifact = _snapshot(outcome)
    assert artifact.filename == "page-at-step-1.html.gz"
    assert artifact.content_type == "application/gzip"
    assert outcome.step.details["snapshot"]["is_cut"] is True
    assert "not complete" in text[:600]
    assert 300_000 < len(text) < 400_000


def test_a_page_that_hangs_does_not_hold_up_its_failure(run_nodes: RunNodes, site: Site) -> None:
    script = "setTimeout(() => { const end = Date.now() %2B 8000; while (Date.now() < end); }, 300)"
    begun = time.monotonic()
    outcome = run_nodes([MISSING], url=f"{site.url}/echo?script={script}")

    assert "nothing usable matched" in str(outcome.error)
    assert "snapshot" not in outcome.step.details
    assert outcome.step.details["network"]
    assert outcome.step.duration_ms is not None
    assert outcome.step.duration_ms < 5_500
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("broken", ["executor.evidence.take_snapshot", "executor.page_log.PageLog.console_lines"])
def test_whatever_goes_wrong_with_the_evidence_the_first_error_stays(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("something of ours")

    monkeypatch.setattr(broken, refuse)
    outcome = run_nodes([MISSING], url=f"{site.url}/tangled")

    assert "nothing usable matched" in str(outcome.error)
    assert outcome.step.status == StepStatus.FAILED
    assert outcome.step.picture is not None


def test_only_the_first_failures_of_an_attempt_keep_their_page(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MAX_SNAPSHOTS", 0)
    outcome = run_nodes([MISSING], url=f"{site.url}/tangled")

    assert "snapshot" not in outcome.step.details
    assert outcome.step.details["console"]


def _snapshot(outcome: Outcome) -> tuple[str, Artifact]:
    [artifact] = Artifact.objects.filter(task=outcome.task, kind=Artifact.Kind.LOG)
    data = outcome.files(Artifact.Kind.LOG)[artifact.filename]
    return (gzip.decompress(data) if artifact.filename.endswith(".gz") else data).decode(), artifact


def _run_with_secret(
    prepare: Prepare, worker_loop: WorkerLoop, nodes: Sequence[Mapping[str, Any]], url: str
) -> Outcome:
    runner = prepare(nodes, url=url)
    runner._masking.hide(SECRET)
    error: BaseException | None = None
    try:
        worker_loop.submit(runner.execute()).result(60)
    except Exception as raised:
        error = raised
    return Outcome(Task.objects.get(id=runner_task_id(runner)), runner, error)
