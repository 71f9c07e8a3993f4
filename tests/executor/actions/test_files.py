from pathlib import Path

import pytest
from pytest_django import Settings

from executor.actions.files import allowed_file
from executor.errors import AutomationError
from tests.executor.conftest import RunNodes, click, interact, read
from tests.executor.site.server import Site

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


def test_links_and_dots_do_not_lead_out(uploads: Path, tmp_path: Path) -> None:
    (uploads / "link.txt").symlink_to(tmp_path / "private.txt")

    for named in ("link.txt", "../private.txt", str(uploads / ".." / "private.txt"), "/etc/hostname"):
        with pytest.raises(AutomationError):
            allowed_file(named, tmp_path / "attempt")
    assert allowed_file("card.png", tmp_path / "attempt") == uploads / "card.png"
