"""An attempt as a whole: what people see of it, its folder, its second browser, and what is kept at its end.

On paper: Playwright is a stand-in here, and nothing else.
"""

import asyncio
import concurrent.futures
import errno
import re
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from playwright.async_api import Error as PlaywrightError
from pytest_django import Settings

from executor.browser import BrowserPool
from executor.errors import (
    AutomationError,
    BrowserCrashedError,
    BrowserNotFoundError,
    DiskFullError,
    FailStateError,
    LeaseLostError,
    PageNotRespondingError,
    RunError,
)
from executor.loop import WorkerLoop
from executor.person_clock import PersonClock
from executor.private_nodes import PrivateNodeContext
from executor.run import Run
from executor.runner import RUNNABLE_KINDS, AttemptRunner
from inference.models import Artifact, Step, Task, TaskEvent
from tests.executor.conftest import RUN_SECONDS, make_runner, runner_task_id, wait_for
from tests.executor.logins import Logins, told
from tests.executor.nodes import fail, loop, said, say, sleep
from tests.executor.paper_browser import GONE, PNG, Paper, paper_of

pytestmark = pytest.mark.django_db(transaction=True)

URL = "http://127.0.0.1:1/start"
VAULT = {"pin": [{"onepassword": {"vault_name": "v", "item_name": "i", "field_name": "f"}}]}


@pytest.fixture
def paper(worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paper]:
    yield from paper_of(worker_loop, monkeypatch)


def never_asked(error: RunError) -> bool:
    raise AssertionError("nothing has failed")


# --- errors before there is a page ---------------------------------------------------------------------------


