"""The audit log in the dashboard: read, found in, never changed."""

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode

from inference.admin.counts import read_counts
from inference.admin.model_admin import ReadOnlyAdmin
from inference.admin.permissions import only_if
from inference.admin.wording import Moment, ago
from inference.models import AuditEvent

PAGE_SIZE = 50
# Words are looked for in so many of the newest events.
TEXT_WINDOW = 20_000

ACTS = {
    "housekeeping.prune": "removed",
    "key.create": "made a key",
    "key.revoke": "revoked a key",
    "key.limits": "set share and limit of",
    "login.forget": "had the session forgotten of",
    "automation.publish": "published",
    "automation.deactivate": "deactivated",
    "automation.activate": "activated",
    "automation.limits": "set limits of",
    "automation.trust": "trusted the scripts of",
    "automation.distrust": "took back trust in the scripts of",
    "automation.pause": "paused",
    "automation.resume": "resumed",
    "login.pause": "paused",
    "login.resume": "resumed",
    "queue.pause": "paused",
    "queue.resume": "resumed",
    "task.answer": "answered",
    "task.cancel": "cancelled",
    "task.kill": "stopped by force",
    "task.retry": "ran again",
    "task.run": "ran",
    "task.review": "decided about",
}


@dataclass(frozen=True)
class EventRow:
    at: Moment
    actor: str
    act: str
    words: str
    target: str
    data: str
    is_report: bool  # its data says what was done, and is read whole


def may_view_audit(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.view_auditevent")


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Append-only, here as in the database."""

    @only_if(may_view_audit)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
        before = request.GET.get("before", "")
        events = AuditEvent.objects.order_by("-id")
        if text:
            newest = AuditEvent.objects.order_by("-id").values("pk")[:TEXT_WINDOW]
            words = Q(actor__icontains=text) | Q(act__icontains=text) | Q(target__icontains=text)
            events = events.filter(words, pk__in=newest)
        if before.isascii() and before.isdigit() and len(before) < 19:
            events = events.filter(pk__lt=int(before))
        found = list(events[: PAGE_SIZE + 1])
        now = read_counts().now
        older = _older(found, text)
        context = self.admin_site.each_context(request) | {
            "title": "Audit log",
            "answer": f"Acts with “{text}”"
            if text
            else "What people and keys did"
            if found
            else "Nothing was done yet",
            "rows": [_row(event, now) for event in found[:PAGE_SIZE]],
            "text": text,
            "older_link": f"?{older}" if older else "",
            "first_link": "?" + urlencode({"q": text}) if text else "?",
            "is_first": not before,
            "kept_days": settings.RETENTION_AUDIT_DAYS,
        }
        return TemplateResponse(request, "inference/audit.html", context)

    @only_if(may_view_audit)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        return redirect("admin:inference_auditevent_changelist")


def _older(found: list[AuditEvent], text: str) -> str:
    if len(found) <= PAGE_SIZE:
        return ""
    parameters = [("before", str(found[PAGE_SIZE - 1].pk))] + ([("q", text)] if text else [])
    return urlencode(parameters)


def _row(event: AuditEvent, now: Any) -> EventRow:
    return EventRow(
        at=ago(event.at, now),
        actor=event.actor,
        act=event.act,
        words=ACTS.get(event.act, event.act),
        target=event.target,
        data=", ".join(f"{name}: {_text(value)}" for name, value in event.data.items() if value not in (None, [], ""))
        if isinstance(event.data, dict)
        else "",
        is_report=event.act == "housekeeping.prune",
    )


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:199]}…"
