#!/usr/bin/env python
"""Django's command line, with the embedded database started around commands that need one."""

import os
import sys

# Commands that only read code or write files: no database is started for them.
WITHOUT_DATABASE = frozenset({"help", "makemigrations", "startapp", "submit", "version"})


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optexity_site.settings")
    from django.db import ProgrammingError
    from psycopg.errors import UndefinedColumn, UndefinedTable

    from optexity_site.embedded_db import EmbeddedDatabaseError, acquire, release
    from optexity_site.env import SettingError

    try:
        from django.conf import settings
        from django.core.management import execute_from_command_line

        if not settings.DATABASE_URL and _needs_database(sys.argv[1:]):
            acquire(settings.DATA_DIR)
        execute_from_command_line(sys.argv)
    except SettingError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except EmbeddedDatabaseError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    except ProgrammingError as error:
        if not isinstance(error.__cause__, UndefinedTable | UndefinedColumn):
            raise
        sys.stderr.write("The database is behind this version: run `manage.py migrate` first.\n")
        return 3
    finally:
        # The last user stops the server; a process that only ends is noticed a moment later.
        release()
    return 0


def _needs_database(arguments: list[str]) -> bool:
    command = next((word for word in arguments if not word.startswith("-")), "help")
    asks_for_help = {"--help", "-h", "--version"} & set(arguments)
    return command not in WITHOUT_DATABASE and not asks_for_help


if __name__ == "__main__":
    sys.exit(main())
