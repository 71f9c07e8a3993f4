import asyncio
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError, connection, transaction
from django.db.models import F

from executor import recorder as recorder_module
from executor.database import in_database
from executor.errors import LeaseLostError
from executor.loop import WorkerLoop
from executor.masking import Masking
from executor.pictures import Frame
from executor.recorder import Recorder, StepRecord
from inference.models import Artifact, CommitPoint, Step, Task, TaskEvent
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def task() -> Task:
    return factories.make_task(status="running")


def record(position: int = 0, **fields: Any) -> StepRecord:
    values: dict[str, Any] = {"index": 1, "path": "nodes[0]", "depth": 0, "kind": "click_element", "label": "Click"}
    return StepRecord(position=position, **{**values, **fields})


async def picture() -> Frame:
    return Frame(b"\xff\xd8 a jpeg", 1.0, 1280, 800)


async def session(recorder: Recorder, *steps: StepRecord) -> None:
    recorder.start()
    try:
        for step in steps:
            recorder.step_began(step)
            recorder.step_ended(step, picture())
        await recorder.drain()
    finally:
        await recorder.stop()


def make(task: Task, *, token: int | None = None, masking: Masking | None = None) -> Recorder:
    mask = (masking or Masking()).mask
    return Recorder(task_id=task.id, attempt=1, token=task.lease_token if token is None else token, mask=mask)


def test_a_step_has_one_row_from_its_beginning_to_its_picture(task: Task, worker_loop: WorkerLoop) -> None:
    worker_loop.submit(session(make(task), record(0), record(1, path="nodes[1]"))).result(20)
    steps = list(Step.objects.filter(task=task))

    assert [(step.position, step.status) for step in steps] == [(0, "success"), (1, "success")]
    picture = steps[0].picture
    assert picture is not None
    assert (picture.kind, picture.content_type) == ("picture", "image/jpeg")
    assert picture.storage_name == f"{task.id}/{picture.id}"
    with default_storage.open(picture.storage_name) as file:
        assert file.read() == b"\xff\xd8 a jpeg"


@pytest.mark.parametrize("is_claimed_again", [True, False])
def test_nothing_is_written_for_a_task_that_is_not_this_workers_anymore(
    task: Task, worker_loop: WorkerLoop, is_claimed_again: bool
) -> None:
    if is_claimed_again:
        Task.objects.update(lease_token=F("lease_token") + 1)
    else:
        factories.end_task(task, "cancelled")
    before = TaskEvent.objects.count()
    with pytest.raises(LeaseLostError):
        worker_loop.submit(session(make(task), record())).result(20)

    assert not Step.objects.exists()
    assert not Artifact.objects.exists()
    assert TaskEvent.objects.count() == before


def test_a_commit_point_of_a_lost_task_is_never_begun(task: Task, worker_loop: WorkerLoop) -> None:
    recorder = make(task, token=task.lease_token - 1)

    async def begin() -> None:
        recorder.start()
        try:
            await recorder.begin_commit_point(record())
        finally:
            await recorder.stop()

    with pytest.raises(LeaseLostError):
        worker_loop.submit(begin()).result(20)
    assert not CommitPoint.objects.exists()


