"""What a script's calls do: each is judged by the vocabulary, and done on the page it names. There is nothing else."""

import asyncio
import base64
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page

from automation import LocatorError, expand_value, parse_locator
from executor import artifacts
from executor.locators import build_locator
from executor.run import Run
from executor.scripts.arguments import CallRefusedError, checked_arguments
from executor.scripts.vocabulary import OBJECTS

_MAX_PAGES = 200
_MAX_FILES = 100
_DEEPEST = 100

OpenAddress = Callable[[Page, str], Awaitable[object]]


@dataclass(slots=True)
class _File:
    """A download in the making; the worker's own file, whatever the script calls it."""

    path: Path
    size_bytes: int = 0


@dataclass(slots=True)
class Interface:
    """The worker's side of one script's calls. `open_address`: how a page goes somewhere, with the server's rules."""

    run: Run
    open_address: OpenAddress
    _pages: list[Page] = field(default_factory=list[Page])
    _files: dict[int, _File] = field(default_factory=dict[int, _File])
    _files_begun: int = 0

    async def do(self, call: Mapping[str, Any]) -> Any:
        """What the call gives, as JSON. Raises CallRefusedError, Playwright's errors, and RunError."""
        on, name = call.get("on"), call.get("method")
        methods = OBJECTS.get(on) if isinstance(on, str) else None
        method = methods.get(name) if methods is not None and isinstance(name, str) else None
        if method is None or not isinstance(name, str):
            raise CallRefusedError("there is no such call on this server")
        arguments = checked_arguments(name, method, call.get("arguments"))
        match on:
            case "browser":
                return self._number_of(self.run.page)
            case "context":
                return await self._do_with_file(name, arguments)
            case "page":
                return await self._do_on_page(self._page(call), name, arguments)
            case "locator":
                return await self._do_on_locator(self._page(call), call.get("locator"), name, arguments)
            case "keyboard":
                return await getattr(self._page(call).keyboard, name)(**arguments)
            case _:
                return await getattr(self._page(call).mouse, name)(**arguments)

    # --- pages -----------------------------------------------------------------------------------------------

    def _number_of(self, page: Page) -> int:
        if page not in self._pages:
            if len(self._pages) >= _MAX_PAGES:
                raise CallRefusedError("the script has asked for too many pages")
            self._pages.append(page)
        return self._pages.index(page)

    def _page(self, call: Mapping[str, Any]) -> Page:
        number = call.get("page")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(self._pages):
            raise CallRefusedError("there is no such page")
        return self._pages[number]

    async def _do_on_page(self, page: Page, name: str, arguments: dict[str, Any]) -> Any:
        match name:
            case "url":
                return page.url
            case "goto":
                await self.open_address(page, arguments["url"])
                return None
            case "wait_for_function":
                await (await page.wait_for_function(**arguments)).dispose()
                return None
            case _:
                return as_json(await getattr(page, name)(**arguments))

    async def _do_on_locator(self, page: Page, command: object, name: str, arguments: dict[str, Any]) -> Any:
        locator = _locator(command, page)
        if name == "drag_to":
            arguments["target"] = _locator(arguments["target"], page)
        return as_json(await getattr(locator, name)(**arguments))

    # --- files -----------------------------------------------------------------------------------------------

    async def _do_with_file(self, name: str, arguments: dict[str, Any]) -> Any:
        if name == "begin_file":
            return self._begin_file()
        file = self._files.get(arguments["file"])
        if file is None:
            raise CallRefusedError("there is no such file")
        if name == "write_file":
            return await self._write(file, arguments["piece"])
        del self._files[arguments["file"]]
        return await self._keep(file, arguments["filename"], arguments.get("metadata"))

    def _begin_file(self) -> int:
        self._files_begun += 1
        if self._files_begun > _MAX_FILES:
            raise CallRefusedError(f"a script may save at most {_MAX_FILES} files")
        self._files[self._files_begun] = _File(self.run.downloads.new_path())
        return self._files_begun

    async def _write(self, file: _File, piece: str) -> None:
        try:
            data = base64.b64decode(piece, validate=True)
        except ValueError:
            raise CallRefusedError("the piece of the file is not base64") from None
        file.size_bytes += len(data)
        if file.size_bytes > artifacts.max_bytes():
            raise CallRefusedError("the file is larger than ARTIFACT_MAX_MB")
        await asyncio.to_thread(_append, file.path, data)

    async def _keep(self, file: _File, filename: str, metadata: dict[str, Any] | None) -> str:
        await asyncio.to_thread(file.path.touch, 0o600)  # an empty one has no pieces, and is refused below
        arrived = await self.run.downloads.add_fetched(file.path, name=filename, url="", content_type="")
        values = expand_value(metadata, input=self.run.input_parameters, generated=self.run.memory.variables)
        return await self.run.keep_download(arrived, filename=filename, metadata=values)


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as target:
        target.write(data)


def _locator(command: object, page: Page) -> Locator:
    """The same grammar as in documents, so that nothing else can be built; braces in it are plain text."""
    try:
        tree = parse_locator(command) if isinstance(command, str) else None
    except LocatorError as error:
        raise CallRefusedError(f"the locator {error}") from None
    if tree is None:
        raise CallRefusedError("the locator is blank")
    return build_locator(tree, page)


def as_json(value: Any, depth: int = 0) -> Any:
    """What Playwright gives, as JSON: dates as ISO texts, NaN and infinities as null, other things as text."""
    if depth > _DEEPEST:
        raise CallRefusedError("the page's answer is nested too deeply")
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [as_json(each, depth + 1) for each in value]
        case dict():
            return {str(key): as_json(each, depth + 1) for key, each in value.items()}
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
