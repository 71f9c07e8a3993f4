"""Who may do what in the dashboard: our verbs, in terms of Django's own permissions.

See (view_task), cancel, decide, pause and resume (change_task), run and retry (add_task); read automations
(view_automation), publish and switch them (change_automation), import new ones (add_automation), trust their scripts
(administrators only); see keys (view_apikey), make (add_apikey), revoke and limit them (change_apikey); see logins
(view_loginsession) and have their sessions forgotten (delete_loginsession).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from inference.services.trust import is_administrator


def may_view_tasks(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.view_task")


def may_cancel_tasks(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.change_task")


def may_pause(request: HttpRequest) -> bool:
    """The queue, an automation's tasks, a login's: whoever may stop each task may also hold them."""
    return may_cancel_tasks(request)


def may_run_tasks(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.add_task")


def may_view_automations(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.view_automation")


def may_change_automations(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.change_automation")


def may_add_automations(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.add_automation")


def may_trust_automations(request: HttpRequest) -> bool:
    """Scripts run on the server: no permission that can be handed out is enough."""
    return request.user.is_authenticated and is_administrator(request.user)


def may_view_keys(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.view_apikey")


def may_make_keys(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.add_apikey")


def may_revoke_keys(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.change_apikey")


def may_limit_keys(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.change_apikey")


def may_view_logins(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.view_loginsession")


def may_forget_sessions(request: HttpRequest) -> bool:
    return request.user.has_perm("inference.delete_loginsession")


View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def only_if(allowed: Callable[[HttpRequest], bool]) -> Callable[[View], View]:
    """Refuse the view (403) to everybody else. For methods: the request is their first argument."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(owner: object, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not allowed(request):
                raise PermissionDenied
            return view(owner, request, *args, **kwargs)

        return cast("View", guarded)

    return decorate


def task_permissions(request: HttpRequest) -> dict[str, Any]:
    """For templates: which buttons this user gets."""
    return {
        "may_cancel_tasks": may_cancel_tasks(request),
        "may_pause": may_pause(request),
        "may_run": may_run_tasks(request) and may_view_automations(request),
        "may_retry": may_run_tasks(request),
        "may_view_automations": may_view_automations(request),
    }
