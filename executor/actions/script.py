"""Python scripts of documents. They run in a confined process of their own, or not at all (docs/scripts.md)."""

from typing import Any

from automation.actions.assertion import PythonScriptAssertion
from automation.actions.extraction import PythonScriptExtraction
from automation.actions.script import PythonScriptAction
from executor.actions.navigation import open_address
from executor.errors import (
    ActionError,
    ActionTimeoutError,
    AssertionFailedError,
    AutomationError,
    RunError,
    ScriptsDisabledError,
)
from executor.extraction.results import refuse_nulls
from executor.run import Run
from executor.scripts.conversation import Answer, Kind, run_script
from executor.scripts.permission import refuse_unless_allowed
from executor.scripts.process import ConfinementUnavailableError

DEFAULT_SECONDS = 60.0


async def act(action: PythonScriptAction, run: Run) -> None:
    """Call the script's `code_fn(page)`; what it returns is ignored.

    Errors: ScriptsDisabledError, AutomationError (no usable script), ActionError (it raised, or was ended),
    ActionTimeoutError.
    """
    answer = await _answer(action.execution_code, "action", run, DEFAULT_SECONDS)
    if answer.failure:
        raise _error(answer)


async def extract(action: PythonScriptExtraction, run: Run) -> None:
    """Call `code_fn(axtree, browser)`: an object is the output item and gives the variables, null is a warning.

    Errors: as `act`, and ActionError for any other result, a variable that is an object, or a null without
    `allow_none`.
    """
    answer = await _answer(action.script, "extraction", run, action.timeout_seconds or DEFAULT_SECONDS)
    if answer.failure:
        raise _error(answer)
    if answer.result is None:
        run.step.warn("the script gave null: there is no output")
        return
    if not isinstance(answer.result, dict):
        raise ActionError("the script gave neither an object nor null")
    for name in action.output_variable_names or ():
        run.set_variable(name, _as_variable(name, answer.result.get(name)))
    extraction = run.node.extraction_action
    run.add_output(unique_identifier=extraction.unique_identifier if extraction else None, json_data=answer.result)
    refuse_nulls(run)


async def check(action: PythonScriptAssertion, run: Run) -> None:
    """Call `code_fn(axtree, browser)`: what is true, or null, passes.

    Errors: as `act`, and AssertionFailedError when it is false or raises.
    """
    answer = await _answer(action.script, "assertion", run, DEFAULT_SECONDS)
    if answer.failure == "raised":
        raise AssertionFailedError(f"{run.step.label}: the script raised {answer.message}")
    if answer.failure:
        raise _error(answer)
    if answer.result is not None and answer.result is not True:
        raise AssertionFailedError(f"{run.step.label}: the script says that it does not hold")


async def _answer(script: str, kind: Kind, run: Run, seconds: float) -> Answer:
    unique_names = await refuse_unless_allowed(run.task_id, run.automation)
    try:
        answer = await run_script(
            script, kind, run, seconds=seconds, open_address=open_address, unique_names=unique_names
        )
    except ConfinementUnavailableError as error:
        raise ScriptsDisabledError(f"they cannot be confined on this host ({error})") from error
    if answer.failure:
        _ = run.tab  # when the page has crashed, that is the reason to tell
    return answer


def _error(answer: Answer) -> RunError:
    match answer.failure:
        case "invalid":
            return AutomationError(f"the script cannot be run: {answer.message}")
        case "raised":
            return ActionError(f"the script raised {answer.message}")
        case "timeout":
            return ActionTimeoutError(f"the script was ended: {answer.message}")
        case "result":
            return ActionError(f"the script gave no usable answer: {answer.message}")
        case _:
            return ActionError(f"the script was ended: {answer.message}")


def _as_variable(name: str, value: Any) -> list[Any]:
    if isinstance(value, dict):
        raise ActionError(f"the script gave an object for {name}: a variable is a list, a text, a number or a boolean")
    return value if isinstance(value, list) else [value]
