import pytest

from executor.errors import AutomationError, FailStateError
from tests.executor.conftest import RunNodes
from tests.executor.nodes import fail, if_else, said, say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("who", "field"), [("Ada", "if_nodes"), ("Grace", "else_nodes")])
def test_one_of_the_two_lists_runs(run_pageless: RunNodes, who: str, field: str) -> None:
    branch = if_else("who[0] == 'Ada'", say("is Ada"), say("yes"), otherwise=(say("is not"), say("no")))
    outcome = run_pageless([branch, say("on")], inputs={"who": [who]})

    assert outcome.error is None
    assert said(outcome.output) == (["is Ada", "yes", "on"] if who == "Ada" else ["is not", "no", "on"])
    assert [(step.position, step.index, step.depth, step.path, step.status) for step in outcome.steps] == [
        (0, None, 0, "nodes[0]", "success"),
        (1, 1, 1, f"nodes[0].{field}[0]", "success"),
        (2, 2, 1, f"nodes[0].{field}[1]", "success"),
        (3, 3, 0, "nodes[1]", "success"),
    ]
    assert outcome.steps[0].details == {"condition": who == "Ada"}
    assert (outcome.steps[0].kind, outcome.steps[0].label) == ("if_else_node", "If who[0] == 'Ada'")
    assert outcome.steps[0].picture is None
    assert outcome.steps[0].duration_ms is not None


def test_a_list_may_be_empty(run_pageless: RunNodes) -> None:
    outcome = run_pageless([if_else("1 > 2", fail()), say("on")])

    assert outcome.error is None
    assert outcome.steps[0].details == {"condition": False}
    assert said(outcome.output) == ["on"]


def test_a_condition_sees_the_variables_of_the_moment_and_they_hide_inputs(run_pageless: RunNodes) -> None:
    branch = if_else("a[0] == 'generated'", say("generated"), otherwise=(say("input"),))

    assert said(run_pageless([branch], inputs={"a": ["input"]}, variables={"a": ["generated"]}).output) == ["generated"]
    assert said(run_pageless([branch], inputs={"a": ["input"]}).output) == ["input"]


def test_an_object_answers_by_its_keys(run_pageless: RunNodes) -> None:
    branch = if_else("{r.status_code} == 200 and r['body'].ok", say("yes"), otherwise=(say("no"),))

    assert said(run_pageless([branch], variables={"r": {"status_code": 200, "body": {"ok": True}}}).output) == ["yes"]


@pytest.mark.parametrize("condition", ["nobody[0]", "a[7] == 1", "a[", "", "true"])
def test_a_condition_that_cannot_be_judged_fails_the_task_for_good(run_pageless: RunNodes, condition: str) -> None:
    outcome = run_pageless([if_else(condition, say("x"), otherwise=(say("y"),)), say("on")], inputs={"a": ["x"]})

    assert type(outcome.error) is AutomationError
    assert str(outcome.error).startswith(f"the condition “{condition}” ")
    assert said(outcome.output) == []
    assert [(step.status, step.error) for step in outcome.steps] == [("failed", str(outcome.error))]
    assert outcome.steps[0].details == {}


def test_a_long_condition_is_told_in_part(run_pageless: RunNodes) -> None:
    outcome = run_pageless([if_else("nobody[0] or " + "1" * 1000)])

    assert f"“{'nobody[0] or ' + '1' * 187}”" in str(outcome.error)


def test_an_error_inside_goes_up_through_every_branch(run_pageless: RunNodes) -> None:
    outcome = run_pageless([if_else("True", if_else("False", otherwise=(fail("deep"),)), say("never")), say("never")])

    assert type(outcome.error) is FailStateError
    assert [(step.path, step.depth, step.index, step.status, step.error) for step in outcome.steps] == [
        ("nodes[0]", 0, None, "failed", "deep"),
        ("nodes[0].if_nodes[0]", 1, None, "failed", "deep"),
        ("nodes[0].if_nodes[0].else_nodes[0]", 2, 1, "failed", "deep"),
    ]
    assert said(outcome.output) == []
