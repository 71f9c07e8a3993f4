"""The text of a PDF that the attempt has downloaded."""

from typing import Any

from automation import output_schema
from automation.actions.extraction import PDFExtraction
from executor.artifacts import safe_filename
from executor.downloads import ArrivedFile
from executor.errors import ActionError, NeedsModelError
from executor.extraction.pdf_text import PDFError, read_pdf
from executor.run import Run

# For a file that is still on its way.
_ARRIVAL_SECONDS = 10.0
# What text extraction programs put between pages.
PAGE_BREAK = "\f"
_TEXT_TYPES = ({"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "null"}]})


async def extract(action: PDFExtraction, run: Run) -> None:
    """Append the text of the PDF under the one key of the format; the item is labelled with the file's name.

    The first download whose name contains `filename`, else the only one; none is a warning. Errors: NeedsModelError
    (any other format), ActionError (encrypted, broken, too much work).
    """
    key = _only_text_key(action.extraction_format)
    if key is None:
        raise NeedsModelError(f"{run.step.label}: an extraction_format other than one key of type str")
    file = await _file_for(action.filename, run)
    if file is None:
        names = ", ".join(f"“{each.name}”" for each in run.downloads.files[:10]) or "none"
        run.step.warn(f"no download is called “{action.filename}”; there are: {names}")
        return
    try:
        read = await read_pdf(file.path)
    except PDFError as error:
        raise ActionError(f"the text of “{file.name}” could not be read: {error}") from error
    if read.is_cut:
        run.step.warn(f"not all of its text was kept: {len(read.pages)} of {read.page_count} pages are in the output")
    if not any(page.strip() for page in read.pages):
        run.step.warn(f"“{file.name}” has no text; its pages may be pictures")
    run.add_output(unique_identifier=file.name, json_data={key: PAGE_BREAK.join(read.pages)})


def _only_text_key(output_format: dict[str, Any]) -> str | None:
    properties = output_schema(output_format)["properties"]
    if len(properties) != 1:
        return None
    ((key, schema),) = properties.items()
    return key if schema["anyOf"][0] in _TEXT_TYPES else None


async def _file_for(filename: str, run: Run) -> ArrivedFile | None:
    await run.downloads.wait_for_running(seconds=_ARRIVAL_SECONDS)
    files = run.downloads.files
    wanted = (filename, safe_filename(filename))
    named = [file for file in files if any(part in file.name for part in wanted)]
    if named:
        return named[0]
    return files[0] if len(files) == 1 else None
