"""The shapes of the wire: what a submission may look like, and what is answered about tasks.

A wrong value is reported by its path and never repeated. Texts of errors are predicates; `error_handler` puts the
path in front.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from pydantic import ValidationError as PydanticValidationError
from rest_framework import serializers

from automation.parameters import SecureParameter
from inference.csv_rows import DELIMITERS
from inference.errors import ValidationFailedError, shorten
from inference.models import (
    Artifact,
    Attempt,
    Automation,
    AutomationVersion,
    PersonRequest,
    Step,
    Task,
    TaskEvent,
    TaskStatus,
)
from inference.queries import ListPosition, asking_step, last_picture, open_request
from inference.queue_state import QueueState, WaitingFor, read_state, reason_of, waiting_for
from inference.services.artifact_links import sign_artifact
from inference.services.outcomes import DID_NOT_HAPPEN, HAPPENED
from inference.services.people import MAX_NOTE_CHARACTERS
from inference.services.submit import Submission

MAX_REPORTED = 20
HIDDEN = "(hidden)"
MAX_BATCH_ITEMS = 1000
MAX_EXPORTED_ROWS = 10_000
MAX_URL_CHARACTERS = 2048
# Of one submission. No real one comes near, and each of them keeps one request from being a day's work.
MAX_PARAMETERS = 1_000
MAX_VALUES_PER_PARAMETER = 10_000
MAX_VALUE_CHARACTERS = 1024 * 1024
# Twelve bytes each in an address, at most, and an address has less than 64 KiB.
MAX_SOUGHT_CHARACTERS = 5000
# What an integer column of PostgreSQL holds.
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**31), 2**31 - 1
CALLBACKS_ARE_NOT_DELIVERED = (
    "task_callback_url was not stored: this version delivers no callbacks; poll GET /api/v1/tasks/{id}, or wait with "
    "?wait= or the header Prefer: wait=N"
)


class TextField(serializers.Field[str, Any, str, Any]):
    """A text, and only a text, of `minimum` to `maximum` characters."""

    def __init__(self, *, minimum: int = 1, maximum: int, **options: Any) -> None:
        super().__init__(**options)
        self.minimum, self.maximum = minimum, maximum

    default_error_messages = {"required": "is required.", "null": "must be a text, not null."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError(f"must be a text, not {_kind(data)}.")
        if not self.minimum <= len(data) <= self.maximum:
            raise serializers.ValidationError(f"must have {self.minimum} to {self.maximum} characters.")
        return data


class WebAddressField(TextField):
    """The full address of something on the web."""

    def to_internal_value(self, data: Any) -> str:
        url = super().to_internal_value(data)
        if not _is_web_address(url):
            raise serializers.ValidationError("must be a full http:// or https:// address.")
        return url


class WholeNumberField(serializers.Field[int, Any, int, Any]):
    """A JSON integer within the bounds; neither a numeric text nor a boolean."""

    default_error_messages = {"required": "is required.", "null": "must be a whole number, not null."}

    def __init__(self, *, minimum: int = SMALLEST_INTEGER, maximum: int = LARGEST_INTEGER, **options: Any) -> None:
        super().__init__(**options)
        self.minimum, self.maximum = minimum, maximum

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError(f"must be a whole number, not {_kind(data)}.")
        if not self.minimum <= data <= self.maximum:
            raise serializers.ValidationError(f"must be a whole number from {self.minimum} to {self.maximum}.")
        return data


class TruthField(serializers.Field[bool, Any, bool, Any]):
    """`true` or `false`, and nothing that could pass for one."""

    default_error_messages = {"null": "must be true or false, not null."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError(f"must be true or false, not {_kind(data)}.")
        return data


class NamesField(serializers.Field[list[str], Any, list[str], Any]):
    """A list of texts."""

    default_error_messages = {"null": "must be a list of texts, not null."}

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list):
            raise serializers.ValidationError(f"must be a list of texts, not {_kind(data)}.")
        if len(data) > MAX_PARAMETERS:
            raise serializers.ValidationError(f"must have at most {MAX_PARAMETERS:,} names, not {len(data):,}.")
        wrong = {
            f"[{position}]": [f"must be a text, not {_kind(each)}."]
            for position, each in enumerate(data)
            if not isinstance(each, str)
        }
        _refuse_if_any(wrong)
        return list(data)


class ParameterValuesField(serializers.Field[dict[str, list[Any]], Any, dict[str, list[Any]], Any]):
    """Names with lists of texts; with ACCEPT_SCALAR_PARAMETERS, of numbers and booleans as well."""

    default_error_messages = {"required": "is required.", "null": "must be an object of lists, not null."}

    def to_internal_value(self, data: Any) -> dict[str, list[Any]]:
        values = _lists_by_name(data)
        wanted = "text, number or boolean" if settings.ACCEPT_SCALAR_PARAMETERS else "text"
        accepted = (str, int, float, bool) if settings.ACCEPT_SCALAR_PARAMETERS else (str,)
        wrong = {
            f".{shorten(name)}[{position}]": [f"must be a {wanted}, not {_kind(each)}."]
            for name, given in values.items()
            for position, each in enumerate(given)
            if not isinstance(each, accepted)
        }
        _refuse_if_any(wrong)
        too_long = {
            f".{shorten(name)}[{position}]": [f"must have at most {MAX_VALUE_CHARACTERS:,} characters."]
            for name, given in values.items()
            for position, each in enumerate(given)
            if isinstance(each, str) and len(each) > MAX_VALUE_CHARACTERS
        }
        _refuse_if_any(too_long)
        return values


class SecureParametersField(serializers.Field[dict[str, list[Any]], Any, dict[str, list[Any]], Any]):
    """Names with lists of references to secrets. No message says anything of what a reference holds."""

    default_error_messages = {"null": "must be an object of lists, not null."}

    def to_internal_value(self, data: Any) -> dict[str, list[Any]]:
        values = _lists_by_name(data)
        wrong = {
            f".{shorten(name)}[{position}]": [
                "must hold exactly one of onepassword, amazon_secrets_manager, totp and vault, with the fields of it."
            ]
            for name, given in values.items()
            for position, each in enumerate(given)
            if not _is_secure_parameter(each)
        }
        _refuse_if_any(wrong)
        return values


class SubmissionSerializer(serializers.Serializer[Any]):
    """The body of POST /inference. `validated_data` are the keywords of `submit_task`; `warnings` what was ignored."""

    endpoint_name = TextField(maximum=255, help_text="The automation's name.")
    input_parameters = ParameterValuesField(
        help_text="Exactly the names that the automation declares; an `input_text` that uses an empty list is skipped."
    )
    secure_parameters = SecureParametersField(required=False, help_text="References to secrets, never values.")
    unique_parameter_names = NamesField(
        required=False,
        help_text="Names of `input_parameters`: an active task with the same values of them stands for this one.",
    )
    idempotency_key = TextField(
        maximum=256,
        required=False,
        allow_null=True,
        help_text="The client's own: a repeated request is answered with the first one's task.",
    )
    priority = WholeNumberField(
        required=False,
        allow_null=True,
        help_text="Lower runs first, null last, then in order of arrival; among the tasks of one key.",
    )
    max_timeout_in_minutes = WholeNumberField(
        minimum=1, maximum=240, required=False, help_text="Wall clock of one attempt; 10 if not given."
    )
    is_dedicated = TruthField(
        required=False, help_text="Tasks of one login queue up instead of merging, and share its browser session."
    )
    max_parallelism = WholeNumberField(
        minimum=1,
        required=False,
        allow_null=True,
        help_text="Tasks of the automation at the same time; an operator's limit wins.",
    )
    per_login_parallelism = WholeNumberField(
        minimum=1,
        required=False,
        allow_null=True,
        help_text="Tasks of one login at the same time; an operator's limit wins.",
    )
    use_proxy = TruthField(
        required=False, help_text="The browser goes through the operator's proxy; not together with `is_dedicated`."
    )
    task_callback_url = WebAddressField(
        maximum=MAX_URL_CHARACTERS,
        required=False,
        allow_null=True,
        help_text="A full http:// or https:// address. Checked and not kept: callbacks are not delivered.",
    )
    task_callback_api_key = TextField(maximum=1024, required=False, allow_null=True, help_text="Checked and not kept.")

    warnings: list[str]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("use_proxy") and attrs.get("is_dedicated"):
            raise serializers.ValidationError({"use_proxy": ["cannot be true together with is_dedicated."]})
        self.warnings = unknown_fields(self)
        callback_url = attrs.pop("task_callback_url", None)
        attrs.pop("task_callback_api_key", None)
        if callback_url is not None:
            self.warnings.append(CALLBACKS_ARE_NOT_DELIVERED)
        attrs["idempotency_key"] = self._idempotency_key(attrs.get("idempotency_key"))
        if attrs["idempotency_key"] is not None:
            attrs["body_sha256"] = _body_sha256(self.initial_data)
        return attrs

    def _idempotency_key(self, in_body: str | None) -> str | None:
        in_header: str | None = self.context.get("idempotency_header")
        if in_header is None:
            return in_body
        if not 1 <= len(in_header) <= 256:
            raise serializers.ValidationError({"Idempotency-Key": ["must have 1 to 256 characters."]})
        if in_body is not None and in_body != in_header:
            reason = "differs from the header Idempotency-Key: send one of them, or the same in both."
            raise serializers.ValidationError({"idempotency_key": [reason]})
        return in_header


def plain_submission(body: Any, *, idempotency_header: str | None) -> dict[str, Any] | None:
    """What SubmissionSerializer makes of `body` if nothing about it is wrong or worth a warning; else None, and it is
    for the serializer to say what. Building a serializer takes longer than all the rest of such a request."""
    if not isinstance(body, dict) or not _REQUIRED <= body.keys() <= _plain_fields().keys():
        return None
    values = {}
    for name, given in body.items():
        field = _plain_fields()[name]
        if given is None and not field.allow_null:
            return None
        try:
            values[name] = None if given is None else field.to_internal_value(given)
        except serializers.ValidationError:
            return None
    if values.get("use_proxy"):
        return None
    key = values.pop("idempotency_key", None)
    if idempotency_header is not None:
        if key not in (None, idempotency_header) or not 1 <= len(idempotency_header) <= 256:
            return None
        key = idempotency_header
    values["idempotency_key"] = key
    if key is not None:
        values["body_sha256"] = _body_sha256(body)
    return values


_REQUIRED = {"endpoint_name", "input_parameters"}


@functools.cache
def _plain_fields() -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    """By name; callbacks are worth a warning."""
    fields = SubmissionSerializer().fields
    return {name: field for name, field in fields.items() if not name.startswith("task_callback_")}


class InstantField(serializers.Field[datetime, Any, datetime, Any]):
    """An ISO 8601 instant with its offset: `Z` or `+00:00`, in either case; a blank is an unescaped `+`."""

    def to_internal_value(self, data: Any) -> datetime:
        try:
            instant = datetime.fromisoformat(data.replace(" ", "+").upper())
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            raise serializers.ValidationError("must be an ISO 8601 instant with an offset, e.g. 2026-01-31T08:00:00Z.")
        return instant


class BatchItemsField(serializers.Field[list[dict[str, Any]], Any, list[dict[str, Any]], Any]):
    """The bodies of 1 to MAX_BATCH_ITEMS submissions; what is in each is judged for itself."""

    default_error_messages = {"required": "is required.", "null": "must be a list of objects, not null."}

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        if not isinstance(data, list):
            raise serializers.ValidationError(f"must be a list of objects, not {_kind(data)}.")
        if not 1 <= len(data) <= MAX_BATCH_ITEMS:
            raise serializers.ValidationError(f"must have 1 to {MAX_BATCH_ITEMS:,} items, not {len(data):,}.")
        _refuse_if_any(
            {
                f"[{number}]": [f"must be an object, not {_kind(item)}."]
                for number, item in enumerate(data)
                if not isinstance(item, dict)
            }
        )
        return data


class BatchSerializer(serializers.Serializer[Any]):
    """The body of POST /api/v1/inference/batch; `warnings` says what was ignored."""

    items = BatchItemsField(help_text="Each is a submission of its own.")
    all_or_nothing = TruthField(default=False, help_text="One refusal undoes all.")

    warnings: list[str]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        self.warnings = unknown_fields(self)
        return attrs


class CsvQuerySerializer(SubmissionSerializer):
    """The query of POST /api/v1/inference/csv: what holds for every row. Unknown names are refused: a mistyped
    `unique_parameter_names` would run twice what must run once."""

    # What is of the request, and not of its submissions.
    OF_REQUEST = ("all_or_nothing", "delimiter")

    # None is REST framework's way to leave a field out.
    input_parameters = None  # type: ignore[assignment]
    secure_parameters = None  # type: ignore[assignment]
    idempotency_key = None  # type: ignore[assignment]
    task_callback_url = None  # type: ignore[assignment]
    task_callback_api_key = None  # type: ignore[assignment]
    all_or_nothing = TruthField(default=False)
    delimiter = serializers.ChoiceField(
        choices=list(DELIMITERS),
        required=False,
        error_messages={"invalid_choice": f"must be one of {', '.join(DELIMITERS)}."},
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = [name for name in self.initial_data if name not in self.fields]
        if "idempotency_key" in unknown:
            reason = "is for a single submission: give each row one in a column _idempotency_key."
            raise serializers.ValidationError({"idempotency_key": [reason]})
        if unknown:
            raise serializers.ValidationError({shorten(unknown[0]): ["is no parameter of this query."]})
        return super().validate(attrs)


@dataclass(frozen=True)
class Cursor:
    """Where a page ended, and of which list: by creation, newest first, or by end, first one first."""

    by_end: bool
    position: ListPosition

    @classmethod
    def after(cls, task: Task, *, by_end: bool) -> "Cursor":
        """Where a list goes on after `task`, which has ended if the list is by end."""
        instant = task.completed_at if by_end else task.created_at
        return cls(by_end, ListPosition(cast("datetime", instant), task.id))

    def __str__(self) -> str:
        kind = "ended" if self.by_end else "created"
        text = f"{kind}|{self.position.instant.isoformat()}|{self.position.task_id}"
        return base64.urlsafe_b64encode(text.encode()).decode()


class CursorField(serializers.Field[Cursor, Any, Cursor, Any]):
    """Where the page before ended."""

    def to_internal_value(self, data: Any) -> Cursor:
        try:
            kind, instant, task_id = base64.urlsafe_b64decode(data).decode("ascii").split("|")
            by_end = {"ended": True, "created": False}[kind]
            return Cursor(by_end, ListPosition(datetime.fromisoformat(instant).astimezone(UTC), UUID(task_id)))
        except (ValueError, KeyError, OverflowError):  # an instant before the year 1 in UTC, say
            raise serializers.ValidationError("must be the next_cursor of a page before.") from None


class IdField(serializers.Field[UUID, Any, UUID, Any]):
    """The id of something, as this server writes ids."""

    default_error_messages = {"null": "must be an id, not null."}

    def to_internal_value(self, data: Any) -> UUID:
        try:
            return UUID(data)
        except (AttributeError, TypeError, ValueError):
            raise serializers.ValidationError("must be an id.") from None


class TaskListSerializer(serializers.Serializer[Any]):
    """The query of GET /api/v1/tasks; `validated_data` are the fields of `TaskFilter`, `limit` and `cursor`."""

    status = serializers.ChoiceField(
        choices=TaskStatus.choices,
        required=False,
        error_messages={"invalid_choice": f"must be one of {', '.join(TaskStatus.values)}."},
    )
    endpoint_name = TextField(maximum=255, required=False, help_text="The automation's name.")
    # A task's may be longer than any address can be.
    dedup_key = TextField(maximum=MAX_SOUGHT_CHARACTERS, required=False, help_text="As in the task object.")
    created_after = InstantField(required=False)
    created_before = InstantField(required=False)
    ended_after = InstantField(required=False, help_text="Only ended tasks, in the order of their ends.")
    needs_review = serializers.ChoiceField(
        choices=["true", "false"],
        required=False,
        error_messages={"invalid_choice": "must be true or false."},
        help_text="Whether an act was begun that nobody saw finish, and nobody has decided what became of it.",
    )
    cursor = CursorField(
        required=False, help_text="`next_cursor` or `resume_cursor` of an answer before; empty for the first page."
    )
    limit = serializers.IntegerField(
        default=50,
        min_value=1,
        max_value=200,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), "must be a whole number from 1 to 200."),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "needs_review" in attrs:
            attrs["needs_review"] = attrs["needs_review"] == "true"
        cursor: Cursor | None = attrs.get("cursor")
        if cursor is not None and not cursor.by_end and "ended_after" in attrs:
            raise serializers.ValidationError({"cursor": ["must be one of a list with ended_after."]})
        return attrs


class TaskExportSerializer(TaskListSerializer):
    """The query of GET /api/v1/tasks.csv: that of the list, and how the file is written."""

    limit = serializers.IntegerField(
        default=MAX_EXPORTED_ROWS,
        min_value=1,
        max_value=MAX_EXPORTED_ROWS,
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value"), f"must be a whole number from 1 to {MAX_EXPORTED_ROWS:,}."
        ),
    )
    raw = serializers.BooleanField(default=False, error_messages={"invalid": "must be true or false."})
    delimiter = serializers.ChoiceField(
        choices=list(DELIMITERS),
        default="comma",
        error_messages={"invalid_choice": f"must be one of {', '.join(DELIMITERS)}."},
    )


class AnswerSerializer(serializers.Serializer[Any]):
    """The body of POST /api/v1/tasks/{id}/answer; `validated_data` are keywords of `answer_request`."""

    answer = serializers.ChoiceField(
        choices=[answer.value for answer in PersonRequest.ANSWERS],
        error_messages={
            "required": "is required.",
            "null": "must be one of continue, give_up.",
            "invalid_choice": "must be one of continue, give_up.",
        },
    )
    note = TextField(minimum=0, maximum=MAX_NOTE_CHARACTERS, default="", help_text="Kept in the timeline.")
    request_id = IdField(required=False, help_text="Only this question is answered, never a later one.")


class ReviewSerializer(serializers.Serializer[Any]):
    """The body of POST /api/v1/tasks/{id}/review; `validated_data` are keywords of `decide_outcome`."""

    decision = serializers.ChoiceField(
        choices=[HAPPENED, DID_NOT_HAPPEN],
        error_messages={
            "required": "is required.",
            "null": "must be one of happened, did_not_happen.",
            "invalid_choice": "must be one of happened, did_not_happen.",
        },
    )
    note = TextField(minimum=0, maximum=MAX_NOTE_CHARACTERS, default="")
    retry = TruthField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        happened = attrs.pop("decision") == HAPPENED
        if happened and attrs["retry"]:
            raise serializers.ValidationError({"retry": ["is only for did_not_happen: it would be done twice."]})
        return {**attrs, "happened": happened}


class CancelSerializer(serializers.Serializer[Any]):
    """The body of POST /api/v1/tasks/{id}/cancel, which may be left out."""

    force = TruthField(default=False, help_text="End it now, without asking its worker: `killed`.")


class RetrySerializer(serializers.Serializer[Any]):
    """The body of POST /api/v1/tasks/{id}/retry, which may be left out."""

    confirm = TruthField(default=False)


def task_object(task: Task, *, link: "LinkMaker", include_automation: bool = False) -> dict[str, Any]:
    """The Task object of the contract. `task` comes from `queries.find_task`; `link` makes addresses of files."""
    names = task.unique_parameter_names
    key = task.api_key
    folder = str(task.id)
    answer: dict[str, Any] = {
        "task_id": str(task.id),
        "user_id": "" if key is None or key.owner_id is None else str(key.owner_id),
        "company_id": "",
        "recording_id": str(task.automation_id),
        "endpoint_name": task.endpoint_name,
        "version": str(task.version.number),
        "input_parameters": task.input_parameters,
        "secure_parameters": _references(task.secure_parameters),
        "unique_parameter_names": names,
        "unique_parameters": {name: task.input_parameters[name] for name in names} if names else None,
        "created_at": _instant(task.created_at),
        "allocated_at": _instant(task.allocated_at),
        "started_at": _instant(task.started_at),
        "completed_at": _instant(task.completed_at),
        "status": task.status,
        "error": task.error,
        "outcome_unknown": task.outcome_unknown,
        "needs_review": task.needs_review,
        "review": _review(task),
        "retry_count": task.retry_count,
        "max_retries": task.max_retries,
        "max_timeout_in_minutes": task.max_timeout_in_minutes,
        "is_dedicated": task.is_dedicated,
        "max_parallelism": task.max_parallelism,
        "per_login_parallelism": task.per_login_parallelism,
        "use_proxy": task.use_proxy,
        "priority": task.priority,
        "dedup_key": task.dedup_key,
        "api_key": "" if key is None else key.public_id,
        # Relative to the artifact storage; a file lies there under its artifact's id, and logs are not kept.
        "save_directory": ".",
        "task_directory": folder,
        "logs_directory": folder,
        "downloads_directory": folder,
        "log_file_path": None,
        "output_data": task.output_data,
        "for_loop_status": task.for_loop_status,
        "final_screenshot": _file(last_picture(task), link=link),
        "downloads": [link.of(each) for each in task.artifacts.filter(kind=Artifact.Kind.DOWNLOAD, removed_at=None)],
        "duration_ms": _duration_ms(task.started_at, task.completed_at),
        "attempts": [attempt_object(each) for each in task.attempts.all()],
        "token_usage": task.token_usage,
        "callback": None,
        "previous_task_id": None if task.previous_task_id is None else str(task.previous_task_id),
        "retried_as": _retried_as(task),
        "waiting_for": _waiting_object(waiting_for(task)),
        "waiting_for_person": _waiting_for_person(task, link=link),
    }
    if include_automation:
        answer["automation"] = task.version.document
    return answer


def _references(secure_parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Where the secrets are. One kind of source is the secret itself, which leaves this server in no answer."""
    return {name: [_reference(each) for each in sources] for name, sources in secure_parameters.items()}


