"""Extractions: data out of pages, calls, files and mailboxes."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import InitErrorDetails

from automation.actions.targeted import BoundingBoxVariables
from automation.element import Element, OneOf, RawObject
from automation.output_format import raw_format_problems
from automation.placeholders import FORMAT_KEYS, LITERAL_SAFE, PROMPT, SOURCE, TEXT
from automation.problems import error_at, json_kind, refuse, shortened

PageSource = Literal["axtree", "screenshot"]


class ModelChoice(Element):
    """Which language model answers; null: the task's, then the server's."""

    llm_provider: str | None = None
    llm_model_name: str | None = None


def unknown_output_names(names: list[str] | None, output_format: dict[str, Any]) -> Iterator[InitErrorDetails]:
    """The output variables that a format has no key for."""
    for position, name in enumerate(names or ()):
        if name not in output_format:
            message = f"“{shortened(name, 40)}” is not a key of the format"
            yield error_at(("output_variable_names", position), message, word=name or " ", choices=list(output_format))


class LLMExtraction(ModelChoice):
    """A model reads the page and answers in a format."""

    source: list[PageSource] = ["axtree"]
    extraction_format: dict[str, Any]
    extraction_instructions: Annotated[str, PROMPT]
    output_variable_names: list[str] | None = None
    include_full_page: bool = False
    recording_screenshot: str | None = None

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        yield from raw_format_problems(raw, "extraction_format")

    def problems(self) -> Iterator[InitErrorDetails]:
        yield from unknown_output_names(self.output_variable_names, self.extraction_format)


class NetworkCallExtraction(Element):
    """Bodies of recorded requests or responses whose address contains `url_pattern`."""

    url_pattern: Annotated[str | None, TEXT] = None
    extract_from: Literal["request", "response"] | None = "response"
    download_from: Literal["request", "response"] | None = "response"
    download_filename: Annotated[str | None, TEXT] = None


class PythonScriptExtraction(Element):
    """A script's answer. Documents with scripts always load; running them is the operator's decision."""

    script: Annotated[str, TEXT]
    extraction_format: dict[str, Any] | None = None
    output_variable_names: list[str] | None = None
    timeout_seconds: float | None = Field(default=None, gt=0)

    def problems(self) -> Iterator[InitErrorDetails]:
        if not self.script.strip():
            yield error_at(("script",), "must not be blank")
        if self.output_variable_names is not None and self.extraction_format is None:
            yield error_at(("output_variable_names",), "needs an extraction_format with these names as keys")
        elif self.extraction_format is not None:
            yield from unknown_output_names(self.output_variable_names, self.extraction_format)


class ScreenshotExtraction(Element):
    """A picture of the page, kept as a file of the task."""

    filename: Annotated[str, TEXT]
    full_page: bool = True


class StateExtraction(Element):
    """Address, title, storage and cookies of the page."""


def _check_read(value: Any) -> Any:
    if isinstance(value, str) and value not in READ_KINDS and not _ATTRIBUTE.fullmatch(value):
        choices = [*READ_KINDS, "attribute:NAME"]
        raise refuse(
            f"must be {', '.join(READ_KINDS)} or attribute:NAME, not “{shortened(value, 40)}”",
            word=value or " ",
            choices=choices,
        )
    return value


READ_KINDS = ("text", "value", "checked", "html", "table")
_ATTRIBUTE = re.compile(r"attribute:[^\s\"'<>/=]+")


class LocatorExtraction(ModelChoice):
    """What an element shows, read by a locator command, with a model only as fallback."""

    command: Annotated[str, SOURCE]
    output_variable_name: Annotated[str | None, TEXT] = None
    extraction_format: Annotated[dict[str, Any], FORMAT_KEYS]
    extraction_instructions: Annotated[str | None, PROMPT] = None
    # Ours: what is read of the first match, or of every match.
    read: Annotated[str, BeforeValidator(_check_read)] = "text"
    all: bool = False

    def problems(self) -> Iterator[InitErrorDetails]:
        if self.output_variable_name is None and len(self.extraction_format) != 1:
            message = "must hold exactly one key, or output_variable_name must name the one that is meant"
            yield error_at(("extraction_format",), message)
        elif self.output_variable_name is not None and self.output_variable_name not in self.extraction_format:
            yield error_at(
                ("output_variable_name",),
                "is not a key of extraction_format",
                word=self.output_variable_name or " ",
                choices=list(self.extraction_format),
            )


class EmailTwoFAAction(Element):
    """A code that comes by mail."""

    type: Literal["email_two_fa_action"]
    receiver_email_address: Annotated[str, TEXT]
    sender_email_address: Annotated[str, TEXT]
    integration_email_address: Annotated[str | None, TEXT] = None


class SlackTwoFAAction(Element):
    """A code that comes in a chat channel."""

    type: Literal["slack_two_fa_action"]
    slack_workspace_domain: Annotated[str, TEXT]
    channel_name: Annotated[str, TEXT]
    sender_name: Annotated[str, TEXT]


class SMSTwoFAAction(Element):
    """A code that comes as a text message."""

    type: Literal["sms_two_fa_action"]
    from_number: Annotated[str, TEXT]
    to_number: Annotated[str, TEXT]


CodeSource = EmailTwoFAAction | SlackTwoFAAction | SMSTwoFAAction
_CODE_SOURCES: dict[str, type[CodeSource]] = {
    "email_two_fa_action": EmailTwoFAAction,
    "slack_two_fa_action": SlackTwoFAAction,
    "sms_two_fa_action": SMSTwoFAAction,
}


def _read_code_source(value: Any) -> Any:
    """The right model for a raw source, so that problems are told without the other models' problems."""
    if not isinstance(value, dict):
        return _as_code_source(value)
    kind = value.get("type")
    model = _CODE_SOURCES.get(kind) if isinstance(kind, str) else None
    if model is None:
        known = ", ".join(_CODE_SOURCES)
        shown = f"“{shortened(kind, 40)}” is not known" if isinstance(kind, str) else "is missing"
        raise refuse(
            f"has a type that {shown}; use one of {known}" if isinstance(kind, str) else f"needs a type: {known}",
            word=kind if isinstance(kind, str) and kind else "",
            choices=list(_CODE_SOURCES),
        )
    return model.model_validate(value)


