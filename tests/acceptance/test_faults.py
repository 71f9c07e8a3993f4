"""What the queue promises when processes are killed: nothing freezes, nothing is lost, nothing runs twice."""

import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from tests.acceptance.conftest import Portal, Server, wait_for

pytestmark = pytest.mark.acceptance


def picked_up_in(server: Server) -> float:
    """Seconds from the commit of a new task to its start, by the database's clock."""
    task_id = server.submit_effect(f"pickup-{uuid4().hex}")
    task = server.ended(task_id)
    assert task["status"] == "success", task["error"]
    [(seconds,)] = server.sql(
        "SELECT extract(epoch FROM started_at - created_at)::float FROM inference_task WHERE id = %s", task_id
    )
    return float(seconds)


@pytest.fixture
def idle_server(server: Server) -> Server:
    wait_for(lambda: len(server.idle_workers()) == 2, seconds=30, what="both workers are idle")
    return server


def test_a_task_starts_at_once_after_an_idle_worker_was_killed(idle_server: Server) -> None:
    for _ in range(3):
        wait_for(idle_server.idle_workers, seconds=15, what="an idle worker")[0].kill()
        assert picked_up_in(idle_server) < 1.5


@pytest.mark.parametrize("role", ["pusher", "monitor"])
def test_a_task_starts_at_once_after_the_pusher_or_monitor_was_killed(idle_server: Server, role: str) -> None:
    for _ in range(2):
        victim = idle_server.auxiliary(role)
        victim.kill()
        assert picked_up_in(idle_server) < 1.5
        wait_for(lambda: idle_server.auxiliary(role).pid != victim.pid, seconds=10, what=f"a new {role}")  # noqa: B023


def test_every_idle_worker_killed_at_once(idle_server: Server) -> None:
    for worker in idle_server.idle_workers():
        worker.kill()
    assert picked_up_in(idle_server) < 1.5


def test_a_task_starts_within_5_s_after_the_sentinel_was_killed(idle_server: Server) -> None:
    sentinel = idle_server.sentinel()
    orphans = sentinel.children(recursive=True)
    sentinel.kill()
    assert picked_up_in(idle_server) < 5
    _, alive = psutil.wait_procs(orphans, timeout=15)
    assert alive == [], "processes of the killed sentinel are left"


def test_a_busy_worker_killed_leaves_no_browser_and_its_task_fails_as_lost(idle_server: Server) -> None:
    task_id = idle_server.submit_effect(f"lost-{uuid4().hex}", seconds=60)
    worker = idle_server.busy_worker()
    wait_for(lambda: worker.children(recursive=True), seconds=10, what="its browser runs")
    browser = worker.children(recursive=True)
    worker.kill()
    _, alive = psutil.wait_procs(browser, timeout=5)
    assert alive == [], "a browser or driver of the killed worker is left after 5 s"
    assert picked_up_in(idle_server) < 1.5, "the cluster goes on meanwhile"
    task = idle_server.wait_for_status(task_id, "failed", seconds=30)
    assert task["error"] == "worker lost"


def test_a_task_runs_on_when_its_sentinel_is_killed_and_its_effect_happens_once(idle_server: Server) -> None:
    effect = f"orphan-{uuid4().hex}"
    task_id = idle_server.submit_effect(effect, seconds=3)
    idle_server.busy_worker()
    idle_server.sentinel().kill()
    task = idle_server.ended(task_id)
    assert task["status"] == "success", task["error"]
    assert idle_server.portal.effects()[effect] == 1


def test_cancel_stops_a_running_task_within_2_s(idle_server: Server) -> None:
    import requests

    effect = f"cancelled-{uuid4().hex}"
    task_id = idle_server.submit_effect(effect, seconds=60)
    idle_server.wait_for_status(task_id, "running", seconds=10)
    answer = requests.post(
        f"{idle_server.url}/api/v1/tasks/{task_id}/cancel", headers={"x-api-key": idle_server.key}, timeout=10
    )
    assert answer.status_code in (200, 202), answer.text
    idle_server.wait_for_status(task_id, "cancelled", seconds=2)
    assert effect not in idle_server.portal.effects()


def kill(server: Server, task_id: str) -> None:
    """As `{"force": true}` does it; the task has ended when the answer comes."""
    import requests

    answer = requests.post(
        f"{server.url}/api/v1/tasks/{task_id}/cancel",
        headers={"x-api-key": server.key},
        json={"force": True},
        timeout=30,
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "killed"), answer.text


def test_a_killed_task_has_ended_at_once_and_its_worker_takes_the_next_one(forgetful_server: Server) -> None:
    effect = f"killed-{uuid4().hex}"
    task_id = forgetful_server.submit_effect(effect, seconds=60)
    worker = forgetful_server.busy_worker()
    wait_for(lambda: steps_of(forgetful_server, task_id), seconds=20, what="its first step has begun")
    kill(forgetful_server, task_id)
    before = all_of(forgetful_server, task_id)
    # Its only worker is free at once, and is the same.
    assert picked_up_in(forgetful_server) < 4
    assert [each.pid for each in forgetful_server.workers()] == [worker.pid]
    assert all_of(forgetful_server, task_id) == before
    assert before[0]["error"].startswith("stopped by force at step ")
    assert effect not in forgetful_server.portal.effects()


