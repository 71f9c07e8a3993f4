"""What an attempt ends with when the machine under it fails: the driver killed, the disk full."""

import asyncio
import errno

import pytest
from django.core.files.storage import default_storage

from executor import browser
from executor.errors import BrowserCrashedError, DiskFullError
from executor.runner import AttemptRunner
from tests.executor.browser_processes import kill_chromium
from tests.executor.conftest import RunNodes, click
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)


def test_work_that_the_driver_cancels_is_a_crash(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancelled(*arguments: object, **options: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(AttemptRunner, "_attempt_in_context", cancelled)

    outcome = run_nodes([click('get_by_text("Press")')], url=f"{site.url}/")

    assert isinstance(outcome.error, BrowserCrashedError)


def test_a_full_disk_fails_the_task_in_clear_words(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(default_storage, "save", full)

    outcome = run_nodes([click('get_by_text("Press")')], url=f"{site.url}/")

    assert isinstance(outcome.error, DiskFullError)
    assert str(outcome.error) == "the disk is full: no picture or file could be kept; free some space"


def test_a_call_that_never_returns_from_a_browser_that_is_gone_ends_the_attempt(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen when Chromium was killed while a context was being made: Playwright then waits for good."""
    monkeypatch.setattr(browser, "GONE_SECONDS", 0.3)
    monkeypatch.setattr(browser, "_GONE_LOOK_SECONDS", 0.05)

    async def never(*arguments: object, **options: object) -> None:
        kill_chromium()
        await asyncio.Event().wait()

    monkeypatch.setattr(AttemptRunner, "_attempt_in_context", never)

    outcome = run_nodes([click('get_by_text("Press")')], url=f"{site.url}/")

    assert isinstance(outcome.error, BrowserCrashedError)
    assert str(outcome.error) == "the browser went away, and what was asked of it never returned"
