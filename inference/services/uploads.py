"""Files that were sent ahead of their task: kept, taken by the first task that names them, found again by its worker.

A parameter names one as `upload://<file_id>`. Only the key that sent a file may submit a task with it, and only one
task takes it; retries of that task, by itself or by hand, use it again.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import connection

from inference.errors import ValidationFailedError, shorten
from inference.models import ApiKey, Task, UploadedFile
from inference.models.database_clock import StatementTimestamp

SCHEME = "upload://"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
MAX_REPORTED = 20

# A task with all that it is a retry of, and all retries of those.
_FAMILY = """
    WITH RECURSIVE earlier AS (
        SELECT id, previous_task_id FROM inference_task WHERE id = %(task)s
        UNION
        SELECT t.id, t.previous_task_id FROM inference_task t JOIN earlier ON t.id = earlier.previous_task_id
    ), family AS (
        SELECT id FROM earlier
        UNION
        SELECT t.id FROM inference_task t JOIN family ON t.previous_task_id = family.id
    )
    SELECT id FROM family
"""
# In the order of their ids, so that two tasks that name the same files do not wait for each other.
_TAKE = f"""
    UPDATE inference_uploadedfile SET task_id = %(taker)s
    WHERE id IN (
        SELECT id FROM inference_uploadedfile WHERE id = ANY(%(files)s) AND (
            (task_id IS NULL AND expires_at > statement_timestamp() AND api_key_id IS NOT DISTINCT FROM %(key)s)
            OR task_id IN ({_FAMILY})
        ) ORDER BY id FOR UPDATE
    )
    RETURNING id
"""  # noqa: S608 - put together from constants


def keep_upload(
    content: File,  # type: ignore[type-arg]  # not generic when the program runs
    *,
    filename: str,
    size_bytes: int,
    sha256: str,
    api_key: ApiKey | None,
) -> UploadedFile:
    """Keep a file for UPLOAD_HOURS, or as long as the task that takes it."""
    file_id = uuid.uuid4()
    # A folder of its own, like a task's: the housekeeping removes it with the file.
    name = default_storage.save(f"{file_id}/{file_id}", content)
    try:
        upload = UploadedFile.objects.create(
            id=file_id,
            api_key=api_key,
            filename=filename,
            size_bytes=size_bytes,
            sha256=sha256,
            storage_name=name,
            expires_at=StatementTimestamp() + timedelta(hours=settings.UPLOAD_HOURS),
        )
        upload.refresh_from_db(fields=("created_at", "expires_at"))
    except BaseException:
        default_storage.delete(name)
        raise
    return upload


def take_uploads(task: Task) -> None:
    """Give the files that the parameters of a stored task name to it, in the transaction that stores it.

    Raises ValidationFailedError for one that is unknown, expired, of another key, or another task's already: one
    sentence for all four, since nobody is told what other keys have.
    """
    named = _named(task.input_parameters)
    if not named:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "taker": task.id,
                "task": task.previous_task_id,
                "files": sorted({each for each in named.values() if each is not None}),
                "key": task.api_key_id,
            },
        )
        taken = {row[0] for row in cursor.fetchall()}
    missing = [path for path, file_id in named.items() if file_id not in taken]
    if missing:
        reason = (
            "names no file that this key has uploaded and no other task has taken: files wait for "
            f"{settings.UPLOAD_HOURS} hours; upload it again."
        )
        errors = {path: [f"{path} {reason}"] for path in missing[:MAX_REPORTED]}
        raise ValidationFailedError(errors[missing[0]][0], errors=errors)


def find_upload(named: str, *, task_id: uuid.UUID) -> UploadedFile | None:
    """The file that `upload://<file_id>` names, if it is this task's, or that of a try before or after it."""
    file_id = _file_id(named)
    if file_id is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_FAMILY, {"task": task_id})
        family = [row[0] for row in cursor.fetchall()]
    return UploadedFile.objects.filter(id=file_id, task_id__in=family).first()


def names_an_upload(parameters: Mapping[str, Sequence[Any]]) -> bool:
    """Whether a value names a file that was sent ahead, or looks as if it did."""
    return bool(_named(parameters))


def _named(parameters: Mapping[str, Sequence[Any]]) -> dict[str, uuid.UUID | None]:
    """The files that values name, by the path of the value; None for what begins like a name and is none."""
    return {
        f"input_parameters.{shorten(name)}[{position}]": _file_id(value)
        for name, values in parameters.items()
        for position, value in enumerate(values)
        if isinstance(value, str) and value.startswith(SCHEME)
    }


def _file_id(named: str) -> uuid.UUID | None:
    found = _ID.fullmatch(named.removeprefix(SCHEME))
    return None if found is None else uuid.UUID(found[0])
