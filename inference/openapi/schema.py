"""Makes the OpenAPI document of the URL map, `operations.py` and the components."""

import json
from functools import cache
from typing import Any, cast

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from inference.openapi import extensions
from inference.openapi.components import HEADERS, SCHEMAS, SECURITY_SCHEMES, Schema
from inference.openapi.description import Operation, Parameter, shared_responses
from inference.openapi.operations import DESCRIPTION, OPERATIONS, TAGS
from inference.services.manual import Page

# Registers what the fields of serializers look like.
assert extensions  # noqa: S101


class ApiSchema(AutoSchema):
    """What OpenAPI says of a view's method: its entry in OPERATIONS. Without one, nothing; a test finds it."""

    def is_excluded(self) -> bool:
        return (self.method, self.path) not in OPERATIONS

    @property
    def described(self) -> Operation:
        return OPERATIONS[self.method, self.path]

    def get_operation_id(self) -> str:
        return self.described.operation_id

    def get_summary(self) -> str:
        return self.described.summary

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        return self.described.told

    def get_tags(self) -> list[str]:
        return [self.described.tag]

    def get_auth(self) -> list[Schema]:
        return [dict(each) for each in self.described.security]

    def get_override_parameters(self) -> list[Any]:
        described = self.described
        query = [] if described.query is None else [described.query]
        in_path = [
            Parameter(name, schema, schema["description"], place="path", is_required=True)
            for name, schema in described.path_parameters.items()
        ]
        return [*query, *(_parameter(each) for each in (*in_path, *described.parameters))]

    def get_request_serializer(self) -> Any:
        body = self.described.body
        return None if body is None else {each.media_type: each.schema for each in body.forms}

    def get_response_serializers(self) -> Any:
        return {}  # they are written below

    def get_operation(self, *arguments: Any, **more: Any) -> Schema | None:
        operation = super().get_operation(*arguments, **more)
        if operation is None:
            return None
        for each in operation.get("parameters", ()):
            each["schema"].pop("x-spec-enum-id", None)  # for a hook of drf-spectacular that is not used
        body = self.described.body
        if body is not None:
            operation["requestBody"]["required"] = body.is_required
            for each in body.forms:
                operation["requestBody"]["content"][each.media_type]["examples"] = {
                    _as_name(summary): {"summary": summary, "value": value} for summary, value in each.examples.items()
                }
        # An empty list is how an operation says that it is open.
        operation.setdefault("security", [])
        operation["responses"] = self.described.responses()
        return operation


def add_components(result: Schema, **_: Any) -> Schema:
    """drf-spectacular's hook: the components that are written by hand."""
    result["info"]["description"] = DESCRIPTION
    result["tags"] = TAGS
    components = result["components"]
    components["schemas"] = dict(sorted({**_without_docstrings(components["schemas"]), **SCHEMAS}.items()))
    components["headers"] = HEADERS
    components["responses"] = shared_responses(OPERATIONS)
    components["securitySchemes"] = SECURITY_SCHEMES
    return result


def no_request(*_: Any, **__: Any) -> None:
    """drf-spectacular's hook: what it gives to the views that it looks at. Nothing here depends on a request."""


def make_schema() -> Schema:
    """The OpenAPI document."""
    return cast("Schema", SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


def schema_text() -> str:
    """The document as it is served, and as docs/openapi.json holds it."""
    return json.dumps(make_schema(), ensure_ascii=False, indent=1) + "\n"


@cache
def schema_page() -> Page:
    return Page.of(schema_text())


def _parameter(each: Parameter) -> OpenApiParameter:
    schema = {key: value for key, value in each.schema.items() if key != "description"}
    return OpenApiParameter(
        name=each.name,
        type=schema,
        location=each.place,
        required=each.is_required,
        description=each.description,
    )


def _without_docstrings(schemas: Schema) -> Schema:
    """Those of serializers: their docstrings speak to people who read the code."""
    told = {name: {key: value for key, value in each.items() if key != "description"} for name, each in schemas.items()}
    for each in told.values():
        for schema in each.get("properties", {}).values():
            schema.pop("x-spec-enum-id", None)
    return told


def _as_name(summary: str) -> str:
    return "".join(each if each.isalnum() else "_" for each in summary.lower())
