"""What our admin classes share: the border to unfold, which has no types, and who is asking."""

from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin


class DashboardAdmin(ModelAdmin):  # type: ignore[misc]
    """unfold's ModelAdmin at the full width of our pages."""

    list_fullwidth = True


class ReadOnlyAdmin(DashboardAdmin):
    """No add, no change, no deletion on Django's own pages, whatever the permissions say."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def person(request: HttpRequest) -> User:
    """Who is signed in; `admin_view` lets nobody else reach our views."""
    if not isinstance(request.user, User):
        raise TypeError("a view of the dashboard was called without a signed-in person")
    return request.user
