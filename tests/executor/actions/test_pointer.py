import time
from urllib.parse import quote

import pytest

from executor.errors import ActionError, ActionTimeoutError, ElementNotFoundError
from tests.executor.conftest import RunNodes, click, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

OUT = read('locator("#out")', "out")
PRESS = 'get_by_role("button", name="Press")'


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({}, "left"),
        ({"button": "right"}, "right"),
        ({"button": "middle"}, "middle"),
        ({"double_click": True}, "double"),
    ],
)
def test_each_button_is_pressed(run_nodes: RunNodes, site: Site, fields: dict[str, object], seen: str) -> None:
    outcome = run_nodes([click(PRESS, **fields), OUT], url=f"{site.url}/")

    assert outcome.values() == {"out": seen}


def test_a_mouse_click_goes_to_the_corner_plus_the_deviation_once(run_nodes: RunNodes, site: Site) -> None:
    action = click('locator("#pad")', mouse_click=True, mouse_click_deviation={"x": 30, "y": 40})
    outcome = run_nodes([action, OUT], url=f"{site.url}/")

    assert outcome.values() == {"out": "pad 30,40"}


def test_a_forced_click_goes_through_a_cover(run_nodes: RunNodes, site: Site) -> None:
    node = click('get_by_role("button", name="Under")', force=True, max_tries=2)
    outcome = run_nodes([node], url=f"{site.url}/covered?stays")

    assert outcome.error is None


