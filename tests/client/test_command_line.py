"""The command line: what is on stdout, and what the exit code says."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from optexity_server.cli.main import PROGRAM, cli
from optexity_server.connection import KEY_VARIABLE, URL_VARIABLE
from tests.client.test_artifacts import CONTENT, told
from tests.client.wire import (
    ACCEPTED,
    ARTIFACT,
    KEY,
    OTHER_TASK,
    TASK,
    Asked,
    Reply,
    Wire,
    event,
    hung_up,
    paths,
    refused,
    stream,
    task,
)

ROOT = Path(__file__).resolve().parents[2]
STEP = {
    "attempt": 1,
    "position": 1,
    "index": 0,
    "kind": "click",
    "label": "Sign in",
    "status": "success",
    "error": None,
}
STEPS = {"task_id": TASK, "steps": [{**STEP, "duration_ms": 1200, "depth": 0}]}
ENDED = task("success", output_data=[{"json_data": {"status": "paid"}}], duration_ms=3200)
TASK_PATH = f"/api/v1/tasks/{TASK}"


def program(wire: Wire | None, *arguments: str, stdin: str | None = None, key: str = KEY) -> Result:
    environment = {KEY_VARIABLE: key, URL_VARIABLE: "http://127.0.0.1:1" if wire is None else wire.url}
    return CliRunner().invoke(cli, list(arguments), input=stdin, env=environment, prog_name=PROGRAM)


def run_to_end(wire: Wire, ended: dict[str, Any] = ENDED) -> None:
    wire.routes["POST", "/api/v1/inference"] = Reply(202, ACCEPTED)
    wire.routes["GET", TASK_PATH] = Reply(200, ended)
    wire.routes["GET", f"{TASK_PATH}/steps"] = Reply(200, STEPS)
    wire.routes["GET", f"{TASK_PATH}/events"] = stream(event(1, "status", status=ended["status"]))


# --- submit


def test_submit_prints_the_id(wire: Wire) -> None:
    wire.says(Reply(202, ACCEPTED))
    options = "-p claim=HM-4471 -p claim=a=b --empty note --unique claim --priority 0 --dedicated --idempotency-key k"
    done = program(wire, "submit", "claims-status", *options.split())
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{TASK}\n", "")
    assert wire.asked[0].body == {
        "endpoint_name": "claims-status",
        "input_parameters": {"claim": ["HM-4471", "a=b"], "note": []},
        "unique_parameter_names": ["claim"],
        "priority": 0,
        "is_dedicated": True,
    }
    assert wire.asked[0].headers["idempotency-key"] == "k"


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_parameters_come_from_json_and_options(wire: Wire, tmp_path: Path, source: str) -> None:
    wire.says(Reply(202, ACCEPTED))
    text = json.dumps({"claim": ["HM-1"], "kind": "dental"})
    (tmp_path / "in.json").write_text(text)
    where = str(tmp_path / "in.json") if source == "file" else "-"
    done = program(wire, "submit", "claims-status", "--input", where, "-p", "claim=HM-2", stdin=text)
    assert done.exit_code == 0
    assert wire.asked[0].body["input_parameters"] == {"claim": ["HM-1", "HM-2"], "kind": ["dental"]}


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["submit"], None),
        (["submit", "claims-status", "-p", "claim"], None),
        (["submit", "claims-status", "-p", "=x"], None),
        (["submit", "claims-status", "-p", "a=b", "--empty", "a"], None),
        (["submit", "claims-status", "--input", "-"], "[1]"),
        (["submit", "claims-status", "--input", "-"], "{"),
        (["submit", "claims-status", "--input", "-"], '{"a": 1}'),
        (["submit", "claims-status", "--csv", "-"], ""),
        (["submit", "claims-status", "--csv", "-"], "claim\n"),
        (["submit", "claims-status", "--csv", "-"], "claim\nHM-1,HM-2\n"),
        (["submit", "claims-status", "--csv", "-", "-p", "claim=x"], "claim\nHM-1\n"),
        (["submit", "claims-status", "--csv", "-", "--all-or-nothing"], "claim\n" + "x\n" * 1001),
        (["submit", "claims-status", "--all-or-nothing"], None),
        (["submit", "claims-status", "--delimiter", "tab"], None),
        (["submit", "claims-status", "--file", "card"], None),
        (["submit", "claims-status", "--file", "card=/no/such/file"], None),
        (["submit", "claims-status", "--csv", "-", "--file", f"card={__file__}"], "claim\nHM-1\n"),
        (["submit", "claims-status", "--csv", "-", "--input", os.devnull], "claim\nHM-1\n"),
        (["review", TASK], None),
        (["review", TASK, "--happened", "--retry"], None),
        (["export", "--json", "--csv"], None),
        (["export", "--raw"], None),
        (["submit", "claims-status", "--url", "example.com"], None),
        (["wait", "not-an-id"], None),
        (["logs", TASK, "--timeout", "3"], None),
        (["export", "--json", "--format", "csv"], None),
        (["automations", "put", "claims-status", "-"], "[]"),
        (["automations", "get", ".."], None),
        (["submit", "claims-status", "-p", "a=\udc80"], None),
        (["submit", "claims-status", "--key-file", os.devnull], None),
        (["completion", "tcsh"], None),
        (["nothing"], None),
    ],
)
def test_wrong_use_is_2_and_asks_nothing(wire: Wire, arguments: list[str], stdin: str | None) -> None:
    done = program(wire, *arguments, stdin=stdin)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage:" in done.stderr
    assert wire.asked == []


def test_a_refusal_is_1_and_says_why(wire: Wire) -> None:
    errors = {"claim": ["claim is missing", "and more"]}
    wire.routes["POST", "/api/v1/inference"] = Reply(400, {"message": "claim is missing", "errors": errors})
    done = program(wire, "submit", "claims-status")
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "Error: claim is missing\nand more\n")
    done = program(wire, "submit", "claims-status", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "success": False,
        "message": "claim is missing",
        "status": 400,
        "errors": errors,
        "request_id": None,
    }


def test_a_server_that_cannot_be_reached_is_3() -> None:
    done = program(None, "cancel", TASK, "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["success"] is False
    assert "cannot be reached" in done.stderr


def test_a_server_that_is_not_available_is_3(wire: Wire) -> None:
    wire.says(refused(503, "Service unavailable: try again."))
    assert program(wire, "cancel", TASK).exit_code == 3
    wire.says(Reply(200, b"<html>"))
    assert program(wire, "cancel", TASK).exit_code == 3


def test_a_row_is_a_task(wire: Wire, tmp_path: Path) -> None:
    taken = {"status": 202, "success": True, "task_id": TASK, "duplicate": False}
    no = {"status": 400, "success": False, "message": "claim is wrong"}
    file = tmp_path / "claims.csv"
    file.write_text('\ufeffclaim;kind;claim;_priority\nHM-1;dental;HM-2;\n\n"a ""b""; c";;;5\n', encoding="utf-8")
    arguments = ["submit", "claims-status", "--csv", str(file), "-p", "year=2026", "--idempotency-key", "day"]
    arguments += ["--unique", "claim", "--unique", "year", "--dedicated", "--priority", "3"]
    wire.says(Reply(202, {"results": [taken, no]}))
    done = program(wire, *arguments)
    assert (done.exit_code, done.stdout) == (1, f"{TASK}\n")
    assert done.stderr == "row 4: claim is wrong\n1 of 2 rows were taken\n"
    assert paths(wire.asked) == ["POST /api/v1/inference/csv"]
    assert wire.asked[0].query == {
        "endpoint_name": "claims-status",
        "unique_parameter_names": "year",  # the last of both
        "is_dedicated": "true",
        "priority": "3",
        "delimiter": "comma",
    }
    assert wire.asked[0].body.decode().split("\r\n") == [
        "claim,kind,claim,_priority,year,_idempotency_key",
        "HM-1,dental,HM-2,,2026,day-1",
        "",
        '"a ""b""; c",,,5,2026,day-2',
        "",
    ]
    wire.says(Reply(202, {"results": [taken, taken]}))
    done = program(wire, *arguments, "--json")
    assert done.exit_code == 0
    assert [json.loads(line)["row"] for line in done.stdout.splitlines()] == [2, 4]


def test_rows_that_were_taken_are_told_when_a_later_request_fails(wire: Wire) -> None:
    taken = {"status": 202, "success": True, "task_id": TASK}
    wire.says(Reply(202, {"results": [taken] * 1000}), refused(401, "Invalid or missing API key."))
    done = program(wire, "submit", "claims-status", "--csv", "-", stdin="claim\n" + "x\n" * 1500)
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 1000
    assert "The rows from 1002 on were not answered" in done.stderr
    # The rows of the second request stand where they stand in the file.
    lines = wire.asked[1].body.decode().split("\r\n")
    assert [bool(line) for line in lines[:1004]] == [True, *[False] * 1000, True, True, True]


def test_a_file_is_uploaded_and_named_in_its_parameter(wire: Wire, tmp_path: Path) -> None:
    run_to_end(wire)
    file = tmp_path / "card.pdf"
    file.write_bytes(CONTENT)
    uploaded = {"success": True, "file_id": ARTIFACT, "filename": "card.pdf", "sha256": sha256(CONTENT).hexdigest()}
    wire.routes["POST", "/api/v1/files"] = Reply(201, uploaded)
    for command in ("submit", "run"):
        wire.asked.clear()
        done = program(wire, command, "claims-status", "-p", "claim=HM-1", "--file", f"card={file}")
        assert done.exit_code == 0, done.output
        assert paths(wire.asked)[:2] == ["POST /api/v1/files", "POST /api/v1/inference"]
        assert (wire.asked[0].body, wire.asked[0].query) == (CONTENT, {"filename": "card.pdf"})
        assert wire.asked[1].body["input_parameters"] == {"claim": ["HM-1"], "card": [f"upload://{ARTIFACT}"]}
    wire.routes["POST", "/api/v1/files"] = refused(413, "The file is too large.")
    done = program(wire, "submit", "claims-status", "--file", f"card={file}")
    assert (done.exit_code, done.stderr) == (1, "Error: The file is too large.\n")


# --- run, wait, logs


def test_run_submits_shows_the_steps_and_prints_the_result(wire: Wire) -> None:
    run_to_end(wire)
    done = program(wire, "run", "claims-status", "-p", "claim=HM-4471")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == ENDED["output_data"]
    assert done.stderr.splitlines()[0] == f"Task {TASK}"
    assert "   1  success  Sign in  1.2 s" in done.stderr
    assert done.stderr.endswith(f"Task {TASK}: success after 3.2 s\n")


@pytest.mark.parametrize("arguments", [["run", "claims-status"], ["wait", TASK]])
@pytest.mark.parametrize(("status", "code"), [("success", 0), ("failed", 1), ("cancelled", 1), ("killed", 1)])
def test_how_a_task_ended_is_the_exit_code(wire: Wire, arguments: list[str], status: str, code: int) -> None:
    run_to_end(wire, ENDED | {"status": status, "error": "Nothing matched"})
    done = program(wire, *arguments, "--json")
    assert done.exit_code == code
    assert json.loads(done.stdout)["status"] == status


@pytest.mark.parametrize("arguments", [["run", "claims-status"], ["wait", TASK]])
def test_a_task_that_has_not_ended_in_time_is_4(wire: Wire, arguments: list[str]) -> None:
    run_to_end(wire, task("running"))
    wire.routes["GET", f"{TASK_PATH}/events"] = refused(404)
    done = program(wire, *arguments, "--timeout", "0.2", "--json")
    assert done.exit_code == 4
    assert json.loads(done.stdout)["status"] == "running"
    assert "has not ended within 0.2 s; it goes on" in done.stderr


def test_steps_are_shown_as_they_happen(wire: Wire) -> None:
    """The task is held until its step was told, by events alone: the timeline is empty before."""
    told_step = threading.Event()
    run_to_end(wire)
    wire.routes["GET", f"{TASK_PATH}/steps"] = Reply(200, {"steps": []})
    wire.routes["GET", f"{TASK_PATH}/events"] = stream(event(1, "step", **STEP), event(2, "status", status="success"))
    wire.routes["GET", TASK_PATH] = Reply(200, ENDED, until=told_step)
    with _process(wire, "wait", TASK) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "   1  success  Sign in\n"
        told_step.set()
        output, rest = process.communicate(timeout=30)
    assert (process.returncode, json.loads(output)) == (0, ENDED["output_data"])
    assert rest == f"Task {TASK}: success after 3.2 s\n"


def test_a_result_is_told_also_if_the_server_has_gone_since(wire: Wire) -> None:
    run_to_end(wire)
    wire.routes["GET", f"{TASK_PATH}/steps"] = refused(500)
    done = program(wire, "wait", TASK)
    assert (done.exit_code, json.loads(done.stdout)) == (0, ENDED["output_data"])


def test_a_run_that_cannot_be_watched_names_its_task(wire: Wire) -> None:
    run_to_end(wire)
    wire.routes["GET", TASK_PATH] = refused(403, "API key lacks the 'read' scope")
    done = program(wire, "run", "claims-status", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["task_id"] == TASK


def test_ctrl_c_leaves_the_task_alone(wire: Wire) -> None:
    never = threading.Event()
    run_to_end(wire)
    wire.routes["GET", TASK_PATH] = Reply(200, ENDED, until=never)
    try:
        with _process(wire, "run", "claims-status", start=_INTERRUPTIBLE) as process:
            assert process.stderr is not None
            lines = [process.stderr.readline(), process.stderr.readline()]
            assert "Sign in" in lines[1]
            process.send_signal(signal.SIGINT)
            output, rest = process.communicate(timeout=30)
    finally:
        never.set()
    assert (process.returncode, output) == (130, "")
    assert rest == f"The task goes on: optexity-server wait {TASK}\n"
    assert [each for each in paths(wire.asked) if "cancel" in each] == []


# A shell has its background jobs ignore Ctrl-C, and their children inherit that; the tests may be such a job.
_INTERRUPTIBLE = (
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import optexity_server.__main__",
)


def _process(wire: Wire, *arguments: str, start: Sequence[str] = ("-m", "optexity_server")) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *start, *arguments],
        env={**os.environ, KEY_VARIABLE: KEY, URL_VARIABLE: wire.url, "PYTHONPATH": str(ROOT / "client" / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_events_the_steps_are_looked_at(wire: Wire) -> None:
    run_to_end(wire)
    seen = threading.Event()

    def steps(asked: Asked) -> Reply:
        if (len([each for each in wire.asked if each.path.endswith("/steps")])) < 2:
            return Reply(200, {"steps": []})
        seen.set()
        return Reply(200, STEPS)

    wire.routes["GET", f"{TASK_PATH}/steps"] = steps
    wire.routes["GET", f"{TASK_PATH}/events"] = refused(404)
    wire.routes["GET", TASK_PATH] = Reply(200, ENDED, until=seen)
    done = program(wire, "wait", TASK)
    assert done.exit_code == 0
    assert "Sign in" in done.stderr


def test_on_a_terminal_there_is_a_live_table(wire: Wire) -> None:
    run_to_end(wire)
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [sys.executable, "-m", "optexity_server", "run", "claims-status"],
            env={
                **os.environ,
                KEY_VARIABLE: KEY,
                URL_VARIABLE: wire.url,
                "PYTHONPATH": str(ROOT / "client" / "src"),
                "TERM": "xterm",
            },
            stdout=subprocess.PIPE,
            stderr=follower,
        )
        os.close(follower)
        drawn = b""
        try:
            while part := screen.read(65536):
                drawn += part
        except OSError:
            pass  # how a terminal ends on Linux
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(output) == ENDED["output_data"]
    text = drawn.decode()
    assert "status" in text
    assert "Sign in" in text
    assert "\x1b[" in text


def test_logs_are_the_steps(wire: Wire) -> None:
    wire.routes["GET", f"{TASK_PATH}/steps"] = Reply(200, STEPS)
    wire.routes["GET", TASK_PATH] = Reply(200, task("running"))
    done = program(wire, "logs", TASK)
    assert done.exit_code == 0
    assert "Sign in" in done.stdout
    assert "1.2 s" in done.stdout
    assert json.loads(program(wire, "logs", TASK, "--json").stdout) == STEPS


def test_logs_follow_until_the_task_has_ended(wire: Wire) -> None:
    run_to_end(wire, ENDED | {"status": "failed", "error": "Nothing matched"})
    done = program(wire, "logs", TASK, "--follow")
    assert (done.exit_code, done.stdout) == (1, "   1  success  Sign in  1.2 s\n")
    wire.routes["GET", f"{TASK_PATH}/events"] = stream(event(1, "step", **STEP), event(2, "status", status="failed"))
    done = program(wire, "logs", TASK, "--follow", "--json")
    assert done.exit_code == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["id"], each["event"], each["status"]) for each in lines] == [
        ("1", "step", "success"),
        ("2", "status", "failed"),
    ]


def test_logs_that_do_not_end_in_time_are_4(wire: Wire) -> None:
    run_to_end(wire, task("running"))
    wire.routes["GET", f"{TASK_PATH}/events"] = stream(event(1, "step", **STEP))
    for more in ([], ["--json"]):
        done = program(wire, "logs", TASK, "--follow", "--timeout", "0.3", *more)
        assert done.exit_code == 4
        assert "has not ended" in done.stderr


def test_what_a_page_says_does_not_reach_the_terminal(wire: Wire) -> None:
    run_to_end(wire, ENDED | {"status": "failed", "error": "\x1b]0;owned\x07", "output_data": ["\x9b2J\u202e"]})
    evil = {**STEP, "label": "\x1b[2Jgone [bold]", "error": "\x1b[31mred\r"}
    wire.routes["GET", f"{TASK_PATH}/steps"] = Reply(200, {"steps": [evil]})
    for arguments in (["run", "claims-status"], ["logs", TASK], ["logs", TASK, "--follow"], ["wait", TASK, "--json"]):
        done = program(wire, *arguments)
        assert not set("\x1b\x07\x9b\u202e\r") & set(done.stdout + done.stderr)
        assert "[bold]" in done.stdout + done.stderr or "--json" in arguments


# --- cancel, retry, artifacts


def test_cancel_and_retry(wire: Wire) -> None:
    wire.says(Reply(200, {"success": True, "status": "cancelled"}))
    assert program(wire, "cancel", TASK).stdout == "cancelled\n"
    wire.says(Reply(200, {"success": True, "status": "killed"}))
    assert program(wire, "cancel", "--force", TASK).stdout == "killed\n"
    assert wire.asked[-1].body == {"force": True}
    wire.says(refused(409, "has already ended"))
    assert program(wire, "cancel", TASK).exit_code == 1
    wire.says(Reply(202, ACCEPTED | {"task_id": OTHER_TASK, "previous_task_id": TASK}))
    assert json.loads(program(wire, "retry", TASK, "--json").stdout)["task_id"] == OTHER_TASK
    wire.says(Reply(202, ACCEPTED | {"task_id": OTHER_TASK}))
    assert program(wire, "retry", TASK).stdout == f"{OTHER_TASK}\n"


def test_review_decides_and_runs_again(wire: Wire) -> None:
    path = f"{TASK_PATH}/review"
    wire.routes["POST", path] = Reply(200, {"success": True, "decision": "happened", "new_task_id": None})
    done = program(wire, "review", TASK, "--happened", "--note", "seen in the portal")
    assert (done.exit_code, done.stdout) == (0, "happened\n")
    assert wire.asked[0].body == {"decision": "happened", "note": "seen in the portal"}
    wire.routes["POST", path] = Reply(200, {"success": True, "decision": "did_not_happen", "new_task_id": OTHER_TASK})
    assert program(wire, "review", TASK, "--did-not-happen", "--retry").stdout == f"{OTHER_TASK}\n"
    assert wire.asked[1].body == {"decision": "did_not_happen", "retry": True}
    assert json.loads(program(wire, "review", TASK, "--did-not-happen", "--json").stdout)["new_task_id"] == OTHER_TASK
    wire.routes["POST", path] = refused(409, "was decided before: it happened.")
    assert program(wire, "review", TASK, "--did-not-happen").exit_code == 1
    wire.routes["POST", f"{TASK_PATH}/retry"] = Reply(202, ACCEPTED)
    assert program(wire, "retry", TASK, "--confirm").exit_code == 0
    assert wire.asked[-1].body == {"confirm": True}


def test_files_are_listed_and_saved(wire: Wire, tmp_path: Path) -> None:
    files = [
        told(),
        told(artifact_id=OTHER_TASK),
        told(kind="screenshot", filename="page.png"),
        told(filename="old.pdf", removed="age", url=None),
    ]
    wire.routes["GET", f"{TASK_PATH}/artifacts"] = Reply(200, {"artifacts": files})
    wire.routes["GET", f"/api/v1/artifacts/{ARTIFACT}"] = Reply(200, CONTENT)
    wire.routes["GET", f"/api/v1/artifacts/{OTHER_TASK}"] = Reply(200, CONTENT)
    assert "letter.pdf" in program(wire, "artifacts", "list", TASK).stdout
    assert len(json.loads(program(wire, "artifacts", "list", TASK, "--json").stdout)["artifacts"]) == 4
    folder = tmp_path / "new" / "folder"
    arguments = ["artifacts", "download", TASK, "--kind", "download", "--to", str(folder)]
    done = program(wire, *arguments)
    assert done.exit_code == 0
    assert done.stdout == f"{folder}/letter.pdf\n{folder}/letter-2.pdf\n"
    assert done.stderr == "old.pdf is gone: age\n"
    assert sorted(each.name for each in folder.iterdir()) == ["letter-2.pdf", "letter.pdf"]
    assert program(wire, *arguments).exit_code == 1
    done = program(wire, *arguments, "--overwrite", "--json")
    assert [each["size_bytes"] for each in json.loads(done.stdout)["saved"]] == [len(CONTENT)] * 2


# --- automations, keys, export


def test_automations(wire: Wire, tmp_path: Path) -> None:
    known = {"endpoint_name": "claims-status", "version": 3, "input_parameters": ["claim"]}
    document = {"url": "https://example.com"}
    file = tmp_path / "claims.json"
    file.write_text(json.dumps(document))
    wire.says(Reply(200, {"automations": [known]}))
    assert program(wire, "automations", "list").stdout == "claims-status  version 3  (claim)\n"
    wire.says(Reply(200, known | {"automation": document}))
    assert json.loads(program(wire, "automations", "get", "claims-status").stdout) == document
    finding = {"path": "nodes[0]", "message": "is slow", "severity": "warning", "rule": "x"}
    wire.says(Reply(201, known | {"is_new_version": True, "findings": [finding]}))
    done = program(wire, "automations", "put", "claims-status", str(file), "--note", "new")
    assert (done.stdout, done.stderr) == ("claims-status version 3 published\n", "warning: nodes[0]: is slow\n")
    assert (wire.asked[-1].body, wire.asked[-1].query) == (document, {"note": "new"})
    wire.says(Reply(200, {"valid": False, "problems": [finding]}), Reply(200, {"valid": True}))
    done = program(wire, "automations", "validate", "claims-status", str(file), "--json")
    assert (done.exit_code, json.loads(done.stdout)["valid"]) == (1, False)
    assert program(wire, "automations", "validate", "claims-status", str(file)).stdout == "valid\n"
    wire.says(Reply(200, {"success": True}))
    assert program(wire, "automations", "deactivate", "claims-status").exit_code == 0
    assert paths(wire.asked)[-1] == "DELETE /api/v1/automations/claims-status"


def test_keys_check_says_what_the_key_may_do(wire: Wire) -> None:
    replies = [refused(400), Reply(200, {"tasks": []}), refused(403)]
    listed = Reply(200, {"automations": [{"endpoint_name": "claims-status"}]})
    wire.says(*replies, listed)
    done = program(wire, "keys", "check", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "works": True,
        "url": wire.url,
        "scopes": {"submit": True, "read": True, "manage": False},
        "automations": ["claims-status"],
    }
    wire.says(*replies, listed)
    assert "submit  yes" in program(wire, "keys", "check").stdout
    wire.says(refused(403), refused(403), refused(403))
    assert json.loads(program(wire, "keys", "check", "--json").stdout)["automations"] is None
    wire.says(refused(401, "Invalid or missing API key."))
    assert program(wire, "keys", "check").exit_code == 1
    assert program(wire, "keys", "check", key="").exit_code == 2


def test_a_key_comes_from_a_file_and_shows_nowhere(wire: Wire, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    wire.says(refused(500))
    done = program(wire, "cancel", TASK, "--key-file", str(file), key="")
    assert wire.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in done.output


def test_an_unencrypted_key_is_warned_of_on_stderr() -> None:
    done = program(None, "automations", "get", "..", "--url", "http://automations.example.com")
    assert "Warning: The API key is sent unencrypted" in done.stderr
    assert done.stdout == ""


def test_export_writes_one_task_after_the_other(wire: Wire, tmp_path: Path) -> None:
    page = {"tasks": [task(), task(task_id=OTHER_TASK)], "next_cursor": None}
    wire.routes["GET", "/api/v1/tasks"] = Reply(200, page)
    wire.routes["GET", TASK_PATH] = Reply(200, ENDED | {"input_parameters": {"claim": ["HM-1"]}, "error": "=1+1"})
    wire.routes["GET", f"/api/v1/tasks/{OTHER_TASK}"] = refused(404)
    done = program(wire, "export", "--status", "success", "--automation", "claims-status", "--limit", "5")
    assert done.exit_code == 0
    assert [json.loads(line)["output_data"] for line in done.stdout.splitlines()] == [ENDED["output_data"]]
    assert done.stderr == f"Task {OTHER_TASK} is gone\n1 tasks\n"
    assert wire.asked[0].query == {"limit": "100", "status": "success", "endpoint_name": "claims-status"}
    file = tmp_path / "tasks.csv"
    done = program(wire, "export", "--format", "csv", "--to", str(file))
    assert (done.exit_code, done.stdout) == (0, "")
    header, row = file.read_text().splitlines()
    assert header.startswith("task_id,endpoint_name,")
    assert row.startswith(f"{TASK},claims-status,,success,'=1+1,")
    assert row.endswith('"{""claim"":[""HM-1""]}","[{""json_data"":{""status"":""paid""}}]"')
    assert program(wire, "export", "--to", str(file)).exit_code == 1
    assert file.read_text().startswith("task_id,")


def test_a_table_of_the_server_is_exported_as_it_came(wire: Wire, tmp_path: Path) -> None:
    table = "\ufefftask_id,input.claim\r\n1,'=1\r\n".encode()
    wire.routes["GET", "/api/v1/tasks.csv"] = Reply(200, table, {"X-Resume-Cursor": "c3"})
    done = program(wire, "export", "--csv", "--needs-review", "--ended-after", "2026-11-24T00:00:00Z", "--limit", "7")
    assert (done.exit_code, done.stdout_bytes) == (0, table)
    assert done.stderr == "1 tasks\ngo on later with: --cursor c3\n"
    assert wire.asked[0].query == {
        "needs_review": "true",
        "ended_after": "2026-11-24T00:00:00Z",
        "delimiter": "comma",
        "limit": "7",
    }
    file = tmp_path / "tasks.csv"
    arguments = ("export", "--csv", "--raw", "--delimiter", "semicolon", "--to", str(file))
    assert (program(wire, *arguments).stdout, file.read_bytes()) == ("", table)
    assert (wire.asked[-1].query["raw"], wire.asked[-1].query["delimiter"]) == ("true", "semicolon")
    assert program(wire, *arguments).exit_code == 1
    assert [each.name for each in tmp_path.iterdir()] == ["tasks.csv"]


def test_export_of_ended_tasks_says_how_to_go_on(wire: Wire) -> None:
    wire.says(Reply(200, {"tasks": [task()], "next_cursor": None, "resume_cursor": "c2"}), Reply(200, ENDED))
    done = program(wire, "export", "--ended-after", "2026-11-24T00:00:00Z")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 1)
    assert "--cursor c2" in done.stderr
    wire.says(hung_up(), Reply(200, {"tasks": [], "next_cursor": None, "resume_cursor": "c2"}))
    assert program(wire, "export", "--cursor", "c2").exit_code == 0
    assert wire.asked[-1].query == {"limit": "100", "cursor": "c2"}


# --- completion, and the manual


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell: str) -> None:
    done = program(None, "completion", shell)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"_OPTEXITY_SERVER_COMPLETE={shell}_complete" in done.stdout


def test_completion_knows_the_commands() -> None:
    done = CliRunner().invoke(
        cli,
        [],
        prog_name=PROGRAM,
        env={"_OPTEXITY_SERVER_COMPLETE": "bash_complete", "COMP_WORDS": f"{PROGRAM} auto", "COMP_CWORD": "1"},
    )
    assert done.stdout == "plain,automations\n"
    done = CliRunner().invoke(
        cli,
        [],
        prog_name=PROGRAM,
        env={
            "_OPTEXITY_SERVER_COMPLETE": "bash_complete",
            "COMP_WORDS": f"{PROGRAM} review {TASK} --",
            "COMP_CWORD": "3",
        },
    )
    assert {"plain,--happened", "plain,--did-not-happen", "plain,--note"} <= set(done.stdout.splitlines())


def _commands(command: click.Command, names: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        return [(names, command)]
    return [each for name, part in command.commands.items() for each in _commands(part, (*names, name))]


@pytest.mark.parametrize(("names", "command"), _commands(cli), ids=lambda each: str(each))
def test_every_command_has_help_json_and_a_place_in_the_manual(names: tuple[str, ...], command: click.Command) -> None:
    assert program(None, *names, "--help").exit_code == 0
    assert command.help
    options = {name for parameter in command.params for name in parameter.opts}
    assert "--json" in options or names == ("completion",)
    manual = (ROOT / "docs" / "client.md").read_text()
    assert f"`{' '.join(names)}" in manual
    undocumented = [name for name in options if name.startswith("--") and name not in manual]
    assert undocumented == []
