"""Reading and steering tasks over HTTP."""

import base64
import json
import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.core import signing
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from inference.models import Artifact, AuditEvent, Automation, Task, TaskEvent
from inference.queries import ListPosition, TaskFilter, list_ended_tasks, list_tasks
from inference.serializers import task_summaries
from inference.services import artifact_links
from inference.services.cancel import cancel_tasks
from tests.factories import end_task, make_artifact, make_automation, make_key, make_step, make_task, make_user
from tests.inference.conftest import ApiClient, a_body, assert_error

# The contract's list, and what belongs to the request.
TASK_FIELDS = {
    "task_id",
    "user_id",
    "company_id",
    "recording_id",
    "endpoint_name",
    "version",
    "input_parameters",
    "secure_parameters",
    "unique_parameter_names",
    "unique_parameters",
    "created_at",
    "allocated_at",
    "started_at",
    "completed_at",
    "status",
    "error",
    "outcome_unknown",
    "needs_review",
    "retried_as",
    "review",
    "retry_count",
    "max_retries",
    "max_timeout_in_minutes",
    "is_dedicated",
    "max_parallelism",
    "per_login_parallelism",
    "use_proxy",
    "priority",
    "dedup_key",
    "api_key",
    "save_directory",
    "task_directory",
    "logs_directory",
    "downloads_directory",
    "log_file_path",
    "output_data",
    "for_loop_status",
    "final_screenshot",
    "downloads",
    "duration_ms",
    "attempts",
    "token_usage",
    "callback",
    "previous_task_id",
    "waiting_for",
    "waiting_for_person",
}


def test_task_object_of_a_queued_task(api: ApiClient, automation: Automation) -> None:
    owner = make_user()
    key, text = make_key(owner=owner)
    body = a_body(unique_parameter_names=["payer"], priority=4)
    task_id = api.with_key(text).submit(body).json()["task_id"]

    task = api.get(f"/api/v1/tasks/{task_id}").json()

    assert set(task) == TASK_FIELDS
    expected = {
        "task_id": task_id,
        "user_id": str(owner.pk),
        "recording_id": str(automation.pk),
        "endpoint_name": "claims",
        "version": "1",
        "input_parameters": body["input_parameters"],
        "unique_parameter_names": ["payer"],
        "unique_parameters": {"payer": ["Acme"]},
        "dedup_key": '{"payer":["Acme"]}',
        "allocated_at": None,
        "status": "queued",
        "priority": 4,
        "api_key": key.public_id,
        "attempts": [],
        "duration_ms": None,
        "final_screenshot": None,
    }
    assert {name: task[name] for name in expected} == expected
    assert text not in str(task)


def test_task_object_of_an_ended_task(api: ApiClient, automation: Automation) -> None:
    task = make_task(automation=automation, status="running")
    picture = make_artifact(task, kind=Artifact.Kind.SCREENSHOT, filename="final.png", content_type="image/png")
    make_artifact(task, filename="claim.pdf")
    end_task(task, "failed", error="could not", output_data=[{"a": 1}], final_screenshot=picture)

    answer = api.get(f"/api/v1/tasks/{task.id}").json()

    assert (answer["status"], answer["error"], answer["output_data"]) == ("failed", "could not", [{"a": 1}])
    instants = [answer[name] for name in ("created_at", "allocated_at", "started_at", "completed_at")]
    assert all(instant.endswith("+00:00") for instant in instants)
    assert instants == sorted(instants, key=datetime.fromisoformat)
    assert answer["duration_ms"] >= 0
    assert answer["final_screenshot"]["filename"] == "final.png"
    assert [each["filename"] for each in answer["downloads"]] == ["claim.pdf"]
    assert [(each["number"], each["cause"], each["error"]) for each in answer["attempts"]] == [
        (1, "failed", "could not")
    ]


def test_automation_is_included_only_when_asked_for(api: ApiClient, automation: Automation) -> None:
    task = make_task(automation=automation)

    assert "automation" not in api.get(f"/api/v1/tasks/{task.id}").json()
    included = api.get(f"/api/v1/tasks/{task.id}?include=automation").json()
    assert included["automation"] == automation.versions.get().document


