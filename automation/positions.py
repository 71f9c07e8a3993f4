"""Where in a JSON text the value of a path stands, so that an editor or a pipeline can point at its line."""

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field

from automation.problems import path_text

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class Positions:
    """The lines of a valid JSON text by path (`nodes[3].sleep_action`). A path that is not there has that of the
    nearest part around it, so a missing field is shown at its object.

    duplicates: paths of keys that an object holds more than once; readers of JSON keep the last.
    """

    def __init__(self, text: str) -> None:
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._offsets: dict[str, int] = {"": 0}
        self.duplicates: list[str] = []
        self._read(text)

    def line_of(self, path: str) -> int:
        """The 1-based line of `path`."""
        while path and path not in self._offsets:
            path = _around(path)
        return bisect_right(self._line_starts, self._offsets[path])

    def _read(self, text: str) -> None:
        stack: list[_Open] = []
        for match in _TOKEN.finditer(text):
            sign = match[0]
            top = stack[-1] if stack else None
            if sign in "}]":
                stack.pop()
            elif sign == ",":
                if top is not None:
                    top.position += 1
                    top.key = None
            elif sign != ":":
                if top is not None and not top.is_list and top.key is None:
                    name = json.loads(sign)
                    top.key = _below(top.path, name)
                    # By the whole name: paths shorten long ones.
                    if name in top.names:
                        self.duplicates.append(top.key)
                    top.names.add(name)
                    self._offsets.setdefault(top.key, match.start())
                    continue
                path = "" if top is None else top.key or f"{top.path}[{top.position}]"
                self._offsets.setdefault(path, match.start())
                if sign in "{[":
                    stack.append(_Open(path, is_list=sign == "["))


@dataclass(slots=True)
class _Open:
    """A list or object that is being read. `key`: the path of the member whose value comes next."""

    path: str
    is_list: bool
    position: int = 0
    key: str | None = None
    names: set[str] = field(default_factory=set[str])


def _below(path: str, key: str) -> str:
    if key.isidentifier():
        return f"{path}.{key}" if path else key
    return path + path_text((key,))


def _around(path: str) -> str:
    """The path of what holds the value at `path`."""
    if path.endswith("]"):
        return path[: path.rindex("[")]
    return path.rpartition(".")[0]
