"""What the API can be asked, as operations (see calls.py): the rules of the wire, once for both clients."""

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from uuid import UUID

from optexity_server.calls import Answer, Call, Operation, Pause, Sink, ask, ask_once, good
from optexity_server.errors import (
    ApiError,
    BatchInterruptedError,
    NotFoundError,
    OptexityError,
    TaskFailedError,
    UnavailableError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from optexity_server.models import (
    Artifact,
    Automation,
    BatchResult,
    Health,
    ItemAnswer,
    Page,
    Published,
    ReviewAnswer,
    Step,
    Submission,
    SubmissionAnswer,
    Task,
    TaskSummary,
    UploadedFile,
    Validation,
    read_list,
)
from optexity_server.retrying import Patience, RetryPolicy, jittered
from optexity_server.sending import InBytes, Outgoing
from optexity_server.tables import CsvTable, ExportedTable

MAX_BATCH_ITEMS = 1000
# The server takes 16 MiB in a batch; a little is left for what is around the items.
MAX_BATCH_BYTES = 16 * 1024 * 1024 - 1024
# As long as a server holds an answer.
LONGEST_HOLD_SECONDS = 60
# Between two looks at a task whose answer is not held.
LOOK_AGAIN_SECONDS = 1.0
# After the server has refused to hold an answer, it is not asked to for so long.
WITHOUT_HOLDING_SECONDS = 30.0
TASKS = "/api/v1/tasks"
AUTOMATIONS = "/api/v1/automations"
# As many as the server takes of the rows of one table of tasks.
MAX_EXPORTED_ROWS = 10_000


def submit(submission: Submission, policy: RetryPolicy, *, anonymous: bool) -> Operation[SubmissionAnswer]:
    """Without a key, the local endpoint is asked: it is the only one that may be open."""
    call = Call(
        "POST",
        "/inference" if anonymous else "/api/v1/inference",
        body=submission.body,
        headers={"Idempotency-Key": submission.idempotency_key},
        is_repeatable=True,
    )
    return SubmissionAnswer.from_wire((yield from ask(call, policy)).json())


def submit_many(
    submissions: Sequence[Submission], policy: RetryPolicy, *, all_or_nothing: bool
) -> Operation[BatchResult]:
    """In as many requests as it takes. Raises BatchInterruptedError when one fails after others were answered, and
    what the first one fails with as it is."""
    items = [each.body | {"idempotency_key": each.idempotency_key} for each in submissions]
    parts = list(_parts(items))
    if all_or_nothing and len(parts) > 1:
        raise ValueError(
            f"all_or_nothing needs one request: at most {MAX_BATCH_ITEMS} submissions and {MAX_BATCH_BYTES} bytes"
        )
    answers: list[ItemAnswer] = []
    for part in parts:
        body = {"items": part, "all_or_nothing": all_or_nothing}
        call = Call("POST", "/api/v1/inference/batch", body=body, is_repeatable=True)
        told = yield from _answers(call, len(part), policy, before=answers, total=len(items))
        answers += [
            replace(each, idempotency_key=item["idempotency_key"]) for each, item in zip(told, part, strict=True)
        ]
    return BatchResult(tuple(answers))


def submit_csv(
    table: CsvTable, query: Mapping[str, str | Sequence[str]], policy: RetryPolicy, *, all_or_nothing: bool
) -> Operation[BatchResult]:
    """The rows of a table, each of which has an idempotency key. Raises as `submit_many`."""
    parts = list(table.parts())
    if all_or_nothing and len(parts) > 1:
        raise ValueError(
            f"all_or_nothing needs one request: at most {MAX_BATCH_ITEMS} rows and {MAX_BATCH_BYTES} bytes"
        )
    query = {**query, "delimiter": "comma", **({"all_or_nothing": "true"} if all_or_nothing else {})}
    answers: list[ItemAnswer] = []
    for part in parts:
        call = Call(
            "POST",
            "/api/v1/inference/csv",
            query=query,
            headers={"Content-Type": "text/csv; charset=utf-8"},
            content=InBytes(part.content()),
            is_repeatable=True,
        )
        told = yield from _answers(call, len(part.rows), policy, before=answers, total=len(table.rows))
        answers += [
            replace(each, idempotency_key=key, row=row.number)
            for each, key, row in zip(told, part.idempotency_keys, part.rows, strict=True)
        ]
    return BatchResult(tuple(answers))


def _answers(
    call: Call, count: int, policy: RetryPolicy, *, before: Sequence[ItemAnswer], total: int
) -> Operation[list[ItemAnswer]]:
    """Those to the `count` submissions of `call`. Raises what it fails with as it is, if nothing was answered
    before."""
    try:
        told = read_list(ItemAnswer, (yield from ask(call, policy)).json(), "results")
        if len(told) != count:
            raise UnexpectedAnswerError(f"The server answered {len(told)} of {count} submissions")
    except OptexityError as error:
        if not before:
            raise
        raise BatchInterruptedError(BatchResult(tuple(before)), total) from error
    return told


def upload_file(file: Outgoing, policy: RetryPolicy) -> Operation[UploadedFile]:
    """Sent again when the connection breaks: a file that no task takes is removed by the server after some hours."""
    call = Call(
        "POST",
        "/api/v1/files",
        query={"filename": file.filename},
        headers={"Content-Type": file.content_type},
        content=file,
        is_repeatable=True,
    )
    uploaded = UploadedFile.from_wire((yield from ask(call, policy)).json())
    file.check(uploaded.sha256)
    return uploaded


def get_task(task_id: str, policy: RetryPolicy) -> Operation[Task]:
    return Task.from_wire((yield from ask(_task_call(task_id), policy)).json())


def wait_for_task(task_id: str, policy: RetryPolicy, *, timeout: float | None) -> Operation[Task]:
    """The task once it has ended. The server holds its answers for that; while it does not (too many wait), the task
    is looked at now and then. Raises WaitTimeoutError."""
    if timeout is not None and timeout < 0:
        raise ValueError("timeout must not be negative")
    ends_at = math.inf if timeout is None else time.monotonic() + timeout
    without_holding_until = -math.inf
    while True:
        asked_at = time.monotonic()
        holds = asked_at >= without_holding_until
        seconds = min(LONGEST_HOLD_SECONDS, max(0, math.floor(min(ends_at - asked_at, 1e6)))) if holds else 0
        try:
            task = yield from _look(task_id, seconds, policy, ends_at)
        except UnavailableError as error:
            if not seconds:
                raise
            without_holding_until = time.monotonic() + WITHOUT_HOLDING_SECONDS
            pause = max(error.retry_after or 0.0, jittered(LOOK_AGAIN_SECONDS))
            yield Pause(max(0.0, min(pause, ends_at - time.monotonic())))
            continue
        if task.has_ended:
            return task
        now = time.monotonic()
        if now >= ends_at:
            assert timeout is not None  # noqa: S101 - without one there is no end
            raise WaitTimeoutError(task_id, timeout, task)
        # An answer that was not held, whatever the reason, is not asked for again at once.
        if now - asked_at < LOOK_AGAIN_SECONDS:
            yield Pause(min(LOOK_AGAIN_SECONDS, ends_at - now))


def checked(task: Task) -> Task:
    """`task` if it has succeeded. Raises TaskFailedError."""
    if not task.succeeded:
        raise TaskFailedError(task)
    return task


def list_tasks(query: Mapping[str, str], policy: RetryPolicy) -> Operation[Page]:
    told = (yield from ask(Call("GET", TASKS, query=query, is_repeatable=True), policy)).json()
    tasks: list[TaskSummary] = read_list(TaskSummary, told, "tasks")
    return Page(tasks, _cursor(told, "next_cursor"), _cursor(told, "resume_cursor"))


def export_tasks(
    table: ExportedTable, query: Mapping[str, str], limit: int | None, policy: RetryPolicy
) -> Operation[str | None]:
    """All tasks that match, at most `limit`, into `table`. The cursor with which a list of ended tasks goes on."""
    query = dict(query)
    while True:
        left = MAX_EXPORTED_ROWS if limit is None else min(limit - table.rows, MAX_EXPORTED_ROWS)
        query["limit"] = str(left)
        call = Call("GET", f"{TASKS}.csv", query=query, is_repeatable=True, sink=table.next_page())
        answer = yield from ask(call, policy)
        rows = table.count()
        following = answer.headers.get("x-next-cursor")
        if following is None or rows <= 0 or (limit is not None and table.rows >= limit):
            return answer.headers.get("x-resume-cursor")
        query["cursor"] = following


def list_steps(task_id: str, policy: RetryPolicy) -> Operation[list[Step]]:
    told = (yield from ask(_task_call(task_id, "/steps"), policy)).json()
    return read_list(Step, told, "steps")


def list_artifacts(task_id: str, kind: type[Artifact], policy: RetryPolicy) -> Operation[list[Any]]:
    told = (yield from ask(_task_call(task_id, "/artifacts"), policy)).json()
    return read_list(kind, told, "artifacts")


def cancel_task(task_id: str, policy: RetryPolicy, *, force: bool = False) -> Operation[str]:
    """The status that the task has then."""
    call = Call("POST", task_path(task_id, "/cancel"), body={"force": True} if force else None)
    told = (yield from ask(call, policy)).json()
    return _text(told, "status")


def retry_task(task_id: str, policy: RetryPolicy, *, confirm: bool = False) -> Operation[SubmissionAnswer]:
    call = Call("POST", task_path(task_id, "/retry"), body={"confirm": True} if confirm else None)
    return SubmissionAnswer.from_wire((yield from ask(call, policy)).json())


def answer_task(task_id: str, body: Mapping[str, Any], policy: RetryPolicy) -> Operation[str]:
    """The status that the task has then. Repeated only where it cannot answer a later question."""
    body = {name: value for name, value in body.items() if value is not None}
    call = Call("POST", task_path(task_id, "/answer"), body=body, is_repeatable="request_id" in body)
    return _text((yield from ask(call, policy)).json(), "status")


def review_task(
    task_id: str, policy: RetryPolicy, *, happened: bool, note: str | None, retry: bool
) -> Operation[ReviewAnswer]:
    """Repeated when the connection breaks: the server notes the same decision once, and makes one new task."""
    body: dict[str, Any] = {"decision": "happened" if happened else "did_not_happen"}
    if note is not None:
        body["note"] = note
    if retry:
        body["retry"] = True
    call = Call("POST", task_path(task_id, "/review"), body=body, is_repeatable=True)
    return ReviewAnswer.from_wire((yield from ask(call, policy)).json())


def fetch_artifact(artifact_id: str, sink: Sink, policy: RetryPolicy) -> Operation[None]:
    """Its bytes into `sink`, from the start again when the connection breaks."""
    yield from ask(replace(artifact_call(artifact_id), sink=sink), policy)


def artifact_call(artifact_id: str) -> Call:
    """By the id, with the key: the addresses in answers are never followed."""
    path = f"/api/v1/artifacts/{checked_id(artifact_id)}"
    # Compressed, a file could grow without end while it is unpacked.
    return Call("GET", path, headers={"Accept-Encoding": "identity"}, is_repeatable=True)


def list_automations(policy: RetryPolicy) -> Operation[list[Automation]]:
    told = (yield from ask(Call("GET", AUTOMATIONS, is_repeatable=True), policy)).json()
    return read_list(Automation, told, "automations")


def get_automation(name: str, policy: RetryPolicy) -> Operation[Automation]:
    return Automation.from_wire(
        (yield from ask(Call("GET", _automation_path(name), is_repeatable=True), policy)).json()
    )


def put_automation(name: str, document: Any, note: str, policy: RetryPolicy) -> Operation[Published]:
    query = {"note": note} if note else {}
    call = Call("PUT", _automation_path(name), query=query, body=document, is_repeatable=True)
    return Published.from_wire((yield from ask(call, policy)).json())


def delete_automation(name: str, policy: RetryPolicy) -> Operation[None]:
    patience = Patience(policy)
    try:
        yield from ask(Call("DELETE", _automation_path(name), is_repeatable=True), policy, patience=patience)
    except NotFoundError:
        # The one before was carried out, and its answer got lost.
        if not patience.failures:
            raise


def validate_automation(name: str, document: Any, policy: RetryPolicy) -> Operation[Validation]:
    call = Call("POST", f"{_automation_path(name)}/validate", body=document, is_repeatable=True)
    return Validation.from_wire((yield from ask(call, policy)).json())


def health() -> Operation[Health]:
    """Also of a server that is not well; asked once, because that is an answer."""
    answer: Answer = yield from ask_once(Call("GET", "/api/v1/health"))
    if answer.status == 503:
        try:
            return Health.from_wire(answer.json())
        except UnexpectedAnswerError:
            pass  # something before the server answered in its place
    return Health.from_wire(good(answer).json())


def may(call: Call, policy: RetryPolicy) -> Operation[bool]:
    """Whether the key has the scope of `call`, which must change nothing: only a missing scope is 403, and what else
    is wrong with a request is said to those that have it."""
    try:
        yield from ask(call, policy)
    except ApiError as error:
        if error.status == 403:
            return False
        if error.status != 400:
            raise
    return True


# What shows that a key has a scope, and does nothing.
SCOPE_PROBES = {
    "submit": Call("POST", "/api/v1/inference", body={}, is_repeatable=True),
    "read": Call("GET", TASKS, query={"limit": "1"}, is_repeatable=True),
    "manage": Call("POST", f"{AUTOMATIONS}/scope-check/validate", body={}, is_repeatable=True),
}


def scopes(policy: RetryPolicy) -> Operation[dict[str, bool]]:
    """Which of the scopes that clients use the key has. Raises UnauthorizedError for a key that does not work."""
    found = {}
    for scope, call in SCOPE_PROBES.items():
        found[scope] = yield from may(call, policy)
    return found


def task_path(task_id: str, rest: str = "") -> str:
    return f"{TASKS}/{checked_id(task_id)}{rest}"


def checked_id(text: str) -> str:
    """An id as the server writes it. Raises ValueError, and so lets nothing else into a path."""
    try:
        return str(UUID(text))
    except (ValueError, AttributeError, TypeError):
        raise ValueError("the id of a task or of an artifact is a UUID") from None


def _task_call(task_id: str, rest: str = "", hold_seconds: int = 0) -> Call:
    query = {"wait": str(hold_seconds)} if hold_seconds else {}
    return Call("GET", task_path(task_id, rest), query=query, is_repeatable=True, hold_seconds=hold_seconds)


def _look(task_id: str, hold_seconds: int, policy: RetryPolicy, ends_at: float) -> Operation[Task]:
    until = None if ends_at == math.inf else ends_at
    gives_up_on = (UnavailableError,) if hold_seconds else ()
    answer = yield from ask(
        _task_call(task_id, hold_seconds=hold_seconds), policy, until=until, gives_up_on=gives_up_on
    )
    return Task.from_wire(answer.json())


def _automation_path(name: str) -> str:
    if not name.strip("./"):
        raise ValueError("an automation has a name")
    return f"{AUTOMATIONS}/{quote(name, safe='')}"


def _parts(items: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The items in lists that fit into one request each."""
    part: list[dict[str, Any]] = []
    size = 0
    for item in items:
        item_bytes = len(json.dumps(item, ensure_ascii=False).encode()) + 2
        if part and (len(part) >= MAX_BATCH_ITEMS or size + item_bytes > MAX_BATCH_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += item_bytes
    if part:
        yield part


def _cursor(told: Any, name: str) -> str | None:
    value = told.get(name)
    return value if isinstance(value, str) else None


def _text(told: Any, name: str) -> str:
    value = told.get(name) if isinstance(told, Mapping) else None
    if not isinstance(value, str):
        raise UnexpectedAnswerError(f"The server's answer has no text '{name}'")
    return value
