"""One task: its state, its timeline, its files, and how to stop it or do it again."""

from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from inference.errors import TaskEndedError
from inference.models import ApiKey, Artifact, Scope, Task, TaskStatus
from inference.queries import TaskFilter, find_task, list_ended_tasks, list_tasks, task_has_ended
from inference.serializers import (
    AnswerSerializer,
    CancelSerializer,
    Cursor,
    RetrySerializer,
    ReviewSerializer,
    TaskListSerializer,
    artifact_object,
    json_object,
    step_object,
    task_object,
    task_summaries,
)
from inference.services.audit import record_audit
from inference.services.cancel import cancel_tasks, kill_tasks
from inference.services.outcomes import DID_NOT_HAPPEN, HAPPENED, decide_outcome
from inference.services.people import answer_request
from inference.services.retry import retry_task
from inference.services.submit import cause_of
from inference.services.waiting import waiters
from inference.views.base import ApiView, api_key_of, links_of, require_key, wanted_task_id, wanted_wait


class TaskListView(ApiView):
    """GET /api/v1/tasks: newest first, or with `ended_after` in the order of their ends; in pages: `next_cursor` of
    one page is `?cursor=` of the next. In the order of ends, `resume_cursor` goes on from here at any later time."""

    scopes: ClassVar = {"GET": Scope.READ}

    def get(self, request: Request) -> Response:
        # As plain texts: of a form's fields, which a query could be, an empty filter would count as not sent, and list
        # everything. An empty cursor is where lists begin.
        query = {name: text for name, text in request.query_params.dict().items() if text or name != "cursor"}
        page = TaskListSerializer(data=query)
        page.is_valid(raise_exception=True)
        wanted = dict(page.validated_data)
        limit, cursor = wanted.pop("limit"), wanted.pop("cursor", None)
        by_end = "ended_after" in wanted or (cursor is not None and cursor.by_end)
        read = list_ended_tasks if by_end else list_tasks
        after = None if cursor is None else cursor.position
        found = read(api_key_of(request), TaskFilter(**wanted), after=after, limit=limit + 1)
        tasks = found[:limit]
        last = str(Cursor.after(tasks[-1], by_end=by_end)) if tasks else None
        answer: dict[str, Any] = {
            "tasks": task_summaries(tasks),
            "next_cursor": last if len(found) > limit else None,
        }
        if by_end:
            answer["resume_cursor"] = last or (None if cursor is None else str(cursor))
        return Response(answer)


class TaskView(ApiView):
    """GET /api/v1/tasks/{id}: the Task object; `?wait=30` holds the answer until the task has ended."""

    scopes: ClassVar = {"GET": Scope.READ}

    def get(self, request: Request, task_id: UUID) -> Response:
        task = find_task(task_id, api_key_of(request))
        seconds = wanted_wait(request)
        if seconds and not task.has_ended:
            with waiters.place():
                waiters.wait(task_id, seconds, lambda: task_has_ended(task_id))
            task = find_task(task_id, api_key_of(request))
        wants_automation = "automation" in request.query_params.get("include", "").split(",")
        return Response(task_object(task, link=links_of(request), include_automation=wants_automation))


class TaskStepsView(ApiView):
    """GET /api/v1/tasks/{id}/steps: the timeline, attempt by attempt."""

    scopes: ClassVar = {"GET": Scope.READ}

    def get(self, request: Request, task_id: UUID) -> Response:
        task = find_task(task_id, api_key_of(request))
        link = links_of(request)
        steps = [step_object(each, link=link) for each in task.steps.select_related("picture")]
        return Response({"task_id": str(task.id), "steps": steps})


class TaskArtifactsView(ApiView):
    """GET /api/v1/tasks/{id}/artifacts: its files, with links that work for an hour."""

    scopes: ClassVar = {"GET": Scope.READ}

    def get(self, request: Request, task_id: UUID) -> Response:
        task = find_task(task_id, api_key_of(request))
        link = links_of(request)
        return Response(
            {"task_id": str(task.id), "artifacts": [artifact_object(each, link=link) for each in task.artifacts.all()]}
        )