def _reference(source: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: ({"totp_secret": HIDDEN} if kind == "totp" else told) for kind, told in source.items()}


def _review(task: Task) -> dict[str, Any] | None:
    review = task.review
    if not isinstance(review, dict):
        return None
    return {
        "decision": HAPPENED if review.get("happened") else DID_NOT_HAPPEN,
        "by": review.get("by"),
        "at": review.get("at"),
        "note": review.get("note") or None,
    }


def _retried_as(task: Task) -> str | None:
    """The newest task that runs it again."""
    newest = task.retried_as.order_by("-created_at", "-id").values_list("id", flat=True).first()
    return None if newest is None else str(newest)


def _waiting_object(waiting: WaitingFor | None) -> dict[str, Any] | None:
    if waiting is None:
        return None
    return {
        "reason": waiting.reason,
        "message": waiting.message,
        "position": waiting.position,
        "until": _instant(waiting.until),
        "since": _instant(waiting.since),
        "paused_by": None if waiting.pause is None else waiting.pause.paused_by,
        "task_ids": [str(each) for each in waiting.holders],
    }


def _waiting_for_person(task: Task, *, link: "LinkMaker") -> dict[str, Any] | None:
    request = open_request(task)
    if request is None:
        return None
    step = asking_step(request)
    return {
        "request_id": str(request.id),
        "question": request.question,
        "asked_at": _instant(request.asked_at),
        "until": _instant(request.deadline),
        # As in /steps: counted from 0.
        "step": None if step is None or step.index is None else step.index - 1,
        "screenshot": _address(request.picture, link=link),
    }


