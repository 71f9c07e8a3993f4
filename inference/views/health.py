"""Is the server well? For load balancers, monitors and people."""

import logging

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from inference.error_handler import DATABASE_AWAY
from inference.queries import is_task_running, queue_health
from inference.views.base import OpenView

logger = logging.getLogger(__name__)


class HealthView(OpenView):
    """GET /health: 200 with the queue's numbers, 503 with what is wrong."""

    def get(self, request: Request) -> Response:
        # Answered here and not by the error handler: monitors know this body by its `status`.
        try:
            health = queue_health()
        except DATABASE_AWAY as error:
            logger.warning("the database cannot be reached", extra={"error": type(error).__qualname__})
            return _unhealthy("The database cannot be reached: check that it runs and accepts connections.")
        if health.problem is not None:
            return _unhealthy(health.problem)
        return Response(
            {
                "status": "healthy",
                "task_running": health.running > 0,
                "queued_tasks": health.queued,
                "running_tasks": health.running,
                "workers": health.workers,
            }
        )


class TaskRunningView(OpenView):
    """GET /is_task_running: `true` or `false`."""

    def get(self, request: Request) -> Response:
        return Response(is_task_running())


def _unhealthy(message: str) -> Response:
    body = {"status": "unhealthy", "message": message}
    return Response(body, status=status.HTTP_503_SERVICE_UNAVAILABLE, headers={"Retry-After": "5"})
