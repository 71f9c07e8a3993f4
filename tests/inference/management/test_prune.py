"""`manage.py prune`"""

import signal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from inference.management.commands import prune as command
from inference.models import AuditEvent, Task
from tests.inference.housekeeping.aging import ended_task

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_ends_with_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    ended_task(days_ago=100)
    young = ended_task(days_ago=10)

    call_command("prune")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["kind", "rule", "rows", "files", "bytes"]
    assert ["tasks", "age", "1", "0", "0"] in [line.split() for line in lines]
    assert lines[-1].split()[0] == "total"
    assert Task.objects.get() == young
    assert AuditEvent.objects.get().actor == "command line"


def test_a_dry_run_prints_the_same_table_and_removes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    ended_task(days_ago=100)

    call_command("prune", "--dry-run")
    *dry, last = capsys.readouterr().out.splitlines()
    assert last == "Nothing was removed: this was a dry run."
    assert Task.objects.count() == 1

    call_command("prune")
    assert capsys.readouterr().out.splitlines() == dry


def test_one_kind_by_an_age_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    ended_task(days_ago=2)
    call_command("prune", "--only", "tasks", "--older-than", "30h")
    assert not Task.objects.exists()
    assert "pictures" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--older-than 3d", "--older-than needs --only"),
        ("--only workers --older-than 3d", "cannot be asked of workers"),
        ("--only audit --older-than 29d", "at least 30 days"),
        ("--only orphans --older-than 0h", "older than 1h"),
        ("--only tasks --older-than soon", "is no age"),
        ("--only everything", "invalid choice"),
        ("--max-minutes 0", "above 0"),
    ],
)
def test_wrong_use_is_told(arguments: str, message: str) -> None:
    with pytest.raises(CommandError, match=message) as refusal:
        call_command("prune", *arguments.split())
    assert refusal.value.returncode in (1, 2)  # argparse's own are raised with 1 by call_command and exit with 2


def test_another_prune_is_told_with_a_code_of_its_own() -> None:
    from inference.housekeeping.sweep import _ADVISORY_LOCK

    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
        with pytest.raises(CommandError, match="Another prune") as refusal:
            call_command("prune")
        assert refusal.value.returncode == command.EXIT_OTHER_RUNS
    finally:
        other.close()


def test_a_signal_stops_it_between_two_batches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        ended_task(days_ago=100)
    monkeypatch.setattr("inference.housekeeping.tasks.TASKS_AT_A_TIME", 1)
    tell = command._ProgressLine.tell

    def tell_and_signal(self: command._ProgressLine, tally: object) -> None:
        tell(self, tally)  # type: ignore[arg-type]
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(command._ProgressLine, "tell", tell_and_signal)
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(CommandError, match="the next prune goes on") as stopped:
        call_command("prune", "--only", "tasks")

    assert stopped.value.returncode == command.EXIT_STOPPED
    assert Task.objects.count() == 2
    assert signal.getsignal(signal.SIGTERM) == before
    assert "tasks  age" in capsys.readouterr().out


def test_progress_is_written_in_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended_task(days_ago=100)
    monkeypatch.setattr(command, "_LINE_SECONDS", 0.0)
    call_command("prune", "--only", "tasks")
    assert capsys.readouterr().err.splitlines() == ["tasks (age): 1 row removed"]
