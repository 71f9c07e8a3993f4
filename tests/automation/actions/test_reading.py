"""Rules of extractions, assertions, captchas, forms, scripts and the small actions."""

from typing import Any

import pytest

from automation.actions.captcha import DEFAULT_CONFIG
from tests.automation.documents import action_node, extraction, misc, paths, problems


def at(kind: str, field: str = "") -> str:
    return f"nodes[0].extraction_action.{kind}{field and '.'}{field}"


def llm(**fields: Any) -> dict[str, Any]:
    return extraction("llm", **{"extraction_format": {"a": "str"}, "extraction_instructions": "x", **fields})


def locator(**fields: Any) -> dict[str, Any]:
    return extraction("locator", **{"command": "x", "extraction_format": {"a": "str"}, **fields})


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, []),
        ({"source": []}, []),
        ({"source": ["axtree", "screenshot"]}, []),
        ({"source": ["picture"]}, [at("llm", "source[0]")]),
        ({"source": "axtree"}, [at("llm", "source")]),
        ({"output_variable_names": ["a"]}, []),
        ({"output_variable_names": ["a", "b"]}, [at("llm", "output_variable_names[1]")]),
        ({"extraction_format": {"a": "string"}}, [at("llm", "extraction_format.a")]),
        ({"extraction_format": None}, [at("llm", "extraction_format")]),
        ({"extraction_instructions": None}, [at("llm", "extraction_instructions")]),
    ],
)
def test_a_model_reads_the_page(fields: dict[str, Any], wrong: list[str]) -> None:
    assert paths(llm(**fields)) == wrong


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, []),
        ({"extract_from": None, "download_from": None}, []),
        ({"extract_from": "both"}, [at("network_call", "extract_from")]),
        ({"downlowd_from": "x", "download_from": "request"}, []),
    ],
)
def test_network_calls(fields: dict[str, Any], wrong: list[str]) -> None:
    assert paths(extraction("network_call", **fields)) == wrong


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"script": "not python ("}, []),
        ({"script": " \n"}, [at("python_script", "script")]),
        ({"script": "x", "output_variable_names": ["a"]}, [at("python_script", "output_variable_names")]),
        ({"script": "x", "output_variable_names": ["a"], "extraction_format": {"a": "nonsense"}}, []),
        (
            {"script": "x", "output_variable_names": ["b"], "extraction_format": {"a": "str"}},
            [at("python_script", "output_variable_names[0]")],
        ),
        ({"script": "x", "timeout_seconds": 0}, [at("python_script", "timeout_seconds")]),
        ({"script": "x", "timeout_seconds": None}, []),
    ],
)
def test_scripts(fields: dict[str, Any], wrong: list[str]) -> None:
    assert paths(extraction("python_script", **fields)) == wrong


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, []),
        ({"extraction_format": {"a": "nonsense"}}, []),
        ({"extraction_format": {"a": "str", "b": "str"}}, [at("locator", "extraction_format")]),
        ({"extraction_format": {}}, [at("locator", "extraction_format")]),
        ({"extraction_format": {"a": "str", "b": "str"}, "output_variable_name": "b"}, []),
        ({"output_variable_name": "b"}, [at("locator", "output_variable_name")]),
        ({"command": None}, [at("locator", "command")]),
        ({"read": "value", "all": True}, []),
        ({"read": "attribute:data-id"}, []),
        ({"read": "attribute:"}, [at("locator", "read")]),
        ({"read": "Text"}, [at("locator", "read")]),
        ({"read": None}, [at("locator", "read")]),
    ],
)
def test_reading_an_element(fields: dict[str, Any], wrong: list[str]) -> None:
    assert paths(locator(**fields)) == wrong


def test_allow_none_sits_on_the_wrapper() -> None:
    raw = locator()
    raw["extraction_action"]["allow_none"] = "yes"
    found = action_node(raw).extraction_action
    assert found is not None
    assert found.allow_none
    assert found.locator is not None
    assert (found.locator.read, found.locator.all) == ("text", False)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("email_two_fa_action", {"receiver_email_address": "a", "sender_email_address": "b"}),
        ("slack_two_fa_action", {"slack_workspace_domain": "a", "channel_name": "b", "sender_name": "c"}),
        ("sms_two_fa_action", {"from_number": "1", "to_number": "2"}),
    ],
)
def test_codes(kind: str, fields: dict[str, str]) -> None:
    raw = {"action": {"type": kind, **fields}, "output_variable_name": "code"}
    assert paths(extraction("two_fa_action", **raw)) == []
    for field in fields:
        incomplete = {key: value for key, value in raw["action"].items() if key != field}  # type: ignore[attr-defined]
        assert paths(extraction("two_fa_action", **{**raw, "action": incomplete})) == [
            at("two_fa_action", f"action.{field}")
        ]


