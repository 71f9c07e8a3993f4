import concurrent.futures
import time
from urllib.parse import quote

import pytest
from django.db import connection
from pytest_django import Settings

from executor.errors import (
    AssertionFailedError,
    AutomationError,
    ElementNotFoundError,
    FailStateError,
    LeaseLostError,
    NavigationError,
)
from executor.loop import WorkerLoop
from inference.models import Artifact, CommitPoint, Step, Task
from tests.executor.conftest import Prepare, RunNodes, click, interact, read, runner_task_id, wait_for
from tests.executor.site.server import ROUTES, Answer, Site

pytestmark = pytest.mark.django_db(transaction=True)

SLEEP = {"type": "action_node", "sleep_action": {"sleep_time": 30}}
FAIL = {"type": "action_node", "fail_state_action": {"failure_message": "Not {who[0]}"}}


def if_else(condition: str, if_nodes: list[object], else_nodes: list[object] | None = None) -> dict[str, object]:
    return {"type": "if_else_node", "condition": condition, "if_nodes": if_nodes, "else_nodes": else_nodes or []}


def test_a_document_runs_to_its_end_and_leaves_steps_pictures_and_output(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            interact("input_text", {"command": 'get_by_label("Name")', "input_text": "{who[0]}"}),
            interact("select_option", {"command": 'get_by_label("Plan")', "select_values": ["PPO Plus"]}),
            interact("check", {"command": 'get_by_label("Agree")'}),
            click('get_by_role("button", name="Save draft")'),
            read('locator("#out")', "sent"),
        ],
        url=f"{site.url}/form",
        inputs={"who": ["Ada"]},
        take_final_screenshot=True,
    )

    assert outcome.error is None
    assert outcome.values() == {"sent": "sent Ada"}
    assert [(step.index, step.status) for step in outcome.steps] == [(n, "success") for n in range(1, 6)]
    assert all(step.picture for step in outcome.steps)
    assert all(step.duration_ms is not None for step in outcome.steps)
    assert outcome.steps[0].label == "Type into “Name”"
    assert outcome.steps[3].details["box"]["width"] > 10
    assert outcome.steps[3].details["viewport"] == {"width": 1280, "height": 800}
    final = Artifact.objects.get(id=outcome.runner.final_screenshot_id)
    assert (final.filename, final.kind) == ("final_screenshot.png", "screenshot")
    assert outcome.files("screenshot")["final_screenshot.png"].startswith(b"\x89PNG")


def test_every_picture_is_a_jpeg_of_its_own_page(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            click('get_by_role("link", name="Second page")'),
            read('locator("#where")'),
        ],
        url=f"{site.url}/",
    )
    pictures = list(outcome.files("picture").values())

    assert [picture[:2] for picture in pictures] == [b"\xff\xd8"] * 2
    assert pictures[0] != pictures[1]  # the click shows the page that it acted on, not the one that it led to


def test_a_branch_is_chosen_by_its_condition_and_has_a_row_without_a_number(run_nodes: RunNodes) -> None:
    wait = {"type": "action_node", "sleep_action": {"sleep_time": 0}}
    outcome = run_nodes([if_else("who[0] == 'Ada'", [wait], [FAIL])], inputs={"who": ["Ada"]})

    assert outcome.error is None
    assert [(step.path, step.index, step.depth) for step in outcome.steps] == [
        ("nodes[0]", None, 0),
        ("nodes[0].if_nodes[0]", 1, 1),
    ]


def test_a_condition_that_cannot_be_judged_fails_the_task_for_good(run_nodes: RunNodes) -> None:
    outcome = run_nodes([if_else("nobody[0]", [])])

    assert isinstance(outcome.error, AutomationError)
    assert not outcome.error.may_retry
    assert outcome.step.status == "failed"


def test_fail_state_ends_the_task_with_the_message_and_keeps_the_output(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [read('get_by_role("heading")'), if_else("True", [FAIL]), SLEEP],
        url=f"{site.url}/second",
        inputs={"who": ["Ada"]},
    )

    assert isinstance(outcome.error, FailStateError)
    assert str(outcome.error) == "Not Ada"
    assert outcome.values() == {"value": "Second"}
    assert [step.status for step in outcome.steps] == ["success", "failed", "failed"]


def test_a_locator_without_a_match_fails_with_what_is_there_instead(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Save")', max_tries=2, max_timeout_seconds_per_try=0.3)],
        url=f"{site.url}/second",
    )

    assert isinstance(outcome.error, ElementNotFoundError)
    assert 'get_by_role("button", name="Save")' in str(outcome.error)
    assert f"{site.url}/second" in str(outcome.error)
    assert "needs a language model: set LLM_MODEL" in str(outcome.error)
    assert outcome.step.picture


def test_candidates_are_told_with_role_name_score_and_box(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Save drafts")', max_tries=1, max_timeout_seconds_per_try=0.3)],
        url=f"{site.url}/form",
    )
    best = outcome.step.details["candidates"][0]

    assert (best["role"], best["name"]) == ("button", "Save draft")
    assert best["score"] > 0.8
    assert best["reason"] == "similar name, same role"
    assert best["box"]["width"] > 10
    assert "button “Save draft”" in str(outcome.error)


def test_an_unusable_kind_is_refused_before_anything_is_opened(run_nodes: RunNodes, site: Site) -> None:
    secret = {"totp": {"totp_secret": "JBSWY3DPEHPK3PXP"}}
    parameters = {"input_parameters": {}, "generated_parameters": {}, "secure_parameters": {"pin": [secret]}}
    outcome = run_nodes([SLEEP], url=f"{site.url}/", parameters=parameters)

    assert isinstance(outcome.error, AutomationError)
    assert str(outcome.error) == (
        "parameters.secure_parameters.pin[0]: secure_parameters.totp cannot be run by this server"
    )
    assert site.requests == []


