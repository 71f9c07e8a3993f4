"""One run as a whole: the dry run, the lock, the entry in the audit log, the limits of the settings."""

import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from inference.housekeeping.errors import OtherPruneRunsError
from inference.housekeeping.limits import KINDS, Limit, limits_from_settings
from inference.housekeeping.sweep import Pruned, prune
from inference.models import Artifact, AuditEvent, ConcurrencySlot, IdempotencyKey, LoginSession, Step, Task, TaskStatus
from tests.factories import make_artifact, make_step, make_task, make_worker_host
from tests.inference.housekeeping.aging import counts, days, ended_task, make_file_older, path_of, swept

EVERYTHING = {
    "tasks": Limit(timedelta(days=60), 300_000),
    "steps": Limit(timedelta(days=30), 2_500),
    "pictures": Limit(timedelta(days=20), 250),
    "traces": Limit(timedelta(days=10), 150),
    "logs": Limit(timedelta(days=10)),
    "downloads": Limit(timedelta(days=12)),
    "orphans": Limit(timedelta(seconds=-60)),
    "idempotency-keys": days(90),
    "audit": days(730),
    "background-work": days(30),
}


def lay_out(folder: Path) -> None:
    """Something for every kind and rule, and many that two of them could want."""
    for age in (70, 65, 50, 45, 35, 25, 15, 5, 1):
        task = ended_task(days_ago=age)
        make_step(task, details={"notes": ["x" * 900]})
        for kind in Artifact.Kind:
            size = 60_000 if kind == Artifact.Kind.DOWNLOAD else 100
            make_file_older(make_artifact(task, kind=kind, content=b"x" * size), age)
    ended_task(days_ago=80, previous_task=Task.objects.all()[0])
    make_task(previous_task=ended_task(days_ago=90))
    running = make_task(status=TaskStatus.RUNNING)
    make_file_older(make_artifact(running, kind=Artifact.Kind.PICTURE), 90)
    lost = make_artifact(ended_task(days_ago=2), kind=Artifact.Kind.DOWNLOAD)
    path_of(lost).unlink()
    lost_and_old = make_artifact(ended_task(days_ago=22), kind=Artifact.Kind.PICTURE)
    make_file_older(lost_and_old, 22)
    path_of(lost_and_old).unlink()
    (folder / "orphan").write_bytes(b"orphan")
    Session.objects.create(session_key="over", session_data="", expire_date=timezone.now() - timedelta(days=1))
    LoginSession.objects.create(
        automation=running.automation, login="x", state_id=uuid.uuid4(), sealed=b"x", expires_at=timezone.now()
    )
    ConcurrencySlot.objects.create(key="login:1:a", running=0)
    make_worker_host(seconds_ago=90_000)
    AuditEvent.objects.create(at=timezone.now() - timedelta(days=800), actor="a", act="b", target="c")
    key = IdempotencyKey.objects.create(key="k", body_sha256="0" * 64)
    IdempotencyKey.objects.filter(pk=key.pk).update(created_at=timezone.now() - timedelta(days=91))


def contents(folder: Path) -> tuple[object, ...]:
    return (
        sorted(str(path) for path in folder.rglob("*")),
        sorted(Task.objects.values_list("id", flat=True)),
        sorted(Artifact.objects.values_list("id", "removal")),
        Step.objects.count(),
        AuditEvent.objects.count(),
        Session.objects.count(),
        ConcurrencySlot.objects.count(),
    )


def test_a_dry_run_says_exactly_what_the_real_one_then_does(artifact_folder: Path) -> None:
    lay_out(artifact_folder)
    before = contents(artifact_folder)

    dry = prune(actor="test", limits=EVERYTHING, dry_run=True)
    assert contents(artifact_folder) == before
    real = prune(actor="test", limits=EVERYTHING)

    assert [vars_of(each) for each in dry.tallies] == [vars_of(each) for each in real.tallies]
    assert {kind for kind, _ in counts(real)} >= {
        "tasks", "steps", "pictures", "traces", "logs", "downloads", "orphans", "dashboard-logins", "idempotency-keys",
        "audit", "concurrency-slots", "workers", "sessions",
    }  # fmt: skip
    for both in (("tasks", "age"), ("tasks", "size"), ("pictures", "age"), ("pictures", "size"), ("traces", "size")):
        assert counts(real)[both][0] > 0, both
    assert contents(artifact_folder) != before
    # And then all is within its limits.
    assert counts(prune(actor="test", limits=EVERYTHING)) == {}


def vars_of(tally: object) -> tuple[object, ...]:
    return tuple(getattr(tally, name) for name in ("kind", "rule", "rows", "files", "bytes"))


def test_what_a_run_leaves_is_within_its_limits(artifact_folder: Path) -> None:
    lay_out(artifact_folder)
    prune(actor="test", limits=EVERYTHING)
    pictures = Artifact.objects.filter(kind__in=("picture", "screenshot"), removed_at=None)
    assert sum(pictures.values_list("size_bytes", flat=True)) <= 250
    stored = sum(path.stat().st_size for path in artifact_folder.rglob("*") if path.is_file())
    assert stored == sum(Artifact.objects.filter(removed_at=None).values_list("size_bytes", flat=True))


def test_only_one_runs_at_a_time() -> None:
    def other() -> Pruned:
        try:
            return swept({"tasks": days(1)})
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:

        def meanwhile() -> bool:
            with pytest.raises(OtherPruneRunsError):
                pool.submit(other).result(timeout=20)
            return False

        asked = []
        swept({"tasks": days(1)}, must_stop=lambda: asked.append(meanwhile()) or False)
        assert asked
        assert pool.submit(other).result(timeout=20).is_finished


def test_what_was_done_stands_in_the_audit_log() -> None:
    ended_task(days_ago=40)
    swept({"tasks": days(30)})
    event = AuditEvent.objects.get()
    assert (event.actor, event.act, event.data) == ("test", "housekeeping.prune", {"tasks (age)": "1 row"})


def test_a_dry_run_writes_nothing_into_the_audit_log() -> None:
    ended_task(days_ago=40)
    swept({"tasks": days(30)}, dry_run=True)
    assert not AuditEvent.objects.exists()


def test_a_stopped_run_says_so_in_the_audit_log() -> None:
    swept({"tasks": days(30)}, must_stop=lambda: True)
    assert AuditEvent.objects.get().data == {"stopped": "before its end; the next one goes on"}


def test_zero_in_a_setting_means_no_limit(settings: LazySettings) -> None:
    settings.RETENTION_TASKS_DAYS = settings.RETENTION_TASKS_MB = settings.RETENTION_AUDIT_DAYS = 0
    settings.RETENTION_PICTURES_MB = 3
    limits = limits_from_settings()
    assert limits["tasks"] == limits["audit"] == Limit()
    assert limits["pictures"] == Limit(timedelta(days=settings.RETENTION_PICTURES_DAYS), 3 * 1024 * 1024)
    assert set(limits) <= set(KINDS)


def test_an_audit_log_shorter_than_the_tasks_stops_the_start() -> None:
    started = subprocess.run(
        [sys.executable, "-c", "import optexity_site.settings"],
        env={**os.environ, "RETENTION_AUDIT_DAYS": "45", "RETENTION_TASKS_DAYS": "60"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert started.returncode != 0
    assert "RETENTION_AUDIT_DAYS=45 must be 0 or at least 60" in started.stderr
