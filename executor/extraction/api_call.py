"""The answer of an HTTP API that the server itself asks, again and again where the author wants that."""

import asyncio
import json
from typing import Any

import requests

from automation import evaluate_poll_condition
from automation.actions.extraction import APICallExtraction
from executor.extraction.bodies import body_value
from executor.fetching import FETCH_ERRORS, Outgoing, fetch_bytes, reason_of
from executor.run import Run

# The answer becomes a variable and a part of the task's output.
MAX_BODY_BYTES = 8 * 1024 * 1024

# {"status_code", "headers", "body"}, or with "error" when there was no answer.
Result = dict[str, Any]


async def call_api(action: APICallExtraction, run: Run) -> None:
    """Store the answer, or why there was none, as an object in every output variable and in the output.

    A status of 4xx or 5xx is an answer; a request that the server's policy refuses is an `http_error`. Fails nothing.
    """
    result = await _ask(action)
    if action.poll_condition is not None:
        result = await _poll(action, action.poll_condition, result, run)
    if "error" in result:
        run.step.warn(f"no answer: {result['message']}")
    else:
        run.step.note(f"HTTP {result['status_code']}")
    for name in action.output_variable_names:
        run.set_variable(name, result)
    extraction = run.node.extraction_action
    run.add_output(unique_identifier=extraction.unique_identifier if extraction else None, json_data=result)


async def _poll(action: APICallExtraction, condition: str, result: Result, run: Run) -> Result:
    """The first result that meets the condition, else the last one, with a warning."""
    asked = 1
    while "error" not in result and not evaluate_poll_condition(condition, result):
        if asked >= action.max_poll_attempts:
            run.step.warn(f"the poll condition did not come true in {asked} request{'s' if asked > 1 else ''}")
            break
        await asyncio.sleep(max(0.0, action.poll_interval))
        result = await _ask(action)
        asked += 1
    return result


async def _ask(action: APICallExtraction) -> Result:
    headers = {name.lower(): value for name, value in action.headers.items()}
    body = action.body.encode() if isinstance(action.body, str) else None
    if isinstance(action.body, dict):
        body = json.dumps(action.body, ensure_ascii=False).encode()
        headers.setdefault("content-type", "application/json")
    asked = Outgoing(action.url, action.method, headers, action.query_params, body)
    try:
        answer, data = await fetch_bytes(asked, max_bytes=MAX_BODY_BYTES, seconds=max(0.001, action.timeout))
    except FETCH_ERRORS as error:
        kind = "timeout" if isinstance(error, requests.Timeout) else "http_error"
        return {"error": kind, "message": reason_of(error), "status_code": None, "body": None, "headers": {}}
    value = await asyncio.to_thread(body_value, data, answer.content_type)
    return {"status_code": answer.status, "headers": dict(answer.headers), "body": value}
