"""GET /metrics: what Prometheus asks for."""

from typing import ClassVar

from django.http import HttpResponse
from rest_framework.request import Request

from inference.authentication import is_local_peer
from inference.models import Scope
from inference.telemetry.collector import exposition
from inference.views.base import ApiView, api_key_of


class MetricsView(ApiView):
    """The state of the server and what it has counted, in Prometheus' text format. Programs on this machine need no
    key, as long as nothing was forwarded."""

    scopes: ClassVar = {"GET": Scope.READ}

    def is_open_to(self, request: Request) -> bool:
        return is_local_peer(request)

    def get(self, request: Request) -> HttpResponse:
        answer = HttpResponse(exposition(api_key_of(request)), content_type="text/plain; version=0.0.4; charset=utf-8")
        answer.headers["Cache-Control"] = "no-store"
        return answer