def test_an_address_that_cannot_be_opened_fails_the_start(run_nodes: RunNodes) -> None:
    outcome = run_nodes([SLEEP], url="http://127.0.0.1:1/")

    assert isinstance(outcome.error, NavigationError)
    assert str(outcome.error).startswith("could not open http://127.0.0.1:1/: net::ERR_")
    assert outcome.steps == []


def test_the_default_wait_of_a_reading_is_not_slept_but_an_explicit_one_is(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [read('get_by_role("heading")', "a"), read('get_by_role("heading")', "b", before_sleep_time=0.7)],
        url=f"{site.url}/second",
    )

    assert outcome.steps[0].duration_ms < 500
    assert outcome.steps[1].duration_ms >= 700


def test_explicit_sleeps_are_bounds_when_the_operator_says_so(
    run_nodes: RunNodes, site: Site, settings: Settings
) -> None:
    settings.HONOUR_EXPLICIT_SLEEPS = False
    outcome = run_nodes(
        [read('get_by_role("heading")', before_sleep_time=20), {**SLEEP, "end_sleep_time": 0}],
        url=f"{site.url}/second",
    )

    assert outcome.error is None
    assert all(step.duration_ms < 3000 for step in outcome.steps)


def test_a_stopped_run_closes_its_context_fast_and_says_where_it_was(
    prepare: Prepare, worker_loop: WorkerLoop, site: Site
) -> None:
    runner = prepare([read('get_by_role("heading")'), SLEEP], url=f"{site.url}/second")
    future = worker_loop.submit(runner.execute())
    wait_for(lambda: "step 2" in runner.now_doing())
    wait_for(lambda: Step.objects.filter(status="running", index=2).exists())
    began = time.monotonic()
    future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(20)

    assert time.monotonic() - began < 2
    assert runner.now_doing().startswith("step 2 (Sleep 30 s), for ")
    assert runner.output_data == [{"json_data": {"value": "Second"}}]
    last = Step.objects.get(task_id=runner_task_id(runner), index=2)
    assert (last.status, last.error) == ("failed", "stopped")


def test_a_worker_that_lost_its_task_writes_nothing_more(prepare: Prepare, worker_loop: WorkerLoop, site: Site) -> None:
    runner = prepare([{"type": "action_node", "sleep_action": {"sleep_time": 1}}, SLEEP], url=f"{site.url}/second")
    future = worker_loop.submit(runner.execute())
    wait_for(lambda: Step.objects.filter(status="running", index=1).exists())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET lease_token = lease_token + 1")
    began = time.monotonic()
    with pytest.raises(LeaseLostError):
        future.result(20)

    assert time.monotonic() - began < 5  # not after the second sleep
    assert [step.status for step in Step.objects.all()] == ["running"]


def test_a_commit_point_is_in_the_journal_before_the_act_and_finished_after_it(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Once")', commit_point=True, label="Submit it")],
        url=f"{site.url}/",
    )
    journal = CommitPoint.objects.get(task=outcome.task)

    assert (journal.path, journal.label) == ("nodes[0]", "Submit it")
    assert journal.finished_at >= journal.begun_at
    assert outcome.step.is_commit_point


def test_the_site_finds_a_commit_point_in_the_journal_while_the_act_runs(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[tuple[str, object]]] = []

    def record(query: dict[str, str]) -> Answer:
        try:
            seen.append(list(CommitPoint.objects.values_list("path", "finished_at")))
        finally:
            connection.close()  # of the thread that serves this request
        return Answer(b"recorded", "text/plain")

    monkeypatch.setitem(ROUTES, "/record", record)
    # The click does not return before the site has answered.
    page = (
        "document.write('<button>Record</button>'); document.querySelector('button').onclick = () => {"
        " const call = new XMLHttpRequest(); call.open('GET', '/record', false); call.send(); };"
    )
    node = click('get_by_role("button", name="Record")', commit_point=True)
    outcome = run_nodes([node], url=f"{site.url}/echo?script={quote(page)}")

    assert outcome.error is None
    assert seen == [[("nodes[0]", None)]]
    assert CommitPoint.objects.get(task=outcome.task).finished_at is not None


def test_a_commit_point_whose_element_is_missing_was_never_begun(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Nope")', commit_point=True, max_tries=1)], url=f"{site.url}/"
    )

    assert isinstance(outcome.error, ElementNotFoundError)
    assert not CommitPoint.objects.filter(task=outcome.task).exists()


def test_a_check_that_must_hold_fails_the_task_for_good(run_nodes: RunNodes, site: Site) -> None:
    check = {
        "type": "assert_locator_node",
        "locator": 'get_by_role("heading", name="Seconds")',
        "assertion": "to_be_visible",
        "timeout": 0.2,
        "must_hold": True,
    }
    outcome = run_nodes([check], url=f"{site.url}/second")

    assert isinstance(outcome.error, AssertionFailedError)
    assert "nearest: heading “Second”" in str(outcome.error)


def test_the_task_itself_is_left_to_the_worker(run_nodes: RunNodes) -> None:
    outcome = run_nodes([{"type": "action_node", "sleep_action": {"sleep_time": 0}}])

    assert Task.objects.get(id=outcome.task.id).status == "running"
