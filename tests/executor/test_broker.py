"""The broker of the browser cluster moves nothing: it hears of queued tasks, and wakes."""

import logging
from collections.abc import Iterator

import pytest
from django.db import connection
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task
from pytest_django import Settings

from executor import broker as broker_module
from executor.broker import WakeBroker
from executor.handover import die_with_parent
from executor.rescuer import Rescuer
from inference.models import TaskStatus, WorkerHost
from tests.factories import make_task, make_worker_host

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker() -> Iterator[WakeBroker]:
    broker = WakeBroker(list_key="browser")
    yield broker
    if broker._listening is not None:
        broker._listening.close()
    die_with_parent(0)  # the tests' process is no pusher


def test_all_workers_are_woken_at_first_and_then_one_for_each_task(broker: WakeBroker) -> None:
    make_task()
    hints = broker.dequeue()
    assert len(hints) == Conf.WORKERS  # what was queued while nobody listened
    assert SignedPackage.loads(hints[0][1]) == {"func": "wake"}
    assert broker.dequeue() == []
    make_task()
    make_task()
    assert sum(len(broker.dequeue()) for _ in range(3)) == 2


def test_a_broken_connection_is_told_once_and_made_again(
    broker: WakeBroker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, "executor.broker")
    monkeypatch.setattr(broker_module, "LISTEN_SECONDS", 0.05)
    broker.dequeue()
    assert broker._listening is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [broker._listening.info.backend_pid])
    right = connection.settings_dict["PORT"]
    connection.settings_dict["PORT"] = "1"
    try:
        assert [broker.dequeue() for _ in range(3)] == [[], [], []]
    finally:
        connection.settings_dict["PORT"] = right
    told = [record.getMessage() for record in caplog.records if record.name == "executor.broker"]
    assert [text.partition(":")[0] for text in told] == ["not listening"]
    assert len(broker.dequeue()) == Conf.WORKERS


def test_a_database_that_was_never_there_is_waited_for(broker: WakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "LISTEN_SECONDS", 0.01)
    right = connection.settings_dict["PORT"]
    connection.settings_dict["PORT"] = "1"
    try:
        assert broker.dequeue() == []
    finally:
        connection.settings_dict["PORT"] = right
    assert len(broker.dequeue()) == Conf.WORKERS


def test_the_pusher_rescues_what_a_lost_worker_had(broker: WakeBroker, settings: Settings) -> None:
    settings.WORKER_LEASE_SECONDS = 0
    lost = make_task(status=TaskStatus.RUNNING)
    make_worker_host(owner="gone", seconds_ago=301)
    make_worker_host(owner="there", seconds_ago=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET lease_expires_at = statement_timestamp() - interval '1 second'")
    broker.dequeue()

    lost.refresh_from_db()
    assert (lost.status, lost.error) == (TaskStatus.FAILED, "worker lost")
    assert list(WorkerHost.objects.values_list("owner", flat=True)) == ["there"]


def test_what_is_enqueued_through_it_goes_to_the_background_cluster(broker: WakeBroker) -> None:
    async_task("builtins.len", "routed", broker=broker)
    row = OrmQ.objects.get()
    assert row.key == Conf.PREFIX
    assert row.task["args"] == ("routed",)


def test_it_has_no_queue_of_its_own_and_knows_whether_the_database_answers(broker: WakeBroker) -> None:
    make_task()
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)
    assert broker.ping()
    assert broker.info() == "task table (PostgreSQL)"


def test_a_lost_database_begins_the_rescuers_lease_period_anew(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WORKER_LEASE_SECONDS = 0
    lost = make_task(status=TaskStatus.RUNNING)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inference_task SET lease_expires_at = statement_timestamp() - interval '1 second'")
    rescuer = Rescuer()
    connection.close()
    right = connection.settings_dict["PORT"]
    connection.settings_dict["PORT"] = "1"
    try:
        rescuer.look()
    finally:
        connection.settings_dict["PORT"] = right
    assert "cannot look for lost workers: OperationalError" in caplog.text
    rescuer.look()  # at most every two seconds
    lost.refresh_from_db()
    assert lost.status == TaskStatus.RUNNING

    settings.WORKER_LEASE_SECONDS = 20
    rescuer._looked_at = 0.0
    rescuer.look()  # in touch for less than a lease period
    lost.refresh_from_db()
    assert lost.status == TaskStatus.RUNNING
