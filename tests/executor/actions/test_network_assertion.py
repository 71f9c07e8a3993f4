from typing import Any

import pytest

from executor.errors import AssertionFailedError
from tests.executor.conftest import RunNodes, click
from tests.executor.site.calls import CallSite

pytestmark = pytest.mark.django_db(transaction=True)


def assert_call(**fields: Any) -> dict[str, Any]:
    return {"type": "action_node", "assertion_action": {"network_call": fields}}


def press(name: str) -> dict[str, Any]:
    return click(f'get_by_role("button", name="{name}", exact=True)')


@pytest.mark.parametrize(
    "fields",
    [
        {"url_pattern": "/echo"},
        {"url_pattern": "by={who[0]}", "header_filter": {"x-page": "app"}},
        {"url_pattern": "/echo", "header_filter": {"X-PAGE": "app", "Content-Type": "{type[0]}"}},
        {"url_pattern": "/echo", "header_filter": {"Content-Length": "{length[0]}"}},
        {"header_filter": {"X-Page": "app"}},
        {},
    ],
)
def test_a_request_or_response_with_the_address_and_all_headers_passes(
    run_nodes: RunNodes, calls: CallSite, fields: dict[str, Any]
) -> None:
    outcome = run_nodes(
        [press("Send"), assert_call(**fields)],
        url=f"{calls.url}/app",
        inputs={"who": ["page"], "type": ["application/json"], "length": ["16"]},
    )

    assert outcome.error is None
    assert (outcome.step.duration_ms or 0) < 3000


def test_a_call_that_comes_a_moment_later_passes(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([press("Later"), assert_call(url_pattern="by=timer")], url=f"{calls.url}/app")

    assert outcome.error is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url_pattern": "/never"}, "no network call with “/never” in its address"),
        ({"url_pattern": "/echo", "header_filter": {"X-Page": "App"}}, "none of 2 network calls with “/echo”"),
        ({"url_pattern": "/echo", "header_filter": {"X-Page": "app", "X-Other": ""}}, "X-Page, X-Other"),
    ],
)
def test_no_such_call_within_five_seconds_fails_the_task_for_good(
    run_nodes: RunNodes, calls: CallSite, fields: dict[str, Any], message: str
) -> None:
    outcome = run_nodes([press("Send"), assert_call(**fields)], url=f"{calls.url}/app")

    assert isinstance(outcome.error, AssertionFailedError)
    assert message in str(outcome.error)
    assert 4900 < (outcome.step.duration_ms or 0) < 8000


def test_calls_before_the_last_interaction_do_not_count(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([press("Send"), press("Load"), assert_call(url_pattern="/echo")], url=f"{calls.url}/app")

    assert isinstance(outcome.error, AssertionFailedError)
