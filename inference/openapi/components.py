"""What operations share: the schemas of answers, headers, the ways to send a key, and the errors.

Answers are described by hand: they are plain dictionaries, which `serializers.py` makes. Tests hold both together.
"""

from collections.abc import Mapping
from typing import Any

from automation.linter.catalog import SEVERITIES
from inference.error_handler import error_body, status_message
from inference.models import Artifact, PersonRequest, StepStatus, TaskStatus
from inference.queue_state import Reason

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", **_described(description), **more}


def number(description: str = "", **more: Any) -> Schema:
    """A whole one."""
    return {"type": "integer", **_described(description), **more}


def truth(description: str = "") -> Schema:
    return {"type": "boolean", **_described(description)}


def identifier(description: str = "") -> Schema:
    return text(description, format="uuid")


def instant(description: str = "") -> Schema:
    return text(description, format="date-time")


def address(description: str = "") -> Schema:
    return text(description, format="uri")


def many(items: Schema, description: str = "", **more: Any) -> Schema:
    return {"type": "array", "items": items, **_described(description), **more}


def anything(description: str = "") -> Schema:
    return _described(description)


def mapping(values: Schema, description: str = "") -> Schema:
    return {"type": "object", "additionalProperties": values, **_described(description)}


def or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def record(
    properties: Mapping[str, Schema], *, optional: Mapping[str, Schema] | None = None, about: str = ""
) -> Schema:
    """An object with all of `properties` and perhaps some of `optional`."""
    return {
        "type": "object",
        **_described(about),
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
    }


def one_of(values: Any, description: str = "") -> Schema:
    return text(description, enum=list(values))


def _described(description: str) -> Schema:
    return {"description": description} if description else {}


_ALWAYS_TRUE = {"type": "boolean", "const": True}
_VERSION = "Number of the automation's version."
_PARAMETER_LISTS = mapping(many({"type": ["string", "number", "boolean"]}))
_DECISIONS = ("happened", "did_not_happen")
_STATUS = one_of(TaskStatus.values, "queued → allocated → running → success, failed, cancelled or killed.")
_WARNINGS = many({"type": "string"}, "What was ignored or not applied.")
_NEEDS_REVIEW = truth("Its outcome is unknown, and nobody has decided it yet.")
_RESULTS: list[Schema] = [
    {"allOf": [ref("Accepted")], "properties": {"status": {"const": 202}}, "required": ["status"]},
    {"allOf": [ref("Error")], "properties": {"status": {"enum": [404, 422, 429, 503]}}, "required": ["status"]},
    {"allOf": [ref("ValidationError")], "properties": {"status": {"const": 400}}, "required": ["status"]},
]
_SHORT_TASK: Mapping[str, Schema] = {
    "task_id": identifier(),
    "endpoint_name": text("The automation's name."),
    "version": text(_VERSION),
    "status": _STATUS,
    "error": or_null(text("Why it failed, in one sentence.")),
    "outcome_unknown": truth("A commit point was begun and not seen to finish; a person decides."),
    "created_at": instant(),
    "started_at": or_null(instant("Of the newest attempt.")),
    "completed_at": or_null(instant()),
    "duration_ms": or_null(number("From start to end, in milliseconds.", minimum=0)),
    "priority": or_null(number("Lower runs first, null last.")),
    "dedup_key": text("Canonical JSON of the unique parameters, or a random UUID."),
    "api_key": text("Public id of the key that sent it; empty if none did."),
    "previous_task_id": or_null(identifier("The task that this one repeats.")),
    "needs_review": _NEEDS_REVIEW,
    "waiting_for": {
        "oneOf": [{"$ref": "#/components/schemas/WaitingFor"}, {"type": "null"}],
        "description": "Why a queued task waits; without places in line.",
    },
}

