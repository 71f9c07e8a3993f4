"""Choosing: options of a select, check boxes, radio buttons."""

from typing import Annotated

from automation.actions.targeted import DownloadingAction, TargetedAction
from automation.placeholders import QUOTED


class SelectOptionAction(DownloadingAction):
    """Select options by value, label or pattern (see `automation.choose_options`), of a `<select>` or of a list that
    a page has built itself."""

    select_values: Annotated[list[str] | None, QUOTED] = None


class CheckAction(TargetedAction):
    """Tick a check box or radio button."""


class UncheckAction(TargetedAction):
    """Clear a check box."""
