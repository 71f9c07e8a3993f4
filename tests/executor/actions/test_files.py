import hashlib
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError
from pytest_django import Settings

from executor.actions.files import allowed_file, name_of
from executor.errors import ActionError, AutomationError, DownloadMissingError
from executor.fetching import Answer
from executor.loop import WorkerLoop
from executor.uploads import fetch_upload
from inference.models import Artifact, Task, UploadedFile
from inference.services import uploads as upload_service
from inference.services.uploads import keep_upload
from tests.executor.conftest import (
    RUN_SECONDS,
    Prepare,
    RunNodes,
    click,
    interact,
    read,
    runner_task_id,
    wait_for,
)
from tests.executor.site import pages
from tests.executor.site.calls import CLAIMS, CallSite
from tests.executor.site.server import Site
from tests.factories import make_task

OUT = read('locator("#out")', "out")


@pytest.fixture
def uploads(tmp_path: Path, settings: Settings) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "card.png").write_bytes(b"card")
    (tmp_path / "private.txt").write_text("private")
    settings.UPLOAD_ROOTS = [folder]
    return folder


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("selector", "seen"), [("#card", "file card.png"), ("#hidden-file", "hidden card.png")])
def test_a_file_reaches_visible_and_hidden_inputs(
    run_nodes: RunNodes, site: Site, uploads: Path, selector: str, seen: str
) -> None:
    node = interact("upload_file", {"command": f'locator("{selector}")', "file_path": str(uploads / "card.png")})
    outcome = run_nodes([node, OUT], url=f"{site.url}/form")

    assert outcome.error is None
    assert outcome.values() == {"out": seen}


@pytest.mark.django_db(transaction=True)
def test_a_file_that_this_attempt_downloaded_may_be_uploaded(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            click('get_by_role("link", name="Export", exact=True)', expect_download=True, download_filename="mine.csv"),
            interact("go_to_url", {"url": f"{site.url}/form"}),
            interact("upload_file", {"command": 'locator("#card")', "file_path": "mine.csv"}),
            OUT,
        ],
        url=f"{site.url}/files",
    )

    assert outcome.error is None
    assert outcome.values() == {"out": "file mine.csv"}


@pytest.mark.django_db(transaction=True)
def test_another_file_is_refused_for_good_without_telling_whether_it_exists(
    run_nodes: RunNodes, site: Site, uploads: Path
) -> None:
    texts = []
    for named in (uploads.parent / "private.txt", uploads.parent / "missing.txt"):
        node = interact("upload_file", {"command": 'locator("#card")', "file_path": str(named)})
        outcome = run_nodes([node], url=f"{site.url}/form")
        assert isinstance(outcome.error, AutomationError)
        texts.append(str(outcome.error).replace("missing", "private"))

    assert texts[0] == texts[1]


def an_upload(task: Task | None, filename: str) -> str:
    """The value that names a file which `task` has taken."""
    upload = keep_upload(
        ContentFile(b"card"), filename=filename, size_bytes=4, sha256=hashlib.sha256(b"card").hexdigest(), api_key=None
    )
    UploadedFile.objects.filter(id=upload.id).update(task=task)
    return f"upload://{upload.id}"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("filename", "shown"), [("my card.png", "my card.png"), ("a:b?.png", "a_b_.png")])
def test_a_file_that_the_client_sent_ahead_reaches_the_page_under_its_name(
    prepare: Prepare, worker_loop: WorkerLoop, site: Site, filename: str, shown: str
) -> None:
    node = interact("upload_file", {"command": 'locator("#card")', "file_path": "{card[0]}"})
    runner = prepare([node, OUT], url=f"{site.url}/form", inputs={"card": ["to come"]})
    named = an_upload(Task.objects.get(id=runner_task_id(runner)), filename)
    runner._input_parameters = {"card": [named]}

    worker_loop.submit(runner.execute()).result(RUN_SECONDS)

    assert runner.output_data == [{"json_data": {"out": f"file {shown}"}}]


@pytest.mark.django_db(transaction=True)
def test_a_file_of_another_task_and_one_that_is_none_are_refused_alike(run_nodes: RunNodes, site: Site) -> None:
    texts = []
    for named in (an_upload(make_task(), "a"), an_upload(None, "b"), f"upload://{uuid.uuid4()}", "upload://card.png"):
        node = interact("upload_file", {"command": 'locator("#card")', "file_path": named})
        outcome = run_nodes([node], url=f"{site.url}/form")
        assert isinstance(outcome.error, AutomationError)
        texts.append(str(outcome.error))

    assert len(set(texts)) == 1
    assert "the uploaded file is none of this task" in texts[0]


