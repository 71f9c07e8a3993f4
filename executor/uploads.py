"""Files that a client sent ahead of its task, brought to where a page can be given them."""

import asyncio
import uuid
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import InterfaceError, OperationalError

from executor.artifacts import safe_filename
from executor.database import in_database
from executor.errors import AutomationError
from inference.models import UploadedFile
from inference.services import uploads

_DATABASE_RETRY_SECONDS = 1.0


def is_upload(named: str) -> bool:
    return named.startswith(uploads.SCHEME)


async def fetch_upload(named: str, *, task_id: uuid.UUID, folder: Path) -> Path:
    """A copy of the file that `upload://<file_id>` names, in a folder of its own below `folder`.

    Raises AutomationError, the same for a file that there is not and one that is another task's.
    """
    upload = await _find(named, task_id)
    if upload is None:
        raise AutomationError("the uploaded file is none of this task: upload it, and name it in a parameter")
    return await asyncio.to_thread(_copy, upload, folder / uuid.uuid4().hex)


async def _find(named: str, task_id: uuid.UUID) -> UploadedFile | None:
    while True:
        try:
            return await in_database(uploads.find_upload, named, task_id=task_id)
        except (OperationalError, InterfaceError):
            # The database is away. The lease, or the task's time limit, ends this if it stays away.
            await asyncio.sleep(_DATABASE_RETRY_SECONDS)


def _copy(upload: UploadedFile, place: Path) -> Path:
    place.mkdir(parents=True)
    # Pages are shown the name that the client gave, as far as it is one that no folder can be left by.
    target = place / safe_filename(upload.filename)
    try:
        with default_storage.open(upload.storage_name, "rb") as stored, target.open("xb") as copy:
            for chunk in stored.chunks():
                copy.write(chunk)
    except FileNotFoundError:
        raise AutomationError(f"the uploaded file “{target.name}” is missing in the storage") from None
    return target
