"""What "Search or jump to" finds: pages, automations, and tasks by the end of their id."""

from django.http import HttpRequest
from django.urls import reverse

from inference.admin.navigation import sidebar
from inference.admin.permissions import may_view_automations
from inference.admin.tasks.filters import ID_TAIL_LENGTH, TaskFilter
from inference.admin.tasks.rows import task_url
from inference.admin.wording import STATE_WORDS, short_id, task_state
from inference.models import Automation, Task

FOUND_PER_KIND = 6


def jump_targets(request: HttpRequest) -> list[dict[str, str]]:
    """`{title, link, icon, hint}` in the order in which they are offered."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    targets = [
        {"title": item["title"], "link": item["link"], "icon": item["icon"], "hint": group["title"]}
        for group in sidebar(request)
        for item in group["items"]
        if text.lower() in item["title"].lower()
    ]
    if not text:
        return targets
    if may_view_automations(request):
        named = Automation.objects.filter(endpoint_name__icontains=text).order_by("-is_active", "endpoint_name")
        targets += [
            {
                "title": each.endpoint_name,
                "link": reverse("admin:inference_automation_change", args=(each.pk,)),
                "icon": "account_tree",
                "hint": "Automation" if each.is_active else "Inactive automation",
            }
            for each in named[:FOUND_PER_KIND]
        ]
    targets += [
        {
            "title": f"{task.endpoint_name} {short_id(task.id)}",
            "link": task_url(task.id),
            "icon": "list_alt",
            "hint": STATE_WORDS[task_state(task)],
        }
        for task in _tasks_by_id(text)
    ]
    searched = reverse("admin:inference_task_changelist") + TaskFilter(text=text).link()
    return [*targets, {"title": f"Tasks with “{text}”", "link": searched, "icon": "search", "hint": "Search"}]


def _tasks_by_id(text: str) -> list[Task]:
    digits = text.lower().removeprefix("…").replace("-", "")
    if len(digits) < ID_TAIL_LENGTH or not all(each in "0123456789abcdef" for each in digits):
        return []
    found = TaskFilter(text=text).matching().only("id", "endpoint_name", "status", "outcome_unknown", "review")
    return list(found.order_by("-created_at", "-id")[:FOUND_PER_KIND])
