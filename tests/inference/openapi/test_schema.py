"""The OpenAPI description: valid, complete, and what the committed copy says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.schemas import schema_v31
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from automation import json_schema
from inference.openapi.operations import OPERATIONS
from inference.openapi.schema import make_schema, schema_text
from tests.test_architecture import api_routes

ADDRESS = "https://server.example/api/schema"
COMMITTED = settings.BASE_DIR / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(schema_text())


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """For a schema inside `document`, with what it refers to."""
    resources = {
        ADDRESS: Resource(document, DRAFT202012),
        "https://server.example/api/automation.schema.json": Resource(json_schema(), DRAFT202012),
    }
    return Draft202012Validator(
        {"$id": ADDRESS, **document, **schema},
        registry=Registry().with_resources(resources.items()),
        format_checker=FormatChecker(),
    )


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolved(document: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    name = response.get("$ref", "").rpartition("/")[2]
    return document["components"]["responses"][name] if name else response


def test_the_committed_copy_is_what_the_code_says() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == schema_text(), (
        "run: .venv/bin/python manage.py openapi_schema --file docs/openapi.json"
    )


def test_description_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in Draft202012Validator(schema_v31).iter_errors(document)] == []


def test_description_means_something_valid(document: dict[str, Any]) -> None:
    """What the meta-schema does not say: references that lead somewhere, path parameters, unique ids, defaults."""
    elsewhere, here = '"$ref": "/api/automation.schema.json"', '"$ref": "#/components/schemas/Done"'
    local = json.loads(json.dumps(document).replace(elsewhere, here))
    assert [error.message for error in OpenAPIV31SpecValidator(local).iter_errors()] == []
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_method_of_every_route_is_described_and_no_other(document: dict[str, Any]) -> None:
    there_are = {
        (method, _as_template(route))
        for route, view in api_routes()
        for method in view.view_class().allowed_methods
        if method not in ("HEAD", "OPTIONS")
    }
    assert set(OPERATIONS) == there_are, "describe the route in inference/openapi/operations.py"
    assert {(method, path) for method, path, _ in operations(document)} == there_are


def _as_template(route: str) -> str:
    parts = [f"{{{part[1:-1].rpartition(':')[2]}}}" if part[:1] == "<" else part for part in route.split("/")]
    return "/" + "/".join(parts)


def test_every_operation_says_what_people_ask(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        assert operation["summary"], path
        assert set(operation["tags"]) <= tags
        assert ("401" in operation["responses"]) == bool(operation["security"]), path
        if "requestBody" in operation:
            assert operation["requestBody"]["required"] is (operation["operationId"] not in ("retryTask", "cancelTask"))
            for content in operation["requestBody"]["content"].values():
                assert content["examples"], (method, path)
        for status, response in operation["responses"].items():
            told = resolved(document, response)
            assert told["description"], (path, status)
            for media_type, content in told.get("content", {}).items():
                assert content["schema"], (path, status)
                assert media_type != "application/json" or "example" in content or path == "/api/schema", (path, status)
            if status in ("429", "503"):
                assert "Retry-After" in told["headers"], (path, status)


def test_examples_are_as_their_schemas_say(document: dict[str, Any]) -> None:
    held = 0
    for _, path, operation in operations(document):
        contents = [*operation.get("requestBody", {}).get("content", {}).values()]
        for response in operation["responses"].values():
            contents += resolved(document, response).get("content", {}).values()
        for content in contents:
            examples = [each["value"] for each in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            for example in examples:
                problems = [error.message for error in validator(document, content["schema"]).iter_errors(example)]
                assert problems == [], path
                held += 1
    assert held > 150


def test_a_wrong_example_would_be_noticed(document: dict[str, Any]) -> None:
    """The look at examples follows references, into the schema of automations, too."""
    body = document["paths"]["/api/v1/automations/{endpoint_name}"]["put"]["requestBody"]["content"]["application/json"]
    assert not validator(document, body["schema"]).is_valid({"url": 5})
    assert not validator(document, {"$ref": "#/components/schemas/Task"}).is_valid({})


def test_a_file_may_be_sent_as_it_is_or_in_a_form(document: dict[str, Any]) -> None:
    content = document["paths"]["/api/v1/files"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/octet-stream", "multipart/form-data"}
    form = content["multipart/form-data"]["schema"]
    assert (form["required"], form["properties"]["file"]["format"]) == (["file"], "binary")
    (filename,) = (each for each in document["paths"]["/api/v1/files"]["post"]["parameters"] if each["in"] == "query")
    assert not filename.get("required")


def test_the_document_is_the_same_each_time() -> None:
    assert make_schema() == make_schema()
