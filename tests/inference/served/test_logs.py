"""What the web process logs about requests, in both formats: their id, the key's public id, and no secret."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests

from inference.models import Automation
from optexity_site.log import FORMATS
from tests.factories import make_key, make_task
from tests.inference.conftest import ApiClient, a_body
from tests.inference.served.conftest import Granian, database_url
from tests.inference.served.test_secrets import broken_submissions

CANARY = "kanarienvogel"


@pytest.fixture(scope="module", params=FORMATS)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def granian(
    shape: str, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Granian]:
    with django_db_blocker.unblock():
        server = Granian(tmp_path_factory.mktemp("granian"), url=database_url(), LOG_FORMAT=shape)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


def test_the_lines_of_a_request_have_its_id_and_the_public_id_of_its_key(
    granian: Granian, automation: Automation, shape: str
) -> None:
    key, text = make_key()
    request_id = f"req.{uuid4().hex}"

    with broken_submissions():
        response = ApiClient(granian.url, text).submit(a_body(priority=1), headers={"X-Request-ID": request_id})
    anonymous = requests.get(f"{granian.url}/static/inference/icon.svg", timeout=30)

    assert response.status_code == 500
    assert response.headers["X-Request-ID"] == request_id
    assert anonymous.status_code == 200
    assert anonymous.headers["X-Request-ID"] not in ("", request_id)
    (line,) = [each for each in granian.log().splitlines() if request_id in each]
    if shape == "json":
        fields = json.loads(line)
        assert (fields["request_id"], fields["key_id"]) == (request_id, key.public_id)
        assert (fields["level"], fields["error"]) == ("ERROR", "IntegrityError")
    else:
        assert f" request_id={request_id} key_id={key.public_id} error=IntegrityError place=" in line


def test_no_place_of_a_request_reaches_the_log(granian: Granian, automation: Automation, shape: str) -> None:
    _, text = make_key()
    secret = text.rpartition("_")[2]
    task = make_task()
    client = ApiClient(granian.url, text)
    body = a_body(input_parameters={"patient_id": [CANARY], "payer": [CANARY]})
    odd = {
        "X-Request-ID": f"{CANARY} with a blank",
        "User-Agent": CANARY,
        "Referer": f"http://localhost/?token={CANARY}",
        "Cookie": f"optexity_session={CANARY}",
        "traceparent": CANARY,
        "Idempotency-Key": CANARY,
    }
    statuses = [
        client.submit(body, headers=odd).status_code,
        client.submit(body | {"priority": CANARY}).status_code,
        client.submit(body, headers={"Host": f"{CANARY}.example"}).status_code,
        client.post("/inference", data=json.dumps(body)[:-1], headers={"Content-Type": "text/csv"}).status_code,
        client.get(f"/api/v1/artifacts/{task.id}?signature={CANARY}").status_code,
        client.get(f"/api/v1/tasks?cursor={CANARY}&status={CANARY}").status_code,
        client.get(f"/api/v1/tasks/{task.id}?wait={CANARY}").status_code,
        client.with_key(CANARY).submit(body).status_code,
        client.with_key("").submit(body, headers={"Authorization": f"Bearer {CANARY}"}).status_code,
        client.get(f"/admin/login/?next=/{CANARY}").status_code,
        client.post("/admin/login/", data={"username": CANARY, "password": CANARY}).status_code,
        client.get(f"/{CANARY}").status_code,
        client.get("/admin/", headers={"Host": "other.example", "X-Forwarded-For": CANARY}).status_code,
    ]
    with broken_submissions():
        statuses.append(client.submit(body | {"priority": 1, "idempotency_key": CANARY + "2"}).status_code)

    assert {202, 400, 401, 404, 500} <= set(statuses)
    log = granian.log()
    assert CANARY not in log.lower()
    assert secret not in log
    assert "Traceback" not in log
    assert "unexpected error in a request" in log
    if shape == "json":
        # The web server's main process, which starts those that answer, has read no settings.
        for line in (each for each in log.splitlines() if not each.startswith("[")):
            assert set(json.loads(line)) >= {"at", "level", "logger", "event"}, line