SCHEMAS: dict[str, Schema] = {
    "Error": record(
        {
            "success": {"type": "boolean", "const": False},
            "message": text("One sentence that a person can act on."),
            "error": text("The same text."),
        },
        about="Every error but 400. No answer holds a parameter, a secret or a trace.",
    ),
    "ValidationError": record(
        {
            "success": {"type": "boolean", "const": False},
            "message": text("One sentence that a person can act on."),
            "error": text("The same text."),
            "errors": mapping(many({"type": "string"}), "What is wrong, by the path of the field; at most 20 paths."),
        },
        about="A request that is wrong, and stays wrong when it is sent again.",
    ),
    "Accepted": record(
        {
            "success": _ALWAYS_TRUE,
            "message": text(),
            "task_id": identifier(),
            "duplicate": truth(
                "The task was there before: an active one with the same unique parameters, or the one "
                "of this idempotency key."
            ),
        },
        optional={"warnings": _WARNINGS},
    ),
    "Ended": record(
        {
            "success": _ALWAYS_TRUE,
            "message": text(),
            "task_id": identifier(),
            "duplicate": truth(),
            "task": ref("Task"),
        },
        optional={"warnings": _WARNINGS},
        about="The answer to `Prefer: wait`, once the task has ended.",
    ),
    "BatchResult": {
        "description": "What this item would have got alone, with its status.",
        "oneOf": _RESULTS,
    },
    "BatchAnswer": record(
        {
            "success": truth("Whether all were accepted."),
            "message": text(),
            "accepted": number(minimum=0),
            "refused": number(minimum=0),
            "results": many(ref("BatchResult"), "One for each item, in order."),
        },
        optional={"warnings": _WARNINGS},
    ),
    "File": record({"filename": text(), "url": address("Works without a key for one hour.")}),
    "Attempt": record(
        {
            "number": number("Counted from 1.", minimum=1),
            "host": text(),
            "worker": text(),
            "allocated_at": instant(),
            "started_at": or_null(instant()),
            "ended_at": or_null(instant()),
            "cause": text("Why it ended; empty while it has not."),
            "error": or_null(text()),
        },
        about="One try at a task.",
    ),
    "WaitingFor": record(
        {
            "reason": one_of(list(Reason)),
            "message": text("The reason in one sentence, without clock times."),
            "position": or_null(
                number(
                    "Place among the waiting tasks of the same key: 1 is next, null is behind the thousandth.",
                    minimum=1,
                )
            ),
            "until": or_null(instant("Of `retry_pause`.")),
            "since": or_null(instant("Of a pause, or the last sign of a worker.")),
            "paused_by": or_null(text()),
            "task_ids": many(identifier(), "Those that hold it, at most five.", maxItems=5),
        },
        about="Why a queued task waits.",
    ),
    "WaitingForPerson": record(
        {
            "request_id": identifier(),
            "question": text(),
            "asked_at": instant(),
            "until": instant("The task fails then if nobody has answered."),
            "step": or_null(number("`index` of the step that asks.", minimum=0)),
            "screenshot": or_null(address("The page as it was when the task asked.")),
        },
        about="What a running task asks a person.",
    ),
    "Decision": record(
        {
            "decision": one_of(_DECISIONS),
            "by": or_null(text("Who decided.")),
            "at": or_null(instant()),
            "note": or_null(text()),
        },
        about="What a person says became of an act that nobody saw finish.",
    ),
    "Task": record(
        {
            "task_id": identifier(),
            "user_id": text("Owner of the key; empty if it has none."),
            "company_id": text("Always empty."),
            "recording_id": text("The automation's number."),
            "endpoint_name": text("The automation's name."),
            "version": text(_VERSION),
            "input_parameters": {**_PARAMETER_LISTS, "description": "As they were sent."},
            "secure_parameters": mapping(many({"type": "object"}), "References to secrets, never values."),
            "unique_parameter_names": many({"type": "string"}),
            "unique_parameters": or_null(_PARAMETER_LISTS),
            "created_at": instant(),
            "allocated_at": or_null(instant("When a worker took it.")),
            "started_at": or_null(instant()),
            "completed_at": or_null(instant()),
            "status": _STATUS,
            "error": or_null(text("Why it failed, in one sentence.")),
            "outcome_unknown": truth("A commit point was begun and not seen to finish; a person decides."),
            "needs_review": _NEEDS_REVIEW,
            "review": or_null(ref("Decision")),
            "retry_count": number("Attempts that were followed by another.", minimum=0),
            "max_retries": number("Attempts after the first.", minimum=0),
            "max_timeout_in_minutes": number("Wall clock of one attempt.", minimum=1, maximum=240),
            "is_dedicated": truth(),
            "max_parallelism": or_null(number(minimum=1)),
            "per_login_parallelism": or_null(number(minimum=1)),
            "use_proxy": truth(),
            "priority": or_null(number("Lower runs first, null last.")),
            "dedup_key": text("Canonical JSON of the unique parameters, or a random UUID."),
            "api_key": text("Public id of the key that sent it, never its secret; empty if none did."),
            "save_directory": text("Relative to the artifact storage, as the next four."),
            "task_directory": text(),
            "logs_directory": text(),
            "downloads_directory": text(),
            "log_file_path": or_null(text()),
            "output_data": many(anything(), "What the automation extracted, in order."),
            "for_loop_status": many(anything(), "How each loop went."),
            "final_screenshot": or_null(ref("File")),
            "downloads": many(ref("File")),
            "duration_ms": or_null(number("From start to end, in milliseconds.", minimum=0)),
            "attempts": many(ref("Attempt")),
            "token_usage": or_null({"type": "object", "description": "Of language models."}),
            "callback": {"type": "null", "description": "Callbacks are not delivered."},
            "previous_task_id": or_null(identifier("The task that this one repeats.")),
            "retried_as": or_null(identifier("The newest task that runs it again.")),
            "waiting_for": or_null(ref("WaitingFor")),
            "waiting_for_person": or_null(ref("WaitingForPerson")),
        },
        optional={"automation": {"type": "object", "description": "The document; with `?include=automation`."}},
        about="One requested run of an automation. Instants are UTC.",
    ),
    "TaskSummary": record(_SHORT_TASK, about="A task in a list, without inputs and results."),
    "TaskList": record(
        {
            "tasks": many(ref("TaskSummary")),
            "next_cursor": or_null(text("`cursor` of the next page; null on the last one.")),
        },
        optional={"resume_cursor": or_null(text("Only in the order of ends: goes on from here at any later time."))},
    ),
    "Step": record(
        {
            "attempt": number(minimum=1),
            "position": number("Order of start within the attempt, loops and ifs included.", minimum=0),
            "index": or_null(number("Counted from 0; null for loops and ifs.", minimum=0)),
            "path": text("Path in the document, e.g. `nodes[2].if_nodes[0]`."),
            "depth": number("How deep in loops and branches.", minimum=0),
            "kind": text("Of the action, e.g. `click_element`."),
            "label": text(),
            "status": one_of(StepStatus.values),
            "started_at": instant(),
            "duration_ms": or_null(number(minimum=0)),
            "error": or_null(text()),
            "url": text("Of the page."),
            "locator": text("That found the element."),
            "healed": truth(),
            "screenshot": or_null(address()),
        },
        about="One node that was run.",
    ),
    "StepList": record({"task_id": identifier(), "steps": many(ref("Step"))}),
    "Artifact": record(
        {
            "artifact_id": identifier(),
            "attempt": number(minimum=1),
            "kind": one_of(Artifact.Kind.values),
            "filename": text(),
            "content_type": text(),
            "size_bytes": number(minimum=0),
            "sha256": text(pattern="^[0-9a-f]{64}$"),
            "metadata": anything("What the automation says of a download; null if nothing."),
            "created_at": instant(),
            "url": or_null(address("Works without a key for one hour; null when the file is gone.")),
            "removed": {"enum": [*Artifact.Removal.values, None], "description": "Why the file is gone."},
        },
        about="A file of a task.",
    ),
    "ArtifactList": record({"task_id": identifier(), "artifacts": many(ref("Artifact"))}),
    "Cancelled": record({"success": _ALWAYS_TRUE, "message": text(), "task_id": identifier(), "status": _STATUS}),
    "Answered": record(
        {
            "success": _ALWAYS_TRUE,
            "message": text(),
            "task_id": identifier(),
            "status": _STATUS,
            "answer": one_of([each.value for each in PersonRequest.ANSWERS]),
            "duplicate": truth("The same was answered before."),
        }
    ),
    "Retried": record(
        {
            "success": _ALWAYS_TRUE,
            "message": text(),
            "task_id": identifier("Of the new task."),
            "duplicate": truth("An active task with the same unique parameters was there."),
            "previous_task_id": identifier(),
        }
    ),
    "Reviewed": record(
        {
            "success": _ALWAYS_TRUE,
            "message": text(),
            "task_id": identifier(),
            "decision": one_of(_DECISIONS),
            "duplicate": truth("The same was decided before."),
            "new_task_id": or_null(identifier("The task that runs it again, if one was asked for.")),
        }
    ),
    "CsvResult": {
        "description": "What the row would have got alone, with its status and its number: the headings are row 1.",
        "oneOf": [
            {
                **each,
                "properties": {**each["properties"], "row": {"type": "integer", "minimum": 2}},
                "required": ["status", "row"],
            }
            for each in _RESULTS
        ],
    },
    "CsvAnswer": record(
        {
            "success": truth("Whether all were accepted."),
            "message": text(),
            "accepted": number(minimum=0),
            "refused": number(minimum=0),
            "results": many(ref("CsvResult"), "One for each row, in order."),
        },
        optional={"warnings": _WARNINGS},
    ),
    "Upload": record(
        {
            "success": _ALWAYS_TRUE,
            "message": text(),
            "file_id": identifier("`upload://<file_id>` in a parameter names it."),
            "filename": text(),
            "size_bytes": number(minimum=0),
            "sha256": text(pattern="^[0-9a-f]{64}$"),
            "expires_at": instant("When it is removed if no task has taken it."),
        }
    ),
    "OutputData": record(
        {"success": _ALWAYS_TRUE, "task_id": identifier(), "output_data": many(anything())},
    ),
    "Downloads": record({"success": _ALWAYS_TRUE, "task_id": identifier(), "downloads": many(ref("File"))}),
    "Automation": record(
        {
            "endpoint_name": text(),
            "description": text(),
            "version": or_null(number("Of the newest version; null without one.", minimum=1)),
            "input_parameters": many({"type": "string"}, "Names that a submission must give."),
            "secure_parameters": many({"type": "string"}),
            "step_count": number(minimum=0),
            "max_parallelism": or_null(number("An operator's limit; wins over a submission's.", minimum=1)),
            "per_login_parallelism": or_null(number(minimum=1)),
            "created_at": instant(),
            "published_at": or_null(instant("When the newest version was made.")),
        }
    ),
    "AutomationList": record({"automations": many(ref("Automation"))}),
    "AutomationWithDocument": {
        "allOf": [ref("Automation")],
        "properties": {"automation": or_null({"type": "object", "description": "The document of the newest version."})},
        "required": ["automation"],
    },
    "Problem": record({"path": text("In the document; empty for all of it."), "message": text()}),
    "Finding": record(
        {
            "rule": text("Id of the rule, as in docs/linter.md."),
            "name": text(),
            "severity": one_of(SEVERITIES),
            "path": text(),
            "message": text(),
            "fix": text("What to do about it."),
            "portable": or_null(truth("False: other programs that run such documents do something else here.")),
        },
        about="What the linter says.",
    ),
    "Published": {
        "allOf": [ref("Automation")],
        "properties": {
            "success": _ALWAYS_TRUE,
            "is_new_version": truth("False: it is the newest version already."),
            "warnings": many(ref("Problem"), "What loading ignores or guesses."),
            "findings": many(ref("Finding")),
        },
        "required": ["success", "is_new_version", "warnings", "findings"],
    },
    "Validated": record(
        {
            "success": _ALWAYS_TRUE,
            "endpoint_name": text(),
            "valid": truth("Whether it could be published."),
            "problems": many(ref("Problem"), "What keeps it from being published."),
            "warnings": many(ref("Problem"), "What loading ignores or guesses."),
            "findings": many(ref("Finding")),
        }
    ),
    "Done": record({"success": _ALWAYS_TRUE, "message": text()}),
    "Health": record(
        {
            "status": text(const="healthy"),
            "task_running": truth(),
            "queued_tasks": number("That could run now.", minimum=0),
            "running_tasks": number(minimum=0),
            "workers": number("Seen within the last minute.", minimum=0),
        }
    ),
    "Unhealthy": record({"status": text(const="unhealthy"), "message": text("What is wrong.")}),
}

