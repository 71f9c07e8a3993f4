"""What runs each kind of node. A kind that is not in the table cannot be run by this server."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from executor.actions import assertion, choice, control, files, navigation, pointer, text
from executor.extraction import locator, screenshot, state
from executor.run import Run

# (action, run): the action is the automation's model of that kind, its placeholders filled in.
Handler = Callable[[Any, Run], Awaitable[None]]

HANDLERS: Mapping[str, Handler] = {
    "assert_locator_node": assertion.assert_locator,
    "check": choice.check,
    "click_element": pointer.click_element,
    "extraction.locator": locator.extract,
    "extraction.screenshot": screenshot.extract,
    "extraction.state": state.extract,
    "fail_state_action": control.fail_state,
    "go_back": navigation.go_back,
    "go_to_url": navigation.go_to_url,
    "hover": pointer.hover,
    "input_text": text.input_text,
    "key_press": text.key_press,
    "scroll": pointer.scroll,
    "select_option": choice.select_option,
    "sleep_action": control.sleep,
    "uncheck": choice.uncheck,
    "upload_file": files.upload_file,
}
# Their elements are looked for first, so that a commit point is journaled only when something is about to happen.
FIND_FIRST = frozenset({"check", "click_element", "hover", "input_text", "select_option", "uncheck", "upload_file"})
# These never look at a page, so they have no picture.
WITHOUT_PAGE = frozenset({"fail_state_action", "sleep_action"})
