"""What the server tells, as frozen objects. `raw` is the answer as it came, with the fields that are not known here.

No repr shows what a task was given or what it has read: logs must not hold that.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Self, TypedDict, get_type_hints
from uuid import uuid4

from optexity_server.errors import ApiError, UnexpectedAnswerError, error_class

END_STATUSES = frozenset({"success", "failed", "cancelled", "killed"})
# A text stands for a list of one. Numbers and booleans are for servers with ACCEPT_SCALAR_PARAMETERS.
ParameterValues = Mapping[str, str | Sequence[str | int | float | bool]]


def _instant(value: Any) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value or ())


# What an annotation says besides the type is how the value of the wire becomes one.
Instant = Annotated[datetime | None, _instant]
Texts = Annotated[tuple[str, ...], _tuple]


@dataclass(frozen=True, kw_only=True)
class Record:
    """The part that all have: reading an answer, and keeping it."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_wire(cls, raw: object) -> Self:
        """Raises UnexpectedAnswerError if `raw` is no such object. Fields that an older server lacks get their
        defaults."""
        if not isinstance(raw, Mapping):
            raise UnexpectedAnswerError(f"The server's answer is no {cls.__name__}: it is not an object")
        try:
            conversions = _conversions(cls)  # type: ignore[arg-type]  # mypy does not know that classes can be hashed
            known = {name: convert(raw[name]) for name, convert in conversions.items() if name in raw}
            return cls(raw=raw, **known)
        except (TypeError, ValueError, AttributeError):
            # Not chained: the message of a failed conversion repeats the value.
            raise UnexpectedAnswerError(f"The server's answer is no {cls.__name__} that this client knows") from None


@cache
def _conversions(kind: type[Record]) -> dict[str, Callable[[Any], Any]]:
    """For each field that is read from an answer: what makes a value of it."""
    hints = get_type_hints(kind, include_extras=True)
    names = [each.name for each in fields(kind) if each.init and each.name != "raw"]
    return {name: next(iter(getattr(hints[name], "__metadata__", ())), _as_it_is) for name in names}


def _as_it_is(value: Any) -> Any:
    return value


def read_list(kind: type[Record], raw: object, name: str) -> list[Any]:
    """The list `name` of an answer, each item as a `kind`. Raises UnexpectedAnswerError."""
    items = raw.get(name) if isinstance(raw, Mapping) else None
    if not isinstance(items, list):
        raise UnexpectedAnswerError(f"The server's answer has no list '{name}'")
    return [kind.from_wire(each) for each in items]


@dataclass(frozen=True, kw_only=True)
class TaskSummary(Record):
    """A task in a list: what it is and how it stands, without inputs and results."""

    task_id: str
    status: str
    endpoint_name: str = ""
    version: str | None = None
    error: str | None = None
    outcome_unknown: bool = False
    needs_review: bool = False
    created_at: Instant = None
    started_at: Instant = None
    completed_at: Instant = None
    duration_ms: int | None = None
    priority: int | None = None
    dedup_key: str | None = field(default=None, repr=False)
    api_key: str = ""
    previous_task_id: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.status in END_STATUSES

    @property
    def succeeded(self) -> bool:
        return self.status == "success"


@dataclass(frozen=True, kw_only=True)
class Attempt(Record):
    """One try at a task."""

    number: int
    host: str | None = None
    worker: str | None = None
    allocated_at: Instant = None
    started_at: Instant = None
    ended_at: Instant = None
    cause: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Waiting(Record):
    """Why a task is still queued."""

    reason: str
    message: str = ""
    position: int | None = None
    until: Instant = None
    since: Instant = None
    paused_by: str | None = None
    task_ids: Texts = ()


@dataclass(frozen=True, kw_only=True)
class WaitingForPerson(Record):
    """What a paused task asks a person. Answer with its `request_id`."""

    request_id: str
    question: str = ""
    asked_at: Instant = None
    until: Instant = None
    step: int | None = None


@dataclass(frozen=True, kw_only=True)
class Review(Record):
    """What somebody has decided about an act that was not seen to finish: `happened` or `did_not_happen`."""

    decision: str
    by: Mapping[str, str] | None = None
    at: Instant = None
    note: str | None = field(default=None, repr=False)


def _attempts(value: Any) -> tuple[Attempt, ...]:
    return tuple(Attempt.from_wire(each) for each in value or ())


def _waiting(value: Any) -> Waiting | None:
    return None if value is None else Waiting.from_wire(value)


