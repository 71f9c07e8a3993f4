"""Declared parameters: names, types of values, sources of secrets."""

from typing import Any

import pytest

import automation
from tests.automation.documents import document, problems_of


def with_parameters(**fields: Any) -> dict[str, Any]:
    raw = document()
    raw["parameters"] = {"input_parameters": {}, "generated_parameters": {}, **fields}
    return raw


def paths(**fields: Any) -> list[str]:
    return [path for path, _ in problems_of(with_parameters(**fields))]


MAPS = ["input_parameters", "generated_parameters", "secure_parameters"]


@pytest.mark.parametrize("field", MAPS)
@pytest.mark.parametrize("name", ["a", "_a1", "class", "größe", "名前"])
def test_names_are_identifiers(field: str, name: str) -> None:
    assert paths(**{field: {name: []}}) == []


@pytest.mark.parametrize("field", MAPS)
@pytest.mark.parametrize("name", ["a-b", "a b", "", "1a", "current_page_url", "current_time", "task_id"])
def test_no_names(field: str, name: str) -> None:
    [path] = paths(**{field: {name: []}})
    assert path.startswith(f"parameters.{field}")


def test_one_name_may_stand_in_two_maps() -> None:
    assert paths(input_parameters={"a": []}, generated_parameters={"a": []}) == []


@pytest.mark.parametrize("field", ["input_parameters", "generated_parameters"])
def test_the_maps_are_required(field: str) -> None:
    raw = with_parameters()
    del raw["parameters"][field]
    assert [path for path, _ in problems_of(raw)] == [f"parameters.{field}"]


def test_values_keep_their_types() -> None:
    values = [True, 1, 1.0, "x", "1"]
    loaded = automation.load(with_parameters(input_parameters={"a": values})).parameters.input_parameters["a"]
    assert [(type(value), value) for value in loaded] == [(type(value), value) for value in values]


@pytest.mark.parametrize("values", ["x", 5, None, {"a": 1}])
def test_values_come_in_lists(values: Any) -> None:
    assert paths(input_parameters={"a": values}) == ["parameters.input_parameters.a"]


@pytest.mark.parametrize("value", [None, [], {}])
def test_input_values_are_scalars(value: Any) -> None:
    assert paths(input_parameters={"a": ["x", value]}) == ["parameters.input_parameters.a[1]"]


def test_generated_values_may_be_null() -> None:
    assert paths(generated_parameters={"a": [None, 1]}) == []
    assert paths(generated_parameters={"a": [[]]}) == ["parameters.generated_parameters.a[0]"]


SOURCES: dict[str, dict[str, Any]] = {
    "onepassword": {"vault_name": "v", "item_name": "i", "field_name": "f"},
    "amazon_secrets_manager": {"secret_name": "s", "region_name": "r", "key": None},
    "vault": {"name": "n"},
}


def secure(source: Any) -> list[str]:
    return paths(secure_parameters={"s": [source]})


@pytest.mark.parametrize("kind", SOURCES)
def test_digits_belong_to_seeds(kind: str) -> None:
    at = f"parameters.secure_parameters.s[0].{kind}.digits"
    fields = SOURCES[kind]
    assert secure({kind: fields}) == []
    assert secure({kind: {**fields, "type": "totp_secret", "digits": 6}}) == []
    assert secure({kind: {**fields, "type": "totp_secret"}}) == [at]
    assert secure({kind: {**fields, "digits": 6}}) == [at]
    assert secure({kind: {**fields, "type": "raw", "digits": None}}) == []


@pytest.mark.parametrize(
    ("kind", "field"),
    [(kind, field) for kind, fields in SOURCES.items() for field, value in fields.items() if value is not None],
)
def test_the_fields_of_a_source_are_required(kind: str, field: str) -> None:
    fields = {key: value for key, value in SOURCES[kind].items() if key != field}
    assert secure({kind: fields}) == [f"parameters.secure_parameters.s[0].{kind}.{field}"]


def test_a_seed_in_the_document_has_six_digits_by_default() -> None:
    raw = with_parameters(secure_parameters={"s": [{"totp": {"totp_secret": "JBSWY3DPEHPK3PXP"}}]})
    [parameter] = automation.load(raw).parameters.secure_parameters["s"]
    assert parameter.totp is not None
    assert parameter.totp.digits == 6
    assert parameter.chosen_name == "totp"


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"vault": SOURCES["vault"], "onepassword": SOURCES["onepassword"]},
        {"lastpass": {}},
        {"vault": None},
        "secret",
        None,
    ],
)
def test_a_secret_has_exactly_one_source(source: Any) -> None:
    assert secure(source) == ["parameters.secure_parameters.s[0]"]
