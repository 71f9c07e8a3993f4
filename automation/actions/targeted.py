"""What all actions on one element of the page have in common: how the element is found."""

import uuid
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import InitErrorDetails

from automation.element import Element, RawObject
from automation.placeholders import LATE, PROMPT, QUOTED, SOURCE, TEXT
from automation.problems import error_at, json_kind, refuse


def _read_coordinates(value: Any) -> Any:
    """Two items: whole numbers if both can be read as such, else both as texts."""
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise refuse(f"must be a list of two numbers, not {json_kind(value)}")
    if len(value) != 2:
        raise refuse(f"must hold two numbers, not {len(value)}")
    try:
        return tuple(int(item) for item in value)
    except (TypeError, ValueError):
        return tuple(str(item) for item in value)


Coordinates = Annotated[tuple[int, int] | tuple[str, str] | None, BeforeValidator(_read_coordinates), TEXT]


def _check_four(value: Any) -> Any:
    if isinstance(value, list) and len(value) != 4:
        raise refuse(f"must hold exactly 4 names, not {len(value)}")
    return value


# The names of four variables: left, top, right, bottom.
BoundingBoxVariables = Annotated[list[str] | None, BeforeValidator(_check_four)]


class TargetedAction(Element):
    """An action on one element, found by `command`, else by `xpath`, `keyword` or `coordinates` (a point of the
    view), else by a model from `prompt_instructions`."""

    command: Annotated[str | None, SOURCE] = None
    xpath: Annotated[str | None, TEXT] = None
    prompt_instructions: Annotated[str, PROMPT] = ""
    skip_command: bool = False
    skip_prompt: bool = False
    assert_locator_presence: bool = False
    coordinates: Coordinates = None
    keyword: Annotated[str | None, TEXT] = None
    recording_screenshot: str | None = None
    bounding_box_variables: BoundingBoxVariables = None

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        if raw.get("xpath") is not None and raw.get("command") is not None:
            yield error_at((), "holds both xpath and command; keep one of them")

    def problems(self) -> Iterator[InitErrorDetails]:
        if self.assert_locator_presence and self.command is None:
            yield error_at(("assert_locator_presence",), "needs a command: without one there is nothing to find")

    def settled(self) -> dict[str, Any]:
        if self.command is not None and not self.command.strip():
            return {"command": None, "assert_locator_presence": False}
        return {}


class DownloadingAction(TargetedAction):
    """An action that may make the site send a file."""

    expect_download: bool = False
    download_filename: Annotated[str | None, QUOTED] = None
    download_metadata: Annotated[dict[str, Any] | None, LATE] = None
    download_timeout_seconds: float | None = None

    def settled(self) -> dict[str, Any]:
        settled = super().settled()
        if self.expect_download and self.download_filename is None:
            # A random name means: keep the one that the site suggests.
            settled["download_filename"] = random_name()
        return settled


def random_name() -> str:
    """A file name that no author wrote: a UUID."""
    return str(uuid.uuid4())