@pytest.mark.parametrize("path", ["", "/steps", "/artifacts"])
def test_unknown_task_is_not_found(api: ApiClient, path: str) -> None:
    unknown = uuid.uuid4()

    assert_error(api.get(f"/api/v1/tasks/{unknown}{path}"), 404, f"Task {unknown} not found")
    assert_error(api.get(f"/api/v1/tasks/not-an-id{path}"), 404)


def test_steps_are_told_attempt_by_attempt_in_order(api: ApiClient, automation: Automation) -> None:
    task = make_task(automation=automation, status="running")
    picture = make_artifact(task, kind=Artifact.Kind.PICTURE, content=b"\x89PNG picture")
    make_step(task, label="Open", picture=picture, url="http://a/", locator="get_by_role('button')", healed=True)
    make_step(task, label="Save", status="failed", error="gone")
    make_step(task, attempt=2, label="Again", index=None)

    steps = api.get(f"/api/v1/tasks/{task.id}/steps").json()["steps"]

    assert [(each["attempt"], each["label"], each["status"], each["error"]) for each in steps] == [
        (1, "Open", "success", None),
        (1, "Save", "failed", "gone"),
        (2, "Again", "success", None),
    ]
    assert steps[0]["healed"] is True
    assert [each["index"] for each in steps] == [0, 1, None]
    assert steps[1]["screenshot"] is None
    assert api.session.get(steps[0]["screenshot"], timeout=10).content == b"\x89PNG picture"


def test_artifact_bytes_come_as_a_harmless_attachment(api: ApiClient) -> None:
    artifact = make_artifact(make_task(), content=b"<script>", filename='Büro "1".html', content_type="text/html")

    response = api.get(f"/api/v1/artifacts/{artifact.id}")

    assert response.content == b"<script>"
    assert response.headers["Content-Disposition"].startswith("attachment; filename")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert "no-store" in response.headers["Cache-Control"]


def test_artifact_link_works_without_a_key_for_its_artifact_only(api: ApiClient) -> None:
    task = make_task()
    first, second = make_artifact(task, content=b"one"), make_artifact(task, content=b"two")
    listed = api.get(f"/api/v1/tasks/{task.id}/artifacts").json()["artifacts"]
    links = {each["artifact_id"]: each["url"] for each in listed}

    assert {each["size_bytes"] for each in listed} == {3}
    assert api.session.get(links[str(first.id)], timeout=10).content == b"one"
    stolen = links[str(first.id)].replace(str(first.id), str(second.id))
    assert_error(api.session.get(stolen, timeout=10), 401)
    assert_error(api.session.get(links[str(first.id)][:-1], timeout=10), 401)


