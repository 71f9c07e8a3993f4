"""Timelines of tasks that stay."""

from django.test import Client
from django.urls import reverse

from inference.housekeeping.limits import Limit
from inference.models import Attempt, Step, Task, TaskEvent
from tests.factories import make_step, make_task, make_user
from tests.inference.housekeeping.aging import counts, days, ended_task, make_older, swept

WHY = "The steps were removed: they are kept for a limited time."


def task_with_steps(days_ago: float) -> Task:
    task = ended_task(days_ago=days_ago)
    for number in range(3):
        make_step(task, label=f"Step {number}", details={"notes": ["x" * 1000]})
        TaskEvent.objects.create(task=task, kind="step", cause={}, data={"position": number})
    return task


def test_old_steps_go_and_the_task_keeps_what_became_of_it() -> None:
    old, young = task_with_steps(40), task_with_steps(1)
    states = list(TaskEvent.objects.filter(task=old, kind="status").values_list("status", flat=True))

    pruned = swept({"steps": days(30)})

    assert counts(pruned) == {("steps", "age"): (6, 0, 0)}
    assert not Step.objects.filter(task=old).exists()
    assert Step.objects.filter(task=young).count() == 3
    assert list(TaskEvent.objects.filter(task=old, kind="status").values_list("status", flat=True)) == states
    assert Attempt.objects.filter(task=old).exists()
    assert counts(swept({"steps": days(30)})) == {}


def test_by_size_the_steps_of_the_oldest_tasks_go() -> None:
    tasks = [task_with_steps(age) for age in (9, 6, 3)]
    running = make_task(status="running")
    make_step(running)

    pruned = swept({"steps": Limit(total_bytes=13_000)})

    assert counts(pruned) == {("steps", "size"): (6, 0, 0)}
    assert [Step.objects.filter(task=task).exists() for task in tasks] == [False, True, True]
    assert Step.objects.filter(task=running).exists()


def test_the_page_says_why_there_are_none() -> None:
    task = task_with_steps(40)
    swept({"steps": days(30)})
    client = Client()
    client.force_login(make_user(username="maya", is_staff=True, is_superuser=True))

    html = client.get(reverse("admin:inference_task_change", args=(task.id,))).content.decode()

    assert "No steps any more" in html
    assert WHY in html
    assert "It ended before its first step." not in html


def test_steps_of_a_task_that_goes_anyway_are_counted_with_it() -> None:
    task = task_with_steps(40)
    make_older(task, 60)

    pruned = swept({"tasks": days(90), "steps": days(30)}, dry_run=True)

    assert counts(pruned) == {("tasks", "age"): (1, 0, 0)}
