"""Statements in batches: short transactions that wait for nobody, and deletion with all that belongs to a row."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import DatabaseError, connection, models, transaction
from django.db.models.fields.related import ForeignKey

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A few milliseconds' work of the database each.
TASKS_AT_A_TIME = 100
ROWS_AT_A_TIME = 500
# Nobody else holds rows of ended tasks for long; whoever does is not waited for.
_LOCK_TIMEOUT = "2s"
# Numbers, instants, identifiers, short texts, and the entries in the indexes.
_REST_OF_A_ROW_BYTES = 400


class UnknownDependentError(Exception):
    """A table points at one that is pruned, and its model does not say what is to become of its rows."""


def select(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def number(statement: str, parameters: dict[str, Any]) -> int:
    """The only value of the only row, which is a number or null."""
    return int(select(statement, parameters)[0][0] or 0)


@contextmanager
def short_transaction() -> Iterator[None]:
    """One batch: all of it or nothing."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        yield


def tried(what: str, work: Callable[[], T], *, failures: list[str]) -> T | None:
    """What `work` returns; None when the database refused it (a lock, a deadlock, a row that came in between).

    Such a batch was rolled back, and is noted in `failures`; the next run finds its rows again. An outage is raised.
    """
    try:
        return work()
    except DatabaseError as error:
        if not connection.is_usable():
            raise
        logger.warning("a batch was left for the next run: %s", type(error).__name__, extra={"kind": what})
        failures.append(f"{what}: a batch was left for the next run ({type(error).__name__})")
        return None


def row_bytes(model: type[models.Model], alias: str) -> str:
    """What a row of `model` takes on the disk, as an expression: texts and JSON as they are stored (compressed, out of
    line), which is known without reading them, and about as much as all the rest needs."""
    wide = [
        f"COALESCE(pg_column_size({alias}.{_quoted(str(field.column))}), 0)"
        for field in model._meta.concrete_fields
        if isinstance(field, models.TextField | models.JSONField)
    ]
    return " + ".join([str(_REST_OF_A_ROW_BYTES), *wide])


def delete_with_dependents(model: type[models.Model], ids: Sequence[Any]) -> None:
    """Delete these rows of `model` and do with the rows that point at them what their models say: CASCADE, SET_NULL.

    In SQL, table by table, so no row comes into memory. The foreign keys are checked at the end of the transaction,
    so the order only has to save work: tables that nothing points at go first.
    """
    if not ids:
        return
    for field in sorted(_pointing_at(model), key=lambda each: len(_pointing_at(each.model))):
        dependent, column = field.model, _quoted(field.column)
        table = _quoted(dependent._meta.db_table)
        on_delete = field.remote_field.on_delete
        if on_delete is models.SET_NULL:
            _execute(f"UPDATE {table} SET {column} = NULL WHERE {column} = ANY(%s)", ids)  # noqa: S608 - names of our own tables
        elif on_delete is models.CASCADE and not _pointing_at(dependent):
            _execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)", ids)  # noqa: S608 - as above
        elif on_delete is models.CASCADE:
            key = _quoted(_key(dependent))
            delete_with_dependents(
                dependent,
                [
                    row[0]
                    for row in select(f"SELECT {key} FROM {table} WHERE {column} = ANY(%(ids)s)", {"ids": list(ids)})  # noqa: S608 - as above
                ],
            )
        elif on_delete is not models.DO_NOTHING:
            raise UnknownDependentError(f"{dependent.__name__}.{field.name} points at {model.__name__}")
    _execute(f"DELETE FROM {_quoted(model._meta.db_table)} WHERE {_quoted(_key(model))} = ANY(%s)", ids)  # noqa: S608 - as above


def _pointing_at(model: type[models.Model]) -> list[Any]:
    found = model._meta.get_fields(include_hidden=True)
    fields = [each.field for each in found if each.auto_created and not each.concrete and hasattr(each, "field")]
    return [field for field in fields if isinstance(field, ForeignKey)]


def _key(model: type[models.Model]) -> str:
    key = model._meta.pk
    return str(key.column) if key is not None else "id"


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _execute(statement: str, ids: Sequence[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(ids)])
