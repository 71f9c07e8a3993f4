"""What an attempt ends with when the machine under it fails: the driver killed, the disk full."""

import asyncio
import errno

import pytest
from django.core.files.storage import default_storage

from executor.errors import BrowserCrashedError, DiskFullError
from executor.runner import AttemptRunner
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
