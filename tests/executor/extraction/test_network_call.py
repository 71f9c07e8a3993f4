import json
from typing import Any

import pytest
from pytest_django import Settings

from executor import network
from executor.extraction import network_call
from tests.executor.conftest import RunNodes, click, interact
from tests.executor.site import calls as app
from tests.executor.site.calls import CallSite

pytestmark = pytest.mark.django_db(transaction=True)


def calls_of(pattern: str | None = None, *, label: str | None = None, **fields: Any) -> dict[str, Any]:
    action = {"network_call": {"url_pattern": pattern, **fields}, "unique_identifier": label}
    return {"type": "action_node", "extraction_action": action}


def press(name: str) -> dict[str, Any]:
    return click(f'get_by_role("button", name="{name}", exact=True)')


def bodies(output: list[dict[str, Any]]) -> list[Any]:
    return [item["json_data"]["body"] for item in output]


def test_the_bodies_of_matching_responses_come_in_order_as_json(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([press("Load both"), calls_of("/json", label="claims")], url=f"{calls.url}/app")

    assert outcome.error is None
    assert sorted(body["by"] for body in bodies(outcome.output)) == ["first", "second"]
    assert {item["unique_identifier"] for item in outcome.output} == {"claims"}
    assert outcome.step.status == "success"


def test_a_null_pattern_matches_all_calls_and_text_stays_text(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([calls_of()], url=f"{calls.url}/plain")

    assert outcome.error is None
    assert bodies(outcome.output)[0].startswith("<!doctype html><title>Plain")


def test_bytes_that_are_no_text_are_null(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([press("Bytes"), calls_of("/bytes")], url=f"{calls.url}/app")

    assert bodies(outcome.output) == [None]


def test_a_request_has_the_text_that_was_sent(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes(
        [press("Send"), calls_of("/echo", extract_from="request"), calls_of("/app", extract_from="request")],
        url=f"{calls.url}/app",
    )

    assert bodies(outcome.output) == ['{"claim": "C-1"}']
    assert outcome.step.status == "warning"  # the page itself was asked for before the interaction


def test_the_first_page_is_recorded_and_a_request_without_a_body_is_null(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([calls_of("/app", extract_from="request")], url=f"{calls.url}/app")

    assert bodies(outcome.output) == [None]


def test_what_was_before_the_last_interaction_is_forgotten(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([press("Load"), press("Send"), calls_of("/json")], url=f"{calls.url}/app")

    assert outcome.error is None
    assert outcome.output == []
    assert outcome.step.status == "warning"
    assert "“/json”" in outcome.step.details["notes"][0]


def test_a_body_is_kept_when_the_page_has_gone_elsewhere(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([press("Leave"), calls_of("/json")], url=f"{calls.url}/app")

    assert outcome.steps[-1].url.endswith("/plain")
    assert [body["by"] for body in bodies(outcome.output)] == ["leaving"]


def test_placeholders_in_the_pattern_are_filled_in(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes(
        [press("Load both"), calls_of("by={which[0]}")], url=f"{calls.url}/app", inputs={"which": ["second"]}
    )

    assert [body["by"] for body in bodies(outcome.output)] == ["second"]


def test_a_body_that_is_too_large_is_left_out_and_told(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([press("Big"), calls_of("/big")], url=f"{calls.url}/app")

    assert outcome.error is None
    assert bodies(outcome.output) == [None]
    assert outcome.step.status == "warning"
    assert "9000000 bytes is too large" in outcome.step.details["notes"][0]


def test_an_answer_that_is_still_coming_is_waited_for_a_moment(
    run_nodes: RunNodes, calls: CallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.files["/files/slow.csv"] = app.CLAIMS
    read = {**calls_of("/slow"), "before_sleep_time": 0}
    patient = run_nodes([press("Load slowly"), read], url=f"{calls.url}/app")
    monkeypatch.setattr(network_call, "_BODIES_SECONDS", 0.1)
    hurried = run_nodes([{**press("Load slowly"), "end_sleep_time": 0.2}, read], url=f"{calls.url}/app")

    assert bodies(patient.output) == [app.CLAIMS.decode()]
    assert bodies(hurried.output) == [None]
    assert "not complete after 0.1 s" in hurried.step.details["notes"][0]


def test_a_redirect_has_no_body(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([interact("go_to_url", {"url": f"{calls.url}/redirect?to=/plain"}), calls_of("/redirect")])

    assert bodies(outcome.output) == [None]
    assert "has no body" in outcome.step.details["notes"][0]


def test_what_is_kept_is_bounded_and_the_rest_is_told(
    run_nodes: RunNodes, calls: CallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "MAX_CALLS", 3)  # two requests and one answer
    few = run_nodes([press("Load both"), calls_of("/json")], url=f"{calls.url}/app")
    monkeypatch.setattr(network, "MAX_CALLS", 100)
    monkeypatch.setattr(network, "MAX_BODIES_BYTES", 40)
    small = run_nodes([press("Load both"), calls_of("/json")], url=f"{calls.url}/app")
    monkeypatch.setattr(network_call, "MAX_FILES", 1)
    node = calls_of("/json", extract_from="request", download_from="request", download_filename="a.json")
    files = run_nodes([press("Load both"), node], url=f"{calls.url}/app")

    assert few.step.details["notes"][-1] == "1 later calls were not recorded"
    assert sorted(map(type, bodies(small.output)), key=str) == sorted([type(None), dict], key=str)
    assert "used up the memory" in small.step.details["notes"][0]
    assert len(files.files()) == 1
    assert "only the first 1 of 2 files" in files.step.details["notes"][-1]


@pytest.mark.parametrize("source", ["request", "response"])
def test_matching_calls_are_saved_as_downloads(run_nodes: RunNodes, calls: CallSite, source: str) -> None:
    node = calls_of("/json", extract_from=None, download_from=source, download_filename="{who[0]}/answer.json")
    outcome = run_nodes([press("Load both"), node], url=f"{calls.url}/app", inputs={"who": ["Ada"]})
    saved = {name: json.loads(data) for name, data in outcome.files().items()}

    assert outcome.error is None
    assert outcome.output == []
    assert set(saved) == {"Ada_answer.json", "Ada_answer_2.json"}
    assert {each["by"] for each in saved.values()} == {"first", "second"}
    assert len(calls.seen("/json")) == (4 if source == "request" else 2)
    assert set(outcome.step.details["downloads"]) == set(saved)


def test_a_request_is_sent_again_as_it_was_with_the_cookies_of_now(run_nodes: RunNodes, calls: CallSite) -> None:
    node = calls_of("/echo", extract_from=None, download_from="request", download_filename="again.json")
    outcome = run_nodes(
        [
            interact("go_to_url", {"url": f"{calls.url}/login"}),
            interact("go_to_url", {"url": f"{calls.url}/app"}),
            press("Send"),
            node,
        ]
    )
    first, again = calls.seen("/echo")

    assert outcome.error is None
    assert (again.method, again.body) == ("POST", b'{"claim": "C-1"}')
    assert again.headers["x-page"] == "app"
    assert again.headers["user-agent"] == first.headers["user-agent"]
    assert set(again.headers["cookie"].split("; ")) == {"session=s3cret", "tls=t"}


def test_without_a_name_nothing_is_saved(run_nodes: RunNodes, calls: CallSite) -> None:
    outcome = run_nodes([press("Load"), calls_of("/json", download_from="request")], url=f"{calls.url}/app")

    assert outcome.files() == {}
    assert len(calls.seen("/json")) == 1


def test_what_cannot_be_saved_is_told_and_fails_nothing(
    run_nodes: RunNodes, calls: CallSite, settings: Settings
) -> None:
    settings.ALLOWED_PRIVATE_HOSTS = []
    nodes = [
        press("Load"),
        calls_of("/json", download_from="request", download_filename="a.json"),
        press("Big"),
        calls_of("/big", extract_from=None, download_filename="big.txt"),
    ]
    outcome = run_nodes(nodes, url=f"{calls.url}/app")

    assert outcome.error is None
    assert outcome.files() == {}
    assert "127.0.0.1" in outcome.steps[1].details["notes"][0]
    assert "too large" in outcome.steps[3].details["notes"][0]


def test_a_pdf_that_the_pages_show_counts_once_by_the_name_that_was_asked_for(run_nodes: RunNodes, site: Any) -> None:
    node = calls_of("/letter.pdf", extract_from=None, download_filename="mine.pdf")
    outcome = run_nodes(
        [click('get_by_role("button", name="Fetched")'), node], url=f"{site.url}/files", expected_downloads=1
    )

    assert list(outcome.files()) == ["mine.pdf"]
