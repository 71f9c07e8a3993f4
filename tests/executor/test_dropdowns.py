import pytest

from executor.errors import ActionTimeoutError
from tests.executor.conftest import RunNodes, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

OUT = read('locator("#out")', "out")


def chosen(where: str, *values: str, **fields: object) -> dict[str, object]:
    return interact("select_option", {"command": f'locator("#{where}")', "select_values": list(values)}, **fields)


@pytest.mark.parametrize(
    ("where", "wanted", "out"),
    [
        ("plan", "PPO Plus", "plan PPO Plus"),
        ("plan", "ppo", "plan PPO Plus"),  # its value
        ("plan", "^HMO", "plan HMO Basic"),
        ("plan", "plus", "plan PPO Plus"),  # the nearest
        ("color", "Green", "color Green"),  # a button that says that it has a list
        ("city", "Bern", "city Bern"),  # shows nothing before something is typed
        ("covered", "EPO", "covered EPO"),  # opened by its keys: what lies over it takes the click
        ("sizes", "Small", "Small"),
    ],
)
def test_an_option_of_a_list_that_the_page_has_built_is_chosen(
    run_nodes: RunNodes, site: Site, where: str, wanted: str, out: str
) -> None:
    outcome = run_nodes([chosen(where, wanted), OUT], url=f"{site.url}/dropdowns")

    assert outcome.error is None
    assert outcome.values() == {"out": out}


def test_a_list_may_have_the_same_label_as_its_field(run_nodes: RunNodes, site: Site) -> None:
    action = {"command": 'get_by_label("Plan", exact=True)', "select_values": ["EPO"]}
    outcome = run_nodes([interact("select_option", action), OUT], url=f"{site.url}/dropdowns")

    assert outcome.error is None
    assert outcome.values() == {"out": "plan EPO"}


def test_an_option_that_comes_late_is_waited_for(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([chosen("plan", "EPO"), OUT], url=f"{site.url}/dropdowns?late")

    assert outcome.values() == {"out": "plan EPO"}


def test_what_is_selected_already_is_left_alone(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([chosen("sizes", "Large"), read('locator("#out")', read="html")], url=f"{site.url}/dropdowns")

    assert outcome.error is None
    assert ">" not in outcome.values()["value"].removeprefix('<p id="out">').removesuffix("</p>")


def test_a_list_that_takes_several_has_exactly_the_wanted_ones(run_nodes: RunNodes, site: Site) -> None:
    states = [read(f'locator("#days li").nth({n})', f"d{n}", read="attribute:aria-selected") for n in range(4)]
    outcome = run_nodes([chosen("days", "Tuesday", "Friday"), *states], url=f"{site.url}/dropdowns")

    assert outcome.error is None
    assert outcome.values() == {"d0": "false", "d1": "true", "d2": "false", "d3": "true"}


def test_a_drop_down_that_takes_several_is_closed_afterwards(run_nodes: RunNodes, site: Site) -> None:
    is_open = read('locator("#tags")', "open", read="attribute:aria-expanded")
    outcome = run_nodes([chosen("tags", "Alpha", "Gamma"), OUT, is_open], url=f"{site.url}/dropdowns")

    assert outcome.error is None
    assert outcome.values() == {"out": "tags Alpha+Gamma", "open": "false"}


def test_no_wanted_values_choose_nothing(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([chosen("plan"), read('locator("#plan")', "open", read="attribute:aria-expanded")],
                        url=f"{site.url}/dropdowns")  # fmt: skip

    assert outcome.error is None
    assert outcome.values() == {"open": "false"}


@pytest.mark.parametrize(
    ("where", "wanted", "reason"),
    [
        ("plan", "Dental", "no option fits; the list has “HMO Basic”, “PPO Plus”, “EPO”"),
        ("city", "Rome", "never showed an option"),
        ("days", "Wednesday", "no option fits"),  # a disabled one
        ("empty", "x", "never showed an option"),
        ("deaf", "One", "its list took no notice"),
        ("outside", "x", "not a <select>, and has no role combobox or listbox"),
    ],
)
def test_what_cannot_be_chosen_is_an_error(
    run_nodes: RunNodes, site: Site, where: str, wanted: str, reason: str
) -> None:
    node = chosen(where, wanted, max_tries=1, max_timeout_seconds_per_try=1.5)
    outcome = run_nodes([node], url=f"{site.url}/dropdowns")

    assert isinstance(outcome.error, ActionTimeoutError)
    assert reason in str(outcome.error)
