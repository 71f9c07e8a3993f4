"""Every operation of the API: the one place to describe a route. A test finds a route that is not here, and one that is
here and nowhere else."""

from dataclasses import replace

from inference.models import Scope
from inference.openapi import examples
from inference.openapi.components import WITH_KEY, Schema, identifier
from inference.openapi.description import ANY_BYTES, FORM, Answer, Body, Operation, Parameter
from inference.serializers import (
    AnswerSerializer,
    BatchSerializer,
    CancelSerializer,
    CsvQuerySerializer,
    RetrySerializer,
    ReviewSerializer,
    SubmissionSerializer,
    TaskExportSerializer,
    TaskListSerializer,
)

SUBMIT, TASKS, AUTOMATIONS, SERVER = "Submit", "Tasks", "Automations", "Server"
TAGS = [
    {"name": SUBMIT, "description": "Ask for runs of automations."},
    {"name": TASKS, "description": "Read what became of them, and steer them."},
    {"name": AUTOMATIONS, "description": "What can be run: published, checked, deactivated."},
    {"name": SERVER, "description": "Health, and the descriptions of this API."},
]
DESCRIPTION = """\
Runs browser automations: a submission is stored as a task, and workers run it in Chromium.

Every route that has GET answers HEAD, and every route OPTIONS, with `Allow` and without a key. A key may be sent in one
of three ways, which mean the same. The manual is at [/docs/api.md](/docs/api.md)."""

_TASK_ID: dict[str, Schema] = {"task_id": identifier("The task's id.")}
# A path in the address, so a name may hold slashes.
_NAME: dict[str, Schema] = {
    "endpoint_name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "description": "The automation's name.",
    }
}
# Whether a document is good does not depend on what it would be called.
_ANY_NAME: dict[str, Schema] = {
    "endpoint_name": {"type": "string", "minLength": 1, "description": "The name that it would have."}
}
_QUEUE_FULL = (
    "As many tasks wait as an operator allows, or too many requests of this key came. Nothing was stored, not even the "
    "idempotency key."
)
_NO_TASK = "There is no such task, or this key may not see it."
_NO_AUTOMATION = "There is no active automation of that name that this key may use."
_FILE: Schema = {"type": "string", "format": "binary"}
_EVENT_ID: Schema = {"type": "string", "pattern": "^([0-9]{1,18})?$"}
_TASK_QUERY = Parameter("task_id", {"type": "string", "format": "uuid"}, "The task's id.", is_required=True)
# What JSON Schema says of a document is in a file of its own, for editors.
_DOCUMENT: Schema = {"$ref": "/api/automation.schema.json"}
_DOCUMENT_BODY = Body(_DOCUMENT, {"One step": examples.DOCUMENT})

_OF_A_TASK = (
    *("getTask", "listSteps", "listArtifacts", "cancelTask", "answerTask", "retryTask"),
    *("getOutputData", "getDownloads"),
)

