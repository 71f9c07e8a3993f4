"""Which cluster gets what through the seam with django-q2."""

from concurrent.futures import Future

import pytest
from django_q import cluster, signals
from django_q.conf import Conf

from executor import seam, worker
from executor.browser import BrowserPool
from executor.claim import ClaimQueue
from executor.handover import PacketQueue, PipeEvent
from executor.loop import WorkerLoop
from executor.worker import WorkerProcess


def test_installing_it_again_changes_nothing() -> None:
    receivers = len(signals.post_spawn.receivers)
    seam.install()
    assert cluster.Queue is seam.make_queue
    assert len(signals.post_spawn.receivers) == receivers


@pytest.mark.parametrize(("name", "kind"), [(seam.BROWSER_CLUSTER, ClaimQueue), ("background", PacketQueue)])
def test_only_the_task_queue_of_the_browser_cluster_is_the_table(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: type
) -> None:
    monkeypatch.setattr(Conf, "CLUSTER_NAME", name)
    assert type(seam.make_queue(16)) is kind
    assert type(seam.make_queue()) is PacketQueue  # of the results


@pytest.mark.parametrize(("name", "starts"), [(seam.BROWSER_CLUSTER, True), ("background", False)])
def test_only_a_worker_of_the_browser_cluster_starts_a_browser(
    monkeypatch: pytest.MonkeyPatch, name: str, starts: bool
) -> None:
    asked: list[bool] = []
    started: Future[None] = Future()
    started.set_result(None)
    me = WorkerProcess(WorkerLoop(), BrowserPool(), PipeEvent(), started)

    def process() -> WorkerProcess:
        asked.append(True)
        return me

    monkeypatch.setattr(worker, "process", process)
    monkeypatch.setattr(Conf, "CLUSTER_NAME", name)
    signals.post_spawn.send(sender="tests", proc_name="worker")
    assert bool(asked) is starts
