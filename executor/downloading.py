"""`expect_download`: an act, and the files that must come of it."""

import uuid
from collections.abc import Awaitable
from pathlib import Path

from django.conf import settings

from automation import expand_value
from automation.actions.targeted import DownloadingAction
from executor.downloads import ArrivedFile
from executor.run import Run
from inference.models import StepStatus


async def with_download(action: DownloadingAction, run: Run, acting: Awaitable[None]) -> None:
    """Do the act; with `expect_download`, wait for the files that it makes the site send, and name them.

    Raises DownloadMissingError when none comes in time, or an empty one.
    """
    if action.expect_download:
        run.downloads.expect()
    after, begun_before = len(run.downloads.arrived), run.downloads.begun
    await acting
    if not action.expect_download or run.step.status == StepStatus.SKIPPED:
        return
    seconds = action.download_timeout_seconds
    if seconds is None:
        seconds = float(settings.DOWNLOAD_TIMEOUT_SECONDS)
    files = await run.downloads.wait_for_files(after=after, begun_before=begun_before, seconds=max(0.0, seconds))
    names = [
        await run.keep_download(
            file, filename=_name_for(file, action, number, len(files)), metadata=_metadata(action, run)
        )
        for number, file in enumerate(files)
    ]
    run.step.details["downloads"] = names


def _name_for(file: ArrivedFile, action: DownloadingAction, number: int, count: int) -> str:
    """What the author asked for; a UUID means the site's name, and a missing extension is the site's, too."""
    wanted = action.download_filename
    if not wanted or _is_uuid(wanted):
        return file.suggested_name
    suffix = Path(wanted).suffix
    stem = wanted.removesuffix(suffix)
    suffix = suffix or Path(file.suggested_name).suffix
    return f"{stem}_{number}{suffix}" if count > 1 else f"{stem}{suffix}"


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _metadata(action: DownloadingAction, run: Run) -> dict[str, object] | None:
    """Its placeholders are filled in now: variables may have been set by the act's own page."""
    if action.download_metadata is None:
        return None
    resolved: dict[str, object] = expand_value(
        action.download_metadata, input=run.input_parameters, generated=run.memory.variables
    )
    return resolved