def _as_code_source(value: Any) -> Any:
    if not isinstance(value, CodeSource):
        raise refuse(f"must be an object, not {json_kind(value)}")
    return value


class TwoFAAction(Element):
    """Wait for a one-time code. Times are seconds, offsets of the window are minutes."""

    action: Annotated[CodeSource, BeforeValidator(_read_code_source)]
    instructions: Annotated[str | None, PROMPT] = None
    output_variable_name: str
    max_wait_time: float = 300.0
    check_interval: float = 30.0
    start_2fa_time_offset_minutes: float = 0.0
    end_2fa_time_offset_minutes: float = 0.0


class PDFExtraction(ModelChoice):
    """A model reads a downloaded PDF whose name contains `filename`."""

    filename: Annotated[str, TEXT]
    extraction_format: dict[str, Any]
    extraction_instructions: Annotated[str, PROMPT]

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        yield from raw_format_problems(raw, "extraction_format")


class OCRCoordinatesExtraction(Element):
    """For remote desktops; skipped in a browser."""

    source_variable: str
    output_x_variable: str = "coords_x"
    output_y_variable: str = "coords_y"
    bounding_box_variables: BoundingBoxVariables = None


class VisionExtraction(Element):
    """For remote desktops; skipped in a browser."""

    prompt: Annotated[str, PROMPT]
    output_variable_names: list[str]


def _check_body(value: Any) -> Any:
    if not isinstance(value, dict | str | None):
        raise refuse(f"must be an object, text or null, not {json_kind(value)}")
    return value


class APICallExtraction(Element):
    """An HTTP request from the server (not the browser), repeated until `poll_condition` holds. Seconds."""

    url: Annotated[str, TEXT]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: Annotated[dict[str, str], TEXT] = {}
    query_params: Annotated[dict[str, str], TEXT] = {}
    body: Annotated[dict[str, Any] | str | None, BeforeValidator(_check_body), TEXT] = None
    output_variable_names: list[str] = ["api_result"]
    timeout: float = 30.0
    poll_condition: Annotated[str | None, LITERAL_SAFE] = None
    poll_interval: float = 5.0
    max_poll_attempts: int = 10


class ExtractionAction(OneOf):
    """One extraction. `allow_none` false: a null in a variable that it writes fails the task."""

    one_of_what: ClassVar[str] = "extraction"

    unique_identifier: Annotated[str | None, TEXT] = None
    allow_none: bool = False

    llm: LLMExtraction | None = None
    network_call: NetworkCallExtraction | None = None
    python_script: PythonScriptExtraction | None = None
    screenshot: ScreenshotExtraction | None = None
    state: StateExtraction | None = None
    two_fa_action: TwoFAAction | None = None
    pdf: PDFExtraction | None = None
    ocr_coordinates: OCRCoordinatesExtraction | None = None
    locator: LocatorExtraction | None = None
    vision: VisionExtraction | None = None
    api_call: APICallExtraction | None = None
