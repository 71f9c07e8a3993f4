"""The client as its README shows it, against a real server with real browsers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import ROOT, Server

pytestmark = pytest.mark.acceptance

README = (ROOT / "client" / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PATIENT = "Amara Okafor"


def _run(server: Server, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python of a person who knows the address and the key, and nothing else."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "client" / "src"),
        "OPTEXITY_SERVER_URL": server.url,
        "OPTEXITY_SERVER_KEY": server.key,
    }
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_the_readme_has_an_example_of_each_client() -> None:
    assert ["AsyncClient" in each for each in EXAMPLES] == [False, True]
    assert 'optexity-server run northwind-eligibility -p "patient=Amara Okafor"' in README


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_of_the_readme_runs(server: Server, tmp_path: Path, number: int) -> None:
    done = _run(server, tmp_path, "-c", EXAMPLES[number])
    assert done.returncode == 0, done.stderr
    assert "member_id" in done.stdout
    if number == 0:
        assert [each for each in (tmp_path / "letters").iterdir() if each.stat().st_size] != []


def test_run_shows_each_step_and_prints_the_result(server: Server, tmp_path: Path) -> None:
    done = _run(server, tmp_path, "-m", "optexity_server", "run", "northwind-eligibility", "-p", f"patient={PATIENT}")
    assert done.returncode == 0, done.stderr
    assert "member_id" in json.dumps(json.loads(done.stdout))
    task_id = re.match(r"Task (\S+)\n", done.stderr)
    assert task_id is not None
    logs = _run(server, tmp_path, "-m", "optexity_server", "logs", task_id[1], "--json")
    steps = json.loads(logs.stdout)["steps"]
    assert len(steps) > 3
    shown = [line for line in done.stderr.splitlines() if re.match(r" +\d+  \w+", line)]
    assert len(shown) == len([each for each in steps if each["index"] is not None])
