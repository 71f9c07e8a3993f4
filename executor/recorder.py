"""Writes what an attempt does (steps, events, files, commit points) while the run goes on.

Writes are queued and made in their order by one task of the event loop, several in one transaction when they have
piled up. Each transaction first looks whether the task is still this worker's: every write of a worker that was
presumed dead and comes back is refused. The queue is drained before the attempt ends.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction

from executor import artifacts
from executor.artifacts import StoredFile
from executor.database import in_database
from executor.errors import LeaseLostError
from executor.pictures import Frame
from executor.storable import storable, storable_text
from inference.models import Artifact, CommitPoint, PersonRequest, Step, StepStatus, Task, TaskEvent
from inference.models.database_clock import StatementTimestamp
from inference.models.identifiers import uuid7

logger = logging.getLogger(__name__)

# How long writes wait for a database that is away; the lease decides long before what becomes of the task.
_OUTAGE_SECONDS = 120.0
_LONGEST_TEXT = 4000
# Writes that may wait at a time. A page is slower than the database; nodes without a page are not.
_MANY_WRITES = 500
_CHANGING_STEP_FIELDS = ("index", "label", "status", "duration_ms", "url", "locator", "error", "details")
_STILL_MINE = f"SELECT 1 FROM {Task._meta.db_table} WHERE id = %s AND lease_token = %s AND status = 'running' FOR SHARE"  # noqa: S608 - the table's own name

Write = Callable[[], object]


@dataclass(slots=True)
class StepRecord:
    """One node that runs or has run. `details` must stay plain JSON."""

    position: int
    index: int | None
    path: str
    depth: int
    kind: str
    label: str
    locator: str = ""
    is_commit_point: bool = False
    # Of its row in the journal, once the act is about to be done.
    commit_point_id: int | None = None
    url: str = ""
    status: StepStatus = StepStatus.RUNNING
    error: str | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    began: float = field(default_factory=time.monotonic)
    duration_ms: int | None = None

    def note(self, text: str) -> None:
        """Something that people should know about this step."""
        self.details.setdefault("notes", []).append(text[:_LONGEST_TEXT])

    def warn(self, text: str) -> None:
        """Done, but not as the author will have thought."""
        self.note(text)
        if self.status == StepStatus.RUNNING:
            self.status = StepStatus.WARNING

    def skip(self, reason: str) -> None:
        """Not done, and the document says that this is fine."""
        self.status, self.error = StepStatus.SKIPPED, reason[:_LONGEST_TEXT]

    def fail(self, reason: str) -> None:
        self.status, self.error = StepStatus.FAILED, reason[:_LONGEST_TEXT]

    def end(self) -> None:
        if self.status == StepStatus.RUNNING:
            self.status = StepStatus.SUCCESS
        self.duration_ms = round((time.monotonic() - self.began) * 1000)


@dataclass(slots=True)
class _Queued:
    write: Write
    done: asyncio.Future[None] | None = None


class Recorder:
    """The only writer of an attempt's rows. Use it on one event loop; `start` before, `drain` and `stop` after."""

    def __init__(
        self,
        *,
        task_id: uuid.UUID,
        attempt: int,
        token: int,
        mask: Callable[[str], str],
        on_step: Callable[[StepRecord], None] = lambda _: None,
    ) -> None:
        self._task_id = task_id
        self._attempt = attempt
        self._token = token
        self._mask: Callable[[str], str] = lambda text: storable_text(mask(text))
        self._on_step = on_step
        self._queue: asyncio.Queue[_Queued] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None
        self._side_tasks: set[asyncio.Task[None]] = set()
        self._broken = asyncio.Event()
        self._has_written = asyncio.Event()
        self.failure: Exception | None = None

    def start(self) -> None:
        self._pump = asyncio.create_task(self._write_all(), name="recorder")

    async def room(self) -> None:
        """Returns once there is room for more writes, and after everybody else has had a turn: nodes that wait for
        nothing, thousands of passes of them, must neither pile up writes nor keep a cancellation out."""
        await asyncio.sleep(0)
        while self._queue.qsize() >= _MANY_WRITES and not self._broken.is_set():
            self._has_written.clear()
            await self._has_written.wait()

    # --- what is recorded ------------------------------------------------------------------------------------

    def step_began(self, step: StepRecord) -> None:
        """The row appears at once, and people see what runs."""
        self._write_step(step)

    def step_ended(self, step: StepRecord, picture: Awaitable[Frame | None] | None = None) -> None:
        """The row gets its end now, and its picture as soon as there is one."""
        step.end()
        self._on_step(step)
        self._write_step(step)
        if picture is not None:
            self._side(self._add_picture(step.position, picture), name=f"picture of step {step.position}")

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Something happened on a page or in the run; texts in `data` are masked."""
        event = TaskEvent(task_id=self._task_id, kind=kind, cause=self._cause(), data=_masked(data, self._mask))
        self._add(lambda: _insert_event(event))

    def add_artifact(
        self,
        kind: Artifact.Kind,
        stored: StoredFile,
        *,
        artifact_id: uuid.UUID,
        filename: str,
        content_type: str,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """The row of a file that the storage has."""
        artifact = self._artifact(kind, stored, artifact_id, filename, content_type, metadata)
        self._add(lambda: _insert_artifact(artifact))

    async def begin_commit_point(self, step: StepRecord) -> None:
        """Returns when the journal says, for good, that the act is about to be done."""
        point = CommitPoint(task_id=self._task_id, attempt=self._attempt, path=step.path, label=self._mask(step.label))

        def write() -> None:
            if point.pk is None or not CommitPoint.objects.filter(pk=point.pk).exists():
                point.save(force_insert=True)  # else written before, when the answer to a commit was lost

        await self._add_and_wait(write)
        step.commit_point_id = point.pk

    async def finish_commit_point(self, step: StepRecord) -> None:
        """Returns when the journal says that the act was seen to finish; one that was not begun changes nothing."""
        if step.commit_point_id is None:
            return
        # Not by its path, which the same act of an earlier pass has, too: that one may not have finished.
        mine = CommitPoint.objects.filter(pk=step.commit_point_id, task_id=self._task_id, finished_at=None)

        def write() -> None:
            mine.update(finished_at=StatementTimestamp())

        await self._add_and_wait(write)

    async def ask(
        self,
        request_id: uuid.UUID,
        *,
        step: StepRecord,
        question: str,
        max_seconds: float,
        picture_id: uuid.UUID | None,
    ) -> None:
        """Returns when people can see the question of `step`; it is open for `max_seconds` of the database's clock."""
        text, position = self._mask(question)[:_LONGEST_TEXT], step.position
        event = TaskEvent(
            task_id=self._task_id,
            kind="person",
            cause=self._cause(),
            data={"state": "asked", "text": text, "seconds": max_seconds},
        )

        def write() -> None:
            if PersonRequest.objects.filter(id=request_id).exists():
                return  # written before, when the answer to a commit was lost
            PersonRequest.objects.create(
                id=request_id,
                task_id=self._task_id,
                attempt=self._attempt,
                step_position=position,
                question=text,
                picture_id=picture_id,
                deadline=StatementTimestamp() + timedelta(seconds=max_seconds),
            )
            _insert_event(event)

        await self._add_and_wait(write)

    async def stop_asking(self, request_id: uuid.UUID) -> None:
        """Returns when the question is closed: timed out, unless an answer was faster."""
        cause = self._cause()

        def write() -> None:
            still_open = PersonRequest.objects.filter(id=request_id, closed_at=None)
            if still_open.update(
                outcome=PersonRequest.Outcome.TIMED_OUT, closed_at=StatementTimestamp(), closed_by=cause
            ):
                TaskEvent.objects.create(
                    task_id=self._task_id, kind="person", cause=cause, data={"state": "nobody answered"}
                )

        await self._add_and_wait(write)

    async def write(self, write: Write) -> None:
        """Make somebody else's write in its turn and with the lease, as all others; returns when it is committed."""
        await self._add_and_wait(write)

    async def drain(self) -> None:
        """Wait until everything is written. Raises what went wrong: LeaseLostError, or the database's error."""
        while self._side_tasks:
            await asyncio.wait(set(self._side_tasks))
        if self.failure is None:
            idle = asyncio.ensure_future(self._queue.join())
            broken = asyncio.ensure_future(self._broken.wait())
            try:
                await asyncio.wait({idle, broken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                idle.cancel()
                broken.cancel()
        if self.failure is not None:
            raise self.failure

    async def broken(self) -> None:
        """Returns when writing has become impossible; `failure` says why."""
        await self._broken.wait()

    async def stop(self) -> None:
        """End the tasks, written or not."""
        tasks = [*self._side_tasks, *([self._pump] if self._pump is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- how -------------------------------------------------------------------------------------------------

    def _cause(self) -> dict[str, Any]:
        return {"kind": "attempt", "id": str(self._attempt)}

    def _write_step(self, step: StepRecord) -> None:
        row = Step(
            task_id=self._task_id,
            attempt=self._attempt,
            position=step.position,
            index=step.index,
            path=step.path[:400],
            depth=step.depth,
            kind=step.kind[:60],
            label=self._mask(step.label)[:_LONGEST_TEXT],
            status=step.status,
            duration_ms=step.duration_ms,
            url=self._mask(step.url)[:_LONGEST_TEXT],
            locator=self._mask(step.locator)[:_LONGEST_TEXT],
            is_commit_point=step.is_commit_point,
            error=None if step.error is None else self._mask(step.error),
            details=_masked(step.details, self._mask),
        )
        told = {"position": row.position, "index": row.index, "path": row.path, "kind": row.kind, "label": row.label}
        event = TaskEvent(
            task_id=self._task_id,
            kind="step",
            cause=self._cause(),
            data={**told, "status": row.status, "attempt": self._attempt, "error": row.error},
        )

        def write() -> None:
            # One statement for beginning and end, which also may be repeated when a commit's answer was lost.
            Step.objects.bulk_create(
                [row],
                update_conflicts=True,
                unique_fields=["task", "attempt", "position"],
                update_fields=_CHANGING_STEP_FIELDS,
            )
            _insert_event(event)

        self._add(write)

    async def _add_picture(self, position: int, picture: Awaitable[Frame | None]) -> None:
        frame = await picture
        if frame is None:
            return
        artifact_id = uuid7()
        stored = await asyncio.to_thread(
            artifacts.store_bytes, frame.jpeg, task_id=self._task_id, artifact_id=artifact_id
        )
        row = self._artifact(Artifact.Kind.PICTURE, stored, artifact_id, f"step-{position}.jpg", "image/jpeg", None)

        def write() -> None:
            _insert_artifact(row)
            mine = Step.objects.filter(task_id=self._task_id, attempt=self._attempt, position=position)
            mine.update(picture_id=artifact_id)

        self._add(write)

    def _artifact(
        self,
        kind: Artifact.Kind,
        stored: StoredFile,
        artifact_id: uuid.UUID,
        filename: str,
        content_type: str,
        metadata: dict[str, Any] | None,
    ) -> Artifact:
        return Artifact(
            id=artifact_id,
            task_id=self._task_id,
            attempt=self._attempt,
            kind=kind,
            filename=self._mask(filename)[:255],
            content_type=content_type,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            storage_name=stored.storage_name,
            metadata=storable(metadata),
        )

    def _side(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._side_tasks.add(task)
        task.add_done_callback(self._side_done)

    def _side_done(self, task: asyncio.Task[None]) -> None:
        self._side_tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._break(error)

    def _add(self, write: Write) -> None:
        self._queue.put_nowait(_Queued(write))

    async def _add_and_wait(self, write: Write) -> None:
        if self.failure is not None:
            raise self.failure
        done = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Queued(write, done))
        await done

    async def _write_all(self) -> None:
        while not self._broken.is_set():
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self._write_batch([each.write for each in batch])
            except Exception as error:
                self._break(error)
            self._has_written.set()
            for each in batch:
                if each.done is not None and not each.done.done():
                    if self.failure is None:
                        each.done.set_result(None)
                    else:
                        each.done.set_exception(self.failure)
                self._queue.task_done()
        while not self._queue.empty():
            waiting = self._queue.get_nowait().done
            if waiting is not None and not waiting.done():
                waiting.set_exception(self.failure or RuntimeError("the recorder has stopped"))

    async def _write_batch(self, writes: list[Write]) -> None:
        deadline = time.monotonic() + _OUTAGE_SECONDS
        pause = 0.2
        while True:
            try:
                await in_database(self._write_now, writes)
                return
            except (OperationalError, InterfaceError):
                if time.monotonic() > deadline:
                    raise
                logger.warning("database away, writing again soon")
                await asyncio.sleep(pause)
                pause = min(pause * 2, 3.0)

    def _write_now(self, writes: list[Write]) -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(_STILL_MINE, [self._task_id, self._token])
                if cursor.fetchone() is None:
                    raise LeaseLostError(f"task {self._task_id} is not run by token {self._token} anymore")
            for write in writes:
                write()

    def _break(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error if isinstance(error, Exception) else RuntimeError(str(error))
            self._broken.set()


def _insert_event(event: TaskEvent) -> None:
    """Once, also when a batch is written again because the answer to its commit was lost."""
    if event.pk is not None:
        if TaskEvent.objects.filter(pk=event.pk).exists():
            return
        event.pk = None  # undone with its transaction; ids must grow in the order of commits
    event.save(force_insert=True)


def _insert_artifact(artifact: Artifact) -> None:
    Artifact.objects.bulk_create([artifact], ignore_conflicts=True)


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    match value:
        case str():
            return mask(value)
        case list():
            return [_masked(item, mask) for item in value]
        case dict():
            return {key: _masked(item, mask) for key, item in value.items()}
        case _:
            return value
