import pytest

from executor.errors import ElementNotFoundError
from tests.executor.conftest import RunNodes, click, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

OUT = read('locator("#out")', "out")
QUICK = {"max_tries": 1, "max_timeout_seconds_per_try": 0.4}


@pytest.mark.parametrize(
    ("keyword", "out"),
    [
        ("Save", "saved"),  # the control's name wins over a text that contains it
        ("Archive", "archived"),  # a part of the name, when no whole name fits
        ("Open help", "help"),
        ("Clinic logo", "logo"),
        ("Plain words", "plain"),
        ("Ghost", "ghost"),  # the hidden one does not count
        ("Late one", "late"),  # looked for again and again
    ],
)
def test_a_keyword_finds_what_people_call_so(run_nodes: RunNodes, site: Site, keyword: str, out: str) -> None:
    outcome = run_nodes([interact("click_element", {"keyword": keyword}), OUT], url=f"{site.url}/keywords")

    assert outcome.error is None
    assert outcome.values() == {"out": out}
    assert outcome.steps[0].locator == f"keyword “{keyword}”"


def test_every_action_on_an_element_takes_a_keyword(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            interact("input_text", {"keyword": "Member", "input_text": "NW-1"}),
            read('locator("#out")', "by_label"),
            interact("input_text", {"keyword": "{word[0]}", "input_text": "Ada"}),
            read('locator("#out")', "by_placeholder"),
            interact("select_option", {"keyword": "Plan", "select_values": ["B"]}),
            read('locator("#out")', "selected"),
            interact("check", {"keyword": "Agree"}),
            read('locator("#agree")', "checked", read="checked"),
            interact("hover", {"keyword": "Save"}),
        ],
        url=f"{site.url}/keywords",
        inputs={"word": ["Find a patient"]},
    )

    assert outcome.error is None
    assert outcome.values() == {"by_label": "NW-1", "by_placeholder": "seek Ada", "selected": "B", "checked": True}


def test_a_keyword_that_several_have_is_no_choice(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([interact("click_element", {"keyword": "Twin"}, **QUICK)], url=f"{site.url}/keywords")

    assert isinstance(outcome.error, ElementNotFoundError)
    assert "the keyword names 2 elements" in str(outcome.error)


def test_a_keyword_that_nothing_has_names_what_is_there(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([interact("click_element", {"keyword": "Archives"}, **QUICK)], url=f"{site.url}/keywords")

    assert isinstance(outcome.error, ElementNotFoundError)
    assert "keyword “Archives”" in str(outcome.error)
    assert "Archive the record" in str(outcome.error)


def test_an_optional_keyword_skips_its_step(run_nodes: RunNodes, site: Site) -> None:
    node = interact("click_element", {"keyword": "Nope", "skip_prompt": True}, **QUICK)
    outcome = run_nodes([node], url=f"{site.url}/keywords")

    assert (outcome.error, outcome.step.status) == (None, "skipped")


def test_a_command_wins_and_is_not_replaced_when_it_fails(run_nodes: RunNodes, site: Site) -> None:
    won = click('get_by_role("button", name="Archive the record")', keyword="Save", coordinates=[1, 1])
    failed = click('get_by_role("button", name="Nope")', keyword="Save", skip_prompt=True, **QUICK)
    outcome = run_nodes([won, failed, OUT], url=f"{site.url}/keywords")

    assert outcome.values() == {"out": "archived"}
    assert outcome.steps[1].status == "skipped"


@pytest.mark.parametrize("fields", [{"command": 'get_by_text("Nope")', "skip_command": True}, {"command": " "}])
def test_a_command_that_is_not_tried_leaves_the_keyword(
    run_nodes: RunNodes, site: Site, fields: dict[str, object]
) -> None:
    outcome = run_nodes([interact("click_element", {"keyword": "Save", **fields}), OUT], url=f"{site.url}/keywords")

    assert outcome.values() == {"out": "saved"}


def test_an_xpath_wins_over_a_keyword(run_nodes: RunNodes, site: Site) -> None:
    action = {"xpath": "//button[text()='Archive the record']", "keyword": "Save"}
    outcome = run_nodes([interact("click_element", action), OUT], url=f"{site.url}/keywords")

    assert outcome.values() == {"out": "archived"}


def test_no_tries_means_no_keyword_either(run_nodes: RunNodes, site: Site) -> None:
    node = interact("hover", {"keyword": "Save", "skip_prompt": True}, max_tries=0)
    outcome = run_nodes([node], url=f"{site.url}/keywords")

    assert (outcome.error, outcome.step.status) == (None, "skipped")
