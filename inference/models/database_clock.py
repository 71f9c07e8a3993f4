"""The database's clock. Hosts may differ by minutes; only this one decides."""

from django.db import models
from django.db.models.functions import Now


class StatementTimestamp(Now):
    """`statement_timestamp()`: when the statement began, on the database server.

    Django's own `Now` is that on PostgreSQL too, through a vendor hook; naming it here keeps the promise of
    the records visible, and makes it usable as `db_default`.
    """

    template = "statement_timestamp()"
    output_field = models.DateTimeField()

    def as_postgresql(self, compiler, connection, **extra_context):  # type: ignore[no-untyped-def]
        return self.as_sql(compiler, connection, template="statement_timestamp()", **extra_context)
