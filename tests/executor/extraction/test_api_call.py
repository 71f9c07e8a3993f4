import time
from typing import Any

import pytest
from pytest_django import Settings

from executor.loop import WorkerLoop
from tests.executor.conftest import Outcome, Prepare, RunNodes, wait_for
from tests.executor.site.calls import CallSite

pytestmark = pytest.mark.django_db(transaction=True)


def api_call(url: str, *, label: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "type": "action_node",
        "extraction_action": {"api_call": {"url": url, **fields}, "unique_identifier": label},
    }


def result_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.error is None
    result: dict[str, Any] = outcome.output[-1]["json_data"]
    return result


def test_the_answer_is_an_object_in_every_variable_and_in_the_output(run_nodes: RunNodes, calls: CallSite) -> None:
    check = {
        "type": "if_else_node",
        "condition": "two.body.by == 'x' and one['status_code'] == 200",
        "if_nodes": [api_call(f"{calls.url}/echo?n={{one.body.n}}")],
    }
    outcome = run_nodes([api_call(f"{calls.url}/json?by=x", output_variable_names=["one", "two"], label="it"), check])
    first = outcome.output[0]

    assert first["unique_identifier"] == "it"
    assert set(first["json_data"]) == {"status_code", "headers", "body"}
    assert first["json_data"]["body"] == {"by": "x", "n": 1}
    assert first["json_data"]["headers"]["content-type"] == "application/json"
    assert result_of(outcome)["body"]["query"] == {"n": "1"}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_method_headers_query_and_an_object_as_body_are_sent(run_nodes: RunNodes, calls: CallSite, method: str) -> None:
    node = api_call(
        f"{calls.url}/echo?a=1",
        method=method,
        headers={"X-Who": "{who[0]}", "x-odd": "grün"},
        query_params={"b": "{who[0]}&c"},
        body={"claim": {"of": "{who[0]}"}},
    )
    sent = result_of(run_nodes([node], inputs={"who": ["Ada"]}))["body"]

    assert sent["method"] == method
    assert sent["query"] == {"a": "1", "b": "Ada&c"}
    assert sent["headers"]["x-who"] == "Ada"
    assert sent["headers"]["content-type"] == "application/json"
    assert sent["body"] == '{"claim": {"of": "Ada"}}'
    assert "cookie" not in sent["headers"]


def test_a_text_is_sent_as_it_is(run_nodes: RunNodes, calls: CallSite) -> None:
    node = api_call(f"{calls.url}/echo", method="POST", body="größe={who[0]}", headers={"Content-Type": "text/plain"})
    sent = result_of(run_nodes([node], inputs={"who": ["Ada"]}))["body"]

    assert sent["body"] == "größe=Ada"
    assert sent["headers"]["content-type"] == "text/plain"


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_status_is_an_answer(run_nodes: RunNodes, calls: CallSite, status: int) -> None:
    result = result_of(run_nodes([api_call(f"{calls.url}/status?code={status}")]))

    assert result["status_code"] == status
    assert result["body"] == "no"
    assert "error" not in result


def test_redirects_are_followed_and_credentials_stay_with_their_host(run_nodes: RunNodes, calls: CallSite) -> None:
    headers = {"Authorization": "Bearer b", "X-Api-Key": "k", "X-Version": "2"}
    there = api_call(f"{calls.url}/redirect?to={calls.url}/echo", headers=headers)
    elsewhere = api_call(f"{calls.url}/redirect?to={calls.other_url}/echo", headers=headers)
    same, other = (item["json_data"]["body"]["headers"] for item in run_nodes([there, elsewhere]).output)

    assert (same["authorization"], same["x-api-key"], same["x-version"]) == ("Bearer b", "k", "2")
    assert other["x-version"] == "2"
    assert not {"authorization", "x-api-key"} & set(other)


@pytest.mark.parametrize(
    ("status", "method", "body"), [(302, "GET", ""), (303, "GET", ""), (307, "POST", "x"), (308, "POST", "x")]
)
def test_what_was_posted_is_posted_again_only_where_the_site_asks_for_that(
    run_nodes: RunNodes, calls: CallSite, status: int, method: str, body: str
) -> None:
    node = api_call(f"{calls.url}/redirect?status={status}&to=/echo", method="POST", body="x")
    sent = result_of(run_nodes([node]))["body"]

    assert (sent["method"], sent["body"]) == (method, body)


def test_redirects_without_end_are_an_error(run_nodes: RunNodes, calls: CallSite) -> None:
    result = result_of(run_nodes([api_call(f"{calls.url}/loop")]))

    assert result["error"] == "http_error"
    assert "more than 10 redirects" in result["message"]


