"""Files: into the page, and out of it by address."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field
from pydantic_core import InitErrorDetails

from automation.actions.targeted import TargetedAction, random_name
from automation.element import Element, RawObject
from automation.placeholders import QUOTED, TEXT
from automation.problems import error_at


class UploadFileAction(TargetedAction):
    """Put a file into a file input: one that the worker has, or one that is fetched first."""

    file_path: Annotated[str | None, QUOTED] = None
    file_url: Annotated[str | None, QUOTED] = None

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        given = [name for name in ("file_path", "file_url") if raw.get(name) not in (None, "")]
        if len(given) != 1:
            yield error_at((), "needs exactly one of file_path and file_url, and not an empty one")
        yield from super().raw_problems(raw)


class DownloadUrlAsPdfAction(Element):
    """Store what an address (null: the current page's) answers, under exactly this file name."""

    download_filename: Annotated[str, QUOTED] = Field(default_factory=random_name)
    url: Annotated[str | None, TEXT] = None


class DownloadFileAction(Element):
    """Fetch a file for later nodes of this attempt; its path becomes a variable."""

    file_url: Annotated[str, QUOTED]
    output_variable_name: Annotated[str, QUOTED] = "downloaded_file_path"
