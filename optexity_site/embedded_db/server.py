"""Start and stop of the server process; asked by the guardian, which is its parent."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

from optexity_site.embedded_db import locks
from optexity_site.embedded_db.cluster import DATABASE, ROLE
from optexity_site.embedded_db.errors import EmbeddedDatabaseError
from optexity_site.embedded_db.places import PORT, Account, Places
from optexity_site.embedded_db.programs import ENVIRONMENT, Programs

# A fast shutdown ends all sessions and writes a checkpoint, which takes long on a slow disk.
FAST_STOP_SECONDS = 30
# An immediate one only ends the processes; the next start replays the log.
IMMEDIATE_STOP_SECONDS = 5
KILL_SECONDS = 5

# How long the children of a killed postmaster get to notice that by themselves.
ORPHAN_SECONDS = 2

# Two logs of this size, the present one and the one before, are kept.
LOG_BYTES = 10 * 1024 * 1024

# A server that is too busy to answer in this time is not ready.
ANSWER_SECONDS = 5
PROTOCOL_VERSION = 3 << 16
CANNOT_CONNECT_NOW = b"\0C57P03\0"  # the code (SQLSTATE) field of an error message

PROC = Path("/proc")


def postmaster_pid(places: Places) -> int | None:
    """The process id of the living postmaster, or None.

    The file may be stale and its number somebody else's by now, hence the check by command line.
    """
    lines = _pid_file_lines(places)
    if not lines or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    return pid if _is_ours(places, pid) else None


def has_started(places: Places) -> bool:
    """Whether the present postmaster has got through its start, or the last one that was killed."""
    lines = _pid_file_lines(places)
    return len(lines) >= 8 and lines[7].strip() == "ready"


def is_ready(places: Places) -> bool:
    """Whether the server accepts connections."""
    # The pid file still says so while the server recovers from the crash of one of its processes, so
    # ask; but not before, since the log gets a line for each connection that comes too early.
    return has_started(places) and postmaster_pid(places) is not None and _accepts_connections(places)


def start(places: Places, programs: Programs, account: Account) -> subprocess.Popen[bytes] | None:
    """Start the postmaster; None when one is running already.

    The caller must be its only starter (the guardian is, by its lock). Clears away what a killed
    server left. Raises `EmbeddedDatabaseError` when its processes do not go away.
    """
    descriptor = locks.open_lock(places.server)
    try:

        def is_decided() -> bool:
            return postmaster_pid(places) is not None or locks.try_flock(descriptor, fcntl.LOCK_EX)

        if not locks.wait_until(is_decided, seconds=ORPHAN_SECONDS):
            _kill_all(places)
            if not locks.wait_until(is_decided, seconds=KILL_SECONDS):
                raise EmbeddedDatabaseError(
                    f"Processes of an earlier server still use {places.data}, perhaps in another container:"
                    " end them and start again."
                )
        if postmaster_pid(places) is not None:
            return None
        _clear_leftovers(places)
        return _spawn(places, programs, account, descriptor)
    finally:
        os.close(descriptor)


def stop(places: Places, postmaster: int | None) -> None:
    """End the server, the sooner the better: all its users have gone.

    `postmaster` is its process id when the caller knows it, as its parent does.
    """
    fast = (signal.SIGINT, FAST_STOP_SECONDS)
    immediate = (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS)
    # PostgreSQL 18 can hang for ever in a fast shutdown that comes while it recovers from the crash
    # of one of its processes. The immediate one loses nothing: the next start recovers instead.
    for number, seconds in (fast, immediate) if is_ready(places) else (immediate,):
        pid = postmaster or postmaster_pid(places)
        if pid is None:
            break
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if _is_gone_within(places, seconds):
            return
    if not _is_gone_within(places, ORPHAN_SECONDS):
        _kill_all(places)
        _is_gone_within(places, KILL_SECONDS)


def bound_log(log: Path) -> None:
    """Keep the log from filling the disk: at `LOG_BYTES` it becomes the previous one.

    The server holds the file open for appending and goes on at its new end, so it is copied and
    cut instead of renamed.
    """
    with suppress(FileNotFoundError):
        if log.stat().st_size <= LOG_BYTES:
            return
        previous = log.with_name(f"{log.name}.1")
        previous.unlink(missing_ok=True)
        with log.open("r+b") as file, os.fdopen(open_log(previous), "wb") as copy:
            # This many bytes at most, however fast the log has grown.
            file.seek(-LOG_BYTES, os.SEEK_END)
            copy.write(file.read(LOG_BYTES))
            file.truncate(0)


def open_log(log: Path) -> int:
    """A descriptor that appends to the log, readable by us only."""
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _spawn(places: Places, programs: Programs, account: Account, lock: int) -> subprocess.Popen[bytes]:
    command = (
        str(programs.postgres), "-D", str(places.data),
        "-c", f"config_file={places.configuration}", "-c", f"hba_file={places.access_rules}",
    )  # fmt: skip
    log = open_log(places.log)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=ENVIRONMENT,
            cwd="/",
            umask=0o077,
            start_new_session=True,
            pass_fds=(lock,),
            **account.run_as,
        )
    finally:
        os.close(log)


def _pid_file_lines(places: Places) -> list[str]:
    try:
        return (places.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, PermissionError):  # no server, or a folder that is not ours
        return []


def _accepts_connections(places: Places) -> bool:
    """Ask as pg_isready does: begin to log in, and see whether the server would go on.

    https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
    """
    words = ("user", ROLE, "database", DATABASE, "")
    parameters = b"".join(word.encode() + b"\0" for word in words)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_SECONDS)
            client.connect(str(places.socket_dir / f".s.PGSQL.{PORT}"))
            client.sendall(struct.pack("!ii", 8 + len(parameters), PROTOCOL_VERSION) + parameters)
            answer = client.recv(4096)
    except OSError:
        return False
    return answer != b"" and CANNOT_CONNECT_NOW not in answer


def _is_ours(places: Places, pid: int) -> bool:
    if PROC.joinpath("self").exists():
        return _serves(places, PROC / str(pid))
    with suppress(ProcessLookupError):  # macOS tells no command lines: the locks must do
        os.kill(pid, 0)
        return locks.is_held(places.server)
    return False


def _serves(places: Places, process: Path) -> bool:
    """Whether this folder of /proc is of the database's postmaster or one of its children.

    By owner and command line, which need no privilege to read: where /proc/*/cwd says more, root
    in a container may not look.
    """
    try:
        if process.stat().st_uid != places.data.stat().st_uid:
            return False
        command_line = (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    is_postmaster = os.fsencode(f"\0-D\0{places.data}\0") in command_line
    return is_postmaster or command_line.startswith(f"postgres: {places.cluster_name}: ".encode())


def _kill_all(places: Places) -> None:
    for process in PROC.glob("[0-9]*"):
        if _serves(places, process):
            with suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)


def _is_gone_within(places: Places, seconds: float) -> bool:
    return locks.wait_until(lambda: not locks.is_held(places.server), seconds=seconds)


def _clear_leftovers(places: Places) -> None:
    """Remove what names processes that are dead, as our lock proves.

    PostgreSQL itself only compares process ids, and refuses to start when another process got the
    number, as is likely in a container after its restart.
    """
    leftovers = (places.data / "postmaster.pid", *places.socket_dir.glob(".s.PGSQL.*"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
