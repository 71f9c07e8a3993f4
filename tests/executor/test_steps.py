"""What the walk does around each step: its waits, the page's part in them, its picture and its row.

On paper: Playwright is a stand-in here, and nothing else.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError
from pytest_django import Settings

from executor import walk
from executor.actions import HANDLERS
from executor.errors import ActionError, BrowserCrashedError, DiskFullError, ElementNotFoundError
from executor.loop import WorkerLoop
from executor.private_nodes import PrivateNodeContext
from executor.run import Run
from executor.settling import PageActivity
from inference.models import CommitPoint, Step
from tests.executor.conftest import interact
from tests.executor.nodes import Node, fail, if_else, loop, misc, said, say, set_variable, sleep
from tests.executor.paper_browser import JPEG, Paper, paper_of

pytestmark = pytest.mark.django_db(transaction=True)

URL = "http://127.0.0.1:1/start"


@pytest.fixture
def paper(worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paper]:
    yield from paper_of(worker_loop, monkeypatch)


def go(path: str = "/next", **fields: Any) -> Node:
    return interact("go_to_url", {"url": f"http://127.0.0.1:1{path}"}, **fields)


async def nothing(context: PrivateNodeContext) -> None:
    """A node that needs no page, and may wait for one."""


# --- waits ---------------------------------------------------------------------------------------------------


def test_a_step_waits_for_its_page_as_long_as_it_says(paper: Paper) -> None:
    nodes = [go(), go(end_sleep_time=0.5), go(end_sleep_time=0), sleep(0), paper.node(nothing, end_sleep_time=2)]

    assert paper.run(nodes).error is None
    assert paper.waits.noted == [("after", 5.0), ("after", 0.5), ("after", 5.0), ("after", 2.0)]


def test_steps_that_look_at_no_page_wait_for_none(paper: Paper) -> None:
    outcome = paper.run([say("x"), misc(), loop("p", say("y")), fail()], inputs={"p": "a"})

    assert said(outcome.output) == ["x", "y"]
    assert paper.waits.noted == []


def test_a_wait_before_a_step_that_nobody_wrote_is_one_for_the_page(paper: Paper) -> None:
    show = {"type": "action_node", "extraction_action": {"screenshot": {"filename": "x.png"}}}

    assert paper.run([show]).error is None
    assert paper.waits.noted == [("before", 3.0)]


def test_a_written_wait_is_slept_unless_the_operator_makes_it_a_bound(paper: Paper, settings: Settings) -> None:
    written = paper.run([go(before_sleep_time=0.3, end_sleep_time=0), go(before_sleep_time=-2, end_sleep_time=0)])
    assert written.steps[0].duration_ms >= 300
    assert written.steps[1].duration_ms < written.steps[0].duration_ms
    assert paper.waits.noted == []

    settings.HONOUR_EXPLICIT_SLEEPS = False
    paper.run([go(before_sleep_time=20, end_sleep_time=0), go(before_sleep_time=-2, end_sleep_time=0)])
    assert paper.waits.noted == [("before", 20.0)]


def test_a_check_waits_neither_before_nor_after(paper: Paper) -> None:
    paper.playwright.counts = {1: 0}
    check = {"type": "assert_locator_node", "locator": "locator('li')", "assertion": "to_be_hidden", "timeout": 0}
    outcome = paper.run([check])

    assert (outcome.error, outcome.step.status) == (None, "success")
    assert paper.waits.noted == []


def test_without_a_page_nothing_is_waited_for(paper: Paper, settings: Settings) -> None:
    settings.HONOUR_EXPLICIT_SLEEPS = False

    async def close(context: PrivateNodeContext) -> None:
        await context.page.close()

    outcome = paper.run([paper.node(close, end_sleep_time=3), paper.node(nothing, before_sleep_time=3)])

    assert outcome.error is None
    assert paper.waits.noted == []
    assert [step.url for step in outcome.steps] == ["", ""]


async def _open_tab(context: PrivateNodeContext) -> None:
    await context.page.context.new_page()


def test_a_new_tab_is_waited_for_until_one_opens(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.nodes.NEW_TAB_WAIT", 0.2)
    late = paper.run([paper.node(_open_tab), go(expect_new_tab=True, end_sleep_time=0)])

    # A tab that was there before is not the one that was expected.
    assert late.steps[1].status == "warning"
    assert late.steps[1].details["notes"] == ["no new tab was opened within 0.2 s"]
    assert late.steps[0].status == "success"


def test_a_tab_that_a_step_opens_is_the_one_that_it_expected(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.nodes.NEW_TAB_WAIT", 0.2)
    node = interact("go_to_url", {"url": "http://127.0.0.1:1/next", "new_tab": True}, expect_new_tab=True)
    outcome = paper.run([node])

    assert outcome.step.status == "success"
    assert "notes" not in outcome.step.details


def test_a_sleep_is_a_bound_of_as_many_seconds_when_the_operator_says_so(
    paper: Paper, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HONOUR_EXPLICIT_SLEEPS = False
    bounds: list[float] = []

    async def settle(activity: PageActivity, seconds: float) -> bool:
        bounds.append(seconds)
        return True

    monkeypatch.setattr(PageActivity, "settle", settle)

    assert paper.run([sleep(2.5), sleep(-1)]).error is None
    assert bounds == [2.5, 0.0]


# --- the page's part -----------------------------------------------------------------------------------------


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the walk tells the page's watcher and the run about each act."""
    told: list[tuple[str, Any]] = []
    begin, done, about = PageActivity.begin, Run.act_is_done, Run.about_to_act

    def begins(activity: PageActivity) -> None:
        told.append(("begins", None))
        begin(activity)

    def is_done(run: Run, *, changes_page: bool) -> None:
        told.append(("done", changes_page))
        done(run, changes_page=changes_page)

    async def about_to_act(run: Run) -> None:
        told.append(("about to act", run.wants_view))
        await about(run)

    monkeypatch.setattr(PageActivity, "begin", begins)
    monkeypatch.setattr(Run, "act_is_done", is_done)
    monkeypatch.setattr(Run, "about_to_act", about_to_act)
    return told


