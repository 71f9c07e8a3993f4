"""How an operation is described, and what that looks like in OpenAPI."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rest_framework.serializers import Serializer

from inference.openapi.components import (
    RESPONSES,
    WITH_KEY,
    Schema,
    error_response,
    header,
    ref,
)

JSON = "application/json"
# A body of any type is one of bytes.
ANY_BYTES = "application/octet-stream"
FORM = "multipart/form-data"


@dataclass(frozen=True)
class Parameter:
    """One in the query or in a header. `schema` has the bounds that the server enforces."""

    name: str
    schema: Schema
    description: str
    place: Literal["query", "path", "header"] = "query"
    is_required: bool = False


@dataclass(frozen=True)
class Body:
    """What is sent: `schema` is a serializer or a schema, `examples` are by their summary. `or_else` is the same in
    another media type."""

    schema: type[Serializer[Any]] | Schema
    examples: Mapping[str, Any]
    media_type: str = JSON
    is_required: bool = True
    or_else: "Body | None" = None

    @property
    def forms(self) -> "tuple[Body, ...]":
        """All that may be sent, one for each media type."""
        return (self, *(self.or_else.forms if self.or_else else ()))


@dataclass(frozen=True)
class Answer:
    """A success, or an error of a shape of its own. `schema` is the name of a component, or a schema; None without a
    body. `headers` maps names to those of components; `links` are operations that take the task which it names."""

    description: str
    schema: str | Schema | None
    example: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON
    links: tuple[str, ...] = ()

    def render(self) -> Schema:
        headers = {"X-Request-ID": header("RequestId")} | {name: header(of) for name, of in self.headers.items()}
        rendered: Schema = {"description": self.description, "headers": headers}
        if self.schema is not None:
            content: Schema = {"schema": ref(self.schema) if isinstance(self.schema, str) else self.schema}
            if self.example is not None:
                content["example"] = self.example
            rendered["content"] = {self.media_type: content}
        if self.links:
            task = {"task_id": "$response.body#/task_id"}
            rendered["links"] = {name: {"operationId": name, "parameters": task} for name in self.links}
        return rendered


@dataclass(frozen=True)
class Operation:
    """One method of one route.

    `errors` maps the statuses of errors to what they mean here; a blank meaning is the one that they have everywhere.
    Those that come with `security`, `body` and `uses_database` are added by themselves.
    """

    operation_id: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    scope: str = ""
    parameters: tuple[Parameter, ...] = ()
    query: type[Serializer[Any]] | None = None
    path_parameters: Mapping[str, Schema] = field(default_factory=dict)
    body: Body | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    # The ways to be let in, any of which will do; none for a route that is open.
    security: tuple[dict[str, list[str]], ...] = tuple(WITH_KEY)
    uses_database: bool = True

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for a key."""
        return not self.security

    @property
    def told(self) -> str:
        """The description, with what a key needs."""
        scope = f"Needs the scope `{self.scope}`." if self.scope else ""
        return "\n\n".join(part for part in (self.description, scope) if part)

    def responses(self) -> dict[str, Schema]:
        """Every status that this operation can answer with, in order."""
        errors = {400: "", 405: "", 500: ""}  # the address itself may be wrong: a NUL, a host that is not allowed
        if self.uses_database:
            errors[503] = ""
        if self.security:
            errors |= {401: "", 403: "", 429: ""}
        if self.body is not None:
            errors[413] = ""
            if self.body.media_type != ANY_BYTES:
                errors[415] = ""
        errors |= self.errors
        rendered = {status: error_response(status, meaning) for status, meaning in errors.items()}
        rendered |= {status: answer.render() for status, answer in self.answers.items()}
        return {str(status): rendered[status] for status in sorted(rendered)}


def shared_responses(operations: Mapping[tuple[str, str], Operation]) -> dict[str, Schema]:
    """Those of components/responses that are used."""
    used = {
        each["$ref"].rpartition("/")[2]
        for operation in operations.values()
        for each in operation.responses().values()
        if "$ref" in each
    }
    return {name: response for name, response in RESPONSES.items() if name in used}
