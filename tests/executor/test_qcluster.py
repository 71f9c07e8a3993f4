"""`manage.py qcluster`: ends non-zero when its sentinel is gone, and stops within a bounded time."""

import os
import signal
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django_q import cluster as django_q_cluster
from django_q.conf import Conf
from django_q.models import Schedule
from pytest_django import Settings

from executor.drain import drain
from executor.handover import PacketQueue, PipeEvent
from executor.management.commands import qcluster
from executor.management.commands.qcluster import BoundedCluster

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The handlers of the tests' process come back, and so does its title."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(django_q_cluster, "setproctitle", None)
    monkeypatch.setattr(drain, "_event", None)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def sentinel_does(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[PipeEvent], None]], None]:
    """Have the forked sentinel do this once the command has seen it start."""

    def does(act: Callable[[PipeEvent], None]) -> None:
        def sentinel(stop: PipeEvent, start: PipeEvent, *_: object) -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            start.set()
            act(stop)

        monkeypatch.setattr(django_q_cluster, "Sentinel", sentinel)

    return does


def test_it_ends_non_zero_when_its_sentinel_is_gone(
    sentinel_does: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    sentinel_does(lambda stop: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(SystemExit) as ended:
        call_command("qcluster")
    assert ended.value.code == 70
    assert "The sentinel ended unexpectedly (exit code -9)." in capsys.readouterr().err


def test_a_signal_stops_it_in_order(sentinel_does: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    command = os.getpid()

    def signal_the_command(stop: PipeEvent) -> None:
        os.kill(command, signal.SIGTERM)
        stop.wait(20)

    sentinel_does(signal_the_command)
    call_command("qcluster")  # returns, so the exit code is 0
    assert drain.has_begun()
    assert "unexpectedly" not in capsys.readouterr().err


def test_a_signal_while_the_sentinel_is_being_started_is_not_lost(
    sentinel_does: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel_does(lambda stop: os._exit(0 if stop.wait(20) else 1))
    start = BoundedCluster.start

    def signalled_first(cluster: BoundedCluster) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return int(start(cluster))

    monkeypatch.setattr(BoundedCluster, "start", signalled_first)
    call_command("qcluster")
    assert drain.has_begun()


def test_a_name_that_comes_too_late_is_refused() -> None:
    with pytest.raises(CommandError, match=r"run `Q_CLUSTER_NAME=browser manage\.py qcluster` instead"):
        call_command("qcluster", cluster_name="browser")


def test_the_browser_cluster_has_its_worker_loaded_and_no_schedules(
    sentinel_does: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Conf, "CLUSTER_NAME", "browser")
    sentinel_does(lambda stop: os._exit(0 if stop.wait(20) and "executor.worker" in sys.modules else 1))
    call_command("qcluster", cluster_name="browser", run_once=True)
    assert not Schedule.objects.exists()


def test_a_database_that_is_away_does_not_keep_it_from_starting(
    sentinel_does: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    sentinel_does(lambda stop: os._exit(0 if stop.wait(20) else 1))
    connection.close()
    right = connection.settings_dict["PORT"]
    connection.settings_dict["PORT"] = "1"
    try:
        call_command("qcluster", run_once=True)
    finally:
        connection.settings_dict["PORT"] = right
    assert "cannot make the schedule of the housekeeping: OperationalError" in caplog.text


def test_run_once_stops_at_once(sentinel_does: Callable[..., None]) -> None:
    sentinel_does(lambda stop: stop.wait(20) and None)
    call_command("qcluster", run_once=True)
    assert drain.has_begun()


def test_a_sentinel_that_does_not_end_is_killed_with_all_that_it_started(
    sentinel_does: Callable[..., None],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.SHUTDOWN_GRACE_SECONDS = 0.1
    monkeypatch.setattr(qcluster, "CLOSING_SECONDS", 0.1)
    told = PacketQueue()

    def hang(stop: PipeEvent) -> None:
        child = os.fork()
        if child:
            told.put(child)
        signal.pause()

    sentinel_does(hang)
    drain.arm()
    cluster = BoundedCluster()
    cluster.start()
    worker = psutil.Process(told.get())
    assert cluster.stop()

    assert "did not stop in time" in caplog.text
    cluster.sentinel.join(5)
    assert cluster.sentinel.exitcode == -9
    assert psutil.wait_procs([worker], timeout=5)[1] == []
    assert not cluster.stop()  # there is nothing left to stop


def test_one_that_was_never_started_has_nothing_to_stop() -> None:
    assert not BoundedCluster().stop()


def test_a_database_of_another_version_is_refused() -> None:
    newest = MigrationRecorder.Migration.objects.filter(app="inference").latest("id")
    name = newest.name
    newest.delete()
    try:
        with pytest.raises(CommandError, match=r"behind this version: run `manage\.py migrate`"):
            call_command("qcluster")
    finally:
        MigrationRecorder.Migration.objects.create(app="inference", name=name)
    ahead = MigrationRecorder.Migration.objects.create(app="inference", name="9999_from_the_future")
    try:
        with pytest.raises(CommandError, match=r"ahead of this version \(it has 9999_from_the_future\)"):
            call_command("qcluster")
    finally:
        ahead.delete()


def test_a_worker_that_stands_still_in_a_transaction_does_not_keep_its_task(
    sentinel_does: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Conf, "CLUSTER_NAME", qcluster.BROWSER_CLUSTER)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", dict(connection.settings_dict["OPTIONS"]))
    told = PacketQueue()

    def ask(stop: PipeEvent) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            told.put(cursor.fetchone()[0])
        connection.close()

    sentinel_does(ask)
    with pytest.raises(SystemExit):
        call_command("qcluster")
    connection.close()

    assert told.get() == "15s"
    assert qcluster.IDLE_IN_TRANSACTION_SECONDS < 20  # the lease
