"""What is done after the nodes: post-processing, downloads, the final screenshot; and when another attempt follows."""

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterator, Mapping

import pytest
from django.db import OperationalError

from executor.errors import (
    AssertionFailedError,
    BrowserCrashedError,
    ElementNotFoundError,
    FailStateError,
    NavigationError,
    RunError,
)
from executor.loop import WorkerLoop
from executor.private_nodes import PrivateNodeContext, register, unregister
from executor.runner import AttemptRunner
from inference.models import Step
from inference.services import transitions
from tests.executor.conftest import Outcome, Prepare, RunNodes, click, read, runner_task_id, wait_for
from tests.executor.nodes import fail, if_else, loop, misc, private, said, say, set_variable, sleep
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

MISSING = click('get_by_role("button", name="Nope")', max_tries=1, max_timeout_seconds_per_try=0.1)


def paths(outcome: Outcome) -> list[tuple[str, str]]:
    return [(step.path, step.status) for step in outcome.steps]


def test_it_runs_after_the_nodes_in_the_same_browser_and_memory(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [set_variable("v", value="kept"), loop("p", say("{p[index]}"))],
        post_processing_nodes=[
            read('get_by_role("heading")', before_sleep_time=0),
            if_else("v[0] == 'kept'", say("post {v[0]} {value[0]}")),
            loop("p", say("post {p[index]}")),
        ],
        url=f"{site.url}/second",
        inputs={"p": ["a"]},
    )

    assert outcome.error is None
    assert said(outcome.output) == ["a", "post kept Second", "post a"]
    assert [(step.position, step.index, step.depth, step.path) for step in outcome.steps[3:]] == [
        (3, 3, 0, "post_processing_nodes[0]"),
        (4, None, 0, "post_processing_nodes[1]"),
        (5, 4, 1, "post_processing_nodes[1].if_nodes[0]"),
        (6, None, 0, "post_processing_nodes[2]"),
        (7, 5, 1, "post_processing_nodes[2].nodes[0]"),
    ]
    assert len(outcome.runner.for_loop_status) == 2
    assert outcome.events("note") == []


def test_it_runs_after_a_failure_which_stays_the_tasks_error(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [say("before"), fail("it failed"), say("never")],
        post_processing_nodes=[say("after"), click('get_by_role("button", name="Close me")', end_sleep_time=0)],
        url=f"{site.url}/second",
    )

    assert type(outcome.error) is FailStateError
    assert str(outcome.error) == "it failed"
    assert said(outcome.output) == ["before", "after"]
    assert paths(outcome) == [
        ("nodes[0]", "success"),
        ("nodes[1]", "failed"),
        ("post_processing_nodes[0]", "success"),
        ("post_processing_nodes[1]", "success"),
    ]


@pytest.mark.parametrize("has_failed", [False, True])
def test_an_error_in_it_is_recorded_and_noted_and_the_status_stays(run_nodes: RunNodes, has_failed: bool) -> None:
    outcome = run_nodes(
        [fail("first")] if has_failed else [say("x")], post_processing_nodes=[say("a"), fail("cannot"), say("b")]
    )

    assert (str(outcome.error) if outcome.error else None) == ("first" if has_failed else None)
    assert said(outcome.output)[-1:] == ["a"]
    assert paths(outcome)[1:] == [("post_processing_nodes[0]", "success"), ("post_processing_nodes[1]", "failed")]
    assert outcome.step.error == "cannot"
    assert outcome.events("note") == [{"text": "post-processing ended early: cannot"}]


def test_it_waits_until_another_attempt_cannot_follow(run_nodes: RunNodes) -> None:
    asked: list[RunError] = []

    def is_last(error: RunError) -> bool:
        asked.append(error)
        return False

    outcome = run_nodes(
        [fail("not yet")], post_processing_nodes=[say("post")], take_final_screenshot=True, is_last_attempt=is_last
    )

    assert str(outcome.error) == "not yet"
    assert asked == [outcome.error]
    assert said(outcome.output) == []
    assert paths(outcome) == [("nodes[0]", "failed")]
    assert outcome.step.picture is None or outcome.step.picture_id
    assert outcome.runner.final_screenshot_id is None


def test_a_success_is_always_the_last_attempt(run_nodes: RunNodes) -> None:
    def is_last(error: RunError) -> bool:
        raise AssertionError("nothing has failed")

    outcome = run_nodes([say("x")], post_processing_nodes=[say("post")], is_last_attempt=is_last)

    assert outcome.error is None
    assert said(outcome.output) == ["x", "post"]


