"""Rows that nothing points at, and log files."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django_q.models import Task as BackgroundTask

from inference.housekeeping.limits import Limit
from inference.models import AuditEvent, ConcurrencySlot, IdempotencyKey, WorkerHost
from tests.factories import make_worker_host
from tests.inference.housekeeping.aging import counts, days, swept


def audit(days_ago: float) -> AuditEvent:
    return AuditEvent.objects.create(at=timezone.now() - timedelta(days=days_ago), actor="maya", act="x", target="y")


def test_expired_logins_of_the_dashboard_go() -> None:
    for key, ends_in in (("over", -1), ("open", 1)):
        Session.objects.create(
            session_key=key, session_data="", expire_date=timezone.now() + timedelta(minutes=ends_in)
        )
    assert counts(swept({"dashboard-logins": Limit()})) == {("dashboard-logins", "expired"): (1, 0, 0)}
    assert Session.objects.get().session_key == "open"


def test_idempotency_keys_go_after_their_days() -> None:
    for key, age in (("old", 91), ("young", 89)):
        row = IdempotencyKey.objects.create(key=key, body_sha256="0" * 64)
        IdempotencyKey.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=age))
    swept({"idempotency-keys": days(90)})
    assert IdempotencyKey.objects.get().key == "young"


def test_old_acts_go_from_the_audit_log() -> None:
    audit(800)
    young = audit(700)
    pruned = swept({"audit": days(730)})
    assert counts(pruned) == {("audit", "age"): (1, 0, 0)}
    assert set(AuditEvent.objects.exclude(act="housekeeping.prune")) == {young}


def test_the_database_lets_nobody_else_delete_acts() -> None:
    event = audit(800)
    with pytest.raises(IntegrityError, match="never changed"):
        event.delete()


def test_the_database_keeps_acts_of_the_last_30_days_whoever_asks() -> None:
    event = audit(20)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL inference.audit_retention = 'on'")
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            event.delete()
    with pytest.raises(IntegrityError, match="never changed"):
        AuditEvent.objects.filter(id=event.id).update(actor="somebody else")


def test_old_results_of_background_work_go() -> None:
    for name, age in (("old", 31), ("young", 29)):
        at = timezone.now() - timedelta(days=age)
        BackgroundTask.objects.create(id=name, name=name, func="f", started=at, stopped=at, success=False)
    swept({"background-work": days(30)})
    assert BackgroundTask.objects.get().name == "young"


def test_counters_with_nothing_in_them_go() -> None:
    ConcurrencySlot.objects.create(key="login:1:a", running=0)
    ConcurrencySlot.objects.create(key="login:1:b", running=1)
    swept({"concurrency-slots": Limit()})
    assert ConcurrencySlot.objects.get().key == "login:1:b"


def test_more_rows_than_one_batch_go() -> None:
    ConcurrencySlot.objects.bulk_create([ConcurrencySlot(key=f"login:1:{n}", running=0) for n in range(1203)])
    assert counts(swept({"concurrency-slots": Limit()})) == {("concurrency-slots", "unused"): (1203, 0, 0)}


def test_workers_of_hosts_long_gone_go() -> None:
    make_worker_host(owner="gone/1/1", seconds_ago=90_000)
    make_worker_host(owner="silent/1/1", seconds_ago=3_600)
    swept({"workers": Limit()})
    assert WorkerHost.objects.get().owner == "silent/1/1"


def test_log_files_go_by_age_and_by_size_save_the_one_of_the_database(tmp_path: Path, settings: LazySettings) -> None:
    settings.DATA_DIR = tmp_path
    folder = tmp_path / "logs"
    folder.mkdir()
    outside = tmp_path / "outside.log"
    outside.write_text("x")
    now = timezone.now().timestamp()
    for name, age in (("postgres.log", 90), ("a.log", 80), ("b.log.1", 9), ("c.log", 5), ("d.log", 0), ("notes", 90)):
        (folder / name).write_bytes(b"x" * 100)
        _set_written(folder / name, now - age * 86400)
    (folder / "link.log").symlink_to(outside)

    pruned = swept({"logs": Limit(timedelta(days=30), 150)})

    assert counts(pruned) == {("logs", "file age"): (0, 1, 100), ("logs", "file size"): (0, 2, 200)}
    assert {path.name for path in folder.iterdir()} == {"postgres.log", "d.log", "notes", "link.log"}
    assert outside.exists()


def _set_written(path: Path, at: float) -> None:
    import os

    os.utime(path, (at, at))
