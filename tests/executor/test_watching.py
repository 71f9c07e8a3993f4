import pytest

from tests.executor.conftest import RunNodes, click, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("alerts", [False, True])
def test_dialogs_are_accepted_at_once_and_told(run_nodes: RunNodes, site: Site, alerts: bool) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Ask")'), read('locator("#out")')],
        url=f"{site.url}/dialogs",
        enable_browser_alerts=alerts,
    )

    assert outcome.values()["value"].startswith("true")
    assert outcome.events("dialog") == [
        {"type": "alert", "message": "Heads up"},
        {"type": "confirm", "message": "Sure?"},
        {"type": "prompt", "message": "Name?"},
    ]
    assert outcome.steps[0].duration_ms < 4000


def test_what_goes_wrong_on_a_page_is_told_and_fails_nothing(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([read('locator("p")')], url=f"{site.url}/noisy")

    assert outcome.error is None
    assert any("something is off" in event["text"] for event in outcome.events("console"))
    assert [event["text"] for event in outcome.events("page_error")] == ["uncaught thing"]
    failed = outcome.events("request_failed")
    assert {event.get("status") for event in failed} == {500, None}
    assert any("ERR_" in event.get("error", "") for event in failed)


def test_steps_are_told_as_they_begin_and_end(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([read('get_by_role("heading")')], url=f"{site.url}/second")

    assert [(event["index"], event["status"]) for event in outcome.events("step")] == [(1, "running"), (1, "success")]
