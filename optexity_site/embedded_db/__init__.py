"""PostgreSQL without installing it: the server of a DATA_DIR, shared by all who use that folder.

Used when DATABASE_URL is not set. `connection_parameters` says how to connect and starts nothing;
`acquire` makes sure that the server runs for as long as this process, or one that it forks, lives;
`release` ends that earlier. What runs, and where, is in `docs/database.md`.

Knows nothing of Django: settings import it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from optexity_site.embedded_db import cluster, guardian, locks, server
from optexity_site.embedded_db.errors import EmbeddedDatabaseError, system_errors
from optexity_site.embedded_db.places import (
    PORT,
    Account,
    Places,
    locate,
    make_server_folders,
    require_private_socket_dir,
    server_account,
)
from optexity_site.embedded_db.programs import find_programs, programs_for

__all__ = (
    "ConnectionParameters",
    "EmbeddedDatabaseError",
    "EmbeddedStatus",
    "acquire",
    "connection_parameters",
    "delete",
    "release",
    "status",
)

logger = logging.getLogger(__name__)

# A start after a crash first replays up to `max_wal_size` of log.
START_SECONDS = 180

# What stands before us at `lock` may have to make the database, start it, or stop it first.
LOCK_SECONDS = cluster.INITDB_SECONDS + START_SECONDS

STOP_SECONDS = server.FAST_STOP_SECONDS + server.IMMEDIATE_STOP_SECONDS + server.KILL_SECONDS

# A guardian that has just stopped its server takes a moment to end.
UNUSED_SECONDS = 1

# How often a waiting start says that it is still at it.
PROGRESS_SECONDS = 5

# The `users` lock of this process by DATA_DIR. A fork inherits it, and with it the lock.
_registrations: dict[Path, int] = {}


class ConnectionParameters(TypedDict):
    """What Django's DATABASES and psycopg need; HOST is the folder of a Unix socket."""

    NAME: str
    USER: str
    PASSWORD: str
    HOST: str
    PORT: str


@dataclass(frozen=True)
class EmbeddedStatus:
    """What the embedded database is doing; for people who look after it."""

    running: bool  # accepts connections
    pid: int | None  # of the postmaster
    guardian: bool  # somebody will restart and stop it
    users: int | None  # registered processes (with their forks); None: this system does not tell
    version: str  # of the programs
    data_dir: Path  # PostgreSQL's data folder
    socket_dir: Path
    log: Path


def connection_parameters(data_dir: str | os.PathLike[str]) -> ConnectionParameters:
    """How to connect to the database of this DATA_DIR; does not start it.

    Makes the password on first use. Raises `EmbeddedDatabaseError` when that is impossible.
    """
    places = locate(data_dir)
    if os.geteuid() != 0:  # root's is below a folder of root
        require_private_socket_dir(places, os.geteuid())
    return {
        "NAME": cluster.DATABASE,
        "USER": cluster.ROLE,
        "PASSWORD": cluster.read_password(places),
        "HOST": str(places.socket_dir),
        "PORT": str(PORT),
    }


def acquire(data_dir: str | os.PathLike[str]) -> None:
    """Make sure that the server runs, and keep it running while this process lives.

    The first call for a DATA_DIR creates the database, which takes some seconds. Further calls in
    a process cost little; they bring back a server or a guardian that somebody has killed.
    Processes forked afterwards count as users of their own; programs that are started do not.
    Raises `EmbeddedDatabaseError`; this process is no user then, unless it was one before.
    """
    places = locate(data_dir)
    was_user = _is_user(places)
    if _join(places) and _is_in_order(places):
        return
    password = cluster.read_password(places)
    account = server_account()
    with (
        system_errors("start"),
        locks.exclusive(places.lock, seconds=LOCK_SECONDS, holder="Another process"),
    ):
        try:
            if not _is_user(places):
                _register(
                    places,
                    locks.take(places.users, fcntl.LOCK_SH, seconds=STOP_SECONDS, holder="The guardian"),
                )
            make_server_folders(places, account)
            _ensure_running(places, account, password)
        except BaseException:
            if not was_user:
                _leave(places)
            raise


def release(data_dir: str | os.PathLike[str] | None = None) -> None:
    """Stop being a user of this DATA_DIR's server (without argument: of all).

    Returns when the server has stopped, if this was its last user. A process that just ends needs
    no call: the guardian sees it.
    """
    held = list(_registrations) if data_dir is None else [locate(data_dir).data_dir]
    for each in held:
        places = locate(each)
        if not _leave(places):
            continue
        with system_errors("stop"):
            _wait_for_stop(places)


def status(data_dir: str | os.PathLike[str]) -> EmbeddedStatus:
    """What runs for this DATA_DIR; changes and creates nothing."""
    places = locate(data_dir)
    with system_errors("look at its files"):
        users = locks.count_holders(places.users) if places.users.exists() else 0
        return EmbeddedStatus(
            running=server.is_ready(places),
            pid=server.postmaster_pid(places),
            guardian=locks.is_held(places.guardian),
            users=users,
            version=find_programs().version(),
            data_dir=places.data,
            socket_dir=places.socket_dir,
            log=places.log,
        )