def _review(value: Any) -> Review | None:
    return None if value is None else Review.from_wire(value)


def _person(value: Any) -> WaitingForPerson | None:
    return None if value is None else WaitingForPerson.from_wire(value)


@dataclass(frozen=True, kw_only=True)
class Task(TaskSummary):
    """One requested run of an automation, with all that the server tells about it."""

    input_parameters: Mapping[str, list[Any]] = field(default_factory=dict, repr=False)
    unique_parameter_names: Texts = ()
    allocated_at: Instant = None
    retry_count: int = 0
    max_retries: int = 0
    max_timeout_in_minutes: int | None = None
    is_dedicated: bool = False
    output_data: Any = field(default=None, repr=False)
    review: Annotated[Review | None, _review] = None
    retried_as: str | None = None
    attempts: Annotated[tuple[Attempt, ...], _attempts] = ()
    waiting_for: Annotated[Waiting | None, _waiting] = None
    waiting_for_person: Annotated[WaitingForPerson | None, _person] = None


@dataclass(frozen=True, kw_only=True)
class Step(Record):
    """One action done by an attempt."""

    attempt: int
    position: int
    status: str
    index: int | None = None
    path: str = ""
    depth: int = 0
    kind: str = ""
    label: str = ""
    started_at: Instant = None
    duration_ms: int | None = None
    error: str | None = None
    url: str | None = field(default=None, repr=False)
    locator: str | None = None
    healed: bool = False


@dataclass(frozen=True, kw_only=True)
class Artifact(Record):
    """A file of a task. `removed` says why it is gone, if it is."""

    artifact_id: str
    attempt: int | None = None
    kind: str = ""
    filename: str = ""
    content_type: str = ""
    size_bytes: int | None = None
    sha256: str | None = None
    metadata: Any = field(default=None, repr=False)
    created_at: Instant = None
    removed: str | None = None


@dataclass(frozen=True, kw_only=True)
class Automation(Record):
    """An automation by name. `document` is there when one was asked for, not in lists."""

    endpoint_name: str
    description: str = ""
    version: int | None = None
    input_parameters: Texts = ()
    secure_parameters: Texts = ()
    step_count: int = 0
    max_parallelism: int | None = None
    per_login_parallelism: int | None = None
    created_at: Instant = None
    published_at: Instant = None

    @property
    def document(self) -> Mapping[str, Any] | None:
        return self.raw.get("automation")


@dataclass(frozen=True, kw_only=True)
class Remark(Record):
    """Something about a document, at a path in it."""

    message: str
    path: str = ""
    severity: str | None = None
    rule: str | None = None
    fix: str | None = None


def _remarks(value: Any) -> tuple[Remark, ...]:
    return tuple(Remark.from_wire(each) for each in value or ())


Remarks = Annotated[tuple[Remark, ...], _remarks]


@dataclass(frozen=True, kw_only=True)
class Published(Automation):
    """The answer to a document that was published."""

    is_new_version: bool = False
    warnings: Remarks = ()
    findings: Remarks = ()


@dataclass(frozen=True, kw_only=True)
class Validation(Record):
    """The answer to a document that was only looked at. `problems` keep it from being published."""

    valid: bool
    problems: Remarks = ()
    warnings: Remarks = ()
    findings: Remarks = ()


@dataclass(frozen=True, kw_only=True)
class Health(Record):
    """How the server is. `message` says what is wrong."""

    status: str
    message: str = ""
    task_running: bool = False
    queued_tasks: int | None = None
    running_tasks: int | None = None
    workers: int | None = None

    @property
    def is_healthy(self) -> bool:
        return self.status == "healthy"


@dataclass(frozen=True, kw_only=True)
class Event(Record):
    """Something that has happened to a task: `name` is `status`, `step` or `person`, `raw` the data of it."""

    event_id: str = ""
    name: str = ""
    task_id: str = ""
    at: Instant = None
    status: str | None = None
    error: str | None = None

    @property
    def ends_task(self) -> bool:
        return self.name == "status" and self.status in END_STATUSES


@dataclass(frozen=True, kw_only=True)
class SubmissionAnswer(Record):
    """What was said to a submission that was taken. `duplicate`: the task was there before. That is also said when
    the first answer got lost on its way and the same submission was sent again."""

    task_id: str
    message: str = ""
    duplicate: bool = False
    warnings: Texts = ()


