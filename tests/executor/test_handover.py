"""The kill-safe hand-over: whole packets, level-triggered events, and no way to freeze it by dying."""

import multiprocessing
import os
import signal

import django_q
import pytest
from django_q import cluster

from executor import seam
from executor.handover import STOP, PacketQueue, PipeEvent, SharedFloat

fork = multiprocessing.get_context("fork")


def test_the_seam_replaces_what_the_cluster_makes() -> None:
    assert (cluster.Queue, cluster.Value, cluster.Event) == (seam.make_queue, SharedFloat, PipeEvent)


def test_the_seam_was_read_against_the_installed_django_q2() -> None:
    installed = ".".join(map(str, django_q.VERSION))
    assert installed == seam.DJANGO_Q2_VERSION, "read django_q/cluster.py again before raising the pin"


@pytest.mark.parametrize("size", [1, 60_000, 300_000, 5_000_000])
def test_a_packet_of_any_size_arrives_whole(size: int) -> None:
    queue = PacketQueue()
    queue.put({"body": b"x" * size})
    assert queue.get() == {"body": b"x" * size}
    assert queue.empty()


def test_packets_keep_their_order() -> None:
    queue = PacketQueue()
    for number in range(50):
        queue.put(number)
    assert [queue.get() for _ in range(50)] == list(range(50))


def test_each_packet_is_taken_by_exactly_one_of_many_readers() -> None:
    work, results = PacketQueue(), PacketQueue()

    def read() -> None:
        for item in iter(work.get, STOP):
            results.put(item)

    readers = [fork.Process(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    taken = []
    for number in range(200):
        work.put(number)
        taken.append(results.get())
    for _ in readers:
        work.put(STOP)
    for reader in readers:
        reader.join(10)
    assert sorted(taken) == list(range(200))
    assert results.empty()


def test_a_reader_killed_while_it_waits_freezes_nobody() -> None:
    work, results = PacketQueue(), PacketQueue()

    def read() -> None:
        results.put("waiting")
        for item in iter(work.get, STOP):
            results.put(item)

    victim = fork.Process(target=read)
    victim.start()
    assert results.get() == "waiting"
    os.kill(victim.pid or 0, signal.SIGKILL)
    victim.join(10)
    heir = fork.Process(target=read)
    heir.start()
    assert results.get() == "waiting"
    work.put("after the kill")
    assert results.get() == "after the kill"
    work.put(STOP)
    heir.join(10)


def test_readers_stop_when_their_parent_is_gone() -> None:
    reader, writer = os.pipe()

    def parent() -> None:
        queue = PacketQueue()

        def child() -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the kernel's word: look at getppid instead
            os.write(writer, str(queue.get()).encode())

        fork.Process(target=child).start()
        os._exit(0)

    middle = fork.Process(target=parent)
    middle.start()
    middle.join(10)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert told.read() == STOP  # the read ends when the orphan has ended


def test_an_event_is_seen_by_every_process_and_stays_set() -> None:
    event, seen = PipeEvent(), PacketQueue()
    assert not event.is_set()
    assert not event.wait(0)
    watchers = [fork.Process(target=lambda: seen.put(event.wait(10))) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    event.set()
    event.set()
    assert [seen.get() for _ in watchers] == [True] * 3
    assert event.is_set()
    for watcher in watchers:
        watcher.join(10)


def test_a_shared_float_is_shared_and_has_no_lock_to_die_with() -> None:
    value, done = SharedFloat("f", -1), PipeEvent()

    def die_inside_the_lock() -> None:
        with value.get_lock():
            value.value = 42.5
            done.set()
            signal.pause()

    holder = fork.Process(target=die_inside_the_lock)
    holder.start()
    assert done.wait(10)
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join(10)
    with value.get_lock():
        assert value.value == 42.5
