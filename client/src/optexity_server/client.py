"""The blocking client. `async_client` has the same on an event loop."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, Unpack

from optexity_server import operations
from optexity_server.connection import Connection
from optexity_server.errors import OptexityError
from optexity_server.files import InMemory, OnDisk, place_for, place_of
from optexity_server.listening import Listening
from optexity_server.models import (
    Artifact,
    Automation,
    BatchResult,
    CsvExport,
    CsvOptions,
    Event,
    Health,
    ParameterValues,
    Published,
    ReviewAnswer,
    Step,
    Submission,
    SubmissionAnswer,
    SubmitOptions,
    Task,
    TaskFilters,
    TaskSummary,
    UploadedFile,
    Validation,
)
from optexity_server.retrying import RetryPolicy
from optexity_server.sending import Outgoing
from optexity_server.shared import (
    DEFAULT_PAGE_SIZE,
    MAX_READ_BYTES,
    EndedPosition,
    csv_query,
    export_query,
    list_query,
)
from optexity_server.tables import CsvTable, ExportedTable
from optexity_server.transport import Transport, Verify
from optexity_server.version import __version__


class Client:
    """Talks to one Optexity Server. Close it, or use it in a `with`; threads may share it.

    `url` and `key` are taken from OPTEXITY_SERVER_URL and OPTEXITY_SERVER_KEY if not given. `timeout` is in seconds,
    for each part of an answer. `verify` is what httpx takes: an `ssl.SSLContext` for a certificate authority of your
    own. What may be repeated is tried up to `retries` more times, begun within `max_retry_seconds` of the
    first failure.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: int = 5,
        max_retry_seconds: float = 120.0,
        verify: Verify = True,
    ) -> None:
        self._policy = RetryPolicy(retries, max_retry_seconds)
        self._connection = Connection.resolve(url, key)
        self._connection.warn_if_insecure(stacklevel=2)
        self._transport = Transport(self._connection, __version__, timeout=timeout, verify=verify)
        self.automations = Automations(self._transport, self._policy)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    @property
    def url(self) -> str:
        return self._connection.url

    @property
    def has_key(self) -> bool:
        return self._connection.key is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def submit(
        self,
        endpoint_name: str,
        input_parameters: ParameterValues | None = None,
        **options: Unpack[SubmitOptions],
    ) -> "TaskHandle":
        """Submit one task. Sent again when the connection breaks, which makes no second one: without an
        `idempotency_key` of yours it gets one of its own."""
        submission = Submission(endpoint_name, input_parameters, options)
        anonymous = self._connection.key is None
        answer = self._transport.run(operations.submit(submission, self._policy, anonymous=anonymous))
        return TaskHandle(self, answer.task_id, answer=answer)

    def submit_many(self, submissions: Iterable[Submission], *, all_or_nothing: bool = False) -> BatchResult:
        """Submit many tasks, in requests of at most 1,000, each with its own answer; with `all_or_nothing` one request
        and one answer for all. Raises BatchInterruptedError when one of several requests failed."""
        return self._transport.run(
            operations.submit_many(list(submissions), self._policy, all_or_nothing=all_or_nothing)
        )

    def submit_csv(
        self,
        table: "CsvTable | str | os.PathLike[str]",
        endpoint_name: str,
        *,
        values: Mapping[str, str | Sequence[str]] | None = None,
        idempotency_key: str | None = None,
        delimiter: Literal["comma", "semicolon", "tab"] | None = None,
        all_or_nothing: bool = False,
        **options: Unpack[CsvOptions],
    ) -> BatchResult:
        """Submit a task for each row of a CSV file: a path, or a text that is the CSV itself. `values` are parameters
        that have the same values in each row. Each row gets an idempotency key if it has none: the count of the row
        behind `idempotency_key` and a dash, so that the same file sent again makes no task twice. In requests of at
        most 1,000 rows; otherwise as `submit_many`. Raises ValueError for what is no such table."""
        rows = CsvTable.read(table, delimiter=delimiter).with_values(values or {})
        rows = rows.with_idempotency_keys(idempotency_key)
        query = csv_query(endpoint_name, options)
        return self._transport.run(operations.submit_csv(rows, query, self._policy, all_or_nothing=all_or_nothing))

    def upload(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        *,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> UploadedFile:
        """Send a file (a path, or one that is open for reading bytes and can be read again) for one later task: give
        its `reference` as the value of a parameter. Raises DamagedFileError when the server has got other bytes."""
        with Outgoing(file, filename, content_type) as outgoing:
            return self._transport.run(operations.upload_file(outgoing, self._policy))

    def export_csv(
        self,
        to: str | os.PathLike[str] | BinaryIO,
        *,
        overwrite: bool = False,
        limit: int | None = None,
        ended_after: datetime | str | None = None,
        cursor: str | None = None,
        delimiter: Literal["comma", "semicolon", "tab"] = "comma",
        raw: bool = False,
        **filters: Unpack[TaskFilters],
    ) -> CsvExport:
        """All tasks that match as one CSV file with a column for each input and output: to a path, which is kept if
        something is there (FileExistsError) unless `overwrite`, or to a file that is open for writing bytes. `raw`
        leaves out what protects spreadsheets."""
        if limit is not None and limit < 1:
            raise ValueError("limit must be at least 1")
        query = export_query(filters, ended_after=ended_after, cursor=cursor, delimiter=delimiter, raw=raw)
        table = ExportedTable(delimiter=delimiter, raw=raw)
        with closing(table), place_for(to, overwrite=overwrite) as file:
            resume_cursor = self._transport.run(operations.export_tasks(table, query, limit, self._policy))
            table.write_to(file)
        return CsvExport(table.rows, resume_cursor)

    def task(self, task_id: str) -> "TaskHandle":
        """The task as it is now. Raises NotFoundError."""
        handle = self.handle(task_id)
        handle.refresh()
        return handle

    def handle(self, task_id: str) -> "TaskHandle":
        """A task by its id, without asking the server."""
        return TaskHandle(self, operations.checked_id(task_id))

    def tasks(self, *, page_size: int = DEFAULT_PAGE_SIZE, **filters: Unpack[TaskFilters]) -> Iterator[TaskSummary]:
        """All tasks that match, newest first, page by page as they are asked for."""
        query = list_query(page_size, filters)
        while True:
            page = self._transport.run(operations.list_tasks(query, self._policy))
            yield from page.tasks
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor

    def ended_tasks(
        self,
        *,
        after: datetime | str | None = None,
        cursor: str | None = None,
        page_size: int = DEFAULT_PAGE_SIZE,
        **filters: Unpack[TaskFilters],
    ) -> "EndedTasks":
        """The tasks that have ended after an instant, in the order of their ends; or behind a `resume_cursor`."""
        return EndedTasks(self, EndedPosition(after, cursor, page_size, filters))

    def events(self, task_id: str, *, last_event_id: str | int | None = None) -> Iterator[Event]:
        """What happens to a task, as it happens, until it has ended. A stream that breaks is gone on with behind the
        last event."""
        listening = Listening(task_id, last_event_id, self._policy)
        while not listening.is_over():
            try:
                with self._transport.stream(listening.call(), is_live=True) as chunks:
                    for chunk in chunks:
                        yield from listening.feed(chunk)
                        if listening.is_over():
                            return
                task = self._transport.run(operations.get_task(task_id, self._policy))
                pause = listening.ended(task)
            except OptexityError as error:
                pause = listening.failed(error)
            self._transport.pause(pause)

    def health(self) -> Health:
        """How the server is, also if it is not well. Asked once."""
        return self._transport.run(operations.health())

    def scopes(self) -> dict[str, bool]:
        """Whether the key has `submit`, `read` and `manage`, found out by requests that change nothing. Raises
        UnauthorizedError when the key does not work."""
        return self._transport.run(operations.scopes(self._policy))


class TaskHandle:
    """One task on the server. `task` is what was last seen of it, `answer` what was said to its submission."""

    def __init__(self, client: Client, task_id: str, *, answer: SubmissionAnswer | None = None) -> None:
        self._client = client
        self._run = client._transport.run  # noqa: SLF001 - one thing in two classes
        self._policy = client._policy  # noqa: SLF001 - the same
        self.task_id = task_id
        self.answer = answer
        self.task: Task | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.task_id!r})"

    @property
    def duplicate(self) -> bool:
        """Whether the task was there before it was submitted by this client."""
        return self.answer is not None and self.answer.duplicate

    def refresh(self) -> Task:
        self.task = self._run(operations.get_task(self.task_id, self._policy))
        return self.task

    def wait(self, timeout: float | None = None, *, check: bool = False) -> Task:
        """The task once it has ended. Raises WaitTimeoutError after `timeout` seconds, and with `check` TaskFailedError
        when it has not succeeded."""
        self.task = self._run(operations.wait_for_task(self.task_id, self._policy, timeout=timeout))
        return operations.checked(self.task) if check else self.task

    def result(self, timeout: float | None = None) -> Any:
        """The output data of the task once it has succeeded. Raises WaitTimeoutError and TaskFailedError."""
        return self.wait(timeout, check=True).output_data

    def cancel(self, *, force: bool = False) -> str:
        """Have it stopped by its worker, or with `force` end it now, whatever that does; the status that it has then.
        Raises ConflictError when it has ended already."""
        return self._run(operations.cancel_task(self.task_id, self._policy, force=force))

    def retry(self, *, confirm: bool = False) -> "TaskHandle":
        """A new task with the same inputs; `confirm` also if its act was decided to have happened. Raises ConflictError
        when this one has not ended, or needs a review first."""
        answer = self._run(operations.retry_task(self.task_id, self._policy, confirm=confirm))
        return TaskHandle(self._client, answer.task_id, answer=answer)

    def review(self, happened: bool, *, note: str | None = None, retry: bool = False) -> ReviewAnswer:
        """Decide what became of an act that was not seen to finish; with `retry`, run again at once what did not
        happen. The same decision again changes nothing. Raises ConflictError when none is open, or another one was
        noted."""
        return self._run(operations.review_task(self.task_id, self._policy, happened=happened, note=note, retry=retry))

    def respond(
        self, answer: Literal["continue", "give_up"], *, note: str | None = None, request_id: str | None = None
    ) -> str:
        """Answer a task that asks a person; the status that it has then. Raises ConflictError when it asks nobody."""
        body = {"answer": answer, "note": note, "request_id": request_id}
        return self._run(operations.answer_task(self.task_id, body, self._policy))

    def steps(self) -> list[Step]:
        return self._run(operations.list_steps(self.task_id, self._policy))

    def artifacts(self) -> "list[ArtifactFile]":
        found = self._run(operations.list_artifacts(self.task_id, ArtifactFile, self._policy))
        return [each.bound_to(self._client) for each in found]

    def events(self, *, last_event_id: str | int | None = None) -> Iterator[Event]:
        return self._client.events(self.task_id, last_event_id=last_event_id)


