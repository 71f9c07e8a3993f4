import pytest

from executor.errors import AutomationError
from tests.executor.conftest import RunNodes
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)


def check(locator: str, assertion: str = "to_be_visible", **fields: object) -> dict[str, object]:
    node = {"type": "assert_locator_node", "locator": locator, "assertion": assertion, "timeout": 0.3}
    return {**node, "output_variable_name": "seen", **fields}


@pytest.mark.parametrize(
    ("node", "result"),
    [
        (check('get_by_role("heading")'), True),
        (check('get_by_role("heading")', "to_be_hidden"), False),
        (check('get_by_text("nowhere")'), False),
        (check('get_by_text("nowhere")', "to_be_hidden"), True),
        (check('get_by_role("button", name="Twin")'), False),  # two are neither
        (check('get_by_role("button", name="Twin")', "to_be_hidden"), False),
        (check('get_by_role("button", name="Twin")', count=2), True),
        (check('locator("button", has_text="Hidden")'), False),
        (check('locator("button", has_text="Hidden")', "to_be_hidden"), True),
        (check('get_by_role("heading")', text="Ho"), True),
        (check('get_by_role("heading")', text="{who[0]}"), False),
        (check('get_by_role("heading", name="{page[0]}")'), True),
    ],
)
def test_the_result_is_a_variable_and_never_an_error(
    run_nodes: RunNodes, site: Site, node: dict[str, object], result: bool
) -> None:
    outcome = run_nodes([node], url=f"{site.url}/", inputs={"who": ["Ada"], "page": ["Home"]})

    assert outcome.error is None
    assert outcome.runner._memory.variables == {"seen": [result]}
    assert outcome.output == []


def test_it_waits_until_it_holds(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([check('get_by_role("button", name="Late button")', timeout=10)], url=f"{site.url}/late")

    assert outcome.runner._memory.variables == {"seen": [True]}
    assert outcome.step.duration_ms < 5000


def test_blanks_of_all_kinds_are_equal(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([check('locator("#price")', text="1 234 EUR")], url=f"{site.url}/table")

    assert outcome.runner._memory.variables == {"seen": [True]}


def test_an_unusable_locator_fails_the_task(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([check("page.close()")], url=f"{site.url}/")

    assert isinstance(outcome.error, AutomationError)


@pytest.mark.parametrize("locator", [" ", 'locator("p").evaluate("1")'])
def test_a_locator_that_cannot_be_used_fails_the_task_for_good(run_nodes: RunNodes, site: Site, locator: str) -> None:
    outcome = run_nodes([check(locator)], url=f"{site.url}/")

    assert isinstance(outcome.error, AutomationError)
    assert str(outcome.error).startswith("the locator of the check is ")


@pytest.mark.parametrize(
    ("node", "result"),
    [
        (check('frames[7].locator("p")'), False),
        (check('frames[7].locator("p")', "to_be_hidden"), True),
        (check('frame(name="none").locator("p")'), False),
        (check('get_by_text("nowhere")', count=0), True),
        (check('locator("no such engine=x")'), False),
    ],
)
def test_what_is_no_element_is_not_seen(run_nodes: RunNodes, site: Site, node: dict[str, object], result: bool) -> None:
    outcome = run_nodes([node], url=f"{site.url}/frames")

    assert outcome.error is None
    assert outcome.runner._memory.variables == {"seen": [result]}
