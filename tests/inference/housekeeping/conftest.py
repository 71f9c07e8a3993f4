import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings


@pytest.fixture(autouse=True)
def artifact_folder(transactional_db: None) -> Iterator[Path]:
    """The storage's folder, empty before and after."""
    folder = Path(settings.ARTIFACT_DIR)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