def task_summaries(tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """The tasks of a list, with what the queued ones wait for: as many queries for many as for one."""
    queued = [task for task in tasks if task.status == TaskStatus.QUEUED]
    state = read_state(queued) if queued else None
    return [task_summary(task, state) for task in tasks]


def task_summary(task: Task, queue: QueueState | None) -> dict[str, Any]:
    """A task in a list: what it is and how it stands, without inputs and results. `queue` is read for the queued ones;
    places in line are not counted for each."""
    waiting = None if queue is None or task.status != TaskStatus.QUEUED else reason_of(task, queue)
    return {
        "task_id": str(task.id),
        "endpoint_name": task.endpoint_name,
        "version": str(task.version.number),
        "status": task.status,
        "error": task.error,
        "outcome_unknown": task.outcome_unknown,
        "needs_review": task.needs_review,
        "created_at": _instant(task.created_at),
        "started_at": _instant(task.started_at),
        "completed_at": _instant(task.completed_at),
        "duration_ms": _duration_ms(task.started_at, task.completed_at),
        "priority": task.priority,
        "dedup_key": task.dedup_key,
        "api_key": "" if task.api_key is None else task.api_key.public_id,
        "previous_task_id": None if task.previous_task_id is None else str(task.previous_task_id),
        "waiting_for": _waiting_object(waiting),
    }


class LinkMaker:
    """Addresses of files under the host that the client called."""

    def __init__(self, absolute: Any) -> None:
        """`absolute` makes a full address of a path: a request's `build_absolute_uri`."""
        self._absolute = absolute

    def of(self, artifact: Artifact) -> dict[str, str]:
        return {"filename": artifact.filename, "url": self.url(artifact)}

    def url(self, artifact: Artifact) -> str:
        """A link that works without a key for an hour."""
        address: str = self._absolute(f"/api/v1/artifacts/{artifact.id}?signature={sign_artifact(artifact.id)}")
        return address


def _address(artifact: Artifact | None, *, link: LinkMaker) -> str | None:
    """None where there is no file, or none any more."""
    return link.url(artifact) if artifact is not None and artifact.is_there else None


def _file(artifact: Artifact | None, *, link: LinkMaker) -> dict[str, str] | None:
    return link.of(artifact) if artifact is not None and artifact.is_there else None


def attempt_object(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "host": attempt.host,
        "worker": attempt.worker,
        "allocated_at": _instant(attempt.allocated_at),
        "started_at": _instant(attempt.started_at),
        "ended_at": _instant(attempt.ended_at),
        "cause": attempt.cause,
        "error": attempt.error,
    }


def step_object(step: Step, *, link: LinkMaker) -> dict[str, Any]:
    return {
        "attempt": step.attempt,
        "position": step.position,
        # People count from 1, and rows and messages do; on the wire steps are counted from 0, as in the language.
        "index": None if step.index is None else step.index - 1,
        "path": step.path,
        "depth": step.depth,
        "kind": step.kind,
        "label": step.label,
        "status": step.status,
        "started_at": _instant(step.started_at),
        "duration_ms": step.duration_ms,
        "error": step.error,
        "url": step.url,
        "locator": step.locator,
        "healed": step.healed,
        "screenshot": _address(step.picture, link=link),
    }


def event_object(event: TaskEvent) -> dict[str, Any]:
    """One event of a task's stream: a new status, a step that began or ended, or a question to a person."""
    told: dict[str, Any] = {"task_id": str(event.task_id), "at": _instant(event.at)}
    match event.kind:
        case "status":
            cause = event.cause.get("kind", "")
            return told | {"status": event.status, "cause": cause, "error": event.data.get("error")}
        case "step":
            index = event.data.get("index")
            # As in step_object.
            return {**told, **event.data, "index": None if index is None else index - 1}
        case _:
            return told | {"state": event.data.get("state"), "text": event.data.get("text")}


def artifact_object(artifact: Artifact, *, link: LinkMaker) -> dict[str, Any]:
    return {
        "artifact_id": str(artifact.id),
        "attempt": artifact.attempt,
        "kind": artifact.kind,
        "filename": artifact.filename,
        "content_type": artifact.content_type,
        "size_bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
        "metadata": artifact.metadata,
        "created_at": _instant(artifact.created_at),
        "url": _address(artifact, link=link),
        # Why the file is gone: age, size, missing.
        "removed": artifact.removal or None,
    }


def automation_object(automation: Automation, version: AutomationVersion | None) -> dict[str, Any]:
    return {
        "endpoint_name": automation.endpoint_name,
        "description": automation.description,
        "version": None if version is None else version.number,
        "input_parameters": [] if version is None else version.input_names,
        "secure_parameters": [] if version is None else version.secure_names,
        "step_count": 0 if version is None else version.step_count,
        "max_parallelism": automation.max_parallelism,
        "per_login_parallelism": automation.per_login_parallelism,
        "created_at": _instant(automation.created_at),
        "published_at": None if version is None else _instant(version.created_at),
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _duration_ms(started_at: datetime | None, completed_at: datetime | None) -> int | None:
    if started_at is None or completed_at is None:
        return None
    return round((completed_at - started_at).total_seconds() * 1000)


def _body_sha256(body: Mapping[str, Any]) -> str:
    """What a repeated request is known by: the body without the key itself, whatever the order of its fields."""
    rest = {name: value for name, value in body.items() if name != "idempotency_key"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _lists_by_name(data: Any) -> dict[str, list[Any]]:
    if not isinstance(data, dict):
        raise serializers.ValidationError(f"must be an object of lists, not {_kind(data)}.")
    if len(data) > MAX_PARAMETERS:
        raise serializers.ValidationError(f"must have at most {MAX_PARAMETERS:,} parameters, not {len(data):,}.")
    wrong = {
        f".{shorten(name)}": [f"must be a list, not {_kind(given)}."]
        for name, given in data.items()
        if not isinstance(given, list)
    }
    _refuse_if_any(wrong)
    too_many = {
        f".{shorten(name)}": [f"must have at most {MAX_VALUES_PER_PARAMETER:,} values, not {len(given):,}."]
        for name, given in data.items()
        if len(given) > MAX_VALUES_PER_PARAMETER
    }
    _refuse_if_any(too_many)
    return data


def _refuse_if_any(wrong: Mapping[str, list[str]]) -> None:
    if wrong:
        raise serializers.ValidationError(dict(list(wrong.items())[:MAX_REPORTED]))


def _is_secure_parameter(value: Any) -> bool:
    try:
        SecureParameter.model_validate(value)
    except PydanticValidationError:
        return False
    return True


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def unknown_fields(body: serializers.Serializer[Any]) -> list[str]:
    """A warning for each field of the body that is ignored."""
    unknown = [name for name in body.initial_data if name not in body.fields]
    return [f"Unknown field '{shorten(name)}' was ignored" for name in unknown[:MAX_REPORTED]]


def submission_object(submission: Submission, warnings: Sequence[str]) -> dict[str, Any]:
    """The answer to a submission."""
    answer: dict[str, Any] = {
        "success": True,
        "message": submission.message,
        "task_id": str(submission.task_id),
        "duplicate": submission.duplicate,
    }
    told = [*warnings, *submission.warnings]
    if told:
        answer["warnings"] = told
    return answer


def json_object(data: Any) -> dict[str, Any]:
    """`data` if it is a JSON object. Raises ValidationFailedError."""
    if not isinstance(data, dict):
        message = f"The body must be a JSON object, not {_kind(data)}."
        raise ValidationFailedError(message, errors={"body": [message]})
    return data
