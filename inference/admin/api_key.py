"""Keys in the dashboard: what wants attention, making one (shown once), limiting, revoking."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.cache import cache
from django.db.models import Count, Prefetch
from django.http import Http404, HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date

from inference.admin.counts import read_counts
from inference.admin.model_admin import DashboardAdmin, person
from inference.admin.permissions import may_limit_keys, may_make_keys, may_revoke_keys, may_view_keys, only_if
from inference.admin.tasks.page import curl_command
from inference.admin.wording import Moment, ago, counted, day, number, recently
from inference.errors import InferenceError
from inference.models import ApiKey, Automation, Scope
from inference.services.api_keys import (
    LARGEST_QUEUE_LIMIT,
    LARGEST_WEIGHT,
    create_api_key,
    limit_api_key,
    revoke_api_key,
)

SHOWN_KEYS = 200
SHOWN_AUTOMATIONS = 300
EXPIRES_SOON = timedelta(days=30)
UNUSED_FOR = timedelta(days=90)
# A key gets this long to be used for the first time before its silence is worth a word.
NEW_FOR = timedelta(days=7)
# How long a sent form is remembered, so that a reload makes no second key.
FORM_SECONDS = 24 * 3600

SCOPES = {
    Scope.SUBMIT: ("Submit", "Start tasks"),
    Scope.READ: ("Read", "See tasks, steps and files"),
    Scope.MANAGE: ("Manage", "Cancel, retry, change automations"),
    Scope.WORKER: ("Worker", "Run tasks on another host"),
}
ENDS = {"90": "90 days", "365": "1 year", "never": "Never", "date": "Date"}


@dataclass(frozen=True)
class KeyRow:
    """A key in the table. `order` puts first what wants attention, last what is revoked."""

    key: ApiKey
    owner: str
    uses: str
    scopes: str
    last_used: Moment | None
    ends: str
    state: str  # colors `ends`
    attention: str
    is_dead: bool
    tasks_link: str
    revoke_link: str
    limits_link: str
    share: str
    order: int


@dataclass(frozen=True)
class KeyForm:
    """The create form as it was sent, or fresh. `ticket` is good for one key."""

    ticket: str
    name: str = ""
    scopes: Sequence[str] = (Scope.SUBMIT, Scope.READ)
    automations: Sequence[int] = ()
    ends: str = "365"
    date: str = ""
    error: str = ""


@admin.register(ApiKey)
class ApiKeyAdmin(DashboardAdmin):
    """The list is also the form; a key is never edited, only revoked."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/limits/", view(self.limits), name="inference_apikey_limits"),
            path("<int:pk>/revoke/", view(self.revoke), name="inference_apikey_revoke"),
            *super().get_urls(),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    @only_if(may_view_keys)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        return self._show(request, KeyForm(ticket=str(uuid.uuid4())))

    @only_if(may_view_keys)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        return redirect(f"{reverse('admin:inference_apikey_changelist')}#key-{self._key(object_id).pk}")

    @only_if(may_make_keys)
    @only_if(may_view_keys)
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """POST makes the key and is the only answer that ever holds it."""
        if request.method != "POST":
            return redirect(f"{reverse('admin:inference_apikey_changelist')}#create")
        form = _sent_form(request.POST)
        ends = _end(form)
        if isinstance(ends, str):
            return self._show(request, _with_error(form, ends))
        ticket = f"inference.admin.key-form.{form.ticket}"
        if not cache.add(ticket, True, FORM_SECONDS):
            messages.warning(
                request, "This form was sent before, and its key was shown then. Make another if you lost it."
            )
            return redirect("admin:inference_apikey_changelist")
        try:
            key, text = create_api_key(
                name=form.name,
                scopes=form.scopes,
                owner=person(request),
                automations=Automation.objects.filter(pk__in=form.automations),
                expires_at=ends,
                actor=person(request),
            )
        except InferenceError as error:
            cache.delete(ticket)
            return self._show(request, _with_error(form, error.message))
        return self._show(request, KeyForm(ticket=str(uuid.uuid4())), made=key, text=text)

    @only_if(may_revoke_keys)
    @only_if(may_view_keys)
    def revoke(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        key = self._key(pk)
        if request.method == "POST":
            if revoke_api_key(key=key, actor=person(request)):
                messages.success(request, f"{key.name} is revoked: calls with it are refused from now on.")
            else:
                messages.warning(request, f"{key.name} was revoked before.")
            return redirect("admin:inference_apikey_changelist")
        now = read_counts().now
        context = self.admin_site.each_context(request) | {
            "title": "Revoke",
            "crumbs": [{"title": "Keys", "link": reverse("admin:inference_apikey_changelist")}],
            "key": key,
            "last_used": ago(key.last_used_at, now) if key.last_used_at else None,
        }
        return TemplateResponse(request, "inference/keys/revoke.html", context)

    @only_if(may_limit_keys)
    @only_if(may_view_keys)
    def limits(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Its share of the workers, and how many of its tasks may wait."""
        key = self._key(pk)
        error = ""
        if request.method == "POST":
            try:
                limit_api_key(
                    key=key,
                    weight=_whole(request.POST.get("weight", "")) or 0,
                    queue_limit=_whole(request.POST.get("queue_limit", "")),
                    actor=person(request),
                )
            except InferenceError as refused:
                error = refused.message
            else:
                messages.success(request, f"Saved for {key.name}. The next claim and the next submission keep to it.")
                return redirect("admin:inference_apikey_changelist")
        context = self.admin_site.each_context(request) | {
            "title": "Share and limit",
            "crumbs": [{"title": "Keys", "link": reverse("admin:inference_apikey_changelist")}],
            "key": key,
            "error": error,
            "weight": request.POST.get("weight", key.weight),
            "queue_limit": request.POST.get("queue_limit", "" if key.queue_limit is None else key.queue_limit),
            "largest_weight": LARGEST_WEIGHT,
            "largest_queue_limit": LARGEST_QUEUE_LIMIT,
            "default_queue_limit": settings.QUEUE_LIMIT_PER_KEY,
        }
        return TemplateResponse(request, "inference/keys/limits.html", context)

    def _show(
        self, request: HttpRequest, form: KeyForm, *, made: ApiKey | None = None, text: str = ""
    ) -> HttpResponseBase:
        now = read_counts().now
        wanted = request.GET.get("q", "").replace("\x00", "").strip()[:100]
        keys = list(_keys()[: SHOWN_KEYS + 1])
        rows = sorted((_row(key, now) for key in keys[:SHOWN_KEYS]), key=lambda row: row.order)
        shown = [row for row in rows if _matches(row, wanted)]
        automations = Automation.objects.filter(is_active=True).order_by("endpoint_name")[:SHOWN_AUTOMATIONS]
        context = self.admin_site.each_context(request) | {
            "title": "Keys",
            "answer": _answer(rows),
            "rows": shown,
            "is_cut": len(keys) > SHOWN_KEYS,
            "text": wanted,
            "form": form,
            "scopes": [(value, *words, value in form.scopes) for value, words in SCOPES.items()],
            "ends": [(value, words, value == form.ends) for value, words in ENDS.items()],
            "automations": [(each, each.pk in form.automations) for each in automations],
            "may_make": may_make_keys(request),
            "may_revoke": may_revoke_keys(request),
            "may_limit": may_limit_keys(request),
            "made": made,
            "made_text": text,
            "made_curl": _ready_curl(request, made, text) if made else "",
        }
        response = TemplateResponse(request, "inference/keys/list.html", context)
        if made is not None:
            # Neither the browser's cache nor a proxy, nor the page that "Back" shows.
            response["Cache-Control"] = "no-store, private, max-age=0"
            response["Pragma"] = "no-cache"
            response["Referrer-Policy"] = "no-referrer"
        return response

    def _key(self, pk: str | int) -> ApiKey:
        text = str(pk)
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise Http404
        key = ApiKey.objects.select_related("owner").filter(pk=int(text)).first()
        if key is None:
            raise Http404
        return key


def _keys() -> Any:
    names = Prefetch("automations", Automation.objects.only("id", "endpoint_name").order_by("endpoint_name"))
    return (
        ApiKey.objects.select_related("owner")
        .prefetch_related(names)
        .defer("digest")
        .order_by("revoked_at", "name", "id")
    )


def _row(key: ApiKey, now: datetime) -> KeyRow:
    ends, state, attention = _ends(key, now)
    allowed = [each.endpoint_name for each in key.automations.all()]
    is_dead = key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now)
    return KeyRow(
        key=key,
        owner=(key.owner.get_full_name() or key.owner.get_username()) if key.owner else "no owner",
        uses=allowed[0] if len(allowed) == 1 else f"{len(allowed)} automations" if allowed else "all automations",
        scopes=", ".join(key.scopes),
        last_used=recently(key.last_used_at, now) if key.last_used_at else None,
        ends=ends,
        state=state,
        attention=attention,
        is_dead=is_dead,
        tasks_link=f"{reverse('admin:inference_task_changelist')}?key={key.pk}",
        revoke_link="" if key.revoked_at else reverse("admin:inference_apikey_revoke", args=(key.pk,)),
        limits_link="" if is_dead else reverse("admin:inference_apikey_limits", args=(key.pk,)),
        share=_share(key),
        order=2 if is_dead else 0 if attention else 1,
    )


def _share(key: ApiKey) -> str:
    """What is unusual about its share and limit; "" for nothing."""
    parts = [f"weight {key.weight}"] if key.weight != 1 else []
    if key.queue_limit is not None:
        parts.append(f"{number(key.queue_limit)} may wait")
    return ", ".join(parts)


def _ends(key: ApiKey, now: datetime) -> tuple[str, str, str]:
    """When it ends, the state that colors it, and why it wants attention ("": it does not)."""
    if key.revoked_at is not None:
        return f"Revoked {day(key.revoked_at, now).text}", "cancelled", ""
    if key.expires_at is not None and key.expires_at <= now:
        return f"Expired {day(key.expires_at, now).text}", "cancelled", ""
    if key.expires_at is not None and key.expires_at - now <= EXPIRES_SOON:
        left = max(1, (key.expires_at - now).days)
        return f"Expires in {counted(left, 'day')}", "review", "expires soon"
    ends = f"expires {day(key.expires_at, now).text}" if key.expires_at else "never expires"
    if key.last_used_at is None and now - key.created_at > NEW_FOR:
        return "Not used yet", "review", "not used yet"
    if key.last_used_at is not None and now - key.last_used_at > UNUSED_FOR:
        return f"Unused for {(now - key.last_used_at).days} days", "review", "unused"
    return ends, "", ""


def _answer(rows: Sequence[KeyRow]) -> str:
    in_use = sum(not row.is_dead for row in rows)
    wanting = sum(bool(row.attention) for row in rows)
    if not in_use:
        return "No key is in use"
    sentence = f"{counted(in_use, 'key')} in use"
    return f"{sentence}, {wanting} {'wants' if wanting == 1 else 'want'} attention" if wanting else sentence


def _matches(row: KeyRow, wanted: str) -> bool:
    text = f"{row.key.name} opx_{row.key.public_id} {row.owner}".lower()
    return wanted.lower() in text


def _whole(text: str) -> int | None:
    """A whole number as it was typed; None for nothing, 0 (which is never allowed) for anything else."""
    text = text.strip()
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _sent_form(sent: QueryDict) -> KeyForm:
    try:
        ticket = str(uuid.UUID(sent.get("ticket", "")))
    except ValueError:
        ticket = str(uuid.uuid4())
    ends = sent.get("ends", "")
    return KeyForm(
        ticket=ticket,
        name=sent.get("name", "").replace("\x00", "").strip()[:200],
        scopes=[value for value in Scope.values if value in sent.getlist("scope")],
        automations=[int(each) for each in sent.getlist("automation") if each.isascii() and each.isdigit()][
            :SHOWN_AUTOMATIONS
        ],
        ends=ends if ends in ENDS else "",
        date=sent.get("date", ""),
    )


def _with_error(form: KeyForm, error: str) -> KeyForm:
    return KeyForm(form.ticket, form.name, form.scopes, form.automations, form.ends, form.date, error)


def _end(form: KeyForm) -> datetime | str | None:
    """The expiry, None for never, or what is wrong."""
    if form.ends == "never":
        return None
    if form.ends != "date":
        return timezone.now() + timedelta(days=int(form.ends or "365"))
    try:
        chosen = parse_date(form.date)
    except ValueError:
        chosen = None
    if chosen is None:
        return "Choose the date on which it ends."
    end = timezone.make_aware(datetime(chosen.year, chosen.month, chosen.day)) + timedelta(days=1)  # noqa: DTZ001
    return end if end > timezone.now() else "Choose a date that is not over yet."


def _ready_curl(request: HttpRequest, key: ApiKey, text: str) -> str:
    """A first call that works: with an automation that the key may use, and its own example values."""
    automation = key.automations.order_by("endpoint_name").first()
    if automation is None:
        automation = (
            Automation.objects.filter(is_active=True)
            .annotate(count=Count("versions"))
            .filter(count__gt=0)
            .order_by("endpoint_name")
            .first()
        )
    version = automation.versions.first() if automation else None
    if Scope.SUBMIT not in key.scopes or automation is None or version is None:
        address = request.build_absolute_uri("/api/v1/tasks")
        return f'curl {address} \\\n  -H "x-api-key: {text}"'
    declared = version.document.get("parameters", {}).get("input_parameters", {})
    examples = {name: [str(value) for value in declared.get(name, [])] for name in version.input_names}
    return curl_command(request, {"endpoint_name": automation.endpoint_name, "input_parameters": examples}, text)
