"""Whether the database is the one that this version of the code was written for."""

from importlib.resources import files

from django.db import connection
from django.db.migrations.recorder import MigrationRecorder


def schema_problem() -> str | None:
    """One sentence for an operator when the database is behind or ahead; None when it fits.

    Only our own tables are looked at, by the names of their migrations: nothing is loaded, so that this can be asked
    at each start. Raises the database's errors when it cannot be asked.
    """
    applied = {name for app, name in MigrationRecorder(connection).applied_migrations() if app == "inference"}
    known = {
        file.name.removesuffix(".py")
        for file in files("inference.migrations").iterdir()
        if file.name.endswith(".py") and file.name[0].isdigit()
    }
    if known - applied:
        return "The database is behind this version: run `manage.py migrate` first."
    if applied - known:
        return (
            f"The database is ahead of this version (it has {max(applied - known)}): install the version that made it."
        )
    return None
