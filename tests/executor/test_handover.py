"""The kill-safe hand-over: whole packets, level-triggered events, and no way to freeze it by dying."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import django_q
import pytest
from django_q import cluster

from executor import seam
from executor.handover import STOP, PacketQueue, PipeEvent, SharedFloat, die_with_parent

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


@pytest.fixture
def orphaned() -> Iterator[Callable[[PacketQueue], None]]:
    """Have a queue take this process for one whose parent is gone."""

    def orphan(queue: PacketQueue) -> None:
        queue._parent.pid = -1

    yield orphan
    die_with_parent(0)  # asked for on the way


def test_an_orphan_neither_waits_for_packets_nor_for_room(orphaned: Callable[[PacketQueue], None]) -> None:
    queue = PacketQueue()
    orphaned(queue)
    assert queue.get() == STOP
    queue.put("nobody is left to read it")
    assert queue.empty()


def test_a_full_queue_takes_more_once_somebody_reads() -> None:
    queue, body = PacketQueue(), b"x" * 60_000
    sent = 0
    while queue._send(body):
        sent += 1
    assert sent > 1
    assert queue.qsize() == 1
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(queue.put, "the last one")
        for _ in range(sent):
            os.read(queue._reader.fileno(), 70_000)
        waiting.result(10)
    assert queue.get() == "the last one"
    assert queue.qsize() == 0
    queue.close()
    queue.join_thread()


def test_a_queue_whose_writers_are_gone_says_stop() -> None:
    queue = PacketQueue()
    queue._writer.close()
    assert queue.get() == STOP
    with pytest.raises(OSError, match="Bad file descriptor"):
        queue._send(b"no longer")


def test_an_event_that_is_set_for_ever_never_blocks() -> None:
    event = PipeEvent()
    for _ in range(70_000):  # more than a pipe holds
        event.set()
    assert event.wait()
    assert event.wait(1)


def test_a_shared_float_begins_with_its_value() -> None:
    value = SharedFloat("f", -1)
    assert value.value == -1
    with value.get_lock():
        value.value = 0.5
    assert value.value == 0.5
