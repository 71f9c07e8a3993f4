import pytest

from executor.errors import ActionTimeoutError
from tests.executor.conftest import RunNodes, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)


def moved(name: str, text: str, **fields: object) -> dict[str, object]:
    action = {"command": f'get_by_label("{name}")', "input_text": text, **fields}
    return interact("input_text", action, max_tries=1, max_timeout_seconds_per_try=0.6)


@pytest.mark.parametrize("fields", [{}, {"is_slider": True}, {"is_slider": True, "fill_or_type": "type"}])
def test_an_input_takes_its_value(run_nodes: RunNodes, site: Site, fields: dict[str, object]) -> None:
    outcome = run_nodes([moved("Volume", "70", **fields), read('locator("#out")')], url=f"{site.url}/sliders")

    assert outcome.error is None
    assert outcome.values() == {"value": "volume 70"}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("Even", "9", "9"),
        ("Even", "0", "0"),
        ("Even", "3", "3"),
        ("Tens", "70%", "70"),
        ("Turned", "9", "9"),  # its keys go the other way
        ("Slow", "7", "7"),  # the value follows the key a moment later
    ],
)
def test_a_drawn_slider_is_moved_by_its_keys(run_nodes: RunNodes, site: Site, name: str, text: str, value: str) -> None:
    now = read(f'get_by_label("{name}")', "now", read="attribute:aria-valuenow")
    outcome = run_nodes([moved(name, text, is_slider=True), now], url=f"{site.url}/sliders")

    assert outcome.error is None
    assert outcome.values() == {"now": value}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("Even", "25", "stays at 20"),
        ("Tens", "45", "no step at 45"),
        ("Stuck", "6", "stays at 5"),
        ("None", "6", "no slider"),
        ("Even", "loud", "set to a number"),
        ("Even", "inf", "set to a number"),
    ],
)
def test_what_a_slider_cannot_do_is_an_error(
    run_nodes: RunNodes, site: Site, name: str, text: str, reason: str
) -> None:
    outcome = run_nodes([moved(name, text, is_slider=True)], url=f"{site.url}/sliders")

    assert isinstance(outcome.error, ActionTimeoutError)
    assert reason in str(outcome.error)


def test_a_slider_without_a_value_is_skipped(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([moved("Even", "{level[0]}", is_slider=True)], url=f"{site.url}/sliders", inputs={"level": []})

    assert (outcome.error, outcome.step.status) == (None, "skipped")


def test_a_drawn_slider_without_the_flag_takes_no_text(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([moved("Even", "9")], url=f"{site.url}/sliders")

    assert isinstance(outcome.error, ActionTimeoutError)
