"""What the database promises about questions to people, whoever writes."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from inference.models import ENDED, PersonRequest, Task, TaskStatus
from inference.models.database_clock import StatementTimestamp
from inference.services import transitions
from inference.services.people import answer_request
from inference.services.transitions import AttemptEnd
from tests.factories import end_task, make_artifact, make_person_request, make_task

pytestmark = pytest.mark.django_db

CAUSE = {"kind": "user", "id": "maya"}


@pytest.mark.parametrize("status", [status for status in TaskStatus.values if status != "running"])
def test_only_a_running_task_asks(status: str) -> None:
    with pytest.raises(IntegrityError, match="asks nobody"), transaction.atomic():
        make_person_request(make_task(status=status))


def test_one_question_at_a_time() -> None:
    task = make_task(status="running")
    make_person_request(task)
    with pytest.raises(IntegrityError, match="person_request_one_open_per_task"), transaction.atomic():
        make_person_request(task)
    answer_request(task_id=task.id, answer="continue", note="", cause=CAUSE)
    make_person_request(task)


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "continue"},
        {"closed_at": StatementTimestamp()},
        {"closed_at": StatementTimestamp(), "outcome": "perhaps", "closed_by": CAUSE},
        {"closed_at": StatementTimestamp(), "outcome": "continue"},
        {"closed_at": StatementTimestamp() - timedelta(days=1), "outcome": "continue", "closed_by": CAUSE},
        {"question": "another"},
        {"deadline": StatementTimestamp() + timedelta(days=1)},
    ],
)
def test_a_question_that_cannot_be_true_is_refused(change: dict[str, Any]) -> None:
    request = make_person_request(make_task(status="running"))
    with pytest.raises(IntegrityError), transaction.atomic():
        PersonRequest.objects.filter(id=request.id).update(**change)


def test_a_time_for_the_answer_is_needed() -> None:
    with pytest.raises(IntegrityError, match="deadline_after_asking"), transaction.atomic():
        make_person_request(make_task(status="running"), seconds=0)


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "give_up"},
        {"note": "another"},
        {"closed_by": {"kind": "user", "id": "jonas"}},
        {"closed_at": None, "outcome": "", "closed_by": None},
    ],
)
def test_an_answer_is_never_changed(change: dict[str, Any]) -> None:
    task = make_task(status="running")
    make_person_request(task)
    answer_request(task_id=task.id, answer="continue", note="", cause=CAUSE)
    with pytest.raises(IntegrityError, match="is history"), transaction.atomic():
        PersonRequest.objects.update(**change)


def test_its_picture_and_its_task_may_be_deleted() -> None:
    task = make_task(status="running")
    picture = make_artifact(task, kind="picture")
    make_person_request(task, picture=picture)
    answer_request(task_id=task.id, answer="continue", note="", cause=CAUSE)
    picture.delete()
    assert PersonRequest.objects.get().picture is None
    end_task(task)
    task.delete()
    assert not PersonRequest.objects.exists()


@pytest.mark.parametrize("status", ENDED)
def test_every_end_of_a_task_withdraws_its_question(status: str) -> None:
    task = make_task(status="running")
    make_person_request(task)
    end_task(task, status)
    request = PersonRequest.objects.get()
    assert (request.outcome, request.closed_by) == ("withdrawn", {"kind": "attempt_end"})


def test_an_attempt_that_will_be_repeated_withdraws_its_question() -> None:
    task = make_task(status="running", max_retries=1)
    make_person_request(task)
    end = AttemptEnd(status=TaskStatus.FAILED, cause={"kind": "test"}, error="it broke", may_retry=True)
    assert transitions.finish_attempt(task.id, task.lease_token, end) == TaskStatus.QUEUED
    assert PersonRequest.objects.get().outcome == "withdrawn"


def test_a_lost_worker_asks_nobody_any_more() -> None:
    task = make_task(status="running")
    make_person_request(task)
    Task.objects.filter(id=task.id).update(lease_expires_at=task.created_at)
    assert transitions.rescue_expired() == 1
    assert PersonRequest.objects.get().outcome == "withdrawn"


def test_an_answer_stays_what_it_is_when_the_task_ends() -> None:
    task = make_task(status="running")
    make_person_request(task)
    answer_request(task_id=task.id, answer="continue", note="", cause=CAUSE)
    end_task(task)
    assert PersonRequest.objects.get().outcome == "continue"


@pytest.mark.django_db(transaction=True)
def test_pages_hear_of_a_question_and_the_worker_of_its_answer() -> None:
    task = make_task(status="running")
    parameters = connection.get_connection_params()
    for name in ("context", "cursor_factory", "prepare_threshold", "server_side_binding"):
        parameters.pop(name, None)
    with psycopg.connect(**parameters, autocommit=True) as listening:
        listening.execute("LISTEN task_changed")
        listening.execute("LISTEN task_answered")
        make_person_request(task)
        first = [each.channel for each in listening.notifies(timeout=10, stop_after=1)]
        answer_request(task_id=task.id, answer="continue", note="", cause=CAUSE)
        then = {(each.channel, each.payload) for each in listening.notifies(timeout=10, stop_after=2)}
    assert first == ["task_changed"]
    assert then == {("task_changed", str(task.id)), ("task_answered", str(task.id))}
