import json
import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from inference.admin.counts import read_counts
from inference.admin.tasks.filters import cursor_of
from inference.admin.tasks.rows import task_rows, with_row_columns
from inference.models import AuditEvent, ConcurrencySlot, Step, Task, TaskStatus
from tests.factories import make_automation, make_step, make_task, make_worker_host
from tests.inference.admin.conftest import client_of, staff
from tests.inference.admin.seed import Seeded

pytestmark = pytest.mark.django_db
LIST = "/admin/inference/task/"


def fact_of(task: Task) -> str:
    (row,) = task_rows(list(with_row_columns(Task.objects.filter(pk=task.pk))), read_counts())
    return f"{row.lead} {row.fact}".strip()


def test_the_second_line_of_a_row_is_the_most_useful_fact_of_its_state(seeded: Seeded) -> None:
    assert fact_of(seeded.running) == "Step 5 of 10, Type “Policy number”"
    assert fact_of(seeded.allocated) == "Taken by browser-02, not begun"
    assert fact_of(seeded.failed) == "Step 8 could not click button “Submit claim”: the nearest is button “Send claim”"
    assert fact_of(seeded.success).startswith("plan Home Plus")
    assert fact_of(seeded.cancelled) == "Cancelled by jonas"
    assert fact_of(seeded.review) == "Step 8 worker lost"
    assert fact_of(seeded.killed) == "stopped by force: ignored its limit of 10 min"


def test_a_queued_task_says_what_it_waits_for() -> None:
    automation = make_automation(max_parallelism=2)
    task = make_task(automation=automation)
    assert fact_of(task) == "Waits for a worker: none was seen in the last minute"
    make_worker_host(seconds_ago=5)
    assert fact_of(task) == "Waits for a free worker"
    ConcurrencySlot.objects.create(key=f"automation:{automation.pk}", running=2)
    assert fact_of(task) == f"Waits for its turn: 2 of {automation.endpoint_name} run, its limit is 2"
    login = make_task(
        is_dedicated=True, unique_parameter_names=["patient_id"], input_parameters={"patient_id": ["A-7"]}
    )
    ConcurrencySlot.objects.create(key=f"login:{login.automation_id}:{login.dedup_hash[:40]}", running=1)
    assert fact_of(login) == "Waits for its login: 1 task of it runs"
    Task.objects.filter(pk=task.pk).update(available_at=timezone.now() + timedelta(seconds=30), retry_count=1)
    assert fact_of(task).startswith("Pause before try 2, 2")


def test_a_long_output_is_not_read_for_its_row() -> None:
    noise = random.Random(1).randbytes(100_000).hex()  # does not shrink when it is stored
    task = make_task(status=TaskStatus.SUCCESS, output_data=[{"text": noise}])
    assert fact_of(task) == "A long output"


def test_the_list_answers_first(maya: Client) -> None:
    assert "Today, " in page(maya, "")
    assert "1 task needs you" in page(maya, "?view=needs-you")
    assert "2 tasks are running" in page(maya, "?view=running")
    assert "Failed tasks of claims-submit" in page(maya, f"?status=failed&automation={automation_id()}")


def test_the_number_of_queries_does_not_grow_with_the_rows(maya: Client, seeded: Seeded) -> None:
    few = queries(maya, LIST)
    for _ in range(30):
        task = make_task(status=TaskStatus.FAILED, error="no such button")
        make_step(task, status="failed", error="no such button", healed=True)
        make_task(status=TaskStatus.QUEUED)
    assert queries(maya, LIST) <= few
    assert few <= 16


def test_values_and_errors_are_shown_as_text_never_as_markup(maya: Client) -> None:
    bad = '<script>alert("x")</script>'
    automation = make_automation(inputs=("name",))
    make_task(
        automation=automation,
        input_parameters={"name": [bad]},
        unique_parameter_names=["name"],
        status=TaskStatus.FAILED,
        error=bad,
    )
    html = page(maya, "")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_a_live_answer_says_what_changed_and_nothing_while_nothing_did(maya: Client, seeded: Seeded) -> None:
    queued = seeded.queued
    url = f"{reverse('admin:inference_task_live')}?ids={queued.id},nonsense&newest={cursor_of(newest())}"
    first = maya.get(url)
    assert set(first.json()["rows"]) == {str(queued.id)}
    assert first.json()["new"] == ""
    assert maya.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
    make_task()
    later = maya.get(url, headers={"If-None-Match": first["ETag"]})
    assert later.status_code == 200
    assert later.json()["new"] == "1 new task"
    assert later.json()["tabs"]["queued"] == "2"


