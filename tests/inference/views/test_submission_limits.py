"""How much one submission may hold."""

import json
from typing import Any

import pytest

from inference.models import Task
from inference.serializers import MAX_PARAMETERS, MAX_VALUE_CHARACTERS, MAX_VALUES_PER_PARAMETER
from tests.factories import make_automation
from tests.inference.conftest import ApiClient, a_body, assert_error

MANY = {f"p{number}": [] for number in range(MAX_PARAMETERS + 1)}


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"input_parameters": MANY}, "input_parameters", "input_parameters must have at most 1,000 parameters"),
        ({"secure_parameters": MANY}, "secure_parameters", "secure_parameters must have at most 1,000 parameters"),
        (
            {"input_parameters": {"patient_id": [], "payer": [""] * (MAX_VALUES_PER_PARAMETER + 1)}},
            "input_parameters.payer",
            "input_parameters.payer must have at most 10,000 values, not 10,001.",
        ),
        ({"unique_parameter_names": list(MANY)}, "unique_parameter_names", "unique_parameter_names must have at most"),
    ],
)
def test_more_than_a_submission_may_have_is_refused_by_path(
    api: ApiClient, fields: dict[str, Any], path: str, message: str
) -> None:
    assert set(assert_error(api.submit(a_body(**fields)), 400, message)) == {path}
    assert Task.objects.count() == 0


def test_a_value_has_a_longest_length(api: ApiClient) -> None:
    values = {"patient_id": ["x"], "payer": ["", "x" * (MAX_VALUE_CHARACTERS + 1)]}
    response = api.post("/api/v1/inference/batch", json={"items": [a_body(input_parameters=values)]})

    (result,) = response.json()["results"]
    path = "input_parameters.payer[1]"
    assert (result["status"], set(result["errors"])) == (400, {path})
    assert result["message"] == f"{path} must have at most 1,048,576 characters."


def test_what_is_at_the_limit_is_taken(api: ApiClient) -> None:
    names = list(MANY)[:MAX_PARAMETERS]
    make_automation(endpoint_name="wide", inputs=names)
    values: dict[str, list[str]] = {name: [] for name in names}
    values["p0"] = [""] * MAX_VALUES_PER_PARAMETER

    assert api.submit({"endpoint_name": "wide", "input_parameters": values}).status_code == 202


@pytest.mark.parametrize("depth", [101, 100_000])
def test_a_body_may_be_nested_only_so_deep(api: ApiClient, depth: int) -> None:
    body = json.dumps(a_body(extra="DEEP")).replace('"DEEP"', "[" * depth + "]" * depth)
    response = api.post("/api/v1/inference", data=body, headers={"Content-Type": "application/json"})

    (path,) = assert_error(response, 400)
    assert "nested too deeply" in response.json()["message"]
    assert path.startswith("extra[0]" if depth < 1000 else "body")