class TaskCancelView(ApiView):
    """POST /api/v1/tasks/{id}/cancel: queued, it ends at once; running, its worker stops it within two seconds, or with
    `force` it is killed at once, whatever its worker does."""

    scopes: ClassVar = {"POST": Scope.MANAGE}

    def post(self, request: Request, task_id: UUID) -> Response:
        key = api_key_of(request)
        find_task(task_id, key)
        body = CancelSerializer(data=json_object(request.data))
        body.is_valid(raise_exception=True)
        stop = self._kill if body.validated_data["force"] else self._cancel
        stopped = stop(task_id, key)
        task = find_task(task_id, key)
        if not stopped and task.has_ended:
            raise TaskEndedError(f"Task {task.id} has already ended ({task.status}): nothing is left to cancel.")
        message = _STOPPED.get(task.status, "Task is being stopped by its worker")
        return Response({"success": True, "message": message, "task_id": str(task.id), "status": task.status})

    @staticmethod
    def _cancel(task_id: UUID, key: ApiKey | None) -> int:
        return cancel_tasks(Task.objects.filter(id=task_id), cause=cause_of(api_key=key))

    @staticmethod
    def _kill(task_id: UUID, key: ApiKey | None) -> int:
        with transaction.atomic():
            killed = kill_tasks(Task.objects.filter(id=task_id), cause=cause_of(api_key=key))
            if killed:
                record_audit(actor=key or "anonymous", act="task.kill", target=f"task {task_id}")
        return killed


_STOPPED: dict[str, str] = {TaskStatus.CANCELLED: "Task is cancelled", TaskStatus.KILLED: "Task is stopped by force"}


class TaskAnswerView(ApiView):
    """POST /api/v1/tasks/{id}/answer: a person tells a waiting task to go on or to give up."""

    scopes: ClassVar = {"POST": Scope.MANAGE}

    def post(self, request: Request, task_id: UUID) -> Response:
        key = api_key_of(request)
        find_task(task_id, key)
        body = AnswerSerializer(data=json_object(request.data))
        body.is_valid(raise_exception=True)
        answered = answer_request(task_id=task_id, cause=cause_of(api_key=key), **body.validated_data)
        task = find_task(task_id, key)
        message = "The task is told" if answered else "The same was answered before"
        return Response(
            {
                "success": True,
                "message": message,
                "task_id": str(task.id),
                "status": task.status,
                "answer": body.validated_data["answer"],
                "duplicate": not answered,
            }
        )


class TaskReviewView(ApiView):
    """POST /api/v1/tasks/{id}/review: whether an act that was not seen to finish has happened; what did not may be run
    again at once."""

    scopes: ClassVar = {"POST": Scope.MANAGE}

    def post(self, request: Request, task_id: UUID) -> Response:
        key = require_key(request)
        find_task(task_id, key)
        body = ReviewSerializer(data=json_object(request.data))
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        decided = decide_outcome(task_id=task_id, by=key, **wanted)
        new_task_id = None if decided.new_task_id is None else str(decided.new_task_id)
        answer = {
            "success": True,
            "message": "The same was decided before" if decided.duplicate else "The decision is noted",
            "task_id": str(task_id),
            "decision": HAPPENED if wanted["happened"] else DID_NOT_HAPPEN,
            "duplicate": decided.duplicate,
            "new_task_id": new_task_id,
        }
        return Response(answer, headers={"Location": f"/api/v1/tasks/{new_task_id}"} if new_task_id else {})


class TaskRetryView(ApiView):
    """POST /api/v1/tasks/{id}/retry: a new task with the same inputs, linked to this one."""

    scopes: ClassVar = {"POST": Scope.MANAGE}

    def post(self, request: Request, task_id: UUID) -> Response:
        key = api_key_of(request)
        task = find_task(task_id, key)
        body = RetrySerializer(data=json_object(request.data) if request.data else {})
        body.is_valid(raise_exception=True)
        submission = retry_task(
            task=task, cause=cause_of(api_key=key), api_key=key, is_confirmed=body.validated_data["confirm"]
        )
        answer = {
            "success": True,
            "message": submission.message,
            "task_id": str(submission.task_id),
            "duplicate": submission.duplicate,
            "previous_task_id": str(task_id),
        }
        headers = {"Location": f"/api/v1/tasks/{submission.task_id}"}
        return Response(answer, status=status.HTTP_202_ACCEPTED, headers=headers)


class OutputDataView(ApiView):
    """GET /api/v1/get_output_data?task_id=: what existing clients call."""

    scopes: ClassVar = {"GET": Scope.READ}

    def get(self, request: Request) -> Response:
        task = find_task(wanted_task_id(request), api_key_of(request))
        return Response({"success": True, "task_id": str(task.id), "output_data": task.output_data})


class DownloadsView(ApiView):
    """GET /api/v1/get_downloads?task_id=: what existing clients call."""

    scopes: ClassVar = {"GET": Scope.READ}

    def get(self, request: Request) -> Response:
        task = find_task(wanted_task_id(request), api_key_of(request))
        link = links_of(request)
        downloads = [link.of(each) for each in task.artifacts.filter(kind=Artifact.Kind.DOWNLOAD, removed_at=None)]
        return Response({"success": True, "task_id": str(task.id), "downloads": downloads})
