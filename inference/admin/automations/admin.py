"""The views of automations. Documents change only by becoming a new version; services write."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import get_valid_filename
from django.views.decorators.http import require_POST

from automation import load
from inference.admin.automations.documents import Draft, draft_of, findings_from, pretty, read_draft
from inference.admin.automations.listing import (
    PAGE_SIZE,
    automation_rows,
    dots,
    health_pill,
    list_answer,
    read_runs,
)
from inference.admin.automations.running import RunForm, empty_form, run, sent_form
from inference.admin.counts import read_counts
from inference.admin.durations import usual_durations
from inference.admin.model_admin import DashboardAdmin, person
from inference.admin.permissions import (
    may_add_automations,
    may_change_automations,
    may_run_tasks,
    may_trust_automations,
    may_view_automations,
    only_if,
    task_permissions,
)
from inference.admin.queue_pause import pause_url, paused_rows
from inference.admin.tasks.page import curl_command
from inference.admin.tasks.rows import task_url
from inference.admin.wording import ago, counted, day, first_line, number, spoken_duration
from inference.errors import InferenceError
from inference.models import Automation, AutomationVersion, Task
from inference.queue_state import automation_key
from inference.services.audit import record_audit
from inference.services.publish import deactivate_automation, publish_automation
from inference.services.submit import Submission
from inference.services.trust import may_run_scripts, script_digests, trust_automation

SHOWN_VERSIONS = 12
LARGEST_LIMITS = {"max_parallelism": 10_000, "per_login_parallelism": 10_000, "queue_limit": 1_000_000}

EMPTY_DOCUMENT: dict[str, Any] = {
    "url": "https://example.com/",
    "parameters": {"input_parameters": {}, "generated_parameters": {}},
    "nodes": [],
}


@admin.register(Automation)
class AutomationAdmin(DashboardAdmin):
    """List, page and import form are our own views."""

    search_fields = ("endpoint_name",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/check/", view(require_POST(self.check_draft)), name="inference_automation_check"),
            path("<int:pk>/publish/", view(require_POST(self.publish)), name="inference_automation_publish"),
            path("<int:pk>/run/", view(require_POST(self.run)), name="inference_automation_run"),
            path("<int:pk>/switch/", view(require_POST(self.switch)), name="inference_automation_switch"),
            path("<int:pk>/trust/", view(require_POST(self.trust)), name="inference_automation_trust"),
            path("<int:pk>/limits/", view(require_POST(self.limits)), name="inference_automation_limits"),
            path("<int:pk>/document/", view(self.download), name="inference_automation_document"),
            *super().get_urls(),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: Automation | None = None) -> bool:
        return False

    # --- list and import

    @only_if(may_view_automations)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
        found = Automation.objects.order_by("-is_active", "endpoint_name", "-id")
        if text:
            found = found.filter(endpoint_name__icontains=text)
        shown = list(found[: PAGE_SIZE + 1])
        rows = automation_rows(shown[:PAGE_SIZE], read_counts().now)
        context = self._context(request) | {
            "title": "Automations",
            "answer": list_answer(rows) if not text else f"Automations with “{text}”",
            "rows": rows,
            "text": text,
            "is_cut": len(shown) > PAGE_SIZE,
        }
        return TemplateResponse(request, "inference/automations/list.html", context)

    @only_if(may_add_automations)
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Paste or upload a document; "Check" writes nothing."""
        name, note, draft = "", "", draft_of(EMPTY_DOCUMENT)
        name_error = ""
        if request.method == "POST":
            name = request.POST.get("endpoint_name", "").strip()
            note = _clean(request.POST.get("note"))
            draft = read_draft(request.POST.get("document", ""), request.FILES.get("file"))
            if "publish" in request.POST and not draft.errors:
                version, draft, name_error = self._publish(request, name, note, draft)
                if version is not None:
                    messages.success(request, f"{name} is ready, as version {version.number}.")
                    return redirect(_page(version.automation_id))
        context = self._context(request) | {
            "title": "Import",
            "crumbs": [{"title": "Automations", "link": reverse("admin:inference_automation_changelist")}],
            "name": name,
            "note": note,
            "name_error": name_error,
            "draft": draft,
            "was_checked": request.method == "POST",
            "bad_lines": _lines(draft),
        }
        return TemplateResponse(request, "inference/automations/import.html", context)

    # --- one automation

    @only_if(may_view_automations)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        automation = self._automation(object_id)
        return self._show(request, automation)

    @only_if(may_change_automations)
    def check_draft(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        automation = self._automation(pk)
        draft = read_draft(request.POST.get("document", ""), request.FILES.get("file"))
        return self._show(request, automation, draft=draft, note=_clean(request.POST.get("note")))

    @only_if(may_change_automations)
    def publish(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        automation = self._automation(pk)
        note = _clean(request.POST.get("note"))
        draft = read_draft(request.POST.get("document", ""), request.FILES.get("file"))
        if not automation.is_active:
            messages.error(request, "It is inactive: activate it before publishing a version.")
            return self._show(request, automation, draft=draft, note=note)
        if not draft.errors:
            before = automation.versions.values_list("number", flat=True).first()
            version, draft, _ = self._publish(request, automation.endpoint_name, note, draft)
            if version is not None:
                if version.number == before:
                    messages.info(request, f"Nothing changed: this is version {version.number} already.")
                else:
                    messages.success(request, f"Version {version.number} is live. Tasks sent from now on use it.")
                    if automation.is_trusted and not version.automation.is_trusted:
                        messages.warning(request, "Its scripts changed: an administrator has to trust them again.")
                return redirect(_page(automation.pk))
        return self._show(request, automation, draft=draft, note=note)

    @only_if(may_run_tasks)
    @only_if(may_view_automations)
    def run(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        automation = self._automation(pk)
        version = self._newest(automation)
        try:
            with transaction.atomic():
                outcome = run(request, version, request.user)
                if isinstance(outcome, Submission):
                    record_audit(
                        actor=person(request),
                        act="task.run",
                        target=automation.endpoint_name,
                        data={"task": str(outcome.task_id), "duplicate": outcome.duplicate},
                    )
        except InferenceError as error:
            outcome = {"values": error.message}
        if not isinstance(outcome, Submission):
            form = sent_form(version, request.POST, outcome)
            return self._show(request, automation, form=form)
        if outcome.duplicate:
            messages.warning(request, "A task with the same unique values is active already; this is it.")
        else:
            messages.success(request, f"{automation.endpoint_name} is in the queue.")
        return redirect(task_url(outcome.task_id))

    @only_if(may_change_automations)
    def switch(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Activate or deactivate."""
        automation = self._automation(pk)
        if request.POST.get("to") == "inactive":
            if deactivate_automation(automation=automation, actor=person(request)):
                messages.success(
                    request,
                    f"{automation.endpoint_name} is inactive: new submissions are answered 404. Its tasks stay.",
                )
        elif self._activate(request, automation):
            messages.success(request, f"{automation.endpoint_name} is active again.")
        else:
            messages.error(request, f"Another active automation is named {automation.endpoint_name}.")
        return redirect(_page(automation.pk))

    @only_if(may_trust_automations)
    def trust(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Let the scripts of the version that was shown run, or no script anymore."""
        automation = self._automation(pk)
        number = request.POST.get("version", "")
        try:
            trust_automation(
                automation=automation,
                is_trusted=request.POST.get("to") == "trusted",
                actor=person(request),
                reviewed_version=int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None,
            )
        except InferenceError as error:
            messages.error(request, error.message)
        else:
            words = "may run" if automation.is_trusted else "may not run anymore"
            messages.success(request, f"The scripts of {automation.endpoint_name} {words}.")
        return redirect(_page(automation.pk))

    @only_if(may_change_automations)
    def limits(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Description, and how many may run at once and wait."""
        automation = self._automation(pk)
        values: dict[str, int | None] = {}
        for name, largest in LARGEST_LIMITS.items():
            text = request.POST.get(name, "").strip()
            if text and not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= largest):
                messages.error(request, f"Give a whole number from 1 to {number(largest)}, or leave the limit empty.")
                return redirect(_page(automation.pk))
            values[name] = int(text) if text else None
        description = _clean(request.POST.get("description"), 2000)
        with transaction.atomic():
            Automation.objects.filter(pk=automation.pk).update(description=description, **values)
            record_audit(actor=person(request), act="automation.limits", target=automation.endpoint_name, data=values)
        messages.success(request, "Saved. The next claim keeps to it.")
        return redirect(_page(automation.pk))

    @only_if(may_view_automations)
    def download(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The document of a version as a file."""
        automation = self._automation(pk)
        version = self._version(request, automation) or self._newest(automation)
        name = get_valid_filename(f"{automation.endpoint_name[:80]}-v{version.number}.json".lstrip("."))
        return HttpResponse(
            pretty(version.document),
            content_type="application/json",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "private, no-cache",
            },
        )

    # --- shared

    def _show(
        self,
        request: HttpRequest,
        automation: Automation,
        *,
        draft: Draft | None = None,
        note: str = "",
        form: RunForm | None = None,
    ) -> HttpResponseBase:
        counts = read_counts()
        paused = paused_rows(counts.now, keys=[automation_key(automation.pk)])
        runs = read_runs([automation.pk])[automation.pk]
        drawn, width, label = dots(runs.states)
        versions = list(
            automation.versions.select_related("author").defer("document", "input_names")[: SHOWN_VERSIONS + 1]
        )
        newest = automation.versions.select_related("automation").first()
        chosen = self._version(request, automation) or newest
        source = self._source(request, automation)
        usual = usual_durations([automation.pk]).get(automation.pk)
        if draft is None:
            draft = draft_of(chosen.document) if chosen else draft_of(EMPTY_DOCUMENT)
            is_checked = False
        else:
            is_checked = True
        if form is None and newest is not None:
            form = empty_form(newest, source)
        context = self._context(request) | {
            "title": automation.endpoint_name,
            "crumbs": [{"title": "Automations", "link": reverse("admin:inference_automation_changelist")}],
            "automation": automation,
            "pill": health_pill(automation, runs, is_paused=bool(paused)),
            "paused": paused[0] if paused else None,
            "pause_url": pause_url(automation=str(automation.pk)),
            "newest": newest,
            "chosen": chosen,
            "is_old": chosen is not None and newest is not None and chosen.number != newest.number,
            "next_number": (newest.number if newest else 0) + 1,
            "versions": [
                (each, day(each.created_at, counts.now), first_line(each.note, 80), _author(each)) for each in versions
            ][:SHOWN_VERSIONS],
            "more_versions": len(versions) > SHOWN_VERSIONS,
            "draft": draft,
            "was_checked": is_checked,
            "bad_lines": _lines(draft),
            "note": note,
            "form": form,
            "source": source,
            "runs": runs,
            "runs_words": f"of the last {counted(len(runs.ended), 'run')}" if runs.ended else "",
            "last_run": ago(runs.newest, counts.now) if runs.newest else None,
            "dots": drawn,
            "dots_width": width,
            "dots_label": label,
            "usual": spoken_duration(usual.median) if usual else "",
            "runs_link": f"{reverse('admin:inference_task_changelist')}?automation={automation.pk}",
            "curl": self._curl(request, automation, newest),
            "scripts": _scripts(automation, newest),
            "may_trust": may_trust_automations(request),
            "default_queue_limit": settings.QUEUE_LIMIT_PER_AUTOMATION,
        }
        return TemplateResponse(request, "inference/automations/page.html", context)

    def _publish(
        self, request: HttpRequest, name: str, note: str, draft: Draft
    ) -> tuple[AutomationVersion | None, Draft, str]:
        """The version, or the draft with what the service found, and what is wrong with the name."""
        try:
            version = publish_automation(document=draft.document, endpoint_name=name, author=person(request), note=note)
        except InferenceError as error:
            errors = dict(error.errors or {"": [error.message]})
            name_error = "; ".join(errors.pop("endpoint_name", []))
            return None, Draft(draft.text, draft.document, findings_from(errors, draft.text)), name_error
        return version, draft, ""

    def _activate(self, request: HttpRequest, automation: Automation) -> bool:
        try:
            with transaction.atomic():
                taken = Automation.objects.filter(endpoint_name=automation.endpoint_name, is_active=True)
                if taken.exclude(pk=automation.pk).exists():
                    return False
                if Automation.objects.filter(pk=automation.pk, is_active=False).update(is_active=True):
                    record_audit(actor=person(request), act="automation.activate", target=automation.endpoint_name)
        except IntegrityError:  # somebody took the name in between
            return False
        return True

    def _automation(self, pk: str | int) -> Automation:
        text = str(pk)
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise Http404
        return get_object_or_404(Automation, pk=int(text))

    def _newest(self, automation: Automation) -> AutomationVersion:
        version = automation.versions.select_related("automation").first()
        if version is None:
            raise Http404("It has no version yet.")
        return version

    def _version(self, request: HttpRequest, automation: Automation) -> AutomationVersion | None:
        text = request.GET.get("version", "")
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            return None
        return automation.versions.filter(number=int(text)).first()

    def _source(self, request: HttpRequest, automation: Automation) -> Task | None:
        """The task whose values are to be changed and run again."""
        try:
            task_id = UUID(request.GET.get("from", ""))
        except ValueError:
            return None
        return Task.objects.filter(pk=task_id, automation=automation).first()

    def _curl(self, request: HttpRequest, automation: Automation, version: AutomationVersion | None) -> str:
        names = version.input_names if version else []
        declared = version.document.get("parameters", {}).get("input_parameters", {}) if version else {}
        examples = {name: [str(value) for value in declared.get(name, [])] for name in names}
        return curl_command(request, {"endpoint_name": automation.endpoint_name, "input_parameters": examples})

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        context: dict[str, Any] = self.admin_site.each_context(request)
        return (
            context
            | task_permissions(request)
            | {"may_change": may_change_automations(request), "may_add": may_add_automations(request)}
        )


def _page(pk: int) -> str:
    return reverse("admin:inference_automation_change", args=(pk,))


def _scripts(automation: Automation, newest: AutomationVersion | None) -> dict[str, Any] | None:
    """For the card about scripts; None where there is nothing to decide."""
    if newest is None or not (settings.ALLOW_SCRIPTS or automation.is_trusted):
        return None
    document = load(newest.document)
    count = len(script_digests(document))
    if count == 0 and not automation.is_trusted:
        return None
    return {
        "count": counted(count, "script"),
        "is_trusted": may_run_scripts(automation, document),
        "are_allowed": settings.ALLOW_SCRIPTS,
    }


def _author(version: AutomationVersion) -> str:
    author = version.author
    return (author.get_full_name() or author.get_username()) if author else "the API"


def _lines(draft: Draft) -> str:
    """`86:failed 79:review`, for the gutter."""
    return " ".join(f"{finding.line}:{finding.state}" for finding in draft.findings if finding.line is not None)


def _clean(text: str | None, limit: int = 500) -> str:
    return (text or "").replace("\x00", "").strip()[:limit]
