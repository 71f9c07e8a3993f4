"""What a web process refuses as it starts."""

from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from tests.inference.served.conftest import Granian, database_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("is_ahead", [True, False])
def test_a_database_of_another_version_is_refused(tmp_path: Path, is_ahead: bool) -> None:
    names = MigrationRecorder.Migration.objects
    newest = names.filter(app="inference").latest("id").name
    if is_ahead:
        names.create(app="inference", name="9999_from_the_future")
    else:
        names.filter(app="inference", name=newest).delete()
    server = Granian(tmp_path, url=database_url())
    try:
        assert server.process.wait(40) != 0
    finally:
        if is_ahead:
            names.filter(name="9999_from_the_future").delete()
        else:
            names.create(app="inference", name=newest)
        server.stop()
        connection.close()
    expected = "ahead of this version (it has 9999_from_the_future)" if is_ahead else "behind this version"
    assert f"The database is {expected}" in server.log()
