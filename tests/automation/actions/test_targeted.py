"""Rules that all actions on one element share, and those of single interactions."""

import uuid
from typing import Any, get_args

import pytest

from automation.actions.agentic import OVERLAY_TASK
from automation.actions.interaction import InteractionAction
from automation.actions.targeted import TargetedAction
from automation.actions.text import KEY_NAMES
from tests.automation.documents import action_node, interaction, paths, problems

TARGETED: dict[str, dict[str, Any]] = {
    "click_element": {},
    "input_text": {},
    "select_option": {},
    "check": {},
    "uncheck": {},
    "hover": {},
    "drag_to": {"target": 'locator("b")'},
    "upload_file": {"file_path": "a"},
    "key_press": {"type": "a"},
}


def wrapper(name: str, /, **fields: Any) -> InteractionAction:
    found = action_node(interaction(name, **fields)).interaction_action
    assert found is not None
    return found


def chosen(name: str, /, **fields: Any) -> dict[str, Any]:
    return wrapper(name, **fields).chosen.model_dump()


def at(name: str, field: str = "") -> str:
    return f"nodes[0].interaction_action.{name}{field and '.'}{field}"


@pytest.mark.parametrize("name", TARGETED)
class TestEveryTargetedAction:
    def test_xpath_and_command_exclude_each_other(self, name: str) -> None:
        fields = TARGETED[name]
        assert paths(interaction(name, **fields, xpath="//a")) == []
        assert paths(interaction(name, **fields, xpath="//a", command=None)) == []
        assert paths(interaction(name, **fields, xpath="//a", command="b")) == [at(name)]
        assert paths(interaction(name, **fields, xpath="//a", command=" ")) == [at(name)]

    def test_presence_can_only_be_asserted_of_a_command(self, name: str) -> None:
        fields = {**TARGETED[name], "assert_locator_presence": True}
        assert paths(interaction(name, **fields, command="a")) == []
        assert paths(interaction(name, **fields)) == [at(name, "assert_locator_presence")]
        blank = chosen(name, **fields, command="  ")
        assert (blank["command"], blank["assert_locator_presence"]) == (None, False)

    def test_a_bounding_box_has_four_names(self, name: str) -> None:
        fields = TARGETED[name]
        assert paths(interaction(name, **fields, bounding_box_variables=["a", "b", "c", "d"])) == []
        assert paths(interaction(name, **fields, bounding_box_variables=["a", "b", "c"])) == [
            at(name, "bounding_box_variables")
        ]

    def test_the_prompt_cannot_be_null(self, name: str) -> None:
        assert paths(interaction(name, **TARGETED[name], prompt_instructions=None)) == [at(name, "prompt_instructions")]


def test_the_table_above_is_complete() -> None:
    models = {
        name: next(part for part in get_args(InteractionAction.model_fields[name].annotation) if part is not None)
        for name in InteractionAction.choices()
    }
    assert {name for name, model in models.items() if issubclass(model, TargetedAction)} == set(TARGETED)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (["12", "7"], (12, 7)),
        ([1.7, True], (1, 1)),
        (["a", 5], ("a", "5")),
        (["{x[0]}", "7"], ("{x[0]}", "7")),
        (None, None),
    ],
)
def test_coordinates_become_numbers_if_both_can(raw: Any, value: Any) -> None:
    assert chosen("click_element", coordinates=raw)["coordinates"] == value


@pytest.mark.parametrize("raw", [[], [1], [1, 2, 3], "12", {"x": 1}, 5])
def test_coordinates_are_a_pair(raw: Any) -> None:
    assert paths(interaction("click_element", coordinates=raw)) == [at("click_element", "coordinates")]


def test_an_element_may_be_found_by_nothing_at_all() -> None:
    assert paths(interaction("click_element")) == []


# Downloads


@pytest.mark.parametrize("name", ["click_element", "select_option"])
def test_an_expected_download_without_a_name_gets_a_random_one(name: str) -> None:
    given = chosen(name, expect_download=True)["download_filename"]
    assert str(uuid.UUID(given)) == given
    assert chosen(name, expect_download=True)["download_filename"] != given
    assert chosen(name, expect_download=True, download_filename="a")["download_filename"] == "a"
    assert chosen(name)["download_filename"] is None


def test_an_address_saved_without_a_name_gets_a_random_one() -> None:
    assert uuid.UUID(chosen("download_url_as_pdf")["download_filename"])
    assert paths(interaction("download_url_as_pdf", download_filename=None)) == [
        at("download_url_as_pdf", "download_filename")
    ]


# Tries


@pytest.mark.parametrize(
    ("name", "tries", "skips_prompt", "expected"),
    [
        ("click_element", 0, True, 5),
        ("input_text", 0, True, 5),
        ("select_option", 0, True, 5),
        ("click_element", 0, False, 0),
        ("check", 0, True, 0),
        ("click_element", -1, True, -1),
        ("click_element", 3, True, 3),
    ],
)
def test_no_tries_and_no_prompt_would_do_nothing(name: str, tries: int, skips_prompt: bool, expected: int) -> None:
    raw = interaction(name, skip_prompt=skips_prompt)
    raw["interaction_action"]["max_tries"] = tries
    found = action_node(raw).interaction_action
    assert found is not None
    assert found.max_tries == expected


