"""What a request holds is in no log, at the most talkative level."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from inference.models import ApiKey, Automation, Task
from optexity_site import embedded_db
from tests.factories import a_document, make_key
from tests.inference.conftest import ApiClient, a_body
from tests.inference.served.conftest import Granian

CANARY = "kanarienvogel"
SECRET = {"onepassword": {"vault_name": CANARY, "item_name": CANARY, "field_name": CANARY}}
SEED = {"totp": {"totp_secret": CANARY.upper()}}


def requests_with_canaries() -> list[tuple[str, str, Any]]:
    """Good ones and every kind of bad one, each with the canary where a value may stand."""
    parameters = {"patient_id": [CANARY], "payer": [CANARY]}
    bodies: list[Any] = [
        a_body(input_parameters=parameters),
        a_body(input_parameters=parameters, unique_parameter_names=["payer"]),
        a_body(input_parameters=parameters, unique_parameter_names=["payer"]),
        a_body(input_parameters=parameters, idempotency_key="order-7"),
        a_body(input_parameters=parameters, idempotency_key="order-7", priority=1),
        a_body(input_parameters=parameters | {"payer": [CANARY, 5]}),
        a_body(input_parameters=parameters | {"payer": CANARY}),
        a_body(input_parameters={"patient_id": [CANARY]}),
        a_body(input_parameters=parameters, priority=2**40),
        a_body(secure_parameters={"password": [SECRET]}),
        a_body(secure_parameters={"password": [SEED]}),
        a_body(secure_parameters={"password": [SECRET | SEED]}),
        a_body(secure_parameters={"password": [CANARY]}),
        a_body(input_parameters=parameters, task_callback_url=f"https://{CANARY}@host/"),
        a_body(input_parameters=parameters, task_callback_url=f"x{CANARY}", task_callback_api_key=CANARY),
        a_body(input_parameters=parameters | {"payer": [f"{CANARY}\0"]}),
    ]
    document = a_document(nodes=[{"type": "action_node", "sleep_action": {"sleep_time": CANARY}}], url=CANARY)
    return [("POST", "/api/v1/inference", body) for body in bodies] + [
        ("PUT", "/api/v1/automations/new", document),
        ("PUT", "/api/v1/automations/new", a_document(url=CANARY)),
        ("POST", "/api/v1/automations/new/validate", document),
    ]


@pytest.fixture
def postgres_log_bytes() -> int:
    return len(postgres_log())


def postgres_log() -> bytes:
    """What the embedded server wrote; nothing when the tests use another one."""
    if settings.DATABASE_URL:
        return b""
    log = embedded_db.status(settings.DATA_DIR).log.read_bytes()
    assert b"ready to accept connections" in log  # it is the right file
    return log


def test_values_and_keys_are_in_no_log_and_no_error(
    granian: Granian, automation: Automation, postgres_log_bytes: int
) -> None:
    key, text = make_key()
    secret = text[len("opx_12345678_") :]
    client = ApiClient(granian.url, text)
    statuses, refusals = set(), []
    for method, path, body in requests_with_canaries():
        response = client.request(method, path, json=body)
        statuses.add(response.status_code)
        if response.status_code >= 400:
            refusals.append(response.text)
    raw = json.dumps(a_body(input_parameters={"payer": [CANARY]}))
    for content_type, data in (
        ("application/json", raw[:-1]),
        ("application/json", raw.replace('"Acme"', "NaN")),
        ("text/plain", raw),
        ("application/json; charset=latin-1", raw),
    ):
        refusals.append(client.post("/inference", data=data, headers={"Content-Type": content_type}).text)
    wrong_keys = ({"x-api-key": text[:-1]}, {"Authorization": f"Bearer {text}{CANARY}"})
    refusals += [ApiClient(granian.url).submit(a_body(), headers=headers).text for headers in wrong_keys]

    assert statuses >= {202, 400, 422}
    assert Task.objects.filter(input_parameters__payer=[CANARY]).exists()
    assert ApiKey.objects.get(pk=key.pk).last_used_at is not None
    for told in [*refusals, granian.log(), postgres_log()[postgres_log_bytes:].decode()]:
        assert CANARY not in told.lower()
        assert secret not in told


@contextmanager
def broken_submissions() -> Iterator[None]:
    """A constraint that nobody expects refuses every task."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE inference_task ADD CONSTRAINT surprise CHECK (priority = 42) NOT VALID")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE inference_task DROP CONSTRAINT surprise")


def test_unexpected_error_is_logged_by_class_and_place_only(
    granian: Granian, automation: Automation, postgres_log_bytes: int
) -> None:
    _, text = make_key()
    before = len(granian.log())
    client = ApiClient(granian.url, text)
    with broken_submissions():
        response = client.submit(a_body(input_parameters={"patient_id": [CANARY], "payer": []}, priority=1))

    logged = granian.log()[before:]
    assert response.status_code == 500
    assert response.json()["message"].startswith("An unexpected error happened")
    assert "submit.py" not in response.text
    errors = [line for line in logged.splitlines() if json.loads(line)["level"] == "ERROR"]
    assert len(errors) == 1
    assert "IntegrityError" in errors[0]
    assert "submit.py" in errors[0]
    assert CANARY not in logged
    assert CANARY not in postgres_log()[postgres_log_bytes:].decode()
    assert "Traceback" not in logged
