"""Loops over variables, without a page. Loops over locators are in test_locator_loops.py."""

import concurrent.futures
import time
from typing import Any

import pytest
from django.db import connection

from executor.errors import (
    ActionError,
    AutomationError,
    BrowserCrashedError,
    BrowserNotFoundError,
    FailStateError,
    LeaseLostError,
    NeedsModelError,
    PageNotRespondingError,
    RunError,
    RunTimeoutError,
)
from executor.loop import WorkerLoop
from executor.private_nodes import PrivateNodeContext, register, unregister
from inference.models import Step
from tests.executor.conftest import Outcome, Prepare, RunNodes, click, runner_task_id, wait_for
from tests.executor.nodes import fail, if_else, locator_loop, loop, misc, private, said, say, set_variable, sleep

pytestmark = pytest.mark.django_db(transaction=True)

CLICK = click('locator("button")')
PARAMETERS = {"input_parameters": {}, "generated_parameters": {}}


def statuses(outcome: Outcome) -> list[list[str]]:
    """The statuses of the passes of each execution of a loop."""
    return [[entry["status"] for entry in execution] for execution in outcome.runner.for_loop_status]


def only_even(message: str = "odd") -> dict[str, Any]:
    """Fails in the passes with an odd number."""
    return dict(if_else("{index} % 2 == 1", fail(message)))


# --- what is walked ------------------------------------------------------------------------------------------


def test_each_value_has_a_pass_a_status_and_its_steps(run_pageless: RunNodes) -> None:
    nodes = [say("before"), loop("who", say("{who[index]}"), say("again"), label="All of them"), say("after")]
    outcome = run_pageless(nodes, inputs={"who": ["Ada", "Grace"]})

    assert outcome.error is None
    assert said(outcome.output) == ["before", "Ada", "again", "Grace", "again", "after"]
    assert outcome.runner.for_loop_status == [
        [
            {"variable_name": "who", "index": 0, "value": "Ada", "status": "success"},
            {"variable_name": "who", "index": 1, "value": "Grace", "status": "success"},
        ]
    ]
    rows = [(step.position, step.index, step.depth, step.path, step.details) for step in outcome.steps]
    assert rows == [
        (0, 1, 0, "nodes[0]", {}),
        (1, None, 0, "nodes[1]", {"passes": {"planned": 2, "success": 2}}),
        (2, 2, 1, "nodes[1].nodes[0]", {"pass": 0}),
        (3, 3, 1, "nodes[1].nodes[1]", {"pass": 0}),
        (4, 4, 1, "nodes[1].nodes[0]", {"pass": 1}),
        (5, 5, 1, "nodes[1].nodes[1]", {"pass": 1}),
        (6, 6, 0, "nodes[2]", {}),
    ]
    assert (outcome.steps[1].kind, outcome.steps[1].label) == ("for_loop_node", "All of them")
    assert {step.status for step in outcome.steps} == {"success"}
    assert all(step.duration_ms is not None for step in outcome.steps)


def test_values_keep_their_types_and_may_be_null(run_pageless: RunNodes) -> None:
    values = [1, 1.5, True, None, "x"]
    outcome = run_pageless([loop("p", say("{p[index]}"))], variables={"p": values})

    assert [entry["value"] for entry in outcome.runner.for_loop_status[0]] == values
    assert said(outcome.output) == ["1", "1.5", "True", "{p[3]}", "x"]


def test_lists_go_in_parallel_and_a_short_one_leaves_its_placeholders(run_pageless: RunNodes) -> None:
    outcome = run_pageless(
        [loop(" p , q ", say("{p[index]}/{q[index]}/{z[index]}/{index}/{index_of(p)}/{index_of(q)}"))],
        inputs={"p": ["a", "b"], "q": ["x"], "z": ["never"]},
    )

    assert said(outcome.output) == ["a/x/{z[index]}/0/0/{index_of(q)}", "b/{q[1]}/{z[index]}/1/1/{index_of(q)}"]
    # Blanks around the field are no part of it; those inside are.
    assert [entry["variable_name"] for entry in outcome.runner.for_loop_status[0]] == ["p , q", "p , q"]
    assert [entry["value"] for entry in outcome.runner.for_loop_status[0]] == ["a", "b"]


