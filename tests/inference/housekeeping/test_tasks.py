"""Whole tasks by age and by size, and which of them stay whatever their age."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, models
from django.db.models.fields.related import ForeignKey

from inference.housekeeping.batches import delete_with_dependents
from inference.housekeeping.limits import Limit
from inference.housekeeping.sweep import Pruned
from inference.models import (
    Artifact,
    Attempt,
    CommitPoint,
    IdempotencyKey,
    PersonRequest,
    Step,
    Task,
    TaskEvent,
    TaskStatus,
)
from tests.factories import end_task, make_artifact, make_automation, make_person_request, make_step, make_task
from tests.inference.housekeeping.aging import counts, days, ended_task, make_older, path_of, stops_after, swept


def a_full_task() -> Task:
    """Ended 40 days ago, with a row in every table that points at a task."""
    task = make_task(status=TaskStatus.RUNNING)
    picture = make_artifact(task, kind=Artifact.Kind.PICTURE, content=b"p" * 10)
    make_step(task, picture=picture)
    make_person_request(task, picture=picture)
    CommitPoint.objects.create(task=task, attempt=1, path="nodes[0]")
    end_task(task, final_screenshot=make_artifact(task, kind=Artifact.Kind.SCREENSHOT, content=b"s" * 20))
    make_older(task, 40)
    return task


def test_an_old_task_goes_with_all_that_belongs_to_it() -> None:
    task = a_full_task()
    files = [path_of(artifact) for artifact in task.artifacts.all()]
    young = ended_task(days_ago=1)
    IdempotencyKey.objects.create(key="k", body_sha256="0" * 64, task_id=task.id)

    pruned = swept({"tasks": days(30)})

    assert counts(pruned) == {("tasks", "age"): (1, 2, 30)}
    assert Task.objects.get() == young
    for model in (Step, Artifact, PersonRequest, CommitPoint):
        assert not model.objects.exists(), model
    assert not Attempt.objects.exclude(task=young).exists()
    assert not TaskEvent.objects.exclude(task=young).exists()
    assert not any(path.exists() for path in files)
    assert not files[0].parent.exists()
    # It has its own time (IDEMPOTENCY_DAYS).
    assert IdempotencyKey.objects.get().task_id == task.id


def test_every_table_that_points_at_a_task_is_in_the_test_above() -> None:
    """A new one has to say what becomes of its rows, and be looked at here."""
    found = {
        field.model
        for relation in Task._meta.get_fields(include_hidden=True)
        if relation.auto_created and not relation.concrete
        for field in [relation.field]
        if isinstance(field, ForeignKey) and field.remote_field.on_delete is models.CASCADE
    }
    assert {Attempt, TaskEvent, CommitPoint, Artifact, Step, PersonRequest} <= found
    for model in found:
        # The delete of each is an index lookup.
        column = next(f.column for f in model._meta.fields if isinstance(f, ForeignKey) and f.related_model is Task)
        with connection.cursor() as cursor:
            indexes = connection.introspection.get_constraints(cursor, model._meta.db_table)
        assert any(each["index"] and each["columns"][:1] == [column] for each in indexes.values()), model


@pytest.mark.parametrize("status", [TaskStatus.QUEUED, TaskStatus.ALLOCATED, TaskStatus.RUNNING])
def test_a_task_that_has_not_ended_stays(status: str) -> None:
    task = ended_task(days_ago=400, status=status)
    picture = make_artifact(task, kind=Artifact.Kind.PICTURE)

    pruned = swept({"tasks": Limit(days(1).age, 1), "steps": days(1), "pictures": Limit(days(0).age, 1)})

    assert counts(pruned) == {}
    assert Task.objects.filter(id=task.id, status=status).exists()
    assert path_of(picture).exists()


def test_a_task_that_waits_for_a_decision_stays_with_its_pictures_and_steps_until_somebody_decides() -> None:
    task = make_task(status=TaskStatus.RUNNING)
    make_step(task)
    picture = make_artifact(task, kind=Artifact.Kind.PICTURE)
    end_task(task, TaskStatus.FAILED, outcome_unknown=True)
    make_older(task, 400)
    limits = {"tasks": Limit(days(1).age, 1), "steps": days(1), "pictures": Limit(days(0).age, 1)}

    assert counts(swept(limits)) == {}
    assert Step.objects.filter(task=task).exists()
    assert path_of(picture).exists()

    Task.objects.filter(id=task.id).update(review={"happened": True})
    swept(limits)
    assert not Task.objects.exists()


def test_a_link_to_a_task_that_went_is_empty() -> None:
    old = ended_task(days_ago=40)
    again = ended_task(days_ago=1, previous_task=old)

    swept({"tasks": days(30)})

    again.refresh_from_db()
    assert again.previous_task_id is None


def test_a_task_whose_new_try_has_not_ended_stays() -> None:
    old = ended_task(days_ago=40)
    again = make_task(previous_task=old)

    assert counts(swept({"tasks": days(30)})) == {}

    end_task(again)
    assert counts(swept({"tasks": days(30)}))[("tasks", "age")][0] == 1
    assert Task.objects.get() == again


def test_by_size_the_oldest_go_until_the_rest_is_small_enough() -> None:
    tasks = [ended_task(days_ago=age) for age in (9, 7, 5, 3)]
    for task in tasks:
        make_artifact(task, content=b"x" * 100_000)
    running = make_task(status=TaskStatus.RUNNING)
    make_artifact(running, content=b"x" * 100_000)

    # Five weigh a little more than 500,000 bytes; three do not weigh 350,000.
    pruned = swept({"tasks": Limit(total_bytes=350_000)})

    assert counts(pruned) == {("tasks", "size"): (2, 2, 200_000)}
    assert set(Task.objects.values_list("id", flat=True)) == {tasks[2].id, tasks[3].id, running.id}
    assert counts(swept({"tasks": Limit(total_bytes=350_000)})) == {}


def test_by_size_counts_only_what_age_leaves() -> None:
    for age in (40, 9, 3):
        make_artifact(ended_task(days_ago=age), content=b"x" * 100_000)

    pruned = swept({"tasks": Limit(days(30).age, 250_000)})

    assert counts(pruned) == {("tasks", "age"): (1, 1, 100_000)}


def test_many_tasks_go_in_batches_and_a_stopped_run_is_continued_by_the_next() -> None:
    automation = make_automation()
    for _ in range(205):
        ended_task(days_ago=40, automation=automation)

    stopped = swept({"tasks": days(30)}, must_stop=stops_after(2))
    assert not stopped.is_finished
    assert counts(stopped) == {("tasks", "age"): (100, 0, 0)}

    finished = swept({"tasks": days(30)})
    assert finished.is_finished
    assert counts(finished) == {("tasks", "age"): (105, 0, 0)}
    assert not Task.objects.exists()


def test_a_time_budget_stops_it() -> None:
    ended_task(days_ago=40)
    assert not swept({"tasks": days(30)}, max_seconds=0).is_finished
    assert Task.objects.count() == 1


def test_a_task_that_somebody_holds_is_left_for_the_next_run() -> None:
    held, free = ended_task(days_ago=40), ended_task(days_ago=40)

    def run() -> dict[tuple[str, str], tuple[int, int, int]]:
        try:
            return counts(swept({"tasks": days(30)}))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM inference_task WHERE id = %s FOR UPDATE", [held.id])
        assert pool.submit(run).result(timeout=20) == {("tasks", "age"): (1, 0, 0)}
        cursor.execute("ROLLBACK")
    assert not Task.objects.filter(id=free.id).exists()
    assert counts(swept({"tasks": days(30)})) == {("tasks", "age"): (1, 0, 0)}


def test_a_batch_that_the_database_refuses_is_told_and_left_for_the_next_run() -> None:
    task = a_full_task()
    step = Step.objects.get()

    def run() -> Pruned:
        try:
            return swept({"tasks": days(30)})
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM inference_step WHERE id = %s FOR UPDATE", [step.id])
        refused = pool.submit(run).result(timeout=60)
        cursor.execute("ROLLBACK")

    assert counts(refused) == {}
    assert refused.failures == ("tasks: a batch was left for the next run (OperationalError)",)
    assert Task.objects.get() == task
    assert Attempt.objects.filter(task=task).exists()
    # Its files went first, to make room.
    assert counts(swept({"tasks": days(30)})) == {("tasks", "age"): (1, 0, 0)}


def test_no_rows_are_deleted_for_no_ids() -> None:
    task = make_task()
    delete_with_dependents(Task, [])
    assert Task.objects.get() == task
