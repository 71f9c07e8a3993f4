"""pytest plugin, loaded before Django's settings: a data folder and a PostgreSQL of this test run.

With DATABASE_URL set, that server is used instead (Django still makes a test database on it).
"""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

_folder = Path(tempfile.mkdtemp(prefix="optexity-tests-"))
os.environ["DATA_DIR"] = str(_folder)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optexity_site.settings")
# The sites of the tests are on this machine; those about refusals set their own.
os.environ["ALLOWED_PRIVATE_HOSTS"] = os.environ["BROWSER_ALLOWED_PRIVATE_HOSTS"] = "127.0.0.1,localhost"

from optexity_site import embedded_db  # noqa: E402 - after the folder is chosen
from optexity_site.embedded_db.places import locate  # noqa: E402 - the same


def _without_waiting_for_the_disk() -> None:
    """The tests of this server need not survive a power cut; those about that have servers of their own."""
    places = locate(_folder)
    with places.configuration.open("a", encoding="utf-8") as settings:
        settings.write("fsync = off\nfull_page_writes = off\n")
    os.kill(int((places.data / "postmaster.pid").read_text(encoding="ascii").split()[0]), signal.SIGHUP)


if not os.environ.get("DATABASE_URL"):
    embedded_db.acquire(_folder)
    _without_waiting_for_the_disk()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop the database and leave nothing behind."""
    if not os.environ.get("DATABASE_URL"):
        embedded_db.release(_folder)
        embedded_db.delete(_folder)
    shutil.rmtree(_folder, ignore_errors=True)
