"""A script's process as the worker sees it: started, asked whether it is locked in, spoken with, and killed."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Self

from executor.scripts.child.confinement import Layers, Order
from executor.scripts.frames import HEADER_BYTES, FrameError, Message, decode, encode, length_of

MEMORY_BYTES = 512 * 1024 * 1024
FILE_BYTES = 64 * 1024 * 1024
DISK_BYTES = 128 * 1024 * 1024
# What of the attempt's files a script finds in its downloads folder.
SHOWN_FILES_BYTES = DISK_BYTES // 2
OPEN_FILES = 64
_MAX_DISK_ENTRIES = 2048
_MAX_DISK_DEPTH = 50
_CHUNK_BYTES = 1024 * 1024
_START_SECONDS = 20.0
_END_SECONDS = 2.0
_LOOK_AT_DISK_SECONDS = 0.2
# `nobody`: a script of a worker that is root runs as a user that owns nothing.
_NOBODY = 65534

_PACKAGES = Path(__file__).resolve().parents[2]
_START = "import sys; sys.path.insert(0, sys.argv[1]); from executor.scripts.child.main import main; main(sys.argv[1])"
# No variables of the environment, no site-packages, no file written beside a module.
_INTERPRETER = (os.path.realpath(sys.executable), "-I", "-S", "-B", "-X", "utf8", "-c", _START, str(_PACKAGES))


class ConfinementUnavailableError(Exception):
    """This host cannot lock a script in; the text says what it lacks."""


class ScriptBrokenError(Exception):
    """The process ended, or was ended, before it gave an answer; the text says why."""


class ConfinedProcess:
    """One process, locked in from the moment that `start` returns. Use it as an asynchronous context."""

    def __init__(self, parent: Path, *, cpu_seconds: int) -> None:
        self._parent = parent
        self._cpu_seconds = cpu_seconds
        self._folder = parent
        self._process: asyncio.subprocess.Process | None = None
        self._ends_because = ""
        self._disk_watch: asyncio.Task[None] | None = None
        self.layers = Layers()

    async def start(self, files: Iterable[Path] = ()) -> None:
        """Start and confine it, with copies of `files` in its downloads folder.

        Raises ConfinementUnavailableError when this host cannot do that safely.
        """
        uid = _NOBODY if os.geteuid() == 0 else None
        self._folder = await asyncio.to_thread(_make_folder, self._parent, list(files), uid)
        self._process = await asyncio.create_subprocess_exec(
            *_INTERPRETER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self._folder,
            env={},
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self.send(asdict(self._order(uid)))
                self.layers = _verified(await self.receive(), is_root=uid is not None)
        except (TimeoutError, FrameError, ScriptBrokenError) as error:
            raise ConfinementUnavailableError(f"the confined interpreter did not start ({error})") from error
        if not self.layers.own_root:
            self._disk_watch = asyncio.create_task(self._watch_disk(), name="disk of a script")

    def _order(self, uid: int | None) -> Order:
        return Order(
            folder=str(self._folder),
            uid=uid,
            canary=str(Path(__file__).resolve()),
            parent_pid=os.getpid(),
            memory_bytes=MEMORY_BYTES,
            file_bytes=FILE_BYTES,
            disk_bytes=DISK_BYTES,
            open_files=OPEN_FILES,
            cpu_seconds=self._cpu_seconds,
        )

    async def send(self, message: Message) -> None:
        """Raises FrameError when the message is too large; a process that is gone is noticed when it is read from."""
        if self._process is None or self._process.stdin is None:
            raise ScriptBrokenError("it was not started")
        self._process.stdin.write(encode(message))
        with contextlib.suppress(ConnectionError):
            await self._process.stdin.drain()

    async def receive(self) -> Message:
        """The next message. Raises FrameError for what is none, and ScriptBrokenError when there will be none."""
        if self._process is None or self._process.stdout is None:
            raise ScriptBrokenError("it was not started")
        try:
            header = await self._process.stdout.readexactly(HEADER_BYTES)
            return decode(await self._process.stdout.readexactly(length_of(header)))
        except asyncio.IncompleteReadError:
            raise ScriptBrokenError(await self._why_it_ended()) from None

    async def _why_it_ended(self) -> str:
        if self._process is None:
            return "it was not started"
        try:
            code = await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        except TimeoutError:
            return "it closed its channel"
        if self._ends_because:
            return self._ends_because
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return f"it was killed: more than {self._cpu_seconds} s of processor time, or no memory left on this host"
        return f"it was ended by {signal.Signals(-code).name}" if code < 0 else "it ended itself without an answer"

    async def _watch_disk(self) -> None:
        """Where the folder is on a disk of the server: nothing else limits how many files there are."""
        while True:
            await asyncio.sleep(_LOOK_AT_DISK_SECONDS)
            if not await asyncio.to_thread(_is_small, self._folder):
                self._ends_because = f"its files have more than {DISK_BYTES // 2**20} MiB, or are too many"
                self._kill()
                return

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _read_to_the_end(self) -> None:
        """asyncio calls a process ended once its pipes are, too; and a pipe from which too much came is looked at again
        only when somebody has read that."""
        if self._process is not None and self._process.stdout is not None:
            while await self._process.stdout.read(_CHUNK_BYTES):
                pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is left of it: no process, no file."""
        self._kill()
        if self._disk_watch is not None:
            self._disk_watch.cancel()
        if self._process is not None:
            await self._read_to_the_end()
            await self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
        if self._folder != self._parent:
            await asyncio.to_thread(_remove, self._folder)


