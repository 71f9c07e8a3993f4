import hashlib
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from executor.downloads import Downloads, _link_or_copy, disposition_filename
from executor.errors import DownloadMissingError
from executor.loop import WorkerLoop
from inference.models import Artifact
from tests.executor.conftest import RunNodes, click, interact
from tests.executor.site import pages
from tests.executor.site.calls import CLAIMS, CallSite
from tests.executor.site.server import Site


def download(link: str, role: str = "link", **fields: object) -> dict[str, object]:
    command = f'get_by_role("{role}", name="{link}", exact=True)'
    return click(command, expect_download=True, **{"download_timeout_seconds": 15, **fields})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("node", "name", "content"),
    [
        (download("Export"), "report.csv", pages.CSV),
        (download("Export in a tab"), "report.csv", pages.CSV),
        (download("Letter"), "letter.pdf", pages.PDF),
        (download("Letter in a tab"), "letter.pdf", pages.PDF),
        (download("Summary"), "summary of visit.pdf", pages.PDF_2),
        (download("Attached"), "attached.pdf", pages.PDF),
        (download("Blob", "button"), "made.csv", b"a,b"),
        (download("Fetched", "button"), "fetched.pdf", pages.PDF),
        (download("Blob tab", "button", download_filename="blob"), "blob.pdf", b"%PDF-1.4 made in the page"),
        (download("Export", download_filename="May report"), "May report.csv", pages.CSV),
        (download("Letter", download_filename="../letters/{who[0]}.pdf"), "_letters_Ada.pdf", pages.PDF),
        (download("Evil"), "_.._evil.csv", pages.CSV),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_arrives_once_however_the_site_sends_it(
    run_nodes: RunNodes, site: Site, node: dict[str, object], name: str, content: bytes
) -> None:
    outcome = run_nodes([node], url=f"{site.url}/files", inputs={"who": ["Ada"]})

    assert outcome.error is None
    assert outcome.files() == {name: content}
    assert all(site.asked_for(path) <= 1 for path in ("/report.csv", "/letter.pdf", "/named.pdf", "/attached.pdf"))


@pytest.mark.django_db(transaction=True)
def test_its_row_has_size_checksum_type_and_metadata(run_nodes: RunNodes, site: Site) -> None:
    node = download("Letter", download_metadata={"patient": "{who[0]}", "left": "{nobody[0]}"})
    outcome = run_nodes([node], url=f"{site.url}/files", inputs={"who": ["Ada"]})
    row = Artifact.objects.get(task=outcome.task, kind="download")

    assert row.size_bytes == len(pages.PDF)
    assert row.sha256 == hashlib.sha256(pages.PDF).hexdigest()
    assert row.content_type == "application/pdf"
    assert row.metadata == {"patient": "Ada", "left": "{nobody[0]}"}
    assert row.storage_name == f"{outcome.task.id}/{row.id}"


@pytest.mark.django_db(transaction=True)
def test_several_files_of_one_act_are_numbered(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([download("Both", "button", download_filename="part")], url=f"{site.url}/files")

    assert sorted(outcome.files()) == ["part_0.txt", "part_1.txt"]
    assert sorted(outcome.files().values()) == [b"one", b"two"]


@pytest.mark.django_db(transaction=True)
def test_a_file_that_nobody_asked_for_is_kept_at_the_end(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("link", name="Export", exact=True)'), click('get_by_role("link", name="Attached")')],
        url=f"{site.url}/files",
        expected_downloads=2,
    )

    assert sorted(outcome.files()) == ["attached.pdf", "report.csv"]
    assert [event["state"] for event in outcome.events("download")].count("arrived") == 2


@pytest.mark.django_db(transaction=True)
def test_no_file_fails_the_step_without_another_try(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([download("Nothing", "button", download_timeout_seconds=1)], url=f"{site.url}/files")

    assert isinstance(outcome.error, DownloadMissingError)
    assert "expected download did not arrive within 1 s" in str(outcome.error)
    assert outcome.step.duration_ms < 5000


@pytest.mark.django_db(transaction=True)
def test_an_empty_file_fails_the_step(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([download("Empty")], url=f"{site.url}/files")

    assert isinstance(outcome.error, DownloadMissingError)
    assert "“empty.csv” is empty" in str(outcome.error)


@pytest.mark.django_db(transaction=True)
def test_a_file_above_the_limit_fails_the_step(run_nodes: RunNodes, site: Site, settings: Settings) -> None:
    settings.ARTIFACT_MAX_MB = 0
    outcome = run_nodes([download("Export")], url=f"{site.url}/files")

    assert isinstance(outcome.error, DownloadMissingError)
    assert "ARTIFACT_MAX_MB" in str(outcome.error)
    assert outcome.files() == {}


@pytest.mark.django_db(transaction=True)
def test_a_missing_optional_link_waits_for_no_file(run_nodes: RunNodes, site: Site) -> None:
    node = download("Not there", skip_prompt=True, max_tries=1)
    outcome = run_nodes([node], url=f"{site.url}/files")

    assert outcome.error is None
    assert outcome.step.status == "skipped"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename=plain.csv; size=3", "plain.csv"),
        ("attachment; filename=\"x.pdf\"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf", "résumé.pdf"),
        (r'inline; filename="with \"quotes\".pdf"', 'with "quotes".pdf'),
        ("inline", None),
        ("", None),
    ],
)
def test_names_are_read_from_content_disposition(header: str, name: str | None) -> None:
    assert disposition_filename(header) == name


# --- the rules of waiting, naming and counting ----------------------------------------------------------------


@pytest.fixture
def letter(calls: CallSite) -> bytes:
    calls.files["/files/letter.pdf"] = b"%PDF-1.4 a letter"
    calls.files["/files/slow.csv"] = CLAIMS
    return calls.files["/files/letter.pdf"]


@pytest.mark.django_db(transaction=True)
def test_a_file_that_has_begun_in_time_may_end_later(run_nodes: RunNodes, calls: CallSite, letter: bytes) -> None:
    outcome = run_nodes([download("Slow", download_timeout_seconds=0.3)], url=f"{calls.url}/files")

    assert outcome.error is None
    assert outcome.files() == {"slow.csv": CLAIMS}


@pytest.mark.django_db(transaction=True)
def test_a_file_that_broke_off_is_told(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([download("Cut off", download_timeout_seconds=1)], url=f"{calls.url}/files")

    assert isinstance(outcome.error, DownloadMissingError)
    assert "did not arrive within 1 s (" in str(outcome.error)
    assert outcome.files() == {}
    assert "failed" in [event["state"] for event in outcome.events("download")]


@pytest.mark.django_db(transaction=True)
def test_a_file_that_still_comes_at_the_end_is_kept(run_nodes: RunNodes, calls: CallSite, letter: bytes) -> None:
    outcome = run_nodes([click('get_by_role("link", name="Slow", exact=True)')], url=f"{calls.url}/files")

    assert outcome.error is None
    assert outcome.files() == {"slow.csv": CLAIMS}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["Frame", "Embed", "Object"])
def test_a_pdf_inside_a_page_is_kept(run_nodes: RunNodes, calls: CallSite, letter: bytes, way: str) -> None:
    outcome = run_nodes([download(way, "button", download_filename="inside")], url=f"{calls.url}/files")

    assert outcome.error is None
    assert outcome.files() == {"inside.pdf": letter}
    assert len(calls.seen("/files/letter.pdf")) == 1


@pytest.mark.django_db(transaction=True)
def test_a_pdf_that_answers_a_form_is_kept_by_the_sites_name(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([download("Print", "button")], url=f"{calls.url}/files")

    assert outcome.error is None
    assert outcome.files() == {"printed.pdf": b"%PDF-1.4 posted"}
    assert [each.method for each in calls.seen("/posted")] == ["POST"]


@pytest.mark.django_db(transaction=True)
def test_an_attachment_that_a_script_loads_counts_by_its_name(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([download("Load hidden", "button")], url=f"{calls.url}/files")

    assert outcome.error is None
    assert outcome.files() == {"hidden letter.pdf": b"%PDF-1.4 hidden"}


@pytest.mark.django_db(transaction=True)
def test_a_large_pdf_that_a_script_loads_is_kept(run_nodes: RunNodes, calls: CallSite) -> None:
    large = calls.files["/files/large.pdf"] = b"%PDF-1.4 " + bytes(30_000_000)
    outcome = run_nodes([download("Load large", "button")], url=f"{calls.url}/files")

    assert outcome.error is None
    assert outcome.files() == {"large.pdf": large}


@pytest.mark.django_db(transaction=True)
def test_a_pdf_without_end_is_given_up_at_the_limit(run_nodes: RunNodes, calls: CallSite, settings: Settings) -> None:
    settings.ARTIFACT_MAX_MB = 1
    outcome = run_nodes([download("Endless", download_timeout_seconds=3)], url=f"{calls.url}/files")

    assert isinstance(outcome.error, DownloadMissingError)
    assert "larger than ARTIFACT_MAX_MB" in str(outcome.error)


@pytest.mark.django_db(transaction=True)
def test_a_file_that_came_before_it_was_asked_for_counts_once(
    run_nodes: RunNodes, calls: CallSite, letter: bytes
) -> None:
    nodes = [
        interact("go_to_url", {"url": f"{calls.url}/files/letter.pdf", "new_tab": True}),
        interact("switch_tab", {"tab_index": 0}),
        download("Save letter", download_filename="mine.pdf", download_timeout_seconds=5),
    ]
    outcome = run_nodes(nodes, url=f"{calls.url}/files", expected_downloads=1)

    assert outcome.error is None
    assert outcome.files() == {"mine.pdf": letter}


@pytest.mark.django_db(transaction=True)
def test_the_same_file_for_two_acts_comes_twice(run_nodes: RunNodes, calls: CallSite, letter: bytes) -> None:
    nodes = [
        download("Letter", download_filename="first.pdf", download_timeout_seconds=5),
        interact("go_back"),
        download("Save letter", download_filename="second.pdf", download_timeout_seconds=5),
    ]
    outcome = run_nodes(nodes, url=f"{calls.url}/files")

    assert outcome.error is None
    assert outcome.files() == {"first.pdf": letter, "second.pdf": letter}


@pytest.mark.django_db(transaction=True)
def test_choosing_an_option_may_bring_a_file(run_nodes: RunNodes, calls: CallSite) -> None:
    action = {"command": 'get_by_label("Format")', "select_values": ["CSV"], "expect_download": True}
    outcome = run_nodes([interact("select_option", action)], url=f"{calls.url}/files")

    assert outcome.error is None
    assert outcome.files() == {"claims.csv": CLAIMS}


@pytest.mark.django_db(transaction=True)
def test_an_address_that_is_a_file_is_kept_without_failing_the_node(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([interact("go_to_url", {"url": f"{calls.url}/attached.csv"})], url=f"{calls.url}/files")

    assert outcome.error is None
    assert outcome.files() == {"claims.csv": CLAIMS}


@pytest.mark.django_db(transaction=True)
def test_metadata_in_a_loop_names_the_pass(run_nodes: RunNodes, calls: CallSite) -> None:
    loop = {
        "type": "for_loop_node",
        "variable_name": "ids",
        "nodes": [
            click(
                'get_by_role("link", name="{ids[index]}")',
                expect_download=True,
                download_filename="claim",
                download_metadata={"claim": {"id": "{ids[index]}", "pass": "{index}"}},
            )
        ],
    }
    outcome = run_nodes([loop], url=f"{calls.url}/files", inputs={"ids": ["C-1", "C-2"]})
    rows = Artifact.objects.filter(task=outcome.task, kind="download")

    assert outcome.error is None
    assert {row.filename: row.metadata for row in rows} == {
        "claim.csv": {"claim": {"id": "C-1", "pass": "0"}},
        "claim_2.csv": {"claim": {"id": "C-2", "pass": "1"}},
    }


def test_fewer_files_than_expected_are_no_error(worker_loop: WorkerLoop, tmp_path: Path) -> None:
    async def wait() -> bool:
        return await Downloads(folder=tmp_path, report=lambda kind, data: None).wait_for_count(1, seconds=0.2)

    assert worker_loop.submit(wait()).result(10) is False


def test_a_file_that_the_server_fetched_takes_the_place_of_one_that_a_page_showed(
    worker_loop: WorkerLoop, tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []
    downloads = Downloads(folder=tmp_path, report=lambda kind, data: told.append(data))

    async def arrive() -> None:
        for name in ("a.csv", "b.csv"):
            path = downloads.new_path()
            path.write_bytes(CLAIMS)
            await downloads.add_fetched(path, name=name, url="http://a.example/x", content_type="text/csv")

    worker_loop.submit(arrive()).result(10)

    assert [file.name for file in downloads.files] == ["a.csv"]
    assert [each["state"] for each in told] == ["arrived"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.django_db(transaction=True)
def test_a_large_pdf_that_is_gone_when_it_is_asked_for_again_is_told(run_nodes: RunNodes, calls: CallSite) -> None:
    calls.files["/files/large.pdf"] = b"%PDF-1.4 " + bytes(30_000_000)
    calls.once.add("/files/large.pdf")
    outcome = run_nodes([download("Load large", "button", download_timeout_seconds=6)], url=f"{calls.url}/files")

    assert isinstance(outcome.error, DownloadMissingError)
    assert "it answered HTTP 404" in str(outcome.error)


@pytest.mark.django_db(transaction=True)
def test_a_pdf_whose_tab_closes_on_the_way_is_told(run_nodes: RunNodes, calls: CallSite) -> None:
    nodes = [
        click('get_by_role("link", name="Slow letter")', expect_new_tab=True, end_sleep_time=0),
        interact("close_current_tab", end_sleep_time=0),
    ]
    calls.files["/files/slow.pdf"] = b"%PDF-1.4 slow"
    outcome = run_nodes(nodes, url=f"{calls.url}/files")

    assert outcome.error is None
    assert outcome.files() in ({}, {"slow.pdf": b"%PDF-1.4 slow"})
    assert [event["state"] for event in outcome.events("download")] in (["failed"], ["arrived"])


def test_a_file_on_another_file_system_is_copied(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(CLAIMS)
    (tmp_path / "target").write_bytes(b"in the way of a link")

    _link_or_copy(tmp_path / "source", tmp_path / "target")

    assert (tmp_path / "target").read_bytes() == CLAIMS
