"""Token buckets, by a clock of the test's own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from inference.throttles import TokenBuckets


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    return Clock()


def test_a_bucket_allows_its_burst_and_then_its_rate(clock: Clock) -> None:
    buckets = TokenBuckets(clock=clock)
    assert [buckets.take("a", rate=2, burst=3) for _ in range(4)] == [0, 0, 0, 0.5]

    clock.now = 0.5
    assert [buckets.take("a", rate=2, burst=3) for _ in range(2)] == [0, 0.5]
    clock.now = 100
    assert [buckets.take("a", rate=2, burst=3) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b", rate=2, burst=3) == 0


def test_a_refused_request_costs_no_token(clock: Clock) -> None:
    buckets = TokenBuckets(clock=clock)
    assert [buckets.take("a", rate=1, burst=1) for _ in range(5)] == [0, 1, 1, 1, 1]
    clock.now = 1
    assert buckets.take("a", rate=1, burst=1) == 0


def test_memory_is_bounded_and_the_least_recently_used_is_forgotten(clock: Clock) -> None:
    buckets = TokenBuckets(max_buckets=2, clock=clock)
    for name in ("a", "b", "a", "c"):
        buckets.take(name, rate=1, burst=2)

    assert len(buckets) == 2
    assert buckets.take("a", rate=1, burst=2) == 1
    for name in map(str, range(1000)):
        buckets.take(name, rate=1, burst=2)
    assert len(buckets) == 2


def test_threads_do_not_share_a_token(clock: Clock) -> None:
    buckets = TokenBuckets(clock=clock)
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: buckets.take("a", rate=1, burst=100), range(1000)))
    assert waits.count(0) == 100
