"""The database goes away and comes back; settings are wrong; waiting requests fill their places."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from inference.models import Automation, Task
from tests.factories import end_task, make_key, make_task
from tests.inference.conftest import ApiClient, a_body, assert_error
from tests.inference.served.conftest import Granian, database_url
from tests.relay import Relay


@pytest.fixture
def behind_relay(relay: Relay, automation: Automation, tmp_path: Path) -> Iterator[Granian]:
    server = Granian(tmp_path, url=database_url(host="127.0.0.1", port=str(relay.port)))
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


def eventually(look: Callable[[], Any], *, seconds: float) -> float:
    """Seconds until `look` was true; fails after `seconds`."""
    began = time.monotonic()
    while not look():
        assert time.monotonic() - began < seconds
        threading.Event().wait(0.1)
    return time.monotonic() - began


def test_database_that_is_away_is_told_and_its_return_is_noticed(behind_relay: Granian, relay: Relay) -> None:
    _, key = make_key()
    client, keyed = ApiClient(behind_relay.url), ApiClient(behind_relay.url, key)
    assert client.post("/inference", json=a_body()).status_code == 202

    relay.cut()

    for response in (client.post("/inference", json=a_body()), keyed.get("/api/v1/tasks")):
        assert_error(response, 503, "Service unavailable: ")
        assert int(response.headers["Retry-After"]) > 0
    health = client.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert "database" in health.json()["message"]
    # What needs no database is answered as ever.
    assert client.post("/inference", data=b"{", headers={"Content-Type": "application/json"}).status_code == 400

    relay.mend()

    eventually(lambda: client.post("/inference", json=a_body()).status_code == 202, seconds=15)
    # Once it is back it is back for everybody: no connection of before is handed out again.
    assert {keyed.get("/api/v1/tasks").status_code for _ in range(40)} == {200}
    assert "Traceback" not in behind_relay.log()


def test_every_submission_that_was_accepted_around_an_outage_is_stored(behind_relay: Granian, relay: Relay) -> None:
    accepted: list[str] = []
    refused: list[int] = []
    is_over = threading.Event()

    def submit_until_over() -> None:
        client = ApiClient(behind_relay.url)
        while not is_over.is_set():
            response = client.post("/inference", json=a_body())
            if response.status_code == 202:
                accepted.append(response.json()["task_id"])
            else:
                refused.append(response.status_code)

    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(submit_until_over) for _ in range(4)]
        try:
            for _ in range(2):
                before = len(accepted)
                eventually(lambda before=before: len(accepted) > before + 10, seconds=60)
                relay.cut()
                told = len(refused)
                eventually(lambda told=told: len(refused) > told, seconds=60)
                relay.mend()
            after = len(accepted)
            eventually(lambda: len(accepted) > after + 10, seconds=60)
        finally:
            is_over.set()
        for each in sending:
            each.result()

    assert set(refused) == {503}
    assert len(set(accepted)) == len(accepted)
    assert {str(task_id) for task_id in Task.objects.values_list("id", flat=True)} >= set(accepted)


def test_waiting_request_outlives_a_short_outage(behind_relay: Granian, relay: Relay) -> None:
    client = ApiClient(behind_relay.url)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.post, "/inference", json=a_body(), headers={"Prefer": "wait=60"})
        eventually(Task.objects.exists, seconds=20)
        relay.cut()
        end_task(Task.objects.get())
        relay.mend()

        response = held.result()

    assert (response.status_code, response.json()["task"]["status"]) == (200, "success")


def test_waiting_requests_do_not_starve_plain_ones(granian: Granian, automation: Automation) -> None:
    _, key = make_key()
    client = ApiClient(granian.url, key)
    task = make_task(automation=automation)
    path = f"/api/v1/tasks/{task.id}?wait=60"
    with ThreadPoolExecutor(40) as pool:
        held = [pool.submit(ApiClient(granian.url, key).get, path) for _ in range(40)]
        eventually(lambda: sum(each.done() for each in held) == 8, seconds=30)
        refused = [each.result() for each in held if each.done()]
        took = [client.get("/is_task_running").elapsed.total_seconds() for _ in range(20)]
        accepted = client.submit(a_body()).status_code
        end_task(task)
        statuses = sorted(each.result().status_code for each in held)

    assert {each.status_code for each in refused} == {503}
    assert sorted(took)[10] < 0.5
    assert accepted == 202
    assert statuses == [200] * 32 + [503] * 8


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"MAX_WAITERS": "many"}, "The setting MAX_WAITERS is wrong"),
        ({"DATABASE_URL": "mysql://x/y"}, "only PostgreSQL is supported"),
    ],
)
def test_wrong_setting_ends_the_server_with_one_sentence(
    tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    url = variables.pop("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    server = Granian(tmp_path, url=url, **variables)

    assert server.process.wait(40) != 0
    assert sentence in server.log()
    assert "Traceback" not in server.log()
