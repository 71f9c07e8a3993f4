"""Programs in a document. They always load; whether they run is the operator's decision."""

from typing import Annotated

from pydantic import Field

from automation.element import Element
from automation.placeholders import TEXT


class PythonScriptAction(Element):
    """A script that defines `async def code_fn(page)`."""

    execution_code: Annotated[str, TEXT]


class PowerShellAction(Element):
    """For remote desktops; skipped in a browser."""

    commands: Annotated[list[str], TEXT] = Field(min_length=1)
    exit_after_commands: bool = True
