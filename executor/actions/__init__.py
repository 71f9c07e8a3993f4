"""What runs each kind of node. A kind that is not in the table cannot be run by this server."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from executor.actions import (
    assertion,
    captcha,
    choice,
    control,
    files,
    human,
    model,
    navigation,
    overlay,
    pointer,
    private,
    remote_desktop,
    script,
    tabs,
    text,
)
from executor.extraction import api_call, locator, network_call, pdf, screenshot, state
from executor.run import Run

# (action, run): the action is the automation's model of that kind, its placeholders filled in.
Handler = Callable[[Any, Run], Awaitable[None]]

# Nothing else can do these.
BY_MODEL = frozenset(
    {
        "agentic_task",
        "assertion.llm",
        "dynamic_form_mapping_action",
        "extraction.llm",
        "extraction.two_fa_action",
        "misc.llm_query",
    }
)

HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(BY_MODEL, model.needs_model),
    "assert_locator_node": assertion.assert_locator,
    "assertion.network_call": assertion.network_call,
    "assertion.python_script": script.check,
    "captcha_action": captcha.captcha,
    "check": choice.check,
    "click_element": pointer.click_element,
    "close_overlay_popup": overlay.close_overlay_popup,
    "close_all_but_last_tab": tabs.close_all_but_last_tab,
    "close_current_tab": tabs.close_current_tab,
    "close_tabs_until": tabs.close_tabs_until,
    "download_file": files.download_file,
    "download_url_as_pdf": files.download_url_as_pdf,
    "drag_to": pointer.drag_to,
    "extraction.api_call": api_call.call_api,
    "extraction.locator": locator.extract,
    "extraction.network_call": network_call.extract,
    "extraction.ocr_coordinates": remote_desktop.skip,
    "extraction.pdf": pdf.extract,
    "extraction.python_script": script.extract,
    "extraction.screenshot": screenshot.extract,
    "extraction.state": state.extract,
    "extraction.vision": remote_desktop.skip,
    "fail_state_action": control.fail_state,
    "go_back": navigation.go_back,
    "go_to_url": navigation.go_to_url,
    "hover": pointer.hover,
    "human_in_loop_action": human.human_in_loop,
    "input_text": text.input_text,
    "key_press": text.key_press,
    "misc.count_locator": control.count_locator,
    "misc.nothing": control.do_nothing,
    "misc.set_variable": control.set_variable,
    "powershell_action": remote_desktop.skip,
    "private_node": private.call,
    "python_script_action": script.act,
    "scroll": pointer.scroll,
    "select_option": choice.select_option,
    "sleep_action": control.sleep,
    "switch_tab": tabs.switch_tab,
    "uncheck": choice.uncheck,
    "upload_file": files.upload_file,
}
# Their elements are looked for first, or nothing is ever done: a commit point is journaled only when something is about
# to happen.
FIND_FIRST = BY_MODEL | {
    "captcha_action",
    "check",
    "click_element",
    "drag_to",
    "extraction.ocr_coordinates",
    "extraction.vision",
    "hover",
    "human_in_loop_action",
    "input_text",
    "powershell_action",
    "select_option",
    "uncheck",
    "upload_file",
}
# These never look at a page, so there is nothing to wait for and no picture.
WITHOUT_PAGE = frozenset(
    {
        "extraction.api_call",
        "extraction.ocr_coordinates",
        "extraction.pdf",
        "extraction.vision",
        "fail_state_action",
        "misc.nothing",
        "misc.set_variable",
        "powershell_action",
    }
)
# What a page does meanwhile is not their doing: it has no picture, and is waited for like what came before.
WITHOUT_PICTURE = WITHOUT_PAGE | {"private_node", "sleep_action"}
# The picture of a click is the view that it acts on; the one after it is the next step's.
PICTURE_AT_ACT = frozenset({"click_element"})
# These change nothing: the newest view is theirs.
ONLY_LOOKS = WITHOUT_PAGE | {
    "assert_locator_node",
    "assertion.network_call",
    "download_file",
    "download_url_as_pdf",
    "extraction.locator",
    "extraction.network_call",
    "extraction.screenshot",
    "extraction.state",
    "misc.count_locator",
}
# Acts that make pages do something a moment later; typing and ticking are answered at once, or not at all.
SETS_OFF_MORE = frozenset({"captcha_action", "click_element", "drag_to", "key_press"})
