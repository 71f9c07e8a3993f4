"""What a script may ask of a page, as one table: the script's side makes methods of it, the worker's side judges by it.

A method that is not here does not exist. The names are Playwright's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# What an argument may be; `executor.scripts.arguments` has the checks.
ArgumentKind = Literal[
    "text",
    "texts",
    "number",
    "timeout",
    "count",
    "bool",
    "json",
    "button",
    "modifiers",
    "point",
    "locator",
    "load state",
    "element state",
    "polling",
    "metadata",
]


@dataclass(frozen=True, slots=True)
class Method:
    """`positional`: arguments with or without their names, in Playwright's order, the first `required` of them needed.
    `options`: by name only. None counts as not given."""

    positional: Mapping[str, ArgumentKind] = field(default_factory=dict[str, ArgumentKind])
    required: int = 0
    options: Mapping[str, ArgumentKind] = field(default_factory=dict[str, ArgumentKind])


_TIMEOUT: Mapping[str, ArgumentKind] = {"timeout": "timeout"}
_ACT: Mapping[str, ArgumentKind] = {"timeout": "timeout", "force": "bool", "no_wait_after": "bool", "trial": "bool"}
_POINT: Mapping[str, ArgumentKind] = {**_ACT, "modifiers": "modifiers", "position": "point"}
_TYPE: Mapping[str, ArgumentKind] = {"timeout": "timeout", "delay": "number", "no_wait_after": "bool"}
_BUTTON: Mapping[str, ArgumentKind] = {"button": "button", "click_count": "count"}

_CLICK = Method(options={**_POINT, "button": "button", "delay": "number", "click_count": "count"})
_DOUBLE_CLICK = Method(options={**_POINT, "button": "button", "delay": "number"})
_TICK = Method(options={**_ACT, "position": "point"})
_LOOK = Method(options=_TIMEOUT)
_AT_ONCE = Method()

LOCATOR: Mapping[str, Method] = {
    "all_inner_texts": _AT_ONCE,
    "all_text_contents": _AT_ONCE,
    "blur": _LOOK,
    "bounding_box": _LOOK,
    "check": _TICK,
    "clear": Method(options={"timeout": "timeout", "force": "bool", "no_wait_after": "bool"}),
    "click": _CLICK,
    "count": _AT_ONCE,
    "dblclick": _DOUBLE_CLICK,
    "dispatch_event": Method({"type": "text", "event_init": "json"}, 1, _TIMEOUT),
    "drag_to": Method({"target": "locator"}, 1, {**_ACT, "source_position": "point", "target_position": "point"}),
    "evaluate": Method({"expression": "text", "arg": "json"}, 1, _TIMEOUT),
    "evaluate_all": Method({"expression": "text", "arg": "json"}, 1),
    "fill": Method({"value": "text"}, 1, {"timeout": "timeout", "force": "bool", "no_wait_after": "bool"}),
    "focus": _LOOK,
    "get_attribute": Method({"name": "text"}, 1, _TIMEOUT),
    "hover": Method(options=_POINT),
    "inner_html": _LOOK,
    "inner_text": _LOOK,
    "input_value": _LOOK,
    "is_checked": _LOOK,
    "is_disabled": _LOOK,
    "is_editable": _LOOK,
    "is_enabled": _LOOK,
    "is_hidden": _AT_ONCE,
    "is_visible": _AT_ONCE,
    "press": Method({"key": "text"}, 1, _TYPE),
    "press_sequentially": Method({"text": "text"}, 1, _TYPE),
    "scroll_into_view_if_needed": _LOOK,
    "select_option": Method(
        {"value": "texts"},
        0,
        {"label": "texts", "timeout": "timeout", "force": "bool", "no_wait_after": "bool"},
    ),
    "select_text": Method(options={"timeout": "timeout", "force": "bool"}),
    "set_checked": Method({"checked": "bool"}, 1, {**_ACT, "position": "point"}),
    "text_content": _LOOK,
    "type": Method({"text": "text"}, 1, _TYPE),
    "uncheck": _TICK,
    "wait_for": Method(options={"timeout": "timeout", "state": "element state"}),
}
PAGE: Mapping[str, Method] = {
    "content": _AT_ONCE,
    "evaluate": Method({"expression": "text", "arg": "json"}, 1),
    "goto": Method({"url": "text"}, 1, {"timeout": "timeout", "wait_until": "load state"}),
    "title": _AT_ONCE,
    "url": _AT_ONCE,
    "wait_for_function": Method({"expression": "text"}, 1, {"arg": "json", "timeout": "timeout", "polling": "polling"}),
    "wait_for_load_state": Method({"state": "load state"}, 0, _TIMEOUT),
}
KEYBOARD: Mapping[str, Method] = {
    "down": Method({"key": "text"}, 1),
    "insert_text": Method({"text": "text"}, 1),
    "press": Method({"key": "text"}, 1, {"delay": "number"}),
    "type": Method({"text": "text"}, 1, {"delay": "number"}),
    "up": Method({"key": "text"}, 1),
}
MOUSE: Mapping[str, Method] = {
    "click": Method({"x": "number", "y": "number"}, 2, {**_BUTTON, "delay": "number"}),
    "dblclick": Method({"x": "number", "y": "number"}, 2, {"button": "button", "delay": "number"}),
    "down": Method(options=_BUTTON),
    "move": Method({"x": "number", "y": "number"}, 2, {"steps": "count"}),
    "up": Method(options=_BUTTON),
    "wheel": Method({"delta_x": "number", "delta_y": "number"}, 2),
}
BROWSER: Mapping[str, Method] = {"get_current_page": _AT_ONCE}
# How `save_download` reaches the worker.
CONTEXT: Mapping[str, Method] = {
    "begin_file": _AT_ONCE,
    "write_file": Method({"file": "count", "piece": "text"}, 2),
    "end_file": Method({"file": "count", "filename": "text", "metadata": "metadata"}, 2),
}
OBJECTS: Mapping[str, Mapping[str, Method]] = {
    "page": PAGE,
    "locator": LOCATOR,
    "keyboard": KEYBOARD,
    "mouse": MOUSE,
    "browser": BROWSER,
    "context": CONTEXT,
}
