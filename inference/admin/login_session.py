"""Logins in the dashboard: their queues, what is stored for them, and how it is forgotten."""

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from inference.admin.counts import read_counts
from inference.admin.login_rows import SHOWN_LOGINS, answer, login_rows, name_of, stored_sessions
from inference.admin.model_admin import ReadOnlyAdmin, person
from inference.admin.permissions import may_forget_sessions, may_pause, may_view_logins, may_view_tasks, only_if
from inference.admin.wording import ago
from inference.models import LoginSession
from inference.services.login_sessions import forget_session


@admin.register(LoginSession)
class LoginSessionAdmin(ReadOnlyAdmin):
    """Sessions are written by workers. People see that they are there, and may have them forgotten.

    Django's own page would delete without leaving a mark or an entry in the audit log.
    """

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/forget/", view(self.forget), name="inference_loginsession_forget"),
            *super().get_urls(),
        ]

    @only_if(may_view_logins)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        wanted = request.GET.get("q", "").replace("\x00", "").strip()[:100].lower()
        rows = login_rows(read_counts().now, shows_values=may_view_tasks(request))
        shown = [row for row in rows if wanted in f"{row.name} {row.automation}".lower()]
        context = self.admin_site.each_context(request) | {
            "title": "Logins",
            "answer": answer(rows),
            "rows": shown[:SHOWN_LOGINS],
            "is_cut": len(rows) > SHOWN_LOGINS,
            "shown_logins": SHOWN_LOGINS,
            "text": wanted,
            "may_forget": may_forget_sessions(request),
            "may_pause": may_pause(request),
        }
        return TemplateResponse(request, "inference/logins/list.html", context)

    @only_if(may_view_logins)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        return redirect("admin:inference_loginsession_changelist")

    @only_if(may_forget_sessions)
    @only_if(may_view_logins)
    def forget(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """GET asks; POST has the stored session forgotten."""
        session = stored_sessions().select_related("automation").filter(pk=pk).first()
        if request.method == "POST":
            if session is not None and forget_session(session=session, actor=person(request)):
                messages.success(request, "The session is forgotten. The next task of the login signs in anew.")
            else:
                messages.warning(request, "There is no stored session any more.")
            return redirect("admin:inference_loginsession_changelist")
        if session is None:
            raise Http404
        context = self.admin_site.each_context(request) | {
            "title": "Forget a session",
            "crumbs": [{"title": "Logins", "link": reverse("admin:inference_loginsession_changelist")}],
            "name": name_of(session, shows_values=may_view_tasks(request)),
            "session": session,
            "saved": ago(session.saved_at, read_counts().now),
        }
        return TemplateResponse(request, "inference/logins/forget.html", context)
