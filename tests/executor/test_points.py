from pathlib import Path

import pytest
from pytest_django import Settings

from executor.errors import ActionTimeoutError, ElementNotFoundError
from tests.executor.conftest import RunNodes, click, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

OUT = read('locator("#out")', "out")
FIELD = read('locator("#field")', "field", read="value")
QUICK = {"max_tries": 1, "max_timeout_seconds_per_try": 0.4}


@pytest.mark.parametrize(
    ("fields", "out"),
    [
        ({"coordinates": [30, 40]}, "click 30,40"),
        ({"coordinates": ["30", "40"]}, "click 30,40"),
        ({"coordinates": ["{x[0]}", "40.0"]}, "click 30,40"),
        ({"coordinates": [30, 40], "double_click": True}, "double"),
        ({"coordinates": [30, 40], "button": "right"}, "right"),
        ({"coordinates": [30, 40], "command": 'get_by_text("Nope")', "skip_command": True}, "click 30,40"),
    ],
)
def test_a_point_is_clicked_with_the_mouse(
    run_nodes: RunNodes, site: Site, fields: dict[str, object], out: str
) -> None:
    outcome = run_nodes([interact("click_element", fields), OUT], url=f"{site.url}/points", inputs={"x": [30]})

    assert outcome.error is None
    assert outcome.values() == {"out": out}
    assert outcome.steps[0].details["box"]["x"] == 30
    assert outcome.steps[0].locator.startswith("point ")


def test_a_command_wins_over_a_point(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([click('locator("#field")', coordinates=[30, 40]), OUT], url=f"{site.url}/points")

    assert outcome.values() == {"out": "nothing"}


def test_a_point_is_hovered(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [interact("hover", {"coordinates": [12, 34]}), read('locator("#moves")')], url=f"{site.url}/points"
    )

    assert outcome.values() == {"value": "12,34"}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("new", "fill", "new"), ("", "fill", ""), ("er", "type", "older"), ("er", "key_press", "older")],
)
def test_texts_are_typed_at_a_point(run_nodes: RunNodes, site: Site, text: str, kind: str, value: str) -> None:
    action = {"coordinates": [190, 135], "input_text": text, "fill_or_type": kind}
    outcome = run_nodes([interact("input_text", action), FIELD], url=f"{site.url}/points")

    assert outcome.error is None
    assert outcome.values() == {"field": value}


def test_a_field_in_a_shadow_root_is_filled_at_its_point(run_nodes: RunNodes, site: Site) -> None:
    action = {"coordinates": [20, 285], "input_text": "inside"}
    outcome = run_nodes(
        [interact("input_text", action), read('locator("x-field input")', read="value")], url=f"{site.url}/points"
    )

    assert outcome.values() == {"value": "inside"}


def test_enter_is_pressed_after_a_text_at_a_point(run_nodes: RunNodes, site: Site) -> None:
    action = {"coordinates": [20, 135], "input_text": "x", "press_enter": True}
    command = {"command": 'get_by_text("Nope")', "skip_command": True}  # press_enter asks for one
    outcome = run_nodes(
        [interact("input_text", {**action, **command}), read('locator("#keys")')], url=f"{site.url}/points"
    )

    assert outcome.values()["value"].endswith("Enter")


def test_filling_where_no_text_goes_fails(run_nodes: RunNodes, site: Site) -> None:
    action = {"coordinates": [30, 40], "input_text": "x"}
    failed = run_nodes([interact("input_text", action)], url=f"{site.url}/points")
    skipped = run_nodes([interact("input_text", {**action, "skip_prompt": True})], url=f"{site.url}/points")

    assert isinstance(failed.error, ActionTimeoutError)
    assert "nothing that takes a text" in str(failed.error)
    assert (skipped.error, skipped.step.status) == (None, "skipped")


def test_boxes_lists_and_file_inputs_are_found_at_a_point(
    run_nodes: RunNodes, site: Site, settings: Settings, tmp_path: Path
) -> None:
    settings.UPLOAD_ROOTS = [tmp_path]
    (tmp_path / "card.txt").write_text("card")
    outcome = run_nodes(
        [
            interact("check", {"coordinates": [60, 180]}),  # its label's text
            read('locator("#agree")', "checked", read="checked"),
            interact("check", {"coordinates": [60, 180]}),
            read('locator("#agree")', "still", read="checked"),
            interact("uncheck", {"coordinates": [60, 180]}),
            read('locator("#agree")', "cleared", read="checked"),
            interact("select_option", {"coordinates": [60, 235], "select_values": ["B"]}),
            read('locator("#plan")', "plan", read="value"),
            interact("upload_file", {"coordinates": [60, 335], "file_path": str(tmp_path / "card.txt")}),
            OUT,
        ],
        url=f"{site.url}/points",
    )

    assert outcome.error is None
    assert outcome.values() == {
        "checked": True, "still": True, "cleared": False, "plan": "B", "out": "file card.txt"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("coordinates", "reason"),
    [([2000, 10], "outside of the view"), ([-1, 10], "outside of the view"), (["left", "top"], "not two numbers")],
)
def test_a_point_that_is_none_fails(run_nodes: RunNodes, site: Site, coordinates: list[object], reason: str) -> None:
    failed = run_nodes([interact("click_element", {"coordinates": coordinates})], url=f"{site.url}/points")
    optional = {"coordinates": coordinates, "skip_prompt": True}
    skipped = run_nodes([interact("click_element", optional)], url=f"{site.url}/points")

    assert isinstance(failed.error, ElementNotFoundError)
    assert reason in str(failed.error)
    assert (skipped.error, skipped.step.status) == (None, "skipped")


def test_a_point_outside_is_no_box_to_check(run_nodes: RunNodes, site: Site) -> None:
    node = interact("check", {"coordinates": [5000, 5000]}, **QUICK)
    outcome = run_nodes([node], url=f"{site.url}/points")

    assert isinstance(outcome.error, ElementNotFoundError)
    assert "outside of the view" in str(outcome.error)


def test_dragging_may_begin_at_a_point(run_nodes: RunNodes, site: Site) -> None:
    action = {"coordinates": [30, 40], "target": 'locator("#drop")', "steps": 7}
    outcome = run_nodes([interact("drag_to", action), OUT], url=f"{site.url}/points")

    assert outcome.values() == {"out": "dropped 7"}
