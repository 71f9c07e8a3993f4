"""Hostile scripts on every kind of host: each stays locked in, gets hold of nothing, and leaves nothing behind.

`on_host.py` makes the kinds of hosts: root and an ordinary user, with and without Landlock and namespaces.
"""

import ast
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from executor.scripts.child import kernel, system_calls
from tests.executor.conftest import wait_for

CORPUS = Path(__file__).parents[2] / "data" / "hostile_scripts"
MARKER = "MARKER-of-a-secret"
AN_ORDINARY_USER = 54_321
# These never answer.
ENDED = {"crash", "deep_folders", "endless_import", "endless_loop", "endless_wait", "leaves"}
ENDLESS = {"deep_folders", "endless_import", "endless_loop", "endless_wait"}
# Where the folder is on a disk of the server, these are ended before they come to an answer.
MAY_BE_ENDED = {"disk", "hidden_disk", "old_gate", "other_table"}


@dataclass(frozen=True)
class Host:
    """Who the worker is, and what the kernel lacks."""

    is_root: bool
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{'root' if self.is_root else 'user'} without {' and '.join(self.without) or 'nothing'}"


AS_ROOT = os.geteuid() == 0
HOSTS = [
    Host(is_root, without)
    for is_root in ([True, False] if AS_ROOT else [False])
    for without in ((), ("landlock",), ("namespaces",))
]
NAMES = sorted(path.stem for path in CORPUS.glob("[!_]*.py"))


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What there is to get: files of the worker's user with a marker in them, and a port that listens."""
    tmp_path.chmod(0o755)
    settings = tmp_path / "MARKER-settings.env"
    password = tmp_path / "MARKER-password"
    for each in (settings, password):
        each.write_text(f"{MARKER}\n")
        each.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        yield {"files": [str(settings), str(password)], "port": listening.getsockname()[1]}
        with pytest.raises(TimeoutError):  # nobody came
            listening.accept()
    for each in (settings, password):
        status = each.stat()
        assert (each.read_text(), status.st_mode & 0o777) == (f"{MARKER}\n", 0o600)
        assert status.st_mtime > 1


def on_host(host: Host, scripts: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    uid = AN_ORDINARY_USER if AS_ROOT and not host.is_root else None
    work = folder / "work"
    work.mkdir()
    work.chmod(0o755)
    for file in folder.glob("MARKER-*"):
        os.chown(file, -1 if uid is None else uid, -1)
    order = {"folder": str(work), "uid": uid, "without": host.without, "scripts": scripts}
    environment = {**os.environ, "DATABASE_URL": MARKER, "SECRET_KEY": MARKER}
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("on_host.py"))],
        input=json.dumps(order),
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    outcomes: list[dict[str, Any]] = json.loads(ran.stdout)
    return outcomes


def hostile(name: str, targets: dict[str, Any]) -> dict[str, Any]:
    text = (CORPUS / "_attempts.py").read_text() + (CORPUS / f"{name}.py").read_text()
    return {"script": text, "targets": targets, "seconds": 3 if name in ENDLESS else 60}


def numbers_that_exist() -> list[int]:
    """Of this machine, what the filter lets pass at all."""
    position = kernel.MACHINES.index(kernel.machine())
    tables = [
        system_calls._ALLOWED,
        system_calls._REMOVING,
        system_calls._WITHOUT_ATTRIBUTES,
        system_calls._WITHOUT_EFFECT,
    ]
    known = [numbers for table in tables for numbers in table.values()]
    known += [numbers for numbers, _ in system_calls._judged()]
    return [number for numbers in known if (number := numbers[position]) is not None]


@pytest.mark.skipif(sys.platform != "linux", reason="scripts run on Linux only")
@pytest.mark.parametrize("host", HOSTS, ids=str)
def test_no_script_gets_out(host: Host, secrets: dict[str, Any], tmp_path: Path) -> None:
    targets = secrets | {"allowed": numbers_that_exist()}
    outcomes = on_host(host, [hostile(name, targets) for name in NAMES], tmp_path)

    for name, outcome in zip(NAMES, outcomes, strict=True):
        layers = outcome["layers"]
        assert layers["system_calls"], name
        assert layers["own_root"] is ("namespaces" not in host.without), (name, layers)
        assert bool(layers["landlock"]) is ("landlock" not in host.without), (name, layers)
        assert layers["uid"] == (65534 if host.is_root else AN_ORDINARY_USER if AS_ROOT else os.geteuid())
        assert MARKER not in json.dumps(outcome), name
        assert outcome["left"] == [], name
        if name in ENDED or (name in MAY_BE_ENDED and "broken" in outcome):
            assert outcome.get("broken"), (name, outcome)
            if name == "deep_folders" and "namespaces" in host.without:
                assert outcome["broken"] == "its files have more than 128 MiB, or are too many"
        else:
            assert outcome.get("message", {}).get("result") == {"reached": []}, (name, outcome)


