"""What every step has around its action: numbers, waits, pictures, errors."""

from typing import Any, cast

import pytest
from pytest_django import Settings

from executor import walk
from executor.actions import HANDLERS
from executor.errors import ActionError, AutomationError, ElementNotFoundError
from inference.models import CommitPoint
from tests.executor.conftest import RunNodes, click, interact, read
from tests.executor.nodes import fail, loop, misc, private, said, say
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

MISSING = click('get_by_role("button", name="Nope")', max_tries=1, max_timeout_seconds_per_try=0.1)


def dict_of_handlers() -> dict[str, Any]:
    return cast("dict[str, Any]", HANDLERS)


def test_steps_are_numbered_from_one_and_rows_from_zero(run_pageless: RunNodes) -> None:
    outcome = run_pageless([misc(), say("x"), private("nobody")])

    assert [(step.position, step.index, step.path) for step in outcome.steps] == [
        (0, 1, "nodes[0]"),
        (1, 2, "nodes[1]"),
        (2, 3, "nodes[2]"),
    ]
    assert outcome.runner.now_doing().startswith("step 3 (Run nobody), for ")


def test_what_is_wrong_with_a_node_only_when_its_values_are_there_fails_the_task_for_good(
    run_pageless: RunNodes,
) -> None:
    outcome = run_pageless([interact("key_press", {"type": "{key[0]}"})], inputs={"key": ["Hyper"]})

    assert type(outcome.error) is AutomationError
    assert str(outcome.error).startswith("key_press: ")
    assert outcome.step.status == "failed"


