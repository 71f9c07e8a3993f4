"""Each night by django-q2's own schedule: its rows, and a real background cluster that runs them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings, settings
from django.db import connection
from django.utils import timezone
from django_q.models import Schedule
from django_q.models import Task as Package

from executor import housekeeping, leftovers
from inference.housekeeping.limits import Limit
from inference.housekeeping.schedule import CONTINUED, NIGHTLY, continue_soon, ensure_schedule
from inference.models import AuditEvent, Task
from tests.inference.housekeeping.aging import counts, ended_task, swept

ROOT = Path(__file__).resolve().parents[3]


def test_there_is_one_row_however_many_clusters_start() -> None:
    def start(_: int) -> None:
        try:
            ensure_schedule()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(16)))

    row = Schedule.objects.get()
    assert (row.name, row.schedule_type, row.cron, row.cluster) == (NIGHTLY, Schedule.CRON, "17 3 * * *", "background")
    assert timedelta(0) < row.next_run - timezone.now() <= timedelta(days=1)
    assert (timezone.localtime(row.next_run).hour, row.next_run.minute) == (3, 17)


def test_a_changed_hour_holds_from_the_next_start_on(settings: LazySettings) -> None:
    ensure_schedule()
    settings.HOUSEKEEPING_HOUR = 22
    ensure_schedule()
    row = Schedule.objects.get()
    assert row.cron == "17 22 * * *"
    assert timezone.localtime(row.next_run).hour == 22


def test_a_night_that_was_missed_is_still_due_after_a_start() -> None:
    ensure_schedule()
    missed = timezone.now() - timedelta(hours=5)
    Schedule.objects.update(next_run=missed)
    ensure_schedule()
    assert Schedule.objects.get().next_run == missed


def test_without_an_hour_there_is_no_row(settings: LazySettings) -> None:
    ensure_schedule()
    continue_soon()
    settings.HOUSEKEEPING_HOUR = -1
    ensure_schedule()
    assert not Schedule.objects.exists()


def test_a_run_that_was_not_enough_is_continued_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended_task(days_ago=400)
    monkeypatch.setattr(housekeeping, "MAX_SECONDS", 0)

    assert "goes on in a minute" in housekeeping.run()
    housekeeping.run()

    row = Schedule.objects.get()
    assert (row.name, row.schedule_type, row.cluster) == (CONTINUED, Schedule.ONCE, "background")
    assert timezone.now() < row.next_run < timezone.now() + timedelta(minutes=2)
    assert Task.objects.exists()


def test_folders_of_dead_workers_go(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    for parent in leftovers._parents():
        if parent.is_relative_to(tmp_path):
            dead, alive = parent / "worker-1-1", parent / "worker-2-2"
    for folder in (dead, alive):
        (folder / "profile").mkdir(parents=True)
        (folder / "lock").touch()
    with (alive / "lock").open("w") as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        assert counts(swept({"workers": Limit()}, dry_run=True))[("workers", "left on this host")][0] >= 1
        assert dead.exists()
        swept({"workers": Limit()})
        assert not dead.exists()
        assert alive.exists()


@pytest.mark.acceptance
def test_the_background_cluster_makes_the_schedule_and_runs_it(tmp_path: Path) -> None:
    old, young = ended_task(days_ago=400), ended_task(days_ago=1)
    to = connection.settings_dict
    url = f"postgresql://{to['USER']}:{to['PASSWORD']}@/{to['NAME']}?host={to['HOST']}&port={to['PORT']}"
    cluster = subprocess.Popen(
        [sys.executable, "manage.py", "qcluster"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "DATA_DIR": str(tmp_path), "SECRET_KEY": settings.SECRET_KEY},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: Schedule.objects.filter(name=NIGHTLY).exists(), "the row of the schedule")
        Schedule.objects.filter(name=NIGHTLY).update(next_run=timezone.now() - timedelta(seconds=1))
        # The scheduler looks every half a minute.
        wait_for(lambda: Package.objects.filter(group=NIGHTLY).exists(), "the run", seconds=90)
        package = Package.objects.get(group=NIGHTLY)
        assert package.success, package.result
        assert package.result.startswith("removed ")
    finally:
        cluster.send_signal(signal.SIGTERM)
        cluster.wait(20)
    assert not Task.objects.filter(id=old.id).exists()
    assert Task.objects.filter(id=young.id).exists()
    assert AuditEvent.objects.get().actor == "housekeeping"
    assert Schedule.objects.get(name=NIGHTLY).next_run > timezone.now()


def wait_for(look: Callable[[], bool], what: str, seconds: float = 30) -> None:
    ends_at = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < ends_at, f"{what}: not within {seconds} s"
        time.sleep(0.05)
