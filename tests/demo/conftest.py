"""The portal as a process, and Chromium."""

import os
import shutil
from collections.abc import Generator

import pytest
import requests
from playwright.sync_api import Browser, Page, sync_playwright

from tests.demo.portal_process import Portal, running_portal


@pytest.fixture(scope="session")
def portal_process() -> Generator[Portal]:
    with running_portal() as portal:
        yield portal


@pytest.fixture
def portal(portal_process: Portal) -> Portal:
    """The running portal, as if it had just started."""
    portal_process.post("/state/reset").raise_for_status()
    return portal_process


# One per module, not per session: Playwright's synchronous interface keeps an event loop running in this
# thread, and Django's ORM refuses to work in such a thread.
@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    executable = os.environ.get("BROWSER_EXECUTABLE") or shutil.which("chromium")
    assert executable, "no Chromium: set BROWSER_EXECUTABLE"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, portal: Portal) -> Generator[Page]:
    """A fresh visitor at 1280 x 860; addresses are relative to the portal. Fails on an error in a script."""
    context = browser.new_context(base_url=portal.url, viewport={"width": 1280, "height": 860})
    context.set_default_timeout(8000)
    errors: list[str] = []
    context.on("weberror", lambda event: errors.append(str(event.error)))
    yield context.new_page()
    context.close()
    assert errors == []


@pytest.fixture
def desk(page: Page, portal: Portal) -> Page:
    """A visitor who is signed in, and has opened no page yet."""
    session = requests.get(f"{portal.url}/state/sign-in", allow_redirects=False, timeout=10).cookies
    page.context.add_cookies([{"name": "northwind_session", "value": session["northwind_session"], "url": portal.url}])
    return page
