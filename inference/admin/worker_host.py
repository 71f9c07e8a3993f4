"""Workers in the dashboard: who takes tasks, what each does, and which went silent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from inference.admin.counts import WORKER_SEEN_SECONDS, read_counts
from inference.admin.model_admin import ReadOnlyAdmin
from inference.admin.permissions import only_if
from inference.admin.tasks.rows import task_url
from inference.admin.wording import Moment, Pill, ago, counted, short_id
from inference.models import WorkerHost

SHOWN_WORKERS = 500

STATES = {
    "starting": Pill("allocated", "Starting"),
    "idle": Pill("success", "Free"),
    "busy": Pill("running", "Busy"),
    "unhealthy": Pill("review", "Unhealthy"),
}


@dataclass(frozen=True)
class WorkerRow:
    host: str
    pid: int
    pill: Pill
    browser: str
    detail: str
    task: tuple[str, str] | None
    started: Moment
    seen: Moment


def may_view_workers(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.view_workerhost")


@admin.register(WorkerHost)
class WorkerHostAdmin(ReadOnlyAdmin):
    """Workers report themselves; there is nothing to edit."""

    @only_if(may_view_workers)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        rows = worker_rows(read_counts().now)
        context = self.admin_site.each_context(request) | {"title": "Workers", "answer": _answer(rows), "rows": rows}
        return TemplateResponse(request, "inference/workers.html", context)

    @only_if(may_view_workers)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        if not WorkerHost.objects.filter(pk=object_id).exists():
            raise Http404
        return redirect("admin:inference_workerhost_changelist")


def worker_rows(now: datetime) -> list[WorkerRow]:
    found = WorkerHost.objects.order_by("host", "pid", "owner")[:SHOWN_WORKERS]
    return [_row(worker, now) for worker in found]


def _row(worker: WorkerHost, now: datetime) -> WorkerRow:
    is_silent = now - worker.seen_at > timedelta(seconds=WORKER_SEEN_SECONDS)
    pill = Pill("failed", "Not seen") if is_silent else STATES.get(worker.state, Pill("queued", worker.state))
    return WorkerRow(
        host=worker.host,
        pid=worker.pid,
        pill=pill,
        browser=worker.browser or "no browser yet",
        detail=worker.detail,
        task=(short_id(worker.task_id), task_url(worker.task_id)) if worker.task_id else None,
        started=ago(worker.started_at, now),
        seen=ago(worker.seen_at, now),
    )


def _answer(rows: list[WorkerRow]) -> str:
    alive = [row for row in rows if row.pill.state != "failed"]
    busy = sum(row.pill.state == "running" for row in rows)
    bad = sum(row.pill.state == "review" for row in rows)
    if not alive:
        return "No worker is running"
    sentence = f"{counted(len(alive), 'worker')}, {busy} busy"
    return f"{sentence}, {bad} unhealthy" if bad else sentence
