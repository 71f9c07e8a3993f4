import pytest

from executor.errors import ActionTimeoutError
from tests.executor.conftest import RunNodes, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

CHANGES = read('locator("#changes")', "changes")


def state(command: str) -> dict[str, object]:
    return read(command, "checked", read="checked")


@pytest.mark.parametrize("wanted", [["ppo"], ["PPO Plus"], ["^PPO"], ["ppo plus"], ["plus"]])
def test_options_are_chosen_as_people_mean_them(run_nodes: RunNodes, site: Site, wanted: list[str]) -> None:
    node = interact("select_option", {"command": 'get_by_label("Plan")', "select_values": wanted})
    outcome = run_nodes([node, read('locator("#out")')], url=f"{site.url}/form")

    assert outcome.values() == {"value": "plan ppo"}


def test_an_option_that_is_not_there_fails(run_nodes: RunNodes, site: Site) -> None:
    action = {"command": 'get_by_label("Plan")', "select_values": ["xyz"]}
    node = interact("select_option", action, max_tries=1, max_timeout_seconds_per_try=0.5)
    outcome = run_nodes([node], url=f"{site.url}/form")

    assert isinstance(outcome.error, ActionTimeoutError)


def test_no_values_and_no_model_skips_and_no_select_fails(run_nodes: RunNodes, site: Site) -> None:
    skipped = run_nodes([interact("select_option", {"command": 'get_by_label("Plan")'})], url=f"{site.url}/form")
    action = {"command": 'get_by_label("Name")', "select_values": ["x"]}
    failed = run_nodes(
        [interact("select_option", action, max_tries=1, max_timeout_seconds_per_try=0.3)], url=f"{site.url}/form"
    )

    assert (skipped.error, skipped.step.status) == (None, "skipped")
    assert "not a <select>" in str(failed.error)


@pytest.mark.parametrize(
    ("kind", "label", "end", "changes"),
    [
        ("check", "Agree", True, "c"),
        ("check", "News", True, "nn"),  # cleared first, so that the page hears of it
        ("uncheck", "News", False, "n"),
        ("uncheck", "Agree", False, "cc"),
        ("check", "Red", True, "r"),
        ("check", "Blue", True, ""),  # a selected radio button stays as it is
    ],
)
def test_boxes_end_in_the_wanted_state(
    run_nodes: RunNodes, site: Site, kind: str, label: str, end: bool, changes: str
) -> None:
    command = f'get_by_label("{label}")'
    outcome = run_nodes([interact(kind, {"command": command}), state(command), CHANGES], url=f"{site.url}/form")

    assert outcome.error is None
    assert outcome.values() == {"checked": end, "changes": changes}


def test_a_radio_button_cannot_be_unchecked(run_nodes: RunNodes, site: Site) -> None:
    node = interact("uncheck", {"command": 'get_by_label("Blue")'}, max_tries=1, max_timeout_seconds_per_try=0.3)
    outcome = run_nodes([node], url=f"{site.url}/form")

    assert isinstance(outcome.error, ActionTimeoutError)
    assert "radio button" in str(outcome.error)


def test_a_box_under_a_drawn_one_is_changed_by_its_label(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [interact("check", {"command": 'locator("#under")'}), state('locator("#under")')], url=f"{site.url}/form"
    )

    assert outcome.values() == {"checked": True}
    assert outcome.steps[0].duration_ms < 4000
