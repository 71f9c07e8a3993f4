"""The claim between keys: shares, weights, what is full or paused, and that what waits costs nothing."""

import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from executor.claim import claim_task
from inference.models import (
    ApiKey,
    Automation,
    ConcurrencySlot,
    QueueLine,
    Task,
    TaskStatus,
)
from inference.models.database_clock import StatementTimestamp
from inference.services import transitions
from inference.services.cancel import cancel_tasks
from inference.services.pauses import Stoppable, login_of, of_automation, pause, resume, whole_queue
from inference.services.submit import submit_task
from inference.services.transitions import AttemptEnd
from tests.executor.conftest import wait_for
from tests.factories import make_automation, make_key, make_task, make_tasks, make_user

CAUSE = {"kind": "test"}


def claim() -> Any:
    return claim_task(owner="test-host/1/1", host="test-host", lease_seconds=20)


def claimed(count: int | None = None) -> list[Task]:
    """The next `count` tasks, or all that may start, in the order of their claims."""
    ids = []
    while count is None or len(ids) < count:
        row = claim()
        if row is None:
            break
        ids.append(row[0])
    found = Task.objects.in_bulk(ids)
    return [found[task_id] for task_id in ids]


def sharers(tasks: Iterable[Task]) -> Counter[str]:
    return Counter(task.sharer for task in tasks)


def key(*, weight: int = 1) -> ApiKey:
    made, _ = make_key()
    ApiKey.objects.filter(pk=made.pk).update(weight=weight)
    return made


def sharer(api_key: ApiKey) -> str:
    return f"key:{api_key.pk}"


def finish(task: Task) -> None:
    assert transitions.start_attempt(task.id, task.lease_token)
    assert transitions.finish_attempt(task.id, task.lease_token, AttemptEnd(status=TaskStatus.SUCCESS, cause=CAUSE))


def login(automation: Automation, name: str, **fields: Any) -> Task:
    """A dedicated task of the login `name`."""
    fields.setdefault("is_dedicated", True)
    return make_task(
        automation=automation,
        input_parameters={"patient_id": [name]},
        unique_parameter_names=["patient_id"],
        **fields,
    )


# --- shares


@pytest.mark.django_db
def test_a_bulk_submitter_does_not_starve_a_small_one() -> None:
    automation, bulk, small = make_automation(), key(), key()
    make_tasks(1000, automation=automation, api_key=bulk)
    make_tasks(10, automation=automation, api_key=small)
    assert sharers(claimed(20)) == {sharer(bulk): 10, sharer(small): 10}
    assert sharers(claimed(5)) == {sharer(bulk): 5}


@pytest.mark.django_db
def test_a_key_of_weight_3_gets_three_tasks_for_each_of_a_key_of_weight_1() -> None:
    automation, light, heavy = make_automation(), key(), key(weight=3)
    make_tasks(60, automation=automation, api_key=light)
    make_tasks(60, automation=automation, api_key=heavy)
    assert sharers(claimed(40)) == {sharer(light): 10, sharer(heavy): 30}


@pytest.mark.django_db
def test_a_weight_that_is_changed_counts_from_the_next_claim() -> None:
    automation, one, other = make_automation(), key(), key()
    make_tasks(60, automation=automation, api_key=one)
    make_tasks(60, automation=automation, api_key=other)
    assert sharers(claimed(10)) == {sharer(one): 5, sharer(other): 5}
    ApiKey.objects.filter(pk=one.pk).update(weight=4)
    assert sharers(claimed(20)) == {sharer(one): 16, sharer(other): 4}


@pytest.mark.django_db(transaction=True)
def test_shares_are_exact_among_racing_claimers() -> None:
    automation, light, heavy = make_automation(), key(), key(weight=3)
    make_tasks(60, automation=automation, api_key=light)
    make_tasks(60, automation=automation, api_key=heavy)
    start = threading.Barrier(8)

    def take(_: int) -> list[Any]:
        start.wait()
        try:
            return [claim()[0] for _ in range(5)]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        ids = [task_id for part in pool.map(take, range(8)) for task_id in part]
    assert sharers(Task.objects.filter(id__in=ids)) == {sharer(light): 10, sharer(heavy): 30}