@dataclass(frozen=True, kw_only=True)
class ArtifactFile(Artifact):
    """A file of a task that can be read."""

    _client: Client | None = field(default=None, init=False, repr=False, compare=False)

    def bound_to(self, client: Client) -> Self:
        object.__setattr__(self, "_client", client)
        return self

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write it to a file, or into a folder under its own name made safe; where it is then. What is there already
        is kept (FileExistsError) unless `overwrite`. The file has all bytes or is not there. Raises
        DamagedFileError."""
        with OnDisk(self, place_of(self, path), overwrite=overwrite) as file:
            self._fetch(file)
            file.keep()
        return file.target

    def read(self, *, max_bytes: int = MAX_READ_BYTES) -> bytes:
        """All of it. Raises OptexityError when it is larger than `max_bytes`, and DamagedFileError."""
        memory = InMemory(self, max_bytes)
        self._fetch(memory)
        return memory.content()

    def iter_bytes(self) -> Iterator[bytes]:
        """Its parts as they come; neither checked nor asked for again."""
        with self._bound._transport.stream(  # noqa: SLF001 - one thing in two classes
            operations.artifact_call(self.artifact_id), is_live=False
        ) as chunks:
            yield from chunks

    def _fetch(self, sink: OnDisk | InMemory) -> None:
        client = self._bound
        client._transport.run(operations.fetch_artifact(self.artifact_id, sink, client._policy))  # noqa: SLF001

    @property
    def _bound(self) -> Client:
        if self._client is None:
            raise TypeError("this artifact belongs to no client: get it from TaskHandle.artifacts()")
        return self._client


class EndedTasks:
    """Ended tasks in the order of their ends. Iterate over it as often as you like: each time goes on where the one
    before came to.

    `resume_cursor` is what to keep for another day. It moves on when a page has been worked off, so after a crash some
    tasks come again and none is missed.
    """

    def __init__(self, client: Client, position: EndedPosition) -> None:
        self._client = client
        self._position = position

    @property
    def resume_cursor(self) -> str | None:
        return self._position.cursor

    def __iter__(self) -> Iterator[TaskSummary]:
        client = self._client
        while True:
            query = self._position.query()
            page = client._transport.run(operations.list_tasks(query, client._policy))  # noqa: SLF001
            yield from page.tasks
            if self._position.move_on(page):
                return


class Automations:
    """The automations of a server."""

    def __init__(self, transport: Transport, policy: RetryPolicy) -> None:
        self._run = transport.run
        self._policy = policy

    def list(self) -> list[Automation]:
        """The active ones that the key may use."""
        return self._run(operations.list_automations(self._policy))

    def get(self, endpoint_name: str) -> Automation:
        """One, with its newest document."""
        return self._run(operations.get_automation(endpoint_name, self._policy))

    def put(self, endpoint_name: str, document: Mapping[str, Any], *, note: str = "") -> Published:
        """Publish a document. Raises ValidationError when it is not valid."""
        return self._run(operations.put_automation(endpoint_name, document, note, self._policy))

    def delete(self, endpoint_name: str) -> None:
        """Deactivate it; its tasks stay."""
        self._run(operations.delete_automation(endpoint_name, self._policy))

    def validate(self, endpoint_name: str, document: Mapping[str, Any]) -> Validation:
        """What the server says about a document; changes nothing."""
        return self._run(operations.validate_automation(endpoint_name, document, self._policy))
