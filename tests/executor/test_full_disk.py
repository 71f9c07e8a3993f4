"""A disk that is full when a file comes: the task fails and says so, and never goes on without its file."""

import asyncio
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import Download
from playwright.async_api import Error as PlaywrightError

from executor import artifacts, leftovers
from executor import downloads as downloads_module
from executor.browser import BrowserPool
from executor.downloads import Downloads
from executor.errors import DiskFullError
from executor.loop import WorkerLoop
from tests.executor.conftest import RunNodes, click, interact, make_runner
from tests.executor.nodes import loop, said, say
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

FULL = "the disk is full: no picture or file could be kept; free some space"
SMALL_MB = 16


def get(link: str, *, expect: bool, **fields: object) -> dict[str, Any]:
    return click(f'get_by_role("link", name="{link}", exact=True)', expect_download=expect, **fields)


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte of a file that arrives goes to a device that has no room: the system itself says so."""

    def new_path(self: Downloads) -> Path:
        path = tmp_path / f"no-room-{len(list(tmp_path.iterdir()))}"
        path.symlink_to("/dev/full")
        return path

    def checksum(path: Path) -> tuple[int, str]:
        # An empty file is no write, and this device never ends when it is read.
        return (0, "") if path.is_char_device() else real_checksum(path)

    real_checksum = artifacts.checksum
    monkeypatch.setattr(Downloads, "new_path", new_path)
    monkeypatch.setattr(artifacts, "checksum", checksum)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("expect", [True, False])
@pytest.mark.parametrize("link", ["Letter", "Letter in a tab"])
def test_a_pdf_that_finds_no_room_fails_the_task(run_nodes: RunNodes, site: Site, link: str, expect: bool) -> None:
    outcome = run_nodes([get(link, expect=expect)], url=f"{site.url}/files")

    assert type(outcome.error) is DiskFullError
    assert str(outcome.error) == FULL
    assert outcome.files() == {}


@pytest.mark.usefixtures("full_disk")
def test_a_pdf_that_the_task_begins_with_is_asked_for_once(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([say("x")], url=f"{site.url}/letter.pdf")

    assert type(outcome.error) is DiskFullError
    assert site.asked_for("/letter.pdf") == 1


@pytest.mark.usefixtures("full_disk")
def test_nothing_is_done_after_a_file_that_found_no_room(run_nodes: RunNodes, site: Site) -> None:
    fetched = click('get_by_role("button", name="Fetched")', expect_download=True)
    body = loop("p", fetched, say("acted"), on_error_in_loop="continue")
    outcome = run_nodes([body, say("went on")], url=f"{site.url}/files", inputs={"p": "ab"})

    assert type(outcome.error) is DiskFullError
    assert said(outcome.output) == []


@pytest.mark.usefixtures("full_disk")
def test_a_file_that_the_server_fetches_itself_fails_the_task_as_well(run_nodes: RunNodes, site: Site) -> None:
    node = interact("download_url_as_pdf", {"url": f"{site.url}/report.csv", "download_filename": "report.csv"})
    outcome = run_nodes([node], url=f"{site.url}/second")

    assert type(outcome.error) is DiskFullError


# --- files that the browser writes itself ------------------------------------------------------------------------


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The workers' folder on a file system of some megabytes; its path is short enough for Chromium's socket."""
    with tempfile.TemporaryDirectory(prefix="full-", ignore_cleanup_errors=True) as name:
        options = ["-t", "tmpfs", "-o", f"size={SMALL_MB}m", "tmpfs", name]
        if subprocess.run(["mount", *options], capture_output=True, check=False).returncode != 0:
            pytest.skip("this user may not mount a file system")
        monkeypatch.setattr(leftovers, "folders_parent", lambda: Path(name))
        yield Path(name)
        subprocess.run(["umount", "--lazy", name], check=False)


@pytest.mark.parametrize("expect", [True, False])
def test_a_download_that_is_larger_than_the_disk_fails_the_task(
    small_disk: Path, site: Site, worker_loop: WorkerLoop, expect: bool
) -> None:
    pool = BrowserPool()
    runner = make_runner([get("Huge", expect=expect)], pool=pool, url=f"{site.url}/files")
    try:
        with pytest.raises(DiskFullError, match="free some space"):
            worker_loop.submit(runner.execute()).result(60)
    finally:
        worker_loop.submit(pool.close()).result(30)


class CanceledDownload:
    """What Playwright tells of a file that Chromium could not write."""

    suggested_filename = "report.csv"
    url = "http://127.0.0.1/report.csv"

    async def path(self) -> Path:
        await asyncio.sleep(0)
        raise PlaywrightError("Download.path: canceled")


@pytest.mark.parametrize(("free_bytes", "is_full"), [(0, True), (10 * 1024 * 1024, False)])
def test_a_download_that_is_canceled_failed_for_want_of_room_only_where_there_is_none(
    tmp_path: Path, worker_loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch, free_bytes: int, is_full: bool
) -> None:
    monkeypatch.setattr(downloads_module, "_free_bytes", lambda folder: free_bytes)
    told: list[dict[str, Any]] = []
    downloads = Downloads(folder=tmp_path, report=lambda kind, data: told.append(data))

    async def come() -> None:
        downloads.on_download(cast("Download", CanceledDownload()))
        await downloads.wait_for_running(seconds=5)

    came = worker_loop.submit(come())
    if is_full:
        with pytest.raises(DiskFullError):
            came.result(10)
    else:
        came.result(10)
    assert told[-1]["error"] == (FULL if is_full else "canceled")
