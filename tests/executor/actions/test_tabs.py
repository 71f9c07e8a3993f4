from typing import Any

import pytest

from executor.errors import ActionError
from tests.executor.conftest import Outcome, RunNodes, click, interact, read
from tests.executor.site.calls import CallSite
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

NEWEST = {"type": "action_node", "extraction_action": {"state": {}}}


def open_tabs(site: Site, *paths: str) -> list[dict[str, Any]]:
    return [interact("go_to_url", {"url": f"{site.url}{path}", "new_tab": True}) for path in paths]


def switch(index: int) -> dict[str, Any]:
    return interact("switch_tab", {"tab_index": index})


def urls_of(outcome: Outcome, site: Site) -> list[str]:
    read_pages = [item["json_data"] for item in outcome.output if "page_url" in item["json_data"]]
    return [each["page_url"].removeprefix(site.url) for each in read_pages]


def closed(outcome: Outcome, site: Site) -> list[str]:
    """The tabs that were closed before the end, in order."""
    return [event["url"].removeprefix(site.url) for event in outcome.events("tab") if event["state"] == "closed"]


@pytest.mark.parametrize(
    ("index", "expected"), [(0, "/"), (1, "/second"), (2, "/long"), (-1, "/long"), (-2, "/second"), (-3, "/")]
)
def test_a_tab_is_switched_to_by_its_place_in_the_order_of_opening(
    run_nodes: RunNodes, site: Site, index: int, expected: str
) -> None:
    outcome = run_nodes([*open_tabs(site, "/second", "/long"), switch(index), NEWEST], url=f"{site.url}/")

    assert outcome.error is None
    assert urls_of(outcome, site) == [expected]


@pytest.mark.parametrize("index", [3, -4])
def test_a_tab_that_does_not_exist_fails_the_node(run_nodes: RunNodes, site: Site, index: int) -> None:
    outcome = run_nodes([*open_tabs(site, "/second", "/long"), switch(index)], url=f"{site.url}/")

    assert isinstance(outcome.error, ActionError)
    assert f"there is no tab {index}: 3 tabs are open" in str(outcome.error)


def test_with_one_tab_nothing_is_switched(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([switch(7), NEWEST], url=f"{site.url}/second")

    assert outcome.error is None
    assert urls_of(outcome, site) == ["/second"]


def test_a_switched_tab_is_acted_on_and_stays_current_until_another_opens(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            *open_tabs(site, "/second"),
            switch(0),
            click('get_by_role("button", name="Press")'),
            read('locator("#out")'),
            click('get_by_role("link", name="Second in a new tab")', expect_new_tab=True),
            NEWEST,
        ],
        url=f"{site.url}/",
    )

    assert outcome.error is None
    assert outcome.values()["value"] == "left"
    assert urls_of(outcome, site) == ["/second"]


def test_when_a_switched_tab_closes_the_newest_is_current(run_nodes: RunNodes, site: Site, calls: CallSite) -> None:
    outcome = run_nodes(
        [
            click('get_by_role("link", name="Popup")', expect_new_tab=True),
            *open_tabs(site, "/second", "/table"),
            switch(1),
            click('get_by_role("button", name="Close soon")'),
            {"type": "assert_locator_node", "locator": 'locator("#claims")', "assertion": "to_be_visible"},
            NEWEST,
        ],
        url=f"{calls.url}/app",
    )

    assert outcome.error is None
    assert closed(outcome, site) == [f"{calls.url}/popup"]
    assert urls_of(outcome, site) == ["/table"]


def test_the_current_tab_is_closed_and_the_newest_is_current_then(run_nodes: RunNodes, site: Site) -> None:
    close = interact("close_current_tab")
    outcome = run_nodes(
        [*open_tabs(site, "/second", "/long", "/table"), close, NEWEST, switch(0), close, NEWEST], url=f"{site.url}/"
    )

    assert outcome.error is None
    assert closed(outcome, site) == ["/table", "/"]
    assert urls_of(outcome, site) == ["/long", "/long"]


def test_the_only_tab_is_not_closed(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([interact("close_current_tab"), NEWEST], url=f"{site.url}/second")

    assert outcome.error is None
    assert outcome.steps[0].status == "warning"
    assert urls_of(outcome, site) == ["/second"]


def test_all_but_the_newest_are_closed_also_after_a_switch(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [*open_tabs(site, "/second", "/long"), switch(0), interact("close_all_but_last_tab"), NEWEST],
        url=f"{site.url}/",
    )

    assert outcome.error is None
    assert closed(outcome, site) == ["/", "/second"]
    assert urls_of(outcome, site) == ["/long"]


@pytest.mark.parametrize(
    ("until", "left"),
    [
        ({"matching_url": "/second"}, "/second"),
        ({"matching_url": "/table"}, "/table"),
        ({"tab_index": 1}, "/second"),
        ({"tab_index": 0}, "/"),
        ({"tab_index": 9}, "/table"),
    ],
)
def test_the_newest_tabs_are_closed_until_one_is_meant(
    run_nodes: RunNodes, site: Site, until: dict[str, Any], left: str
) -> None:
    outcome = run_nodes(
        [*open_tabs(site, "/second", "/long", "/table"), switch(0), interact("close_tabs_until", until), NEWEST],
        url=f"{site.url}/",
    )

    assert outcome.error is None
    assert urls_of(outcome, site) == [left]


@pytest.mark.parametrize("until", [{"matching_url": "/nowhere"}, {"tab_index": -1}])
def test_when_no_tab_is_meant_the_last_one_stays_and_the_node_fails(
    run_nodes: RunNodes, site: Site, until: dict[str, Any]
) -> None:
    outcome = run_nodes([*open_tabs(site, "/second"), interact("close_tabs_until", until)], url=f"{site.url}/")

    assert isinstance(outcome.error, ActionError)
    assert "no tab matches" in str(outcome.error)
    assert closed(outcome, site) == ["/second"]
