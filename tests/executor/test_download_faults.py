"""Files that begin to come and do not: each is told with its reason, and none holds an attempt up."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import CDPSession, Download, Page, Response
from playwright.async_api import Error as PlaywrightError

from executor import downloads as downloads_module
from executor.downloads import Downloads, let_through
from executor.loop import WorkerLoop
from tests.executor.conftest import OnPage
from tests.executor.site.server import Site

PDF_HEADERS = {"content-type": "application/pdf"}


class ClosedSession:
    """A DevTools session of a tab that was closed."""

    async def send(self, method: str, arguments: dict[str, Any]) -> Any:
        raise PlaywrightError("CDPSession.send: Target page, context or browser has been closed")


class LostResponse:
    """A PDF of a form that was posted; the browser does not remember its bytes."""

    url = "http://127.0.0.1/letter.pdf"
    headers = PDF_HEADERS
    ok = True

    class request:  # noqa: N801 - the attribute of a response
        resource_type = "xhr"
        method = "POST"

    async def body(self) -> bytes:
        raise PlaywrightError("Response.body: No data found for resource with given identifier")


class Attachment:
    """A download that has begun. `path` says what becomes of it."""

    suggested_filename = "report.csv"
    url = "http://127.0.0.1/report.csv"

    def __init__(self, path: Callable[[], Any]) -> None:
        self.path = path


@pytest.fixture
def told() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def downloads(tmp_path: Path, told: list[dict[str, Any]]) -> Downloads:
    return Downloads(folder=tmp_path / "attempt", report=lambda kind, data: told.append({"kind": kind, **data}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "attempt"
    folder.mkdir()
    return folder


def test_a_pdf_whose_tab_was_closed_on_the_way_is_told(
    downloads: Downloads, folder: Path, told: list[dict[str, Any]], worker_loop: WorkerLoop
) -> None:
    event = {
        "requestId": "1",
        "request": {"url": "http://127.0.0.1/letter.pdf"},
        "responseStatusCode": 200,
        "responseHeaders": [{"name": "Content-Type", "value": "application/pdf"}],
    }

    async def come() -> None:
        session = cast("CDPSession", ClosedSession())
        await downloads.on_document(session, event)
        await downloads.wait_for_running(seconds=5)
        await let_through(session, event)  # a page that is gone needs no answer

    worker_loop.submit(come()).result(10)
    assert downloads.files == []
    assert [each["state"] for each in told] == ["failed"]
    assert "has been closed" in told[0]["error"]


def test_an_answer_to_a_form_that_the_browser_forgot_is_not_sent_again(
    downloads: Downloads, folder: Path, told: list[dict[str, Any]], worker_loop: WorkerLoop
) -> None:
    async def come() -> None:
        downloads.on_response(cast("Response", LostResponse()), [])
        await downloads.wait_for_running(seconds=5)

    worker_loop.submit(come()).result(10)
    assert downloads.begun == 1
    assert (downloads.files, told) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_a_blob_that_its_page_let_go_of_is_told(
    downloads: Downloads, folder: Path, told: list[dict[str, Any]], on_page: OnPage, site: Site
) -> None:
    async def come(page: Page) -> None:
        await page.goto(f"{site.url}/second")
        await downloads._keep_blob(f"blob:{site.url}/0000-no-such-blob", [page])
        await downloads._keep_blob("blob:http://elsewhere.example/0000", [page])

    on_page(come)
    assert [each["error"] for each in told] == ["the page let go of the blob"] * 2


def test_a_mistake_of_ours_with_one_file_is_told_and_ends_nothing(
    downloads: Downloads, tmp_path: Path, told: list[dict[str, Any]], worker_loop: WorkerLoop
) -> None:
    (tmp_path / "came").write_bytes(b"a,b")

    async def path() -> Path:
        return tmp_path / "came"

    async def come() -> None:
        downloads.on_download(cast("Download", Attachment(path)))  # the attempt's folder is not there
        await downloads.wait_for_running(seconds=5)

    worker_loop.submit(come()).result(10)
    assert [each["state"] for each in told] == ["began", "failed"]
    assert "No such file or directory" in told[1]["error"]


def test_a_download_that_does_not_end_is_left_behind(
    downloads: Downloads,
    folder: Path,
    told: list[dict[str, Any]],
    worker_loop: WorkerLoop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(downloads_module, "_BEGUN_SECONDS", 0.2)
    ended: list[str] = []

    async def path() -> Path:
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            ended.append("stopped")

    async def come() -> bool:
        downloads.on_download(cast("Download", Attachment(path)))
        came = await downloads.wait_for_count(1, seconds=0.1)
        await downloads.stop()
        return came

    assert worker_loop.submit(come()).result(10) is False
    assert told[-1] == {"kind": "note", "text": "1 downloads were still running at the end"}
    assert ended == ["stopped"]
