"""The processes of Chromium below this one, for tests that kill them."""

import contextlib
from collections.abc import Collection

import psutil


def kill_chromium(*, kind: str | None = None, but: Collection[psutil.Process] = ()) -> None:
    """Kill those of one kind (`renderer`; `browser`: the one that started the others), or all; some end by themselves
    meanwhile."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process not in but and process.name().startswith("chrom") and kind in (None, _kind_of(process)):
                process.kill()


def _kind_of(process: psutil.Process) -> str:
    kinds = (word.removeprefix("--type=") for word in process.cmdline() if word.startswith("--type="))
    return next(kinds, "browser")