def test_artifact_link_runs_out(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = make_artifact(make_task())
    signature = artifact_links.sign_artifact(artifact.id)
    path = f"/api/v1/artifacts/{artifact.id}?signature={quote(signature)}"
    anonymous = ApiClient(api.url)
    assert anonymous.get(path).status_code == 200

    issued_at = signing.b62_decode(signature.split(":")[0])
    monkeypatch.setattr("django.core.signing.time.time", lambda: issued_at + artifact_links.LINK_SECONDS + 2)

    assert_error(anonymous.get(path), 401)


def test_artifact_needs_a_key_that_may_see_its_task(api: ApiClient, automation: Automation) -> None:
    artifact = make_artifact(make_task(automation=automation))
    _, elsewhere = make_key(automations=[make_automation()])
    _, submitter = make_key(scopes=["submit"])

    assert_error(ApiClient(api.url).get(f"/api/v1/artifacts/{artifact.id}"), 401)
    assert_error(api.with_key(elsewhere).get(f"/api/v1/artifacts/{artifact.id}"), 404)
    assert_error(api.with_key(submitter).get(f"/api/v1/artifacts/{artifact.id}"), 403)
    assert_error(api.get(f"/api/v1/artifacts/{uuid.uuid4()}"), 404)


def test_artifact_whose_bytes_are_gone_is_not_found(api: ApiClient) -> None:
    artifact = make_artifact(make_task())
    default_storage.delete(artifact.storage_name)

    assert_error(api.get(f"/api/v1/artifacts/{artifact.id}"), 404)


def test_queued_task_is_cancelled_at_once(api: ApiClient) -> None:
    task = make_task()

    response = api.post(f"/api/v1/tasks/{task.id}/cancel")

    task.refresh_from_db()
    assert response.status_code == 200
    assert response.json() == {
        "success": True,
        "message": "Task is cancelled",
        "task_id": str(task.id),
        "status": "cancelled",
    }
    assert task.status == "cancelled"
    assert TaskEvent.objects.filter(task=task).latest("id").cause == {"kind": "key", "id": api.key[4:12]}


def test_running_task_is_asked_to_stop_once(api: ApiClient) -> None:
    task = make_task(status="running")

    first, second = (api.post(f"/api/v1/tasks/{task.id}/cancel") for _ in range(2))

    task.refresh_from_db()
    assert first.json() == second.json()
    assert (first.status_code, first.json()["status"]) == (200, "running")
    assert task.cancel_requested_at is not None
    assert task.cancel_cause == {"kind": "key", "id": api.key[4:12]}


@pytest.mark.parametrize("status", ["success", "failed", "cancelled", "killed"])
def test_ended_task_cannot_be_cancelled(api: ApiClient, status: str) -> None:
    task = make_task(status=status)

    assert_error(api.post(f"/api/v1/tasks/{task.id}/cancel"), 409, f"Task {task.id} has already ended ({status})")


@pytest.mark.parametrize("is_asked_before", [False, True])
@pytest.mark.parametrize("status", ["allocated", "running"])
def test_with_force_a_task_is_killed_at_once(api: ApiClient, status: str, is_asked_before: bool) -> None:
    task = make_task(status=status)
    if is_asked_before:
        assert api.post(f"/api/v1/tasks/{task.id}/cancel", json={"force": False}).json()["status"] == status

    response = api.post(f"/api/v1/tasks/{task.id}/cancel", json={"force": True})

    task.refresh_from_db()
    assert response.status_code == 200
    assert response.json() == {
        "success": True,
        "message": "Task is stopped by force",
        "task_id": str(task.id),
        "status": "killed",
    }
    assert task.status == "killed"
    cause = {"kind": "key", "id": api.key[4:12]}
    assert (task.cancel_cause, TaskEvent.objects.filter(task=task).latest("id").cause) == (cause, cause)
    audit = AuditEvent.objects.get(act="task.kill", target=f"task {task.id}")
    assert audit.actor == api.key[:12]
    answer = api.get(f"/api/v1/tasks/{task.id}").json()
    assert (answer["status"], answer["error"].split(" at ")[0].split(" before ")[0]) == ("killed", "stopped by force")
    assert_error(
        api.post(f"/api/v1/tasks/{task.id}/cancel", json={"force": True}),
        409,
        f"Task {task.id} has already ended (killed)",
    )


def test_with_force_a_queued_task_is_cancelled(api: ApiClient) -> None:
    task = make_task()
    response = api.post(f"/api/v1/tasks/{task.id}/cancel", json={"force": True})
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize("status", ["success", "failed", "cancelled", "killed"])
def test_force_does_not_change_what_has_ended(api: ApiClient, status: str) -> None:
    task = make_task(status=status)
    assert_error(api.post(f"/api/v1/tasks/{task.id}/cancel", json={"force": True}), 409)
    assert not AuditEvent.objects.filter(act="task.kill").exists()


@pytest.mark.parametrize("force", [1, 0, "true", "yes", None, [], {}])
def test_force_is_true_or_false_and_nothing_else(api: ApiClient, force: object) -> None:
    task = make_task(status="running")
    assert_error(api.post(f"/api/v1/tasks/{task.id}/cancel", json={"force": force}), 400, "force must be true or false")
    task.refresh_from_db()
    assert (task.status, task.cancel_requested_at) == ("running", None)


@pytest.mark.parametrize("body", [[], [True], True, "force", 1, None])
def test_a_cancel_takes_an_object_or_nothing(api: ApiClient, body: object) -> None:
    task = make_task(status="running")
    sent = {"data": json.dumps(body), "headers": {"Content-Type": "application/json"}}
    assert_error(api.post(f"/api/v1/tasks/{task.id}/cancel", **sent), 400)
    task.refresh_from_db()
    assert task.cancel_requested_at is None


def test_force_needs_the_scope_of_a_cancel(api: ApiClient) -> None:
    task = make_task(status="running")
    _, reader = make_key(scopes=["read"])
    answer = api.post(f"/api/v1/tasks/{task.id}/cancel", json={"force": True}, headers={"x-api-key": reader})
    assert_error(answer, 403)
    task.refresh_from_db()
    assert task.status == "running"


def test_cancel_twice_of_a_queued_task_is_a_conflict(api: ApiClient) -> None:
    task = make_task()
    cancel_tasks(Task.objects.filter(id=task.id), cause={"kind": "user", "id": "maya"})

    assert_error(api.post(f"/api/v1/tasks/{task.id}/cancel"), 409)


def test_retry_makes_a_linked_task_with_the_same_inputs(api: ApiClient) -> None:
    task = make_task(status="failed", priority=3, unique_parameter_names=["patient_id"])

    response = api.post(f"/api/v1/tasks/{task.id}/retry")

    assert response.status_code == 202
    again = Task.objects.get(id=response.json()["task_id"])
    assert again.previous_task == task
    assert (again.status, again.priority, again.dedup_key) == ("queued", 3, task.dedup_key)
    assert again.input_parameters == task.input_parameters
    assert api.get(response.headers["Location"]).json()["previous_task_id"] == str(task.id)


def test_a_task_names_the_newest_one_that_runs_it_again(api: ApiClient) -> None:
    task = make_task(status="failed")
    assert api.get(f"/api/v1/tasks/{task.id}").json()["retried_as"] is None
    make_task(status="failed", previous_task=task)
    newest = make_task(previous_task=task)

    assert api.get(f"/api/v1/tasks/{task.id}").json()["retried_as"] == str(newest.id)


def test_a_list_says_what_queued_tasks_wait_for_at_the_cost_of_one(api: ApiClient) -> None:
    automation = make_automation(max_parallelism=1)
    running = make_task(automation=automation, status="running")

    def queries_for(limit: int) -> int:
        with CaptureQueriesContext(connection) as queries:
            task_summaries(list_tasks(None, TaskFilter(), after=None, limit=limit))
        return len(queries)

    make_task(automation=automation)
    one = queries_for(1)
    for _ in range(5):
        make_task(automation=make_automation())
    assert queries_for(7) == one
    listed = {each["task_id"]: each["waiting_for"] for each in api.get("/api/v1/tasks").json()["tasks"]}
    assert listed.pop(str(running.id)) is None
    assert sorted(each["reason"] for each in listed.values()) == ["automation_limit", *["no_worker"] * 5]
    assert {(each["position"], tuple(each["task_ids"])) for each in listed.values()} == {(None, ())}


def test_retry_of_an_active_task_is_a_conflict(api: ApiClient) -> None:
    assert_error(api.post(f"/api/v1/tasks/{make_task().id}/retry"), 409, "Task ")


def test_output_data_as_existing_clients_ask_for_it(api: ApiClient) -> None:
    task = make_task(status="success", output_data=[{"plan": "Gold"}])

    assert api.get(f"/api/v1/get_output_data?task_id={task.id}").json() == {
        "success": True,
        "task_id": str(task.id),
        "output_data": [{"plan": "Gold"}],
    }


def test_downloads_as_existing_clients_ask_for_them(api: ApiClient) -> None:
    task = make_task(status="running")
    make_artifact(task, content=b"bytes", filename="a.csv")
    make_artifact(task, kind=Artifact.Kind.TRACE, filename="trace.zip")

    answer = api.get(f"/api/v1/get_downloads?task_id={task.id}").json()

    assert [each["filename"] for each in answer["downloads"]] == ["a.csv"]
    assert api.session.get(answer["downloads"][0]["url"], timeout=10).content == b"bytes"


@pytest.mark.parametrize("route", ["get_output_data", "get_downloads"])
@pytest.mark.parametrize("query", ["", "?task_id=", "?task_id=7"])
def test_existing_clients_are_told_when_the_id_is_missing_or_wrong(api: ApiClient, route: str, query: str) -> None:
    assert set(assert_error(api.get(f"/api/v1/{route}{query}"), 400, "task_id must be")) == {"task_id"}


@pytest.mark.parametrize("path", ["/api/v1/automations/%00", "/api/v1/tasks?endpoint_name=%00", "/api/v1/tasks/%00"])
def test_nul_in_the_address_is_refused(api: ApiClient, path: str) -> None:
    assert_error(api.get(path), 400, "The address holds a NUL")


def listed(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return [each["task_id"] for each in response.json()["tasks"]]


def test_list_is_paged_newest_first_without_gap_or_repeat(api: ApiClient, automation: Automation) -> None:
    made = [str(make_task(automation=automation).id) for _ in range(7)]

    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        response = api.get(f"/api/v1/tasks?limit=3&cursor={cursor}")
        pages.append(listed(response))
        make_task(automation=automation)  # what arrives meanwhile does not shift the pages
        cursor = response.json()["next_cursor"]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [each for page in pages for each in page] == made[::-1]


def test_list_is_filtered(api: ApiClient, automation: Automation) -> None:
    failed = make_task(automation=automation, status="failed", unique_parameter_names=["payer"])
    waiting = make_task()
    created = quote(waiting.created_at.isoformat())

    assert listed(api.get("/api/v1/tasks?status=failed")) == [str(failed.id)]
    assert listed(api.get(f"/api/v1/tasks?endpoint_name={waiting.endpoint_name}")) == [str(waiting.id)]
    assert listed(api.get(f"/api/v1/tasks?dedup_key={quote(failed.dedup_key)}")) == [str(failed.id)]
    assert listed(api.get(f"/api/v1/tasks?created_before={created}")) == [str(failed.id)]
    assert listed(api.get(f"/api/v1/tasks?created_after={created}")) == []
    assert listed(api.get(f"/api/v1/tasks?{SINCE_EVER}")) == [str(failed.id)]
    assert listed(api.get("/api/v1/tasks?ended_after=2020-01-01T00:00:00+00:00")) == [str(failed.id)]


SINCE_EVER = "ended_after=2020-01-01T00:00:00Z"
_OF_THE_OTHER_LIST = base64.urlsafe_b64encode(f"created|2026-01-01T00:00:00+00:00|{uuid.uuid4()}".encode()).decode()


def test_ended_tasks_are_paged_in_the_order_of_their_ends(api: ApiClient, automation: Automation) -> None:
    made = [make_task(automation=automation, status="running") for _ in range(5)]
    order = [made[number] for number in (3, 0, 4, 1, 2)]
    for task in order:
        end_task(task)
    make_task(automation=automation)
    ids = [str(task.id) for task in order]

    first = api.get(f"/api/v1/tasks?limit=3&{SINCE_EVER}")
    second = api.get(f"/api/v1/tasks?limit=3&{SINCE_EVER}&cursor={first.json()['next_cursor']}")

    assert (listed(first), listed(second)) == (ids[:3], ids[3:])
    assert first.json()["resume_cursor"] == first.json()["next_cursor"]
    assert second.json()["next_cursor"] is None
    ended = quote(second.json()["tasks"][0]["completed_at"])
    assert listed(api.get(f"/api/v1/tasks?ended_after={ended}")) == [ids[4]]


def test_a_reader_that_resumes_gets_what_has_ended_since_and_nothing_again(
    api: ApiClient, automation: Automation
) -> None:
    empty = api.get(f"/api/v1/tasks?{SINCE_EVER}").json()
    assert empty == {"tasks": [], "next_cursor": None, "resume_cursor": None}
    first = make_task(automation=automation, status="success")

    page = api.get(f"/api/v1/tasks?{SINCE_EVER}").json()
    again = api.get(f"/api/v1/tasks?cursor={page['resume_cursor']}")
    second = make_task(automation=automation, status="failed")
    later = api.get(f"/api/v1/tasks?cursor={again.json()['resume_cursor']}")

    assert [each["task_id"] for each in page["tasks"]] == [str(first.id)]
    assert (listed(again), listed(later)) == ([], [str(second.id)])


def test_a_task_whose_end_is_committed_late_is_not_skipped(api: ApiClient, automation: Automation) -> None:
    late, early, last = (make_task(automation=automation, status="running") for _ in range(3))
    is_ended, may_commit = threading.Event(), threading.Event()

    def end_late() -> None:
        with transaction.atomic():
            end_task(late)
            is_ended.set()
            may_commit.wait(30)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(end_late)
        is_ended.wait(30)
        end_task(early)
        early.refresh_from_db()
        meanwhile = api.get(f"/api/v1/tasks?{SINCE_EVER}")
        may_commit.set()
        ending.result(30)
    end_task(last)
    resumed = meanwhile.json()["resume_cursor"]
    afterwards = api.get(f"/api/v1/tasks?cursor={resumed}" if resumed else f"/api/v1/tasks?{SINCE_EVER}")

    assert listed(meanwhile) == []
    assert listed(afterwards) == [str(late.id), str(early.id), str(last.id)]


def test_who_only_reads_for_a_long_time_holds_up_no_ended_task(api: ApiClient, automation: Automation) -> None:
    with transaction.atomic():
        assert Task.objects.count() == 0
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(_task_that_ended, automation).result(30)
        assert listed(api.get(f"/api/v1/tasks?{SINCE_EVER}")) == [ended]


def _task_that_ended(automation: Automation) -> str:
    task = make_task(automation=automation, status="success")
    connection.close()
    return str(task.id)


def test_the_order_of_ends_reads_its_index(automation: Automation) -> None:
    for _ in range(5):
        make_task(automation=automation, status="success")
    after = ListPosition(datetime.now(UTC) - timedelta(days=1), uuid.uuid4())
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as statements:
        list_ended_tasks(None, TaskFilter(), after=after, limit=50)
        cursor.execute("SET enable_seqscan = off; SET enable_sort = off")
        cursor.execute(f"EXPLAIN {statements.captured_queries[-1]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan; RESET enable_sort")
    assert "task_in_order_of_end" in plan, plan
    assert "completed_at >=" in plan.partition("Index Cond")[2], plan


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-01-01T00:00:00", "created_after"),
        ("cursor=x", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        (f"cursor={_OF_THE_OTHER_LIST}&{SINCE_EVER}", "cursor"),
        ("limit=0", "limit"),
        ("limit=x", "limit"),
    ],
)
def test_wrong_filter_is_refused(api: ApiClient, query: str, field: str) -> None:
    assert set(assert_error(api.get(f"/api/v1/tasks?{query}"), 400, f"{field} must be")) == {field}


def test_list_shows_only_what_the_key_may_see(api: ApiClient, automation: Automation) -> None:
    mine = make_automation()
    _, key = make_key(automations=[mine])
    make_task(automation=automation)
    task = make_task(automation=mine)

    assert listed(api.with_key(key).get("/api/v1/tasks")) == [str(task.id)]


def test_links_have_the_host_that_was_called(api: ApiClient) -> None:
    artifact = make_artifact(make_task())

    url = api.get(f"/api/v1/tasks/{artifact.task_id}/artifacts").json()["artifacts"][0]["url"]

    assert re.fullmatch(rf"{re.escape(api.url)}/api/v1/artifacts/{artifact.id}\?signature=[\w:-]+", url)


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("kind", ["created", "ended"])
def test_cursor_beyond_all_time_is_refused(api: ApiClient, kind: str, instant: str) -> None:
    cursor = base64.urlsafe_b64encode(f"{kind}|{instant}|01a20ca7-a37e-7b71-8a42-80e70c30098e".encode()).decode()

    assert_error(api.get("/api/v1/tasks", params={"cursor": cursor}), 400, "cursor must be the next_cursor")


@pytest.mark.parametrize("name", ["status", "endpoint_name", "dedup_key", "created_after", "limit"])
def test_empty_filter_is_refused_and_not_left_out(api: ApiClient, name: str) -> None:
    assert_error(api.get(f"/api/v1/tasks?{name}="), 400, f"{name} must")


def test_instants_are_taken_in_either_case(api: ApiClient) -> None:
    assert api.get("/api/v1/tasks?created_after=2026-01-31t08:00:00z").status_code == 200