def test_a_task_is_killed_at_once_while_its_worker_is_paused_and_nothing_changes_when_that_comes_back(
    forgetful_server: Server,
) -> None:
    effect = f"killed-{uuid4().hex}"
    task_id = forgetful_server.submit_effect(effect, seconds=60)
    worker = forgetful_server.busy_worker()
    wait_for(lambda: steps_of(forgetful_server, task_id), seconds=20, what="its first step has begun")
    worker.suspend()
    try:
        kill(forgetful_server, task_id)
        before = all_of(forgetful_server, task_id)
    finally:
        worker.resume()
    assert picked_up_in(forgetful_server) < 8
    assert all_of(forgetful_server, task_id) == before
    assert effect not in forgetful_server.portal.effects()


def test_a_worker_that_does_not_let_go_of_a_killed_task_is_killed_with_its_browser(forgetful_server: Server) -> None:
    task_id = forgetful_server.submit_effect(f"killed-{uuid4().hex}", seconds=60)
    worker = forgetful_server.busy_worker()
    wait_for(lambda: steps_of(forgetful_server, task_id), seconds=20, what="its first step has begun")
    family = [worker, *worker.children(recursive=True)]
    worker.suspend()
    kill(forgetful_server, task_id)
    before = all_of(forgetful_server, task_id)
    _, alive = psutil.wait_procs(family, timeout=25)
    assert alive == [], "a worker that did not let go of its task, or its browser, is left"
    task = forgetful_server.ended(forgetful_server.submit_effect(f"next-{uuid4().hex}"))
    assert task["status"] == "success", task["error"]
    assert all_of(forgetful_server, task_id) == before


def all_of(server: Server, task_id: str) -> tuple[object, ...]:
    events = server.sql("SELECT id, kind, status FROM inference_taskevent WHERE task_id = %s ORDER BY id", task_id)
    return server.task(task_id), steps_of(server, task_id), events


@pytest.fixture(scope="module")
def hanging_server(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    from optexity_site import embedded_db

    folder = tmp_path_factory.mktemp("hang")
    server = Server(folder, portal, DJANGO_SETTINGS_MODULE="tests.acceptance.settings_with_hanging_receiver")
    try:
        server.prepare()
        server.start(workers=1)
        yield server
    finally:
        (folder / "data" / "hang").unlink(missing_ok=True)
        if server.process is not None:
            server.stop()
        embedded_db.delete(folder / "data")


def test_a_worker_killed_inside_a_receiver_freezes_nothing(hanging_server: Server) -> None:
    data: Path = hanging_server.folder / "data"
    (data / "hang").touch()
    hanging_server.submit_effect(f"hangs-{uuid4().hex}")
    wait_for((data / "hanging").exists, seconds=20, what="the worker hangs in the receiver")
    [worker] = hanging_server.workers()
    (data / "hang").unlink()
    worker.send_signal(signal.SIGKILL)
    assert picked_up_in(hanging_server) < 5


def test_web_processes_go_when_the_process_that_started_them_is_killed(idle_server: Server) -> None:
    workers = wait_for(idle_server.web_workers, seconds=10, what="a web worker")
    main = workers[0].parent()
    assert main is not None
    assert workers
    main.kill()
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert alive == [], "web workers outlive the process that started them"
    wait_for(idle_server.is_ready, seconds=15, what="serve has started the web server again")
    assert picked_up_in(idle_server) < 1.5


@pytest.fixture(scope="module")
def forgetful_server(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its leases run out after 6 s."""
    from optexity_site import embedded_db

    folder = tmp_path_factory.mktemp("lease")
    server = Server(folder, portal, WORKER_LEASE_SECONDS="6", WORKER_HEARTBEAT_SECONDS="2")
    try:
        server.prepare()
        server.start(workers=1)
        yield server
    finally:
        if server.process is not None:
            server.stop()
        embedded_db.delete(folder / "data")


def test_a_worker_that_was_paused_past_its_lease_comes_back_and_changes_nothing(forgetful_server: Server) -> None:
    effect = f"paused-{uuid4().hex}"
    task_id = forgetful_server.submit_effect(effect, seconds=30)
    worker = forgetful_server.busy_worker()
    browser = worker.children(recursive=True)
    wait_for(lambda: steps_of(forgetful_server, task_id), seconds=20, what="its first step has begun")
    worker.suspend()
    try:
        forgetful_server.wait_for_status(task_id, "failed", seconds=30)
        before = forgetful_server.task(task_id), steps_of(forgetful_server, task_id)
    finally:
        worker.resume()
    # It stops at once: what it does next is another task, long before this one's act would have come.
    assert picked_up_in(forgetful_server) < 8
    assert before == (forgetful_server.task(task_id), steps_of(forgetful_server, task_id))
    assert before[0]["error"] == "worker lost"
    assert effect not in forgetful_server.portal.effects()
    assert worker.is_running()
    assert all(each.is_running() for each in browser[:1]), "its browser is used again"


def steps_of(server: Server, task_id: str) -> list[tuple[str, ...]]:
    return server.sql("SELECT status, label, error FROM inference_step WHERE task_id = %s ORDER BY id", task_id)
