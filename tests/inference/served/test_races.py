"""Races of real processes for one task: the database alone decides."""

import json
import subprocess
import sys
import threading
from collections import Counter
from typing import Any

import pytest
from django.db import connection

from inference.models import ACTIVE, Automation, IdempotencyKey, Task, TaskEvent
from inference.services.cancel import cancel_tasks
from tests.inference.conftest import a_body
from tests.inference.served.conftest import ROOT, Granian

PROCESSES, CLIENTS = 4, 16


def race(
    granian: Granian, bodies: list[dict[str, Any]], *, requests: int = 6, headers: dict[str, str] | None = None
) -> list[tuple[int, str | None, bool | None]]:
    """The answers to 64 clients in four processes, `requests` of each, all at the same time."""
    job = {
        "url": f"{granian.url}/inference",
        "headers": headers or {},
        "bodies": bodies,
        "clients": CLIENTS,
        "requests": requests,
    }
    command = [sys.executable, "-m", "tests.inference.served.clients"]
    started = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    written = [""] * PROCESSES

    def talk(number: int) -> None:
        written[number] = started[number].communicate(json.dumps(job), timeout=120)[0]

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.returncode for process in started] == [0] * PROCESSES
    return [(status, task_id, duplicate) for text in written for status, task_id, duplicate in json.loads(text)]


def test_identical_submissions_make_one_task(granian: Granian, automation: Automation) -> None:
    answers = race(granian, [a_body(unique_parameter_names=["patient_id"])], requests=20)

    task = Task.objects.get()
    assert Counter(status for status, _, _ in answers) == {202: 1280}
    assert {task_id for _, task_id, _ in answers} == {str(task.id)}
    assert Counter(duplicate for _, _, duplicate in answers) == {True: 1279, False: 1}
    assert TaskEvent.objects.count() == 1


def test_submissions_that_race_with_the_ends_of_their_winners_are_all_taken(
    granian: Granian, automation: Automation
) -> None:
    stop = threading.Event()

    def end_whatever_is_active() -> None:
        while not stop.wait(0.01):
            cancel_tasks(Task.objects.filter(status__in=ACTIVE), cause={"kind": "test"})
        connection.close()

    ending = threading.Thread(target=end_whatever_is_active)
    ending.start()
    try:
        answers = race(granian, [a_body(unique_parameter_names=["patient_id"])])
    finally:
        stop.set()
        ending.join()

    assert Counter(status for status, _, _ in answers) == {202: 384}
    made = {task_id for _, task_id, duplicate in answers if duplicate is False}
    assert made == {str(each) for each in Task.objects.values_list("id", flat=True)}
    assert {task_id for _, task_id, _ in answers} == made
    assert len(made) > 1


def test_one_idempotency_key_makes_one_task(granian: Granian, automation: Automation) -> None:
    answers = race(granian, [a_body()], headers={"Idempotency-Key": "order-7"})

    task = Task.objects.get()
    assert Counter(status for status, _, _ in answers) == {202: 384}
    assert {task_id for _, task_id, _ in answers} == {str(task.id)}
    assert Counter(duplicate for _, _, duplicate in answers) == {True: 383, False: 1}
    assert IdempotencyKey.objects.get().task_id == task.id


def test_one_idempotency_key_with_two_bodies_keeps_to_the_first(granian: Granian, automation: Automation) -> None:
    answers = race(granian, [a_body(priority=1), a_body(priority=2)], headers={"Idempotency-Key": "order-7"})

    task = Task.objects.get()
    assert Counter(status for status, _, _ in answers) == {202: 192, 422: 192}
    assert {task_id for status, task_id, _ in answers if status == 202} == {str(task.id)}


@pytest.mark.parametrize("unique", [["patient_id"], []])
def test_idempotency_keys_and_unique_parameters_race_without_deadlock(
    granian: Granian, automation: Automation, unique: list[str]
) -> None:
    bodies = [a_body(unique_parameter_names=unique, idempotency_key=f"order-{number}") for number in range(5)]

    answers = race(granian, bodies)

    assert Counter(status for status, _, _ in answers) == {202: 384}
    assert Task.objects.count() == (1 if unique else 5)
    assert IdempotencyKey.objects.count() == 5
