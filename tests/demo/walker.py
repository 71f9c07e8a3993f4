"""Plays a bundled automation with plain Playwright calls: a second opinion that its locators are right.

It knows the few kinds of node that the bundled automations use, and nothing of the server's own runner.
"""

import ast
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, Response, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.demo.portal_process import PROJECT

# The documents allow more time, for slow sites; what is not there after this stays away.
PATIENCE_MS = 4000
KEYS = {"tab": "Tab", "enter": "Enter"}


def is_pdf(response: Response) -> bool:
    return response.headers.get("content-type") == "application/pdf"


class Walk:
    """One run of one document on one page. `outputs` and `downloads` are what it produced."""

    def __init__(self, page: Page, parameters: dict[str, list[str]], downloads: Path) -> None:
        self.page = page
        self.parameters = parameters
        self.folder = downloads
        self.outputs: dict[str, str] = {}
        self.held: dict[str, bool] = {}
        self.downloads: list[Path] = []
        self.skipped: list[str] = []

    def run(self, document: dict[str, Any]) -> None:
        self.page.goto(document["url"])
        self.nodes(document["nodes"])

    def nodes(self, nodes: list[dict[str, Any]]) -> None:
        for node in nodes:
            match node["type"]:
                case "assert_locator_node":
                    self.held[node["output_variable_name"]] = self.is_visible(node)
                case "if_else_node":
                    # All bundled conditions are of the form `not name[0]`.
                    name = node["condition"].removeprefix("not ").removesuffix("[0]")
                    self.nodes([] if self.held[name] else node["if_nodes"])
                case _:
                    self.action(node)

    def is_visible(self, node: dict[str, Any]) -> bool:
        try:
            expect(self.find(node["locator"])).to_be_visible(timeout=min(node["timeout"] * 1000, PATIENCE_MS))
        except AssertionError:
            return False
        return True

    def action(self, node: dict[str, Any]) -> None:
        if "fail_state_action" in node:
            raise AssertionError(self.text(node["fail_state_action"]["failure_message"]))
        if "sleep_action" in node:
            self.page.wait_for_timeout(node["sleep_action"]["sleep_time"] * 1000)
        elif "extraction_action" in node:
            self.extract(node["extraction_action"])
        else:
            kind, action = next(
                (kind, action) for kind, action in node["interaction_action"].items() if not kind.startswith("max_")
            )
            self.interact(kind, action, opens_tab=node.get("expect_new_tab", False))

    def take_picture(self, path: Path) -> None:
        try:
            self.page.screenshot(path=path)
        except PlaywrightError:  # Chromium on a machine with much to do gives none now and then
            self.page.screenshot(path=path)

    def extract(self, extraction: dict[str, Any]) -> None:
        if "screenshot" in extraction:
            self.take_picture(self.folder / extraction["screenshot"]["filename"])
            return
        wanted = extraction["locator"]
        text = self.find(wanted["command"]).first.inner_text().strip()
        self.outputs[wanted["output_variable_name"]] = text

    def interact(self, kind: str, action: dict[str, Any], *, opens_tab: bool) -> None:
        target = self.find(action["command"]) if "command" in action else None
        if target is not None and action.get("skip_prompt"):
            try:
                target.wait_for(timeout=1000)
            except PlaywrightTimeoutError:
                self.skipped.append(action["command"])
                return
        match kind:
            case "go_to_url":
                self.page.goto(self.text(action["url"]))
            case "go_back":
                self.page.go_back()
            case "key_press":
                self.page.keyboard.press(KEYS[action["type"]])
            case "scroll":
                self.scroll_to_the_end()
            case _:
                assert target is not None, f"{kind} without a command"
                self.act_on(target, kind, action, opens_tab=opens_tab)

    def act_on(self, target: Locator, kind: str, action: dict[str, Any], *, opens_tab: bool) -> None:
        match kind:
            case "click_element" if opens_tab:
                with self.page.expect_popup() as opened:
                    target.click()
                self.page = opened.value
            case "click_element" if action.get("expect_download"):
                self.download(target, self.text(action["download_filename"]))
            case "click_element":
                target.click()
            case "input_text":
                target.fill(self.text(action["input_text"]))
                if action.get("press_enter"):
                    target.press("Enter")
            case "select_option":
                target.select_option([self.text(value) for value in action["select_values"]])
            case "check":
                target.check()
            case "uncheck":
                target.uncheck()
            case "hover":
                target.hover()
            case "upload_file":
                target.set_input_files(PROJECT / action["file_path"])
            case _:
                raise AssertionError(f"the bundled automations do not use {kind}")

    def download(self, target: Locator, name: str) -> None:
        """Save what the click downloads, or the PDF that it opens in a new tab."""
        path = self.folder / name
        if target.get_attribute("target") == "_blank":
            with self.page.context.expect_event("response", is_pdf) as answered, self.page.expect_popup():
                target.click()
            path.write_bytes(self.page.request.get(answered.value.url).body())
        else:
            with self.page.expect_download() as download:
                target.click()
            download.value.save_as(path)
        self.downloads.append(path)

    def scroll_to_the_end(self) -> None:
        """Wheel down until the window stood still three times, 300 ms apart."""
        positions = [-1.0]
        while positions[-3:] != [positions[-1]] * 3:
            self.page.mouse.wheel(0, 2000)
            self.page.wait_for_timeout(300)
            positions.append(self.page.evaluate("scrollY"))

    def text(self, template: str) -> str:
        return re.sub(r"\{(\w+)\[(\d+)\]\}", lambda found: self.parameters[found[1]][int(found[2])], template)

    def find(self, command: str) -> Locator:
        """The locator of a command such as `get_by_role("row").first`, read, not evaluated."""
        found = self.resolve(ast.parse(command, mode="eval").body)
        assert isinstance(found, Locator)
        return found

    def resolve(self, tree: ast.expr) -> Any:
        match tree:
            case ast.Name(id="re"):
                return re
            case ast.Name(id=name):
                return getattr(self.page, name)
            case ast.Attribute(value=owner, attr=name):
                return getattr(self.resolve(owner), name)
            case ast.Call(func=function, args=arguments, keywords=keywords):
                named = {str(keyword.arg): self.resolve(keyword.value) for keyword in keywords}
                return self.resolve(function)(*map(self.resolve, arguments), **named)
            case ast.Constant(value=str(value)):
                return self.text(value)
            case ast.Constant(value=value):
                return value
            case _:
                raise AssertionError(f"not a locator: {ast.unparse(tree)}")
