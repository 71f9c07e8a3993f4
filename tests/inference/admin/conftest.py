"""The dashboard over a real socket, in a real Chromium, with the data of `seed`."""

import os
import shutil
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.factories import make_user
from tests.inference.admin.seed import Seeded, seed


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    """Counts and usual durations are kept for a while; each test begins without."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """A password takes a second to hash on purpose; here nobody guesses one."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def seeded(db: None) -> Seeded:
    return seed(more_tasks=6)


@pytest.fixture
def maya(seeded: Seeded) -> Client:
    """A signed-in administrator."""
    client = Client()
    client.force_login(seeded.admin)
    return client


def staff(*permissions: str) -> User:
    """A person of the staff with these permissions only (`view_task`, ...)."""
    user = make_user(is_staff=True)
    for name in permissions:
        user.user_permissions.add(Permission.objects.get(codename=name, content_type__app_label="inference"))
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# Not for the session: Playwright's loop counts as running in this thread for as long as it is open, and another
# module's could not start.
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


class Dashboard:
    """A browser context that is signed in, and remembers what went wrong in it."""

    def __init__(self, url: str, context: BrowserContext) -> None:
        self.url = url
        self.context = context
        self.outside: list[str] = []
        self.errors: list[str] = []
        context.on("request", self._note_request)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("console", self._note_message)

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.outside.append(request.url)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def open(self, path: str = "") -> Page:
        page = self.context.pages[0] if self.context.pages else self.context.new_page()
        page.goto(f"{self.url}/admin/{path}")
        return page


class Desk(Protocol):
    """Opens a window on the dashboard, signed in as `user`; `options` are those of a browser context."""

    def __call__(self, user: User, **options: Any) -> Dashboard: ...


@pytest.fixture
def open_desk(transactional_db: None, live_server: Any, chromium: Browser) -> Iterator[Desk]:
    opened: list[Dashboard] = []

    def open_it(user: User, **options: Any) -> Dashboard:
        client = client_of(user)
        context = chromium.new_context(base_url=live_server.url, **{"reduced_motion": "reduce", **options})
        session = client.cookies["optexity_session"]
        context.add_cookies([{"name": "optexity_session", "value": session.value, "url": live_server.url}])
        opened.append(Dashboard(live_server.url, context))
        return opened[-1]

    yield open_it
    for each in opened:
        each.context.close()


@pytest.fixture
def desk(open_desk: Desk) -> tuple[Dashboard, Seeded]:
    """A wide window, signed in as the administrator of the seeded data."""
    seeded = seed(more_tasks=6)
    return open_desk(seeded.admin, viewport={"width": 1440, "height": 1000}), seeded
