"""`manage.py serve`: one address, one signal, nothing left behind; and restarts that lose and repeat nothing."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psutil
import pytest
import requests

from tests.acceptance.conftest import ROOT, Server, title_of, wait_for

pytestmark = pytest.mark.acceptance


def test_the_bundled_automation_gives_its_output_and_file(server: Server) -> None:
    body = json.loads((ROOT / "demo" / "requests" / "northwind-eligibility.json").read_text())
    answer = server.submit(body.pop("endpoint_name"), **body)
    assert answer.status_code == 202
    content = answer.json()
    assert (content["success"], content["duplicate"]) == (True, False)
    assert answer.headers["Location"] == f"/api/v1/tasks/{content['task_id']}"
    task = server.ended(content["task_id"])
    assert task["status"] == "success", task["error"]
    values = {name: value for item in task["output_data"] for name, value in item.get("json_data", {}).items()}
    assert values["member_id"]
    assert [each["filename"] for each in task["downloads"]] != []
    steps = requests.get(
        f"{server.url}/api/v1/tasks/{task['task_id']}/steps", headers={"x-api-key": server.key}, timeout=10
    ).json()
    assert {each["status"] for each in steps["steps"]} <= {"success", "skipped", "warning"}


@pytest.mark.parametrize("name", sorted(each.stem for each in (ROOT / "demo" / "requests").glob("*.json")))
def test_every_bundled_automation_succeeds(server: Server, name: str) -> None:
    body = json.loads((ROOT / "demo" / "requests" / f"{name}.json").read_text())
    if "seconds" in body["input_parameters"]:
        body["input_parameters"]["seconds"] = ["1"]
    answer = server.submit(body.pop("endpoint_name"), **body)
    assert answer.status_code == 202, answer.text
    task = server.ended(answer.json()["task_id"])
    assert task["status"] == "success", task["error"]


def _submit_20_times(url: str, key: str, body: str) -> list[tuple[int, str]]:
    with requests.Session() as session:
        session.headers.update({"x-api-key": key, "Content-Type": "application/json"})
        answers = [session.post(f"{url}/inference", data=body, timeout=60) for _ in range(20)]
    return [(answer.status_code, answer.json()["task_id"]) for answer in answers]


def _sixteen_clients(url: str, key: str, body: str) -> list[tuple[int, str]]:
    with ThreadPoolExecutor(16) as pool:
        return [each for part in pool.map(lambda _: _submit_20_times(url, key, body), range(16)) for each in part]


def test_64_clients_in_4_processes_make_one_task_and_one_effect(server: Server) -> None:
    effect = f"race-{uuid4().hex}"
    body = json.dumps(
        {
            "endpoint_name": "northwind-slow-effect",
            "input_parameters": {"id": [effect], "seconds": ["25"]},
            "unique_parameter_names": ["id"],
        }
    )
    with ProcessPoolExecutor(4) as pool:
        futures = [pool.submit(_sixteen_clients, server.url, server.key, body) for _ in range(4)]
        answers = [each for future in futures for each in future.result()]
    assert len(answers) == 1280
    assert {status for status, _ in answers} == {202}
    assert len({task_id for _, task_id in answers}) == 1
    task = server.ended(answers[0][1], seconds=90)
    assert task["status"] == "success", task["error"]
    assert server.portal.effects()[effect] == 1


def test_stopping_and_starting_with_50_queued_tasks_loses_and_repeats_nothing(server: Server) -> None:
    effects = [f"restart-{uuid4().hex}" for _ in range(50)]
    task_ids = [server.submit_effect(effect) for effect in effects]
    wait_for(lambda: set(effects) & set(server.portal.effects()), seconds=30, what="the first effects")
    family = server.family()
    assert server.stop() < 10
    assert psutil.wait_procs(family, timeout=1)[1] == [], "processes are left"
    done_before = len(set(effects) & set(server.portal.effects()))
    assert done_before < 50, "the stop came too late to prove anything"
    server.start()
    tasks = server.all_ended(task_ids, seconds=180)
    assert {task["status"] for task in tasks} == {"success"}, {task["error"] for task in tasks}
    counted = server.portal.effects()
    assert {effect: counted.get(effect, 0) for effect in effects} == dict.fromkeys(effects, 1)


def test_a_stop_that_a_task_outlasts_uses_up_no_retry_and_the_next_start_runs_it(server: Server) -> None:
    """Its worker is stopped with SIGSTOP, so that it cannot even write an end, and is killed when its time is over."""
    file = server.folder / "northwind-slow-effect.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "max_retries": 1}))
    server.manage("import_automation", str(file))
    effect = f"outlasts-{uuid4().hex}"
    task_id = server.submit_effect(effect, seconds=30)
    server.wait_for_status(task_id, "running", seconds=30)
    worker = next(each for each in server.workers() if "processing" in title_of(each))
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    wait_for(
        lambda: server.sql("SELECT cause FROM inference_attempt WHERE task_id = %s", task_id) == [("shutdown",)],
        seconds=8,
        what="the stop is noted",
    )
    worker.suspend()
    server.process.wait(20)
    server.process = None
    server.start()
    task = server.ended(task_id, seconds=120)
    assert (task["status"], task["retry_count"]) == ("success", 0)
    assert next((each["cause"], each["error"]) for each in task["attempts"]) == ("shutdown", "worker stopped")
    assert server.portal.effects()[effect] == 1


def test_a_second_serve_on_the_same_folder_says_who_has_it(server: Server) -> None:
    assert server.process is not None
    said = server.manage("serve", "--port", "0", expect=4)
    assert f"process {server.process.pid}" in said
    assert "DATA_DIR" in said


def test_a_port_in_use_is_a_clear_error(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    from optexity_site import embedded_db

    folder = tmp_path_factory.mktemp("port")
    other = Server(folder, server.portal)
    said = other.manage("serve", "--port", str(server.port), expect=4)
    assert f":{server.port}" in said
    assert "--port" in said
    embedded_db.delete(folder / "data")


def test_serve_on_an_empty_database_says_to_migrate(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    from optexity_site import embedded_db

    folder = tmp_path_factory.mktemp("empty")
    said = Server(folder, server.portal).manage("serve", expect=1)
    assert "manage.py migrate" in said
    embedded_db.delete(folder / "data")


def test_everything_that_serve_writes_is_below_the_data_folder(server: Server) -> None:
    task = server.ended(server.submit_effect(f"files-{uuid4().hex}"))
    assert task["status"] == "success"
    opened = {
        each.path
        for process in server.family()
        if process.is_running()
        for each in _writable_files(process)
        if not each.path.startswith(("/dev/", "/proc/", str(server.folder), "/var/lib/optexity-server/"))
    }
    assert opened == set()


def _writable_files(process: psutil.Process) -> list[Any]:
    try:
        return [each for each in process.open_files() if each.mode != "r"]
    except psutil.Error:
        return []


def test_doctor_finds_all_in_order(server: Server) -> None:
    findings = json.loads(server.manage("doctor", "--json"))
    assert {each["check"]: each["ok"] for each in findings} == dict.fromkeys(
        ["database", "migrations", "browser", "disk", "workers", "clock", "scripts"], True
    )


def test_a_wrong_setting_stops_the_start_with_one_sentence() -> None:
    import os

    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "WORKERS": "many"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "WORKERS" in done.stderr
    assert "whole number" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("url", ["sqlite:///db.sqlite3", "mysql://u@h/db", "postgresql://host-without-name"])
def test_another_database_is_refused(url: str) -> None:
    import os

    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr
    assert "postgresql://" in done.stderr
