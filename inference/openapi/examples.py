"""What the answers look like. A test holds each against its schema."""

from typing import Any

_ID = "01a20ca7-a37e-7b71-8a42-80e70c30098e"
_OTHER_ID = "01a20d4f-0470-7c5e-9d0b-6f1f8a4c2b11"
_NO_SUCH_NAME = "Endpoint 'claim-status' not found: no active automation of that name can be used with this key."
_FILE = {
    "filename": "HM-4471.pdf",
    "url": f"https://inference.example/api/v1/artifacts/{_OTHER_ID}?signature=1vOz3b:6m0",
}

SUBMISSION: dict[str, Any] = {
    "endpoint_name": "claims-status",
    "input_parameters": {"claim": ["HM-4471"]},
    "unique_parameter_names": ["claim"],
}
DOCUMENT: dict[str, Any] = {
    "url": "https://portal.example/claims",
    "parameters": {"input_parameters": {"claim": ["HM-4471"]}, "generated_parameters": {}},
    "nodes": [
        {
            "type": "action_node",
            "interaction_action": {
                "input_text": {"command": 'get_by_label("Claim")', "input_text": "{claim[0]}", "press_enter": True}
            },
        }
    ],
}

ACCEPTED: dict[str, Any] = {
    "success": True,
    "message": "Task has been allocated",
    "task_id": _ID,
    "duplicate": False,
}
BATCH_ANSWER: dict[str, Any] = {
    "success": False,
    "message": "1 of 2 items were accepted",
    "accepted": 1,
    "refused": 1,
    "results": [
        {"status": 202, **ACCEPTED},
        {
            "status": 404,
            "success": False,
            "message": _NO_SUCH_NAME,
            "error": _NO_SUCH_NAME,
        },
    ],
}
TASK: dict[str, Any] = {
    "task_id": _ID,
    "user_id": "7",
    "company_id": "",
    "recording_id": "3",
    "endpoint_name": "claims-status",
    "version": "4",
    "input_parameters": {"claim": ["HM-4471"]},
    "secure_parameters": {},
    "unique_parameter_names": ["claim"],
    "unique_parameters": {"claim": ["HM-4471"]},
    "created_at": "2026-11-24T11:24:10.101000+00:00",
    "allocated_at": "2026-11-24T11:24:10.113000+00:00",
    "started_at": "2026-11-24T11:24:10.140000+00:00",
    "completed_at": "2026-11-24T11:24:15.013000+00:00",
    "status": "success",
    "error": None,
    "outcome_unknown": False,
    "needs_review": False,
    "review": None,
    "retry_count": 0,
    "max_retries": 1,
    "max_timeout_in_minutes": 10,
    "is_dedicated": False,
    "max_parallelism": None,
    "per_login_parallelism": None,
    "use_proxy": False,
    "priority": None,
    "dedup_key": '{"claim":["HM-4471"]}',
    "api_key": "Ab3dE9fG",
    "save_directory": ".",
    "task_directory": _ID,
    "logs_directory": _ID,
    "downloads_directory": _ID,
    "log_file_path": None,
    "output_data": [{"claim_status": "paid"}],
    "for_loop_status": [],
    "final_screenshot": None,
    "downloads": [_FILE],
    "duration_ms": 4873,
    "attempts": [
        {
            "number": 1,
            "host": "worker-1",
            "worker": "worker-1:4711:1",
            "allocated_at": "2026-11-24T11:24:10.113000+00:00",
            "started_at": "2026-11-24T11:24:10.140000+00:00",
            "ended_at": "2026-11-24T11:24:15.013000+00:00",
            "cause": "success",
            "error": None,
        }
    ],
    "token_usage": None,
    "callback": None,
    "previous_task_id": None,
    "retried_as": None,
    "waiting_for": None,
    "waiting_for_person": None,
}
ENDED: dict[str, Any] = {**ACCEPTED, "task": TASK}
TASK_LIST: dict[str, Any] = {
    "tasks": [
        {
            name: TASK[name]
            for name in (
                *("task_id", "endpoint_name", "version", "status", "error", "outcome_unknown", "created_at"),
                *("started_at", "completed_at", "duration_ms", "priority", "dedup_key", "api_key", "previous_task_id"),
                *("needs_review", "waiting_for"),
            )
        }
    ],
    "next_cursor": None,
}
STEP_LIST: dict[str, Any] = {
    "task_id": _ID,
    "steps": [
        {
            "attempt": 1,
            "position": 0,
            "index": 0,
            "path": "nodes[0]",
            "depth": 0,
            "kind": "input_text",
            "label": "Type into “Claim”",
            "status": "success",
            "started_at": "2026-11-24T11:24:10.500000+00:00",
            "duration_ms": 120,
            "error": None,
            "url": "https://portal.example/claims",
            "locator": 'get_by_label("Claim")',
            "healed": False,
            "screenshot": _FILE["url"],
        }
    ],
}
ARTIFACT_LIST: dict[str, Any] = {
    "task_id": _ID,
    "artifacts": [
        {
            "artifact_id": _OTHER_ID,
            "attempt": 1,
            "kind": "download",
            "filename": _FILE["filename"],
            "content_type": "application/pdf",
            "size_bytes": 48211,
            "sha256": "5f2d0e1a" * 8,
            "metadata": None,
            "created_at": "2026-11-24T11:24:14.800000+00:00",
            "url": _FILE["url"],
            "removed": None,
        }
    ],
}
CANCELLED: dict[str, Any] = {"success": True, "message": "Task is cancelled", "task_id": _ID, "status": "cancelled"}
ANSWER: dict[str, Any] = {"answer": "continue", "note": "approved", "request_id": _OTHER_ID}
ANSWERED: dict[str, Any] = {
    "success": True,
    "message": "The task is told",
    "task_id": _ID,
    "status": "running",
    "answer": "continue",
    "duplicate": False,
}
RETRIED: dict[str, Any] = {**ACCEPTED, "task_id": _OTHER_ID, "previous_task_id": _ID}
REVIEWED: dict[str, Any] = {
    "success": True,
    "message": "The decision is noted",
    "task_id": _ID,
    "decision": "did_not_happen",
    "duplicate": False,
    "new_task_id": _OTHER_ID,
}
CSV_ANSWER: dict[str, Any] = {
    **BATCH_ANSWER,
    "message": "1 of 2 rows were accepted",
    "results": [{"row": number, **result} for number, result in enumerate(BATCH_ANSWER["results"], 2)],
}
UPLOAD: dict[str, Any] = {
    "success": True,
    "message": f"The file is kept: name it as upload://{_OTHER_ID} in a parameter",
    "file_id": _OTHER_ID,
    "filename": "claim.pdf",
    "size_bytes": 48211,
    "sha256": "5f2d0e1a" * 8,
    "expires_at": "2026-11-25T11:24:14.800000+00:00",
}
EVENTS = (
    "id: 4711\nevent: status\n"
    f'data: {{"task_id":"{_ID}","at":"2026-11-24T11:24:15+00:00","status":"running","cause":"worker","error":null}}\n\n'
)
TASKS_CSV = f"task_id,endpoint_name,status,input.claim\r\n{_ID},claims-status,success,HM-4471\r\n"
METRICS = (
    "# HELP optexity_tasks_queued Tasks that wait.\n# TYPE optexity_tasks_queued gauge\noptexity_tasks_queued 3.0\n"
)
OUTPUT_DATA: dict[str, Any] = {"success": True, "task_id": _ID, "output_data": [{"claim_status": "paid"}]}
DOWNLOADS: dict[str, Any] = {"success": True, "task_id": _ID, "downloads": [_FILE]}
AUTOMATION: dict[str, Any] = {
    "endpoint_name": "claims-status",
    "description": "",
    "version": 4,
    "input_parameters": ["claim"],
    "secure_parameters": [],
    "step_count": 1,
    "max_parallelism": None,
    "per_login_parallelism": None,
    "created_at": "2026-11-01T08:00:00+00:00",
    "published_at": "2026-11-20T08:00:00+00:00",
}
AUTOMATION_LIST: dict[str, Any] = {"automations": [AUTOMATION]}
AUTOMATION_WITH_DOCUMENT: dict[str, Any] = {**AUTOMATION, "automation": DOCUMENT}
PUBLISHED: dict[str, Any] = {**AUTOMATION, "success": True, "is_new_version": True, "warnings": [], "findings": []}
KNOWN_VERSION: dict[str, Any] = {**PUBLISHED, "is_new_version": False}
VALIDATED: dict[str, Any] = {
    "success": True,
    "endpoint_name": "claims-status",
    "valid": False,
    "problems": [{"path": "nodes", "message": "is required"}],
    "warnings": [],
    "findings": [],
}
DEACTIVATED: dict[str, Any] = {"success": True, "message": "The automation is inactive; its tasks stay readable."}
HEALTH: dict[str, Any] = {
    "status": "healthy",
    "task_running": True,
    "queued_tasks": 3,
    "running_tasks": 2,
    "workers": 2,
}
UNHEALTHY: dict[str, Any] = {
    "status": "unhealthy",
    "message": "The database cannot be reached: check that it runs and accepts connections.",
}
