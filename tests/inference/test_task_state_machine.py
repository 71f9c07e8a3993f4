"""The life of tasks as a state machine: random sequences of what two clients, workers, people and the rescuer do, on
the real database, beside a model that says what must come of each step.

The suite runs a few sequences. Many, after a change of the queue (some 15 minutes):

    TASK_SEQUENCES=2000 .venv/bin/python -m pytest tests/inference/test_task_state_machine.py --timeout=0
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from executor.claim import claim_task
from inference.errors import OutcomeError, TaskActiveError
from inference.models import (
    ACTIVE,
    ENDED,
    LEASED,
    Attempt,
    Automation,
    CommitPoint,
    ConcurrencySlot,
    QueueLine,
    Task,
    TaskEvent,
    TaskStatus,
)
from inference.models.database_clock import StatementTimestamp
from inference.services import transitions
from inference.services.cancel import cancel_tasks, kill_tasks
from inference.services.pauses import of_automation, pause, resume
from inference.services.retry import retry_task
from inference.services.submit import submit_task
from inference.services.transitions import AttemptEnd
from tests.factories import a_document, make_automation, make_key, make_user

SEQUENCES = int(os.environ.get("TASK_SEQUENCES", "25"))
STEPS = 60
MAX_RETRIES = 1
CAUSE = {"kind": "test"}
NO_PRIORITY = 2**31
# Leases and pauses run out when a step says so, and never by themselves, however slow the machine is.
LONG_SECONDS = 24 * 3600
LEGAL = {
    (None, "queued"),
    ("queued", "allocated"),
    ("queued", "cancelled"),
    ("allocated", "running"),
    ("allocated", "queued"),
    ("allocated", "cancelled"),
    ("allocated", "killed"),
    ("running", "queued"),
    ("running", "success"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("running", "killed"),
}


T = TypeVar("T")
# What one step draws: always the same number of the same numbers, whatever the database says meanwhile. Hypothesis
# takes a draw that depends on anything else (a claim's answer, the time) for a test that is not reproducible.
NUMBERS = st.tuples(*[st.integers(0, 999)] * 8)


class Choices:
    """The numbers of one step, each the index of a choice."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = iter(numbers)

    def of(self, things: Sequence[T]) -> T:
        return things[next(self._numbers) % len(things)]


@dataclass
class Known:
    """What the model knows of a task. `committed`: a commit point was begun; `seen`: and seen to finish."""

    id: UUID
    order: int
    sharer: int
    automation: Automation
    login: str
    is_dedicated: bool
    priority: int | None
    own_login_limit: int | None
    status: str = "queued"
    token: int = 0
    attempts: int = 0
    retries: int = 0
    is_delayed: bool = False
    is_cancel_requested: bool = False
    is_lease_over: bool = False
    committed: bool = False
    seen: bool = False
    tokens: list[int] = field(default_factory=list)

    @property
    def is_leased(self) -> bool:
        return self.status in LEASED

    @property
    def rank(self) -> tuple[int, int]:
        return (NO_PRIORITY if self.priority is None else self.priority, self.order)

    @property
    def login_limit(self) -> int | None:
        limit = self.automation.per_login_parallelism
        if limit is None:
            limit = self.own_login_limit
        return 1 if limit is None and self.is_dedicated else limit