@pytest.mark.parametrize("policy", ["continue", "break"])
def test_a_mistake_of_ours_is_told_by_its_class_alone_and_no_loop_goes_on_after_it(
    run_pageless: RunNodes, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    async def stumble(action: object, run: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setitem(dict_of_handlers(), "misc.nothing", stumble)
    outcome = run_pageless([loop("p", misc(), on_error_in_loop=policy), say("never")], inputs={"p": "ab"})

    assert type(outcome.error) is KeyError
    assert [(step.status, step.error) for step in outcome.steps] == [("failed", "internal error: KeyError")] * 2
    assert outcome.runner.for_loop_status == [[]]


def test_a_wait_before_is_slept_when_it_is_written_and_otherwise_a_bound(
    run_nodes: RunNodes, site: Site, settings: Settings
) -> None:
    written = run_nodes([{**say("x"), "before_sleep_time": 0.4}, {**say("x"), "before_sleep_time": -5}])
    looped = run_nodes([loop("p", {**say("{index}"), "before_sleep_time": 0.4})], inputs={"p": "a"})
    settings.HONOUR_EXPLICIT_SLEEPS = False
    bounded = run_nodes([{**say("x"), "before_sleep_time": 20}])

    assert 400 <= written.steps[0].duration_ms < 3000
    assert written.steps[1].duration_ms < 400
    assert looped.steps[1].duration_ms >= 400
    assert bounded.steps[0].duration_ms < 3000


def test_the_default_wait_before_a_reading_ends_when_the_page_has_settled(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Load again")', end_sleep_time=0), read('get_by_role("cell").first')],
        url=f"{site.url}/late",
    )

    assert outcome.error is None
    assert outcome.values() == {"value": "Ada"}


def test_the_page_is_waited_for_after_a_step_at_most_as_long_as_the_author_says(
    run_nodes: RunNodes, site: Site
) -> None:
    button = 'get_by_role("button", name="Load again")'
    heading = read("locator('#table')", before_sleep_time=0)
    waited = run_nodes([click(button), heading], url=f"{site.url}/late")
    bounded = run_nodes([click(button, end_sleep_time=0.1), heading], url=f"{site.url}/late")

    assert waited.values() == {"value": "Name\nAda\nGrace"}
    assert bounded.values() == {"value": "loading"}


def test_a_tab_that_does_not_open_is_a_warning(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automation.nodes.NEW_TAB_WAIT", 0.2)
    outcome = run_nodes([click('get_by_role("button", name="Press")', expect_new_tab=True)], url=f"{site.url}/")

    assert outcome.error is None
    assert outcome.step.status == "warning"
    assert outcome.step.details["notes"] == ["no new tab was opened within 0.2 s"]


def test_a_tab_that_opens_is_the_one_that_is_read(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("link", name="Second in a new tab")', expect_new_tab=True), read("locator('h1')")],
        url=f"{site.url}/",
    )

    assert outcome.values() == {"value": "Second"}
    assert [step.status for step in outcome.steps] == ["success", "success"]


def test_steps_have_the_address_of_their_page(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([click('get_by_role("link", name="Second page")'), MISSING], url=f"{site.url}/")

    assert [step.url for step in outcome.steps] == [f"{site.url}/second", f"{site.url}/second"]
    assert type(outcome.error) is ElementNotFoundError


def test_pictures_are_of_steps_that_look_at_the_page(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([say("x"), misc(), read("locator('h1')"), fail()], url=f"{site.url}/second")

    assert [step.picture is not None for step in outcome.steps] == [False, False, True, True]


def test_thousands_of_steps_do_not_fill_the_storage_with_pictures(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "_MAX_PICTURES", 2)
    look = read("locator('h1')", before_sleep_time=0.3)
    outcome = run_nodes([loop("p", look), MISSING], inputs={"p": "abcd"}, url=f"{site.url}/second")

    assert [step.picture is not None for step in outcome.steps[1:]] == [True, True, False, False, True]
    assert outcome.events("note") == [{"text": "2 steps have pictures; from here on only steps that fail get one"}]


def test_the_journal_says_for_each_pass_that_its_act_was_finished(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [loop("p", click('get_by_role("button", name="Press")', commit_point=True, end_sleep_time=0))],
        inputs={"p": "ab"},
        url=f"{site.url}/",
    )
    journal = list(CommitPoint.objects.filter(task=outcome.task))

    assert [(entry.path, entry.finished_at is not None) for entry in journal] == [("nodes[0].nodes[0]", True)] * 2
    assert [step.is_commit_point for step in outcome.steps] == [False, True, True]


def test_an_act_that_failed_in_a_pass_stays_unfinished_whatever_the_next_pass_does(
    run_nodes: RunNodes, site: Site
) -> None:
    go = interact("go_to_url", {"url": "{address[index]}"}, commit_point=True, end_sleep_time=0)
    outcome = run_nodes(
        [loop("address", go, on_error_in_loop="continue")],
        inputs={"address": ["http://127.0.0.1:1/", f"{site.url}/second"]},
    )

    assert outcome.error is None
    assert [entry.finished_at is not None for entry in CommitPoint.objects.filter(task=outcome.task)] == [False, True]


def test_an_optional_act_that_was_begun_and_then_skipped_stays_unfinished(run_nodes: RunNodes, site: Site) -> None:
    node = click('get_by_role("button", name="Disabled")', skip_prompt=True, commit_point=True, max_tries=1)
    outcome = run_nodes([node], url=f"{site.url}/")

    assert (outcome.error, outcome.step.status) == (None, "skipped")
    assert [entry.finished_at for entry in CommitPoint.objects.filter(task=outcome.task)] == [None]


def test_what_a_browser_never_does_is_not_in_the_journal(run_nodes: RunNodes) -> None:
    node = {"type": "action_node", "powershell_action": {"commands": ["Get-Date"]}, "commit_point": True}
    outcome = run_nodes([node])

    assert (outcome.error, outcome.step.status) == (None, "skipped")
    assert not CommitPoint.objects.filter(task=outcome.task).exists()


def test_a_step_without_an_element_is_journaled_before_its_handler_begins(run_nodes: RunNodes) -> None:
    outcome = run_nodes([interact("go_to_url", {"url": "http://127.0.0.1:1/"}, commit_point=True)])

    assert isinstance(outcome.error, ActionError)
    assert [entry.finished_at for entry in CommitPoint.objects.filter(task=outcome.task)] == [None]


def test_many_passes_leave_their_rows_and_nothing_else(run_pageless: RunNodes) -> None:
    outcome = run_pageless([loop("p", say("{index}"))], inputs={"p": ["x"] * 300})

    assert outcome.error is None
    assert said(outcome.output) == [str(number) for number in range(300)]
    assert len(outcome.steps) == 301
    assert outcome.steps[-1].details == {"pass": 299}
    assert outcome.events("note") == []
