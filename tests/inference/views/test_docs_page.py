"""The page of the API in a real Chromium: nothing from elsewhere, nothing that its own policy forbids, readable."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from inference.openapi.operations import OPERATIONS
from inference.views.manual import PAGE_POLICY
from tests.factories import make_key
from tests.inference.conftest import ApiClient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = os.environ.get("BROWSER_EXECUTABLE") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        # Playwright's own event loop runs in this thread; Django would take it for a view's.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@dataclass
class Reader:
    """A window, and what went wrong in it."""

    url: str
    context: BrowserContext
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.on("request", lambda request: self._note(request.url))
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.context.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))

    def _note(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.outside.append(url)

    def open(self) -> Page:
        page = self.context.new_page()
        page.goto(f"{self.url}/api/docs")
        page.wait_for_selector(".opblock")
        return page


@pytest.fixture(params=[(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")], ids=str)
def reader(chromium: Browser, live_server: Any, request: pytest.FixtureRequest) -> Iterator[Reader]:
    width, scheme = request.param
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    yield Reader(live_server.url, context)
    context.close()


def test_page_shows_every_operation_and_asks_nobody_else(reader: Reader) -> None:
    page = reader.open()

    assert page.locator(".opblock").count() == len(OPERATIONS)
    # The one whose body is described in a file of its own, and the one with the most in its answers.
    for operation in ("Automations-publishAutomation", "Submit-submitTask"):
        page.click(f"#operations-{operation} .opblock-summary-control")
        page.wait_for_selector(f"#operations-{operation} .responses-table")
    page.locator("#operations-Submit-submitTask .opblock-section-request-body button", has_text="Schema").click()
    page.wait_for_selector("#operations-Submit-submitTask .json-schema-2020-12")

    assert page.locator(".errors-wrapper").count() == 0
    assert (reader.outside, reader.complaints) == ([], [])
    width = page.viewport_size
    assert width is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= width["width"]
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    brightness = page.evaluate(
        "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)[0]"
    )
    assert page.evaluate("document.documentElement.classList.contains('dark-mode')") == dark
    assert (0 < brightness < 100) == dark


def test_a_request_can_be_tried_with_a_key(chromium: Browser, live_server: Any) -> None:
    context = chromium.new_context()
    reader = Reader(live_server.url, context)
    page = reader.open()
    _, key = make_key()

    page.click(".authorize")
    page.fill("#api-key-value >> nth=0", key) if page.locator("#api-key-value").count() else page.fill(
        ".auth-container input >> nth=0", key
    )
    page.click(".auth-btn-wrapper .authorize >> nth=0")
    page.click(".btn-done >> nth=0")
    page.click("#operations-Tasks-listTasks .opblock-summary-control")
    page.click("#operations-Tasks-listTasks .try-out__btn")
    with page.expect_response(lambda response: "/api/v1/tasks" in response.url) as got:
        page.click("#operations-Tasks-listTasks .execute")

    assert got.value.status == 200
    assert got.value.request.headers["x-api-key"] == key
    assert (reader.outside, reader.complaints) == ([], [])
    context.close()


def test_page_has_a_policy_without_inline_code(live_server: Any) -> None:
    answer = ApiClient(live_server.url).get("/api/docs")

    assert answer.headers["Content-Security-Policy"] == PAGE_POLICY
    assert "unsafe" not in PAGE_POLICY
    assert "<style" not in answer.text
    assert "<script>" not in answer.text
    assert " style=" not in answer.text
