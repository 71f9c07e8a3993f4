"""`manage.py validate_automation` and its sisters do what `python -m automation` does."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from automation import json_schema

ROOT = Path(__file__).parents[3]
GOOD = str(ROOT / "demo" / "automations" / "northwind-record-effect.json")
OTHER = str(ROOT / "demo" / "automations" / "northwind-slow-effect.json")
BAD = str(ROOT / "tests" / "data" / "examples" / "invalid_07_key_name.json")


def test_validate(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("validate_automation", GOOD)
    assert capsys.readouterr().out == f"{GOOD}: valid\n"
    with pytest.raises(SystemExit) as ended:
        call_command("validate_automation", GOOD, BAD, "--format", "json")
    assert ended.value.code == 1
    assert [json.loads(line)["valid"] for line in capsys.readouterr().out.splitlines()] == [True, False]


def test_lint(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("lint_automation", GOOD, "--strict")
    assert capsys.readouterr().out.startswith(f"{GOOD}: ")
    with pytest.raises(SystemExit) as ended:
        call_command("lint_automation", BAD)
    assert ended.value.code == 1


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("explain_automation", GOOD)
    assert "Commit points" in capsys.readouterr().out


def test_diff(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("diff_automation", GOOD, GOOD)
    assert capsys.readouterr().out == ""
    with pytest.raises(SystemExit) as ended:
        call_command("diff_automation", GOOD, OTHER)
    assert ended.value.code == 1
    with pytest.raises(SystemExit) as ended:
        call_command("diff_automation", GOOD, BAD)
    assert ended.value.code == 2


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("automation_schema")
    assert json.loads(capsys.readouterr().out) == json_schema()


def test_wrong_use_is_refused() -> None:
    with pytest.raises(CommandError, match="FILE"):
        call_command("validate_automation")
