"""The one seam with django-q2: which queue, value and event its cluster makes.

Pinned to the version whose source was read; a test fails when another one is installed, so that somebody looks
again at `django_q/cluster.py` before raising the pin.
"""

from typing import Any

DJANGO_Q2_VERSION = "1.11.1"
BROWSER_CLUSTER = "browser"


def install() -> None:
    """Replace `Queue`, `Value` and `Event` in `django_q.cluster`; called when the app is ready."""
    from django_q import cluster, signals

    from executor.handover import PipeEvent, SharedFloat

    cluster.Queue = make_queue
    cluster.Value = SharedFloat
    cluster.Event = PipeEvent
    signals.post_spawn.connect(_start_up_browser_worker, dispatch_uid="executor.worker.start_up")


def make_queue(maxsize: int = 0) -> Any:
    """The sentinel makes two: the task queue (with a limit) and then the result queue (without).

    In the browser cluster the first is the claim itself; in any other, packages travel whole through a socket.
    """
    from django_q.conf import Conf

    from executor.handover import PacketQueue

    if maxsize and Conf.CLUSTER_NAME == BROWSER_CLUSTER:
        from executor.claim import ClaimQueue

        return ClaimQueue()
    return PacketQueue(maxsize)


def _start_up_browser_worker(**_: Any) -> None:
    """A worker of the browser cluster was forked: start its loop and browser before the first task comes."""
    from django_q.conf import Conf

    if Conf.CLUSTER_NAME == BROWSER_CLUSTER:
        from executor import worker

        worker.start_up()
