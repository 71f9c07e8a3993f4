"""Answering what a task asks: once, the question that was meant, and never a later one."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections

from inference.errors import NothingAskedError
from inference.models import PersonRequest, Task, TaskEvent
from inference.models.database_clock import StatementTimestamp
from inference.queries import queue_health
from inference.services.people import answer_request
from tests.factories import end_task, make_person_request, make_step, make_task, make_worker_host

CAUSE = {"kind": "user", "id": "maya"}


def answer(task: Task, said: str = "continue", *, note: str = "", request: PersonRequest | None = None) -> bool:
    request_id = None if request is None else request.id
    return answer_request(task_id=task.id, answer=said, note=note, cause=CAUSE, request_id=request_id)


@pytest.mark.django_db
def test_an_answer_closes_the_question_and_is_told_in_the_timeline() -> None:
    task = make_task(status="running")
    request = make_person_request(task)
    assert answer(task, "give_up", note="no phone")
    request.refresh_from_db()
    assert (request.outcome, request.note, request.closed_by) == ("give_up", "no phone", CAUSE)
    assert request.closed_at is not None
    assert request.closed_at >= request.asked_at
    event = TaskEvent.objects.get(task=task, kind="person")
    assert event.cause == CAUSE
    assert event.data == {"state": "answered", "answer": "give_up", "text": "no phone"}


@pytest.mark.django_db
def test_the_same_answer_again_changes_nothing_and_another_one_is_refused() -> None:
    task = make_task(status="running")
    make_person_request(task)
    assert answer(task)
    assert not answer(task, note="once more")
    assert PersonRequest.objects.get().note == ""
    with pytest.raises(NothingAskedError, match="was answered before: continue"):
        answer(task, "give_up")
    end_task(task)
    assert not answer(task)


@pytest.mark.django_db
def test_without_a_question_there_is_nothing_to_answer() -> None:
    with pytest.raises(NothingAskedError, match="asks nobody"):
        answer(make_task(status="running"))


@pytest.mark.django_db
def test_a_question_whose_time_is_over_takes_no_answer() -> None:
    task = make_task(status="running")
    make_person_request(task)
    end_task(task, "cancelled")
    with pytest.raises(NothingAskedError, match="the time for an answer is over"):
        answer(task)


@pytest.mark.django_db
def test_an_answer_to_an_earlier_question_never_answers_a_later_one() -> None:
    task = make_task(status="running")
    first = make_person_request(task)
    assert answer(task, request=first)
    make_step(task)
    second = make_person_request(task, question="And now?")
    assert not answer(task, request=first)
    with pytest.raises(NothingAskedError, match="was answered before"):
        answer(task, "give_up", request=first)
    second.refresh_from_db()
    assert second.closed_at is None
    assert answer(task, "give_up")
    second.refresh_from_db()
    assert second.outcome == "give_up"


@pytest.mark.django_db
def test_a_question_of_another_task_is_none_of_this_one() -> None:
    other = make_person_request(make_task(status="running"))
    with pytest.raises(NothingAskedError):
        answer(make_task(status="running"), request=other)
    with pytest.raises(NothingAskedError):
        answer_request(task_id=uuid.uuid4(), answer="continue", note="", cause=CAUSE)


@pytest.mark.django_db(transaction=True)
def test_of_racing_answers_one_wins_and_the_others_are_told() -> None:
    task = make_task(status="running")
    make_person_request(task)
    ready = threading.Barrier(8)

    def say(number: int) -> str:
        ready.wait()
        try:
            return "told" if answer(task, ("continue", "give_up")[number % 2]) else "repeated"
        except NothingAskedError:
            return "refused"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(say, range(8)))
    assert sorted(said) == ["refused"] * 4 + ["repeated"] * 3 + ["told"]
    assert TaskEvent.objects.filter(task=task, kind="person").count() == 1


def ran_for(task: Task, minutes: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_task SET (created_at, allocated_at, started_at) = "
            "(created_at - i, allocated_at - i, started_at - i) FROM make_interval(secs => %s) AS i WHERE id = %s",
            [minutes * 60, task.id],
        )


@pytest.mark.django_db
def test_a_task_that_waited_for_people_does_not_overrun_its_limit() -> None:
    make_worker_host(state="busy")
    task = make_task(status="running", max_timeout_in_minutes=10)
    ran_for(task, minutes=25)
    assert "runs longer than its own limit" in str(queue_health().problem)
    make_person_request(task, asked_at=StatementTimestamp() - timedelta(minutes=20))
    assert queue_health().problem is None
    answer(task)
    assert queue_health().problem is None, "the wait that has ended is not counted, either"
    ran_for(task, minutes=10)
    assert "runs longer than its own limit" in str(queue_health().problem)


@pytest.mark.django_db
def test_waiting_beyond_the_allowance_overruns_the_limit() -> None:
    make_worker_host(state="busy")
    task = make_task(status="running", max_timeout_in_minutes=10)
    ran_for(task, minutes=60)
    make_person_request(task, asked_at=StatementTimestamp() - timedelta(minutes=59))
    assert "runs longer than its own limit" in str(queue_health().problem)
