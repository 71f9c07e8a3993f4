"""What steers the run instead of the page: sleeping, failing on purpose, variables."""

import asyncio
from typing import Any

from django.conf import settings

from automation import ExpressionError, LocatorError, evaluate_expression
from automation.actions.control import (
    CountLocatorAction,
    FailStateAction,
    MiscAction,
    SetVariableAction,
    SleepAction,
)
from executor.counting import count_matches
from executor.errors import AutomationError, FailStateError
from executor.run import Run


async def sleep(action: SleepAction, run: Run) -> None:
    """Sleep as long as the author says, or until the page has settled when HONOUR_EXPLICIT_SLEEPS is off."""
    seconds = max(0.0, action.sleep_time)
    if settings.HONOUR_EXPLICIT_SLEEPS:
        await asyncio.sleep(seconds)
    else:
        await run.tab.activity.settle(seconds)


async def fail_state(action: FailStateAction, run: Run) -> None:
    """End the attempt with the author's message."""
    raise FailStateError(run.masking.mask(action.failure_message))


async def set_variable(action: SetVariableAction, run: Run) -> None:
    """Set a variable to a value, or to what an expression says; a list stays one item of it unless `as_list` is set.

    Errors: AutomationError (the expression cannot be evaluated).
    """
    value = action.value if action.expression is None else _value_of(action.expression, run)
    run.set_variable(action.name, value if action.as_list and isinstance(value, list) else [value])
    _put_out(action.output_variable_name, value, run)


def _value_of(expression: str, run: Run) -> Any:
    try:
        return evaluate_expression(expression, input=run.input_parameters, generated=run.memory.variables)
    except ExpressionError as error:
        raise AutomationError(f"the expression “{expression[:200]}” {error}") from error


async def count_locator(action: CountLocatorAction, run: Run) -> None:
    """Set a variable to the number of matches, counted like those of a loop; none is 0.

    Errors: AutomationError (the locator is unusable), BrowserCrashedError.
    """
    try:
        command = run.parse(action.locator)
    except LocatorError as error:
        raise AutomationError(f"the locator to count is unusable: it {error}") from error
    if command is None:
        raise AutomationError("the locator to count is blank")
    count = await count_matches(command, run, first_match_seconds=action.locator_timeout)
    run.set_variable(action.name, [count])
    _put_out(action.output_variable_name, count, run)


def _put_out(name: str | None, value: Any, run: Run) -> None:
    if name is not None:
        run.add_output(unique_identifier=name, json_data={name: value})


async def do_nothing(_action: MiscAction, _run: Run) -> None:
    """What an editor leaves behind when nothing was chosen."""