@pytest.mark.skipif(sys.platform != "linux", reason="scripts run on Linux only")
@pytest.mark.parametrize("is_root", [True, False] if AS_ROOT else [False])
def test_without_any_guard_of_files_no_script_runs(is_root: bool, secrets: dict[str, Any], tmp_path: Path) -> None:
    host = Host(is_root, ("landlock", "namespaces"))
    (outcome,) = on_host(host, [hostile("environment", secrets)], tmp_path)
    assert "files cannot be kept from a script" in outcome["refused"]
    assert "message" not in outcome
    assert outcome["left"] == []


ORDINARY = """
async def code_fn(axtree, browser, ctx):
    import csv, datetime, decimal, hashlib, json, mimetypes, os, pathlib, re, shutil, sqlite3, tempfile, zipfile, zlib
    import zoneinfo, xml.etree.ElementTree, unicodedata, uuid, random, asyncio, urllib.request, http.client, tarfile
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "a.csv")
        with path.open("w") as file:
            csv.writer(file).writerow(["a", 1])
        shutil.copy2(path, path.with_name("b.csv"))
        with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as packed:
            packed.write(path, "a.csv")
        with zipfile.ZipFile(path.with_suffix(".zip")) as packed:
            packed.extractall(pathlib.Path(folder, "out"))
        text = pathlib.Path(folder, "out", "a.csv").read_text()
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    database = sqlite3.connect(":memory:")
    await asyncio.gather(*(asyncio.sleep(0.01) for _ in range(3)))
    return {
        "text": text,
        "sum": database.execute("SELECT 1 + 1").fetchone()[0],
        "digest": hashlib.sha256(b"").hexdigest()[:8],
        "zone": str(zoneinfo.ZoneInfo("Europe/Berlin")) if os.path.isdir("/usr/share/zoneinfo") else "Europe/Berlin",
        "type": mimetypes.guess_type("a.csv")[0],
        "home": os.path.expanduser("~") == os.getcwd() == tempfile.gettempdir(),
        "random": len(os.urandom(4)) + len(str(uuid.uuid4())),
    }
"""


@pytest.mark.skipif(sys.platform != "linux", reason="scripts run on Linux only")
@pytest.mark.parametrize("host", HOSTS, ids=str)
def test_an_ordinary_script_has_its_standard_library_and_a_folder(host: Host, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (outcome,) = on_host(host, [{"script": ORDINARY, "targets": {}, "seconds": 60}], tmp_path)
    assert outcome["message"].get("result") == {
        "text": "a,1\n",
        "sum": 2,
        "digest": "e3b0c442",
        "zone": "Europe/Berlin",
        "type": "text/csv",
        "home": True,
        "random": 40,
    }, outcome


@pytest.mark.skipif(sys.platform != "linux", reason="scripts run on Linux only")
@pytest.mark.parametrize("without", [(), ("namespaces",)], ids=["with namespaces", "without"])
def test_a_script_ends_with_its_worker_however_that_ends(without: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    order = {"folder": str(tmp_path / "work"), "uid": None, "without": without}
    order["scripts"] = [{"script": "while True: pass", "targets": {}, "seconds": 120}]
    worker = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("on_host.py"))], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(order).encode())
        worker.stdin.close()
        wait_for(lambda: confined_children(worker.pid), seconds=60)
        (script,) = confined_children(worker.pid)
        worker.kill()
        worker.wait()
        wait_for(lambda: not script.is_running() or script.status() == psutil.STATUS_ZOMBIE)
    finally:
        worker.kill()
        worker.wait()


def confined_children(pid: int) -> list[psutil.Process]:
    """Those that are locked in already: their processor time runs."""
    found: list[psutil.Process] = []
    for each in psutil.Process(pid).children():
        with suppress(psutil.Error):  # the one that was only tried, and has ended
            if "executor.scripts.child" in " ".join(each.cmdline()) and each.cpu_times().user > 0.3:
                found.append(each)
    return found


def test_the_corpus_is_python() -> None:
    for name in NAMES:
        ast.parse(hostile(name, {})["script"])
    assert set(NAMES) >= ENDED | MAY_BE_ENDED