class Tasks(RuleBasedStateMachine):
    """Each sequence is one transaction, undone at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[UUID, Known] = {}
        self.frozen: dict[UUID, tuple[Any, ...]] = {}
        self.paused: set[int] = set()
        self.undo = transaction.atomic()
        self.undo.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    @initialize()
    def prepare(self) -> None:
        retried = a_document(max_retries=MAX_RETRIES)
        self.automations = [
            make_automation(document=retried, max_parallelism=2, per_login_parallelism=1),
            make_automation(document=retried),
        ]
        self.keys = [make_key()[0], make_key()[0]]
        self.person = make_user()
        for client, login in ((0, "a"), (1, "a"), (0, "b")):
            self.submit(client, 0, login, is_dedicated=True, priority=None, own_limit=None)
        self.submit(0, 1, "a", is_dedicated=False, priority=None, own_limit=None)

    @rule(numbers=NUMBERS)
    def step(self, numbers: tuple[int, ...]) -> None:
        """One rule that draws the step: Hypothesis leaves whole rules out of a sequence, and where there are no claims,
        or nothing ends, nothing happens."""
        choices = Choices(numbers)
        known = self.known.values()
        waiting = sum(each.status == "queued" for each in known)
        has_tokens = bool(self._with_tokens())
        leased = any(each.is_leased for each in known)
        weights = {
            self.submit_something: 2 if waiting < 6 else 0,
            self.claim: 5 if waiting else 1,
            self.start: 1 if has_tokens else 0,
            self.heartbeat: 1 if has_tokens else 0,
            self.finish: 5 if has_tokens else 0,
            self.give_back: 1 if has_tokens else 0,
            self.commit: 1 if any(each.status == "running" for each in known) else 0,
            self.cancel: 1,
            self.kill: 1,
            self.retry: 1,
            self.let_a_lease_run_out: 1 if leased else 0,
            self.rescue: 2 if any(each.is_lease_over for each in known) else 0,
            self.let_a_pause_run_out: 2 if any(each.is_delayed for each in known) else 0,
            self.pause_or_resume: 3 if self.paused else 1,
        }
        steps = [step for step, weight in weights.items() for _ in range(weight)]
        choices.of(steps)(choices)

    # --- clients

    def submit_something(self, choices: Choices) -> None:
        self.submit(
            choices.of((0, 1)),
            choices.of((0, 1)),
            choices.of(["a", "b", ""]),
            is_dedicated=choices.of((False, True)),
            priority=choices.of([None, -1, 3]),
            own_limit=choices.of([None, 2]),
        )

    def submit(
        self, client: int, which: int, login: str, is_dedicated: bool, priority: int | None, own_limit: int | None
    ) -> None:
        automation = self.automations[which]
        submission = submit_task(
            endpoint_name=automation.endpoint_name,
            input_parameters={"patient_id": [login]},
            unique_parameter_names=["patient_id"] if login else [],
            is_dedicated=is_dedicated,
            priority=priority,
            per_login_parallelism=own_limit,
            api_key=self.keys[client],
        )
        twin = None if is_dedicated else self._active_twin(automation, login)
        assert submission.duplicate == (twin is not None)
        if twin is not None:
            assert submission.task_id == twin.id
            return
        self._remember(submission.task_id, client, automation, login, is_dedicated, priority, own_limit)

    def retry(self, choices: Choices) -> None:
        known = self._any(choices)
        task = Task.objects.select_related("automation", "api_key").get(id=known.id)
        if known.status in ACTIVE:
            with pytest.raises(TaskActiveError):
                retry_task(task=task, cause=CAUSE)
            return
        if known.committed and not known.seen:
            with pytest.raises(OutcomeError):
                retry_task(task=task, cause=CAUSE)
            return
        submission = retry_task(task=task, cause=CAUSE)
        twin = None if known.is_dedicated else self._active_twin(known.automation, known.login)
        assert submission.duplicate == (twin is not None)
        if twin is None:
            self._remember(
                submission.task_id,
                known.sharer,
                known.automation,
                known.login,
                known.is_dedicated,
                known.priority,
                known.own_login_limit,
            )

    def cancel(self, choices: Choices) -> None:
        known = self._any(choices)
        asked = cancel_tasks(Task.objects.filter(id=known.id), cause=CAUSE)
        assert asked == (known.status in ACTIVE and not known.is_cancel_requested)
        if known.status == "queued":
            known.status = "cancelled"
        if asked:
            known.is_cancel_requested = True

    def kill(self, choices: Choices) -> None:
        known = self._any(choices)
        assert kill_tasks(Task.objects.filter(id=known.id), cause=CAUSE) == (known.status in ACTIVE)
        if known.status in ACTIVE:
            known.status = "cancelled" if known.status == "queued" else "killed"
            known.is_cancel_requested = True

    # --- operators

    def pause_or_resume(self, choices: Choices) -> None:
        which = choices.of((0, 1))
        thing = of_automation(self.automations[which])
        if which in self.paused:
            assert resume(thing, actor=self.person)
            self.paused.discard(which)
        else:
            assert pause(thing, actor=self.person)
            self.paused.add(which)

    # --- workers

    def claim(self, choices: Choices) -> None:
        eligible = [known for known in self.known.values() if self._may_start(known)]
        row = claim_task(owner="host/1/1", host="host", lease_seconds=LONG_SECONDS)
        if row is None:
            assert eligible == []
            return
        known = self.known[row[0]]
        assert known in eligible
        assert known is min((each for each in eligible if each.sharer == known.sharer), key=lambda each: each.rank)
        assert row[1] > known.token
        known.status, known.token = "allocated", row[1]
        known.tokens.append(row[1])
        known.attempts += 1
        known.is_lease_over = False
        if choices.of((False, True)) and not known.is_cancel_requested:
            assert transitions.start_attempt(known.id, known.token)
            known.status = "running"

    def start(self, choices: Choices) -> None:
        known, token = self._any_token(choices)
        may_start = known.status == "allocated" and token == known.token and not known.is_cancel_requested
        assert transitions.start_attempt(known.id, token) == may_start
        if may_start:
            known.status = "running"

    def heartbeat(self, choices: Choices) -> None:
        known, token = self._any_token(choices)
        lease = transitions.renew_lease(known.id, token, lease_seconds=LONG_SECONDS)
        assert (lease is not None) == (known.is_leased and token == known.token)
        if lease is not None:
            known.is_lease_over = False
            assert (lease.cancel_cause is not None) == known.is_cancel_requested

    def commit(self, choices: Choices) -> None:
        is_finished = choices.of((False, True))
        known = choices.of([each for each in self.known.values() if each.status == "running"])
        CommitPoint.objects.create(
            task_id=known.id,
            attempt=known.attempts,
            path="nodes[0]",
            finished_at=StatementTimestamp() if is_finished else None,
        )
        known.seen = is_finished and (known.seen or not known.committed)
        known.committed = True

    def finish(self, choices: Choices) -> None:
        how = choices.of(["failed", "success", "failed", "final", "interrupted"])
        known, token = self._any_token(choices)
        end = AttemptEnd(
            status=TaskStatus.SUCCESS if how == "success" else TaskStatus.FAILED,
            cause=CAUSE,
            error=None if how == "success" else "it broke",
            may_retry=how in ("failed", "interrupted"),
            counts=how != "interrupted",
        )
        status = transitions.finish_attempt(known.id, token, end)
        if known.status != "running" or token != known.token:
            assert status is None
            return
        expected = "success" if how == "success" else "failed"
        if end.may_retry and self._is_tried_again(known):
            expected = self._queue_again(known, counts=end.counts, is_delayed=end.counts)
        known.status = expected
        assert status == expected

    def give_back(self, choices: Choices) -> None:
        known, token = self._any_token(choices)
        status = transitions.give_back(known.id, token, cause=CAUSE)
        if known.status != "allocated" or token != known.token:
            assert status is None
            return
        known.status = "cancelled" if known.is_cancel_requested else "queued"
        assert status == known.status

    # --- time, and who looks at it

    def let_a_lease_run_out(self, choices: Choices) -> None:
        known = choices.of([each for each in self.known.values() if each.is_leased])
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE inference_task SET lease_expires_at = statement_timestamp() - interval '1 second'"
                " WHERE id = %s",
                [known.id],
            )
        known.is_lease_over = True

    def let_a_pause_run_out(self, choices: Choices) -> None:
        known = choices.of([each for each in self.known.values() if each.is_delayed])
        Task.objects.filter(id=known.id).update(available_at=StatementTimestamp())
        known.is_delayed = False

    def rescue(self, _: Choices) -> None:
        over = [known for known in self.known.values() if known.is_leased and known.is_lease_over]
        assert transitions.rescue_expired() == len(over)
        for known in over:
            if known.is_cancel_requested:
                known.status = "cancelled"
            elif known.status == "allocated":
                known.status = "queued"
            elif self._is_tried_again(known):
                known.status = self._queue_again(known, counts=True, is_delayed=True)
            else:
                known.status = "failed"

    # --- what must always hold

    @invariant()
    def every_task_is_where_the_model_has_it(self) -> None:
        rows = Task.objects.in_bulk(list(self.known))
        assert {task_id: row.status for task_id, row in rows.items()} == {
            task_id: known.status for task_id, known in self.known.items()
        }
        for task_id, row in rows.items():
            known = self.known[task_id]
            assert (row.lease_token, row.retry_count) == (known.token, known.retries)
            if row.status in ENDED:
                assert row.outcome_unknown == (known.committed and not known.seen)

    @invariant()
    def transitions_are_legal_and_instants_never_go_back(self) -> None:
        last: dict[UUID, tuple[str | None, Any]] = {}
        events = TaskEvent.objects.filter(kind="status").order_by("id").values_list("task_id", "status", "at")
        for task_id, status, at in events:
            before, then = last.get(task_id, (None, at))
            assert (before, status) in LEGAL
            assert at >= then
            last[task_id] = (status, at)
        assert {task_id: status for task_id, (status, _) in last.items()} == {
            task_id: known.status for task_id, known in self.known.items()
        }
        for row in Task.objects.values_list("created_at", "allocated_at", "started_at", "completed_at"):
            instants = [instant for instant in row if instant is not None]
            assert instants == sorted(instants)

    @invariant()
    def one_task_is_active_for_each_dedup_key(self) -> None:
        active = Task.objects.filter(status__in=ACTIVE, is_dedicated=False)
        counts = Counter(active.values_list("automation_id", "dedup_hash"))
        assert all(count == 1 for count in counts.values())

    @invariant()
    def places_are_counted_by_those_who_hold_them_and_limits_hold(self) -> None:
        held = Counter(slot for slots in Task.objects.values_list("held_slots", flat=True) for slot in slots)
        counted = dict(ConcurrencySlot.objects.filter(running__gt=0).values_list("key", "running"))
        assert counted == dict(held)
        leased = [known for known in self.known.values() if known.is_leased]
        assert sum(known.automation is self.automations[0] for known in leased) <= 2 if self.known else True
        logins = Counter(known.login for known in leased if known.automation is self.automations[0] and known.login)
        assert all(count <= 1 for count in logins.values())

    @invariant()
    def what_has_ended_is_frozen(self) -> None:
        columns = ("id", "status", "error", "created_at", "allocated_at", "started_at", "completed_at", "retry_count")
        for row in Task.objects.filter(status__in=ENDED).values_list(*columns):
            assert self.frozen.setdefault(row[0], row) == row
        assert set(self.frozen) == {known.id for known in self.known.values() if known.status in ENDED}

    @invariant()
    def attempts_are_numbered_without_gaps_and_none_follows_a_commit_point(self) -> None:
        numbers: dict[UUID, list[int]] = {}
        for task_id, number in Attempt.objects.order_by("task", "number").values_list("task_id", "number"):
            numbers.setdefault(task_id, []).append(number)
        for known in self.known.values():
            assert numbers.get(known.id, []) == list(range(1, known.attempts + 1))
        for task_id, attempt in CommitPoint.objects.values_list("task_id", "attempt"):
            assert numbers[task_id][-1] == attempt

    @invariant()
    def every_waiting_task_stands_in_a_line_that_is_not_behind_it(self) -> None:
        lines = {line.pk: line for line in QueueLine.objects.all()}
        for task in Task.objects.filter(status="queued"):
            known = self.known[task.id]
            assert task.is_delayed == known.is_delayed
            if task.is_delayed:
                continue
            line = lines[task.line_id or 0]
            rank = NO_PRIORITY if task.priority is None else task.priority
            assert (line.best_rank, line.best_created_at) <= (rank, task.created_at)
            assert line.sharer == task.sharer

    # --- the model

    def _remember(
        self,
        task_id: UUID,
        client: int,
        automation: Automation,
        login: str,
        is_dedicated: bool,
        priority: int | None,
        own_limit: int | None,
    ) -> None:
        assert task_id not in self.known
        self.known[task_id] = Known(
            task_id, len(self.known), client, automation, login, is_dedicated, priority, own_limit
        )

    def _active_twin(self, automation: Automation, login: str) -> Known | None:
        if not login:
            return None
        for known in self.known.values():
            is_same = (known.automation, known.login, known.is_dedicated) == (automation, login, False)
            if is_same and known.status in ACTIVE:
                return known
        return None

    def _may_start(self, known: Known) -> bool:
        if known.status != "queued" or known.is_delayed:
            return False
        if self.automations.index(known.automation) in self.paused:
            return False
        leased = [each for each in self.known.values() if each.is_leased and each.automation is known.automation]
        whole = known.automation.max_parallelism
        if whole is not None and len(leased) >= whole:
            return False
        # Without unique names each task is a login of its own.
        same_login = sum(each.login == known.login for each in leased) if known.login else 0
        return known.login_limit is None or same_login < known.login_limit

    def _is_tried_again(self, known: Known) -> bool:
        return not known.committed and not known.is_cancel_requested and known.retries < MAX_RETRIES

    @staticmethod
    def _queue_again(known: Known, *, counts: bool, is_delayed: bool) -> str:
        known.retries += counts
        known.is_delayed = is_delayed
        return "queued"

    def _any(self, choices: Choices) -> Known:
        return choices.of(list(self.known.values()))

    def _with_tokens(self) -> list[Known]:
        return [known for known in self.known.values() if known.tokens]

    def _any_token(self, choices: Choices) -> tuple[Known, int]:
        """A task that was claimed, and one of its tokens: mostly one that counts, sometimes one from before."""
        present = [(known, known.token) for known in self.known.values() if known.is_leased]
        ever = [(known, token) for known in self._with_tokens() for token in known.tokens]
        return choices.of(present if present and choices.of((0, 1, 2, 3)) else ever)


@pytest.mark.django_db
@pytest.mark.timeout(0 if SEQUENCES > 100 else 300)
def test_tasks_keep_their_promises_in_any_sequence_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "RETRY_PAUSE_SECONDS", LONG_SECONDS)
    run_state_machine_as_test(
        Tasks,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        ),
    )
