"""A way to PostgreSQL that can be cut, or go silent, and be mended."""

import select
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any


class Relay:
    """Takes connections on a port of this machine and carries each to one made by `connect`."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._connect = connect
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._carries = threading.Event()

    def mend(self) -> None:
        """Take connections, and carry what was held."""
        self._carries.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._start(self._accept, self._listener)

    def cut(self) -> None:
        """Close every connection and refuse new ones."""
        self._carries.set()
        if self._listener is not None:
            # A thread in accept() keeps a closed socket listening; shutdown wakes it.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._open, self._threads = [], []

    def hold(self) -> None:
        """Carry nothing and close nothing, as a network does that drops packets."""
        self._carries.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = self._connect()
            self._open += [near, far]
            self._start(self._carry, near, far)

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            while True:
                readable, _, _ = select.select([near, far], [], [])
                self._carries.wait()
                for end in readable:
                    try:
                        data = end.recv(65536)
                        if data:
                            (far if end is near else near).sendall(data)
                    except OSError:
                        return
                    if not data:
                        return

    def _start(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def postgres_of(database: Mapping[str, Any]) -> Callable[[], socket.socket]:
    """What connects to the PostgreSQL of Django's settings, on a socket or a port."""
    host, port = str(database["HOST"]), int(database["PORT"] or 5432)

    def connect() -> socket.socket:
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{host}/.s.PGSQL.{port}")
        return far

    return connect
