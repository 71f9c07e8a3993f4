"""pytest plugin, loaded before Django's settings: a data folder and a PostgreSQL of this test run.

With DATABASE_URL set, that server is used instead (Django still makes a test database on it).
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

_folder = Path(tempfile.mkdtemp(prefix="optexity-tests-"))
os.environ["DATA_DIR"] = str(_folder)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optexity_site.settings")
# The sites of the tests are on this machine; those about refusals set their own.
os.environ["ALLOWED_PRIVATE_HOSTS"] = os.environ["BROWSER_ALLOWED_PRIVATE_HOSTS"] = "127.0.0.1,localhost"

from optexity_site import embedded_db  # noqa: E402 - after the folder is chosen

if not os.environ.get("DATABASE_URL"):
    embedded_db.acquire(_folder)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop the database and leave nothing behind."""
    if not os.environ.get("DATABASE_URL"):
        embedded_db.release(_folder)
        embedded_db.delete(_folder)
    shutil.rmtree(_folder, ignore_errors=True)