# Single actions


@pytest.mark.parametrize(
    ("deviation", "is_valid"),
    [({"x": 1.5, "y": -3}, True), ({"x": 1}, True), ({}, True), (None, True), ({"z": 1}, False), ({"x": "a"}, False)],
)
def test_a_deviation_has_only_x_and_y(deviation: Any, is_valid: bool) -> None:
    found = paths(interaction("click_element", mouse_click_deviation=deviation))
    assert bool(found) is not is_valid


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [({"command": "a"}, True), ({"command": " "}, False), ({}, False), ({"xpath": "//a"}, False)],
)
def test_enter_is_pressed_on_the_element_of_a_command(fields: dict[str, Any], is_valid: bool) -> None:
    expected = [] if is_valid else [at("input_text", "press_enter")]
    assert paths(interaction("input_text", press_enter=True, **fields)) == expected


def test_an_empty_text_is_a_text() -> None:
    assert chosen("input_text", input_text="")["input_text"] == ""
    assert chosen("input_text")["input_text"] is None


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({"file_path": "a"}, True),
        ({"file_url": "a"}, True),
        ({"file_path": "", "file_url": "a"}, True),
        ({"file_path": "a", "file_url": "b"}, False),
        ({"file_path": "", "file_url": None}, False),
        ({}, False),
    ],
)
def test_an_upload_has_exactly_one_source(fields: dict[str, Any], is_valid: bool) -> None:
    assert paths(interaction("upload_file", **fields)) == ([] if is_valid else [at("upload_file")])


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({"matching_url": ""}, True),
        ({"tab_index": 0}, True),
        ({"matching_url": "a", "tab_index": 0}, False),
        ({}, False),
    ],
)
def test_closing_tabs_has_exactly_one_end(fields: dict[str, Any], is_valid: bool) -> None:
    assert paths(interaction("close_tabs_until", **fields)) == ([] if is_valid else [at("close_tabs_until")])


@pytest.mark.parametrize(("amount", "is_valid"), [(-1, True), (0, True), (400, True), (-2, False), (None, False)])
def test_scrolling(amount: Any, is_valid: bool) -> None:
    assert paths(interaction("scroll", amount=amount)) == ([] if is_valid else [at("scroll", "amount")])


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("go_to_url", "url"),
        ("switch_tab", "tab_index"),
        ("download_file", "file_url"),
        ("agentic_task", "task"),
        ("agentic_task", "max_steps"),
        ("key_press", "type"),
        ("drag_to", "target"),
    ],
)
def test_required_fields(name: str, field: str) -> None:
    all_fields: dict[str, dict[str, Any]] = {
        "go_to_url": {"url": "x"},
        "switch_tab": {"tab_index": -1},
        "download_file": {"file_url": "x"},
        "agentic_task": {"task": "x", "max_steps": -5},
        "key_press": {"type": []},
        "drag_to": {"target": "x"},
    }
    complete = all_fields[name]
    assert paths(interaction(name, **complete)) == []
    del complete[field]
    assert paths(interaction(name, **complete)) == [at(name, field)]


def test_closing_overlays_needs_no_fields() -> None:
    assert chosen("close_overlay_popup") == {
        "backend": "browser_use",
        "keep_alive": True,
        "task": OVERLAY_TASK,
        "max_steps": 5,
        "use_vision": True,
    }


@pytest.mark.parametrize(("fields", "field"), [({"target": " "}, "target"), ({"target": "x", "steps": 0}, "steps")])
def test_dragging(fields: dict[str, Any], field: str) -> None:
    assert paths(interaction("drag_to", **fields)) == [at("drag_to", field)]


# Keys


def test_there_are_as_many_key_names_as_in_the_contract() -> None:
    assert len(KEY_NAMES) == 194


@pytest.mark.parametrize("keys", ["enter", "/", " ", "\t", "0", "f24", "num0", "~", [], ["ctrl", "a"], "optionright"])
def test_key_names(keys: Any) -> None:
    assert paths(interaction("key_press", type=keys)) == []


@pytest.mark.parametrize("keys", ["Enter", "", "A", "f25", "num10", "é", "ctrl+a", "F5"])
def test_no_key_names(keys: str) -> None:
    assert paths(interaction("key_press", type=keys)) == [at("key_press", "type")]
    assert paths(interaction("key_press", type=["a", keys])) == [at("key_press", "type") + "[1]"]


@pytest.mark.parametrize("keys", [None, 5, [5], {"a": 1}, [None]])
def test_keys_are_texts(keys: Any) -> None:
    assert paths(interaction("key_press", type=keys)) == [at("key_press", "type")]


def test_a_key_may_come_from_a_variable() -> None:
    assert paths(interaction("key_press", type=["ctrl", "{letter[0]}"])) == []
    [problem] = problems(interaction("key_press", type="pagdown"))
    assert "pagedown" in problem.message
