"""`python -m executor.find_browser`, for set-up scripts: a path, or an exit code that says that there is none."""

from pathlib import Path

import pytest
from pytest_django import Settings

from executor import find_browser


def test_the_browser_that_would_be_used_is_printed(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "chromium"
    program.touch(mode=0o755)
    settings.BROWSER_EXECUTABLE = str(program)

    assert find_browser.main() == 0
    assert capsys.readouterr().out == f"{program}\n"


def test_without_one_it_says_what_to_do(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.BROWSER_EXECUTABLE = "/nowhere/chromium"

    assert find_browser.main() == find_browser.NO_BROWSER
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "BROWSER_EXECUTABLE=/nowhere/chromium" in captured.err
