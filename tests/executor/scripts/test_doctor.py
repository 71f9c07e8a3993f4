"""What `manage.py doctor` says about scripts."""

import pytest
from pytest_django import Settings

from executor.management.commands.doctor import CHECKS
from executor.scripts import process
from executor.scripts.child.confinement import Layers


def test_it_confines_one_and_tells_what_held(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_layers_here", None)
    finding = CHECKS["scripts"]()
    assert finding.ok
    assert finding.seen.startswith("off (ALLOW_SCRIPTS); confined by system calls, ")
    assert "own root folder" in finding.seen or "Landlock" in finding.seen
    assert isinstance(process._layers_here, Layers)


def test_a_host_that_cannot_is_a_problem_only_where_scripts_are_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_layers_here", None)
    monkeypatch.setattr(process, "_INTERPRETER", ("/bin/false",))
    off = CHECKS["scripts"]()
    assert (off.ok, off.advice) == (True, "")
    assert "this host could not confine them" in off.seen
    settings.ALLOW_SCRIPTS = True
    on = CHECKS["scripts"]()
    assert not on.ok
    assert on.seen == "on, and they cannot be confined here"
    assert "did not start" in on.advice
