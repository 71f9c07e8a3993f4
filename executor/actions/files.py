"""Files into the page, and out of it by address."""

import asyncio
import mimetypes
import os
import shutil
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from automation.actions.files import DownloadFileAction, DownloadUrlAsPdfAction, UploadFileAction
from executor.actions.targeted import Target, act_on_element
from executor.artifacts import safe_filename
from executor.downloads import ArrivedFile, disposition_filename
from executor.errors import AutomationError
from executor.fetching import Answer, Outgoing, fetch_file
from executor.run import Run
from executor.uploads import fetch_upload, is_upload

# For the PDF of the current page, which may still be on its way.
_SHOWN_PDF_SECONDS = 10.0


async def upload_file(action: UploadFileAction, run: Run) -> None:
    """Set a file on a file input, which may be hidden: one of this server, one that the client sent ahead
    (`upload://<file_id>`), or one that is fetched first.

    Errors: AutomationError (a file that may not be uploaded), ActionError (one that could not be fetched),
    ElementNotFoundError, ActionTimeoutError.
    """
    if action.file_path and is_upload(action.file_path):
        path = await fetch_upload(action.file_path, task_id=run.task_id, folder=run.folder / "uploads")
    elif action.file_path:
        path = await asyncio.to_thread(allowed_file, action.file_path, run.folder)
    else:
        # The browser reads the file only when the form is sent: it goes away with the attempt's folder.
        path = await _fetched(action.file_url or "", run, run.folder / "uploads")

    async def act(target: Target) -> None:
        await target.locator.set_input_files(path, timeout=target.timeout_ms)

    await act_on_element(action, run, act, needs_visible=False)


async def download_file(action: DownloadFileAction, run: Run) -> None:
    """Fetch a file for later nodes of this attempt; the variable is the list of its path.

    It may be uploaded, and is no download of the task. Errors: AutomationError (no http(s) address), ActionError.
    """
    path = await _fetched(action.file_url, run, run.folder / "downloads")
    run.set_variable(action.output_variable_name, [str(path)])
    run.step.details["fetched"] = {"name": path.name, "bytes": path.stat().st_size}


async def download_url_as_pdf(action: DownloadUrlAsPdfAction, run: Run) -> None:
    """Store what an address answers (null: the current page's) as a download with exactly this name.

    A PDF that the current page shows is here already, and is not asked for again: its address may work only once.
    Errors: AutomationError (no http(s) address), ActionError, DownloadMissingError (too large).
    """
    await run.downloads.wait_for_running(seconds=_SHOWN_PDF_SECONDS)
    url = action.url or run.page.url
    file = await _shown_file(action, run) if url == run.page.url else None
    if file is None:
        target = run.downloads.new_path()
        answer = await fetch_file(Outgoing(url), run.page, target)
        file = await run.downloads.add_fetched(
            target, name=action.download_filename, url=url, content_type=answer.content_type
        )
    name = await run.keep_download(file, filename=action.download_filename)
    run.step.details["downloads"] = [name]


async def _shown_file(action: DownloadUrlAsPdfAction, run: Run) -> ArrivedFile | None:
    """The PDF in the current tab; a copy when another step has named it already."""
    mine = [file for file in run.downloads.files if file.source == "response" and file.url == run.page.url]
    if not mine or not mine[-1].claimed:
        return mine[-1] if mine else None
    copy = run.downloads.new_path()
    await asyncio.to_thread(shutil.copyfile, mine[-1].path, copy)
    name, url, content_type = action.download_filename, mine[-1].url, mine[-1].content_type
    return await run.downloads.add_fetched(copy, name=name, url=url, content_type=content_type)


async def _fetched(url: str, run: Run, folder: Path) -> Path:
    """The file of an address, under a name that pages can show, in a folder of its own below `folder`."""
    place = folder / uuid.uuid4().hex
    await asyncio.to_thread(place.mkdir, parents=True)
    temporary = place / "file"
    answer = await fetch_file(Outgoing(url), run.page, temporary)
    return await asyncio.to_thread(temporary.rename, place / name_of(url, answer))


def name_of(url: str, answer: Answer) -> str:
    """A name with an extension: the address's own, else that of Content-Disposition, else that of Content-Type."""
    in_url = unquote(urlsplit(url).path.rpartition("/")[2])
    given = disposition_filename(answer.disposition) or ""
    for name in (in_url, given):
        if Path(name).suffix:
            return safe_filename(name)
    kind = answer.content_type.split(";")[0].strip().lower()
    return safe_filename(f"{given or in_url or 'file'}{mimetypes.guess_extension(kind) or ''}")


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