def test_the_index_has_the_name_that_the_author_gave_it(run_pageless: RunNodes) -> None:
    outcome = run_pageless(
        [loop("p", say("{p[row]} {row} {index} {p[index]}"), index_variable_name="row")], inputs={"p": ["a"]}
    )

    assert said(outcome.output) == ["a 0 {index} {p[index]}"]


def test_an_input_parameter_is_walked_before_a_variable_of_its_name(run_pageless: RunNodes) -> None:
    outcome = run_pageless([loop("p", say("{p[index]}"))], inputs={"p": ["input"]}, variables={"p": ["a", "b"]})

    assert said(outcome.output) == ["input"]


def test_the_passes_are_those_of_the_values_at_the_start(run_pageless: RunNodes) -> None:
    grow = set_variable("p", expression="p + ['more']", as_list=True)
    outcome = run_pageless([loop("p", grow)], variables={"p": ["a", "b"]})

    assert [entry["value"] for entry in outcome.runner.for_loop_status[0]] == ["a", "b"]
    assert outcome.runner._memory.variables["p"] == ["a", "b", "more", "more"]


def test_a_list_that_an_expression_made_can_be_walked(run_pageless: RunNodes) -> None:
    nodes = [set_variable("p", expression="'a,b'.split(',')", as_list=True), loop("p", say("{p[index]}"))]

    assert said(run_pageless(nodes).output) == ["a", "b"]


def test_max_iterations_cuts_with_a_warning_and_without_a_status(run_pageless: RunNodes) -> None:
    outcome = run_pageless([loop("p", say("{p[index]}"), max_iterations=2)], inputs={"p": ["a", "b", "c"]})

    assert said(outcome.output) == ["a", "b"]
    assert statuses(outcome) == [["success", "success"]]
    row = outcome.steps[0]
    assert (row.status, row.details["notes"]) == ("warning", ["max_iterations cut 3 passes down to 2"])
    assert row.details["passes"] == {"planned": 2, "success": 2}


def test_max_iterations_that_suffice_warn_of_nothing(run_pageless: RunNodes) -> None:
    outcome = run_pageless([loop("p", say("x"), max_iterations=2)], inputs={"p": ["a", "b"]})

    assert (outcome.steps[0].status, outcome.steps[0].details) == (
        "success",
        {"passes": {"planned": 2, "success": 2}},
    )


def test_an_empty_list_has_no_pass_and_is_no_error(run_pageless: RunNodes) -> None:
    outcome = run_pageless([loop("p", fail(), reset_nodes=[fail()], break_if="nobody[0]"), say("on")], inputs={"p": []})

    assert outcome.error is None
    assert outcome.runner.for_loop_status == [[]]
    assert [(step.path, step.status, step.details) for step in outcome.steps] == [
        ("nodes[0]", "success", {"passes": {"planned": 0}}),
        ("nodes[1]", "success", {}),
    ]


def test_a_loop_without_nodes_passes(run_pageless: RunNodes) -> None:
    outcome = run_pageless([loop("p")], inputs={"p": ["a", "b"]})

    assert statuses(outcome) == [["success", "success"]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", "the loop cannot walk “nobody”: no variable of that name is set"),
        ("result", "the loop cannot walk “result”: it holds an object, not a list"),
        ("pin", "the loop cannot walk “pin”: secure parameters are not for loops"),
        (",", "the loop names no variable"),
    ],
)
def test_what_cannot_be_walked_fails_the_task_for_good(run_pageless: RunNodes, name: str, message: str) -> None:
    secure = {"pin": [{"totp": {"totp_secret": "JBSWY3DPEHPK3PXP"}}]}
    outcome = run_pageless(
        [loop(name, say("x"), on_error_in_loop="continue"), say("on")],
        variables={"result": {"status_code": 200}},
        parameters={**PARAMETERS, "secure_parameters": secure},
    )

    assert type(outcome.error) is AutomationError
    assert str(outcome.error) == message
    assert outcome.runner.for_loop_status == [[]]
    assert [(step.path, step.status, step.error) for step in outcome.steps] == [("nodes[0]", "failed", message)]


# --- errors in a pass ----------------------------------------------------------------------------------------