HEADERS: dict[str, Schema] = {
    "RequestId": {"description": "Id of this request, to name it to an operator.", "schema": {"type": "string"}},
    "RetryAfter": {
        "description": "Seconds after which to ask again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "Allow": {"description": "The methods of this address.", "required": True, "schema": {"type": "string"}},
    "Authenticate": {
        "description": "How to send a key.",
        "required": True,
        "schema": {"type": "string", "const": "x-api-key"},
    },
    "Location": {
        "description": "Path of the task.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "PreferenceApplied": {
        "description": "The answer was held until the task ended.",
        "required": True,
        "schema": {"type": "string", "const": "wait"},
    },
    "ETag": {"description": "Send it as If-None-Match.", "required": True, "schema": {"type": "string"}},
    "CacheControl": {"description": "How long it may be kept.", "required": True, "schema": {"type": "string"}},
    "NextCursor": {"description": "`cursor` of the next answer, if there are more.", "schema": {"type": "string"}},
    "ResumeCursor": {
        "description": "Only in the order of ends: goes on from here at any later time.",
        "schema": {"type": "string"},
    },
    "Link": {"description": 'The address of the next answer, with `rel="next"`.', "schema": {"type": "string"}},
    "ContentDisposition": {
        "description": "`attachment`, with the file's name.",
        "required": True,
        "schema": {"type": "string"},
    },
}

SECURITY_SCHEMES: dict[str, Schema] = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "A key made with `manage.py create_api_key`.",
    },
    "authorizationApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Authorization: x-api-key KEY`",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
    "signedLink": {
        "type": "apiKey",
        "in": "query",
        "name": "signature",
        "description": "What links to files in answers carry; it works for one hour.",
    },
}
WITH_KEY: list[dict[str, list[str]]] = [{"apiKey": []}, {"authorizationApiKey": []}, {"bearer": []}]

