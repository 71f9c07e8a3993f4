"""The sentence of a node, and what must never stand in it."""

from typing import Any

import pytest

from automation import bind_node, kind_of, label_of, locator_text_of, walk
from automation.walking import NODE_KINDS
from tests.automation.documents import branch, extraction, interaction, loop, misc, node, sleep
from tests.automation.test_walking import everything


def read(command: str) -> dict[str, Any]:
    return extraction("locator", command=command, extraction_format={"a": "str"})


CHECK = {"type": "assert_locator_node", "locator": 'get_by_text("Paid")', "assertion": "to_be_hidden"}


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        (interaction("click_element", command='get_by_role("button", name="Save")'), "Click button “Save”"),
        (interaction("click_element", command='get_by_text("a")', double_click=True), "Double-click “a”"),
        (interaction("click_element", command='get_by_text("a")', button="right"), "Click “a” (right)"),
        (interaction("click_element", command='locator("#a").locator("td").nth(2)'), "Click td"),
        (interaction("click_element", command='{locator[row]}.get_by_role("link", name="PDF")'), "Click link “PDF”"),
        (interaction("click_element", command="not a command"), "Click locator not a command"),
        (interaction("click_element", xpath="//button"), "Click //button"),
        (interaction("click_element", prompt_instructions="the  green\nbutton"), "Click “the green button”"),
        (interaction("click_element"), "Click an element"),
        (interaction("click_element", keyword=" Save all "), "Click “Save all”"),
        (interaction("hover", coordinates=[12, 7]), "Point at point 12, 7"),
        (interaction("hover", keyword=" ", coordinates=["{x[0]}", "7"]), "Point at point {x[0]}, 7"),
        (interaction("hover", command='get_by_text("a")', keyword="Save"), "Point at “a”"),
        (interaction("hover", command='get_by_text("a")', skip_command=True, keyword="Save"), "Point at “Save”"),
        (interaction("hover", xpath="//a", skip_command=True, keyword="Save"), "Point at “Save”"),
        (interaction("input_text", command='get_by_label("Member ID")', input_text="4711"), "Type into “Member ID”"),
        (interaction("input_text", command='get_by_role("textbox", name="ID")'), "Type into field “ID”"),
        (interaction("select_option", command='get_by_label("Plan")'), "Choose in “Plan”"),
        (interaction("check", command='get_by_label("Consent")'), "Check “Consent”"),
        (interaction("go_to_url", url="http://demo.localhost/a"), "Open http://demo.localhost/a"),
        (interaction("go_to_url", url="https://u:pw@host/{id[0]}?token=t#f"), "Open https://host/{id[0]}"),
        (interaction("go_to_url", url="{base[0]}/x?token=t"), "Open {base[0]}/x"),
        (interaction("go_to_url", url="http://[bad"), "Open an address"),
        (interaction("key_press", type=["ctrl", "a"]), "Press ctrl + a"),
        (interaction("key_press", type=[]), "Press nothing"),
        (interaction("scroll", down=False), "Scroll up"),
        (
            extraction("locator", command='get_by_test_id("total")', extraction_format={"a": "str"}),
            "Read test id “total”",
        ),
        (read('locator("td", has_text="x")'), "Read td “x”"),
        (read("get_by_text(re.compile('a.b'))"), "Read “/a.b/”"),
        (branch("{draft_count[0]} == 0"), "If {draft_count[0]} == 0"),
        (loop(variable_name="a, b"), "For each of a, b"),
        (loop(locator='get_by_role("row")'), "For each row"),
        (CHECK, "Check that “Paid” is hidden"),
        (misc("set_variable", name="n", value="secret"), "Set n"),
        (misc("count_locator", locator='get_by_role("row")', name="n"), "Count row"),
        (sleep(sleep_action={"sleep_time": 1.5}), "Sleep 1.5 s"),
        ({"type": "action_node", "fail_state_action": {"failure_message": "no {a[0]}"}}, "Fail: no {a[0]}"),
        ({"type": "private_node", "handler": "clinic.sync"}, "Run clinic.sync"),
        ({**sleep(), "label": "  Take a  breath "}, "Take a breath"),
        ({**sleep(), "label": " "}, "Sleep 0 s"),
    ],
)
def test_labels(raw: dict[str, Any], label: str) -> None:
    assert label_of(node(raw)) == label


def test_every_kind_has_a_short_label_on_one_line() -> None:
    labels: dict[str, str] = {kind_of(each): label_of(each) for found in everything() for _, each in walk(found)}
    assert set(labels) == NODE_KINDS
    for kind, label in labels.items():
        assert label == " ".join(label.split()), kind
        assert 2 < len(label) <= 125, kind
        assert label[0].isupper(), kind


def test_a_label_never_shows_what_is_typed_sent_or_run() -> None:
    secret = "hunter2"
    raws = [
        interaction("input_text", command='get_by_label("P")', input_text=secret),
        interaction("select_option", command='get_by_label("P")', select_values=[secret]),
        interaction("upload_file", command='get_by_label("P")', file_path=secret),
        interaction("agentic_task", task=secret, max_steps=1),
        interaction("download_file", file_url=f"https://u:{secret}@h/x?{secret}"),
        extraction("api_call", url=f"https://h/?{secret}", headers={"a": secret}, body=secret),
        extraction("llm", extraction_format={}, extraction_instructions=secret),
        misc("set_variable", name="n", value=secret),
        misc("set_variable", name="n", expression=f"'{secret}'"),
        {"type": "action_node", "python_script_action": {"execution_code": secret}},
        {"type": "action_node", "powershell_action": {"commands": [secret]}},
        {"type": "private_node", "handler": "h", "inputs": {"a": secret}},
    ]
    assert not any(secret in label_of(node(raw)) for raw in raws)


def test_a_bound_node_still_has_its_label() -> None:
    raw = interaction("click_element", command='{locator[row]}.get_by_role("link", name="PDF {row}")')
    bound = bind_node(node(raw), index=3, index_variable_name="row", locator='get_by_role("row")')
    assert label_of(bound) == "Click link “PDF 3”"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (interaction("click_element", command='locator("a")'), 'locator("a")'),
        (interaction("click_element", xpath="//a[@b='c']"), "locator(\"xpath=//a[@b='c']\")"),
        (interaction("click_element"), None),
        (interaction("click_element", keyword="Save"), "keyword “Save”"),
        (interaction("click_element", xpath="//a", keyword="Save"), "locator('xpath=//a')"),
        (interaction("click_element", command="x", coordinates=[1, 2]), "x"),
        (interaction("click_element", command="x", skip_command=True, coordinates=[1, 2]), "point 1, 2"),
        (interaction("click_element", xpath="//a", skip_command=True), None),
        (interaction("key_press", type="a", command='locator("a")'), None),
        (interaction("go_back"), None),
        (extraction("locator", command="x", extraction_format={"a": "str"}), "x"),
        (extraction("state"), None),
        (misc("count_locator", locator="x", name="n"), "x"),
        (misc("set_variable", name="n", value=1), None),
        ({"type": "action_node", "captcha_action": {"locator": "x"}}, "x"),
        (CHECK, 'get_by_text("Paid")'),
        (loop(locator="x"), "x"),
        (loop(variable_name="x"), None),
        (branch("x"), None),
        ({"type": "private_node", "handler": "h"}, None),
    ],
)
def test_the_locator_of_a_node(raw: dict[str, Any], text: str | None) -> None:
    assert locator_text_of(node(raw)) == text
