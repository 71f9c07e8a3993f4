"""The manual as the server serves it: every page, every link, and nothing else of the disk."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from django.conf import settings

from inference.services.manual import SUBJECTS, llms_txt, pages
from tests.inference.conftest import ApiClient, assert_error
from tests.inference.served.conftest import Granian

# The server needs its database, which is made only for tests that say so.
pytestmark = pytest.mark.django_db(transaction=True)

_LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


# Not Django's own test server: that one serves every file of the working folder.
@pytest.fixture
def reader(granian: Granian) -> Iterator[ApiClient]:
    """Nobody in particular."""
    client = ApiClient(granian.url)
    yield client
    client.session.close()


def links(text: str) -> Iterator[str]:
    """Where the links of a page lead, without those in examples, to pictures and to other sites."""
    for picture, target in _LINK.findall(_FENCE.sub("", text)):
        if not picture and not urlsplit(target).scheme:
            yield target


def headings(text: str) -> set[str]:
    """The fragments that a reader of Markdown makes of the headings."""
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower().strip()).replace(" ", "-") for title in titles}


def test_every_page_of_the_folder_is_served_as_markdown(reader: ApiClient) -> None:
    folder = settings.BASE_DIR / "docs"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}
    assert names == set(pages())
    for name in names:
        answer = reader.get(f"/docs/{name}")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/markdown; charset=utf-8"
        assert answer.content == (folder / name).read_bytes()
        assert "max-age" in answer.headers["Cache-Control"]
        again = reader.get(f"/docs/{name}", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "nothing.md",
        "../README.md",
        "..%2fREADME.md",
        "decisions/../../README.md",
        "make_screenshots.py",
        "images/home-390-dark.png",
        "%2fetc%2fpasswd",
        "api.md/",
        "API.md",
    ],
)
def test_nothing_else_of_the_disk_is_served(reader: ApiClient, name: str) -> None:
    request = requests.Request("GET", reader.url).prepare()
    request.url = f"{reader.url}/docs/{name}"  # as it is: nobody tidies the dots away
    answer = reader.session.send(request, timeout=30)

    assert_error(answer, 404)


def test_all_links_within_the_pages_lead_somewhere(reader: ApiClient) -> None:
    looked_at = 0
    for name, page in pages().items():
        here = f"/docs/{name}"
        for target in links(page.body.decode()):
            where, _, fragment = urljoin(here, target).partition("#")
            answer = reader.get(where)
            assert answer.status_code == 200, f"{name} links to {target}"
            if fragment:
                assert fragment in headings(answer.text), f"{name} links to {target}"
            looked_at += 1
    assert looked_at > 30


def test_index_names_every_page_and_each_link_works(reader: ApiClient) -> None:
    answer = reader.get("/llms.txt")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content == llms_txt().body
    lines = answer.text.splitlines()
    assert lines[0].startswith("# ")
    assert lines[2].startswith("> ")
    targets = list(links(answer.text))
    assert {f"/docs/{name}" for name in pages()} <= set(targets)
    for target in targets:
        assert reader.get(target).status_code == 200, target


def test_every_page_has_its_line() -> None:
    main = {name for name in pages() if "/" not in name}
    assert main == set(SUBJECTS), "say in inference/services/manual.py what the page is about"
