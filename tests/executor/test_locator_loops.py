"""Loops over the matches of a locator, and how these are counted, in a browser."""

import pytest

from executor import counting
from executor.errors import ActionError, AutomationError
from inference.models import Artifact
from tests.executor.conftest import RunNodes, click, read
from tests.executor.nodes import locator_loop, loop, misc, said, say
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

LI = "locator('li')"
WITHOUT_WAIT = {"before_sleep_time": 0, "end_sleep_time": 0}


def greet(locator: str = "{locator[index]}") -> object:
    return click(f'{locator}.get_by_role("button", name="Greet")', end_sleep_time=0)


def test_each_match_has_a_pass_that_works_on_it(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [locator_loop(f" {LI} ", greet(), say("{index}"), reset_nodes=[say("reset {index}")]), read("locator('#log')")],
        url=f"{site.url}/people",
    )

    assert outcome.error is None
    assert outcome.values()["value"] == "Ada Grace Alan"
    assert said(outcome.output) == ["0", "reset 0", "1", "reset 1", "2"]
    assert outcome.runner.for_loop_status == [
        [
            {"variable_name": LI, "index": number, "value": f"{LI}.nth({number})", "status": "success"}
            for number in range(3)
        ]
    ]
    rows = [(step.path, step.locator, step.details.get("pass")) for step in outcome.steps[:3]]
    button = '.get_by_role("button", name="Greet")'
    assert rows == [
        ("nodes[0]", LI, None),
        ("nodes[0].nodes[0]", f"{LI}.nth(0){button}", 0),
        ("nodes[0].nodes[1]", "", 0),
    ]
    assert outcome.steps[0].details == {"passes": {"planned": 3, "success": 3}}
    assert outcome.steps[0].status == "success"


def test_what_a_pass_removes_shifts_the_later_ones(run_nodes: RunNodes, site: Site) -> None:
    remove = click(
        '{locator[index]}.get_by_role("button", name="Remove")',
        max_tries=1,
        max_timeout_seconds_per_try=0.3,
        end_sleep_time=0,
    )
    outcome = run_nodes(
        [locator_loop(LI, remove, on_error_in_loop="break"), read("locator('#log')")], url=f"{site.url}/people"
    )

    assert outcome.error is None
    assert outcome.values()["value"] == "Ada Alan"
    assert [entry["status"] for entry in outcome.runner.for_loop_status[0]] == ["success", "success", "error"]


def test_an_inner_loop_walks_the_matches_inside_the_outer_one(run_nodes: RunNodes, site: Site) -> None:
    name = read("{locator[j]}", "name", **WITHOUT_WAIT)
    inner = locator_loop("{locator[index]}.locator('p')", name, say("{index}{j} {name[0]}"), index_variable_name="j")
    outcome = run_nodes([locator_loop("locator('section')", inner)], url=f"{site.url}/teams")

    assert outcome.error is None
    assert said(outcome.output) == ["00 Ada", "01 Grace", "10 Alan"]
    assert [entry["value"] for entry in outcome.runner.for_loop_status[2]] == [
        "locator('section').nth(1).locator('p').nth(0)"
    ]


def test_variables_are_filled_in_as_data(run_nodes: RunNodes, site: Site) -> None:
    name = read("{locator[index]}", "name", **WITHOUT_WAIT)
    outcome = run_nodes(
        [locator_loop("locator('li').filter(has_text='{who[0]}')", name, say("{name[0]}"))],
        url=f"{site.url}/people",
        inputs={"who": ["Ala"]},
    )
    quoted = run_nodes(
        [locator_loop("locator('li').filter(has_text='{who[0]}')", locator_timeout=0)],
        url=f"{site.url}/people",
        inputs={"who": ["a') or locator('li"]},
    )

    assert [text.split("Greet")[0] for text in said(outcome.output)] == ["Alan"]
    # What people see has no value in it.
    assert outcome.steps[0].locator == "locator('li').filter(has_text='{who[0]}')"
    assert outcome.runner.for_loop_status[0][0]["value"] == "locator('li').filter(has_text='{who[0]}').nth(0)"
    assert (quoted.error, quoted.runner.for_loop_status) == (None, [[]])


