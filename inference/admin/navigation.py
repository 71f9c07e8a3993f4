"""The sidebar and what the frame of every page needs. unfold calls both by their dotted path."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from inference.admin.counts import bounded, recent_counts

# One item of the sidebar, several lists behind it: they are tabs of each other.
SECTIONS = {
    "Users and roles": (("Users", "auth", "user"), ("Groups", "auth", "group")),
    "Background work": (
        ("Done", "django_q", "success"),
        ("Failed", "django_q", "failure"),
        ("Schedules", "django_q", "schedule"),
    ),
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the sidebar, with only what this user may see."""
    counts = recent_counts() if request.user.has_perm("inference.view_task") else None
    running = counts.running if counts else 0
    needs = counts.needs_you if counts else 0
    tasks = reverse("admin:inference_task_changelist")
    groups = [
        (
            "",
            [
                _item(request, "Home", "space_dashboard", reverse("admin:index"), exact=True),
                _item(
                    request,
                    "Tasks",
                    "list_alt",
                    tasks,
                    permission="inference.view_task",
                    badge=bounded(running) if running else "",
                    badge_label="running",
                    active=request.path.startswith(tasks) and not _is_needs_you(request),
                ),
                _item(
                    request,
                    "Needs you",
                    "front_hand",
                    f"{tasks}?view=needs-you",
                    permission="inference.view_task",
                    badge=bounded(needs) if needs else "",
                    badge_label="waiting",
                    state=counts.needs_you_state if counts else "",
                    active=request.path == tasks and _is_needs_you(request),
                ),
            ],
        ),
        ("Automations", [_model_item(request, "Automations", "account_tree", "inference", "automation")]),
        (
            "Access",
            [
                _model_item(request, "Keys", "vpn_key", "inference", "apikey"),
                _model_item(request, "Logins", "badge", "inference", "loginsession"),
                _section_item(request, "Users and roles", "group"),
            ],
        ),
        (
            "Server",
            [
                _model_item(request, "Workers", "dns", "inference", "workerhost"),
                _section_item(request, "Background work", "settings_suggest"),
                _model_item(request, "Audit log", "history", "inference", "auditevent"),
            ],
        ),
    ]
    return [{"title": title, "items": shown} for title, items in groups if (shown := [item for item in items if item])]


def frame_context(request: HttpRequest) -> dict[str, Any]:
    """What `admin/base.html` shows around every page."""
    user = request.user
    return {
        "environment_name": settings.SITE_ENVIRONMENT,
        "server_version": settings.VERSION,
        "user_role": "Administrator" if getattr(user, "is_superuser", False) else "Staff",
        "may_view_tasks": user.has_perm("inference.view_task"),
        "section_tabs": section_tabs(request),
    }


def section_tabs(request: HttpRequest) -> list[tuple[str, str, bool]]:
    """Title, link and whether it is the present page, on the lists that share an item of the sidebar."""
    for tabs in SECTIONS.values():
        links = [(title, link) for title, app, model in tabs if (link := _list_link(request, app, model))]
        if request.path in [link for _, link in links]:
            return [(title, link, link == request.path) for title, link in links]
    return []


def _is_needs_you(request: HttpRequest) -> bool:
    return request.GET.get("view") == "needs-you"


def _model_item(request: HttpRequest, title: str, icon: str, app: str, model: str) -> dict[str, Any] | None:
    link = _list_link(request, app, model)
    return _item(request, title, icon, link) if link else None


def _section_item(request: HttpRequest, title: str, icon: str) -> dict[str, Any] | None:
    links = [link for _, app, model in SECTIONS[title] if (link := _list_link(request, app, model))]
    if not links:
        return None
    return _item(request, title, icon, links[0], active=any(request.path.startswith(link) for link in links))


def _list_link(request: HttpRequest, app: str, model: str) -> str:
    """The address of a model's list; "" for those who may not see it."""
    if not (request.user.has_perm(f"{app}.view_{model}") or request.user.has_perm(f"{app}.change_{model}")):
        return ""
    try:
        return reverse(f"admin:{app}_{model}_changelist")
    except NoReverseMatch:  # not registered in this installation
        return ""


def _item(
    request: HttpRequest,
    title: str,
    icon: str,
    link: str,
    *,
    permission: str | None = None,
    exact: bool = False,
    active: bool | None = None,
    badge: str = "",
    badge_label: str = "",
    state: str = "",
) -> dict[str, Any] | None:
    if permission is not None and not request.user.has_perm(permission):
        return None
    if active is None:
        active = request.path == link if exact else request.path.startswith(link)
    return {
        "title": title,
        "icon": icon,
        "link": link,
        "active": active,
        "badge_text": badge,
        "badge_label": badge_label,
        "state": state,
    }