_SUBMIT = Operation(
    "submitTask",
    SUBMIT,
    "Submit a task",
    {
        200: Answer(
            "The task has ended within `Prefer: wait`.",
            "Ended",
            examples.ENDED,
            headers={"Location": "Location", "Preference-Applied": "PreferenceApplied"},
            links=_OF_A_TASK,
        ),
        202: Answer(
            "The task is stored, or one that stands for it was there before.",
            "Accepted",
            examples.ACCEPTED,
            headers={"Location": "Location"},
            links=_OF_A_TASK,
        ),
    },
    "Answers before the task runs; with `Prefer: wait=N`, when it has ended, if that is within N seconds (and the key "
    "has the scope `read`).",
    scope=Scope.SUBMIT,
    parameters=(
        Parameter(
            "Prefer",
            {"type": "string", "examples": ["wait=30"]},
            "`wait=N`: hold the answer until the task ends or N seconds (at most 60) pass.",
            place="header",
        ),
        Parameter(
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": 256},
            "The client's own key; a repeated request is answered with the first one's task. As the field "
            "`idempotency_key`.",
            place="header",
        ),
    ),
    body=Body(
        SubmissionSerializer,
        {
            "Merged with an active task of the same claim": examples.SUBMISSION,
            "Ahead of others, and safe to send again": {
                "endpoint_name": "claims-status",
                "input_parameters": {"claim": ["HM-4471"]},
                "priority": 1,
                "idempotency_key": "row-1",
            },
        },
    ),
    errors={404: _NO_AUTOMATION, 422: "", 429: _QUEUE_FULL},
)

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/inference"): replace(
        _SUBMIT,
        operation_id="submitTaskLocally",
        summary="Submit a task, without a key from this machine",
        description="As `/api/v1/inference`. With ALLOW_ANONYMOUS_LOCAL a program on this machine needs no key; one "
        "that is sent is checked all the same.",
        security=({}, *WITH_KEY),
    ),
    ("POST", "/api/v1/inference"): _SUBMIT,
    ("POST", "/api/v1/inference/batch"): Operation(
        "submitBatch",
        SUBMIT,
        "Submit up to 1,000 tasks",
        {202: Answer("Each item has its own answer.", "BatchAnswer", examples.BATCH_ANSWER)},
        "At most 16 MiB. With `all_or_nothing` one refusal undoes all, and the whole answer is that error.",
        scope=Scope.SUBMIT,
        body=Body(
            BatchSerializer,
            {
                "Each for itself": {
                    "items": [examples.SUBMISSION, {**examples.SUBMISSION, "endpoint_name": "claim-status"}]
                },
                "All or nothing": {"items": [examples.SUBMISSION], "all_or_nothing": True},
            },
        ),
        errors={
            404: f"With `all_or_nothing`: {_NO_AUTOMATION}",
            422: "With `all_or_nothing`: an idempotency key was used before with another body.",
            429: "Too many requests of this key came; with `all_or_nothing` also: as many tasks wait as an operator "
            "allows. Nothing was stored.",
        },
    ),
    ("POST", "/api/v1/inference/csv"): Operation(
        "submitCsv",
        SUBMIT,
        "Submit the rows of a CSV file",
        {202: Answer("Each row has its own answer.", "CsvAnswer", examples.CSV_ANSWER)},
        "Row 1 has the names of parameters, and of options behind an underscore (`_priority`). At most 16 MiB and "
        "1,000 rows.",
        scope=Scope.SUBMIT,
        query=CsvQuerySerializer,
        body=Body({"type": "string"}, {"Two claims": "claim,_priority\nHM-4471,1\nHM-4472,\n"}, media_type="text/csv"),
        errors={
            404: _NO_AUTOMATION,
            422: "With `all_or_nothing`: an idempotency key was used before with another body.",
            429: "Too many requests of this key came; with `all_or_nothing` also: as many tasks wait as an operator "
            "allows. Nothing was stored.",
        },
    ),
    ("POST", "/api/v1/files"): Operation(
        "uploadFile",
        SUBMIT,
        "Upload a file for a task",
        {201: Answer("The file is kept.", "Upload", examples.UPLOAD)},
        "At most 50 MiB: the body itself, or the field `file` of a form (`multipart/form-data`). One task takes it, by "
        "`upload://<file_id>` in a parameter.",
        scope=Scope.SUBMIT,
        parameters=(
            Parameter(
                "filename",
                {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["claim.pdf"]},
                "Its name, as pages will see it. Needed when the body is the file itself; a form has the name.",
            ),
        ),
        body=Body(
            _FILE,
            {"A text": "some text"},
            media_type=ANY_BYTES,
            or_else=Body(
                {"type": "object", "properties": {"file": _FILE}, "required": ["file"]},
                {"A text": {"file": "some text"}},
                media_type=FORM,
            ),
        ),
        errors={503: "The database cannot be reached, or the disk is short."},
    ),
    ("GET", "/api/v1/tasks.csv"): Operation(
        "exportTasks",
        TASKS,
        "List tasks as a table",
        {
            200: Answer(
                "CSV with headings: fields of the task, `input.…` and `output.…`.",
                {"type": "string"},
                examples.TASKS_CSV,
                headers={
                    "Content-Disposition": "ContentDisposition",
                    "Cache-Control": "CacheControl",
                    "X-Next-Cursor": "NextCursor",
                    "X-Resume-Cursor": "ResumeCursor",
                    "Link": "Link",
                },
                media_type="text/csv",
            )
        },
        "At most 10,000 rows or 64 MiB; `X-Next-Cursor` says how to go on.",
        scope=Scope.READ,
        query=TaskExportSerializer,
        errors={503: "The database cannot be reached, the disk is short, or too many tables are being made."},
    ),
    ("GET", "/api/v1/tasks"): Operation(
        "listTasks",
        TASKS,
        "List tasks",
        {200: Answer("One page.", "TaskList", examples.TASK_LIST)},
        "Newest first. With `ended_after` in the order of their ends: what to poll instead of being called back.",
        scope=Scope.READ,
        query=TaskListSerializer,
    ),
    ("GET", "/api/v1/tasks/{task_id}"): Operation(
        "getTask",
        TASKS,
        "One task",
        {200: Answer("The task.", "Task", examples.TASK)},
        scope=Scope.READ,
        path_parameters=_TASK_ID,
        parameters=(
            Parameter(
                "wait",
                {"type": "integer", "minimum": 0, "maximum": 999_999_999, "default": 0},
                "Hold the answer until the task ends or so many seconds pass; more than 60 are 60.",
            ),
            Parameter(
                "include",
                {"type": "string", "examples": ["automation"]},
                "`automation` adds the document of its version.",
            ),
        ),
        errors={404: _NO_TASK},
    ),
    ("GET", "/api/v1/tasks/{task_id}/steps"): Operation(
        "listSteps",
        TASKS,
        "The timeline of a task",
        {200: Answer("Attempt by attempt, in order.", "StepList", examples.STEP_LIST)},
        scope=Scope.READ,
        path_parameters=_TASK_ID,
        errors={404: _NO_TASK},
    ),
    ("GET", "/api/v1/tasks/{task_id}/artifacts"): Operation(
        "listArtifacts",
        TASKS,
        "The files of a task",
        {200: Answer("Oldest first, with links that work for one hour.", "ArtifactList", examples.ARTIFACT_LIST)},
        scope=Scope.READ,
        path_parameters=_TASK_ID,
        errors={404: _NO_TASK},
    ),
    ("POST", "/api/v1/tasks/{task_id}/cancel"): Operation(
        "cancelTask",
        TASKS,
        "Cancel a task",
        {
            200: Answer(
                "It is cancelled or killed, or its worker stops it within two seconds.", "Cancelled", examples.CANCELLED
            )
        },
        "A running task is asked to stop. With `force` it has ended when the answer comes, as `killed`, whatever its "
        "worker does, also one that was asked before; an act that was begun may have happened (`outcome_unknown`).",
        scope=Scope.MANAGE,
        path_parameters=_TASK_ID,
        body=Body(CancelSerializer, {"Ask its worker": {}, "By force": {"force": True}}, is_required=False),
        errors={404: _NO_TASK, 409: "The task has ended already."},
    ),
    ("POST", "/api/v1/tasks/{task_id}/answer"): Operation(
        "answerTask",
        TASKS,
        "Answer what a task asks a person",
        {200: Answer("The task is told, or was told the same before.", "Answered", examples.ANSWERED)},
        "The task goes on, or gives up and fails.",
        scope=Scope.MANAGE,
        path_parameters=_TASK_ID,
        body=Body(AnswerSerializer, {"Go on": examples.ANSWER}),
        errors={404: _NO_TASK, 409: "The task asks nobody, was answered otherwise, or its time is over."},
    ),
    ("POST", "/api/v1/tasks/{task_id}/retry"): Operation(
        "retryTask",
        TASKS,
        "Run a task again",
        {
            202: Answer(
                "A new task with the same inputs, for the newest version.",
                "Retried",
                examples.RETRIED,
                headers={"Location": "Location"},
                links=_OF_A_TASK,
            )
        },
        scope=Scope.MANAGE,
        path_parameters=_TASK_ID,
        body=Body(
            RetrySerializer, {"As it is": {}, "Again, although it happened": {"confirm": True}}, is_required=False
        ),
        errors={
            404: "There is no such task, this key may not see it, or its automation is inactive.",
            409: "The task has not ended yet, needs review first, or was decided to have happened (then `confirm`).",
            429: _QUEUE_FULL,
        },
    ),
    ("POST", "/api/v1/tasks/{task_id}/review"): Operation(
        "reviewTask",
        TASKS,
        "Decide what became of an act",
        {200: Answer("The decision is noted, or was noted before.", "Reviewed", examples.REVIEWED)},
        "For a task that needs review: one whose commit point was begun and not seen to finish.",
        scope=Scope.MANAGE,
        path_parameters=_TASK_ID,
        body=Body(
            ReviewSerializer,
            {
                "It happened": {"decision": "happened", "note": "seen in the portal"},
                "It did not: run it again": {"decision": "did_not_happen", "retry": True},
            },
        ),
        errors={
            404: "There is no such task, this key may not see it, or (with `retry`) its automation is inactive.",
            409: "The task does not need review, or another decision was noted.",
            429: _QUEUE_FULL,
        },
    ),
    ("GET", "/api/v1/tasks/{task_id}/events"): Operation(
        "followTask",
        TASKS,
        "What happens to a task, as it happens",
        {
            200: Answer(
                "Server-sent events: `status`, `step` and `person`, each with an id. It ends after the status with "
                "which the task ends.",
                {"description": "A stream of text; see the manual."},
                examples.EVENTS,
                headers={"Cache-Control": "CacheControl"},
                media_type="text/event-stream",
            ),
            204: Answer("The task has ended, and nothing is left to tell behind the id that was sent.", None),
        },
        "From the first event on, or behind the one that `Last-Event-ID` names.",
        scope=Scope.READ,
        path_parameters=_TASK_ID,
        parameters=(
            Parameter("Last-Event-ID", _EVENT_ID, "Id of the last event that is known.", place="header"),
            Parameter("last_event_id", _EVENT_ID, "The same, for clients that cannot send the header."),
        ),
        errors={404: _NO_TASK, 503: "The database cannot be reached, or too many streams are open."},
    ),
    ("GET", "/api/v1/artifacts/{artifact_id}"): Operation(
        "getArtifact",
        TASKS,
        "The bytes of a file",
        {
            200: Answer(
                "The file, as an attachment. Its own type is in Content-Type.",
                {"type": "string", "contentMediaType": "application/octet-stream"},
                headers={"Content-Disposition": "ContentDisposition", "Cache-Control": "CacheControl"},
                media_type="*/*",
            )
        },
        "With a key, or by a link of an answer, whose `signature` works for one hour.",
        scope=Scope.READ,
        path_parameters={"artifact_id": identifier("The file's id.")},
        errors={404: "There is no such file, it is gone, or this key may not see it."},
        security=(*WITH_KEY, {"signedLink": []}),
    ),
    ("GET", "/api/v1/automations"): Operation(
        "listAutomations",
        AUTOMATIONS,
        "List automations",
        {200: Answer("The active ones that the key may use, by name.", "AutomationList", examples.AUTOMATION_LIST)},
        scope=Scope.READ,
    ),
    ("POST", "/api/v1/automations/{endpoint_name}/validate"): Operation(
        "validateAutomation",
        AUTOMATIONS,
        "Check a document",
        {200: Answer("What is wrong with it, and what the linter says.", "Validated", examples.VALIDATED)},
        "Writes nothing. At most 16 MiB.",
        scope=Scope.MANAGE,
        path_parameters=_ANY_NAME,
        body=_DOCUMENT_BODY,
        errors={404: "The name holds what no address can."},
    ),
    ("GET", "/api/v1/automations/{endpoint_name}"): Operation(
        "getAutomation",
        AUTOMATIONS,
        "One automation",
        {
            200: Answer(
                "With the document of its newest version.", "AutomationWithDocument", examples.AUTOMATION_WITH_DOCUMENT
            )
        },
        scope=Scope.READ,
        path_parameters=_NAME,
        errors={404: _NO_AUTOMATION},
    ),
    ("PUT", "/api/v1/automations/{endpoint_name}"): Operation(
        "publishAutomation",
        AUTOMATIONS,
        "Publish a document",
        {
            200: Answer("It is the newest version already.", "Published", examples.KNOWN_VERSION),
            201: Answer("A new version.", "Published", examples.PUBLISHED),
        },
        "The body is the document, of at most 16 MiB. Nothing is published of one with problems (400).",
        scope=Scope.MANAGE,
        path_parameters=_NAME,
        parameters=(Parameter("note", {"type": "string"}, "What changed."),),
        body=_DOCUMENT_BODY,
        errors={
            403: "The key lacks the scope, or has a list of automations and this one is new.",
            404: "The name holds what no address can.",
        },
    ),
    ("DELETE", "/api/v1/automations/{endpoint_name}"): Operation(
        "deactivateAutomation",
        AUTOMATIONS,
        "Deactivate an automation",
        {200: Answer("It is inactive; its tasks stay.", "Done", examples.DEACTIVATED)},
        scope=Scope.MANAGE,
        path_parameters=_NAME,
        errors={404: _NO_AUTOMATION},
    ),
    ("GET", "/api/automation.schema.json"): Operation(
        "getAutomationSchema",
        AUTOMATIONS,
        "The JSON Schema of documents",
        {
            200: Answer(
                "For editors.",
                {"type": "object"},
                headers={"Cache-Control": "CacheControl"},
                media_type="application/schema+json",
            )
        },
        security=(),
        uses_database=False,
    ),
    ("GET", "/api/v1/get_output_data"): Operation(
        "getOutputData",
        TASKS,
        "What a task extracted",
        {200: Answer("`output_data` of the task.", "OutputData", examples.OUTPUT_DATA)},
        "What existing clients call; the task object has it, too.",
        scope=Scope.READ,
        parameters=(_TASK_QUERY,),
        errors={404: _NO_TASK},
    ),
    ("GET", "/api/v1/get_downloads"): Operation(
        "getDownloads",
        TASKS,
        "What a task downloaded",
        {200: Answer("`downloads` of the task.", "Downloads", examples.DOWNLOADS)},
        "What existing clients call; the task object has it, too.",
        scope=Scope.READ,
        parameters=(_TASK_QUERY,),
        errors={404: _NO_TASK},
    ),
}

