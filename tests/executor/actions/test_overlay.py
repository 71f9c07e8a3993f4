import pytest

from executor.errors import AutomationError
from tests.executor.conftest import RunNodes, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

CLOSE = interact("close_overlay_popup", {})
CLICKED = read('locator("#out")', "clicked", allow_none=True)


@pytest.mark.parametrize(
    ("page", "clicked"),
    [
        ("bar", "Accept all;"),
        ("vendor", "Allow all;"),
        ("german", "Alle akzeptieren;"),
        ("french", "Tout accepter;"),
        ("refuse", "Reject all;"),  # its “Accept” is a link to another page
        ("late", "Got it;"),
        ("framed", "Accept in frame;"),
        ("shadow", "Accept All;"),
        ("under", "Decline;"),  # its “Accept” lies under something
        ("form", "Decline;"),  # its “Accept” would send a form with fields
        ("newsletter", "cross;"),
        ("declined", "No, thanks;"),
        ("icon", "icon;"),
        ("chat", "chat;"),
        ("spanish", "Ahora no;"),
        ("escape", "Escape;"),
        ("notice", "OK;"),
        ("two", "Not now;Agree;"),
        ("stubborn", "Not now;cross;"),
    ],
)
def test_what_covers_the_page_is_closed_by_its_own_control(
    run_nodes: RunNodes, site: Site, page: str, clicked: str
) -> None:
    gone = {"type": "assert_locator_node", "locator": 'locator("[data-cover]")', "assertion": "to_be_hidden"}
    outcome = run_nodes([CLOSE, CLICKED, {**gone, "must_hold": True}], url=f"{site.url}/overlay/{page}")

    assert outcome.error is None
    assert sorted(outcome.values()["clicked"].split(";")) == sorted(clicked.split(";"))
    assert outcome.steps[0].status == "success", outcome.steps[0].details
    assert site.asked_for("/second") == 0


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("delete", "Delete this claim?"),
        ("confirm", "Clear all cookies?"),
        ("edit", "Edit patient"),
        ("sign_in", "Sign in"),
        ("session", "Are you still there?"),
        ("consent_to_treatment", "Consent to treatment"),
        ("terms", "New terms of service"),
    ],
)
def test_the_pages_own_dialogs_are_never_answered(run_nodes: RunNodes, site: Site, page: str, title: str) -> None:
    outcome = run_nodes([CLOSE, read('locator("#out")', "clicked", read="html")], url=f"{site.url}/overlay/{page}")

    assert outcome.error is None
    assert outcome.values() == {"clicked": '<p id="out"></p>'}
    assert outcome.steps[0].status == "warning"
    assert title in " ".join(outcome.steps[0].details["notes"])


@pytest.mark.parametrize(("page", "status"), [("none", "success"), ("toast", "success"), ("sidebar", "success"),
                                              ("drawer", "success"), ("spinner", "warning")])  # fmt: skip
def test_where_nothing_can_be_closed_nothing_is_touched(
    run_nodes: RunNodes, site: Site, page: str, status: str
) -> None:
    outcome = run_nodes([CLOSE, read('locator("#out")', "clicked", read="html")], url=f"{site.url}/overlay/{page}")

    assert outcome.error is None
    assert outcome.values() == {"clicked": '<p id="out"></p>'}
    assert outcome.steps[0].status == status


def test_a_cover_that_stays_is_a_warning(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([CLOSE, CLICKED], url=f"{site.url}/overlay/lasting")

    assert outcome.values() == {"clicked": "Close;Escape;"}
    assert outcome.steps[0].status == "warning"
    assert "“Stay here” still covers the page" in outcome.steps[0].details["notes"]


def test_a_control_that_is_a_link_is_never_followed(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([CLOSE], url=f"{site.url}/overlay/link")

    assert outcome.step.status == "warning"
    assert site.asked_for("/second") == 0


def test_a_button_that_leads_elsewhere_is_told(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([CLOSE], url=f"{site.url}/overlay/leading")

    assert outcome.error is None
    assert outcome.step.status == "warning"
    assert "that led to another page" in outcome.step.details["notes"]


@pytest.mark.parametrize(("steps", "clicked"), [(0, ""), (1, "one")])
def test_max_steps_bounds_what_is_done(run_nodes: RunNodes, site: Site, steps: int, clicked: str) -> None:
    node = interact("close_overlay_popup", {"max_steps": steps})
    outcome = run_nodes([node, read('locator("#out")', "clicked", read="html")], url=f"{site.url}/overlay/two")

    assert outcome.steps[0].status == "warning"
    assert outcome.values()["clicked"].count(";") == len(clicked) // 3


def test_a_backend_that_cannot_run_fails(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([interact("close_overlay_popup", {"backend": "browserbase"})], url=f"{site.url}/overlay/none")

    assert isinstance(outcome.error, AutomationError)
    assert "browserbase" in str(outcome.error)
