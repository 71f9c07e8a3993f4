import pytest
from pytest_django import Settings

from executor.actions import navigation
from executor.errors import NavigationError
from tests.executor.conftest import RunNodes, click, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

HEADING = read('get_by_role("heading")', "heading")


def test_an_address_is_opened_and_gone_back_from(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            interact("go_to_url", {"url": "{site[0]}/second"}),
            read('get_by_role("heading")', "there"),
            interact("go_back", {}),
            read('get_by_role("heading")', "back"),
        ],
        url=f"{site.url}/",
        inputs={"site": [site.url]},
    )

    assert outcome.values() == {"there": "Second", "back": "Home"}
    assert [step.url for step in outcome.steps][1:3] == [f"{site.url}/second", f"{site.url}/"]


def test_a_new_tab_becomes_the_current_one(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [interact("go_to_url", {"url": f"{site.url}/second", "new_tab": True}), HEADING], url=f"{site.url}/"
    )

    assert outcome.values() == {"heading": "Second"}
    assert outcome.events("tab")[0]["state"] == "opened"


def test_a_dead_address_fails_the_step(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([interact("go_to_url", {"url": "http://127.0.0.1:1/x"})], url=f"{site.url}/")

    assert isinstance(outcome.error, NavigationError)
    assert "could not open http://127.0.0.1:1/x" in str(outcome.error)


def test_no_address_at_all_is_told_without_trying_again(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([interact("go_to_url", {"url": "not an address"})], url=f"{site.url}/")

    assert isinstance(outcome.error, NavigationError)
    assert outcome.step.duration_ms < 3000


@pytest.mark.parametrize(("path", "words"), [("/broken", "HTTP 500"), ("/slow?seconds=3", "did not finish loading")])
def test_errors_and_slow_pages_are_warnings(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch, path: str, words: str
) -> None:
    monkeypatch.setattr(navigation, "NAVIGATION_SECONDS", 1.5)
    outcome = run_nodes([interact("go_to_url", {"url": f"{site.url}{path}"}, end_sleep_time=3)], url=f"{site.url}/")

    assert outcome.error is None
    assert outcome.step.status == "warning"
    assert words in outcome.step.details["notes"][0]


def test_strict_navigation_makes_them_failures(run_nodes: RunNodes, site: Site, settings: Settings) -> None:
    settings.STRICT_NAVIGATION = True
    outcome = run_nodes([interact("go_to_url", {"url": f"{site.url}/broken"})], url=f"{site.url}/")

    assert isinstance(outcome.error, NavigationError)


def test_going_back_without_a_history_is_told(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([interact("go_back", {}), interact("go_back", {})], url=f"{site.url}/")

    assert outcome.error is None
    assert "no page to go back to" in outcome.step.details["notes"][0]


def test_a_click_that_opens_a_tab_goes_on_there_and_comes_back_when_it_closes(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            click('get_by_role("link", name="Second in a new tab")', expect_new_tab=True),
            read('get_by_role("heading")', "there"),
            click('get_by_role("button", name="Close me")'),
            read('get_by_role("heading")', "back"),
        ],
        url=f"{site.url}/",
    )

    assert outcome.error is None
    assert outcome.values() == {"there": "Second", "back": "Home"}


def test_a_new_tab_that_does_not_come_is_a_warning(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([click('get_by_role("button", name="Press")', expect_new_tab=True)], url=f"{site.url}/")

    assert outcome.error is None
    assert outcome.step.status == "warning"


def test_a_slow_page_fails_the_step_where_navigation_is_strict(
    run_nodes: RunNodes, site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STRICT_NAVIGATION = True
    monkeypatch.setattr(navigation, "NAVIGATION_SECONDS", 1.0)
    outcome = run_nodes([interact("go_to_url", {"url": f"{site.url}/slow?seconds=3"})], url=f"{site.url}/")

    assert isinstance(outcome.error, NavigationError)
    assert str(outcome.error) == f"{site.url}/slow?seconds=3 did not finish loading within 1 s"


def test_going_back_that_takes_too_long_fails_the_step(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(navigation, "_GO_BACK_SECONDS", 0.001)
    nodes = [interact("go_to_url", {"url": f"{site.url}/second"}), interact("go_back", {})]
    outcome = run_nodes(nodes, url=f"{site.url}/slow?seconds=1")

    assert isinstance(outcome.error, NavigationError)
    assert str(outcome.error) == f"going back from {site.url}/second took more than 0.001 s"