@pytest.mark.parametrize("action", [None, [], {}, {"type": None}, {"type": "email"}, {"type": ["x"]}])
def test_a_code_needs_a_known_source(action: Any) -> None:
    assert paths(extraction("two_fa_action", action=action, output_variable_name="c")) == [
        at("two_fa_action", "action")
    ]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, []),
        ({"body": {"a": [1]}}, []),
        ({"body": "x"}, []),
        ({"body": None}, []),
        ({"body": [1]}, [at("api_call", "body")]),
        ({"body": 5}, [at("api_call", "body")]),
        ({"method": "get"}, [at("api_call", "method")]),
        ({"headers": {"a": 1}}, [at("api_call", "headers.a")]),
        ({"query_params": None}, [at("api_call", "query_params")]),
        ({"url": None}, [at("api_call", "url")]),
    ],
)
def test_api_calls(fields: dict[str, Any], wrong: list[str]) -> None:
    assert paths(extraction("api_call", **{"url": "x", **fields})) == wrong


@pytest.mark.parametrize(
    ("kind", "fields", "missing"),
    [
        ("screenshot", {"filename": "a"}, "filename"),
        ("pdf", {"filename": "a", "extraction_format": {}, "extraction_instructions": "x"}, "filename"),
        ("ocr_coordinates", {"source_variable": "a"}, "source_variable"),
        ("vision", {"prompt": "a", "output_variable_names": []}, "output_variable_names"),
    ],
)
def test_other_extractions(kind: str, fields: dict[str, Any], missing: str) -> None:
    assert paths(extraction(kind, **fields)) == []
    assert paths(extraction(kind, **{key: value for key, value in fields.items() if key != missing})) == [
        at(kind, missing)
    ]


# Assertions


def test_a_model_that_judges_always_sees_a_screenshot() -> None:
    raw = {"type": "action_node", "assertion_action": {"llm": {"extraction_instructions": "x", "source": ["axtree"]}}}
    assertion = action_node(raw).assertion_action
    assert assertion is not None
    assert assertion.llm is not None
    assert assertion.llm.source == ["axtree", "screenshot"]
    assert assertion.llm.extraction_format == {"assertion_result": "bool", "assertion_reason": "str"}


@pytest.mark.parametrize(
    ("assertion", "wrong"),
    [
        ({"llm": {"extraction_instructions": "x", "output_variable_names": ["other"]}}, []),
        ({"llm": {}}, ["llm.extraction_instructions"]),
        ({"llm": {"extraction_instructions": "x", "extraction_format": {"a": []}}}, ["llm.extraction_format.a"]),
        ({"network_call": {"header_filter": {"a": "b"}}}, []),
        ({"network_call": {"header_filter": {"a": 1}}}, ["network_call.header_filter.a"]),
        ({"python_script": {"script": " "}}, ["python_script.script"]),
    ],
)
def test_assertions(assertion: dict[str, Any], wrong: list[str]) -> None:
    raw = {"type": "action_node", "assertion_action": assertion}
    assert paths(raw) == [f"nodes[0].assertion_action.{path}" for path in wrong]


# Control, people, scripts


@pytest.mark.parametrize(
    ("name", "action", "is_valid"),
    [
        ("sleep_action", {"sleep_time": -1}, True),
        ("sleep_action", {"sleep_time": 1e9}, True),
        ("sleep_action", {}, False),
        ("fail_state_action", {}, True),
        ("fail_state_action", {"failure_message": None}, False),
        ("human_in_loop_action", {"max_wait_time": 600}, True),
        ("human_in_loop_action", {"max_wait_time": 0}, False),
        ("human_in_loop_action", {"max_wait_time": 601}, False),
        ("human_in_loop_action", {}, False),
        ("python_script_action", {"execution_code": ""}, True),
        ("python_script_action", {}, False),
        ("powershell_action", {"commands": ["a"]}, True),
        ("powershell_action", {"commands": []}, False),
        ("captcha_action", {"locator": "a", "secondary_locator": None}, True),
        ("captcha_action", {}, False),
        ("captcha_action", {"locator": "a", "config": None}, False),
        ("captcha_action", {"locator": "a", "llm_model_name": None}, False),
    ],
)
def test_small_actions(name: str, action: dict[str, Any], is_valid: bool) -> None:
    found = paths({"type": "action_node", name: action})
    assert bool(found) is not is_valid
    assert all(path.startswith(f"nodes[0].{name}.") for path in found)


