"""POST /inference and POST /api/v1/inference."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, ClassVar

from django.conf import settings
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from inference.authentication import is_anonymous_local
from inference.models import ApiKey, Scope, Task
from inference.queries import find_task_or_none, task_has_ended
from inference.serializers import SubmissionSerializer, json_object, submission_object, task_object
from inference.services.submit import Submission, submit_task
from inference.services.waiting import waiters
from inference.views.base import api_key_of, links_of, preferred_wait
from inference.views.submissions import SubmissionView


class InferenceView(SubmissionView):
    """Take one task and answer before it runs; with `Prefer: wait=N`, when it has ended."""

    scopes: ClassVar = {"POST": Scope.SUBMIT}
    # The seed's local endpoint needs no key, under the conditions of `is_anonymous_local`.
    allows_anonymous_local = False

    @property
    def body_max_bytes(self) -> int:  # type: ignore[override]  # a class attribute elsewhere, a setting here
        return settings.INFERENCE_BODY_MAX_BYTES

    def is_open_to(self, request: Request) -> bool:
        return self.allows_anonymous_local and is_anonymous_local(request)

    def post(self, request: Request) -> Response:
        body = SubmissionSerializer(
            data=json_object(request.data), context={"idempotency_header": idempotency_header(request.META)}
        )
        body.is_valid(raise_exception=True)
        seconds = preferred_wait(request)
        warnings = list(body.warnings)
        if seconds and not _may_read(request):
            seconds = 0
            warnings.append("Prefer: wait was not applied: the API key lacks the 'read' scope")
        # A place to wait is taken first: a client that is refused one has not left a task behind.
        with waiters.place() if seconds else nullcontext():
            submission = submit_task(**body.validated_data, api_key=api_key_of(request))
            answer = submission_object(submission, warnings)
            ended = _wait(submission, seconds, api_key_of(request)) if seconds else None
        if ended is None:
            return Response(answer, status=status.HTTP_202_ACCEPTED, headers=_location(submission))
        answer["task"] = task_object(ended, link=links_of(request))
        return Response(answer, headers=_location(submission) | {"Preference-Applied": "wait"})


def _wait(submission: Submission, seconds: int, key: ApiKey | None) -> Task | None:
    """The task once it has ended; None when it has not in time, or is gone (a repeated request may name it still)."""
    if waiters.wait(submission.task_id, seconds, lambda: task_has_ended(submission.task_id)):
        return find_task_or_none(submission.task_id, key)
    return None


def _location(submission: Submission) -> dict[str, str]:
    return {"Location": f"/api/v1/tasks/{submission.task_id}"}


def _may_read(request: Request) -> bool:
    key = api_key_of(request)
    return key is None or Scope.READ in key.scopes


def idempotency_header(environ: Mapping[str, Any]) -> str | None:
    """The header Idempotency-Key as the client meant it."""
    text: str | None = environ.get("HTTP_IDEMPOTENCY_KEY")
    if text is None:
        return None
    try:  # WSGI hands bytes over as Latin-1; clients write UTF-8
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text
