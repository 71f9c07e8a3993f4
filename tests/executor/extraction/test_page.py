import pytest

from executor.extraction import screenshot
from tests.executor.conftest import RunNodes
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)


def extraction(name: str, action: dict[str, object], **fields: object) -> dict[str, object]:
    return {"type": "action_node", "extraction_action": {name: action, **fields}}


def test_screenshots_are_files_with_safe_names_of_their_own(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            extraction("screenshot", {"filename": "../{who[0]}.png"}, unique_identifier="shot"),
            extraction("screenshot", {"filename": "../{who[0]}.png", "full_page": False}),
        ],
        url=f"{site.url}/long",
        inputs={"who": ["Ada"]},
    )
    files = outcome.files("screenshot")

    assert list(files) == ["_Ada.png", "_Ada_2.png"]
    assert all(content.startswith(b"\x89PNG") for content in files.values())
    assert outcome.output == [{"unique_identifier": "shot"}]


def test_the_state_has_address_title_storage_and_cookies(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([extraction("state", {}, unique_identifier="s")], url=f"{site.url}/second")
    (item,) = outcome.output

    assert item["unique_identifier"] == "s"
    assert item["json_data"]["page_url"] == f"{site.url}/second"
    assert item["json_data"]["page_title"] == "Second"
    assert set(item["json_data"]) == {
        "page_url", "page_title", "local_storage", "session_storage", "cookies", "document_cookie",
    }  # fmt: skip


def test_a_screenshot_that_cannot_be_taken_is_a_warning(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screenshot, "_TIMEOUT_MS", 1)
    node = extraction("screenshot", {"filename": "late.png"}, unique_identifier="late")
    outcome = run_nodes([node], url=f"{site.url}/long")

    assert (outcome.error, outcome.step.status) == (None, "warning")
    assert "the screenshot could not be taken: Timeout 1ms exceeded" in outcome.step.details["notes"][0]
    assert (outcome.files("screenshot"), outcome.output) == ({}, [])