def test_a_captchas_settings_override_the_defaults_and_others_stay() -> None:
    raw = {"type": "action_node", "captcha_action": {"locator": "a", "config": {"grid_top_offset": 5, "mine": 1}}}
    captcha = action_node(raw).captcha_action
    assert captcha is not None
    assert captcha.config == {**DEFAULT_CONFIG, "grid_top_offset": 5, "mine": 1}


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({"value": False}, True),
        ({"value": 0}, True),
        ({"value": ""}, True),
        ({"expression": ""}, True),
        ({"value": 1, "expression": None}, True),
        ({}, False),
        ({"value": None}, False),
        ({"value": 1, "expression": "1"}, False),
    ],
)
def test_a_variable_is_set_to_exactly_one_thing(fields: dict[str, Any], is_valid: bool) -> None:
    expected = [] if is_valid else ["nodes[0].misc_action.set_variable"]
    assert paths(misc("set_variable", name="n", **fields)) == expected


@pytest.mark.parametrize("value", [True, 1, 1.0, "1"])
def test_a_value_keeps_its_type(value: Any) -> None:
    found = action_node(misc("set_variable", name="any text", value=value)).misc_action
    assert found is not None
    assert found.set_variable is not None
    assert type(found.set_variable.value) is type(value)
    assert paths(misc("set_variable", name="n", value=[value])) == ["nodes[0].misc_action.set_variable.value"]


@pytest.mark.parametrize(
    ("name", "fields", "wrong"),
    [
        ("count_locator", {"locator": "x", "name": "n", "locator_timeout": 0}, []),
        ("count_locator", {"locator": "x", "name": "n", "locator_timeout": -1}, ["locator_timeout"]),
        ("llm_query", {"output_format": {"a": "str"}, "prompt_instructions": "x", "output_variable_names": ["a"]}, []),
        (
            "llm_query",
            {"output_format": {"a": "str"}, "prompt_instructions": "x", "output_variable_names": ["b"]},
            ["output_variable_names[0]"],
        ),
        ("llm_query", {"output_format": {"a": "date"}}, ["output_format.a", "prompt_instructions"]),
    ],
)
def test_misc(name: str, fields: dict[str, Any], wrong: list[str]) -> None:
    assert paths(misc(name, **fields)) == [f"nodes[0].misc_action.{name}.{path}" for path in wrong]


# Forms


def form(**fields: Any) -> dict[str, Any]:
    action = {
        "extraction_instructions": "x",
        "extraction_format": {"fields": ["str"]},
        "callback_url": {"url": "https://forms.example/map"},
        **fields,
    }
    return {"type": "action_node", "dynamic_form_mapping_action": action}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, []),
        ({"source": []}, ["source"]),
        ({"max_wait_time": 120}, []),
        ({"max_wait_time": 121}, ["max_wait_time"]),
        ({"max_wait_time": 0}, ["max_wait_time"]),
        ({"output_variable_name": "a-b"}, ["output_variable_name"]),
        ({"extraction_format": {"a": "Dict[str, int]"}}, ["extraction_format.a"]),
        ({"callback_url": None}, ["callback_url"]),
        ({"callback_url": "https://forms.example/"}, ["callback_url"]),
    ],
)
def test_forms(fields: dict[str, Any], wrong: list[str]) -> None:
    assert paths(form(**fields)) == [f"nodes[0].dynamic_form_mapping_action.{path}" for path in wrong]


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({"api_key": "k"}, True),
        ({"username": "u", "password": "p"}, True),
        ({"username": "u"}, False),
        ({"password": "p"}, False),
        ({"api_key": "k", "username": "u", "password": "p"}, False),
    ],
)
def test_one_way_to_authenticate(fields: dict[str, str], is_valid: bool) -> None:
    found = problems(form(callback_url={"url": "https://forms.example/", **fields}))
    assert bool(found) is not is_valid


@pytest.mark.parametrize(
    "url",
    [
        "https://forms.example/",
        "http://8.8.8.8:8080/x",
        "https://[2606:4700::1]/",
        "{base[0]}/map",
        "https://localhost.example/",
        "http://100.64.0.1/",
        "http://2130706433/",
    ],
)
def test_addresses_that_may_be_called_back(url: str) -> None:
    assert paths(form(callback_url={"url": url})) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "forms.example",
        "ftp://forms.example/",
        "https://",
        "https:///x",
        "http://localhost/",
        "http://LocalHost.:80/",
        "http://metadata.google.internal/",
        "http://127.0.0.1/",
        "http://10.1.2.3/",
        "http://192.168.0.1/",
        "http://169.254.169.254/",
        "http://0.0.0.0/",
        "http://240.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://[::1",
        "http://a:99999/",
    ],
)
def test_addresses_that_may_not_be_called_back(url: str) -> None:
    assert paths(form(callback_url={"url": url})) == ["nodes[0].dynamic_form_mapping_action.callback_url.url"]


def test_credentials_are_not_in_the_repr() -> None:
    raw = form(callback_url={"url": "https://forms.example/", "username": "u", "password": "pass-9f2"})
    assert "pass-9f2" not in repr(action_node(raw))
