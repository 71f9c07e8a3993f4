from urllib.parse import quote

import pytest

from executor import watching
from executor.errors import BrowserCrashedError
from executor.loop import WorkerLoop
from inference.models import Task
from tests.executor.browser_processes import kill_chromium
from tests.executor.conftest import Outcome, Prepare, RunNodes, click, interact, read, runner_task_id, wait_for
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "hunter2/& more"


@pytest.mark.parametrize("alerts", [False, True])
def test_dialogs_are_accepted_and_told(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch, alerts: bool
) -> None:
    assert watching.DIALOG_LEFT_SECONDS == 0.15
    monkeypatch.setattr(watching, "DIALOG_LEFT_SECONDS", 1.0)
    outcome = run_nodes(
        [click('get_by_role("button", name="Ask")', max_timeout_seconds_per_try=10), read('locator("#out")')],
        url=f"{site.url}/dialogs",
        enable_browser_alerts=alerts,
    )

    assert outcome.values()["value"].startswith("true")
    assert outcome.events("dialog") == [
        {"type": "alert", "message": "Heads up", "answer": "accepted"},
        {"type": "confirm", "message": "Sure?", "answer": "accepted"},
        {"type": "prompt", "message": "Name?", "answer": "accepted"},
    ]
    # With alerts, each of the three is left for others to see.
    assert (outcome.steps[0].duration_ms > 3000) is alerts


def test_a_page_that_asks_before_it_is_left_is_left(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            click('get_by_role("button", name="Change")'),
            interact("go_to_url", {"url": f"{site.url}/second"}),
            read('get_by_role("heading")'),
        ],
        url=f"{site.url}/unsaved",
    )

    assert outcome.values()["value"] == "Second"
    told = [(event["type"], event["answer"]) for event in outcome.events("dialog")]
    assert told == [("beforeunload", "accepted")]


def test_what_goes_wrong_on_a_page_is_told_and_fails_nothing(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([read('locator("p")')], url=f"{site.url}/noisy")

    assert outcome.error is None
    assert any("something is off" in event["text"] for event in outcome.events("console"))
    assert [event["text"] for event in outcome.events("page_error")] == ["uncaught thing"]
    failed = outcome.events("request_failed")
    assert {event.get("status") for event in failed} == {500, None}
    assert any("ERR_" in event.get("error", "") for event in failed)


def test_downloads_are_told(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([click('get_by_role("link", name="Export", exact=True)')], url=f"{site.url}/files")

    assert outcome.error is None
    told = [(event["state"], event["name"]) for event in outcome.events("download")]
    assert told == [("began", "report.csv"), ("arrived", "report.csv")]


def test_new_tabs_are_told_when_they_open_and_close(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            click('get_by_role("link", name="Second in a new tab")', expect_new_tab=True),
            click('get_by_role("button", name="Close me")'),
        ],
        url=site.url,
    )

    told = [(event["state"], event["url"]) for event in outcome.events("tab")]
    assert told == [("opened", f"{site.url}/second"), ("closed", f"{site.url}/second")]


def test_steps_are_told_as_they_begin_and_end(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([read('get_by_role("heading")')], url=f"{site.url}/second")

    assert [(event["index"], event["status"]) for event in outcome.events("step")] == [(1, "running"), (1, "success")]


@pytest.mark.parametrize(("what", "kind"), [("page", "renderer"), ("browser", "browser")])
def test_a_crash_is_told(prepare: Prepare, worker_loop: WorkerLoop, site: Site, what: str, kind: str) -> None:
    sleep = {"type": "action_node", "sleep_action": {"sleep_time": 3}}
    runner = prepare([sleep, read('get_by_role("heading")')], url=f"{site.url}/second")
    future = worker_loop.submit(runner.execute())
    wait_for(lambda: "Sleep" in runner.now_doing())
    kill_chromium(kind=kind)
    with pytest.raises(BrowserCrashedError) as raised:
        future.result(60)

    outcome = Outcome(Task.objects.get(id=runner_task_id(runner)), runner, raised.value)
    assert what in [event["of"] for event in outcome.events("crash")]


def test_secrets_in_what_pages_say_are_masked_also_where_they_would_be_cut(
    prepare: Prepare, worker_loop: WorkerLoop, site: Site
) -> None:
    padding = "x" * 490
    script = f"console.error({padding + SECRET!r}); fetch('/broken?of=' + encodeURIComponent({SECRET!r}))"
    page = f"data:text/html,<script>alert({SECRET!r});setTimeout(() => {{ throw Error({SECRET!r}) }})</script>"
    runner = prepare(
        [interact("go_to_url", {"url": f"{site.url}/echo?script={_quoted(script)}"})],
        url=page.replace("&", "%26"),
    )
    runner._masking.hide(SECRET)
    worker_loop.submit(runner.execute()).result(60)

    outcome = Outcome(Task.objects.get(id=runner_task_id(runner)), runner, None)
    told = [*outcome.events("console"), *outcome.events("page_error"), *outcome.events("request_failed")]
    told += outcome.events("dialog")
    assert {"console", "page_error", "request_failed", "dialog"} <= {
        kind for kind in ("console", "page_error", "request_failed", "dialog") if outcome.events(kind)
    }
    assert "•••" in str(told)
    assert "hunter2" not in str(told)


def test_an_endless_stream_of_complaints_is_cut(run_nodes: RunNodes, site: Site) -> None:
    script = "for (let n = 0; n < 400; n++) console.error('complaint ' + n)"
    outcome = run_nodes([read('locator("body")', allow_none=True)], url=f"{site.url}/echo?script={_quoted(script)}")

    assert len(outcome.events("console")) < 300
    assert [event["text"] for event in outcome.events("note")] == [
        "more than 300 events of pages; the rest is left out"
    ]


def _quoted(script: str) -> str:
    return quote(script, safe="")
