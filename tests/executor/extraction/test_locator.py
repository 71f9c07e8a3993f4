import pytest

from executor.errors import ActionError
from executor.extraction import locator
from tests.executor.conftest import RunNodes, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

RECORDS = [{"Claim": "C-1", "column_2": "x", "Amount": "10"}, {"Claim": "C-2", "column_2": "y", "Amount": "20"}]


@pytest.mark.parametrize(
    ("command", "fields", "value", "variable"),
    [
        ('locator("#price")', {}, "Total: 1\u202f234 EUR", ["Total: 1\u202f234 EUR"]),
        ('locator("li")', {}, "one", ["one"]),  # the first match
        ('locator("li")', {"all": True}, ["one", "two"], ["one", "two"]),
        ('locator("li")', {"all": True, "read": "attribute:data-id"}, ["1", "2"], ["1", "2"]),
        ('locator("#field")', {"read": "value"}, "typed", ["typed"]),
        ('locator("#box")', {"read": "checked"}, True, [True]),
        ('locator(".blank")', {"read": "html"}, '<p class="blank"></p>', ['<p class="blank"></p>']),
        ('locator(".blank")', {}, "", [""]),
        ('locator("#claims")', {"read": "table"}, RECORDS, RECORDS),
        ('get_by_role("table").nth(1)', {"read": "table"}, [{"Day": "Mon", "Slot": "9:00"}], None),
    ],
)
def test_what_an_element_shows_becomes_variable_and_output(
    run_nodes: RunNodes, site: Site, command: str, fields: dict[str, object], value: object, variable: object
) -> None:
    outcome = run_nodes([read(command, **fields)], url=f"{site.url}/table")

    assert outcome.error is None
    assert outcome.output == [{"json_data": {"value": value}}]
    if variable is not None:
        assert outcome.runner._memory.variables == {"value": variable}


def test_a_missing_element_fails_unless_null_is_allowed(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locator, "TIMEOUT_SECONDS", 0.5)
    refused = run_nodes([read('get_by_text("nowhere")')], url=f"{site.url}/table")
    allowed = run_nodes(
        [read('get_by_text("nowhere")', allow_none=True, unique_identifier="lost")], url=f"{site.url}/table"
    )

    assert isinstance(refused.error, ActionError)
    assert "no value was found for value" in str(refused.error)
    assert refused.output == [{"json_data": {"value": None}}]
    assert allowed.error is None
    assert allowed.output == [{"unique_identifier": "lost", "json_data": {"value": None}}]


def test_names_and_commands_take_variables(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            read('get_by_text("{word[0]}")', "found_{word[0]}"),
            read('get_by_text("{found_one[0]}", exact=True)', "again"),
        ],
        url=f"{site.url}/table",
        inputs={"word": ["one"]},
    )

    assert outcome.values() == {"found_one": "one", "again": "one"}


def test_a_table_that_comes_late_is_read_without_a_sleep(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([read('locator("#table")', read="table")], url=f"{site.url}/late")

    assert outcome.values() == {"value": [{"Name": "Ada"}, {"Name": "Grace"}]}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (" ", "the locator command is blank"),
        ('locator("p").evaluate("1")', "the locator command "),
        ('frames[7].locator("p")', "the page has no frame 7 (it has 1)"),
        ('locator("no such engine=x")', "nothing to read: "),
    ],
)
def test_a_command_that_leads_to_no_element_reads_as_null_and_says_why(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch, command: str, told: str
) -> None:
    monkeypatch.setattr(locator, "TIMEOUT_SECONDS", 0.5)
    outcome = run_nodes([read(command, allow_none=True)], url=f"{site.url}/table")

    assert outcome.error is None
    assert outcome.values() == {"value": None}
    assert told in " ".join(outcome.step.details["notes"])


def test_what_comes_near_a_missing_element_is_told(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locator, "TIMEOUT_SECONDS", 0.5)
    outcome = run_nodes([read('get_by_role("button", name="Save drafts")', allow_none=True)], url=f"{site.url}/form")

    assert outcome.step.details["candidates"][0]["name"] == "Save draft"
    assert "nearest: button “Save draft”" in outcome.step.details["notes"][-1]