def _verified(answer: Message, *, is_root: bool) -> Layers:
    """What the process says about itself: before it was locked in, none but our own code ran in it."""
    if "refused" in answer:
        raise ConfinementUnavailableError(str(answer["refused"]))
    layers = Layers(**answer["ready"])
    is_locked_in = layers.system_calls and (layers.own_root or layers.landlock > 0)
    if not is_locked_in or (is_root and layers.uid != _NOBODY):
        raise ConfinementUnavailableError("the confined interpreter reports that it is not locked in")
    return layers


def _make_folder(parent: Path, files: list[Path], uid: int | None) -> Path:
    folder = parent / f"script-{uuid.uuid4().hex}"
    downloads = folder / "downloads"
    for each in (folder, folder / "root", downloads):
        each.mkdir(mode=0o700)
    left = SHOWN_FILES_BYTES
    for file in files:
        size = file.stat().st_size
        if size <= min(left, FILE_BYTES):
            left -= size
            shutil.copyfile(file, downloads / file.name)
    if uid is not None:
        for each in (*downloads.iterdir(), downloads, folder):
            os.chown(each, uid, uid)
    return folder


def _is_small(folder: Path) -> bool:
    size = entries = 0
    pending = [(str(folder), 0)]
    while pending:
        place, depth = pending.pop()
        try:
            with os.scandir(place) as found:
                for entry in found:
                    entries += 1
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append((entry.path, depth + 1))
                    if entries > _MAX_DISK_ENTRIES or size > DISK_BYTES or depth > _MAX_DISK_DEPTH:
                        return False
        except FileNotFoundError:
            continue
        except OSError:  # a folder that it closed to itself
            return False
    return True


def _remove(folder: Path) -> None:
    # Folders may be nested more deeply than Python's own function can follow.
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


_layers_here: Layers | None = None


async def layers_of_this_host() -> Layers:
    """What confines scripts here, found out by confining one; raises ConfinementUnavailableError. Asked once."""
    global _layers_here
    if _layers_here is None:
        async with ConfinedProcess(Path(tempfile.gettempdir()), cpu_seconds=2) as process:
            await process.start()
            _layers_here = process.layers
    return _layers_here


async def place_for(folder: Path) -> Path:
    """Where a script's own folder can be: in `folder`, unless the user that a script of root becomes could not get
    there. With a root of its own it does not have to."""
    if os.geteuid() != 0 or (await layers_of_this_host()).own_root:
        return folder
    return Path(tempfile.gettempdir())
