"""No answer of any route holds what is secret, whatever is sent and whatever goes wrong."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import requests
from django.conf import settings as configured
from django.db import OperationalError, connection
from django.urls import resolve

from inference.models import Automation
from inference.openapi.operations import OPERATIONS
from inference.services.manual import pages
from inference.services.waiting import waiters
from inference.views import events as events_view
from tests.factories import (
    a_document,
    make_artifact,
    make_automation,
    make_key,
    make_login_session,
    make_step,
    make_task,
)
from tests.inference.conftest import ApiClient, a_body

CANARY = "kanarienvogel"
REFERENCE = {"totp": {"totp_secret": CANARY}}


@pytest.fixture
def automation(transactional_db: None) -> Automation:
    return make_automation(endpoint_name="claims", inputs=("patient_id", "payer"))


@pytest.fixture
def seen(live_server: Any, automation: Automation, settings: Any) -> Iterator[tuple[ApiClient, list[str]]]:
    """A client, and every answer that it got: address, headers and body."""
    settings.BROWSER_PROXY = f"http://user:{CANARY}@proxy.example:3128"
    answers: list[str] = []

    def remember(response: requests.Response, *_: Any, **__: Any) -> None:
        answers.append(f"{response.request.method} {response.request.path_url}\n{response.headers}\n{response.text}")

    client = ApiClient(live_server.url, make_key()[1])
    client.session.hooks["response"].append(remember)
    yield client, answers
    client.session.close()
    waiters.close()


def addresses(automation: Automation) -> Iterator[tuple[str, str]]:
    """Every method of every route, of a task that has all there is, and the manual."""
    task = make_task(
        automation=automation,
        status="running",
        input_parameters=a_body()["input_parameters"],
        secure_parameters={"password": [REFERENCE]},
    )
    make_step(task)
    make_login_session(task, state=CANARY.encode())
    artifact = make_artifact(task)
    for method, path in OPERATIONS:
        path = path.replace("{task_id}", str(task.id)).replace("{artifact_id}", str(artifact.id))
        path = path.replace("{endpoint_name}", "claims")
        yield method, f"{path}?task_id={task.id}" if path.endswith(("_data", "_downloads")) else path
        yield "OPTIONS", path
    yield from (("GET", f"/docs/{name}") for name in pages())
    yield "GET", "/llms.txt"


def bodies() -> list[Any]:
    return [
        a_body(use_proxy=True),
        a_body(secure_parameters={"password": [REFERENCE]}),
        a_body(secure_parameters={"password": [{"totp": {"totp_secret": CANARY, "x": CANARY}}]}),
        a_body(secure_parameters={"password": [CANARY]}),
        a_body(secure_parameters=CANARY),
        a_body(task_callback_url=f"https://user:{CANARY}@host.example/", task_callback_api_key=CANARY),
        a_body(task_callback_url=CANARY, task_callback_api_key=CANARY),
        {"items": [a_body(secure_parameters={"password": [REFERENCE]}), a_body(task_callback_api_key=CANARY)]},
        {"answer": CANARY, "note": CANARY, "request_id": CANARY},
        a_document(nodes=[{"type": "action_node", "sleep_action": {"sleep_time": CANARY}}]),
    ]


def secrets(key: str) -> list[str]:
    """What must not be seen, as it would be seen: the part of a key that is not public, and the server's own."""
    own = [configured.SECRET_KEY, *configured.ENCRYPTION_KEYS, str(connection.settings_dict["PASSWORD"])]
    return [CANARY, key.rpartition("_")[2], *(each for each in own if each)]


def test_no_answer_holds_a_secret(
    seen: tuple[ApiClient, list[str]], automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stream of a task that goes on would be read for a quarter of an hour.
    monkeypatch.setattr(events_view, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(events_view, "MOST_SECONDS", 0.2)
    client, answers = seen
    for method, path in addresses(automation):
        if method not in ("POST", "PUT"):
            client.request(method, path)
            continue
        for body in bodies():
            client.request(method, path, json=body)
        client.request(method, path, data=f'{{"{CANARY}', headers={"Content-Type": "application/json"})

    wrong = [{"x-api-key": f"opx_{CANARY}"}, {"Authorization": f"Bearer {CANARY}"}, {"Authorization": CANARY}]
    for headers in wrong:
        client.get("/api/v1/tasks", headers=headers)
    client.get(f"/api/v1/artifacts/{make_artifact(make_task()).id}?signature={CANARY}")

    assert len(answers) > 150
    assert {
        answer for answer in answers for secret in secrets(client.key) if secret in answer.partition("\n")[2]
    } == set()


@pytest.mark.parametrize("fault", [RuntimeError, OperationalError])
def test_no_error_holds_what_went_wrong(
    seen: tuple[ApiClient, list[str]], automation: Automation, fault: type[Exception]
) -> None:
    client, answers = seen
    wanted = [(method, path) for method, path in addresses(automation) if path.startswith(("/api/", "/inf", "/health"))]
    for method, path in wanted:
        if method == "OPTIONS":
            continue
        view = resolve(path.partition("?")[0]).func.view_class  # type: ignore[attr-defined]
        with patch.object(view, method.lower(), side_effect=fault(f"password={CANARY} host=db")):
            assert client.request(method, path).status_code in (500, 503)

    assert len(answers) > 20
    assert [answer for answer in answers if CANARY in answer] == []


def test_a_secret_in_an_answer_would_be_noticed(seen: tuple[ApiClient, list[str]]) -> None:
    client, answers = seen
    task_id = client.submit(a_body(input_parameters={"patient_id": [CANARY], "payer": []})).json()["task_id"]

    client.get(f"/api/v1/tasks/{task_id}")  # inputs are told to who may read the task

    assert [answer for answer in answers if CANARY in answer] != []
