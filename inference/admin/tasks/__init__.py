"""Tasks in the dashboard: the list, the page of one, and what can be done with them."""

from inference.admin.tasks.admin import TaskAdmin

__all__ = ["TaskAdmin"]