@dataclass(frozen=True, kw_only=True)
class ReviewAnswer(Record):
    """What was said to a decision. `duplicate`: the same was decided before. `new_task_id`: the task that runs again
    what did not happen."""

    decision: str
    message: str = ""
    duplicate: bool = False
    new_task_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class UploadedFile(Record):
    """A file that the server keeps for one later task, which names it by `reference`."""

    file_id: str
    filename: str = ""
    size_bytes: int | None = None
    sha256: str = ""
    expires_at: Instant = None

    @property
    def reference(self) -> str:
        """What to give as the value of a parameter."""
        return f"upload://{self.file_id}"


class CsvOptions(TypedDict, total=False):
    """What holds for all rows of a table; see docs/api.md of the server."""

    unique: Sequence[str]
    priority: int | None
    max_timeout_in_minutes: int
    is_dedicated: bool
    max_parallelism: int | None
    per_login_parallelism: int | None
    use_proxy: bool


class SubmitOptions(TypedDict, total=False):
    """What a submission may say besides its automation and its values; see docs/api.md of the server."""

    unique: Sequence[str]
    idempotency_key: str | None
    priority: int | None
    max_timeout_in_minutes: int
    is_dedicated: bool
    max_parallelism: int | None
    per_login_parallelism: int | None
    use_proxy: bool
    secure_parameters: Mapping[str, Sequence[Mapping[str, Any]]]


class Submission:
    """One task to submit. It has an idempotency key from the start, so that sending it again makes no second task."""

    def __init__(
        self, endpoint_name: str, input_parameters: ParameterValues | None = None, options: SubmitOptions | None = None
    ) -> None:
        rest: dict[str, Any] = dict(options or {})
        self.endpoint_name = endpoint_name
        self.idempotency_key: str = rest.pop("idempotency_key", None) or str(uuid4())
        unique = rest.pop("unique", None)
        unknown = rest.keys() - SubmitOptions.__annotations__.keys()
        if unknown:
            raise TypeError(f"unknown options of a submission: {', '.join(sorted(unknown))}")
        if isinstance(unique, str):
            raise TypeError("unique must be a list of names, not a text")
        self.body: dict[str, Any] = {
            "endpoint_name": endpoint_name,
            "input_parameters": _lists(input_parameters or {}),
            **({} if unique is None else {"unique_parameter_names": list(unique)}),
            **rest,
        }

    def __repr__(self) -> str:
        return f"Submission({self.endpoint_name!r}, idempotency_key={self.idempotency_key!r})"


def _lists(values: ParameterValues) -> dict[str, list[Any]]:
    return {name: [given] if isinstance(given, str) else list(given) for name, given in values.items()}


@dataclass(frozen=True, kw_only=True)
class ItemAnswer(Record):
    """What was said to one item of a batch, and the idempotency key that it was sent with. `row` is that of a table, as
    a spreadsheet counts."""

    status: int
    success: bool
    message: str = ""
    task_id: str | None = None
    duplicate: bool = False
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    warnings: Texts = ()
    idempotency_key: str = ""
    row: int | None = None

    @property
    def error(self) -> ApiError | None:
        """The refusal, as `submit` would have raised it."""
        return None if self.success else error_class(self.status)(self.status, self.message, self.errors)


@dataclass(frozen=True)
class BatchResult:
    """The answers to many submissions, in their order."""

    items: tuple[ItemAnswer, ...]

    @property
    def accepted(self) -> list[ItemAnswer]:
        return [each for each in self.items if each.success]

    @property
    def refused(self) -> list[ItemAnswer]:
        return [each for each in self.items if not each.success]

    def __iter__(self) -> Iterator[ItemAnswer]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Page:
    """One page of a list of tasks."""

    tasks: list[TaskSummary]
    next_cursor: str | None
    resume_cursor: str | None


class TaskFilters(TypedDict, total=False):
    """Which tasks a list has. Instants are aware datetimes, or ISO 8601 texts with an offset."""

    status: str | None
    endpoint_name: str | None
    dedup_key: str | None
    created_after: datetime | str | None
    created_before: datetime | str | None
    needs_review: bool | None


@dataclass(frozen=True)
class CsvExport:
    """How many tasks a table has. With `ended_after`, `resume_cursor` goes on behind them at any later time."""

    rows: int
    resume_cursor: str | None


def wire_text(value: datetime | str | int | bool) -> str:
    """As it stands in a query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else wire_instant(value)


def wire_instant(value: datetime | str) -> str:
    if isinstance(value, str):
        return value
    if value.tzinfo is None:
        raise ValueError("an instant needs a time zone: use datetime.now(UTC), or add tzinfo")
    return value.isoformat()
