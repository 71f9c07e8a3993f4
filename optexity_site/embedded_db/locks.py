"""Who is alive, told by `flock`.

A process id may belong to somebody else after a crash, a reboot or in the next container; a lock
cannot: the kernel drops it when the last process that inherited its descriptor has ended, however
it ended. So every question "is it still there?" is asked of a lock file:

| file       | held by                                                      | how       |
|------------|--------------------------------------------------------------|-----------|
| `lock`     | who is just preparing, starting or stopping the server       | exclusive |
| `users`    | each process that uses the database, and what it forked      | shared    |
| `guardian` | the guardian                                                 | exclusive |
| `server`   | the postmaster and its children (or initdb while it works)   | exclusive |

The lock belongs to the open file, so closing one copy of a descriptor keeps it for those who hold
another, while LOCK_UN drops it for all of them. Only `lock` is ever unlocked: a thread may fork
while another one holds it, and that child must not keep it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from optexity_site.embedded_db.errors import EmbeddedDatabaseError

POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether `condition` became true within `seconds`; it is asked at least once."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def open_lock(path: Path) -> int:
    """A new descriptor of the lock file, which is made when missing. Not inherited by programs."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_flock(descriptor: int, operation: int) -> bool:
    """Take the lock if nobody is in the way; never waits."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path, *, shared: bool = False) -> bool:
    """Whether a process holds this lock: the exclusive one, or (`shared`) any at all.

    The question itself takes the lock for an instant. Everybody who takes one of these locks
    therefore tries more than once.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_flock(descriptor, fcntl.LOCK_EX if shared else fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def take(path: Path, operation: int, *, seconds: float, holder: str) -> int:
    """Wait for the lock and return the descriptor that holds it.

    Raises `EmbeddedDatabaseError` when `holder` did not give it up within `seconds`.
    """
    descriptor = open_lock(path)
    if wait_until(lambda: try_flock(descriptor, operation), seconds=seconds):
        return descriptor
    os.close(descriptor)
    raise EmbeddedDatabaseError(
        f"{holder} has kept {path} locked for {seconds:.0f} seconds: wait until it is done, or end it, and start again."
    )


@contextmanager
def exclusive(path: Path, *, seconds: float, holder: str) -> Generator[None]:
    """Hold the lock inside the block; raises like `take`."""
    descriptor = take(path, fcntl.LOCK_EX, seconds=seconds, holder=holder)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


@contextmanager
def exclusive_if_free(path: Path) -> Generator[bool]:
    """Hold the lock inside the block if nobody else has it; yields whether it is held."""
    descriptor = open_lock(path)
    try:
        taken = try_flock(descriptor, fcntl.LOCK_EX)
        try:
            yield taken
        finally:
            if taken:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def count_holders(path: Path) -> int | None:
    """How many locks are held on the file, from Linux's /proc/locks; None where that is missing.

    A process and what it forked count once: they share one lock.
    """
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        inode = path.stat().st_ino
    except FileNotFoundError:
        return None
    # "3: FLOCK  ADVISORY  READ 1234 08:01:5678 0 EOF"; a waiting one has "->" after the number.
    fields = [line.split() for line in lines]
    return sum(1 for line in fields if line[1] == "FLOCK" and line[5].rsplit(":", 1)[-1] == str(inode))