def test_a_commit_point_whose_commit_was_not_answered_is_one_entry(
    task: Task, worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, step, write_now = make(task), record(), Recorder._write_now
    unanswered = iter([True])

    def lose_an_answer(self: Recorder, writes: list[Callable[[], object]]) -> None:
        write_now(self, writes)
        if next(unanswered, False):
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(Recorder, "_write_now", lose_an_answer)

    async def act() -> None:
        recorder.start()
        await recorder.begin_commit_point(step)
        await recorder.finish_commit_point(step)
        await recorder.stop()

    worker_loop.submit(act()).result(20)
    assert CommitPoint.objects.get().finished_at is not None


def test_every_text_is_masked(task: Task, worker_loop: WorkerLoop) -> None:
    masking = Masking()
    masking.hide("hunter22")
    step = record(label="Type hunter22", url="http://x/?p=hunter22", locator="hunter22")
    step.details["candidates"] = [{"name": "hunter22"}]
    step.fail("hunter22 is wrong")
    recorder = make(task, masking=masking)

    async def both() -> None:
        recorder.event("console", {"text": "hunter22"})
        await session(recorder, step)

    worker_loop.submit(both()).result(20)
    rows = repr(Step.objects.values()) + repr(list(TaskEvent.objects.values_list("data", flat=True)))

    assert "hunter22" not in rows
    assert rows.count("•••") >= 7


def test_a_step_written_twice_is_one_row(task: Task, worker_loop: WorkerLoop) -> None:
    """A commit whose answer was lost is repeated."""
    step = record()
    worker_loop.submit(session(make(task), step)).result(20)
    worker_loop.submit(session(make(task), step)).result(20)

    assert Step.objects.count() == 1


def test_artifacts_belong_to_ids_that_nobody_can_guess(task: Task, worker_loop: WorkerLoop) -> None:
    worker_loop.submit(session(make(task), record())).result(20)

    assert isinstance(Artifact.objects.get().id, uuid.UUID)


def test_a_lost_connection_is_made_again_and_nothing_is_missing(task: Task, worker_loop: WorkerLoop) -> None:
    worker_loop.submit(session(make(task), record(0))).result(20)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    worker_loop.submit(session(make(task), record(1, path="nodes[1]"))).result(20)

    assert [step.status for step in Step.objects.filter(task=task)] == ["success", "success"]


def test_those_who_write_much_wait_for_the_database(task: Task, worker_loop: WorkerLoop) -> None:
    async def write_much() -> tuple[bool, int]:
        recorder, go_on = make(task), threading.Event()
        recorder.start()
        blocked = asyncio.create_task(in_database(go_on.wait, 20))
        await recorder.room()
        for number in range(recorder_module._MANY_WRITES + 1):
            recorder.event("note", {"text": str(number)})
        await asyncio.sleep(0)  # the writer takes what there is, and waits for the database
        for number in range(recorder_module._MANY_WRITES):
            recorder.event("note", {"text": str(number)})
        waiting = asyncio.create_task(recorder.room())
        await asyncio.wait({waiting}, timeout=0.2)
        had_to_wait = not waiting.done()
        go_on.set()
        await asyncio.wait_for(waiting, 10)
        await blocked
        await recorder.drain()
        await recorder.stop()
        return had_to_wait, await in_database(TaskEvent.objects.filter(task=task, kind="note").count)

    assert worker_loop.submit(write_much()).result(60) == (True, 2 * recorder_module._MANY_WRITES + 1)


def test_nobody_waits_for_a_recorder_that_cannot_write(task: Task, worker_loop: WorkerLoop) -> None:
    async def write_in_vain() -> BaseException | None:
        recorder = make(task, token=task.lease_token + 1)
        recorder.start()
        for _ in range(2 * recorder_module._MANY_WRITES):
            recorder.event("note", {"text": "x"})
        await asyncio.wait_for(recorder.room(), 10)
        await recorder.broken()
        await asyncio.wait_for(recorder.room(), 10)
        await recorder.stop()
        return recorder.failure

    assert isinstance(worker_loop.submit(write_in_vain()).result(60), LeaseLostError)


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_batch_whose_answer_was_lost_is_written_once(
    task: Task, worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    """The connection breaks at the commit: what was sent has been stored, or not."""
    monkeypatch.setattr(recorder_module.asyncio, "sleep", _no_pause)
    write = Recorder._write_now
    answers = iter(["lost"])

    def lose_an_answer(self: Recorder, writes: Any) -> None:
        for _ in answers:
            with transaction.atomic():
                write(self, writes)
                transaction.set_rollback(not is_committed)
            raise OperationalError("the connection is lost")
        write(self, writes)

    monkeypatch.setattr(Recorder, "_write_now", lose_an_answer)
    worker_loop.submit(session(make(task), record(0))).result(20)

    assert [step.status for step in Step.objects.filter(task=task)] == ["success"]
    assert [event.data["status"] for event in TaskEvent.objects.filter(task=task, kind="step").order_by("id")] == [
        "running",
        "success",
    ]


async def _no_pause(_: float) -> None:
    return None