@pytest.mark.django_db(transaction=True)
def test_an_outage_of_the_database_is_waited_for(
    worker_loop: WorkerLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task()
    named = an_upload(task, "card.png")
    find, outages = upload_service.find_upload, [OperationalError("server closed the connection")]

    def find_after_outage(*args: Any, **kwargs: Any) -> UploadedFile | None:
        if outages:
            raise outages.pop()
        return find(*args, **kwargs)

    monkeypatch.setattr(upload_service, "find_upload", find_after_outage)
    path = worker_loop.submit(fetch_upload(named, task_id=task.id, folder=tmp_path)).result(RUN_SECONDS)
    assert path.read_bytes() == b"card"


@pytest.mark.django_db(transaction=True)
def test_a_file_whose_bytes_are_gone_is_told(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    task = make_task()
    named = an_upload(task, "card.png")
    default_storage.delete(UploadedFile.objects.get().storage_name)

    with pytest.raises(AutomationError, match=r"the uploaded file “card\.png” is missing in the storage"):
        worker_loop.submit(fetch_upload(named, task_id=task.id, folder=tmp_path)).result(RUN_SECONDS)


def test_links_and_dots_do_not_lead_out(uploads: Path, tmp_path: Path) -> None:
    (uploads / "link.txt").symlink_to(tmp_path / "private.txt")

    for named in ("link.txt", "../private.txt", str(uploads / ".." / "private.txt"), "/etc/hostname"):
        with pytest.raises(AutomationError):
            allowed_file(named, tmp_path / "attempt")
    assert allowed_file("card.png", tmp_path / "attempt") == uploads / "card.png"


# --- by address ----------------------------------------------------------------------------------------------


def open_page(url: str) -> dict[str, Any]:
    return interact("go_to_url", {"url": url})


def upload(url: str) -> dict[str, Any]:
    return interact("upload_file", {"command": 'locator("#file")', "file_url": url})


UPLOAD = click('get_by_role("button", name="Upload")')


@pytest.mark.django_db(transaction=True)
def test_a_file_is_fetched_as_the_browser_would_and_its_bytes_reach_the_site(
    run_nodes: RunNodes, calls: CallSite
) -> None:
    outcome = run_nodes(
        [open_page(f"{calls.url}/login"), open_page(f"{calls.url}/app"), upload(f"{calls.url}/members.csv"), UPLOAD]
    )
    (sent,) = calls.seen("/uploaded")
    (fetched,) = calls.seen("/members.csv")

    assert outcome.error is None
    assert sent.body == CLAIMS
    assert sent.headers["x-name"] == "members.csv"
    # As on a page of that host: the secure one, too, for loopback counts as safe, but none of another path.
    assert set(fetched.headers["cookie"].split("; ")) == {"session=s3cret", "tls=t"}
    assert fetched.headers["user-agent"] == calls.seen("/app")[0].headers["user-agent"]
    assert outcome.files() == {}


@pytest.mark.django_db(transaction=True)
def test_cookies_never_go_to_another_host_and_those_of_the_way_stay_with_theirs(
    run_nodes: RunNodes, calls: CallSite
) -> None:
    back = f"{calls.url}/claims.csv"
    there = f"{calls.other_url}/redirect?to={quote(back)}&cookie=theirs%3D1"
    start = f"{calls.url}/redirect?to={quote(there)}&cookie=mine%3D1"
    run_nodes([open_page(f"{calls.url}/login"), open_page(f"{calls.url}/app"), upload(start)])
    first, other = calls.seen("/redirect")
    (last,) = calls.seen("/claims.csv")

    assert set(first.headers["cookie"].split("; ")) == {"session=s3cret", "tls=t"}
    assert "cookie" not in other.headers
    assert set(last.headers["cookie"].split("; ")) == {"session=s3cret", "tls=t", "mine=1"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/status?code=404&token=hidden", "/status: it answered HTTP 404"),
        ("/empty", "empty body"),
        ("/loop", "more than 10 redirects"),
        ("/redirect?to=http://10.0.0.1/", "10.0.0.1"),
        ("/redirect?to=file:///etc/hostname", ""),
    ],
)
def test_a_file_that_cannot_be_fetched_fails_the_node(
    run_nodes: RunNodes, calls: CallSite, path: str, message: str
) -> None:
    outcome = run_nodes([upload(f"{calls.url}{path}")], url=f"{calls.url}/app")

    assert isinstance(outcome.error, ActionError)
    assert "could not fetch http://127.0.0.1" in str(outcome.error)
    assert message in str(outcome.error)
    assert "hidden" not in str(outcome.error)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "claims.csv", "blob:http://127.0.0.1/x"])
