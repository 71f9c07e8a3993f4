"""JSON that comes back exactly as it was given."""

from typing import Any

from django.db import models
from psycopg.types.json import Json


class VerbatimJSONField(models.JSONField):
    """A `json` column: it keeps the order of keys, repeated numbers like 5.0, and everything else of the text.

    `jsonb` sorts keys. What is stored here is only handed on whole; nothing looks into it with SQL, and the type has
    no equality, so leave it out of DISTINCT.
    """

    def db_type(self, connection: Any) -> str:
        return "json"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return None if value is None else Json(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        # psycopg has parsed it already; only jsonb comes as text.
        return super().from_db_value(value, expression, connection) if isinstance(value, str) else value
