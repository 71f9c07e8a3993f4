"""Runs scripts in confined processes on a host that lacks something, and prints what became of them.

A program of its own: what it takes away from itself (the user root, calls of the kernel) never comes back. The order
is JSON on standard input: `folder` to work in, `uid` (or null), `without` (`landlock`, `namespaces`), and `scripts`, a
list of {"script", "targets", "seconds"}. The answer is a JSON list with what became of each.
"""

import asyncio
import errno
import json
import os
import struct
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(PROJECT))

from executor.scripts import process  # noqa: E402 - after its folder is known
from executor.scripts.child import kernel  # noqa: E402

# (x86-64, 64-bit ARM)
CALLS = {"landlock": [(444, 444), (445, 445), (446, 446)], "namespaces": [(272, 97)]}


def make_reachable(paths: Iterable[Path]) -> None:
    """Let everybody reach `paths`, in this process's view of the disk only: folders above them are replaced."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    for path in paths:
        closed = [each for each in reversed(path.parents) if not each.stat().st_mode & 0o001]
        if not closed:
            continue
        kept = os.open(path, os.O_PATH)
        kernel.mount("tmpfs", str(closed[0]), "tmpfs", 0, "mode=755")
        path.mkdir(parents=True)
        kernel.mount(f"/proc/self/fd/{kept}", str(path), None, kernel.MS_BIND | kernel.MS_REC)
        os.close(kept)


def take_away(names: Iterable[str]) -> None:
    """From now on the kernel answers as one that lacks these."""
    position = kernel.MACHINES.index(kernel.machine())
    program = [(0x20, 0, 0, 0)]
    for name in names:
        answer = errno.ENOSYS if name == "landlock" else errno.EPERM
        for numbers in CALLS[name]:
            program += [(0x15, 0, 1, numbers[position]), (0x06, 0, 0, 0x00050000 | answer)]
    program.append((0x06, 0, 0, 0x7FFF0000))
    kernel.forbid_new_privileges()
    kernel.install_filter(b"".join(struct.pack("HBBI", *each) for each in program))


async def run(script: str, targets: dict[str, Any], folder: Path, seconds: float) -> dict[str, Any]:
    """The script's last message, the layers that held, and what it left in `folder`."""
    context = {"state": {}, "variables": {}, "input_parameters": targets, "unique_parameters": {}}
    outcome: dict[str, Any] = {}
    try:
        async with process.ConfinedProcess(await process.place_for(folder), cpu_seconds=20) as confined:
            await confined.start()
            outcome["layers"] = confined.layers.as_message()
            await confined.send({"script": script, "kind": "extraction", "context": context})
            async with asyncio.timeout(seconds):
                while "log" in (message := await confined.receive()):
                    pass
            outcome["message"] = message
    except process.ConfinementUnavailableError as error:
        outcome["refused"] = str(error)
    except process.ScriptBrokenError as error:
        outcome["broken"] = str(error)
    except process.FrameError as error:
        outcome["broken"] = f"frame: {error}"
    except TimeoutError:
        outcome["broken"] = "time is over"
    return outcome


async def run_all(order: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    at_once = asyncio.Semaphore(4)

    async def one(each: dict[str, Any]) -> dict[str, Any]:
        async with at_once:
            return await run(each["script"], each["targets"] | {"pid": os.getpid()}, folder, each["seconds"])

    outcomes = await asyncio.gather(*(one(each) for each in order["scripts"]))
    left = os.listdir(folder)  # noqa: PTH208 - a look at a few names, in a program that does nothing else
    return [outcome | {"left": left} for outcome in outcomes]


def main() -> None:
    order = json.load(sys.stdin)
    if os.geteuid() == 0:
        make_reachable([Path(sys.base_prefix).resolve(), PROJECT, Path(order["folder"]).resolve().parent])
    folder = Path(tempfile.mkdtemp(prefix="scripts-", dir=order["folder"]))
    if order["uid"] is not None:
        os.chown(folder, order["uid"], order["uid"])
        os.setgroups([])
        os.setresgid(*[order["uid"]] * 3)
        os.setresuid(*[order["uid"]] * 3)
    take_away(order["without"])
    json.dump(asyncio.run(run_all(order, folder)), sys.stdout)


if __name__ == "__main__":
    main()