def test_quotes_around_the_command_are_no_part_of_it(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([locator_loop(f'"{LI}"', greet()), read("locator('#log')")], url=f"{site.url}/people")

    assert outcome.values()["value"] == "Ada Grace Alan"


def test_max_iterations_cuts_matches_too(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([locator_loop(LI, say("{index}"), max_iterations=1)], url=f"{site.url}/people")

    assert said(outcome.output) == ["0"]
    assert outcome.steps[0].details["notes"] == ["max_iterations cut 3 passes down to 1"]


@pytest.mark.parametrize("seconds", [0, 0.2])
def test_no_match_is_no_pass_and_a_warning(run_nodes: RunNodes, site: Site, seconds: float) -> None:
    outcome = run_nodes(
        [locator_loop("locator('li.{who[0]}')", say("x"), locator_timeout=seconds), say("on")],
        url=f"{site.url}/people",
        inputs={"who": ["none"]},
    )

    assert outcome.error is None
    assert said(outcome.output) == ["on"]
    assert outcome.runner.for_loop_status == [[]]
    row = outcome.steps[0]
    assert row.status == "warning"
    assert row.details == {
        "notes": [f"nothing matched locator('li.{{who[0]}}') within {seconds:g} s, so there was no pass"],
        "passes": {"planned": 0},
    }


@pytest.mark.parametrize(
    ("locator", "message"),
    [
        ("locator('li').click()", "the locator of the loop is unusable: it "),
        ("{nobody[0]}", "the locator of the loop is unusable: it "),
        ('""', "the locator of the loop is blank"),
    ],
)
def test_an_unusable_locator_fails_the_task_for_good(run_pageless: RunNodes, locator: str, message: str) -> None:
    outcome = run_pageless([locator_loop(locator, say("x"), on_error_in_loop="continue")])

    assert type(outcome.error) is AutomationError
    assert str(outcome.error).startswith(message)
    assert outcome.runner.for_loop_status == [[]]


def test_a_selector_that_no_browser_reads_fails_the_loop(run_nodes: RunNodes) -> None:
    outcome = run_nodes([locator_loop("locator('li[')")])

    assert type(outcome.error) is ActionError
    assert str(outcome.error).startswith("For each li[: ")


def test_metadata_of_downloads_is_bound_to_its_pass(run_nodes: RunNodes, site: Site) -> None:
    metadata = {"id": "{ids[index]}", "number": "{index}", "who": "{who[0]}", "list": ["{ids[index]}"]}
    fetch = click('get_by_role("link", name="Export", exact=True)', expect_download=True, download_metadata=metadata)
    outcome = run_nodes([loop("ids", fetch)], url=f"{site.url}/files", inputs={"ids": ["A-1", "B-2"], "who": ["Ada"]})

    assert outcome.error is None
    rows = Artifact.objects.filter(task=outcome.task, kind=Artifact.Kind.DOWNLOAD).order_by("created_at")
    assert [row.metadata for row in rows] == [
        {"id": "A-1", "number": "0", "who": "Ada", "list": ["A-1"]},
        {"id": "B-2", "number": "1", "who": "Ada", "list": ["B-2"]},
    ]


# --- how matches are counted ---------------------------------------------------------------------------------


def counted(run_nodes: RunNodes, url: str, locator: str = LI, **fields: object) -> tuple[object, float]:
    """The number, and the seconds that counting took."""
    node = misc(count_locator={"locator": locator, "name": "n", "output_variable_name": "n", **fields})
    outcome = run_nodes([{**node, "end_sleep_time": 0}], url=url)
    assert outcome.error is None
    return outcome.values()["n"], outcome.step.duration_ms / 1000


def test_a_list_that_stands_there_is_counted_fast(run_nodes: RunNodes, site: Site) -> None:
    number, seconds = counted(run_nodes, f"{site.url}/people")

    assert number == 3
    assert seconds < 0.95  # the contract's own second of looking is not spent


def test_a_list_that_is_drawn_bit_by_bit_is_counted_when_it_is_complete(run_nodes: RunNodes, site: Site) -> None:
    assert counted(run_nodes, f"{site.url}/people-drawn")[0] == 6


def test_a_list_whose_rest_was_asked_for_is_counted_when_it_has_come(run_nodes: RunNodes, site: Site) -> None:
    nodes = [locator_loop(LI, say("{index}"))]
    outcome = run_nodes(nodes, url=f"{site.url}/people-fetched")

    assert said(outcome.output) == ["0", "1", "2", "3"]


def test_a_page_that_goes_on_growing_elsewhere_costs_a_second(run_nodes: RunNodes, site: Site) -> None:
    number, seconds = counted(run_nodes, f"{site.url}/people-beside-a-feed")

    assert number == 2
    assert 1 <= seconds < 6


def test_a_list_without_end_is_counted_as_it_is_when_time_is_over(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_LONGEST_SECONDS", 1.5)
    number, seconds = counted(run_nodes, f"{site.url}/people-without-end")

    assert isinstance(number, int)
    assert number > 5
    assert 1.5 <= seconds < 6


def test_the_first_match_is_waited_for_until_it_is_attached(run_nodes: RunNodes, site: Site) -> None:
    assert counted(run_nodes, f"{site.url}/people-in-a-late-frame", "frame('inner').locator('li')")[0] == 3


@pytest.mark.parametrize("locator", ["locator('li')", "frame('inner').locator('li')", "frames[3].locator('li')"])
def test_without_time_only_what_is_there_counts(run_nodes: RunNodes, site: Site, locator: str) -> None:
    assert counted(run_nodes, f"{site.url}/second", locator, locator_timeout=0)[0] == 0


def test_a_frame_that_never_comes_is_no_match(run_nodes: RunNodes, site: Site) -> None:
    number, seconds = counted(run_nodes, f"{site.url}/second", "frame('inner').locator('li')", locator_timeout=0.4)

    assert number == 0
    assert 0.4 <= seconds < 2


def test_hidden_matches_count(run_nodes: RunNodes, site: Site) -> None:
    assert counted(run_nodes, f"{site.url}/", "locator('button', has_text='Hidden')")[0] == 1
