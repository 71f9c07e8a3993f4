"""Calls code of the operator's own."""

from typing import Any

from playwright.async_api import Error as PlaywrightError

from automation import PrivateNode
from automation.json_values import json_problems
from executor.errors import ActionError, RunError, first_line
from executor.private_nodes import PrivateNodeContext, find_handler, inputs_for
from executor.run import Run


async def call(node: PrivateNode, run: Run) -> None:
    """Call the node's handler and store what it returns under `output_variable_names`.

    Errors: AutomationError (no such handler, inputs that its model refuses), ActionError (the handler raised, or
    returned something that cannot be stored under the names), and the handler's own RunErrors.
    """
    handler = find_handler(node.handler)
    inputs = inputs_for(handler, node.handler, node.inputs)
    try:
        result = await handler(inputs, PrivateNodeContext.of(run))
    except (RunError, PlaywrightError):
        raise  # a page that does not do what it should is told like everywhere else
    except Exception as error:  # foreign code may raise anything, and its step is what has failed
        raise ActionError(f"the private node handler “{node.handler}” failed: {first_line(error)}") from error
    for name, value in _named(node, result).items():
        run.set_variable(name, value if isinstance(value, list) else [value])
        run.add_output(unique_identifier=name, json_data={name: value})


def _named(node: PrivateNode, result: Any) -> dict[str, Any]:
    """The result by the names of its variables: one name takes it whole, several take the keys of an object."""
    names = node.output_variable_names or []
    if not names:
        return {}
    problems, _ = json_problems(result)
    if problems:
        where = f" ({problems[0].path})" if problems[0].path else ""
        raise ActionError(f"the private node handler “{node.handler}” returned a value{where} that is no JSON")
    if len(names) == 1:
        return {names[0]: result}
    if not isinstance(result, dict):
        raise ActionError(f"the private node handler “{node.handler}” must return an object with {', '.join(names)}")
    if missing := [name for name in names if name not in result]:
        raise ActionError(f"the private node handler “{node.handler}” returned no {', '.join(missing)}")
    return {name: result[name] for name in names}