def test_the_question_waits_for_a_database_that_is_away(run_nodes: RunNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.runner._DATABASE_RETRY_SECONDS", 0.01)
    answers = iter([OperationalError("away"), OperationalError("away"), True])

    def is_last(error: RunError) -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    outcome = run_nodes([fail("x")], post_processing_nodes=[say("post")], is_last_attempt=is_last)

    assert str(outcome.error) == "x"
    assert said(outcome.output) == ["post"]


@pytest.fixture
def crash() -> Iterator[Mapping[str, object]]:
    """A node that crashes the page."""

    async def crash_page(inputs: object, context: PrivateNodeContext) -> None:
        page = context.page
        session, crashed = await page.context.new_cdp_session(page), asyncio.Event()
        page.once("crash", lambda _: crashed.set())
        crashing = asyncio.create_task(session.send("Page.crash"))
        await crashed.wait()
        crashing.cancel()
        await asyncio.gather(crashing, return_exceptions=True)

    register("crash", crash_page)
    yield private("crash")
    unregister("crash")


def test_a_crashed_page_leaves_what_needs_none(run_nodes: RunNodes, site: Site, crash: Mapping[str, object]) -> None:
    outcome = run_nodes(
        [crash, MISSING],
        post_processing_nodes=[say("post"), MISSING, say("never")],
        url=f"{site.url}/",
        take_final_screenshot=True,
        expected_downloads=1,
    )

    assert type(outcome.error) is BrowserCrashedError
    assert said(outcome.output) == ["post"]
    assert paths(outcome)[-2:] == [("post_processing_nodes[0]", "success"), ("post_processing_nodes[1]", "failed")]
    assert outcome.events("note") == [{"text": f"post-processing ended early: {outcome.step.error}"}]
    assert outcome.runner.final_screenshot_id is None


def test_an_address_that_cannot_be_opened_is_a_failure_like_any_other(run_nodes: RunNodes) -> None:
    outcome = run_nodes([say("never")], post_processing_nodes=[say("post")], url="http://127.0.0.1:1/")

    assert type(outcome.error) is NavigationError
    assert said(outcome.output) == ["post"]


def test_a_cancelled_attempt_has_no_post_processing(prepare: Prepare, worker_loop: WorkerLoop) -> None:
    runner = prepare([sleep(30)], post_processing_nodes=[say("post")])
    future = worker_loop.submit(runner.execute())
    wait_for(lambda: Step.objects.filter(status="running", index=1).exists())
    future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(20)

    assert runner.output_data == []
    assert [step.path for step in Step.objects.filter(task_id=runner_task_id(runner))] == ["nodes[0]"]


def test_a_cancellation_ends_post_processing(prepare: Prepare, worker_loop: WorkerLoop) -> None:
    runner = prepare([say("x")], post_processing_nodes=[sleep(30), say("never")])
    future = worker_loop.submit(runner.execute())
    wait_for(lambda: Step.objects.filter(status="running", path="post_processing_nodes[0]").exists())
    assert runner.now_doing().startswith("step 2 (Sleep 30 s), for ")
    future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(20)

    assert said(runner.output_data) == ["x"]


def test_what_it_downloads_is_kept_and_its_page_is_the_final_one(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [say("x")],
        post_processing_nodes=[click('get_by_role("link", name="Export", exact=True)')],
        expected_downloads=0,
        take_final_screenshot=True,
        url=f"{site.url}/files",
    )

    assert outcome.error is None
    assert list(outcome.files()) == ["report.csv"]
    assert outcome.runner.final_screenshot_id is not None


def test_missing_downloads_are_noted(run_nodes: RunNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.runner._DOWNLOADS_SECONDS", 0.05)
    outcome = run_nodes([say("x")], expected_downloads=2)
    none_expected = run_nodes([say("x")], expected_downloads=-1)

    assert outcome.error is None
    assert outcome.events("note") == [{"text": "0 of 2 expected downloads came"}]
    assert none_expected.events("note") == []


# --- which attempt is the last one ---------------------------------------------------------------------------


def last_by_the_rules(runner: AttemptRunner) -> Callable[[RunError], bool]:
    """As the worker asks."""

    def is_last(error: RunError) -> bool:
        return transitions.is_last_attempt(runner._task_id, runner._token, may_retry=error.may_retry)

    return is_last


@pytest.mark.parametrize(
    ("nodes", "max_retries", "error", "is_last"),
    [
        ([MISSING], 1, ElementNotFoundError, False),
        ([MISSING], 0, ElementNotFoundError, True),
        ([fail()], 1, FailStateError, True),
        (
            [
                {
                    "type": "assert_locator_node",
                    "locator": "locator('li')",
                    "assertion": "to_be_visible",
                    "timeout": 0,
                    "must_hold": True,
                }
            ],
            1,
            AssertionFailedError,
            True,
        ),
        ([click('get_by_role("button", name="Once")', commit_point=True), MISSING], 1, ElementNotFoundError, True),
    ],
    ids=["retry left", "no retry left", "fail_state", "assertion", "commit point"],
)
def test_post_processing_follows_the_rules_of_retries(
    prepare: Prepare,
    worker_loop: WorkerLoop,
    site: Site,
    nodes: list[object],
    max_retries: int,
    error: type[RunError],
    is_last: bool,
) -> None:
    runner = prepare(nodes, post_processing_nodes=[say("post")], url=f"{site.url}/", max_retries=max_retries)
    runner._is_last_attempt = last_by_the_rules(runner)
    with pytest.raises(error):
        worker_loop.submit(runner.execute()).result(30)

    assert said(runner.output_data) == (["post"] if is_last else [])


def test_an_empty_list_of_post_processing_changes_nothing(run_nodes: RunNodes) -> None:
    outcome = run_nodes([misc()], post_processing_nodes=[])

    assert paths(outcome) == [("nodes[0]", "success")]
    assert outcome.events("note") == []
