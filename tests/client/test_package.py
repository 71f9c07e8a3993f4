"""What is published, what is imported, and that both clients can do the same."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import optexity_server
from optexity_server import async_client, client

ROOT = Path(__file__).resolve().parents[2]
PAIRS = [
    (each, getattr(async_client, f"Async{each.__name__}"))
    for each in (client.Client, client.TaskHandle, client.Automations, client.ArtifactFile, client.EndedTasks)
]


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS, ids=lambda each: each.__name__)
def test_both_clients_have_the_same_methods_with_the_same_arguments(blocking: type, asynchronous: type) -> None:
    def public(kind: type) -> dict[str, list[tuple[str, object]]]:
        return {
            name: [(each.name, each.default) for each in inspect.signature(value).parameters.values()]
            for name, value in vars(kind).items()
            if callable(value) and (not name.startswith("_") or name == "__init__")
        }

    assert public(blocking) == public(asynchronous)


def test_what_is_exported_is_there() -> None:
    assert sorted(optexity_server.__all__) == optexity_server.__all__
    assert all(hasattr(optexity_server, name) for name in optexity_server.__all__)
    assert (Path(optexity_server.__file__).parent / "py.typed").is_file()


def test_the_library_loads_nothing_of_the_server() -> None:
    script = "import sys, optexity_server; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / "client" / "src")},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    assert "httpx" in loaded
    assert "optexity_server.cli" not in loaded
    assert not {"django", "inference", "executor", "automation"} & set(loaded)