def test_a_finished_task_changes_its_row(maya: Client, seeded: Seeded) -> None:
    url = f"{reverse('admin:inference_task_live')}?ids={seeded.running.id}&newest={cursor_of(newest())}"
    before = maya.get(url)
    assert "Running" in before.json()["rows"][str(seeded.running.id)]
    Step.objects.filter(task=seeded.running, position=5).update(label="Type “Holder”")
    after = maya.get(url, headers={"If-None-Match": before["ETag"]})
    assert "Type “Holder”" in after.json()["rows"][str(seeded.running.id)]


def test_cancelling_several_stops_those_that_go_on_and_is_audited(maya: Client, seeded: Seeded) -> None:
    chosen = [str(seeded.queued.id), str(seeded.running.id), str(seeded.success.id), "nonsense"]
    answer = maya.post(reverse("admin:inference_task_bulk_cancel"), {"task": chosen, "next": f"{LIST}?view=queued"})
    assert answer["Location"] == f"{LIST}?view=queued"
    seeded.queued.refresh_from_db()
    seeded.running.refresh_from_db()
    assert seeded.queued.status == TaskStatus.CANCELLED
    assert seeded.running.cancel_cause == {"kind": "user", "id": "maya"}
    assert AuditEvent.objects.filter(act="task.cancel", actor="maya").count() == 1


def test_a_result_never_leads_to_another_site(maya: Client, seeded: Seeded) -> None:
    answer = maya.post(reverse("admin:inference_task_bulk_cancel"), {"task": [], "next": "https://evil.example/"})
    assert answer["Location"] == LIST


def test_who_may_only_look_gets_no_buttons_and_is_refused(seeded: Seeded) -> None:
    reader = client_of(staff("view_task"))
    html = reader.get(LIST).content.decode()
    assert 'name="task"' not in html
    assert "Run " not in html
    refused = reader.post(reverse("admin:inference_task_bulk_cancel"), {"task": [str(seeded.queued.id)]})
    assert refused.status_code == 403
    seeded.queued.refresh_from_db()
    assert seeded.queued.status == TaskStatus.QUEUED


def test_who_may_not_see_tasks_sees_none(seeded: Seeded) -> None:
    stranger = client_of(staff("view_automation"))
    for address in (LIST, reverse("admin:inference_task_live"), reverse("admin:inference_task_jump")):
        assert stranger.get(address).status_code == 403, address
    assert "claims-submit" not in stranger.get("/admin/").content.decode()


def test_nobody_is_served_without_signing_in(seeded: Seeded) -> None:
    for address in (LIST, reverse("admin:inference_task_live"), f"{LIST}{seeded.failed.id}/change/"):
        answer = Client().get(address)
        assert answer.status_code == 302
        assert "/admin/login/" in answer["Location"]


def test_jumping_finds_pages_automations_and_tasks_by_the_end_of_their_id(maya: Client, seeded: Seeded) -> None:
    def found(text: str) -> str:
        return json.dumps(maya.get(reverse("admin:inference_task_jump"), {"q": text}).json(), ensure_ascii=False)

    assert "Audit log" in found("audit")
    assert "patient-intake" in found("intake")
    assert str(seeded.failed.id) in found(str(seeded.failed.id)[-8:])


def page(client: Client, query: str) -> str:
    answer = client.get(LIST + query)
    assert answer.status_code == 200
    return answer.content.decode()


def queries(client: Client, address: str) -> int:
    from django.core.cache import cache

    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def newest() -> Task:
    return Task.objects.order_by("-created_at", "-id")[0]


def automation_id() -> Any:
    return Task.objects.filter(endpoint_name="claims-submit").values_list("automation_id", flat=True)[0]