def test_an_error_goes_up_unless_the_author_says_otherwise(run_pageless: RunNodes) -> None:
    outcome = run_pageless([loop("p", only_even("odd {p[index]}"), reset_nodes=[say("reset")])], inputs={"p": "abc"})

    assert type(outcome.error) is FailStateError
    assert str(outcome.error) == "odd b"
    assert said(outcome.output) == ["reset"]
    assert outcome.runner.for_loop_status == [
        [
            {"variable_name": "p", "index": 0, "value": "a", "status": "success"},
            {"variable_name": "p", "index": 1, "value": "b", "status": "error", "error": "odd b"},
        ]
    ]
    row = outcome.steps[0]
    assert (row.status, row.error) == ("failed", "odd b")
    assert row.details == {"passes": {"planned": 3, "success": 1, "error": 1}}


def test_continue_goes_on_with_the_next_pass_and_resets_the_page_before(run_pageless: RunNodes) -> None:
    outcome = run_pageless(
        [
            loop(
                "p",
                only_even("odd {p[index]}"),
                say("done {p[index]}"),
                on_error_in_loop="continue",
                reset_nodes=[say("reset {p[index]}")],
            ),
            say("on"),
        ],
        inputs={"p": "abcd"},
    )

    assert outcome.error is None
    assert said(outcome.output) == ["done a", "reset a", "reset b", "done c", "reset c", "on"]
    assert statuses(outcome) == [["success", "error", "success", "error"]]
    assert outcome.runner.for_loop_status[0][3]["error"] == "odd d"
    row = outcome.steps[0]
    assert (row.status, row.error, row.details["notes"]) == ("warning", None, ["2 of 4 passes failed"])
    assert row.details["passes"] == {"planned": 4, "success": 2, "error": 2}


def test_break_skips_the_remaining_passes_and_goes_on_behind_the_loop(run_pageless: RunNodes) -> None:
    outcome = run_pageless(
        [loop("p", only_even(), on_error_in_loop="break", reset_nodes=[say("reset")]), say("on")],
        inputs={"p": "abcd"},
    )

    assert outcome.error is None
    assert said(outcome.output) == ["reset", "on"]
    assert outcome.runner.for_loop_status == [
        [
            {"variable_name": "p", "index": 0, "value": "a", "status": "success"},
            {"variable_name": "p", "index": 1, "value": "b", "status": "error", "error": "odd"},
            {"variable_name": "p", "index": 2, "value": "c", "status": "skipped"},
            {"variable_name": "p", "index": 3, "value": "d", "status": "skipped"},
        ]
    ]
    row = outcome.steps[0]
    assert (row.status, row.details["notes"]) == ("warning", ["1 of 4 passes failed"])
    assert row.details["passes"] == {"planned": 4, "success": 1, "error": 1, "skipped": 2}


def test_any_failure_of_the_document_or_the_page_counts_as_an_error_of_its_pass(run_pageless: RunNodes) -> None:
    unknown = {"type": "private_node", "handler": "nobody.knows"}
    query = misc(llm_query={"output_format": {"a": "str"}, "prompt_instructions": "what?"})
    body = [if_else("{index} == 0", if_else("nobody[0]")), if_else("{index} == 1", unknown), query]
    outcome = run_pageless([loop("p", *body, on_error_in_loop="continue")], inputs={"p": "abc"})

    assert outcome.error is None
    errors = [entry["error"] for entry in outcome.runner.for_loop_status[0]]
    assert errors[0].startswith("the condition “nobody[0]” ")
    assert errors[1].startswith("no private node handler is called “nobody.knows”")
    assert errors[2] == "Ask a model: needs a language model: set LLM_MODEL"


def test_an_error_of_an_inner_loop_is_one_of_the_outer_pass(run_pageless: RunNodes) -> None:
    inner = loop("q", fail("inner {p[index]} {q[j]}"), index_variable_name="j")
    outcome = run_pageless(
        [loop("p", inner, on_error_in_loop="continue"), say("on")], inputs={"p": "ab", "q": ["x", "y"]}
    )

    assert outcome.error is None
    assert statuses(outcome) == [["error", "error"], ["error"], ["error"]]
    assert [execution[0]["error"] for execution in outcome.runner.for_loop_status] == [
        "inner a x",
        "inner a x",
        "inner b x",
    ]


