"""What the routes share that take submissions: each one is counted by its outcome."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from inference.telemetry.counters import counters
from inference.telemetry.families import SUBMISSIONS
from inference.views.base import ApiView


class SubmissionView(ApiView):
    """A view whose POST takes one submission, or many with an answer for each in `results`."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        if request.method == "POST":
            self._count(response)
        return super().finalize_response(request, response, *args, **kwargs)

    @staticmethod
    def _count(response: Response) -> None:
        answer = response.data
        for each in answer.get("results", [answer]):
            status = each.get("status", response.status_code)
            outcome = "refused" if not each["success"] else "duplicate" if each["duplicate"] else "accepted"
            counters.count(SUBMISSIONS, outcome, str(status))
