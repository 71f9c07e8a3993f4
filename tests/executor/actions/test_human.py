"""A step that a person does: asked, answered, given up, timed out, cancelled; and the clock that stands meanwhile."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection, connections
from django.db.backends.utils import CursorWrapper

from executor import people, worker
from executor.browser import BrowserPool
from executor.claim import backstop_seconds
from executor.handover import PipeEvent
from executor.loop import WorkerLoop
from executor.people import LOOK_EVERY_SECONDS
from executor.worker import WorkerProcess
from inference.models import PersonRequest, Step, Task, TaskEvent
from inference.models.database_clock import StatementTimestamp
from inference.services import transitions
from inference.services.cancel import cancel_tasks
from inference.services.people import answer_request
from tests import factories
from tests.executor.browser_processes import kill_chromium
from tests.executor.conftest import RunNodes, read, wait_for
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

CAUSE = {"kind": "user", "id": "maya"}
LONG = 300


def ask(seconds: float = LONG, **fields: Any) -> dict[str, Any]:
    return {
        "type": "action_node",
        "human_in_loop_action": {"max_wait_time": seconds},
        "label": "Approve the sign-in on the phone",
        "end_sleep_time": 0,
        **fields,
    }


def open_question() -> PersonRequest | None:
    return PersonRequest.objects.filter(closed_at=None).first()


def answered(answer: str, note: str = "") -> None:
    wait_for(open_question)
    request = open_question()
    assert request is not None
    assert answer_request(task_id=request.task_id, answer=answer, note=note, cause=CAUSE, request_id=request.id)


class Attempt:
    """A task that a worker has, supervised in a thread of its own as in a worker's main thread."""

    def __init__(self, task: Task, me: WorkerProcess) -> None:
        self.task = task
        self.me = me
        self.status = ""
        self.began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="worker")
        self._thread.start()

    def _run(self) -> None:
        try:
            self.status = worker._run_attempt(self.me, self.task.id, self.task.lease_token)
        finally:
            connections.close_all()

    def stopped(self) -> None:
        self._thread.join(40)
        assert not self._thread.is_alive()

    def ended(self) -> Task:
        self.stopped()
        self.task.refresh_from_db()
        return self.task


Begin = Callable[..., Attempt]


@pytest.fixture
def begin(pool: BrowserPool, worker_loop: WorkerLoop, site: Site) -> Iterator[Begin]:
    """Run a document of `nodes` under supervision; `fields` are columns of its task."""
    begun: list[Attempt] = []
    started: Future[None] = Future()
    started.set_result(None)

    def run(*nodes: dict[str, Any], **fields: Any) -> Attempt:
        document = factories.a_document(inputs=(), nodes=nodes, url=f"{site.url}/second", take_final_screenshot=False)
        automation = factories.make_automation(document=document, inputs=())
        task = factories.make_task(automation=automation, status="running", input_parameters={}, **fields)
        me = WorkerProcess(worker_loop, pool, told_to_end=PipeEvent(), browser_start=started)
        begun.append(Attempt(task, me))
        return begun[-1]

    yield run
    for each in begun:
        cancel_tasks(Task.objects.filter(id=each.task.id), cause=CAUSE)
        each.stopped()


def person_events(task: Task) -> list[tuple[str, dict[str, Any]]]:
    events = TaskEvent.objects.filter(task=task, kind="person").order_by("id")
    return [(each.data["state"], each.cause) for each in events]


def test_the_task_pauses_with_a_question_and_goes_on_when_a_person_says_so(begin: Begin) -> None:
    attempt = begin(ask(), read('get_by_role("heading")'))
    wait_for(open_question)
    request = open_question()
    assert request is not None
    assert (request.task_id, request.attempt, request.step_position) == (attempt.task.id, 1, 0)
    assert request.question == "Approve the sign-in on the phone"
    assert (request.deadline - request.asked_at).total_seconds() == LONG
    assert request.picture is not None
    with default_storage.open(request.picture.storage_name) as file:
        assert file.read(2) == b"\xff\xd8"
    step = Step.objects.get(task=attempt.task)
    assert (step.status, step.kind) == ("running", "human_in_loop_action")
    told_at = time.monotonic()
    answered("continue", "approved")
    task = attempt.ended()

    assert time.monotonic() - told_at < LOOK_EVERY_SECONDS, "the notification did not wake it"
    assert (task.status, task.output_data) == ("success", [{"json_data": {"value": "Second"}}])
    request.refresh_from_db()
    assert (request.outcome, request.note, request.closed_by) == ("continue", "approved", CAUSE)
    assert request.closed_at is not None
    assert person_events(task) == [("asked", {"kind": "attempt", "id": "1"}), ("answered", CAUSE)]


