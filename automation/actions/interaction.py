"""The wrapper of all interactions: exactly one of them, and how often the element is tried."""

from typing import Any

from automation.actions.agentic import AgenticTaskAction, CloseOverlayPopupAction
from automation.actions.choice import CheckAction, SelectOptionAction, UncheckAction
from automation.actions.files import DownloadFileAction, DownloadUrlAsPdfAction, UploadFileAction
from automation.actions.navigation import (
    CloseAllButLastTabAction,
    CloseCurrentTabAction,
    CloseTabsUntilAction,
    GoBackAction,
    GoToUrlAction,
    SwitchTabAction,
)
from automation.actions.pointer import ClickElementAction, DragToAction, HoverAction, ScrollAction
from automation.actions.text import InputTextAction, KeyPressAction
from automation.element import OneOf

# With no tries and no model to fall back on, nothing at all would happen.
TRIES_WITHOUT_PROMPT = 5


class InteractionAction(OneOf):
    """One interaction. `max_timeout_seconds_per_try` bounds each call of a try, and the pause between tries."""

    max_tries: int = 10
    max_timeout_seconds_per_try: float = 1.0
    verify_before_step: bool = True

    click_element: ClickElementAction | None = None
    input_text: InputTextAction | None = None
    select_option: SelectOptionAction | None = None
    check: CheckAction | None = None
    uncheck: UncheckAction | None = None
    hover: HoverAction | None = None
    drag_to: DragToAction | None = None
    upload_file: UploadFileAction | None = None
    key_press: KeyPressAction | None = None
    scroll: ScrollAction | None = None
    go_to_url: GoToUrlAction | None = None
    go_back: GoBackAction | None = None
    switch_tab: SwitchTabAction | None = None
    close_current_tab: CloseCurrentTabAction | None = None
    close_all_but_last_tab: CloseAllButLastTabAction | None = None
    close_tabs_until: CloseTabsUntilAction | None = None
    download_url_as_pdf: DownloadUrlAsPdfAction | None = None
    download_file: DownloadFileAction | None = None
    agentic_task: AgenticTaskAction | None = None
    close_overlay_popup: CloseOverlayPopupAction | None = None

    def settled(self) -> dict[str, Any]:
        action = self.click_element or self.input_text or self.select_option
        if self.max_tries == 0 and action is not None and action.skip_prompt:
            return {"max_tries": TRIES_WITHOUT_PROMPT}
        return {}
