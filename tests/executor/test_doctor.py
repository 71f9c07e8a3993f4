"""`manage.py doctor`: what it finds, and what it says about it."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django import Settings

from executor.management.commands import doctor
from executor.management.commands.doctor import CHECKS, Finding, _guarded
from tests.factories import make_task, make_worker_host

pytestmark = pytest.mark.django_db


class Usage(NamedTuple):
    total: float
    used: float
    free: float


def program(folder: Path, script: str) -> str:
    path = folder / "chromium"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def healthy(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BROWSER_EXECUTABLE = program(tmp_path, "echo Chromium 999.1")
    # Confining a script takes seconds, and has tests of its own.
    monkeypatch.delitem(CHECKS, "scripts")


def test_all_in_order_is_one_line_each(healthy: None) -> None:
    out = StringIO()
    call_command("doctor", stdout=out, no_color=True)

    lines = out.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == [f"ok      {name}" for name in CHECKS]
    assert "PostgreSQL" in lines[0]
    assert "Chromium 999.1 at " in out.getvalue()


def test_a_problem_is_told_with_advice_and_the_exit_code(healthy: None, settings: Settings) -> None:
    settings.BROWSER_EXECUTABLE = "/nowhere/chromium"
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out, no_color=True)
    assert ended.value.code == 1
    assert (
        "problem browser: none found\n        BROWSER_EXECUTABLE=/nowhere/chromium is not a program" in out.getvalue()
    )


def test_as_json_it_is_one_list(healthy: None) -> None:
    out = StringIO()
    call_command("doctor", stdout=out, json=True)
    found = json.loads(out.getvalue())
    assert [each["check"] for each in found] == list(CHECKS)
    assert all(each["ok"] and each["advice"] == "" for each in found)


def test_a_browser_that_does_not_start(settings: Settings, tmp_path: Path) -> None:
    settings.BROWSER_EXECUTABLE = program(tmp_path, "exit 127")
    finding = CHECKS["browser"]()
    assert not finding.ok
    assert "does not start: install its missing libraries" in finding.advice


def test_migrations_that_wait() -> None:
    MigrationRecorder.Migration.objects.filter(app="inference").latest("id").delete()
    finding = CHECKS["migrations"]()
    assert (finding.ok, finding.seen) == (False, "1 to apply")


def test_a_disk_that_is_nearly_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10e9, 9e9, 1e9))
    finding = CHECKS["disk"]()
    assert not finding.ok
    assert finding.seen.startswith("1.0 GB free below ")


@pytest.mark.parametrize(
    ("workers", "tasks", "ok", "seen"),
    [
        ([], 0, True, "none running now, and nothing waits"),
        ([], 2, False, "none, and 2 task(s) wait"),
        ([{}, {"seconds_ago": 61}], 1, True, "1 on 1 host(s), 1 task(s) wait"),
        ([{}, {"state": "unhealthy", "detail": "too little memory"}], 0, False, "is unhealthy"),
    ],
)
def test_workers(workers: list[dict[str, Any]], tasks: int, ok: bool, seen: str) -> None:
    for fields in workers:
        make_worker_host(**fields)
    for _ in range(tasks):
        make_task()
    finding = CHECKS["workers"]()
    assert finding.ok is ok
    assert finding.seen.endswith(seen)
    assert bool(finding.advice) is not ok


def test_a_clock_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + timedelta(seconds=9))
    finding = CHECKS["clock"]()
    assert not finding.ok
    assert "(NTP)" in finding.advice


def test_a_database_that_does_not_answer_is_a_finding() -> None:
    def ask() -> Finding:
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column")
        raise AssertionError

    finding = _guarded("database", ask)
    assert (finding.ok, finding.seen) == (False, "the database does not answer (ProgrammingError)")
    assert "DATABASE_URL" in finding.advice


def test_what_cannot_be_looked_at_is_a_finding(settings: Settings) -> None:
    settings.DATA_DIR = Path("/nowhere")
    finding = _guarded("disk", doctor.check_disk)
    assert (finding.check, finding.ok) == ("disk", False)
    assert finding.seen.startswith("cannot be checked: ")
