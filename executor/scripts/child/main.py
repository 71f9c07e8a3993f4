"""A script's process, from its start to its end.

Confined first, told what to run only then: the text of a script never reaches a process that is not locked in.
"""

import asyncio
import contextlib
import importlib.util
import inspect
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from executor.scripts.child.channel import Channel, Error, TimedOutError
from executor.scripts.child.confinement import ConfinementError, Order, confine
from executor.scripts.child.context import Context
from executor.scripts.child.proxies import Browser, Locator, Page
from executor.scripts.frames import FrameError, Message, encode

_FUNCTION = "code_fn"
_FILE = "script.py"
_CONTEXT_NAMES = ("ctx", "context")
_LONGEST_LINE = 2_000
_LONGEST_MESSAGE = 1_000
# Parts of the standard library that are linked with libraries of the system, which are out of reach later.
_LINKED = (
    "_bz2",
    "_ctypes",
    "_decimal",
    "_elementtree",
    "_hashlib",
    "_lzma",
    "_sqlite3",
    "_ssl",
    "_uuid",
    "pyexpat",
    "unicodedata",
    "zlib",
)


def main(folder_of_packages: str) -> None:
    """Speak with the worker over the standard streams; never returns."""
    sys.path.remove(folder_of_packages)
    _load_linked()
    channel = Channel(*_take_streams())
    loop = asyncio.new_event_loop()
    try:
        layers = confine(Order(**channel.receive()))
    except ConfinementError as error:
        channel.send({"refused": str(error)})
        os._exit(1)
    # Nothing was inherited; these are for what looks for a place of its own.
    os.environ |= {"HOME": layers.folder, "TMPDIR": layers.folder}
    channel.send({"ready": layers.as_message()})
    start = channel.receive()
    channel.listen(loop)
    _end(channel, loop.run_until_complete(answer_to(start, channel, Path(layers.folder))))


def _load_linked() -> None:
    for name in _LINKED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _take_streams() -> tuple[int, int]:
    """The two ends of the channel; the standard streams, and all else that may be open, lead nowhere from now on."""
    reader, writer = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.closerange(max(reader, writer, null) + 1, os.sysconf("SC_OPEN_MAX"))
    return reader, writer


def _end(channel: Channel, answer: Message) -> None:
    try:
        channel.send(answer)
    except FrameError as error:
        channel.send({"failure": "result", "message": f"its result and ctx.state cannot be kept: {error}"})
    # Nothing of the script (threads, exit handlers) gets another turn.
    os._exit(0)


async def answer_to(start: Message, channel: Channel, folder: Path) -> Message:
    """Run the script of `start`: its result, or why there is none."""
    context = Context(channel, start["context"], folder / "downloads")
    words = _Lines(context.log)
    with contextlib.redirect_stdout(words), contextlib.redirect_stderr(words):
        try:
            result = await _result_of(start["script"], start["kind"], channel, context, folder)
        except _ScriptError as error:
            return {"failure": error.kind, "message": str(error)}
        except BaseException as error:
            return {"failure": "raised", "message": _described(error, folder / _FILE)}
        finally:
            words.flush()
    return _checked(result, context.state)


async def _result_of(script: str, kind: str, channel: Channel, context: Context, folder: Path) -> Any:
    code = _function_of(_loaded(script, folder))
    arguments = await _arguments(kind, channel)
    result = code(*arguments, **_context_argument(code, context))
    if inspect.isawaitable(result):
        result = await result
    match kind:
        case "assertion":
            return None if result is None else bool(result)
        case "action":
            return None
        case _:
            return result


def _checked(result: object, state: object) -> Message:
    """The result with the state that the next script gets; both have to be JSON."""
    answer = {"result": result, "state": state}
    for what, name in (("its result", "result"), ("ctx.state", "state")):
        try:
            encode({name: answer[name]})
        except FrameError as error:
            return {"failure": "result", "message": f"{what} cannot be kept: {error}"}
    return answer


class _ScriptError(Exception):
    """It could not even be called."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _loaded(text: str, folder: Path) -> ModuleType:
    path = folder / _FILE
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    _offer_names_of_playwright()
    spec = importlib.util.spec_from_file_location("script", path)
    if spec is None or spec.loader is None:
        raise _ScriptError("invalid", "it cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise _ScriptError("invalid", f"it is not valid Python: {error.msg} (line {error.lineno})") from None
    except UnicodeDecodeError:
        raise _ScriptError("invalid", "it is not valid Python: it holds half a character") from None
    return module


def _offer_names_of_playwright() -> None:
    """Scripts name its errors in `except` clauses, and its classes in annotations."""
    package, names = ModuleType("playwright"), ModuleType("playwright.async_api")
    offered = {"Error": Error, "TimeoutError": TimedOutError}
    for name, value in {**offered, "Browser": Browser, "Locator": Locator, "Page": Page}.items():
        setattr(names, name, value)
    sys.modules |= {"playwright": package, "playwright.async_api": names}


def _function_of(module: ModuleType) -> Callable[..., Any]:
    code: Callable[..., Any] | None = getattr(module, _FUNCTION, None)
    if not callable(code):
        raise _ScriptError("invalid", f"it does not define `async def {_FUNCTION}`")
    return code


async def _arguments(kind: str, channel: Channel) -> Sequence[Any]:
    browser = Browser(channel)
    # What would be the accessibility tree is always null.
    return (await browser.get_current_page(),) if kind == "action" else (None, browser)


def _context_argument(code: Callable[..., Any], context: Context) -> dict[str, Context]:
    """Only a parameter of that name gets it: a third one of another name is the author's own."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(code).parameters
    for name in _CONTEXT_NAMES:
        if name in parameters and parameters[name].kind in by_name:
            return {name: context}
    return {}


def _described(error: BaseException, script: Path) -> str:
    """`ValueError: no such claim (line 12)`."""
    lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == str(script)]
    try:
        text = str(error).strip().splitlines()
    except Exception:  # the script's own class
        text = []
    described = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    return described[:_LONGEST_MESSAGE] + (f" (line {lines[-1]})" if lines else "")


class _Lines(io.TextIOBase):
    """What a script prints goes the way of `ctx.log`, line by line."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._log(line[:_LONGEST_LINE])
        self._line = self._line[:_LONGEST_LINE]
        return len(text)

    def flush(self) -> None:
        line, self._line = self._line, ""
        if line:
            self._log(line)