def test_secrets_are_masked_in_the_status(run_pageless: RunNodes) -> None:
    async def tell(inputs: object, context: PrivateNodeContext) -> None:
        raise ValueError("no s3cret")

    register("tell", tell)
    try:
        outcome = run_pageless(
            [loop("p", private("tell"), on_error_in_loop="continue")], inputs={"p": "a"}, hidden=["s3cret"]
        )
    finally:
        unregister("tell")

    assert outcome.runner.for_loop_status[0][0]["error"] == "the private node handler “tell” failed: no •••"


# --- what no loop swallows -----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["continue", "break"])
def test_a_browser_that_is_gone_ends_the_attempt(run_pageless: RunNodes, policy: str) -> None:
    outcome = run_pageless(
        [loop("p", CLICK, on_error_in_loop=policy, reset_nodes=[say("reset")]), say("on")], inputs={"p": "ab"}
    )

    assert type(outcome.error) is BrowserCrashedError
    assert said(outcome.output) == []
    assert outcome.runner.for_loop_status == [
        [{"variable_name": "p", "index": 0, "value": "a", "status": "error", "error": str(outcome.error)}]
    ]


def test_a_browser_that_is_gone_while_the_page_is_reset_ends_the_attempt(run_pageless: RunNodes) -> None:
    outcome = run_pageless([loop("p", fail(), on_error_in_loop="continue", reset_nodes=[CLICK])], inputs={"p": "ab"})

    assert type(outcome.error) is BrowserCrashedError
    assert statuses(outcome) == [["error"]]


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (BrowserCrashedError, True),
        (BrowserNotFoundError, True),
        (PageNotRespondingError, True),
        (RunTimeoutError, True),
        (ActionError, False),
        (AutomationError, False),
        (FailStateError, False),
        (NeedsModelError, False),
    ],
)
def test_what_ends_an_attempt_is_a_fact_of_the_error(error: type[RunError], ends: bool) -> None:
    assert error.ends_attempt is ends


def test_a_cancellation_is_not_swallowed_and_leaves_the_finished_passes(
    prepare: Prepare, worker_loop: WorkerLoop
) -> None:
    wait = if_else("{index} == 1", sleep(30))
    runner = prepare([loop("p", wait, on_error_in_loop="continue", reset_nodes=[say("reset")])], inputs={"p": "abc"})
    future = worker_loop.submit(runner.execute())
    wait_for(lambda: Step.objects.filter(status="running", kind="sleep_action").exists())
    future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(20)

    assert [entry["status"] for entry in runner.for_loop_status[0]] == ["success"]
    assert said(runner.output_data) == ["reset"]
    row = Step.objects.get(task_id=runner_task_id(runner), kind="for_loop_node")
    assert (row.status, row.error, row.details) == ("failed", "stopped", {"passes": {"planned": 3, "success": 1}})


def test_a_loop_whose_nodes_wait_for_nothing_can_be_cancelled_at_once(
    prepare: Prepare, worker_loop: WorkerLoop
) -> None:
    runner = prepare([loop("p", break_if="{index} < 0")], inputs={"p": ["x"] * 200_000})
    future = worker_loop.submit(runner.execute())
    wait_for(lambda: bool(runner.for_loop_status and runner.for_loop_status[0]))
    began = time.monotonic()
    future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(20)

    assert time.monotonic() - began < 2
    assert len(runner.for_loop_status[0]) < 200_000