# Status: the name below components/responses, what it means, and the headers that come with it.
_ERRORS: dict[int, tuple[str, str, dict[str, str]]] = {
    400: ("BadRequest", "The request is wrong; `errors` says where.", {}),
    401: (
        "Unauthorized",
        "No usable key: missing, malformed, unknown, expired, revoked, or its owner was deactivated.",
        {"WWW-Authenticate": "Authenticate"},
    ),
    403: ("Forbidden", "The key lacks the scope.", {}),
    404: ("NotFound", "It does not exist, or this key may not see it.", {}),
    405: ("MethodNotAllowed", "The address has no such method.", {"Allow": "Allow"}),
    409: ("Conflict", "It does not fit the state of the task.", {}),
    413: ("TooLarge", "The body is larger than this route takes.", {}),
    415: ("UnsupportedMediaType", "The body is not of a type that this route takes.", {}),
    422: ("IdempotencyMismatch", "The idempotency key was used before with another body.", {}),
    429: (
        "TooManyRequests",
        "Too many requests of this key or address, or with keys that cannot be used.",
        {"Retry-After": "RetryAfter"},
    ),
    500: ("UnexpectedError", "An unexpected error; the server's log names its class and place.", {}),
    503: (
        "Unavailable",
        "The database cannot be reached, or too many requests wait.",
        {"Retry-After": "RetryAfter"},
    ),
}
_EXAMPLE_SENTENCES = {
    400: "endpoint_name is required.",
    403: "API key lacks the 'manage' scope: use another key, or ask for one that has it.",
    404: "It does not exist, or this key may not see it.",
    409: "The task is not in a state in which this can be done.",
    415: "Send the body as JSON in UTF-8, with Content-Type: application/json.",
    422: "This idempotency key was used before with another body: send a new key with a new request.",
    429: "Too many tasks wait: send the request again later.",
    503: "Service unavailable: the database cannot be reached; try again in a few seconds.",
}


def header(name: str) -> Schema:
    return {"$ref": f"#/components/headers/{name}"}


def error_response(status: int, description: str = "") -> Schema:
    """The error as an operation names it: shared, or with a description of its own."""
    name, _, headers = _ERRORS[status]
    if not description:
        return {"$ref": f"#/components/responses/{name}"}
    return _error_response(status, description, headers)


def _error_response(status: int, description: str, headers: Mapping[str, str]) -> Schema:
    sentence = _EXAMPLE_SENTENCES.get(status, status_message(status))
    errors = {"endpoint_name": [sentence]} if status == 400 else None
    schema = "ValidationError" if status == 400 else "Error"
    return {
        "description": description,
        "headers": {"X-Request-ID": header("RequestId")} | {each: header(name) for each, name in headers.items()},
        "content": {"application/json": {"schema": ref(schema), "example": error_body(sentence, errors)}},
    }


RESPONSES: dict[str, Schema] = {
    name: _error_response(status, description, headers) for status, (name, description, headers) in _ERRORS.items()
}
