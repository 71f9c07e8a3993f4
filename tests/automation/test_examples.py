"""Every example document gets its verdict, for the stated reason."""

import json

import pytest

import automation
from automation import DocumentError
from tests.automation.documents import EXAMPLES, example

INDEX = json.loads((EXAMPLES / "index.json").read_text(encoding="utf-8"))
VALID = sorted(name for name, verdict in INDEX.items() if verdict["valid"])

# The stated reason of each invalid document, as path and a word of the message.
REASONS = {
    "invalid_01_two_actions.json": ("nodes[0]", "exactly one"),
    "invalid_02_xpath_and_command.json": ("nodes[0].interaction_action.click_element", "xpath and command"),
    "invalid_03_new_tab_on_extraction.json": ("nodes[0].expect_new_tab", "interaction"),
    "invalid_04_bad_parameters.json": ('parameters.input_parameters["first-name"]', "not a parameter name"),
    "invalid_05_reserved_name.json": ("parameters.generated_parameters.current_time", "reserved"),
    "invalid_06_secure_digits.json": ("parameters.secure_parameters.otp[0].onepassword.digits", "required"),
    "invalid_07_key_name.json": ("nodes[0].interaction_action.key_press.type", "did you mean “enter”?"),
    "invalid_08_output_format.json": ("nodes[0].extraction_action.llm.extraction_format.when", "“datetime”"),
    "invalid_09_loop_sources.json": ("nodes[0]", "exactly one"),
    "invalid_10_end_sleep.json": ("nodes[0].end_sleep_time", "30"),
    "invalid_11_post_without_type.json": ("post_processing_nodes[0]", "type"),
    "invalid_12_rdp_hover.json": ("nodes[0].interaction_action.hover", "rdp"),
}


def test_the_index_names_every_file() -> None:
    assert set(INDEX) == {file.name for file in EXAMPLES.glob("*valid_*.json")}
    assert set(REASONS) == set(INDEX) - set(VALID)


@pytest.mark.parametrize("name", VALID)
def test_a_valid_example_loads_and_survives_a_round_trip(name: str) -> None:
    loaded = automation.load(example(name))
    dumped = loaded.model_dump(mode="json")
    assert automation.load(json.loads(json.dumps(dumped))) == loaded


@pytest.mark.parametrize("name", VALID)
def test_every_kind_of_a_valid_example_is_known(name: str) -> None:
    assert automation.find_unsupported(automation.load(example(name)), automation.ALL_KINDS) == []


@pytest.mark.parametrize("name", sorted(REASONS))
def test_an_invalid_example_is_refused_for_the_stated_reason_and_no_other(name: str) -> None:
    with pytest.raises(DocumentError) as caught:
        automation.load(example(name))
    [(path, message)] = caught.value.problems
    expected_path, word = REASONS[name]
    assert path == expected_path
    assert word in message
