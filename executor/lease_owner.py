"""The name under which a process holds leases: host, process, and when that process began.

A process number alone is used again by the system; with the start time it names one process for good.
"""

import os
import socket
from functools import cache

import psutil


def this_host() -> str:
    return socket.gethostname()


def this_worker() -> str:
    """`host/pid/start` of the calling process."""
    return _worker(os.getpid())


def kill_worker(owner: str) -> bool:
    """SIGKILL the process of this name; False when it is of another host or gone."""
    host, _, rest = owner.rpartition("/")[0].rpartition("/")
    if host != this_host() or not rest.isdigit():
        return False
    try:
        # Not what `_worker` remembers: the number may be another process's by now.
        if _worker.__wrapped__(int(rest)) != owner:
            return False
        psutil.Process(int(rest)).kill()
    except psutil.NoSuchProcess:
        return False
    return True


@cache
def _worker(pid: int) -> str:
    started_ms = int(psutil.Process(pid).create_time() * 1000)
    return f"{this_host()}/{pid}/{started_ms}"
