"""The dashboard. Importing this registers everything with Django's admin site (autodiscovery does)."""

from inference.admin import (
    accounts,
    api_key,
    audit_event,
    automations,
    background_work,
    login_session,
    queue_pause,
    tasks,
    worker_host,
)

__all__ = [
    "accounts",
    "api_key",
    "audit_event",
    "automations",
    "background_work",
    "login_session",
    "queue_pause",
    "tasks",
    "worker_host",
]