@pytest.mark.django_db
def test_who_was_idle_has_saved_nothing_up() -> None:
    automation, busy, idle = make_automation(), key(), key()
    make_tasks(10, automation=automation, api_key=idle)
    make_tasks(100, automation=automation, api_key=busy)
    claimed(20)  # both know their share, and from here on one has nothing
    assert sharers(claimed(50)) == {sharer(busy): 50}
    make_tasks(50, automation=automation, api_key=idle)
    assert sharers(claimed(20))[sharer(idle)] in (10, 11)  # who comes new has the first turn


@pytest.mark.django_db
def test_who_was_blocked_holds_up_nobody_and_has_saved_nothing_up() -> None:
    free, blocked = key(), key()
    make_tasks(100, automation=make_automation(), api_key=free)
    full = make_automation()
    make_tasks(50, automation=full, api_key=blocked, max_parallelism=1)
    ConcurrencySlot.objects.create(key=f"automation:{full.pk}", running=1)
    assert sharers(claimed(30)) == {sharer(free): 30}
    Automation.objects.filter(pk=full.pk).update(max_parallelism=100)
    assert sharers(claimed(20))[sharer(blocked)] in (10, 11)


@pytest.mark.django_db
def test_priorities_order_the_tasks_of_a_key_and_not_keys() -> None:
    automation, urgent, plain = make_automation(), key(), key()
    make_tasks(3, automation=automation, api_key=urgent, priority=-5)
    first = make_tasks(1, automation=automation, api_key=urgent, priority=-6)[0]
    make_tasks(4, automation=automation, api_key=plain)
    taken = claimed()
    assert sharers(taken[:4]) == {sharer(urgent): 2, sharer(plain): 2}
    assert next(task for task in taken if task.api_key_id == urgent.pk).id == first.id


@pytest.mark.django_db
def test_callers_without_a_key_and_people_are_one_sharer_each() -> None:
    automation = make_automation()
    person = make_user()
    for user in (None, None, person, make_user(), person):
        submit_task(
            endpoint_name=automation.endpoint_name, input_parameters={"patient_id": []}, api_key=None, user=user
        )
    make_task(automation=automation, api_key=key())
    taken = [task.sharer for task in claimed()]
    assert set(taken[:3]) == {"anonymous", "dashboard", taken[2]}
    assert Counter(taken) == {"anonymous": 2, "dashboard": 3, taken[2]: 1}


@pytest.mark.django_db
def test_the_best_task_of_a_key_is_found_across_its_automations_and_logins() -> None:
    one, other = make_automation(), make_automation()
    tasks = [
        login(one, "a", priority=4),
        make_task(automation=other, priority=2),
        login(one, "b", priority=3),
        login(other, "a", priority=1),
        make_task(automation=one),
        make_task(automation=other, priority=5, max_parallelism=9),
    ]
    assert claimed() == [tasks[index] for index in (3, 1, 2, 0, 5, 4)]


# --- limits


@pytest.mark.django_db
def test_a_full_login_is_passed_and_goes_on_when_it_is_free() -> None:
    automation = make_automation()
    first, second = login(automation, "a"), login(automation, "a", priority=-1)
    other = login(automation, "b")
    assert claimed() == [second, other]
    finish(Task.objects.get(id=second.id))
    assert claimed() == [first]


@pytest.mark.django_db
def test_each_candidate_is_compared_with_its_own_number() -> None:
    automation = make_automation()
    running = login(automation, "a")
    assert claimed() == [running]
    login(automation, "a", per_login_parallelism=1)
    wider = login(automation, "a", per_login_parallelism=2)
    assert claimed() == [wider]


@pytest.mark.django_db
def test_an_ordinary_task_keeps_to_the_limit_of_a_login_that_dedicated_ones_fill() -> None:
    automation = make_automation(per_login_parallelism=1)
    running = login(automation, "a")
    assert claimed() == [running]
    waiting, free = login(automation, "a", is_dedicated=False), login(automation, "b", is_dedicated=False)
    assert claimed() == [free]
    finish(Task.objects.get(id=running.id))
    assert claimed() == [waiting]


@pytest.mark.django_db
def test_a_limit_counts_what_runs_without_one() -> None:
    automation = make_automation()
    running = make_tasks(3, automation=automation)
    assert claimed() == running
    own = make_task(automation=automation, max_parallelism=3)
    assert claimed() == []
    finish(Task.objects.get(id=running[0].id))
    assert claimed() == [own]


