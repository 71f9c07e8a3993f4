"""Pausing and resuming in the dashboard: the queue, an automation, a login."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from inference.admin.counts import read_counts
from inference.admin.model_admin import ReadOnlyAdmin, person
from inference.admin.permissions import may_pause, only_if
from inference.admin.tasks.rows import identity, task_url
from inference.admin.wording import Moment, Pill, moment
from inference.models import Automation, QueueLine, QueuePause, Task, TaskStatus
from inference.services.pauses import (
    MAX_REASON_CHARACTERS,
    Stoppable,
    login_of,
    of_automation,
    pause,
    resume,
    stopped_by,
    whole_queue,
)

PAUSED = Pill("review", "Paused")


@dataclass(frozen=True)
class PauseRow:
    """Something that is paused, as pages tell it."""

    key: str
    title: str
    who: str
    at: Moment
    reason: str
    link: str


@admin.register(QueuePause)
class QueuePauseAdmin(ReadOnlyAdmin):
    """No list of its own: what is paused stands on the first page, and where it holds something up."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("pause/", view(self.pause), name="inference_queuepause_pause"),
            path("resume/", view(require_POST(self.resume)), name="inference_queuepause_resume"),
            *super().get_urls(),
        ]

    @only_if(may_pause)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        return redirect("admin:index")

    @only_if(may_pause)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        return redirect("admin:index")

    @only_if(may_pause)
    def pause(self, request: HttpRequest) -> HttpResponseBase:
        """GET asks for the reason; POST stops it."""
        chosen = _chosen(request.POST if request.method == "POST" else request.GET)
        if request.method == "POST":
            reason = request.POST.get("reason", "").replace("\x00", "")
            if pause(chosen.stoppable, actor=person(request), reason=reason):
                messages.success(request, f"{_at_start(chosen.name)} is paused. What runs now goes on to its end.")
            else:
                messages.warning(request, f"{_at_start(chosen.name)} was paused before.")
            return redirect(chosen.back)
        context = self.admin_site.each_context(request) | {
            "title": "Pause",
            "chosen": chosen,
            "most_characters": MAX_REASON_CHARACTERS,
            "before": _row_of(chosen.stoppable),
        }
        return TemplateResponse(request, "inference/pause.html", context)

    @only_if(may_pause)
    def resume(self, request: HttpRequest) -> HttpResponseBase:
        row = QueuePause.objects.select_related("automation").filter(key=request.POST.get("key", "")).first()
        if row is None:
            messages.warning(request, "It was resumed before.")
        else:
            resume(stopped_by(row), actor=person(request))
            messages.success(request, f"{_at_start(_name(row))} goes on.")
        return redirect(_next(request))


@dataclass(frozen=True)
class _Chosen:
    """What somebody is about to pause, and the page that they come from."""

    stoppable: Stoppable
    name: str
    back: str
    hidden: tuple[tuple[str, str], ...] = ()


def _chosen(asked: QueryDict) -> _Chosen:
    """`automation=<id>`, `task=<id>` for the login of a task, or nothing for the whole queue."""
    if pk := asked.get("automation", ""):
        if not (pk.isascii() and pk.isdigit() and len(pk) < 19):
            raise Http404
        automation = get_object_or_404(Automation, pk=int(pk))
        back = reverse("admin:inference_automation_change", args=(automation.pk,))
        return _Chosen(of_automation(automation), automation.endpoint_name, back, (("automation", pk),))
    if task_id := asked.get("task", ""):
        try:
            task = get_object_or_404(Task.objects.select_related("automation"), pk=uuid.UUID(task_id))
        except ValueError:
            raise Http404 from None
        name = f"the login {identity(task)} of {task.endpoint_name}"
        return _Chosen(login_of(task), name, task_url(task.id), (("task", task_id),))
    return _Chosen(whole_queue(), "the queue", reverse("admin:index"))


def paused_rows(now: datetime, *, keys: Sequence[str] | None = None) -> list[PauseRow]:
    """What is paused, the queue first, then the longest; of `keys`, or everything."""
    found = QueuePause.objects.select_related("automation")
    if keys is not None:
        found = found.filter(key__in=keys)
    return [_row(each, now) for each in sorted(found, key=lambda row: row.key != QueuePause.QUEUE)]


def pause_url(**what: str) -> str:
    """Where to pause `automation=` or the login of `task=`."""
    return f"{reverse('admin:inference_queuepause_pause')}?{urlencode(what)}"


def _row_of(stoppable: Stoppable) -> PauseRow | None:
    rows = paused_rows(read_counts().now, keys=[stoppable.key])
    return rows[0] if rows else None


def _row(row: QueuePause, now: datetime) -> PauseRow:
    link = reverse("admin:inference_automation_change", args=(row.automation_id,)) if row.automation_id else ""
    title = f"{_at_start(_name(row))} is paused"
    return PauseRow(row.key, title, row.paused_by, moment(row.paused_at, now), row.reason, link)


def _name(row: QueuePause) -> str:
    """`the queue`, an endpoint's name, or `the login …`, with its values from a task that waits for it."""
    if row.automation is None:
        return "the queue"
    if not row.login:
        return row.automation.endpoint_name
    lines = QueueLine.objects.filter(automation=row.automation, login__startswith=row.login).values("pk")
    waiting = Task.objects.filter(status=TaskStatus.QUEUED, is_delayed=False, line_id__in=lines).first()
    who = identity(waiting) if waiting else ""
    return f"the login {who or row.login[:8] + '…'} of {row.automation.endpoint_name}"


def _at_start(name: str) -> str:
    """A name at the start of a sentence; endpoints are written as they are."""
    return f"The {name[4:]}" if name.startswith(("the queue", "the login ")) else name


def _next(request: HttpRequest) -> str:
    """Back to where the button was; never to another site."""
    wanted = request.POST.get("next", "")
    is_safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_safe else reverse("admin:index")
