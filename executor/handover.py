"""Kill-safe stand-ins for the multiprocessing primitives that django-q2's cluster uses.

`multiprocessing.Queue`, `Value` and `Event` guard themselves with semaphores in shared memory. A process that
is SIGKILLed while it holds one never gives it back, and everybody else waits for good (django-q2 issue 23;
out-of-memory kills are normal on browser hosts). What stands here rests on the kernel instead: a pipe's byte or
a socket's packet is read by exactly one process, and a dead process holds nothing.
"""

import ctypes
import errno
import os
import pickle
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawValue
from typing import Any

STOP = "STOP"  # django-q2's poison pill, compared by equality

# Packets above this size travel as an open file: a socket's buffer is some 200 KiB.
_INLINE_MAX_BYTES = 64 * 1024
_RECEIVE_BYTES = _INLINE_MAX_BYTES + 1024
# How often a waiting process looks whether its parent still lives.
_PARENT_CHECK_MS = 500
_PR_SET_PDEATHSIG = 1


def die_with_parent(signal_number: int = signal.SIGTERM) -> None:
    """Ask the kernel for `signal_number` when the process that forked this one ends (Linux; elsewhere the
    look at getppid in every wait does the same, up to half a second later)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)


class Parent:
    """The process that made a queue or an event. Its children stop when it is gone.

    With `wants_signal` the kernel also sends them SIGTERM at that moment.
    """

    def __init__(self, *, wants_signal: bool = True) -> None:
        self.pid = os.getpid()
        self._wants_signal = wants_signal
        self._told_kernel_in: int | None = None

    def is_gone(self) -> bool:
        """True in a child whose parent has ended; always false in the parent itself."""
        me = os.getpid()
        if me == self.pid:
            return False
        if self._wants_signal and self._told_kernel_in != me:
            die_with_parent()
            self._told_kernel_in = me
        return os.getppid() != self.pid


class PipeEvent:
    """`multiprocessing.Event` without a lock: set means that a byte lies in a pipe; it is never read.

    With `ends_with_parent`, for events that a process waits for from the one that forked it, it also counts as set
    once that one is gone: nobody is left to set it, and what looks (the sentinel for its command, the pusher for
    its sentinel) must stop.
    """

    def __init__(self, *, ends_with_parent: bool = True) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        self._parent = Parent(wants_signal=False) if ends_with_parent else None

    def __del__(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)

    def fileno(self) -> int:
        """Readable exactly when the event is set, for select and event loops."""
        return self._read_end

    def set(self) -> None:
        _write_quietly(self._write_end, b"1")

    def is_set(self) -> bool:
        return _is_readable(self._read_end, 0) or self._is_orphaned()

    def wait(self, timeout: float | None = None) -> bool:
        """True as soon as the event is set, False after `timeout` seconds (None: wait for good)."""
        is_set = _is_readable(self._read_end, None if timeout is None else max(0, int(timeout * 1000)))
        return is_set or self._is_orphaned()

    def _is_orphaned(self) -> bool:
        return self._parent is not None and self._parent.is_gone()


class SharedFloat:
    """`multiprocessing.Value("f")` without a lock: one aligned double, stored and loaded whole."""

    def __init__(self, _typecode: str = "f", value: float = 0) -> None:
        self._cell = RawValue("d", value)

    @property
    def value(self) -> float:
        return float(self._cell.value)

    @value.setter
    def value(self, value: float) -> None:
        self._cell.value = value

    @contextmanager
    def get_lock(self) -> Generator[None]:
        """What django-q2 enters around its reads and writes. Both sides write plain values that the next
        guard cycle corrects, so nothing has to be locked."""
        yield


class PacketQueue:
    """`multiprocessing.Queue` over a socket pair that keeps packets whole: each is read by exactly one process.

    Packages travel pickled, between processes that were forked from one another. A large one goes into an
    unnamed file whose descriptor is sent instead.
    """

    def __init__(self, maxsize: int = 0) -> None:
        del maxsize  # the socket's buffer is the bound
        kind = getattr(socket, "SOCK_SEQPACKET", socket.SOCK_DGRAM) if sys.platform == "linux" else socket.SOCK_DGRAM
        self._reader, self._writer = socket.socketpair(socket.AF_UNIX, kind)
        self._parent = Parent()

    def put(self, item: Any) -> None:
        """Hand `item` over; waits while the buffer is full, gives up when the parent is gone."""
        body = pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
        while not self._parent.is_gone():
            _, writable, _ = select.select([], [self._writer], [], _PARENT_CHECK_MS / 1000)
            if writable and self._send(body):
                return

    def _send(self, body: bytes) -> bool:
        try:
            if len(body) <= _INLINE_MAX_BYTES:
                self._writer.send(b"I" + body, socket.MSG_DONTWAIT)
                return True
            with tempfile.TemporaryFile() as file:
                file.write(body)
                file.flush()
                socket.send_fds(self._writer, [b"F"], [file.fileno()], socket.MSG_DONTWAIT)
                return True
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS):
                return False
            raise

    def get(self) -> Any:
        """The next item, or "STOP" once the parent is gone."""
        while not self._parent.is_gone():
            if not _is_readable(self._reader.fileno(), _PARENT_CHECK_MS):
                continue
            try:
                packet, descriptors, _, _ = socket.recv_fds(self._reader, _RECEIVE_BYTES, 1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue  # another process was faster
            if not packet:
                return STOP
            return self._unpack(packet, descriptors)
        return STOP

    @staticmethod
    def _unpack(packet: bytes, descriptors: list[int]) -> Any:
        if packet[:1] == b"I":
            return pickle.loads(packet[1:])  # noqa: S301 - written by put() of a process of this cluster
        with os.fdopen(descriptors[0], "rb") as file:
            file.seek(0)
            return pickle.loads(file.read())  # noqa: S301 - as above

    def empty(self) -> bool:
        return not _is_readable(self._reader.fileno(), 0)

    def qsize(self) -> int:
        """0 or 1: a socket tells only whether there is something. django-q2 shows it, nothing more."""
        return 0 if self.empty() else 1

    def __del__(self) -> None:
        self._reader.close()
        self._writer.close()

    def close(self) -> None:
        """Nothing to flush: `put` returned only after the kernel had the packet."""

    def join_thread(self) -> None:
        """There is no feeder thread to wait for."""


def _is_readable(descriptor: int, timeout_ms: int | None) -> bool:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(timeout_ms))


def _write_quietly(descriptor: int, data: bytes) -> None:
    """Write without waiting; a full pipe already says all that one more byte could."""
    try:
        os.write(descriptor, data)
    except BlockingIOError:
        return
