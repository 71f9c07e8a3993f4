"""What the routes share that take submissions: each is counted by its outcome, and is in a trace."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from inference.telemetry import spans
from inference.telemetry.counters import counters
from inference.telemetry.families import SUBMISSIONS
from inference.views.base import ApiView


class SubmissionView(ApiView):
    """A view whose POST takes one submission, or many with an answer for each in `results`."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return super().dispatch(request, *args, **kwargs)
        match = request.resolver_match
        route = "" if match is None else f"/{match.route}"
        with spans.submission(request.META.get("HTTP_TRACEPARENT", ""), route=route) as traced:
            response = super().dispatch(request, *args, **kwargs)
            traced.answered(response.status_code)
        return response

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
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
