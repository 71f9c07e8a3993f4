"""The second cluster: django-q2's own packages over the kill-safe hand-over, in real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.db import connection
from django_q.models import Task as Package
from django_q.tasks import async_task

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.acceptance]


def wait_for(look: Callable[[], bool], what: str, seconds: float = 20) -> None:
    ends_at = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < ends_at, f"{what}: not within {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`manage.py qcluster` without a name, on this test's database."""
    to = connection.settings_dict
    url = f"postgresql://{to['USER']}:{to['PASSWORD']}@/{to['NAME']}?host={to['HOST']}&port={to['PORT']}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "qcluster"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "DATA_DIR": str(tmp_path), "SECRET_KEY": settings.SECRET_KEY},
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: len(sentinel_children(process.pid)) >= 4, "the cluster's processes are there")
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(20)


def sentinel_children(pid: int) -> list[psutil.Process]:
    sentinels = psutil.Process(pid).children()
    return sentinels[0].children() if sentinels else []


def titled(cluster: "subprocess.Popen[bytes]", word: str) -> list[psutil.Process]:
    return [each for each in sentinel_children(cluster.pid) if title_of(each).endswith(word)]


def title_of(process: psutil.Process) -> str:
    with suppress(psutil.Error):  # one that was killed is a zombie until its parent looks
        return " ".join(process.cmdline()).strip()
    return ""


def result_of(package_id: str) -> object:
    wait_for(lambda: Package.objects.filter(id=package_id).exists(), "the package has run")
    return Package.objects.get(id=package_id).result


def test_a_package_runs_and_its_result_is_kept(cluster: "subprocess.Popen[bytes]") -> None:
    assert result_of(async_task("math.sqrt", 1764)) == 42


def test_a_package_far_above_a_sockets_buffer_runs(cluster: "subprocess.Popen[bytes]") -> None:
    assert result_of(async_task("builtins.len", "x" * 3_000_000)) == 3_000_000


def test_killing_any_idle_process_freezes_nothing(cluster: "subprocess.Popen[bytes]") -> None:
    for word in ("idle", "idle", "pusher", "monitor", "idle"):
        wait_for(lambda: bool(titled(cluster, word)), f"a process titled {word}")  # noqa: B023
        titled(cluster, word)[0].kill()
        assert result_of(async_task("builtins.len", "after the kill")) == 14


def test_a_package_sent_from_a_browser_process_goes_to_the_background_table(cluster: "subprocess.Popen[bytes]") -> None:
    from executor.broker import WakeBroker

    package_id = async_task("builtins.len", "routed", broker=WakeBroker(list_key="browser"))
    assert result_of(package_id) == 6


def test_the_command_ends_non_zero_when_its_sentinel_is_killed(cluster: "subprocess.Popen[bytes]") -> None:
    orphans = sentinel_children(cluster.pid)
    psutil.Process(cluster.pid).children()[0].kill()
    assert cluster.wait(10) == 70
    assert psutil.wait_procs(orphans, timeout=10)[1] == []