def test_giving_up_ends_the_task_with_the_note_and_is_not_retried(begin: Begin) -> None:
    attempt = begin(ask(), max_retries=3)
    answered("give_up", "the phone is lost")
    task = attempt.ended()

    assert (task.status, task.error) == ("failed", "a person gave up: the phone is lost")
    assert Step.objects.get(task=task).error == task.error


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """For runs without a supervisor, whom nobody tells."""
    monkeypatch.setattr(people, "LOOK_EVERY_SECONDS", 0.1)


@pytest.mark.usefixtures("looks_often")
def test_giving_up_without_a_note_is_enough(run_nodes: RunNodes) -> None:
    helper = threading.Thread(target=_answer_from_elsewhere, args=("give_up",))
    helper.start()
    outcome = run_nodes([ask()])
    helper.join()

    assert str(outcome.error) == "a person gave up"


def test_an_answer_is_found_without_a_notification(run_nodes: RunNodes) -> None:
    """Without a supervisor nobody is told; the row is looked at all the same."""
    helper = threading.Thread(target=_answer_from_elsewhere, args=("continue",))
    helper.start()
    outcome = run_nodes([ask()])
    helper.join()

    assert outcome.error is None
    assert outcome.step.status == "success"


def _answer_from_elsewhere(answer: str) -> None:
    try:
        answered(answer)
    finally:
        connections.close_all()


def test_nobody_answers_in_time(run_nodes: RunNodes) -> None:
    outcome = run_nodes([ask(0.3)])

    assert str(outcome.error) == "nobody answered within 0.3 s"
    request = PersonRequest.objects.get()
    assert (request.outcome, request.closed_by) == ("timed_out", {"kind": "attempt", "id": "1"})
    assert [state for state, _ in person_events(outcome.task)] == ["asked", "nobody answered"]
    assert outcome.step.status == "failed"


def test_without_people_it_fails_at_once_and_says_what_to_set(run_nodes: RunNodes, settings: Any) -> None:
    settings.HUMAN_IN_LOOP = False
    outcome = run_nodes([ask(commit_point=True)])

    assert str(outcome.error) == "Approve the sign-in on the phone: needs a person: set HUMAN_IN_LOOP=true"
    assert not PersonRequest.objects.exists()
    assert not outcome.task.commit_points.exists(), "nothing had begun"


def test_nobody_is_asked_any_more_when_the_page_has_crashed(begin: Begin) -> None:
    attempt = begin(ask())
    wait_for(open_question)
    kill_chromium(kind="renderer")
    task = attempt.ended()

    assert (task.status, task.error) == ("failed", "the page crashed")
    assert PersonRequest.objects.get().outcome == "withdrawn"


