"""`ctx`: what a script gets beside the page."""

import base64
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from executor.scripts.child.channel import Channel
from executor.scripts.child.proxies import Browser, Page
from executor.scripts.frames import PIECE_BYTES

_LEVELS = ("debug", "info", "warning", "error")
_TARGET = {"on": "context"}


class Context:
    """Parameters, variables and files of the task. `state` is shared by the scripts of one attempt."""

    def __init__(self, channel: Channel, given: Mapping[str, Any], downloads_dir: Path) -> None:
        self._channel = channel
        self.state: dict[str, Any] = given["state"]
        self.variables: dict[str, Any] = given["variables"]
        self.input_parameters: dict[str, list[Any]] = given["input_parameters"]
        self.unique_parameters: dict[str, list[Any]] = given["unique_parameters"]
        self.downloads_dir = downloads_dir

    async def get_page(self) -> Page:
        return await Browser(self._channel).get_current_page()

    def log(self, message: Any, level: str = "info") -> None:
        """A line in the task's timeline."""
        if level not in _LEVELS:
            raise ValueError(f"unknown level {level!r}: use one of {', '.join(_LEVELS)}")
        self._channel.send({"log": str(message), "level": level})

    async def save_download(
        self,
        filename: str,
        content: bytes | str | None = None,
        *,
        path: str | Path | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Path:
        """Keep `content`, or the file at `path`, as a download of the task; a path whose name is the final one."""
        if (content is None) == (path is None):
            raise ValueError("save_download needs either content or path")
        number = await self._channel.call(_TARGET, "begin_file", {})
        for piece in _pieces(content) if path is None else _pieces_of_file(Path(path)):
            text = base64.b64encode(piece).decode()
            await self._channel.call(_TARGET, "write_file", {"file": number, "piece": text})
        arguments = {"file": number, "filename": str(filename), "metadata": metadata}
        name: str = await self._channel.call(_TARGET, "end_file", arguments)
        _put(self.downloads_dir / name, content, path)
        return self.downloads_dir / name


def _put(kept: Path, content: bytes | str | None, path: str | Path | None) -> None:
    """The same file under its final name, for the rest of the script."""
    if path is None:
        kept.write_bytes(b"".join(_pieces(content)))
        return
    try:
        Path(path).replace(kept)
    except OSError:  # where nothing can be removed, it stays at its old place, too
        shutil.copyfile(path, kept)


def _pieces(content: bytes | str | None) -> Iterator[bytes]:
    data = content.encode() if isinstance(content, str) else bytes(content or b"")
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def _pieces_of_file(path: Path) -> Iterator[bytes]:
    # Read here, so whatever the path is, it is nothing that the script may not see.
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
