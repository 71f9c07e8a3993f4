"""Automations in the dashboard: the list, the page of one with its editor, importing, running."""

from inference.admin.automations.admin import AutomationAdmin

__all__ = ["AutomationAdmin"]
