"""The small process that owns the server: starts it, restarts it, ends it with its last user.

It runs in a session of its own, so that it outlives whoever started it, and holds the `guardian`
lock for as long as it lives. It is the only one who starts the server, and only stops it while it
holds `lock` and nobody holds `users`; a process that arrives meanwhile waits at `lock`.

It is the package run as a program: `python -m optexity_site.embedded_db`; see `spawn`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from optexity_site.embedded_db import locks, server
from optexity_site.embedded_db.errors import EmbeddedDatabaseError
from optexity_site.embedded_db.places import Account, Places, locate, server_account
from optexity_site.embedded_db.programs import Programs

# How soon the last user's end, or the server's, is noticed.
POLL_SECONDS = 0.2

# A server that keeps dying is not restarted for ever; the next user tries again.
RESTARTS = 5
RESTARTS_WITHIN_SECONDS = 60

SPAWN_SECONDS = 30

# What a Python may need to start at all; the guardian gets nothing else from our environment.
INTERPRETER_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")


def spawn(places: Places, programs: Programs, lock: int) -> None:
    """Start a guardian, which inherits the descriptor `lock` that holds the `guardian` lock.

    It keeps nothing else of ours: neither our terminal nor pipes nor the `users` lock.
    """
    project = Path(__file__).resolve().parents[2]
    interpreter = {name: os.environ[name] for name in INTERPRETER_VARIABLES if name in os.environ}
    log = server.open_log(places.log)
    try:
        # The child forks the guardian and ends at once, so that no zombie is left to us.
        subprocess.run(
            (sys.executable, "-m", __package__, str(places.data_dir), str(programs.folder), str(lock)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=project,
            env={"PYTHONPATH": str(project), **interpreter},
            start_new_session=True,
            pass_fds=(lock,),
            timeout=SPAWN_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise EmbeddedDatabaseError(
            f"The embedded database's guardian did not start: see {places.log}, mend that and start again."
        ) from error
    finally:
        os.close(log)


class Guardian:
    """What the guardian knows of its server."""

    def __init__(self, places: Places, programs: Programs, account: Account) -> None:
        self.places = places
        self.programs = programs
        self.account = account
        self.child: subprocess.Popen[bytes] | None = None  # None: running already when we came
        self.has_started = False
        self.restarted_at: deque[float] = deque(maxlen=RESTARTS)

    def guard(self) -> None:
        """Start the server and return when it has ended for good."""
        self.child = server.start(self.places, self.programs, self.account)
        while self.places.data.exists():
            if self._stop_if_unused():
                return
            if self._is_alive():
                self.has_started = self.has_started or server.has_started(self.places)
                server.bound_log(self.places.log)
            elif self._may_restart():
                say("the server ended unexpectedly; starting it again")
                self.child = server.start(self.places, self.programs, self.account)
            else:
                say("the server does not stay alive; giving up until somebody needs it")
                return
            time.sleep(POLL_SECONDS)
        # Somebody has deleted the folder.
        server.stop(self.places, self._child_pid())

    def _stop_if_unused(self) -> bool:
        with locks.exclusive_if_free(self.places.lock) as is_locked:
            if not is_locked:
                return False  # somebody is just arriving
            with locks.exclusive_if_free(self.places.users) as is_unused:
                if is_unused:
                    server.stop(self.places, self._child_pid())
                return is_unused

    def _is_alive(self) -> bool:
        return self._child_pid() is not None or server.postmaster_pid(self.places) is not None

    def _child_pid(self) -> int | None:
        """The process id of the server that we started, if it lives; also buries a dead one."""
        if self.child is None or self.child.poll() is not None:
            return None
        return self.child.pid

    def _may_restart(self) -> bool:
        """Not when its start failed, which has a reason that another start does not cure."""
        self.has_started = self.has_started or server.has_started(self.places)
        now = time.monotonic()
        is_in_a_loop = len(self.restarted_at) == RESTARTS and now - self.restarted_at[0] < RESTARTS_WITHIN_SECONDS
        self.restarted_at.append(now)
        return (self.has_started or self.child is None) and not is_in_a_loop


def main() -> None:
    """Become a process of its own and guard the server of the DATA_DIR in the arguments."""
    data_dir, programs, lock = sys.argv[1:]
    if os.fork():
        os._exit(0)
    # The server must see its users end first. At a system's shutdown everybody is sent SIGTERM at
    # once, while they still have something to store; when they have, we end by ourselves.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    os.set_inheritable(int(lock), False)
    os.umask(0o077)
    try:
        Guardian(locate(data_dir), Programs(Path(programs)), server_account()).guard()
    except EmbeddedDatabaseError as error:
        say(f"error: {error}")
        raise SystemExit(1) from None


def say(message: str) -> None:
    """Write a line into the server's log, which is our standard error."""
    instant = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    print(f"{instant} UTC [{os.getpid()}] guardian: {message}", file=sys.stderr, flush=True)
