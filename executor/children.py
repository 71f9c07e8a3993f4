"""The processes that `serve` keeps running, and how they end."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from executor.handover import die_with_parent

logger = logging.getLogger(__name__)

# A child that ends sooner than this after its start is started again more and more slowly.
QUICK_END_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 5.0
# Loaded before the first fork: between fork and exec nothing may be imported.
_LIBC = ctypes.CDLL(None)


@dataclass
class Child:
    """One process of the server that is started again whenever it ends."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    quick_ends: int = 0
    start_again_at: float = 0.0

    def start(self) -> None:
        """In a session of its own, so that a Ctrl-C in the terminal reaches only `serve`, which stops all in
        order; and with the kernel's word to end when `serve` is gone."""
        self.process = subprocess.Popen(
            list(self.command),
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )
        self.started_at = time.monotonic()

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def plan_restart(self) -> None:
        """Say that it ended and when it is started again: at once, or later when it keeps ending.

        What counts is the time from start to start: one that worked for some seconds has had its pause.
        """
        assert self.process is not None  # noqa: S101 - called for a child that has ended
        ran_seconds = time.monotonic() - self.started_at
        self.quick_ends = self.quick_ends + 1 if ran_seconds < QUICK_END_SECONDS else 0
        apart = min(LONGEST_PAUSE_SECONDS, 0.25 * 2**self.quick_ends) if self.quick_ends > 1 else 0.0
        logger.error("%s ended with %s after %.0f s", self.name, self.process.returncode, ran_seconds)
        self.start_again_at = self.started_at + apart
        self.process = None


class Children:
    """All of them: watched, started again, stopped together."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children

    def start(self) -> None:
        for child in self._children:
            child.start()

    def look(self) -> None:
        """Start again what has ended."""
        for child in self._children:
            if child.has_ended():
                child.plan_restart()
            if child.process is None and time.monotonic() >= child.start_again_at:
                child.start()

    def stop(self, *, within_seconds: float) -> None:
        """SIGTERM to all at once, then SIGKILL to every process that is left of them."""
        ends_at = time.monotonic() + within_seconds
        family = self._family()
        for child in self._children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        while time.monotonic() < ends_at and not all(c.process is None or c.has_ended() for c in self._children):
            family |= self._family()
            time.sleep(0.05)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    logger.warning("%s (%d) did not end in time", process.name(), process.pid)
                    process.kill()
        for child in self._children:
            if child.process is not None:
                child.process.wait()

    def _family(self) -> set[psutil.Process]:
        """The children and all that they have started."""
        family: set[psutil.Process] = set()
        for child in self._children:
            if child.process is not None:
                with suppress(psutil.NoSuchProcess):
                    process = psutil.Process(child.process.pid)
                    family |= {process, *process.children(recursive=True)}
        return family
