import pytest

from tests.executor.conftest import RunNodes, click, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_act_waits_for_the_answer_that_it_asked_for(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            click('get_by_role("button", name="Load again")'),
            read('locator("#table")', "text", before_sleep_time=0),
        ],
        url=f"{site.url}/late",
    )

    assert "Grace" in outcome.values()["text"]
    assert 800 < outcome.steps[0].duration_ms < 4000


def test_a_page_that_renders_step_by_step_is_waited_for(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Show")'), read('locator("li")', "items", all=True, before_sleep_time=0)],
        url=f"{site.url}/rendered",
    )

    assert len(outcome.values()["items"]) == 8


def test_a_page_cannot_break_the_watching(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Show")'), read('locator("#out")', before_sleep_time=0)],
        url=f"{site.url}/tampered",
    )

    assert outcome.values() == {"value": "after"}


def test_an_endless_stream_does_not_hold_the_run(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Listen")'), read('locator("#out")')], url=f"{site.url}/streaming"
    )

    assert outcome.values() == {"value": "listening"}
    assert outcome.steps[0].duration_ms < 3000
    assert outcome.steps[1].duration_ms < 2000


def test_a_long_poll_holds_the_run_at_most_once_and_no_longer_than_allowed(run_nodes: RunNodes, site: Site) -> None:
    poll = click('get_by_role("button", name="Poll")', end_sleep_time=1.5)
    outcome = run_nodes([poll, poll, read('locator("#out")')], url=f"{site.url}/polling")

    assert 1400 < outcome.steps[0].duration_ms < 4000
    assert outcome.steps[1].duration_ms < 1400
    assert outcome.steps[2].duration_ms < 1400


def test_an_animation_is_noise(run_nodes: RunNodes, site: Site) -> None:
    press = click('get_by_role("button", name="Press")')
    outcome = run_nodes([press, press], url=f"{site.url}/animated")

    assert outcome.error is None
    assert outcome.steps[1].duration_ms < 2500


def test_a_navigation_that_an_act_begins_is_waited_for(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("link", name="Second page")'), read('get_by_role("heading")', before_sleep_time=0)],
        url=f"{site.url}/",
    )

    assert outcome.values() == {"value": "Second"}
    assert outcome.steps[0].url == f"{site.url}/second"


def test_no_end_sleep_goes_on_at_once(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([click('get_by_role("button", name="Load again")', end_sleep_time=0)], url=f"{site.url}/late")

    assert outcome.steps[0].duration_ms < 700


def test_a_form_that_changes_nothing_costs_no_wait(run_nodes: RunNodes, site: Site) -> None:
    fill = interact("input_text", {"command": 'locator("#q")', "input_text": "x"})
    outcome = run_nodes([fill] * 5, url=f"{site.url}/form")

    assert sorted(step.duration_ms for step in outcome.steps)[2] < 400
