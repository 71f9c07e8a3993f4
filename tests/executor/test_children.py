"""The processes that `serve` keeps: started again when they end, and all gone when it stops."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from executor.children import Child, Children
from tests.executor.conftest import wait_for

SLEEPS = "import time; time.sleep(60)"
# Ignores SIGTERM, and has a child that does, too.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    open(sys.argv[1], "w").write(str(child))
time.sleep(60)
"""


def runs(script: str, *arguments: str, **fields: object) -> Child:
    return Child("a child", [sys.executable, "-c", script, *arguments], **fields)  # type: ignore[arg-type]


@pytest.fixture
def sleeper() -> Iterator[Child]:
    child = runs(SLEEPS)
    yield child
    if child.process is not None:
        child.process.kill()
        child.process.wait()


def test_a_child_gets_its_own_variables_and_those_of_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_PARENT", "p")
    script = "import os, sys; open(sys.argv[1], 'w').write(os.environ['OF_THE_PARENT'] + os.environ['OWN'])"
    child = runs(script, str(tmp_path / "seen"), environment={"OWN": "o"})
    child.start()
    assert isinstance(child.process, subprocess.Popen)
    assert child.process.wait(10) == 0
    assert (tmp_path / "seen").read_text() == "po"


def test_a_child_that_was_killed_is_started_again_at_once(sleeper: Child, caplog: pytest.LogCaptureFixture) -> None:
    children = Children([sleeper])
    children.start()
    children.look()
    first = sleeper.process
    assert first is not None
    first.kill()
    wait_for(sleeper.has_ended)
    children.look()

    assert sleeper.process is not None
    assert sleeper.process.pid != first.pid
    assert "a child ended with -9 after 0 s" in caplog.text


def test_one_that_keeps_ending_is_started_again_more_and_more_slowly(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    child = runs("")
    apart = []
    for _ in range(7):
        child.start()
        wait_for(child.has_ended)
        child.plan_restart()
        apart.append(child.start_again_at - child.started_at)
    assert apart == pytest.approx([0.0, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0])
    assert child.process is None
    children = Children([child])
    children.look()
    assert child.process is None  # it is still in its pause

    child.start()
    wait_for(child.has_ended)
    child.started_at -= 6  # it did some work before it ended
    child.plan_restart()
    assert child.start_again_at <= time.monotonic()

    child.start()
    wait_for(child.has_ended)
    child.started_at -= 11  # it ran for a while
    child.plan_restart()
    assert child.start_again_at - child.started_at == pytest.approx(0.0)


def test_stopping_ends_children_that_obey_without_force(sleeper: Child, caplog: pytest.LogCaptureFixture) -> None:
    never_started = runs(SLEEPS)
    children = Children([sleeper, never_started])
    sleeper.start()
    children.stop(within_seconds=10)

    assert sleeper.process is not None
    assert sleeper.process.returncode == -15
    assert "did not end in time" not in caplog.text


def test_stopping_kills_what_does_not_end_with_all_that_it_started(
    tmp_path: Path, sleeper: Child, caplog: pytest.LogCaptureFixture
) -> None:
    stubborn = runs(STUBBORN, str(tmp_path / "pid"))
    sleeper.start()  # of nobody that is stopped
    children = Children([stubborn])
    children.start()
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    grandchild = psutil.Process(int((tmp_path / "pid").read_text()))
    children.stop(within_seconds=0.2)

    assert stubborn.process is not None
    assert stubborn.process.returncode == -9
    assert psutil.wait_procs([grandchild], timeout=5)[1] == []
    assert caplog.text.count("did not end in time") == 2
    assert not sleeper.has_ended()
