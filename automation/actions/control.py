"""What steers the run instead of the page: sleeping, failing on purpose, variables."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field
from pydantic_core import InitErrorDetails

from automation.actions.extraction import ModelChoice, unknown_output_names
from automation.element import Element, RawObject
from automation.output_format import raw_format_problems
from automation.parameters import ScalarOrNull
from automation.placeholders import PROMPT, SOURCE, TEXT
from automation.problems import error_at

FAILURE_MESSAGE = "The automation reached a state that its author marked as failed."


class SleepAction(Element):
    """Sleep for so many seconds; negative: not at all."""

    sleep_time: float


class FailStateAction(Element):
    """Fail the task (or the pass of a loop) with this message."""

    failure_message: Annotated[str, TEXT] = FAILURE_MESSAGE


class SetVariableAction(Element):
    """Set a variable to a value (taken as it stands) or to the result of an expression."""

    name: Annotated[str, TEXT]
    value: ScalarOrNull = None
    expression: Annotated[str | None, SOURCE] = None
    output_variable_name: Annotated[str | None, TEXT] = None
    # Ours: a list result is stored as the list itself, so that a loop can walk it.
    as_list: bool = False

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        if (raw.get("value") is None) == (raw.get("expression") is None):
            yield error_at((), "needs exactly one of value and expression")


class CountLocatorAction(Element):
    """Count what a locator command matches. `locator_timeout`: seconds to wait for the first match."""

    locator: Annotated[str, SOURCE]
    name: Annotated[str, TEXT]
    locator_timeout: float = Field(default=5.0, ge=0)
    output_variable_name: Annotated[str | None, TEXT] = None


class LLMQueryAction(ModelChoice):
    """Ask a model without showing it the page."""

    output_format: dict[str, Any]
    prompt_instructions: Annotated[str, PROMPT]
    output_variable_names: list[str] | None = None

    @classmethod
    def raw_problems(cls, raw: RawObject) -> Iterator[InitErrorDetails]:
        yield from raw_format_problems(raw, "output_format")

    def problems(self) -> Iterator[InitErrorDetails]:
        yield from unknown_output_names(self.output_variable_names, self.output_format)


class MiscAction(Element):
    """At most one of these runs, the first in this order; none is fine, too, and does nothing."""

    set_variable: SetVariableAction | None = None
    llm_query: LLMQueryAction | None = None
    count_locator: CountLocatorAction | None = None

    @property
    def chosen_name(self) -> str | None:
        """The name of the field that runs, or None."""
        return next((name for name in type(self).model_fields if getattr(self, name) is not None), None)

    @property
    def chosen(self) -> SetVariableAction | LLMQueryAction | CountLocatorAction | None:
        """What runs, or None."""
        return self.set_variable or self.llm_query or self.count_locator
