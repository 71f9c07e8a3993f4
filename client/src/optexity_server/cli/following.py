"""Waiting for a task while its steps are shown."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

from rich.live import Live

from optexity_server.async_client import AsyncTaskHandle
from optexity_server.cli.output import Exit, Output, pretty
from optexity_server.cli.session import Session
from optexity_server.cli.timeline import Line, Timeline, seconds
from optexity_server.errors import OptexityError, WaitTimeoutError
from optexity_server.models import Event, Task

LOOK_AGAIN_SECONDS = 1.0


def follow_to_end(session: Session, task_id: str, timeout: float | None) -> Exit:
    """Show the steps of a task until it has ended, and its result; the exit code of that."""
    output = session.output

    def tell(line: Line) -> None:
        output.say(line.text)

    quiet = output.as_json or output.has_live_screen()
    timeline = Timeline() if quiet else Timeline(tell)
    try:
        task = asyncio.run(_follow(session, task_id, timeline, timeout, live=output.has_live_screen()))
    except WaitTimeoutError as error:
        return _not_ended(output, error)
    except KeyboardInterrupt:
        output.say(f"The task goes on: optexity-server wait {task_id}")
        raise
    return show_result(output, task)


def follow_lines(session: Session, task_id: str, timeout: float | None) -> Exit:
    """Like that, for `logs --follow`: the steps are the result, with JSON an object for each event."""
    output = session.output
    output.is_stream = True
    timeline, hear = Timeline(), None
    if output.as_json:
        hear = _as_json(output)
    # With stdout in a file, the file gets the steps.
    live = output.has_live_screen() and sys.stdout.isatty()
    if not live and hear is None:
        timeline = Timeline(lambda line: output.result(None, line.text))
    try:
        task = asyncio.run(_follow(session, task_id, timeline, timeout, live=live, hear=hear))
    except WaitTimeoutError as error:
        return output.fail(error)
    output.say(ending(task))
    return Exit.OK if task.succeeded else Exit.FAILED


def show_result(output: Output, task: Task) -> Exit:
    """The output data on stdout, or with JSON the whole task."""
    output.say(ending(task))
    output.result(task.raw, pretty(task.output_data) if task.output_data is not None else None)
    return Exit.OK if task.succeeded else Exit.FAILED


def ending(task: Task) -> str:
    took = "" if task.duration_ms is None else f" after {seconds(task.duration_ms)}"
    return f"Task {task.task_id}: {task.status}{took}" + (f": {task.error}" if task.error else "")


def _not_ended(output: Output, error: WaitTimeoutError) -> Exit:
    output.say(f"Error: {error}")
    if error.task is not None:
        output.result(error.task.raw)
    return Exit.NOT_ENDED


def _as_json(output: Output) -> Callable[[Event], None]:
    def hear(event: Event) -> None:
        output.json_line({"id": event.event_id, "event": event.name, **event.raw})

    return hear


async def _follow(
    session: Session,
    task_id: str,
    timeline: Timeline,
    timeout: float | None,  # noqa: ASYNC109 - an answer of the server, not a cancelled task
    *,
    live: bool,
    hear: Callable[[Event], None] | None = None,
) -> Task:
    async with session.async_client() as client:
        handle = client.handle(task_id)
        screen: Any = Live(timeline, console=session.output.stderr, transient=False) if live else nullcontext()
        with screen:
            if hear is not None:
                return await _with_events(handle, hear, timeout)
            listener = asyncio.create_task(_listen(handle, timeline), name="events")
            try:
                task = await handle.wait(timeout)
            finally:
                listener.cancel()
                with suppress(asyncio.CancelledError):
                    await listener
            timeline.status = task.status
            # How the task ended is known: that is told also if the server has gone since.
            with suppress(OptexityError):
                timeline.see(await handle.steps())
            return task


async def _with_events(
    handle: AsyncTaskHandle,
    hear: Callable[[Event], None],
    timeout: float | None,  # noqa: ASYNC109 - as above
) -> Task:
    """The events are the result: without them there is none, and the last one comes before the end."""

    async def listen() -> None:
        async for event in handle.events():
            hear(event)

    try:
        await asyncio.wait_for(listen(), timeout)
    except TimeoutError:
        raise WaitTimeoutError(handle.task_id, timeout or 0.0, await handle.refresh()) from None
    return await handle.wait(0)


async def _listen(handle: AsyncTaskHandle, timeline: Timeline) -> None:
    """Keep the timeline up to date until cancelled, by events or, where there are none, by looking."""
    with suppress(OptexityError):
        timeline.see(await handle.steps())
        async for event in handle.events():
            timeline.hear(event)
    # A server without events, or with too many listeners. Whether it can be reached at all is told by the wait.
    while True:
        with suppress(OptexityError):
            timeline.see(await handle.steps())
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
