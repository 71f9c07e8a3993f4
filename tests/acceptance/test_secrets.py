"""What must be in no log, at any level: keys, secure values, and what tasks type into pages."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from tests.acceptance.conftest import Portal, Server

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def talkative_server(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Everything logs at DEBUG."""
    from optexity_site import embedded_db

    folder = tmp_path_factory.mktemp("talkative")
    server = Server(folder, portal, LOG_LEVEL="DEBUG")
    try:
        server.prepare()
        server.start(workers=1)
        yield server
    finally:
        if server.process is not None:
            server.stop()
        embedded_db.delete(folder / "data")


def logs_of(server: Server) -> dict[str, str]:
    """Every log of the server and of its database, by name."""
    files = [server.log, *(each for each in (server.folder / "data").rglob("*.log*") if each.is_file())]
    found = {str(each): each.read_text(errors="replace") for each in files}
    assert any("postgres" in name for name in found), "PostgreSQL's own log was not looked at"
    return found


def test_no_log_holds_a_key_or_a_secure_or_an_input_value(talkative_server: Server) -> None:
    server = talkative_server
    canaries = {kind: f"canary-{kind}-{uuid4().hex}" for kind in ("input", "secure", "seed", "wrong-key", "broken")}
    task_id = server.submit_effect(canaries["input"])
    assert server.ended(task_id)["status"] == "success"
    secure = {
        "password": [{"vault": {"name": canaries["secure"]}}, {"totp": {"totp_secret": canaries["seed"]}}],
        "token": [canaries["secure"]],
    }
    refused = server.submit("northwind-record-effect", input_parameters={"id": ["x"]}, secure_parameters=secure)
    assert refused.status_code == 400
    for headers in ({"x-api-key": canaries["wrong-key"]}, {"Authorization": f"Bearer {server.key}x"}):
        answer = requests.post(f"{server.url}/api/v1/inference", json={}, headers=headers, timeout=10)
        assert answer.status_code == 401
    broken = requests.post(
        f"{server.url}/inference",
        data='{"secure_parameters": "' + canaries["broken"],
        headers={"Content-Type": "application/json", "x-api-key": server.key},
        timeout=10,
    )
    assert broken.status_code == 400
    for answer in (refused, broken):
        assert not [kind for kind, canary in canaries.items() if canary in answer.text]
    secret = server.key.rpartition("_")[2]
    for name, text in logs_of(server).items():
        said = [kind for kind, canary in canaries.items() if canary in text]
        assert said == [], f"{name} holds the {said} value"
        assert secret not in text, f"{name} holds a key"
    assert "attempt ended" in server.log.read_text(), "the log was not written at all"


def test_the_files_of_the_server_are_for_its_user_only(talkative_server: Server) -> None:
    data: Path = talkative_server.folder / "data"
    assert data.stat().st_mode & 0o077 == 0
    assert (data / "secret_key").stat().st_mode & 0o077 == 0