def run_without_browser(
    worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> BaseException | None:
    """What an attempt raises whose browser cannot be started because of `error`."""

    async def no_browser(pool: BrowserPool) -> None:
        runner._recorder.event("note", {"text": "before"})
        raise error

    monkeypatch.setattr(BrowserPool, "start", no_browser)
    runner = make_runner([say("never")], pool=BrowserPool())
    runner._masking.hide("s3cret")
    raised = worker_loop.submit(runner.execute()).exception(RUN_SECONDS)
    assert said(runner.output_data) == []
    return raised


def test_before_it_begins_there_is_nothing_but_a_word_about_it() -> None:
    runner = make_runner([say("x")], pool=BrowserPool())

    assert runner.now_doing() == "starting the browser, for 0 s"
    assert (runner.output_data, runner.for_loop_status, runner.final_screenshot_id) == ([], [], None)


def test_its_error_hides_what_is_secret_and_comes_after_what_was_written(
    worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = BrowserNotFoundError("no browser behind s3cret")
    raised = run_without_browser(worker_loop, monkeypatch, error)

    assert raised is error
    assert str(raised) == "no browser behind •••"
    event = TaskEvent.objects.get(kind="note")
    assert (event.data, event.cause) == ({"text": "before"}, {"kind": "attempt", "id": "1"})


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_or_a_quota_that_is_full_is_told_as_such(
    worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    error = OSError(code, "no room")
    raised = run_without_browser(worker_loop, monkeypatch, error)

    assert type(raised) is DiskFullError
    assert raised.__cause__ is error
    assert str(raised) == "the disk is full: no picture or file could be kept; free some space"


def test_another_error_of_the_system_goes_up_as_it_is(worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    error = PermissionError(errno.EACCES, "not yours")

    assert run_without_browser(worker_loop, monkeypatch, error) is error


def test_work_that_its_driver_cancels_is_a_crash(worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = run_without_browser(worker_loop, monkeypatch, asyncio.CancelledError())

    assert type(raised) is BrowserCrashedError
    assert str(raised) == "the browser's driver went away"


def test_a_document_that_cannot_be_run_fails_for_good_and_starts_no_browser(paper: Paper) -> None:
    parameters = {"input_parameters": {}, "generated_parameters": {}, "secure_parameters": VAULT}
    outcome = paper.run([say("never")], parameters=parameters)

    assert type(outcome.error) is AutomationError
    assert str(outcome.error) == (
        "parameters.secure_parameters.pin[0]: secure_parameters.onepassword cannot be run by this server"
    )
    assert (paper.playwright.browsers, outcome.steps) == ([], [])


# --- while it runs -------------------------------------------------------------------------------------------


def test_it_begins_at_its_address_and_ends_with_its_browser_free(paper: Paper) -> None:
    outcome = paper.run([say("x")], url=URL, post_processing_nodes=[say("post")], is_last_attempt=never_asked)

    assert outcome.error is None
    assert said(outcome.output) == ["x", "post"]
    assert paper.playwright.all_asked("goto") == [(URL,)]
    assert paper.waits.noted == [("opened", 0.0)]
    assert paper.playwright.all_asked("close context") == [(1,)]
    assert paper.playwright.open_contexts == 1
    assert outcome.events("navigation") == []
    assert outcome.events("tab") == []  # the first one is nothing to tell, nor is its end
    assert [(step.path, step.attempt) for step in outcome.steps] == [("nodes[0]", 1), ("post_processing_nodes[0]", 1)]
    # The page must answer, and it is asked once.
    assert paper.playwright.all_asked("locator") == [("html",)]


def test_without_an_address_it_begins_on_an_empty_page(paper: Paper) -> None:
    seen: list[str] = []

    async def look(context: PrivateNodeContext) -> None:
        seen.append(context.page.url)

    assert paper.run([paper.node(look)]).error is None
    assert seen == ["about:blank"]
    assert (paper.playwright.all_asked("goto"), paper.waits.noted) == ([], [])


def test_what_is_odd_about_its_first_page_is_told(paper: Paper) -> None:
    paper.playwright.status = 404
    outcome = paper.run([say("x")], url=URL)

    assert outcome.error is None
    assert outcome.events("navigation") == [{"text": f"{URL} answered HTTP 404"}]


@pytest.fixture
def doing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What people were told, in order."""
    told: list[str] = []
    now = AttemptRunner._now

    def tell(runner: AttemptRunner, what: str) -> None:
        told.append(what)
        now(runner, what)

    monkeypatch.setattr(AttemptRunner, "_now", tell)
    return told


def test_people_see_what_it_is_doing(paper: Paper, doing: list[str]) -> None:
    outcome = paper.run([say("x")], post_processing_nodes=[say("y")], take_final_screenshot=True)

    assert doing == [
        "opening the page",
        "step 1 (Set said)",
        "waiting for downloads",
        "step 2 (Set said)",
        "taking the final screenshot",
    ]
    assert re.fullmatch(r"taking the final screenshot, for \d s", outcome.runner.now_doing())


def test_its_folder_is_its_own_and_gone_after_it(paper: Paper) -> None:
    seen: list[tuple[str, int]] = []

    async def look(context: PrivateNodeContext) -> None:
        seen.extend((each.name, stat.S_IMODE(each.stat().st_mode)) for each in paper.folders())

    runner = paper.prepare([paper.node(look)])
    assert paper.end(runner).error is None

    assert seen == [(f"attempt-{runner._token}", 0o700)]
    assert paper.folders() == []


def test_a_folder_that_is_there_already_is_used(paper: Paper) -> None:
    runner = paper.prepare([say("x")])
    paper.start()
    (paper.pool.folder / f"attempt-{runner._token}").mkdir()

    assert said(paper.end(runner).output) == ["x"]
    assert paper.folders() == []


class Alert:
    """A dialog as Playwright gives it."""

    type, message = "alert", "Saved"

    def __init__(self) -> None:
        self.opened = time.monotonic()
        self.seconds = 0.0
        self.is_accepted = asyncio.Event()

    async def accept(self) -> None:
        self.seconds = time.monotonic() - self.opened
        self.is_accepted.set()


@pytest.mark.parametrize(("leaves_them", "least", "most"), [(False, 0.0, 0.4), (True, 0.5, 5.0)])
def test_dialogs_are_accepted_at_once_or_left_a_moment(
    paper: Paper, monkeypatch: pytest.MonkeyPatch, leaves_them: bool, least: float, most: float
) -> None:
    monkeypatch.setattr("executor.watching.DIALOG_LEFT_SECONDS", 0.5)
    alerts: list[Alert] = []

    async def alert(context: PrivateNodeContext) -> None:
        alerts.append(Alert())
        context.page.context.emit("dialog", alerts[0])  # type: ignore[attr-defined]
        await alerts[0].is_accepted.wait()

    outcome = paper.run([paper.node(alert)], enable_browser_alerts=leaves_them)

    assert outcome.error is None
    assert least <= alerts[0].seconds < most


class Line:
    """A console message as Playwright gives it."""

    type, text = "error", "out of s3cret"
    location: Mapping[str, object] = {"url": "", "lineNumber": 1, "columnNumber": 1}


def test_what_the_page_wrote_is_kept_with_the_step_that_failed(paper: Paper) -> None:
    async def complain(context: PrivateNodeContext) -> None:
        context.page.context.emit("console", Line())  # type: ignore[attr-defined]
        raise ValueError("no")

    outcome = paper.run([paper.node(complain)], hidden="s3cret")

    assert "out of •••" in str(outcome.step.details["console"])
    assert "s3cret" not in str(outcome.step.details)


def test_the_clock_of_people_is_the_one_that_the_worker_looks_at(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Run] = []
    monkeypatch.setattr("executor.runner.Run", lambda **fields: made.append(Run(**fields)) or made[-1])
    runner = paper.prepare([say("x")])
    assert paper.end(runner).error is None

    assert type(runner.person_clock) is PersonClock
    assert made[0].person_clock is runner.person_clock


def test_a_failed_attempt_gives_everything_back(paper: Paper) -> None:
    outcome = paper.run([fail("no")], url=URL)

    assert type(outcome.error) is FailStateError
    assert paper.playwright.all_asked("close context") == [(1,)]
    assert (paper.playwright.open_contexts, paper.folders()) == (1, [])
    assert outcome.events("tab") == []


def test_an_attempt_that_is_told_to_stop_gives_everything_back_and_keeps_what_it_has(paper: Paper) -> None:
    runner = paper.prepare([say("x"), sleep(60)], post_processing_nodes=[say("never")], take_final_screenshot=True)
    future = paper.begin(runner)
    wait_for(lambda: Step.objects.filter(status="running", index=2).exists())
    future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(20)

    assert said(runner.output_data) == ["x"]
    last = Step.objects.get(task_id=runner_task_id(runner), index=2)
    assert (last.status, last.error) == ("failed", "stopped")
    assert paper.playwright.all_asked("close context") == [(1,)]
    assert (paper.playwright.open_contexts, paper.folders()) == (1, [])


def test_what_cannot_be_written_anymore_ends_it_although_it_waits(paper: Paper) -> None:
    runner = paper.prepare([sleep(60)])
    future = paper.begin(runner)
    wait_for(lambda: Step.objects.filter(status="running").exists())
    Task.objects.filter(id=runner_task_id(runner)).update(lease_token=runner._token + 1)
    with pytest.raises(LeaseLostError):
        write_something(runner, future)

    assert paper.playwright.all_asked("close context") == [(1,)]
    assert [step.status for step in Step.objects.all()] == ["running"]


def write_something(runner: AttemptRunner, future: "concurrent.futures.Future[None]") -> None:
    """As a page would, by what it does."""
    loop_of = runner._recorder._pump.get_loop()  # type: ignore[union-attr]
    loop_of.call_soon_threadsafe(runner._recorder.event, "note", {"text": "x"})
    future.result(20)


def test_its_steps_and_its_error_hide_what_is_secret(paper: Paper) -> None:
    async def complain(context: PrivateNodeContext) -> None:
        raise ValueError("no s3cret")

    outcome = paper.run([paper.node(complain)], hidden="s3cret")

    assert str(outcome.error) == "the private node handler “paper.complain” failed: no •••"
    assert outcome.step.error == str(outcome.error)


# --- the proxy, the trace ------------------------------------------------------------------------------------


CHECK = "http://127.0.0.1:1/check"


@pytest.fixture
def _behind_a_proxy(settings: Settings) -> None:
    settings.BROWSER_PROXY = "http://127.0.0.1:9"
    settings.PROXY_CHECK_URL = CHECK


@pytest.mark.usefixtures("_behind_a_proxy")
def test_who_is_seen_behind_the_proxy_is_the_first_output(paper: Paper, doing: list[str]) -> None:
    paper.playwright.text = '{"ip": "203.0.113.7"}'
    outcome = paper.run([say("x")], url=URL, use_proxy=True)

    assert outcome.output[0] == {"unique_identifier": "ip_info", "json_data": {"ip": "203.0.113.7"}}
    assert paper.playwright.all_asked("goto") == [(CHECK,), (URL,)]
    assert doing[:2] == ["opening the page", "asking who is seen behind the proxy"]


@pytest.mark.usefixtures("_behind_a_proxy")
def test_only_tasks_that_use_the_proxy_ask_who_is_seen(paper: Paper) -> None:
    assert said(paper.run([say("x")], url=URL).output) == ["x"]
    assert paper.playwright.all_asked("goto") == [(URL,)]


@pytest.mark.usefixtures("_behind_a_proxy")
def test_nobody_is_asked_when_no_check_page_is_set(paper: Paper, settings: Settings) -> None:
    settings.PROXY_CHECK_URL = ""

    assert paper.run([say("x")], use_proxy=True).error is None
    assert paper.playwright.all_asked("goto") == []


@pytest.mark.usefixtures("_behind_a_proxy")
def test_a_check_page_without_an_answer_is_told_and_no_more(paper: Paper, settings: Settings) -> None:
    settings.PROXY_CHECK_URL = "ftp://127.0.0.1/"
    outcome = paper.run([say("x")], use_proxy=True)

    assert outcome.error is None
    assert said(outcome.output) == ["x"]
    (note,) = outcome.events("note")
    assert re.match(r"the proxy's check page gave no answer: could not open ftp://127.0.0.1/: ", note["text"])


@pytest.mark.parametrize("secure", [{}, VAULT])
def test_a_trace_that_is_wanted_is_kept_and_knows_whether_there_are_secrets(
    paper: Paper, monkeypatch: pytest.MonkeyPatch, secure: dict[str, Any]
) -> None:
    monkeypatch.setattr("executor.runner.RUNNABLE_KINDS", RUNNABLE_KINDS | {"secure_parameters.onepassword"})
    parameters = {"input_parameters": {}, "generated_parameters": {}, "secure_parameters": secure}
    outcome = paper.run([say("x")], trace="always", parameters=parameters)

    assert outcome.error is None
    ((options,),) = paper.playwright.all_asked("trace")
    assert options["snapshots"] is not bool(secure)
    assert list(outcome.files(Artifact.Kind.TRACE)) == ["trace-of-try-1.zip"]
    assert Artifact.objects.get(task=outcome.task).storage_name.startswith(f"{outcome.task.id}/")
    assert outcome.events("note") == []


def test_the_trace_of_a_failure_is_kept_and_none_when_nothing_answers_anymore(paper: Paper) -> None:
    async def crash(context: PrivateNodeContext) -> None:
        raise BrowserCrashedError

    failed = paper.run([fail()], trace="always")
    crashed = paper.run([paper.node(crash)], trace="always")

    assert list(failed.files(Artifact.Kind.TRACE)) == ["trace-of-try-1.zip"]
    assert type(crashed.error) is BrowserCrashedError
    assert crashed.files(Artifact.Kind.TRACE) == {}


def test_a_first_attempt_is_not_traced_unless_the_run_before_failed(paper: Paper) -> None:
    assert paper.run([say("x")]).error is None
    assert paper.playwright.all_asked("trace") == []

    later = paper.prepare([say("x")])
    later._attempt_number = 2
    assert paper.end(later).error is None
    assert len(paper.playwright.all_asked("trace")) == 1


def test_a_database_that_is_away_costs_the_trace_and_nothing_else(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object, **options: object) -> bool:
        raise OperationalError("away")

    monkeypatch.setattr("executor.runner.wants_trace", away)
    outcome = paper.run([say("x")], trace="always")

    assert (outcome.error, said(outcome.output)) == (None, ["x"])
    assert paper.playwright.all_asked("trace") == []


# --- a page that does not answer -----------------------------------------------------------------------------


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.runner._PAGE_ANSWERS_SECONDS", 0.1)


@pytest.mark.usefixtures("_impatient")
def test_a_page_that_answers_nothing_is_opened_once_more_in_a_new_browser(paper: Paper) -> None:
    paper.playwright.counts = {1: None}
    seen: list[str] = []

    async def look(context: PrivateNodeContext) -> None:
        seen.extend(each.name for each in paper.folders())

    runner = paper.prepare(
        [paper.node(look), say("x")], url=URL, post_processing_nodes=[say("post")], is_last_attempt=never_asked
    )
    outcome = paper.end(runner)

    assert outcome.error is None
    assert said(outcome.output) == ["x", "post"]
    assert paper.playwright.all_asked("goto") == [(URL,), (URL,)]
    assert [each.is_open for each in paper.playwright.browsers] == [False, True]
    assert paper.playwright.all_asked("close context") == [(1,), (2,)]
    # It uses no retry, and its files are not mixed with those of the first.
    assert {step.attempt for step in outcome.steps} == {1}
    assert seen == [f"attempt-{runner._token}-again"]
    assert paper.folders() == []


@pytest.mark.usefixtures("_impatient")
def test_a_page_that_answers_nothing_in_a_second_browser_either_fails_the_attempt(paper: Paper) -> None:
    paper.playwright.counts = {1: None, 2: None}
    asked: list[RunError] = []

    def is_last(error: RunError) -> bool:
        asked.append(error)
        return True

    outcome = paper.run(
        [say("never")],
        url=URL,
        post_processing_nodes=[say("post")],
        take_final_screenshot=True,
        expected_downloads=1,
        is_last_attempt=is_last,
    )

    assert type(outcome.error) is PageNotRespondingError
    assert str(outcome.error) == "page did not respond"
    assert len(paper.playwright.browsers) == 2
    assert asked == [outcome.error]
    # Without a page, only what needs none is still done.
    assert said(outcome.output) == ["post"]
    assert paper.playwright.all_asked("screenshot") == []
    assert outcome.events("note") == []


def test_a_page_that_goes_away_while_it_is_opened_is_a_crash(paper: Paper) -> None:
    paper.playwright.counts = {1: PlaywrightError(GONE)}
    outcome = paper.run([say("never")])

    assert type(outcome.error) is BrowserCrashedError
    assert str(outcome.error) == "the page went away while it was opened"
    assert len(paper.playwright.browsers) == 1


def test_a_page_that_answers_with_another_error_has_answered(paper: Paper) -> None:
    paper.playwright.counts = {1: PlaywrightError("Execution context was destroyed")}

    assert said(paper.run([say("x")]).output) == ["x"]


# --- what is done at the end ---------------------------------------------------------------------------------


def test_the_end_waits_until_another_attempt_cannot_follow(paper: Paper) -> None:
    asked: list[RunError] = []

    def is_last(error: RunError) -> bool:
        asked.append(error)
        return False

    outcome = paper.run(
        [fail("not yet")],
        post_processing_nodes=[say("post")],
        take_final_screenshot=True,
        expected_downloads=1,
        is_last_attempt=is_last,
    )

    assert asked == [outcome.error]
    assert said(outcome.output) == []
    assert outcome.runner.final_screenshot_id is None
    assert outcome.events("note") == []


def test_the_last_failure_has_the_same_end_as_a_success(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.runner._DOWNLOADS_SECONDS", 0.05)
    outcome = paper.run(
        [fail("no")],
        post_processing_nodes=[say("post"), fail("cannot"), say("never")],
        take_final_screenshot=True,
        expected_downloads=2,
    )

    assert str(outcome.error) == "no"
    assert said(outcome.output) == ["post"]
    assert [(step.path, step.status) for step in outcome.steps[1:]] == [
        ("post_processing_nodes[0]", "success"),
        ("post_processing_nodes[1]", "failed"),
    ]
    assert outcome.events("note") == [
        {"text": "0 of 2 expected downloads came"},
        {"text": "post-processing ended early: cannot"},
    ]
    assert outcome.runner.final_screenshot_id is not None


def test_whether_another_attempt_follows_is_asked_until_the_database_answers(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.runner._DATABASE_RETRY_SECONDS", 0.01)
    answers = iter([OperationalError("away"), OperationalError("away"), True])

    def is_last(error: RunError) -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    outcome = paper.run([fail("x")], post_processing_nodes=[say("post")], is_last_attempt=is_last)

    assert str(outcome.error) == "x"
    assert said(outcome.output) == ["post"]


def test_an_attempt_that_expects_no_files_waits_for_none(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.runner._DOWNLOADS_SECONDS", 60)

    assert paper.run([say("x")], expected_downloads=0).events("note") == []
    assert paper.run([say("x")], expected_downloads=-3).events("note") == []


class ServedFile:
    """A download as Playwright gives it."""

    url = "http://127.0.0.1:1/file"

    def __init__(self, path: Path, body: bytes) -> None:
        path.write_bytes(body)
        self.suggested_filename = path.name
        self._path = path

    async def path(self) -> Path:
        return self._path


def test_files_that_no_node_asked_for_are_kept_unless_they_are_of_no_use(paper: Paper, tmp_path: Path) -> None:
    async def offer(context: PrivateNodeContext) -> None:
        for name, body in (("empty.csv", b""), ("one.csv", b"1"), ("two.csv", b"2")):
            context.page.emit("download", ServedFile(tmp_path / name, body))  # type: ignore[attr-defined]

    outcome = paper.run([paper.node(offer)], expected_downloads=3)

    assert outcome.error is None
    assert outcome.files() == {"one.csv": b"1", "two.csv": b"2"}
    kept = Artifact.objects.filter(task=outcome.task)
    assert {row.storage_name.partition("/")[0] for row in kept} == {str(outcome.task.id)}
    left_out = [event for event in outcome.events("download") if event["state"] == "left out"]
    assert left_out == [{"state": "left out", "error": "the downloaded file “empty.csv” is empty"}]
    assert outcome.events("note") == []


def test_the_final_screenshot_is_of_the_whole_page(paper: Paper) -> None:
    outcome = paper.run([say("x")], url=URL, take_final_screenshot=True)

    assert paper.playwright.all_asked("screenshot") == [({"full_page": True, "type": "png", "timeout": 10_000},)]
    assert outcome.files(Artifact.Kind.SCREENSHOT) == {"final_screenshot.png": PNG}
    assert Artifact.objects.get(id=outcome.runner.final_screenshot_id).filename == "final_screenshot.png"


def test_no_final_screenshot_is_taken_when_the_document_wants_none(paper: Paper) -> None:
    outcome = paper.run([say("x")], take_final_screenshot=False)

    assert outcome.runner.final_screenshot_id is None
    assert paper.playwright.all_asked("screenshot") == []


def test_a_page_that_cannot_be_shown_at_the_end_fails_nothing(paper: Paper) -> None:
    paper.playwright.screenshot = PlaywrightError("Timeout 10000ms exceeded")
    outcome = paper.run([say("x")], take_final_screenshot=True)

    assert (outcome.error, outcome.runner.final_screenshot_id) == (None, None)


def test_a_last_tab_that_a_node_has_closed_fails_only_what_needs_it(paper: Paper) -> None:
    async def close(context: PrivateNodeContext) -> None:
        await context.page.close()

    async def use(context: PrivateNodeContext) -> None:
        await context.page.title()

    closed = paper.run([paper.node(close)], url=URL, take_final_screenshot=True)
    used = paper.run(
        [paper.node(close), loop("p", paper.node(use), on_error_in_loop="continue")],
        url=URL,
        inputs={"p": ["a", "b"]},
        post_processing_nodes=[say("post")],
        take_final_screenshot=True,
    )

    assert (closed.error, closed.runner.final_screenshot_id) == (None, None)
    assert closed.step.url == ""
    assert type(used.error) is BrowserCrashedError
    assert len(used.runner.for_loop_status[0]) == 1
    assert said(used.output) == ["post"]
    assert paper.playwright.all_asked("screenshot") == []


# --- the session of a login ----------------------------------------------------------------------------------

COOKIE = {"name": "s", "value": "signed in", "domain": "127.0.0.1", "path": "/", "expires": -1}


@pytest.fixture
def logins(paper: Paper, worker_loop: WorkerLoop) -> Any:
    paper.playwright.cookies = [COOKIE]

    def make(*nodes: Any, **fields: Any) -> Logins:
        return Logins(nodes, loop=worker_loop, pool=paper.pool, url=URL, **fields)

    return make


def test_the_next_task_of_a_login_begins_with_what_the_last_one_left(paper: Paper, logins: Any) -> None:
    those = logins(say("x"))
    first, second = those.run(), those.run()

    assert (first.error, second.error) == (None, None)
    assert (told(first), told(second)) == (["kept"], ["used", "kept"])
    assert paper.playwright.all_asked("cookies") == [([COOKIE],)]
    assert paper.playwright.all_asked("goto") == [(URL,), (URL,)]
    assert paper.playwright.all_asked("close context") == [(1,), (1,)]


def test_other_tasks_have_no_part_in_a_session(paper: Paper, logins: Any) -> None:
    those = logins(say("x"))
    ordinary = those.run(is_dedicated=False)
    ordinary.runner.timed_out()

    assert (told(ordinary), those.stored()) == ([], None)


def test_a_failure_that_began_with_a_session_drops_it(paper: Paper, logins: Any) -> None:
    those = logins(say("x"))
    those.run()
    those.publish([paper.node(stumble)])
    failed = those.run()

    assert str(failed.error).endswith("failed: no")
    assert told(failed) == ["used", "dropped"]
    assert those.stored() is None


async def stumble(context: PrivateNodeContext) -> None:
    raise ValueError("no")


def test_an_attempt_that_timed_out_drops_the_session_that_it_began_with(paper: Paper, logins: Any) -> None:
    those = logins(say("x"))
    those.run()
    those.publish([sleep(60)])
    runner = those.runner(those.claim())
    future = those.start(runner)
    wait_for(lambda: Step.objects.filter(status="running").exists())
    future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(20)
    assert those.stored() is not None

    runner.timed_out()
    assert those.stored() is None


def test_a_session_that_does_not_go_into_the_browser_is_left_out(paper: Paper, logins: Any) -> None:
    those = logins(say("x"))
    those.run()
    paper.playwright.restoring = PlaywrightError("no room for cookies")
    second = those.run()

    assert (second.error, told(second)) == (None, ["not used", "kept"])
    # What was half restored is not used either.
    assert paper.playwright.all_asked("close context") == [(1,), (1,), (1,)]
    assert paper.playwright.open_contexts == 1


def test_the_page_is_left_open_for_the_next_task_that_wants_it_at_the_same_address(paper: Paper, logins: Any) -> None:
    those = logins(say("x"), reuse_page_if_already_on_url=True)
    first = those.run()
    assert paper.playwright.all_asked("close context") == []
    second = those.run()

    assert (second.error, said(second.output)) == (None, ["x"])
    assert (told(first), told(second)) == (["kept"], ["reused", "kept"])
    assert paper.playwright.all_asked("goto") == [(URL,)]
    assert paper.playwright.all_asked("cookies") == []


def test_a_page_that_was_left_open_elsewhere_is_closed_and_the_session_used(paper: Paper, logins: Any) -> None:
    those = logins(say("x"), reuse_page_if_already_on_url=True)
    those.run()
    (page,) = [page for context in paper.playwright.browsers[0].contexts for page in context.pages if page.url == URL]
    page.url = "http://127.0.0.1:1/elsewhere"
    second = those.run()

    assert (second.error, told(second)) == (None, ["used", "kept"])
    assert paper.playwright.all_asked("goto") == [(URL,), (URL,)]
    assert paper.playwright.all_asked("close context") == [(1,)]
    assert not page.context.is_open


def test_secrets_of_the_task_before_are_hidden_on_its_page(paper: Paper, logins: Any) -> None:
    async def tell(context: PrivateNodeContext) -> None:
        raise ValueError("no s3cret")

    those = logins(say("x"), reuse_page_if_already_on_url=True)
    task = those.claim()
    runner = those.runner(task)
    runner._masking.hide("s3cret")
    those.start(runner).result(RUN_SECONDS)
    those.finish(task)
    those.publish([paper.node(tell)])
    second = those.run()

    assert told(second) == ["reused", "dropped"] or told(second) == ["reused"]
    assert str(second.error).endswith("failed: no •••")


def test_a_session_is_kept_without_the_page_that_a_node_has_closed(paper: Paper, logins: Any) -> None:
    async def close(context: PrivateNodeContext) -> None:
        await context.page.close()

    those = logins(paper.node(close), reuse_page_if_already_on_url=True)
    first, second = those.run(), those.run()

    assert (told(first), told(second)) == (["kept"], ["used", "kept"])
    assert paper.playwright.all_asked("goto") == [(URL,), (URL,)]
    assert paper.playwright.all_asked("close context") == [(1,), (1,)]


def test_a_session_that_is_not_kept_leaves_no_page_open(paper: Paper, logins: Any, settings: Settings) -> None:
    settings.LOGIN_SESSION_MAX_MB = 0
    those = logins(say("x"), reuse_page_if_already_on_url=True)
    first = those.run()

    assert (first.error, told(first), those.stored()) == (None, ["not kept"], None)
    assert first.runner.now_doing().startswith("keeping the session of its login, for ")
    assert paper.playwright.all_asked("close context") == [(1,)]