def delete(data_dir: str | os.PathLike[str]) -> None:
    """Delete the database of this DATA_DIR with all that is in it, wherever it is.

    Raises `EmbeddedDatabaseError` while somebody uses it.
    """
    places = locate(data_dir)
    if not places.state.exists():
        return
    with (
        system_errors("delete its files"),
        locks.exclusive(places.lock, seconds=LOCK_SECONDS, holder="Another process"),
    ):
        if not locks.wait_until(lambda: _is_unused(places), seconds=UNUSED_SECONDS):
            raise EmbeddedDatabaseError(
                f"The database of {places.data_dir} is in use: stop the server and its commands first."
            )
        # The lock files go last: until then nobody else begins.
        for folder in (places.socket_dir, places.home, places.state):
            if folder.exists():
                shutil.rmtree(folder)


def _is_user(places: Places) -> bool:
    """Whether this process is registered, and not with a file that was deleted since."""
    descriptor = _registrations.get(places.data_dir)
    if descriptor is None:
        return False
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(descriptor), places.users.stat()):
            return True
    _leave(places)
    return False


def _join(places: Places) -> bool:
    """Register this process without waiting for anybody; False when that is not possible now."""
    if _is_user(places):
        return True
    try:
        descriptor = os.open(places.users, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    if not locks.try_flock(descriptor, fcntl.LOCK_SH):
        os.close(descriptor)
        return False
    _register(places, descriptor)
    return True


def _register(places: Places, descriptor: int) -> None:
    if _registrations.setdefault(places.data_dir, descriptor) != descriptor:
        os.close(descriptor)  # another thread was faster


def _leave(places: Places) -> bool:
    """Give up this process's registration; False when it had none."""
    descriptor = _registrations.pop(places.data_dir, None)
    if descriptor is None:
        return False
    os.close(descriptor)  # and no LOCK_UN: our forks keep theirs
    return True


def _is_in_order(places: Places) -> bool:
    return locks.is_held(places.guardian) and server.is_ready(places)


def _ensure_running(places: Places, account: Account, password: str) -> None:
    """Start a guardian unless there is one, and wait until its server accepts connections."""
    if _is_in_order(places):
        return
    # One that lives may just be giving up; then we start the next one, which must succeed.
    for _ in range(2):
        log_size = places.log.stat().st_size if places.log.exists() else 0
        is_new = _start_guardian(places, account, password)
        if _wait_until_ready(places):
            return
        if is_new:
            break
    raise EmbeddedDatabaseError(
        cluster.explain(
            f"The embedded database did not start (its log is {places.log})",
            _lines_after(places.log, log_size),
        )
    )


def _start_guardian(places: Places, account: Account, password: str) -> bool:
    """Start a guardian; False when there is one already. Its lock passes from us to it."""
    descriptor = locks.open_lock(places.guardian)
    try:
        if not locks.wait_until(lambda: locks.try_flock(descriptor, fcntl.LOCK_EX), seconds=0.1):
            return False
        programs = programs_for(account)
        if server.postmaster_pid(places) is None:
            cluster.prepare(places, programs, account, password)
            logger.info("Starting the embedded database in %s", places.home)
        guardian.spawn(places, programs, descriptor)
        return True
    finally:
        os.close(descriptor)


def _wait_until_ready(places: Places) -> bool:
    """Whether the server accepts connections; False as soon as its guardian has given up."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if locks.wait_until(
            lambda: server.is_ready(places) or not locks.is_held(places.guardian), seconds=PROGRESS_SECONDS
        ):
            return server.is_ready(places)
        logger.info("Waiting for the embedded database (after a crash it recovers first)")
    raise EmbeddedDatabaseError(
        f"The embedded database was not ready after {START_SECONDS} s: see {places.log} and start again."
    )


def _lines_after(log: Path, size: int) -> list[str]:
    with suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(size)
        return file.read().decode(errors="replace").splitlines()
    return []


def _wait_for_stop(places: Places) -> None:
    """Wait until the guardian has stopped the server, or somebody uses it again."""

    def is_used_or_unguarded() -> bool:
        if not locks.is_held(places.guardian):
            return True
        # With `lock` in our hands the guardian is not just looking for users or stopping.
        with locks.exclusive_if_free(places.lock) as is_locked:
            return is_locked and locks.is_held(places.users, shared=True)

    locks.wait_until(is_used_or_unguarded, seconds=STOP_SECONDS)
    with locks.exclusive_if_free(places.lock) as is_locked:
        # If its guardian was killed, nobody but us will stop it.
        if is_locked and not any(locks.is_held(lock, shared=True) for lock in (places.users, places.guardian)):
            server.stop(places, None)


def _is_unused(places: Places) -> bool:
    return not any(locks.is_held(lock, shared=True) for lock in (places.users, places.guardian, places.server))