@pytest.mark.django_db
def test_the_next_claim_keeps_to_a_limit_that_an_operator_sets_while_tasks_run() -> None:
    automation = make_automation()
    running = make_tasks(3, automation=automation)
    assert claimed() == running
    waiting = make_tasks(2, automation=automation)
    Automation.objects.filter(pk=automation.pk).update(max_parallelism=2)
    for task in running[:2]:
        assert claimed() == []
        finish(Task.objects.get(id=task.id))
    assert claimed() == [waiting[0]]


@pytest.mark.django_db
def test_a_dedicated_task_waits_for_an_ordinary_one_of_its_login() -> None:
    automation = make_automation()
    running = login(automation, "a", is_dedicated=False)
    assert claimed() == [running]
    waiting, other = login(automation, "a"), login(automation, "b")
    assert claimed() == [other]
    finish(Task.objects.get(id=running.id))
    assert claimed() == [waiting]


@pytest.mark.django_db(transaction=True)
def test_limits_of_logins_and_automations_are_exact_among_racing_claimers() -> None:
    automation = make_automation(max_parallelism=4, per_login_parallelism=2)
    for number in range(60):
        login(automation, f"login {number % 3}")
    start = threading.Barrier(8)
    most: Counter[str] = Counter()

    def work(_: int) -> int:
        start.wait()
        done = empty_looks = 0
        try:
            while empty_looks < 20:
                row = claim()
                if row is None:
                    empty_looks += 1
                    continue
                empty_looks = 0
                held = Task.objects.filter(status="allocated").values_list("held_slots", flat=True)
                for slot, count in Counter(slot for slots in held for slot in slots).items():
                    most[slot] = max(most[slot], count)
                transitions.start_attempt(row[0], row[1])
                transitions.finish_attempt(row[0], row[1], AttemptEnd(status=TaskStatus.SUCCESS, cause=CAUSE))
                done += 1
            return done
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 60
    assert {slot.partition(":")[0]: count for slot, count in most.items() if slot.startswith("automation")}
    assert all(count <= (4 if slot.startswith("automation") else 2) for slot, count in most.items()), most
    assert set(ConcurrencySlot.objects.values_list("running", flat=True)) == {0}


# --- what is paused


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["queue", "automation", "login"])
def test_nothing_of_what_is_paused_is_started(what: str) -> None:
    automation, person = make_automation(), make_user()
    dedicated, ordinary = login(automation, "a"), make_task(automation=automation)
    other = make_task()
    stoppable: Stoppable = {
        "queue": whole_queue(),
        "automation": of_automation(automation),
        "login": login_of(dedicated),
    }[what]
    pause(stoppable, actor=person)
    assert claimed() == {"queue": [], "automation": [other], "login": [ordinary, other]}[what]
    resume(stoppable, actor=person)
    assert claimed() == {"queue": [dedicated, ordinary, other], "automation": [dedicated, ordinary]}.get(
        what, [dedicated]
    )


@pytest.mark.django_db
def test_an_ordinary_task_of_a_paused_login_waits_while_the_rest_of_its_line_goes_on() -> None:
    automation = make_automation()
    waiting, free = login(automation, "a", is_dedicated=False), login(automation, "b", is_dedicated=False)
    pause(login_of(waiting), actor=make_user())
    assert claimed() == [free]


# --- order after a wait


@pytest.mark.django_db
def test_a_requeued_task_is_first_in_its_line_again() -> None:
    automation = make_automation()
    tasks = make_tasks(3, automation=automation)
    first = claimed(1)[0]
    assert claimed(1) == [tasks[1]]
    transitions.give_back(first.id, first.lease_token, cause=CAUSE)
    assert claimed() == [tasks[0], tasks[2]]


@pytest.mark.django_db
def test_a_retry_pause_is_over_by_itself_and_costs_no_place_in_line() -> None:
    automation = make_automation()
    first = make_task(automation=automation, max_retries=1)
    second = make_task(automation=automation)
    taken = claimed(1)[0]
    transitions.start_attempt(taken.id, taken.lease_token)
    failure = AttemptEnd(status=TaskStatus.FAILED, cause=CAUSE, error="it broke", may_retry=True)
    assert transitions.finish_attempt(taken.id, taken.lease_token, failure) == TaskStatus.QUEUED
    assert claimed(1) == [second]
    assert claimed() == []
    third = make_task(automation=automation)
    Task.objects.filter(id=first.id).update(available_at=StatementTimestamp() + timedelta(seconds=0.05))
    assert Task.objects.get(id=first.id).is_delayed
    wait_for(lambda: Task.objects.filter(id=first.id, available_at__lt=StatementTimestamp()).exists())
    assert claimed() == [first, third]


