import time
from typing import Any

import pytest
from pytest_django import Settings

from executor.errors import ActionError, AutomationError, FailStateError
from tests.executor.conftest import RunNodes, read
from tests.executor.nodes import fail, misc, said, say, set_variable, sleep
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)


def count(locator: str, name: str = "n", **fields: Any) -> Any:
    return misc(count_locator={"locator": locator, "name": name, **fields})


# --- set_variable --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["text", "", 0, 7, 1.5, True, False, "{who[0]}"])
def test_a_value_is_stored_as_it_stands_in_a_list_of_one(run_pageless: RunNodes, value: object) -> None:
    outcome = run_pageless([set_variable("v", value=value)], inputs={"who": ["Ada"]})

    assert outcome.error is None
    stored = outcome.runner._memory.variables
    assert stored == {"v": [value]}
    assert type(stored["v"][0]) is type(value)
    assert outcome.output == []
    step = outcome.step
    assert (step.kind, step.label, step.index, step.status, step.picture) == (
        "misc.set_variable",
        "Set v",
        1,
        "success",
        None,
    )


@pytest.mark.parametrize(
    ("expression", "stored"),
    [
        ("{n[0]} + 1", [3]),
        ("n[0] + 1", [3]),
        ("'{s[0]}'.upper()", ["O'BRIEN"]),
        ("s[0] + '!'", ["O'Brien!"]),
        ("[1, 2]", [[1, 2]]),
        ("{'a': 1}", [{"a": 1}]),
        ("None", [None]),
        ("len(n) > 1", [False]),
    ],
)
def test_an_expression_is_evaluated_with_values_as_data(
    run_pageless: RunNodes, expression: str, stored: list[Any]
) -> None:
    outcome = run_pageless([set_variable("v", expression=expression)], inputs={"n": [2], "s": ["O'Brien"]})

    assert outcome.error is None
    assert outcome.runner._memory.variables["v"] == stored


@pytest.mark.parametrize(
    ("expression", "stored"), [("[1, 2]", [1, 2]), ("[]", []), ("'ab'", ["ab"]), ("{'a': 1}", [{"a": 1}])]
)
def test_as_list_stores_a_list_as_the_list(run_pageless: RunNodes, expression: str, stored: list[Any]) -> None:
    outcome = run_pageless([set_variable("v", expression=expression, as_list=True)])

    assert outcome.runner._memory.variables == {"v": stored}


def test_the_name_and_the_output_name_may_hold_placeholders(run_pageless: RunNodes) -> None:
    node = set_variable("v {who[0]}", expression="[1, 2]", as_list=True, output_variable_name="out {who[0]}")
    outcome = run_pageless([node], inputs={"who": ["Ada"]})

    assert outcome.runner._memory.variables == {"v Ada": [1, 2]}
    assert outcome.output == [{"unique_identifier": "out Ada", "json_data": {"out Ada": [1, 2]}}]


def test_a_null_result_is_put_out_as_null(run_pageless: RunNodes) -> None:
    outcome = run_pageless([set_variable("v", expression="None", output_variable_name="v")])

    assert outcome.output == [{"unique_identifier": "v", "json_data": {"v": None}}]


def test_a_later_write_replaces_an_earlier_one(run_pageless: RunNodes) -> None:
    outcome = run_pageless([set_variable("v", value=1), set_variable("v", expression="{v[0]} + 1")])

    assert outcome.runner._memory.variables == {"v": [2]}


@pytest.mark.parametrize("expression", ["", "nobody[0]", "1 /", "1 / 0", "__import__('os')", "{nobody[0]}.x"])
def test_an_expression_that_cannot_be_evaluated_fails_the_task_for_good(
    run_pageless: RunNodes, expression: str
) -> None:
    outcome = run_pageless([set_variable("v", expression=expression, output_variable_name="v")])

    assert type(outcome.error) is AutomationError
    assert str(outcome.error).startswith(f"the expression “{expression}” ")
    assert (outcome.runner._memory.variables, outcome.output) == ({}, [])


def test_a_long_expression_is_told_in_part(run_pageless: RunNodes) -> None:
    outcome = run_pageless([set_variable("v", expression="nobody[0] or " + "1" * 1000)])

    assert f"“{'nobody[0] or ' + '1' * 187}”" in str(outcome.error)


# --- misc as a whole -----------------------------------------------------------------------------------------


