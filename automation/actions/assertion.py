"""Assertions: what must be true of the page, or the task has failed."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic_core import InitErrorDetails

from automation.actions.extraction import ModelChoice, PageSource
from automation.element import Element, OneOf, RawObject
from automation.output_format import raw_format_problems
from automation.placeholders import PROMPT, TEXT
from automation.problems import error_at


class LLMAssertion(ModelChoice):
    """A model judges the page; `assertion_result` in its answer decides. It always gets a screenshot."""

    source: list[PageSource] = ["screenshot"]
    extraction_format: dict[str, Any] = {"assertion_result": "bool", "assertion_reason": "str"}
    extraction_instructions: Annotated[str, PROMPT]
    output_variable_names: list[str] | None = None
    include_full_page: bool = False
    recording_screenshot: str | None = None

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        yield from raw_format_problems(raw, "extraction_format")

    def settled(self) -> dict[str, Any]:
        return {} if "screenshot" in self.source else {"source": [*self.source, "screenshot"]}


class NetworkCallAssertion(Element):
    """A call was recorded whose address contains `url_pattern` and whose headers equal `header_filter`."""

    url_pattern: Annotated[str | None, TEXT] = None
    header_filter: Annotated[dict[str, str] | None, TEXT] = None


class PythonScriptAssertion(Element):
    """A script decides."""

    script: Annotated[str, TEXT]

    def problems(self) -> Iterator[InitErrorDetails]:
        if not self.script.strip():
            yield error_at(("script",), "must not be blank")


class AssertionAction(OneOf):
    """One assertion."""

    one_of_what: ClassVar[str] = "assertion"

    llm: LLMAssertion | None = None
    network_call: NetworkCallAssertion | None = None
    python_script: PythonScriptAssertion | None = None