def test_no_answer_is_lost_while_the_database_is_away(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    attempt = begin(ask())
    wait_for(open_question)
    with connection.cursor() as cursor, nobody_else_may_connect(cursor):
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 2
        wait_for(lambda: "cannot look for an answer" in caplog.text)
    answered("continue")

    assert attempt.ended().status == "success"


@contextmanager
def nobody_else_may_connect(cursor: CursorWrapper) -> Generator[None]:
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    cursor.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
    try:
        yield
    finally:
        cursor.execute(f"ALTER DATABASE {database} CONNECTION LIMIT -1")


def test_a_task_that_is_deleted_while_it_asks_ends_its_attempt(begin: Begin) -> None:
    attempt = begin(ask())
    wait_for(open_question)
    Task.objects.filter(id=attempt.task.id).delete()
    attempt.stopped()

    assert attempt.status == "lease lost"


def test_cancelling_stops_the_wait_within_two_seconds_and_withdraws_the_question(begin: Begin) -> None:
    attempt = begin(ask())
    wait_for(open_question)
    asked_to_stop_at = time.monotonic()
    cancel_tasks(Task.objects.filter(id=attempt.task.id), cause=CAUSE)
    task = attempt.ended()

    assert time.monotonic() - asked_to_stop_at < 2
    assert task.status == "cancelled"
    assert open_question() is None
    request = PersonRequest.objects.get()
    assert (request.outcome, request.closed_by) == ("withdrawn", {"kind": "attempt_end"})


def test_a_shutdown_gives_the_task_back_and_it_will_ask_again(begin: Begin, settings: Any) -> None:
    settings.SHUTDOWN_GRACE_SECONDS = 0
    attempt = begin(ask(), max_retries=1)
    wait_for(open_question)
    attempt.me.told_to_end.set()
    task = attempt.ended()

    assert (task.status, task.retry_count) == ("queued", 0)
    assert PersonRequest.objects.get().outcome == "withdrawn"


def test_a_worker_that_lost_its_task_stops_waiting_and_writes_nothing(begin: Begin) -> None:
    attempt = begin(ask())
    wait_for(open_question)
    Task.objects.filter(id=attempt.task.id).update(lease_expires_at=attempt.task.created_at)
    assert transitions.rescue_expired() == 1
    task = attempt.ended()

    assert attempt.status == "lease lost"
    assert (task.status, task.error) == ("failed", "worker lost")
    assert PersonRequest.objects.get().outcome == "withdrawn"
    assert [state for state, _ in person_events(task)] == ["asked"]


@pytest.fixture
def supervisors(monkeypatch: pytest.MonkeyPatch) -> list[worker.Supervisor]:
    """Those that were made, so that a test can bring a limit near: one below a minute has no column."""
    made: list[worker.Supervisor] = []

    class KeptSupervisor(worker.Supervisor):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(worker, "Supervisor", KeptSupervisor)
    return made


def test_waiting_is_not_counted_against_the_time_limit(begin: Begin, supervisors: list[worker.Supervisor]) -> None:
    attempt = begin(ask(), max_timeout_in_minutes=1)
    wait_for(open_question)
    limit = time.monotonic() + 0.2
    supervisors[0]._deadline = limit
    wait_for(lambda: time.monotonic() > limit + 3 * worker.TICK_SECONDS)
    assert open_question() is not None
    supervisors[0]._deadline += 60  # what is left of the limit is none of this test's business
    answered("continue")

    assert attempt.ended().status == "success"


def test_what_is_longer_than_the_allowance_counts(
    begin: Begin, supervisors: list[worker.Supervisor], settings: Any
) -> None:
    settings.MAX_TAKEOVER_MINUTES = 0
    attempt = begin(ask(), max_timeout_in_minutes=1)
    wait_for(open_question)
    supervisors[0]._deadline = time.monotonic()
    task = attempt.ended()

    assert task.status == "failed"
    assert str(task.error).startswith("timed out after 1 minute at step 1 (Approve the sign-in on the phone), for ")
    assert PersonRequest.objects.get().outcome == "withdrawn"


@pytest.mark.usefixtures("looks_often")
def test_all_waits_of_an_attempt_share_one_allowance(run_nodes: RunNodes, settings: Any) -> None:
    settings.MAX_TAKEOVER_MINUTES = 0.3 / 60
    helper = threading.Thread(target=_answer_two)
    helper.start()
    outcome = run_nodes([ask(), ask()])
    helper.join()

    assert outcome.error is None
    assert PersonRequest.objects.filter(outcome="continue").count() == 2
    assert outcome.runner.person_clock.uncounted_seconds() == pytest.approx(0.3)


def _answer_two() -> None:
    try:
        for _ in range(2):
            wait_for(_waited_a_while)
            answered("continue")
    finally:
        connections.close_all()


def _waited_a_while() -> bool:
    asked = PersonRequest.objects.filter(closed_at=None, asked_at__lt=StatementTimestamp() - timedelta(seconds=0.2))
    return asked.exists()


def test_the_backstop_of_django_q2_leaves_room_for_all_waiting(settings: Any) -> None:
    assert backstop_seconds(10) == (10 + settings.MAX_TAKEOVER_MINUTES) * 60 + 30
    longest = backstop_seconds(settings.MAX_TIMEOUT_MINUTES)
    assert settings.Q_CLUSTER["ALT_CLUSTERS"]["browser"]["timeout"] >= longest
