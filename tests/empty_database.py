"""What empties the database after a test that commits.

Django truncates every table and makes content types and permissions anew: some 30 new files and 25 statements, a
third of the time of a short test. Most tables were never written to, so only the rows that are there are deleted.
"""

from functools import cache

from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase
from psycopg.errors import DeadlockDetected

# Made by migrate, and the same for all tests.
_KEPT = {"django_migrations", "django_content_type", "auth_permission"}
# Guarded against DELETE.
_APPEND_ONLY = {"inference_auditevent"}


def install() -> None:
    TransactionTestCase._fixture_teardown = lambda _: empty_database()  # type: ignore[attr-defined]


def empty_database() -> None:
    """A transaction that another thread of the test still has open may lock the tables in another order: then one of
    both is ended, and we are so again."""
    for is_last in (False, False, True):
        try:
            _empty()
            return
        except OperationalError as error:
            if is_last or not isinstance(error.__cause__, DeadlockDetected):
                raise


def _empty() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        # As TRUNCATE would: what another thread of the test still writes is waited for, or comes too late.
        cursor.execute(_lock())
        cursor.execute(_look())
        used = [table for table, is_used in zip(_tables(), cursor.fetchone(), strict=True) if is_used]
        # Foreign keys are looked at when the transaction ends, so the order is of no importance.
        statements = [
            f'TRUNCATE "{table}"' if table in _APPEND_ONLY else f'DELETE FROM "{table}"'  # noqa: S608 - our own tables
            for table in used
        ]
        if statements:
            cursor.execute("; ".join(statements))


@cache
def _tables() -> tuple[str, ...]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return tuple(sorted(set(names) - _KEPT))


@cache
def _lock() -> str:
    return "LOCK TABLE " + ", ".join(f'"{table}"' for table in _tables()) + " IN EXCLUSIVE MODE"


@cache
def _look() -> str:
    return "SELECT " + ", ".join(f'EXISTS (SELECT FROM "{table}")' for table in _tables())  # noqa: S608 - our own tables
