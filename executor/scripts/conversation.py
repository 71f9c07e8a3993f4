"""One script from its text to its answer: its calls are answered, its words are written down, its time is limited."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from automation.json_values import json_problems
from executor.errors import RunError, first_line
from executor.run import Run
from executor.scripts.arguments import CallRefusedError
from executor.scripts.frames import FrameError, Message
from executor.scripts.interface import Interface, OpenAddress
from executor.scripts.process import ConfinedProcess, ScriptBrokenError, place_for

# While so many calls are without an answer, no other message is taken.
_MAX_CALLS_AT_ONCE = 16
_MAX_MESSAGES = 50_000
_MAX_LINES = 200
_LONGEST_LINE = 2_000
_LONGEST_SECONDS = 24 * 3600.0
_LEVELS = ("debug", "info", "warning", "error")

Kind = Literal["extraction", "assertion", "action"]
Failure = Literal["", "invalid", "raised", "result", "timeout", "broken"]
# What a script's process may say by itself.
_FAILURES: Mapping[str, Failure] = {"invalid": "invalid", "raised": "raised", "result": "result"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script gave (`result`, JSON), or why it gave nothing: `failure` and a message for people.

    failure: `invalid` (it is no script), `raised`, `result` (it cannot be kept), `timeout`, `broken`.
    """

    result: Any = None
    failure: Failure = ""
    message: str = ""


async def run_script(
    script: str,
    kind: Kind,
    run: Run,
    *,
    seconds: float,
    open_address: OpenAddress,
    unique_names: Sequence[str] = (),
) -> Answer:
    """Run `script` in a process of its own with the page of `run`; `seconds` bounds it, whatever it does.

    Raises ConfinementUnavailableError when it cannot be confined on this host.
    """
    # Waiting costs no processor time, so the second limit only matters to what outlives the worker's own clock.
    cpu_seconds = round(min(seconds, _LONGEST_SECONDS)) + 2
    async with ConfinedProcess(await place_for(run.folder), cpu_seconds=cpu_seconds) as process:
        await process.start(await asyncio.to_thread(_files_of, run.folder / "downloads"))
        conversation = _Conversation(process, run, Interface(run, open_address))
        try:
            async with asyncio.timeout(seconds):
                start = {"script": script, "kind": kind, "context": _context_of(run, unique_names)}
                return await conversation.hold(start)
        except TimeoutError:
            return Answer(failure="timeout", message=f"it took more than {seconds:g} s")
        except FrameError as error:
            return Answer(failure="broken", message=f"a message of it was refused: {error}")
        except ScriptBrokenError as error:
            return Answer(failure="broken", message=str(error))
        finally:
            await conversation.stop()


def _files_of(folder: Path) -> list[Path]:
    """The attempt's files, the newest first."""
    files = [each for each in folder.iterdir() if each.is_file()] if folder.is_dir() else []
    return sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)


def _context_of(run: Run, unique_names: Sequence[str]) -> dict[str, Any]:
    unique = {name: run.input_parameters[name] for name in unique_names if name in run.input_parameters}
    return {
        "state": run.memory.script_state,
        "variables": run.memory.variables,
        "input_parameters": dict(run.input_parameters),
        "unique_parameters": unique,
    }


@dataclass(slots=True)
class _Conversation:
    process: ConfinedProcess
    run: Run
    interface: Interface
    _calls: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _lines: int = 0

    async def hold(self, start: Message) -> Answer:
        try:
            await self.process.send(start)
        except FrameError as error:
            return Answer(failure="broken", message=f"what it would be given is no message: {error}")
        for _ in range(_MAX_MESSAGES):
            message = await self.process.receive()
            problems, _ = json_problems(message)
            if "call" in message:
                if problems:
                    raise FrameError(f"{problems[0].path} {problems[0].message}")
                await self._begin(message)
            elif "log" in message:
                self._write_down(message)
            else:
                return self._answer_in(message, [f"{each.path} {each.message}" for each in problems])
        raise ScriptBrokenError(f"it sent more than {_MAX_MESSAGES:,} messages")

    async def stop(self) -> None:
        """Calls that nobody waits for anymore."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _begin(self, message: Message) -> None:
        number = message["call"]
        if not isinstance(number, int):
            raise FrameError("a call without a number")
        while len(self._calls) >= _MAX_CALLS_AT_ONCE:
            await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)
        call = asyncio.create_task(self._reply(number, message), name="call of a script")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _reply(self, number: int, message: Message) -> None:
        answer: Message = {"answer": number}
        try:
            answer["value"] = await self.interface.do(message)
        except PlaywrightTimeoutError as error:
            answer |= {"error": first_line(error), "timed_out": True}
        except (PlaywrightError, RunError, CallRefusedError) as error:
            answer |= {"error": first_line(error)}
        except (TypeError, ValueError) as error:  # what Playwright itself says about an argument
            answer |= {"error": f"{type(error).__name__}: {first_line(error)}"}
        try:
            await self.process.send(answer)
        except FrameError as error:
            await self.process.send({"answer": number, "error": f"the answer cannot be sent: {error}"})

    def _write_down(self, message: Message) -> None:
        self._lines += 1
        if self._lines > _MAX_LINES:
            return
        level = message.get("level")
        text = str(message["log"])[:_LONGEST_LINE].replace("\x00", "")
        if self._lines == _MAX_LINES:
            text = f"more than {_MAX_LINES} lines; the rest is left out"
        plain = text.encode(errors="replace").decode()
        self.run.recorder.event("script", {"level": level if level in _LEVELS else "info", "text": plain})

    def _answer_in(self, message: Message, problems: list[str]) -> Answer:
        if problems:
            return Answer(failure="result", message=f"its answer cannot be kept: {problems[0]}"[:500])
        if "failure" in message:
            failure = _FAILURES.get(str(message["failure"]), "broken")
            return Answer(failure=failure, message=str(message.get("message"))[:_LONGEST_LINE])
        state = message.get("state")
        if isinstance(state, dict):
            with contextlib.suppress(FrameError):
                self.run.memory.script_state = state
        return Answer(result=message.get("result"))
