"""django-q2's own records (schedules, deliveries, housekeeping): to look at, not to type into.

A schedule names a Python function by its path. Whoever may edit one can run anything in this server, so here they
are read only; the waiting packages (OrmQ) are pickled and not shown at all.
"""

from django.contrib import admin
from django.http import HttpRequest

# Registers its own classes when it is imported; here, so that they are replaced and not met again later.
from django_q import admin as _stock  # noqa: F401
from django_q.models import Failure, OrmQ, Schedule, Success

from inference.admin.model_admin import ReadOnlyAdmin

for model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Success)
class SuccessAdmin(ReadOnlyAdmin):
    list_display = ("name", "func", "group", "cluster", "started", "stopped")
    search_fields = ("name", "func", "group")
    show_full_result_count = False
    fields = ("name", "func", "group", "cluster", "started", "stopped", "attempt_count")

    def get_queryset(self, request: HttpRequest):  # type: ignore[no-untyped-def]  # django-q2 is not typed
        return super().get_queryset(request).filter(success=True).order_by("-stopped")


@admin.register(Failure)
class FailureAdmin(ReadOnlyAdmin):
    list_display = ("name", "func", "group", "cluster", "started", "stopped")
    search_fields = ("name", "func", "group")
    show_full_result_count = False
    fields = ("name", "func", "group", "cluster", "started", "stopped", "attempt_count")

    def get_queryset(self, request: HttpRequest):  # type: ignore[no-untyped-def]  # django-q2 is not typed
        return super().get_queryset(request).filter(success=False).order_by("-stopped")


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    list_display = ("id", "name", "func", "schedule_type", "cluster", "next_run")
    list_display_links = ("id", "name")
    search_fields = ("name", "func")
    fields = ("name", "func", "schedule_type", "minutes", "cron", "repeats", "cluster", "next_run")
