"""Rules about downloads and files: expected but not caused, caused but not expected, and names that collide."""

from collections.abc import Iterator

from automation.actions.agentic import AgenticTaskAction
from automation.actions.extraction import NetworkCallExtraction, PDFExtraction, ScreenshotExtraction
from automation.actions.files import DownloadUrlAsPdfAction
from automation.actions.script import PythonScriptAction
from automation.actions.targeted import DownloadingAction
from automation.linter import catalog
from automation.linter.catalog import Finding
from automation.linter.survey import Survey, Text, Visit
from automation.nodes import PrivateNode
from automation.problems import shortened

_SETTINGS = ("download_filename", "download_metadata", "download_timeout_seconds")


def check(survey: Survey) -> Iterator[Finding]:
    """What is wrong with the downloads and file names of a document."""
    names: dict[tuple[str, str], str] = {}
    for visit in survey.visits:
        yield from _of_node(visit)
        for text in visit.texts:
            if _is_file_name(text, visit):
                yield from _same_name(text, visit, names)
    yield from _expected(survey)


def _of_node(visit: Visit) -> Iterator[Finding]:
    match visit.action:
        case DownloadingAction(expect_download=False) as action:
            for name in _SETTINGS:
                if getattr(action, name) is not None:
                    message = "has no effect without expect_download"
                    fix = "Set expect_download, or remove it."
                    yield catalog.DOWNLOAD_IGNORED.at(f"{visit.action_path}.{name}", message, fix)
        case NetworkCallExtraction(download_from="request", download_filename=None):
            message = "the repeated request is stored nowhere without download_filename"
            yield catalog.CANNOT_SAVE.at(visit.action_path, message, "Give it a download_filename.")
        case _:
            pass


def causes_download(visit: Visit) -> bool:
    """Whether a node says that a file comes of it."""
    match visit.action:
        case DownloadingAction(expect_download=True) | DownloadUrlAsPdfAction():
            return True
        case NetworkCallExtraction(download_filename=str()):
            return True
        case _:
            return False


def _expected(survey: Survey) -> Iterator[Finding]:
    expected = survey.automation.expected_downloads
    sources = [visit for visit in survey.visits if causes_download(visit)]
    # An agent, a script or code of the operator's own may download whatever it likes.
    is_open = (
        any(
            isinstance(visit.node, PrivateNode) or isinstance(visit.action, AgenticTaskAction | PythonScriptAction)
            for visit in survey.visits
        )
        or "save_download" in survey.script_words
    )
    is_counted = not any(visit.loops for visit in sources)
    if expected > 0 and not is_open and (not sources or (is_counted and len(sources) < expected)):
        message = f"{expected} download(s) are waited for, and {len(sources)} node(s) say that one comes of them"
        fix = "Set expect_download on the clicks that cause them, which also fails the task when a file does not come."
        yield catalog.NEVER_CAUSED.at("expected_downloads", message, fix)
    if sources and is_counted and len(sources) > expected:
        message = f"{len(sources)} node(s) cause a download, and {max(0, expected)} are waited for at the end"
        fix = f"Set expected_downloads to {len(sources)} if the task is to wait for all of them."
        yield catalog.MORE_CAUSED.at("expected_downloads", message, fix)
    reads_pdf = next((visit for visit in survey.visits if isinstance(visit.action, PDFExtraction)), None)
    if reads_pdf is not None and not sources and not is_open:
        message = "reads a downloaded PDF, but no node says that it causes a download"
        yield catalog.NO_PDF.at(reads_pdf.action_path, message, "Set expect_download on the click that opens it.")


def _is_file_name(text: Text, visit: Visit) -> bool:
    match text.owner, text.field:
        case DownloadingAction() as action, "download_filename":
            return action.expect_download and "download_filename" in action.model_fields_set
        case DownloadUrlAsPdfAction() as action, "download_filename":
            return "download_filename" in action.model_fields_set
        case (NetworkCallExtraction(), "download_filename") | (ScreenshotExtraction(), "filename"):
            return True
        case _:
            return False


def _same_name(text: Text, visit: Visit, names: dict[tuple[str, str], str]) -> Iterator[Finding]:
    fix = "Put what differs into the name, such as {index} or {name[index]}."
    if visit.loops and "{" not in text.text:
        message = f"every pass of the loop stores a file “{shortened(text.text, 40)}”"
        yield catalog.SAME_NAME.at(text.path, message, fix)
        return
    first = names.setdefault((text.field, text.text), text.path)
    if first != text.path:
        message = f"stores a file under the name that {first} uses, too"
        yield catalog.SAME_NAME.at(text.path, message, "Give each file a name of its own.")
