"""Captchas: a click on a box, and picture grids that a vision model answers."""

from typing import Annotated, Any

from pydantic import Field

from automation.element import Element
from automation.placeholders import SOURCE

DEFAULT_CONFIG: dict[str, Any] = {
    "primary_click_x_offset": 0,
    "primary_click_y_offset": 0,
    "grid_top_offset": 100,
    "grid_bottom_trim": 100,
    "max_captcha_retries": 3,
    "thinking_budget_tokens": None,
}


class CaptchaAction(Element):
    """Click `locator`; while `secondary_locator` (the picture grid) shows, solve it. `wait_time` in seconds."""

    locator: Annotated[str, SOURCE]
    secondary_locator: Annotated[str | None, SOURCE] = None
    wait_time: float = 2.0
    llm_provider: str | None = None
    llm_model_name: str = "gemini/gemini-2.5-pro"
    # Pixels and counts; keys that are not given have the values of DEFAULT_CONFIG, others stay.
    config: dict[str, Any] = Field(default_factory=dict)

    def settled(self) -> dict[str, Any]:
        return {"config": {**DEFAULT_CONFIG, **self.config}}
