"""The simulation of bench/limits.py in short, and that its judge would see what it looks for."""

from datetime import timedelta

import pytest

from bench import limits
from inference.models import ConcurrencySlot, QueueLine, Task, TaskEvent, TaskStatus


@pytest.mark.django_db(transaction=True)
def test_limits_hold_and_nobody_starves_with_300_tasks_on_four_hosts() -> None:
    # The smallest submitter has more than in the long run: with three tasks, chance would decide.
    plan = limits.lay_out(300, shares=(70, 20, 10))
    limits.work_in_threads([f"host-{number}" for number in range(limits.HOSTS)], workers=4, run_seconds=0.03)
    findings = limits.judge(plan)
    assert findings.exceeded == {}
    assert findings.unfinished == 0
    # Not for want of anything to do: the limit of each automation was reached.
    assert {key: findings.most[key] for key in plan.limits} == plan.limits
    assert findings.ratio <= limits.REACH
    assert Task.objects.filter(status=TaskStatus.SUCCESS).count() == sum(plan.sent.values())
    assert set(ConcurrencySlot.objects.values_list("running", flat=True)) == {0}
    assert QueueLine.objects.count() == 0


@pytest.mark.django_db
def test_the_judge_sees_a_limit_that_was_exceeded_for_an_instant() -> None:
    plan = limits.lay_out(20)
    tasks = list(Task.objects.filter(endpoint_name="limited-1-1")[:2])
    begin = max(task.created_at for task in Task.objects.all())
    moments = [("allocated", 1), ("running", 2), ("success", 6)], [("allocated", 5), ("running", 7), ("success", 8)]
    for task, steps in zip(tasks, moments, strict=True):
        for status, seconds in steps:
            TaskEvent.objects.create(
                task=task, kind="status", status=status, at=begin + timedelta(seconds=seconds), cause={}
            )
    automation = f"automation:{tasks[0].automation_id}"
    assert limits.judge(plan).exceeded[automation] == 2
    # One that begins at the instant at which the other ends is none too many.
    TaskEvent.objects.filter(task=tasks[1], status="allocated").delete()
    TaskEvent.objects.create(
        task=tasks[1], kind="status", status="allocated", at=begin + timedelta(seconds=6), cause={}
    )
    findings = limits.judge(plan)
    assert automation not in findings.exceeded
    assert findings.unfinished == sum(plan.sent.values()) - 2