def test_a_task_that_is_lost_stops_in_the_middle_of_a_loop(prepare: Prepare, worker_loop: WorkerLoop) -> None:
    runner = prepare([loop("p", sleep(0.05), on_error_in_loop="continue")], inputs={"p": ["x"] * 2_000})
    future = worker_loop.submit(runner.execute())
    wait_for(lambda: Step.objects.filter(status="success").count() > 1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET lease_token = lease_token + 1")
    with pytest.raises(LeaseLostError):
        future.result(20)

    assert {entry["status"] for entry in runner.for_loop_status[0]} == {"success"}


# --- reset nodes ---------------------------------------------------------------------------------------------


def test_reset_nodes_run_between_passes_bound_to_the_finished_one(run_pageless: RunNodes) -> None:
    outcome = run_pageless(
        [loop("p", say("do {p[index]}"), reset_nodes=[say("reset {p[index]} {index}")])], inputs={"p": "abc"}
    )

    assert said(outcome.output) == ["do a", "reset a 0", "do b", "reset b 1", "do c"]
    assert [(step.path, step.depth, step.details.get("pass")) for step in outcome.steps[1:]] == [
        ("nodes[0].nodes[0]", 1, 0),
        ("nodes[0].reset_nodes[0]", 1, 0),
        ("nodes[0].nodes[0]", 1, 1),
        ("nodes[0].reset_nodes[0]", 1, 1),
        ("nodes[0].nodes[0]", 1, 2),
    ]


@pytest.mark.parametrize("policy", ["continue", "break", "raise"])
def test_an_error_in_reset_nodes_after_a_good_pass_goes_up(run_pageless: RunNodes, policy: str) -> None:
    outcome = run_pageless(
        [loop("p", say("{p[index]}"), on_error_in_loop=policy, reset_nodes=[fail("cannot reset")])],
        inputs={"p": "ab"},
    )

    assert type(outcome.error) is FailStateError
    assert str(outcome.error) == "cannot reset"
    assert said(outcome.output) == ["a"]
    assert statuses(outcome) == [["success"]]
    assert (outcome.steps[0].status, outcome.steps[0].error) == ("failed", "cannot reset")
    assert outcome.events("note") == []


def test_an_error_in_reset_nodes_after_a_failed_pass_is_noted(run_pageless: RunNodes) -> None:
    outcome = run_pageless(
        [
            loop(
                "p",
                fail("bad {p[index]}"),
                on_error_in_loop="continue",
                reset_nodes=[fail("cannot reset"), say("never")],
            )
        ],
        inputs={"p": "ab"},
    )

    note = "the reset nodes of nodes[0] failed after its failed pass 0: cannot reset"
    assert outcome.error is None
    assert said(outcome.output) == []
    assert statuses(outcome) == [["error", "error"]]
    assert outcome.runner.for_loop_status[0][0]["error"] == "bad a"
    assert outcome.events("note") == [{"text": note}]
    assert outcome.steps[0].details["notes"] == [note, "2 of 2 passes failed"]
    assert [(step.path, step.status) for step in outcome.steps[1:]] == [
        ("nodes[0].nodes[0]", "failed"),
        ("nodes[0].reset_nodes[0]", "failed"),
        ("nodes[0].nodes[0]", "failed"),
    ]


# --- break_if ------------------------------------------------------------------------------------------------


def test_break_if_sees_the_variables_after_each_pass_and_skips_the_rest(run_pageless: RunNodes) -> None:
    outcome = run_pageless(
        [
            loop(
                "p",
                set_variable("total", expression="total[0] + int('{p[index]}')"),
                say("{total[0]}"),
                break_if="total[0] >= 3",
                reset_nodes=[say("reset")],
            ),
            say("on"),
        ],
        inputs={"p": [1, 2, 3, 4]},
        variables={"total": [0]},
    )

    assert outcome.error is None
    assert said(outcome.output) == ["1", "reset", "3", "on"]
    assert statuses(outcome) == [["success", "success", "skipped", "skipped"]]
    assert outcome.runner.for_loop_status[0][2] == {
        "variable_name": "p",
        "index": 2,
        "value": 3,
        "status": "skipped",
    }
    assert outcome.steps[0].status == "success"
    assert outcome.steps[0].details == {"passes": {"planned": 4, "success": 2, "skipped": 2}}


@pytest.mark.parametrize(
    ("condition", "index_name", "last"),
    [
        ("{index} == 1", "index", "skipped"),
        ("{row} == 1", "row", "skipped"),
        ("{p[index]} == 'b'", "index", "skipped"),
        ("{index_of(p)} == 1", "index", "skipped"),
        # In conditions a placeholder inside a text is that text, also when it is bound.
        ("'{p[index]}' == 'b'", "index", "success"),
    ],
)
def test_break_if_is_bound_to_its_pass(run_pageless: RunNodes, condition: str, index_name: str, last: str) -> None:
    nodes = [loop("p", say("x"), break_if=condition, index_variable_name=index_name)]

    assert statuses(run_pageless(nodes, inputs={"p": "abc"})) == [["success", "success", last]]


def test_break_if_is_judged_after_a_failed_pass_before_the_page_is_reset(run_pageless: RunNodes) -> None:
    outcome = run_pageless(
        [loop("p", fail(), on_error_in_loop="continue", break_if="{index} == 1", reset_nodes=[say("{index}")])],
        inputs={"p": "abc"},
    )

    assert statuses(outcome) == [["error", "error", "skipped"]]
    assert said(outcome.output) == ["0"]


@pytest.mark.parametrize("policy", ["continue", "raise"])
def test_a_break_if_that_cannot_be_judged_fails_the_task_for_good(run_pageless: RunNodes, policy: str) -> None:
    outcome = run_pageless(
        [loop("p", say("x"), on_error_in_loop=policy, break_if="nobody[{index}]")], inputs={"p": "ab"}
    )

    assert type(outcome.error) is AutomationError
    assert str(outcome.error).startswith("break_if “nobody[0]” ")
    assert statuses(outcome) == [["success"]]
    assert outcome.steps[0].status == "failed"


def test_a_long_break_if_is_told_in_part(run_pageless: RunNodes) -> None:
    outcome = run_pageless([loop("p", say("x"), break_if="nobody[0] or " + "1" * 1000)], inputs={"p": "a"})

    assert f"break_if “{'nobody[0] or ' + '1' * 187}” " in str(outcome.error)


# --- loops in loops ------------------------------------------------------------------------------------------


def test_each_execution_of_a_nested_loop_has_its_own_list_in_order_of_start(run_pageless: RunNodes) -> None:
    inner = loop("q", say("{p[index]}{q[j]}{index}{j}"), index_variable_name="j", reset_nodes=[say("reset")])
    outcome = run_pageless([loop("p", inner, say("{p[index]}"))], inputs={"p": "ab", "q": ["x", "y"]})

    assert said(outcome.output) == ["ax00", "reset", "ay01", "a", "bx10", "reset", "by11", "b"]
    told = [[(entry["variable_name"], entry["value"]) for entry in each] for each in outcome.runner.for_loop_status]
    assert told == [
        [("p", "a"), ("p", "b")],
        [("q", "x"), ("q", "y")],
        [("q", "x"), ("q", "y")],
    ]


def test_steps_of_nested_loops_tell_the_pass_of_each_loop(run_pageless: RunNodes) -> None:
    inner = loop("q", if_else("True", say("x")), index_variable_name="j", reset_nodes=[say("reset")])
    outcome = run_pageless([loop("p", inner)], inputs={"p": "ab", "q": ["x", "y"]})

    rows = [(step.path, step.depth, step.details.get("pass")) for step in outcome.steps]
    assert rows[:7] == [
        ("nodes[0]", 0, None),
        ("nodes[0].nodes[0]", 1, 0),
        ("nodes[0].nodes[0].nodes[0]", 2, [0, 0]),
        ("nodes[0].nodes[0].nodes[0].if_nodes[0]", 3, [0, 0]),
        ("nodes[0].nodes[0].reset_nodes[0]", 2, [0, 0]),
        ("nodes[0].nodes[0].nodes[0]", 2, [0, 1]),
        ("nodes[0].nodes[0].nodes[0].if_nodes[0]", 3, [0, 1]),
    ]
    assert rows[7] == ("nodes[0].nodes[0]", 1, 1)
    assert rows[8] == ("nodes[0].nodes[0].nodes[0]", 2, [1, 0])
    # What the row of a loop tells of itself stands beside the pass that it ran in.
    assert outcome.steps[1].details == {"pass": 0, "passes": {"planned": 2, "success": 2}}


def test_an_index_name_that_two_nested_loops_share_belongs_to_the_outer_one(run_pageless: RunNodes) -> None:
    outcome = run_pageless(
        [loop("p", loop("q", say("{p[index]} {q[index]} {index}")))], inputs={"p": "ab", "q": ["x", "y"]}
    )

    assert said(outcome.output) == ["a x 0", "a y 0", "b x 1", "b y 1"]


def test_a_condition_in_a_loop_is_bound_to_the_pass(run_pageless: RunNodes) -> None:
    outcome = run_pageless(
        [loop("p", if_else("{p[index]} == 'a' and {index} == 0", say("yes"), otherwise=(say("no"),)))],
        inputs={"p": "aab"},
    )

    assert said(outcome.output) == ["yes", "no", "no"]


def test_a_locator_loop_without_a_page_ends_the_attempt(run_pageless: RunNodes) -> None:
    outcome = run_pageless([loop("p", locator_loop("locator('li')"), on_error_in_loop="continue")], inputs={"p": "a"})

    assert type(outcome.error) is BrowserCrashedError
    assert outcome.runner.for_loop_status[1] == []