def test_an_empty_misc_does_nothing(run_pageless: RunNodes) -> None:
    outcome = run_pageless([misc(), say("on")])

    assert outcome.error is None
    assert said(outcome.output) == ["on"]
    assert (outcome.steps[0].kind, outcome.steps[0].index, outcome.steps[0].status) == ("misc.nothing", 1, "success")


def test_of_several_only_the_first_runs(run_pageless: RunNodes) -> None:
    node = misc(
        count_locator={"locator": "locator('li')", "name": "n"},
        llm_query={"output_format": {"a": "str"}, "prompt_instructions": "?"},
        set_variable={"name": "v", "value": 1},
    )
    outcome = run_pageless([node])

    assert outcome.error is None
    assert outcome.runner._memory.variables == {"v": [1]}


# --- count_locator -------------------------------------------------------------------------------------------


def test_matches_are_counted(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [
            count('get_by_role("button", name="{what[0]}")', "n {what[0]}", output_variable_name="out {what[0]}"),
            count("locator('h1, h2')"),
        ],
        url=f"{site.url}/",
        inputs={"what": ["Twin"]},
    )

    assert outcome.error is None
    assert outcome.runner._memory.variables == {"n Twin": [2], "n": [1]}
    assert outcome.output == [{"unique_identifier": "out Twin", "json_data": {"out Twin": 2}}]
    step = outcome.steps[0]
    assert (step.kind, step.locator, step.status) == (
        "misc.count_locator",
        'get_by_role("button", name="{what[0]}")',
        "success",
    )
    assert outcome.steps[1].picture


def test_no_match_is_zero_and_no_error(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([count("locator('li')", locator_timeout=0, output_variable_name="n")], url=f"{site.url}/")

    assert outcome.error is None
    assert outcome.values() == {"n": 0}
    assert outcome.step.status == "success"


@pytest.mark.parametrize(
    ("locator", "message"),
    [("locator('a').click()", "the locator to count is unusable: it "), ('""', "the locator to count is blank")],
)
def test_an_unusable_locator_fails_the_task_for_good(run_pageless: RunNodes, locator: str, message: str) -> None:
    outcome = run_pageless([count(locator)])

    assert type(outcome.error) is AutomationError
    assert str(outcome.error).startswith(message)


def test_a_selector_that_no_browser_reads_fails_the_step(run_nodes: RunNodes) -> None:
    outcome = run_nodes([count("locator('li[')")])

    assert type(outcome.error) is ActionError
    assert str(outcome.error).startswith("Count li[: ")


# --- sleep and fail ------------------------------------------------------------------------------------------


def test_a_sleep_lasts_as_long_as_the_author_says(run_pageless: RunNodes) -> None:
    outcome = run_pageless([sleep(0.3), sleep(-1)])

    assert 300 <= outcome.steps[0].duration_ms < 1500
    assert outcome.steps[1].duration_ms < 250
    assert [step.status for step in outcome.steps] == ["success", "success"]


def test_a_sleep_is_only_a_bound_when_the_operator_says_so(run_nodes: RunNodes, site: Site, settings: Settings) -> None:
    settings.HONOUR_EXPLICIT_SLEEPS = False
    began = time.monotonic()
    outcome = run_nodes([sleep(60)], url=f"{site.url}/second")

    assert outcome.error is None
    assert time.monotonic() - began < 20


def test_after_a_sleep_the_page_is_waited_for(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([sleep(0.2), read("locator('#out')", before_sleep_time=0)], url=f"{site.url}/asks-later")

    assert outcome.error is None
    assert outcome.values() == {"value": "answered"}


def test_fail_state_fails_with_exactly_the_authors_message(run_pageless: RunNodes) -> None:
    outcome = run_pageless([fail("No appointment for “{who[0]}”: {left[0]}"), say("never")], inputs={"who": ["Ada"]})

    assert type(outcome.error) is FailStateError
    assert str(outcome.error) == "No appointment for “Ada”: {left[0]}"
    assert not outcome.error.may_retry
    assert [(step.status, step.error) for step in outcome.steps] == [("failed", str(outcome.error))]


def test_fail_state_has_a_message_of_its_own_and_keeps_secrets(run_pageless: RunNodes) -> None:
    default = run_pageless([{"type": "action_node", "fail_state_action": {}}])
    assert str(default.error) == "The automation reached a state that its author marked as failed."

    secret = run_pageless([fail("it was {who[0]}")], inputs={"who": ["s3cret"]}, hidden=["s3cret"])
    assert str(secret.error) == "it was •••"