def test_only_http_addresses_are_fetched(run_nodes: RunNodes, calls: CallSite, url: str) -> None:
    outcome = run_nodes([upload(url)], url=f"{calls.url}/app")

    assert isinstance(outcome.error, AutomationError)
    assert "http:// or https://" in str(outcome.error)


@pytest.mark.django_db(transaction=True)
def test_a_host_that_the_operator_does_not_name_is_refused(
    run_nodes: RunNodes, calls: CallSite, settings: Settings
) -> None:
    settings.ALLOWED_PRIVATE_HOSTS = []
    outcome = run_nodes([upload(f"{calls.url}/claims.csv")], url=f"{calls.url}/app")

    assert isinstance(outcome.error, ActionError)
    assert "ALLOWED_PRIVATE_HOSTS" in str(outcome.error)
    assert calls.seen("/claims.csv") == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream"])
def test_a_file_above_the_limit_is_not_fetched(
    run_nodes: RunNodes, calls: CallSite, settings: Settings, kind: str
) -> None:
    settings.ARTIFACT_MAX_MB = 1
    outcome = run_nodes([upload(f"{calls.url}/big?bytes=1100000&type={kind}")], url=f"{calls.url}/app")

    assert isinstance(outcome.error, ActionError)
    assert "larger than 1048576" in str(outcome.error)


@pytest.mark.parametrize(
    ("url", "disposition", "content_type", "name"),
    [
        ("http://a.example/files/claims.csv?x=1", 'attachment; filename="other.txt"', "text/plain", "claims.csv"),
        ("http://a.example/files/a%20b.csv", "", "text/plain", "a b.csv"),
        ("http://a.example/export", 'attachment; filename="may.csv"', "text/plain", "may.csv"),
        ("http://a.example/export", 'attachment; filename="may"', "text/csv; charset=utf-8", "may.csv"),
        ("http://a.example/export", "", "application/pdf", "export.pdf"),
        ("http://a.example/", "", "image/png", "file.png"),
        ("http://a.example/", "", "", "file"),
        ("http://a.example/export", 'attachment; filename="../../etc/x.csv"', "", "_.._etc_x.csv"),
    ],
)
def test_the_extension_is_that_of_the_address_then_of_the_disposition_then_of_the_type(
    url: str, disposition: str, content_type: str, name: str
) -> None:
    answer = Answer(url, 200, {"content-disposition": disposition, "content-type": content_type})

    assert name_of(url, answer) == name


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/hang", "/endless.pdf"])
def test_a_cancelled_attempt_does_not_wait_for_the_file(
    prepare: Prepare, worker_loop: WorkerLoop, calls: CallSite, path: str
) -> None:
    work = worker_loop.submit(prepare([upload(f"{calls.url}{path}")], url=f"{calls.url}/app").execute())
    wait_for(lambda: calls.seen(path))

    asked_at = time.monotonic()
    work.cancel()
    wait_for(work.done, seconds=4)

    assert work.cancelled()
    assert time.monotonic() - asked_at < 2


# --- download_file -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_downloaded_file_is_a_variable_that_can_be_uploaded_and_no_download(
    run_nodes: RunNodes, calls: CallSite
) -> None:
    fetch = interact("download_file", {"file_url": f"{calls.url}/claims.csv", "output_variable_name": "{who[0]}_file"})
    again = interact("upload_file", {"command": 'locator("#file")', "file_path": "{Ada_file[0]}"})
    outcome = run_nodes([fetch, again, UPLOAD], url=f"{calls.url}/app", inputs={"who": ["Ada"]})

    assert outcome.error is None
    assert calls.seen("/uploaded")[0].body == CLAIMS
    assert outcome.files() == {}
    assert outcome.output == []
    assert outcome.steps[0].details["fetched"] == {"name": "claims.csv", "bytes": len(CLAIMS)}


