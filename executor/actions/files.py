"""Files into the page."""

import asyncio
import os
from pathlib import Path

from django.conf import settings

from automation.actions.files import UploadFileAction
from executor.actions.targeted import Target, act_on_element
from executor.errors import AutomationError
from executor.run import Run


async def upload_file(action: UploadFileAction, run: Run) -> None:
    """Set a file on a file input, which may be hidden.

    Errors: AutomationError (a file that may not be uploaded), ElementNotFoundError, ActionTimeoutError.
    """
    if not action.file_path:
        raise AutomationError("upload_file with file_url cannot be run by this server")
    path = await asyncio.to_thread(allowed_file, action.file_path, run.folder)

    async def act(target: Target) -> None:
        await target.locator.set_input_files(path, timeout=target.timeout_ms)

    await act_on_element(action, run, act, needs_visible=False)


def allowed_file(named: str, folder: Path) -> Path:
    """The real file that `named` means, if it may leave this machine: one under UPLOAD_ROOTS, or one that this
    attempt has made in `folder`. A relative path is looked for in these places and beside manage.py.

    Raises AutomationError, the same for a file that is not there and one that is not allowed.
    """
    roots = [folder / "downloads", *settings.UPLOAD_ROOTS]
    asked = Path(named)
    for place in (*roots, settings.BASE_DIR):
        candidate = place / asked  # an absolute path stays as it is
        real = Path(os.path.realpath(candidate))  # a link must not lead out of an allowed folder
        if real.is_file() and any(real.is_relative_to(os.path.realpath(root)) for root in roots):
            return real
    raise AutomationError(
        f"the file “{asked.name}” is not in one of the folders of UPLOAD_ROOTS, nor was it made by this task"
    )
