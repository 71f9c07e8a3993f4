"""Counting in memory and in PostgreSQL: nothing twice, nothing lost but what a killed process had not written."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from inference.models import MetricCounter
from inference.telemetry import counters as module
from inference.telemetry.counters import Counters
from inference.telemetry.families import PICKUP, STEP_FAILURES, SUBMISSIONS
from inference.telemetry.folding import QUIET_SECONDS, TOTALS, fold
from tests.inference.served.conftest import database_url

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def counters() -> Counters:
    return Counters()


def total(name: str, *, part: str = "") -> float:
    return sum(MetricCounter.objects.filter(name=name, part=part).values_list("value", flat=True))


def test_counts_of_many_threads_are_all_written(counters: Counters) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: counters.count(SUBMISSIONS, "accepted", "202"), range(1000)))
    counters.flush()
    counters.count(SUBMISSIONS, "accepted", "202")
    counters.count(SUBMISSIONS, "refused", "400")
    counters.flush()
    counters.flush()

    rows = MetricCounter.objects.filter(name="submissions").values_list("labels", "value")
    assert dict(rows) == {'["accepted", "202"]': 1001.0, '["refused", "400"]': 1.0}


def test_a_histogram_has_a_sum_and_the_bucket_of_each_value(counters: Counters) -> None:
    for seconds in (0.01, 0.010001, 0.02, 99999):
        counters.observe(PICKUP, seconds)
    counters.flush()

    parts = dict(MetricCounter.objects.values_list("part", "value"))
    assert parts.pop("sum") == pytest.approx(99999.040001)
    assert parts == {"0.01": 1.0, "0.025": 2.0, "inf": 1.0}


def test_a_flush_that_failed_is_made_good_by_the_next_one(counters: Counters, monkeypatch: pytest.MonkeyPatch) -> None:
    counters.count(STEP_FAILURES, "click_element")
    with monkeypatch.context() as broken:
        broken.setattr(module, "add", lambda *_, **__: (_ for _ in ()).throw(OperationalError("away")))
        counters.flush()
    counters.count(STEP_FAILURES, "click_element")
    counters.flush()

    assert total("step_failures") == 2


def test_a_flush_whose_answer_was_lost_counts_once(counters: Counters, monkeypatch: pytest.MonkeyPatch) -> None:
    write = module.add

    def write_and_lose_the_answer(*args: object, **options: object) -> None:
        write(*args, **options)  # type: ignore[arg-type]
        raise OperationalError("the connection broke")

    counters.count(STEP_FAILURES, "click_element")
    with monkeypatch.context() as broken:
        broken.setattr(module, "add", write_and_lose_the_answer)
        counters.flush()
    counters.count(STEP_FAILURES, "click_element")
    counters.flush()

    assert total("step_failures") == 2


def test_rows_of_quiet_processes_become_totals_and_a_process_that_wakes_up_goes_on(counters: Counters) -> None:
    others = [Counters() for _ in range(3)]
    for each in (counters, *others):
        each.count(STEP_FAILURES, "click_element")
        each.flush()
    quiet = MetricCounter.objects.exclude(process=counters._process)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_metriccounter SET updated_at = updated_at - make_interval(secs => %s)"
            " WHERE process <> %s",
            [QUIET_SECONDS + 1, counters._process],
        )
    assert quiet.count() == 3

    fold(max_seconds=1)
    assert list(quiet.values_list("process", "value")) == [(TOTALS, 3.0)]
    others[0].count(STEP_FAILURES, "click_element")
    others[0].flush()

    assert total("step_failures") == 5


def test_a_fork_takes_no_counts_along(counters: Counters) -> None:
    module.counters.begin()
    module.counters.count(STEP_FAILURES, "click_element")
    before = module.counters._process
    child = os.fork()
    if child == 0:
        os._exit(0 if not module.counters._pending and module.counters._process != before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    module.counters.begin()


_COUNTING = """
import os, sys
import django
django.setup()
from inference.telemetry.counters import counters
from inference.telemetry.families import SUBMISSIONS
for line in sys.stdin:
    for _ in range(int(line)):
        counters.count(SUBMISSIONS, "accepted", "202")
    counters.flush()
    for _ in range(3):
        counters.count(SUBMISSIONS, "accepted", "202")  # never written, if it is killed now
    print("flushed", flush=True)
counters.flush()
"""


@pytest.fixture
def processes() -> Iterator[list["subprocess.Popen[str]"]]:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _COUNTING],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url(), "DATA_DIR": str(settings.DATA_DIR)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    yield started
    for each in started:
        each.kill()
        each.communicate()


def test_of_two_processes_the_killed_one_loses_its_last_seconds_only(
    processes: list["subprocess.Popen[str]"],
) -> None:
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("100\n")
        each.stdin.flush()
    for each in processes:
        assert each.stdout is not None
        assert each.stdout.readline() == "flushed\n"
    killed, other = processes
    killed.send_signal(signal.SIGKILL)
    killed.wait(30)
    other.communicate("50\n", timeout=60)  # and its end, in order

    # 100 of the killed one, without its last 3; all of the other.
    assert total("submissions") == 100 + (100 + 3 + 50 + 3)