@pytest.mark.django_db(transaction=True)
def test_the_variable_has_a_default_name_and_equal_files_do_not_meet(run_nodes: RunNodes, calls: CallSite) -> None:
    fetch = interact("download_file", {"file_url": f"{calls.url}/claims.csv"})
    other = interact("download_file", {"file_url": f"{calls.url}/claims.csv", "output_variable_name": "b"})
    differ = {
        "type": "if_else_node",
        "condition": "downloaded_file_path[0] != b[0] and b[0].endswith('/claims.csv') and len(b) == 1",
        "else_nodes": [{"type": "action_node", "fail_state_action": {"failure_message": "the same"}}],
    }
    outcome = run_nodes([fetch, other, differ], url=f"{calls.url}/app")

    assert outcome.error is None


@pytest.mark.django_db(transaction=True)
def test_a_file_that_cannot_be_downloaded_fails_the_node(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([interact("download_file", {"file_url": f"{calls.url}/status?code=500"})])

    assert isinstance(outcome.error, ActionError)


# --- download_url_as_pdf -------------------------------------------------------------------------------------


def as_pdf(**action: Any) -> dict[str, Any]:
    return interact("download_url_as_pdf", action)


@pytest.mark.django_db(transaction=True)
def test_what_an_address_answers_is_stored_under_exactly_the_name(run_nodes: RunNodes, calls: CallSite) -> None:
    nodes = [open_page(f"{calls.url}/login"), as_pdf(url="{base[0]}/members.csv", download_filename='"May/{who[0]}"')]
    outcome = run_nodes(nodes, inputs={"who": ["Ada"], "base": [calls.url]}, expected_downloads=1)
    row = Artifact.objects.get(task=outcome.task, kind="download")

    assert outcome.error is None
    assert outcome.files() == {"May_Ada": CLAIMS}
    assert row.content_type == "text/csv"
    assert outcome.step.details["downloads"] == ["May_Ada"]
    assert outcome.events("note") == []


@pytest.mark.django_db(transaction=True)
def test_without_an_address_it_is_the_current_page(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([as_pdf(download_filename="page.html"), as_pdf()], url=f"{calls.url}/plain")

    named, random = outcome.files()
    assert outcome.error is None
    assert named == "page.html"
    assert len(random) == 36
    assert set(outcome.files().values()) == {b"<!doctype html><title>Plain</title><h1>Plain</h1>"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("given", [None, "/letter.pdf"])
def test_a_pdf_that_the_page_shows_is_not_asked_for_again_and_counts_once(
    run_nodes: RunNodes, site: Site, given: str | None
) -> None:
    url = None if given is None else f"{site.url}{given}"
    outcome = run_nodes([open_page(f"{site.url}/letter.pdf"), as_pdf(url=url, download_filename="mine")])

    assert outcome.error is None
    assert outcome.files() == {"mine": pages.PDF}
    assert site.asked_for("/letter.pdf") == 1


@pytest.mark.django_db(transaction=True)
def test_a_shown_pdf_that_has_a_name_already_is_copied(run_nodes: RunNodes, site: Site) -> None:
    shown = click('get_by_role("link", name="Letter", exact=True)', expect_download=True, download_filename="first.pdf")
    outcome = run_nodes([shown, as_pdf(download_filename="second.pdf")], url=f"{site.url}/files")

    assert outcome.error is None
    assert outcome.files() == {"first.pdf": pages.PDF, "second.pdf": pages.PDF}
    assert site.asked_for("/letter.pdf") == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/status?code=403", "/empty"])
def test_an_error_or_an_empty_answer_fails_the_node(run_nodes: RunNodes, calls: CallSite, path: str) -> None:
    outcome = run_nodes([as_pdf(url=f"{calls.url}{path}")])

    assert isinstance(outcome.error, ActionError)
    assert not isinstance(outcome.error, DownloadMissingError)
    assert outcome.files() == {}


@pytest.mark.django_db(transaction=True)
def test_a_page_without_a_web_address_cannot_be_stored(run_nodes: RunNodes) -> None:
    outcome = run_nodes([as_pdf()])

    assert isinstance(outcome.error, AutomationError)
    assert "about:blank is not an address" in str(outcome.error)
