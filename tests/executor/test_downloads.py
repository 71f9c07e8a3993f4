import hashlib

import pytest
from pytest_django import Settings

from executor.downloads import disposition_filename
from executor.errors import DownloadMissingError
from inference.models import Artifact
from tests.executor.conftest import RunNodes, click
from tests.executor.site import pages
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