_HEALTH = Operation(
    "getHealth",
    SERVER,
    "Is the server well?",
    {
        200: Answer("It is.", "Health", examples.HEALTH),
        503: Answer(
            "The database cannot be reached, a task runs longer than its own limit, or tasks wait and no worker was "
            "seen for 60 seconds.",
            "Unhealthy",
            examples.UNHEALTHY,
            headers={"Retry-After": "RetryAfter"},
        ),
    },
    security=(),
    uses_database=False,  # what it answers without one is above
)
OPERATIONS |= {
    ("GET", "/health"): replace(_HEALTH, operation_id="getHealthShort"),
    ("GET", "/api/v1/health"): _HEALTH,
    ("GET", "/is_task_running"): Operation(
        "isTaskRunning",
        SERVER,
        "Does any task run?",
        {200: Answer("Whether one does.", {"type": "boolean"}, example=True)},
        security=(),
    ),
    ("GET", "/metrics"): Operation(
        "getMetrics",
        SERVER,
        "What the server has counted",
        {
            200: Answer(
                "Prometheus' text format.",
                {"type": "string"},
                examples.METRICS,
                headers={"Cache-Control": "CacheControl"},
                media_type="text/plain",
            )
        },
        "Programs on this machine need no key, as long as nothing was forwarded.",
        scope=Scope.READ,
        security=({}, *WITH_KEY),
    ),
    ("GET", "/api/schema"): Operation(
        "getSchema",
        SERVER,
        "This description",
        {
            200: Answer(
                "OpenAPI 3.1, in JSON.",
                {"type": "object"},
                headers={"ETag": "ETag", "Cache-Control": "CacheControl"},
            ),
            304: Answer("It is what If-None-Match names.", None, headers={"ETag": "ETag"}),
        },
        parameters=(Parameter("If-None-Match", {"type": "string"}, "An ETag of before.", place="header"),),
        security=(),
        uses_database=False,
    ),
    ("GET", "/api/docs"): Operation(
        "getDocs",
        SERVER,
        "This description as a page",
        {200: Answer("The page.", {"type": "string"}, media_type="text/html")},
        security=(),
        uses_database=False,
    ),
}
