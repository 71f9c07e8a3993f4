"""Bodies of the calls that the pages made since the last interaction began."""

import asyncio
from collections.abc import Sequence
from typing import Any

from automation.actions.extraction import NetworkCallExtraction
from executor.errors import ActionError, AutomationError, DownloadMissingError
from executor.extraction.bodies import body_text, body_value
from executor.fetching import fetch_file, outgoing_of, shown
from executor.network import Call
from executor.run import Run

# For responses that are still coming when they are asked for.
_BODIES_SECONDS = 5.0
# Files of one node; a pattern that matches everything should not ask a site for everything again.
MAX_FILES = 50


async def extract(action: NetworkCallExtraction, run: Run) -> None:
    """Append an output item for each call of the kind whose address contains the pattern, and save files.

    No match is no error. What is left out (bodies that the browser has forgotten, too many calls) is told in the step.
    """
    calls = run.network.matching(action.url_pattern)
    await run.network.wait_for_bodies(calls, seconds=_BODIES_SECONDS)
    if action.extract_from is not None:
        await _add_bodies([call for call in calls if call.kind == action.extract_from], action, run)
    if action.download_filename and action.download_from is not None:
        await _save([call for call in calls if call.kind == action.download_from], action.download_filename, run)
    if run.network.left_out:
        run.step.warn(f"{run.network.left_out} later calls were not recorded")


async def _add_bodies(calls: Sequence[Call], action: NetworkCallExtraction, run: Run) -> None:
    if not calls:
        run.step.warn(f"no {action.extract_from} with “{action.url_pattern or ''}” in its address was recorded")
    extraction = run.node.extraction_action
    label = extraction.unique_identifier if extraction else None
    for call in calls:
        run.add_output(unique_identifier=label, json_data={"body": await _body_of(call, run)})


async def _body_of(call: Call, run: Run) -> Any:
    if call.kind == "request":
        sent = call.request.post_data_buffer
        return None if sent is None else body_text(sent, call.request.headers.get("content-type", ""))
    if call.body is None:
        if call.missing is not None:
            run.step.warn(f"the body of {shown(call.url)} is missing: {call.missing}")
        return None
    return await asyncio.to_thread(body_value, call.body, call.content_type)


# --- files ---------------------------------------------------------------------------------------------------


async def _save(calls: Sequence[Call], filename: str, run: Run) -> None:
    """Each as a download of the task; what cannot be saved is told, and fails nothing."""
    names: list[str] = []
    for call in calls[:MAX_FILES]:
        try:
            names.append(await _save_one(call, filename, run))
        except (ActionError, AutomationError) as error:
            run.step.warn(f"not saved: {error}")
    if len(calls) > MAX_FILES:
        run.step.warn(f"only the first {MAX_FILES} of {len(calls)} files were saved")
    run.step.details["downloads"] = names


async def _save_one(call: Call, filename: str, run: Run) -> str:
    target = run.downloads.new_path()
    content_type = call.content_type
    if call.kind == "request":
        content_type = (await fetch_file(await outgoing_of(call.request), run.page, target)).content_type
    elif call.body is None:
        raise DownloadMissingError(f"the body of {shown(call.url)} is missing ({call.missing or 'not read'})")
    else:
        await asyncio.to_thread(target.write_bytes, call.body)
    file = await run.downloads.add_fetched(target, name=filename, url=call.url, content_type=content_type)
    return await run.keep_download(file, filename=filename)
