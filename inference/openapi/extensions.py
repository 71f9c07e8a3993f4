"""What the serializers' own fields look like in OpenAPI, with the bounds that they enforce."""

from typing import Any, ClassVar

from drf_spectacular.extensions import OpenApiSerializerFieldExtension

from inference.openapi.components import Schema, ref
from inference.serializers import MAX_BATCH_ITEMS

_MODULE = "inference.serializers"
_WEB_ADDRESS = "^[Hh][Tt][Tt][Pp][Ss]?://."


class TextExtension(OpenApiSerializerFieldExtension):
    target_class = f"{_MODULE}.TextField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {"type": "string", "minLength": self.target.minimum, "maxLength": self.target.maximum}


class WebAddressExtension(TextExtension):
    target_class = f"{_MODULE}.WebAddressField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {**super().map_serializer_field(auto_schema, direction), "format": "uri", "pattern": _WEB_ADDRESS}


class WholeNumberExtension(OpenApiSerializerFieldExtension):
    target_class = f"{_MODULE}.WholeNumberField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {"type": "integer", "minimum": self.target.minimum, "maximum": self.target.maximum}


class _Fixed(OpenApiSerializerFieldExtension):
    """A field that looks the same wherever it is used."""

    schema: ClassVar[Schema]

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return dict(self.schema)


class TruthExtension(_Fixed):
    target_class = f"{_MODULE}.TruthField"
    schema: ClassVar = {"type": "boolean"}


class NamesExtension(_Fixed):
    target_class = f"{_MODULE}.NamesField"
    schema: ClassVar = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}


class ParameterValuesExtension(_Fixed):
    target_class = f"{_MODULE}.ParameterValuesField"
    schema: ClassVar = {
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
    }


class SecureParametersExtension(_Fixed):
    target_class = f"{_MODULE}.SecureParametersField"
    schema: ClassVar = {
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "object", "minProperties": 1}},
    }


class InstantExtension(_Fixed):
    target_class = f"{_MODULE}.InstantField"
    schema: ClassVar = {"type": "string", "format": "date-time"}


class IdExtension(_Fixed):
    target_class = f"{_MODULE}.IdField"
    schema: ClassVar = {"type": "string", "format": "uuid"}


class CursorExtension(_Fixed):
    target_class = f"{_MODULE}.CursorField"
    schema: ClassVar = {"type": "string"}


class BatchItemsExtension(_Fixed):
    target_class = f"{_MODULE}.BatchItemsField"
    schema: ClassVar = {
        "type": "array",
        "items": ref("Submission"),
        "minItems": 1,
        "maxItems": MAX_BATCH_ITEMS,
    }
