"""The views of tasks. Tasks are history: read here, changed only by services."""

import gzip
import uuid
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotModified,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.text import get_valid_filename
from django.views.decorators.http import require_POST

from inference.admin.counts import read_counts
from inference.admin.jumping import jump_targets
from inference.admin.model_admin import DashboardAdmin, person
from inference.admin.permissions import (
    may_cancel_tasks,
    may_run_tasks,
    may_view_tasks,
    only_if,
    task_permissions,
)
from inference.admin.tasks.filters import PAGE_SIZE, TaskFilter
from inference.admin.tasks.listing import list_context, live_changes
from inference.admin.tasks.page import TaskPage
from inference.admin.tasks.rows import task_url
from inference.admin.wording import counted, short_id
from inference.errors import InferenceError, NothingAskedError, NothingToDecideError
from inference.models import Artifact, CommitPoint, PersonRequest, Task
from inference.services.audit import record_audit
from inference.services.cancel import cancel_tasks, kill_tasks
from inference.services.outcomes import decide_outcome
from inference.services.people import MAX_NOTE_CHARACTERS, answer_request
from inference.services.retry import retry_task

# Pictures that a page may show in place; everything else is only ever saved.
SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})


@admin.register(Task)
class TaskAdmin(DashboardAdmin):
    """List and page are our own views; nothing of a task can be edited by hand."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("live/", view(self.list_live), name="inference_task_live"),
            path("jump/", view(self.jump), name="inference_task_jump"),
            path("cancel/", view(require_POST(self.bulk_cancel)), name="inference_task_bulk_cancel"),
            # Cacheable: only by this browser, as the view says.
            path("files/<uuid:artifact_id>/", view(self.artifact, cacheable=True), name="inference_task_artifact"),
            path("<uuid:task_id>/live/", view(self.page_live), name="inference_task_page_live"),
            path("<uuid:task_id>/step/<str:key>/", view(self.step), name="inference_task_step"),
            path("<uuid:task_id>/cancel/", view(require_POST(self.cancel)), name="inference_task_cancel"),
            path("<uuid:task_id>/kill/", view(self.kill), name="inference_task_kill"),
            path("<uuid:task_id>/answer/", view(require_POST(self.answer)), name="inference_task_answer"),
            path("<uuid:task_id>/retry/", view(self.retry), name="inference_task_retry"),
            path("<uuid:task_id>/review/", view(require_POST(self.review)), name="inference_task_review"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:
        return False

    # --- the list

    @only_if(may_view_tasks)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        wanted = TaskFilter.read(request.GET)
        context = self._context(request) | list_context(request, wanted, read_counts())
        return TemplateResponse(request, "inference/tasks/list.html", context)

    @only_if(may_view_tasks)
    def list_live(self, request: HttpRequest) -> HttpResponseBase:
        """What changed in the rows that the page shows (`ids`), and how many came after `newest`."""
        etag, changes = live_changes(
            TaskFilter.read(request.GET),
            _ids(request.GET.get("ids", "").split(","))[:PAGE_SIZE],
            request.GET.get("newest", ""),
            read_counts(),
            may_cancel=may_cancel_tasks(request),
        )
        if request.headers.get("If-None-Match") == etag:
            return HttpResponseNotModified()
        return JsonResponse(changes, headers={"ETag": etag, "Cache-Control": "private, no-cache"})

    @only_if(may_view_tasks)
    def jump(self, request: HttpRequest) -> HttpResponseBase:
        return JsonResponse({"targets": jump_targets(request)}, headers={"Cache-Control": "private, no-store"})

    @only_if(may_cancel_tasks)
    def bulk_cancel(self, request: HttpRequest) -> HttpResponseBase:
        chosen = _ids(request.POST.getlist("task"))[:PAGE_SIZE]
        count = self._cancel(request, chosen)
        if count:
            left = len(chosen) - count
            rest = f"; {counted(left, 'other')} had ended" if left else ""
            messages.success(request, f"Cancelled {counted(count, 'task')}{rest}.")
        else:
            messages.warning(request, "Nothing was cancelled: select tasks that have not ended.")
        return redirect(self._next(request))

    # --- one task

    @only_if(may_view_tasks)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        page = TaskPage(request, self._task(object_id), read_counts())
        context = self._context(request) | page.context()
        return TemplateResponse(request, "inference/tasks/page.html", context)

    @only_if(may_view_tasks)
    def page_live(self, request: HttpRequest, task_id: UUID) -> HttpResponseBase:
        """The parts of the page that move; 304 while nothing did."""
        page = TaskPage(request, self._task(task_id), read_counts())
        etag = page.etag()
        if request.headers.get("If-None-Match") == etag:
            return HttpResponseNotModified()
        context = self._permissions(request) | page.context()
        response = TemplateResponse(request, "inference/tasks/page_parts.html", context)
        response["ETag"] = etag
        response["Cache-Control"] = "private, no-cache"
        return response

    @only_if(may_view_tasks)
    def step(self, request: HttpRequest, task_id: UUID, key: str) -> HttpResponseBase:
        """One step's picture and details, for the page to put in place of another's."""
        task = self._task(task_id)
        page = TaskPage(request, task, read_counts())
        step = next((each for each in page.steps if key in (str(each.index), f"p{each.position}")), None)
        if step is None:
            raise Http404
        return TemplateResponse(request, "inference/tasks/stage.html", {"stage": page.stage(step), "task": task})

    @only_if(may_cancel_tasks)
    def cancel(self, request: HttpRequest, task_id: UUID) -> HttpResponseBase:
        task = self._task(task_id)
        if self._cancel(request, [task.id]):
            messages.success(request, f"Cancelling {task}.")
        else:
            messages.warning(request, f"{task} has ended, or was asked to stop before; nothing was changed.")
        return redirect(task_url(task.id))

    @only_if(may_cancel_tasks)
    def kill(self, request: HttpRequest, task_id: UUID) -> HttpResponseBase:
        """GET asks for confirmation, naming the task; POST ends it by force."""
        task = self._task(task_id)
        if request.method == "POST":
            if self._kill(request, task):
                messages.success(request, f"{task} is stopped by force.")
            else:
                messages.warning(request, f"{task} had ended before; nothing was changed.")
            return redirect(task_url(task.id))
        context = self._context(request) | {
            "title": "Kill",
            "crumbs": [
                {"title": "Tasks", "link": reverse("admin:inference_task_changelist")},
                {"title": str(task), "link": task_url(task.id)},
            ],
            "task": task,
            "short_id": short_id(task.id),
            "begun": [point.label or point.path for point in CommitPoint.objects.filter(task=task, finished_at=None)],
        }
        return TemplateResponse(request, "inference/tasks/kill.html", context)

    @only_if(may_cancel_tasks)
    def answer(self, request: HttpRequest, task_id: UUID) -> HttpResponseBase:
        """What a person says to the question that the page showed; never to a later one."""
        task = self._task(task_id)
        wanted, asked = request.POST.get("answer", ""), _ids([request.POST.get("request", "")])
        if wanted not in PersonRequest.ANSWERS or not asked:
            messages.error(request, "Press Continue or Give up.")
            return redirect(task_url(task.id))
        note = request.POST.get("note", "").replace("\x00", "").strip()[:MAX_NOTE_CHARACTERS]
        user = person(request)
        cause = {"kind": "user", "id": user.get_username()}
        try:
            with transaction.atomic():
                if answer_request(task_id=task.id, answer=wanted, note=note, cause=cause, request_id=asked[0]):
                    data = {"request": str(asked[0]), "answer": wanted, "note": note}
                    record_audit(actor=user, act="task.answer", target=f"task {task.id}", data=data)
        except NothingAskedError as error:
            messages.warning(request, error.message)
        else:
            messages.success(request, f"{task} goes on." if wanted == "continue" else f"{task} is given up.")
        return redirect(task_url(task.id))

    @only_if(may_run_tasks)
    def retry(self, request: HttpRequest, task_id: UUID) -> HttpResponseBase:
        """POST runs it again at once, unless something may have been sent: then a person confirms first."""
        task = self._task(task_id)
        if task.needs_review:
            messages.warning(request, "Decide first whether its act happened: it could be done twice.")
            return redirect(task_url(task.id))
        commit_points = list(CommitPoint.objects.filter(task=task))
        asks = bool(commit_points) and "confirmed" not in request.POST
        if request.method != "POST" or asks:
            context = self._context(request) | {
                "title": "Run again",
                "crumbs": [
                    {"title": "Tasks", "link": reverse("admin:inference_task_changelist")},
                    {"title": str(task), "link": task_url(task.id)},
                ],
                "task": task,
                "short_id": short_id(task.id),
                "commit_points": commit_points,
            }
            return TemplateResponse(request, "inference/tasks/retry.html", context)
        return self._run_again(request, task, is_confirmed=True)

    @only_if(may_cancel_tasks)
    def review(self, request: HttpRequest, task_id: UUID) -> HttpResponseBase:
        """What a person found out about an unknown outcome: `yes`, `no`, or `again` for what is run again, too."""
        task = self._task(task_id)
        found = request.POST.get("happened")
        happened = found == "yes"
        note = request.POST.get("note", "").replace("\x00", "").strip()[:2000]
        if found not in ("yes", "no", "again") or not note:
            messages.error(request, "Say in the note how you know; then decide.")
            return redirect(task_url(task.id))
        try:
            decided = decide_outcome(task_id=task.id, happened=happened, note=note, by=person(request))
        except NothingToDecideError as error:
            messages.warning(request, error.message)
            return redirect(task_url(task.id))
        if found == "again" and not decided.duplicate and may_run_tasks(request):
            return self._run_again(request, self._task(task_id))
        messages.success(request, "Noted: it happened." if happened else "Noted: it did not happen.")
        return redirect(task_url(task.id))

    @only_if(may_view_tasks)
    def artifact(self, request: HttpRequest, artifact_id: UUID) -> HttpResponseBase:
        """The bytes of a file. Pictures of ours are shown, everything else is saved; nothing in it can act."""
        artifact = get_object_or_404(Artifact, pk=artifact_id)
        try:
            content: File[bytes] = default_storage.open(artifact.storage_name)
        except FileNotFoundError as error:
            raise Http404("The file is no longer kept.") from error
        kinds = (Artifact.Kind.PICTURE, Artifact.Kind.SCREENSHOT)
        shown = artifact.kind in kinds and artifact.content_type in SHOWN_TYPES and "save" not in request.GET
        filename = artifact.filename
        if artifact.kind == Artifact.Kind.LOG and filename.endswith(".html.gz"):
            # A large page of a failed step, kept compressed: people want to open it.
            with content:
                content = ContentFile(gzip.decompress(content.read()))
            filename = filename.removesuffix(".gz")
        response = FileResponse(
            content,
            as_attachment=not shown,
            filename=get_valid_filename(filename) if filename.strip(". ") else "file",
            content_type=artifact.content_type if shown else "application/octet-stream",
        )
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        # A file never changes under its id; only this browser keeps it.
        response["Cache-Control"] = "private, max-age=86400, immutable"
        return response

    # --- shared

    def _cancel(self, request: HttpRequest, task_ids: Sequence[UUID]) -> int:
        user = person(request)
        with transaction.atomic():
            count = cancel_tasks(
                Task.objects.filter(pk__in=task_ids), cause={"kind": "user", "id": user.get_username()}
            )
            if count:
                target = f"task {task_ids[0]}" if len(task_ids) == 1 else counted(count, "task")
                record_audit(
                    actor=user, act="task.cancel", target=target, data={"tasks": [str(each) for each in task_ids]}
                )
        return count

    def _kill(self, request: HttpRequest, task: Task) -> int:
        user = person(request)
        with transaction.atomic():
            count = kill_tasks(Task.objects.filter(pk=task.id), cause={"kind": "user", "id": user.get_username()})
            if count:
                record_audit(actor=user, act="task.kill", target=f"task {task.id}")
        return count

    def _run_again(self, request: HttpRequest, task: Task, *, is_confirmed: bool = False) -> HttpResponseRedirect:
        user = person(request)
        try:
            with transaction.atomic():
                submission = retry_task(task=task, user=user, is_confirmed=is_confirmed)
                record_audit(
                    actor=user,
                    act="task.retry",
                    target=f"task {task.pk}",
                    data={"new_task": str(submission.task_id), "duplicate": submission.duplicate},
                )
        except InferenceError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(task_url(task.id))
        if submission.duplicate:
            messages.warning(request, "A task with the same unique values is active already; this is it.")
        else:
            messages.success(request, f"Running {task.endpoint_name} again, with the same values.")
        return HttpResponseRedirect(task_url(submission.task_id))

    def _task(self, task_id: UUID | str) -> Task:
        found = _ids([str(task_id)])
        if not found:
            raise Http404
        return get_object_or_404(
            Task.objects.select_related("automation", "version", "api_key").defer("version__document"), pk=found[0]
        )

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        context: dict[str, Any] = self.admin_site.each_context(request)
        return context | self._permissions(request)

    def _permissions(self, request: HttpRequest) -> dict[str, Any]:
        return task_permissions(request)

    def _next(self, request: HttpRequest) -> str:
        """Back to the list as it was; never to another site."""
        wanted = request.POST.get("next", "")
        safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
        return wanted if safe else reverse("admin:inference_task_changelist")


def _ids(texts: Sequence[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            continue
    return found