def test_a_short_cover_is_waited_for(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([click('get_by_role("button", name="Under")'), OUT], url=f"{site.url}/covered")

    assert outcome.values() == {"out": "pressed"}


@pytest.mark.parametrize(
    "act",
    [
        click('get_by_role("button", name="Send")'),
        interact("input_text", {"command": 'get_by_label("Name")', "input_text": "Ada", "press_enter": True}),
    ],
    ids=["click", "enter"],
)
def test_what_may_submit_is_done_once_however_long_the_page_takes(
    run_nodes: RunNodes, site: Site, act: dict[str, object]
) -> None:
    outcome = run_nodes([act, OUT], url=f"{site.url}/busy")

    assert outcome.error is None
    assert outcome.values() == {"out": "sent 1"}


def test_a_click_that_is_not_seen_to_finish_fails_and_is_not_made_again(run_nodes: RunNodes, site: Site) -> None:
    node = click('get_by_role("button", name="Send")', max_tries=2, max_timeout_seconds_per_try=0.4)
    outcome = run_nodes([node], url=f"{site.url}/busy")

    assert isinstance(outcome.error, ActionError)
    assert "the act was begun and not seen to finish" in str(outcome.error)


@pytest.mark.parametrize("is_commit_point", [True, False])
def test_a_drag_of_a_commit_point_is_begun_once(run_nodes: RunNodes, site: Site, is_commit_point: bool) -> None:
    page = (
        "document.write('<div id=a>take</div><div id=b>put</div>');"
        "a.onmousedown = () => { fetch('/picked'); b.style.display = 'none'; };"
        "onmouseup = () => { b.style.display = ''; };"
    )
    node = drag("locator('#a')", "locator('#b')", max_tries=4, max_timeout_seconds_per_try=0.5)
    outcome = run_nodes([{**node, "commit_point": is_commit_point}], url=f"{site.url}/echo?script={quote(page)}")

    assert isinstance(outcome.error, ActionError)
    assert ("the act was begun and not seen to finish" in str(outcome.error)) is is_commit_point
    assert (site.asked_for("/picked") == 1) is is_commit_point


def test_an_enter_that_is_not_seen_to_finish_is_not_pressed_in_a_second_round(run_nodes: RunNodes, site: Site) -> None:
    action = {
        "command": 'get_by_label("Name")',
        "input_text": "Ada",
        "press_enter": True,
        "assert_locator_presence": True,
    }
    node = interact("input_text", action, max_tries=1, max_timeout_seconds_per_try=0.4, commit_point=True)
    page = (
        "document.write('<form><label>Name <input></label></form>');"
        "onsubmit = event => { event.preventDefault(); fetch('/entered');"
        " const end = performance.now() + 1500; while (performance.now() < end); };"
    )
    outcome = run_nodes([node], url=f"{site.url}/echo?script={quote(page)}")

    assert "the act was begun and not seen to finish" in str(outcome.error)
    assert site.asked_for("/entered") == 1


def test_a_lasting_cover_fails_within_the_contracts_time_and_is_named(run_nodes: RunNodes, site: Site) -> None:
    node = click('get_by_role("button", name="Under")', max_tries=2, max_timeout_seconds_per_try=0.5)
    began = time.monotonic()
    outcome = run_nodes([node], url=f"{site.url}/covered?stays")

    assert isinstance(outcome.error, ActionTimeoutError)
    assert "intercepts pointer events" in str(outcome.error)
    assert outcome.step.duration_ms < 2500
    assert time.monotonic() - began < 15


def test_a_late_element_is_found(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [click('get_by_role("button", name="Late button")'), read('get_by_role("button", name="Pressed")')],
        url=f"{site.url}/late",
    )

    assert outcome.values() == {"value": "Pressed"}


def test_several_matches_are_no_match(run_nodes: RunNodes, site: Site) -> None:
    node = click('get_by_role("button", name="Twin")', max_tries=1, max_timeout_seconds_per_try=0.4)
    outcome = run_nodes([node], url=f"{site.url}/")

    assert outcome.error is not None
    assert "resolved to 2 elements" in str(outcome.error)


def test_a_disabled_element_says_so(run_nodes: RunNodes, site: Site) -> None:
    node = click('get_by_role("button", name="Disabled")', max_tries=1, max_timeout_seconds_per_try=0.5)
    outcome = run_nodes([node], url=f"{site.url}/")

    assert isinstance(outcome.error, ActionTimeoutError)
    assert "element is not enabled" in str(outcome.error)


def test_an_optional_element_that_is_missing_skips_its_step(run_nodes: RunNodes, site: Site) -> None:
    node = click('get_by_role("button", name="Accept")', skip_prompt=True, max_tries=2, max_timeout_seconds_per_try=0.2)
    outcome = run_nodes([node, read('get_by_role("heading")')], url=f"{site.url}/")

    assert outcome.error is None
    assert [step.status for step in outcome.steps] == ["skipped", "success"]
    assert outcome.steps[0].error == "nothing matched"


def test_presence_is_asserted_in_a_second_round_before_it_fails(run_nodes: RunNodes, site: Site) -> None:
    fields = {"assert_locator_presence": True, "skip_prompt": True}
    node = click('get_by_role("button", name="Nope")', **fields, max_tries=1, max_timeout_seconds_per_try=0.2)
    outcome = run_nodes([node], url=f"{site.url}/")

    assert isinstance(outcome.error, ElementNotFoundError)
    assert outcome.step.duration_ms > 5000


@pytest.mark.parametrize("fields", [{"skip_command": True}, {"command": None}])
def test_a_node_without_a_command_to_try_fails_or_is_skipped(
    run_nodes: RunNodes, site: Site, fields: dict[str, object]
) -> None:
    action = {"command": PRESS, "prompt_instructions": "the button", **fields}
    failed = run_nodes([interact("click_element", action)], url=f"{site.url}/")
    skipped = run_nodes([interact("click_element", {**action, "skip_prompt": True})], url=f"{site.url}/")

    assert "no locator command to try (“the button”)" in str(failed.error)
    assert (skipped.error, skipped.step.status) == (None, "skipped")


def test_a_command_outside_the_grammar_is_a_failed_locator(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([click('locator("a").evaluate("1")', max_tries=1)], url=f"{site.url}/")

    assert isinstance(outcome.error, ElementNotFoundError)
    assert "the locator command" in str(outcome.error)


def test_an_xpath_stands_in_for_a_command(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([interact("click_element", {"xpath": "//button[text()='Press']"}), OUT], url=f"{site.url}/")

    assert outcome.values() == {"out": "left"}


def test_frames_and_shadow_roots_are_reached(run_nodes: RunNodes, site: Site) -> None:
    typed = {"command": 'frame_locator("#inner").get_by_label("Inside")', "input_text": "hello"}
    outcome = run_nodes(
        [
            interact("input_text", typed),
            read('locator("#out")', "from_frame"),
            click('get_by_role("button", name="In shadow")'),
            read('locator("#out")', "from_shadow"),
            interact("input_text", {"command": 'frame(name="inner").get_by_label("Inside")', "input_text": "again"}),
            read('locator("#out")', "by_name"),
        ],
        url=f"{site.url}/frames",
    )

    assert outcome.values() == {"from_frame": "hello", "from_shadow": "shadow", "by_name": "again"}


def test_a_value_in_a_command_stays_data(run_nodes: RunNodes, site: Site) -> None:
    node = click('get_by_role("button", name="{name[0]}")', max_tries=1, max_timeout_seconds_per_try=0.2)
    outcome = run_nodes([node], url=f"{site.url}/", inputs={"name": ['Press").or_(page.locator("button']})

    assert isinstance(outcome.error, ElementNotFoundError)
    assert "nothing usable matched" in str(outcome.error)


def test_hovering_moves_the_pointer(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [interact("hover", {"command": 'locator("#pad")'}), read('locator("#moves")')], url=f"{site.url}/"
    )

    assert outcome.values() == {"value": "moved"}


def test_scrolling_to_the_end_reaches_it(run_nodes: RunNodes, site: Site) -> None:
    state = {"type": "action_node", "extraction_action": {"screenshot": {"filename": "end", "full_page": False}}}
    outcome = run_nodes(
        [interact("scroll", {}), state, interact("scroll", {"down": False}), interact("scroll", {"amount": 300})],
        url=f"{site.url}/long",
    )

    assert outcome.error is None
    assert [step.status for step in outcome.steps] == ["success"] * 4


def test_an_element_outside_the_view_is_scrolled_to_and_outlined(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([click('locator("#end")')], url=f"{site.url}/long")
    box = outcome.step.details["box"]

    assert 0 <= box["y"] <= 800 - box["height"]


def test_a_window_that_cannot_scroll_hands_over_to_the_box_under_the_last_element(
    run_nodes: RunNodes, site: Site
) -> None:
    outcome = run_nodes(
        [
            click('get_by_role("button", name="First")'),
            interact("scroll", {}),
            {"type": "assert_locator_node", "locator": 'get_by_text("End of box")', "assertion": "to_be_visible"},
        ],
        url=f"{site.url}/box",
    )

    assert outcome.error is None
    assert outcome.runner._memory.variables == {"node3_output": [True]}


def drag(command: str, target: str, **fields: object) -> dict[str, object]:
    return interact("drag_to", {"command": command, "target": target}, **fields)


@pytest.mark.parametrize(
    ("source", "target", "out"),
    [
        ("#ada", "#today", "today Ada"),  # by the browser's own dragging
        ("#handle", "#lane", "lane true"),  # by the page's script, which wants to see moves
        ("#ada", "#far", "far Ada"),  # scrolled to with the button down
    ],
)
def test_an_element_is_dragged_onto_another(
    run_nodes: RunNodes, site: Site, source: str, target: str, out: str
) -> None:
    node = drag(f'locator("{source}")', f'locator("{target}")')
    outcome = run_nodes([node, OUT], url=f"{site.url}/dragging")

    assert outcome.error is None
    assert outcome.values() == {"out": out}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ('locator("#nope")', "the target to drop on"),
        ('get_by_role("button", name="Twin")', "resolved to 2 elements"),
        ('locator("#out").evaluate("1")', "the locator command of the target"),
        ('""', "blank"),
    ],
)
def test_nothing_is_picked_up_that_cannot_be_put_down(
    run_nodes: RunNodes, site: Site, target: str, reason: str
) -> None:
    node = drag('locator("#ada")', target, max_tries=1, max_timeout_seconds_per_try=0.5)
    outcome = run_nodes([node], url=f"{site.url}/dragging")

    assert outcome.error is not None
    assert reason in str(outcome.error)


def test_a_drag_from_an_element_that_is_missing_can_be_optional(run_nodes: RunNodes, site: Site) -> None:
    action = {"command": 'locator("#nope")', "target": 'locator("#today")', "skip_prompt": True}
    node = interact("drag_to", action, max_tries=1, max_timeout_seconds_per_try=0.3)
    outcome = run_nodes([node, OUT], url=f"{site.url}/dragging")

    assert outcome.steps[0].status == "skipped"
    assert outcome.values() == {"out": "nothing"}


def test_a_mouse_double_click_keeps_its_button(run_nodes: RunNodes, site: Site) -> None:
    double = click('get_by_role("button", name="Press")', mouse_click=True, double_click=True)
    outcome = run_nodes([double, OUT], url=f"{site.url}/")
    right = click('get_by_role("button", name="Press")', mouse_click=True, button="right")
    other = run_nodes([right, OUT], url=f"{site.url}/")

    assert outcome.values() == {"out": "double"}
    assert other.values() == {"out": "right"}


def test_an_optional_click_without_tries_gets_five(run_nodes: RunNodes, site: Site) -> None:
    node = click('get_by_role("button", name="Late button")', skip_prompt=True, max_tries=0)
    outcome = run_nodes([node, read('get_by_role("button", name="Pressed")')], url=f"{site.url}/late")

    assert outcome.values() == {"value": "Pressed"}


def test_where_nothing_can_be_scrolled_the_step_says_so(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([interact("scroll", {})], url=f"{site.url}/second")

    assert outcome.error is None
    assert outcome.step.details["notes"] == ["nothing here can be scrolled"]