@pytest.mark.django_db
def test_a_better_task_that_comes_late_is_first() -> None:
    one, other = make_automation(), make_automation()
    ordinary = make_tasks(2, automation=one) + make_tasks(2, automation=other)
    assert claimed(1) == [ordinary[0]]
    best = make_task(automation=other, priority=-1)
    assert claimed() == [best, *ordinary[1:]]


# --- cost


@pytest.mark.django_db
@pytest.mark.parametrize("ahead", ["full login", "full automation", "retry pause", "paused login", "other key"])
def test_a_claim_reads_no_more_rows_when_many_wait(ahead: str) -> None:
    with connection.cursor() as cursor:
        # What a plan is made from is the worst that it can be: the statistics of an empty table.
        cursor.execute("ANALYZE inference_task")
    automation, blocked = make_automation(), make_automation()
    fields: dict[str, Any] = {"automation": blocked}
    if ahead == "retry pause":
        fields["available_at"] = StatementTimestamp() + timedelta(hours=1)
    if ahead == "other key":
        fields["api_key"] = key()
    tasks = make_tasks(2000, **fields)
    if "login" in ahead:
        Task.objects.filter(automation=blocked).update(is_dedicated=True, dedup_hash=tasks[0].dedup_hash)
        tasks[0].dedup_key = "the login"
        slot = login_of(tasks[0])
        if ahead == "paused login":
            pause(slot, actor=make_user())
        else:
            ConcurrencySlot.objects.create(key=slot.key, running=1)
    if ahead in ("full automation", "other key"):
        Automation.objects.filter(pk=blocked.pk).update(max_parallelism=1)
        ConcurrencySlot.objects.create(key=f"automation:{blocked.pk}", running=1)
    mine = make_tasks(20, automation=automation)
    assert claimed(5) == mine[:5]
    before = rows_read()
    assert claimed(10) == mine[5:15]
    # Before this line there were dead index entries of the updates above, which are passed once.
    assert (rows_read() - before) / 10 < 60


def rows_read() -> int:
    """Rows of the tables of the queue that this transaction has fetched."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables"
            " WHERE relname IN ('inference_task', 'inference_queueline', 'inference_queueshare')"
        )
        return int(cursor.fetchone()[0])


# --- lines


@pytest.mark.django_db
def test_lines_are_there_while_tasks_wait_in_them() -> None:
    automation = make_automation()
    tasks = [login(automation, "a"), login(automation, "b"), make_task(automation=automation)]
    assert QueueLine.objects.count() == 3
    cancel_tasks(Task.objects.filter(id=tasks[1].id), cause=CAUSE)
    for task in claimed():
        finish(task)
    assert claim() is None
    assert QueueLine.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_no_task_is_lost_between_racing_submitters_and_claimers() -> None:
    automation = make_automation(inputs=("patient_id",))
    keys = [key() for _ in range(4)]
    start = threading.Barrier(8)
    finished = threading.Event()
    submitted = threading.Semaphore(0)

    def submit(number: int) -> list[Any]:
        start.wait()
        try:
            ids = []
            for turn in range(25):
                submission = submit_task(
                    endpoint_name=automation.endpoint_name,
                    input_parameters={"patient_id": [str(turn % 3)]},
                    unique_parameter_names=["patient_id"] if turn % 2 else [],
                    is_dedicated=bool(turn % 2),
                    per_login_parallelism=100,
                    priority=turn % 4 or None,
                    api_key=keys[number],
                )
                ids.append(submission.task_id)
            return ids
        finally:
            submitted.release()
            connection.close()

    def take(_: int) -> list[Any]:
        start.wait()
        taken = []
        try:
            while (row := claim()) is not None or not finished.is_set():
                if row is not None:
                    taken.append(row[0])
            return taken
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(submit, number) for number in range(4)]
        takers = [pool.submit(take, number) for number in range(4)]
        for _ in range(4):
            submitted.acquire()
        finished.set()
        ids = {task_id for each in made for task_id in each.result()}
        taken = [task_id for each in takers for task_id in each.result()]
    assert len(taken) == len(set(taken)) == 100
    assert set(taken) == ids
    claimed()
    assert QueueLine.objects.count() == 0
