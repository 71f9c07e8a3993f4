"""The version of this server: the newest heading of CHANGELOG.md, so that it stands in one place."""

import re
from pathlib import Path


def read_version(changelog: Path) -> str:
    """`1.2.3` of the first `## [1.2.3]` heading; `0.0.0` when nothing was released or the file is not there."""
    if not changelog.is_file():
        return "0.0.0"
    released = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog.read_text(encoding="utf-8"), re.MULTILINE)
    return released[1] if released else "0.0.0"