def test_a_step_that_acts_says_so_before_and_after(paper: Paper, acts: list[tuple[str, Any]]) -> None:
    paper.run([go()])

    assert acts == [("begins", None), ("about to act", False), ("done", True)]


def test_a_step_that_looks_at_no_page_changes_none(paper: Paper, acts: list[tuple[str, Any]]) -> None:
    paper.run([say("x")])

    assert acts == [("about to act", False), ("done", False)]


def test_an_element_is_looked_for_before_its_act_begins(paper: Paper, acts: list[tuple[str, Any]]) -> None:
    outcome = paper.run([interact("hover", {"command": "locator('li').click()"}, max_tries=1)])

    assert type(outcome.error) is ElementNotFoundError
    assert acts == [("begins", None)]


def test_only_interactions_empty_the_record_of_calls(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[str] = []
    monkeypatch.setattr("executor.network.NetworkRecord.clear", lambda record: emptied.append("x"))
    paper.run([say("x"), sleep(0), paper.node(nothing)])
    at_the_end = len(emptied)

    paper.run([go(), go()])
    assert len(emptied) == at_the_end + 2 + at_the_end


def test_what_a_key_sets_off_is_expected_and_what_an_address_brings_is_not(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: list[float] = []

    def note(activity: PageActivity, *, unless_navigated_since: float) -> None:
        expected.append(unless_navigated_since)

    monkeypatch.setattr(PageActivity, "expect_changes", note)
    paper.run([go()])
    assert expected == []

    outcome = paper.run([interact("key_press", {"type": "enter"})])
    assert outcome.error is None
    began = Step.objects.get(task=outcome.task).started_at.timestamp()
    assert len(expected) == 1
    assert abs(expected[0] - began) < 30


# --- commit points -------------------------------------------------------------------------------------------


def test_a_commit_point_is_journaled_by_its_path_and_finished(paper: Paper) -> None:
    outcome = paper.run([go(), loop("p", go(commit_point=True, label="Submit"))], inputs={"p": "ab"})

    journal = CommitPoint.objects.filter(task=outcome.task).order_by("id")
    assert [(each.path, each.label, each.finished_at is not None) for each in journal] == [
        ("nodes[1].nodes[0]", "Submit", True),
        ("nodes[1].nodes[0]", "Submit", True),
    ]
    assert [step.is_commit_point for step in outcome.steps] == [False, False, True, True]


def test_only_what_acts_can_be_a_commit_point(paper: Paper) -> None:
    outcome = paper.run([if_else("True", paper.node(nothing)), go()])

    assert [step.is_commit_point for step in outcome.steps] == [False, False, False]
    assert not CommitPoint.objects.filter(task=outcome.task).exists()


# --- pictures ------------------------------------------------------------------------------------------------


def pictures(paper: Paper) -> list[dict[str, Any]]:
    return [options for (options,) in paper.playwright.all_asked("screenshot")]


def test_a_step_that_acts_has_a_picture_and_one_without_a_page_has_none(paper: Paper) -> None:
    later = {"before_sleep_time": 0.5}  # the next act would end the time for a picture
    outcome = paper.run([go(), {**say("x"), **later}, sleep(0), paper.node(nothing)])

    assert [step.picture is not None for step in outcome.steps] == [True, False, False, False]
    assert list(outcome.files("picture").values()) == [JPEG]
    assert [step.url for step in outcome.steps] == ["http://127.0.0.1:1/next"] * 4


def test_the_last_picture_is_taken_before_the_browser_goes(paper: Paper) -> None:
    paper.run([go()])

    asked = [each[0] for each in paper.playwright.asked if each[0] != "locator"]
    assert asked == ["goto", "screenshot", "close context"]


def test_pictures_end_at_their_limit_which_is_told_once(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "_MAX_PICTURES", 2)
    outcome = paper.run(
        [loop("p", go(before_sleep_time=0.5)), {**fail(), "before_sleep_time": 0.5}], inputs={"p": "abcd"}
    )

    assert [step.picture is not None for step in outcome.steps[1:]] == [True, True, False, False, True]
    assert outcome.events("note") == [{"text": "2 steps have pictures; from here on only steps that fail get one"}]


@pytest.mark.parametrize(("passes", "notes"), [("ab", 0), ("abc", 1)])
def test_pictures_that_suffice_are_no_matter_for_a_note(
    paper: Paper, monkeypatch: pytest.MonkeyPatch, passes: str, notes: int
) -> None:
    monkeypatch.setattr(walk, "_MAX_PICTURES", 2)
    outcome = paper.run([loop("p", go(end_sleep_time=0))], inputs={"p": passes})

    assert len(outcome.events("note")) == notes


def test_a_failure_is_shown_as_it_is_then(paper: Paper) -> None:
    async def stumble(context: PrivateNodeContext) -> None:
        raise ActionError("no")

    outcome = paper.run([paper.node(stumble)])

    assert outcome.step.status == "failed"
    assert outcome.step.picture is not None
    assert [options["timeout"] for options in pictures(paper)] == [1000]


def test_a_failure_that_cannot_be_shown_has_no_picture(paper: Paper) -> None:
    paper.playwright.screenshot = PlaywrightError("Timeout 1000ms exceeded")
    outcome = paper.run([fail()])

    assert (outcome.step.status, outcome.step.picture) == ("failed", None)


def test_nobody_is_asked_for_a_picture_when_nobody_would_answer(paper: Paper) -> None:
    async def stumble(context: PrivateNodeContext) -> None:
        raise BrowserCrashedError

    outcome = paper.run([paper.node(stumble)])

    assert (outcome.step.status, outcome.step.picture) == ("failed", None)
    assert pictures(paper) == []


@pytest.mark.parametrize("error", [KeyError("a secret"), OSError("no such thing")])
def test_a_mistake_of_ours_is_in_its_row_when_the_attempt_has_ended(
    paper: Paper, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def stumble(action: object, run: Run) -> None:
        for number in range(400):  # much is still to be written
            run.recorder.event("note", {"text": str(number)})
        raise error

    monkeypatch.setitem(HANDLERS, "misc.nothing", stumble)  # type: ignore[arg-type]
    outcome = paper.run([misc()])

    assert outcome.error is error
    assert (outcome.step.status, outcome.step.error) == ("failed", f"internal error: {type(error).__name__}")
    assert pictures(paper) == []


# --- rows ----------------------------------------------------------------------------------------------------


def test_rows_tell_what_they_are(paper: Paper) -> None:
    outcome = paper.run([say("x"), if_else("False"), paper.node(nothing, label="Ours"), go("/a")])

    assert [(step.kind, step.label, step.locator, step.index) for step in outcome.steps] == [
        ("misc.set_variable", "Set said", "", 1),
        ("if_else_node", "If False", "", None),
        ("private_node", "Ours", "", 2),
        ("go_to_url", outcome.steps[3].label, "", 3),
    ]
    assert {step.status for step in outcome.steps} == {"success"}
    assert all(step.duration_ms is not None for step in outcome.steps)


def test_values_are_filled_in_for_the_act_and_not_in_the_row(paper: Paper) -> None:
    node = interact("go_to_url", {"url": "http://127.0.0.1:1/{who[0]}"})
    outcome = paper.run([node, set_variable("who", value="ada"), node], inputs={"who": ["grace"]})

    asked = [address for (address,) in paper.playwright.all_asked("goto")]
    assert asked == ["http://127.0.0.1:1/grace", "http://127.0.0.1:1/grace"]
    assert "ada" not in outcome.step.label


def test_a_foreign_error_is_told_with_the_label_of_its_step(paper: Paper) -> None:
    paper.playwright.counts = {1: 1}

    async def reach(context: PrivateNodeContext) -> None:
        raise PlaywrightError("something odd")

    outcome = paper.run([paper.node(reach, label="Reach out")])

    assert type(outcome.error) is ActionError
    assert "something odd" in str(outcome.error)


def test_steps_that_were_interrupted_say_stopped(paper: Paper) -> None:
    async def stop(context: PrivateNodeContext) -> None:
        raise asyncio.CancelledError

    outcome = paper.run([loop("p", if_else("True", paper.node(stop)), on_error_in_loop="continue")], inputs={"p": "ab"})

    assert type(outcome.error) is BrowserCrashedError
    assert [(step.status, step.error) for step in outcome.steps] == [("failed", "stopped")] * 3


def test_a_full_disk_ends_a_loop_that_goes_on_after_errors(paper: Paper) -> None:
    async def fill(context: PrivateNodeContext) -> None:
        raise DiskFullError("full")

    outcome = paper.run([loop("p", paper.node(fill), on_error_in_loop="continue")], inputs={"p": "ab"})

    assert type(outcome.error) is DiskFullError
    assert len(outcome.runner.for_loop_status[0]) == 1