def test_an_hour_of_silence_is_a_timeout(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([api_call(f"{calls.url}/hang", timeout=0.3)])
    result = result_of(outcome)

    assert result == {
        "error": "timeout",
        "message": "no complete answer within 0.3 s",
        "status_code": None,
        "body": None,
        "headers": {},
    }
    assert outcome.step.status == "warning"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:1/", "Connection refused"),
        ("http://nowhere.invalid/", "nowhere.invalid"),
        ("http://169.254.169.254/latest", "169.254.169.254 is the address of a metadata service"),
        ("http://10.1.2.3/", "ALLOWED_PRIVATE_HOSTS does not name"),
        ("file:///etc/hostname", "file"),
        ("no address", ""),
        ("http://user:s3cret@127.0.0.1:1/", ""),
    ],
)
def test_no_connection_is_an_http_error_that_says_why(run_nodes: RunNodes, url: str, message: str) -> None:
    result = result_of(run_nodes([api_call(url)]))

    assert (result["error"], result["status_code"], result["body"], result["headers"]) == ("http_error", None, None, {})
    assert message in result["message"]
    assert "s3cret" not in result["message"]
    assert result["message"]


@pytest.mark.parametrize("path", ["/big?bytes=9000000", "/endless.pdf"])
def test_an_answer_above_the_limit_is_an_http_error(run_nodes: RunNodes, calls: CallSite, path: str) -> None:
    result = result_of(run_nodes([api_call(f"{calls.url}{path}")]))

    assert result["error"] == "http_error"
    assert "larger than" in result["message"]


def test_a_host_that_the_operator_does_not_name_is_refused(
    run_nodes: RunNodes, calls: CallSite, settings: Settings
) -> None:
    settings.ALLOWED_PRIVATE_HOSTS = []
    result = result_of(run_nodes([api_call(f"{calls.url}/json")]))

    assert result["error"] == "http_error"
    assert calls.requests == []


def test_a_bad_header_is_an_http_error(run_nodes: RunNodes, calls: CallSite) -> None:
    result = result_of(run_nodes([api_call(f"{calls.url}/json", headers={"X-A": "a\r\nX-B: b"})]))

    assert result["error"] == "http_error"


# --- polling -------------------------------------------------------------------------------------------------


def poll(url: str, **fields: Any) -> dict[str, Any]:
    return api_call(url, **{"poll_condition": "body.status == '{wanted[0]}'", "poll_interval": 0.01, **fields})


def test_it_asks_again_until_the_condition_holds(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([poll(f"{calls.url}/job?after=3")], inputs={"wanted": ["done"]})

    assert result_of(outcome)["body"] == {"status": "done", "asked": 3}
    assert len(calls.seen("/job")) == 3
    assert len(outcome.output) == 1
    assert outcome.step.status == "success"


@pytest.mark.parametrize(("attempts", "asked"), [(2, 2), (1, 1), (0, 1)])
def test_an_unmet_condition_is_a_warning(run_nodes: RunNodes, calls: CallSite, attempts: int, asked: int) -> None:
    outcome = run_nodes([poll(f"{calls.url}/job?after=9", max_poll_attempts=attempts)], inputs={"wanted": ["done"]})

    assert result_of(outcome)["body"] == {"status": "running", "asked": asked}
    assert outcome.step.status == "warning"
    assert f"in {asked} request" in outcome.step.details["notes"][0]


def test_an_error_of_the_condition_means_not_yet(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([poll(f"{calls.url}/json", poll_condition="body.n + body.by > 2", max_poll_attempts=2)])

    assert len(calls.seen("/json")) == 2
    assert outcome.step.status == "warning"


def test_no_answer_ends_the_polling(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([poll(f"{calls.url}/hang", timeout=0.2)], inputs={"wanted": ["done"]})

    assert result_of(outcome)["error"] == "timeout"
    assert len(calls.seen("/hang")) == 1


def test_a_cancelled_attempt_does_not_wait_for_a_hanging_server(
    prepare: Prepare, worker_loop: WorkerLoop, calls: CallSite
) -> None:
    work = worker_loop.submit(prepare([api_call(f"{calls.url}/hang")]).execute())
    wait_for(lambda: calls.seen("/hang"))

    asked_at = time.monotonic()
    work.cancel()
    wait_for(work.done, seconds=3)

    assert work.cancelled()
    assert time.monotonic() - asked_at < 2
