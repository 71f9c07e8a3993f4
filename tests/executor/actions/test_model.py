from collections.abc import Mapping
from typing import Any

import pytest

from executor.actions import BY_MODEL
from executor.errors import ElementNotFoundError, NeedsModelError
from inference.models import CommitPoint
from inference.services.publish import check_document
from tests import factories
from tests.executor.conftest import RunNodes, click, interact
from tests.executor.nodes import misc
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = "needs a language model: set LLM_MODEL"
FORMAT = {"a": "str"}
MESSAGES = {"slack_workspace_domain": "w", "channel_name": "c", "sender_name": "s", "type": "slack_two_fa_action"}


def node(field: str, action: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "action_node", field: action, "before_sleep_time": 0, **fields}


NODES = {
    "agentic_task": interact("agentic_task", {"task": "do it", "max_steps": 1}),
    "assertion.llm": node("assertion_action", {"llm": {"extraction_instructions": "is it there?"}}),
    "dynamic_form_mapping_action": node(
        "dynamic_form_mapping_action",
        {
            "extraction_instructions": "list",
            "extraction_format": FORMAT,
            "callback_url": {"url": "https://mapper.example/"},
        },
    ),
    "extraction.llm": node(
        "extraction_action", {"llm": {"extraction_format": FORMAT, "extraction_instructions": "read"}}
    ),
    "extraction.two_fa_action": node(
        "extraction_action", {"two_fa_action": {"action": MESSAGES, "output_variable_name": "code"}}
    ),
    "misc.llm_query": misc(llm_query={"output_format": FORMAT, "prompt_instructions": "what?"}),
}


def test_every_such_kind_is_tested() -> None:
    assert set(NODES) == BY_MODEL


@pytest.mark.parametrize("kind", sorted(BY_MODEL))
def test_what_only_a_model_can_do_says_what_to_set(run_pageless: RunNodes, kind: str) -> None:
    outcome = run_pageless([{**NODES[kind], "label": "Ask"}])

    assert check_document(factories.a_document(nodes=[NODES[kind]])) == []
    assert type(outcome.error) is NeedsModelError
    assert str(outcome.error) == f"Ask: {WORDS}"
    assert not outcome.error.may_retry
    assert (outcome.step.kind, outcome.step.status, outcome.step.error) == (kind, "failed", f"Ask: {WORDS}")


def test_nothing_was_begun_that_could_not_be_taken_back(run_pageless: RunNodes) -> None:
    outcome = run_pageless([{**NODES["agentic_task"], "commit_point": True}])

    assert type(outcome.error) is NeedsModelError
    assert not CommitPoint.objects.filter(task=outcome.task).exists()


def test_a_step_without_a_usable_command_says_what_to_set(run_nodes: RunNodes) -> None:
    described = run_nodes([interact("click_element", {"prompt_instructions": "the blue button"})])
    skipped = run_nodes([interact("click_element", {"skip_prompt": True})])

    assert type(described.error) is ElementNotFoundError
    assert str(described.error).endswith(f"(“the blue button”), and finding it by its description {WORDS}")
    assert skipped.error is None
    assert (skipped.step.status, skipped.step.error) == (
        "skipped",
        "there is no locator command to try, and skip_prompt is set",
    )


def test_an_element_that_is_not_found_says_what_to_set(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([click('get_by_text("Nope")', max_tries=1, max_timeout_seconds_per_try=0.1)])

    assert str(outcome.error).endswith(f"; finding it by its description {WORDS}")


@pytest.mark.parametrize(
    ("name", "reason", "by_model"),
    [
        ("input_text", "there is no text to type", "; writing one "),
        ("select_option", "there are no values to select", "; proposing some "),
    ],
)
def test_a_value_that_only_a_model_could_choose_skips_the_step(
    run_nodes: RunNodes, name: str, reason: str, by_model: str
) -> None:
    asks = run_nodes([interact(name, {"command": "locator('input')"})])
    does_not_ask = run_nodes([interact(name, {"command": "locator('input')", "skip_prompt": True})])

    assert (asks.error, does_not_ask.error) == (None, None)
    assert (asks.step.status, asks.step.error) == ("skipped", f"{reason}{by_model}{WORDS}")
    assert (does_not_ask.step.status, does_not_ask.step.error) == ("skipped", reason)
