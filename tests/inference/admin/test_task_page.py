import re
import uuid
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from inference.models import Artifact, AuditEvent, CommitPoint, Step, Task, TaskEvent, TaskStatus
from tests.factories import end_task, make_artifact, make_automation, make_step, make_task
from tests.inference.admin.conftest import client_of, staff
from tests.inference.admin.seed import Seeded

pytestmark = pytest.mark.django_db


def address(task: Task, query: str = "") -> str:
    return reverse("admin:inference_task_change", args=(task.id,)) + query


def html_of(client: Client, task: Task, query: str = "") -> str:
    answer = client.get(address(task, query))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_failed_task_says_why_where_and_whether_anything_was_sent(maya: Client, seeded: Seeded) -> None:
    html = html_of(maya, seeded.failed)
    assert "Failed at step 8" in html
    assert "Could not click button “Submit claim”: the nearest is button “Send claim”" in html
    assert "No commit point was reached" in html
    assert "not reached" in html
    assert "Read claim_number" in html or "status" in html


def test_the_picture_outlines_what_was_used_and_numbers_the_candidates(maya: Client, seeded: Seeded) -> None:
    html = html_of(maya, seeded.failed)
    picture = re.search(r"<svg viewBox=\"0 0 1280 720\".*?</svg>", html, re.DOTALL)
    assert picture is not None
    assert picture[0].count("data-candidate=") == 3
    assert 'x="116.0" y="546.0" width="198.0" height="58.0"' in picture[0]
    used = html_of(maya, seeded.failed, "?step=5")
    assert 'class="used" x="116.0" y="266.0" width="488.0" height="56.0"' in used
    assert "Step 5, type “Policy number”" in used


def test_each_try_has_its_own_steps(maya: Client, seeded: Seeded) -> None:
    first, second = html_of(maya, seeded.failed, "?try=1"), html_of(maya, seeded.failed)
    assert "the page did not settle within 10 s" in first
    assert "Upload 2 documents" not in first[: first.index("Log</h3>")]
    assert "Upload 2 documents" in second
    assert 'href="?try=1&amp;step=1"' in first


def test_indented_steps_and_commit_points_are_marked(maya: Client, seeded: Seeded) -> None:
    html = html_of(maya, seeded.failed)
    assert re.search(r'class="ox-step ox-wf ox-in1" id="step-4"', html)
    assert "commit point" in html
    assert "healed" in html


def test_a_task_of_an_unknown_outcome_asks_for_a_decision_once(maya: Client, seeded: Seeded) -> None:
    task = seeded.review
    assert "Nobody knows whether it was done: click button “Send claim”" in html_of(maya, task)
    review = reverse("admin:inference_task_review", args=(task.id,))
    maya.post(review, {"happened": "yes"})
    task.refresh_from_db()
    assert task.review is None  # not without a note
    maya.post(review, {"happened": "yes", "note": "NB-20471 is in the portal"})
    task.refresh_from_db()
    assert task.review is not None
    assert task.review["happened"] is True
    assert task.review["by"] == {"kind": "user", "id": "maya"}
    assert task.status == TaskStatus.FAILED
    maya.post(review, {"happened": "no", "note": "changed my mind"})
    task.refresh_from_db()
    assert task.review["note"] == "NB-20471 is in the portal"
    assert AuditEvent.objects.filter(act="task.review").count() == 1
    assert "it happened, maya" in html_of(maya, task)


def test_a_success_of_an_unknown_outcome_is_asked_about_like_a_failure(maya: Client) -> None:
    task = make_task(status=TaskStatus.RUNNING)
    CommitPoint.objects.create(task=task, attempt=1, path="nodes[0].nodes[0]", label="Click button “Send”")
    end_task(task, outcome_unknown=True)
    html = html_of(maya, task)
    assert "Nobody knows whether it was done: click button “Send”" in html
    assert "The task went on without it and succeeded" in html
    assert "Needs review" in html
    assert "An act was not seen to finish" in maya.get(reverse("admin:inference_task_changelist")).content.decode()


def test_it_was_not_sent_runs_it_again(maya: Client, seeded: Seeded) -> None:
    review = reverse("admin:inference_task_review", args=(seeded.review.id,))
    answer = maya.post(review, {"happened": "again", "note": "nothing in the portal"})
    again = Task.objects.get(previous_task=seeded.review)
    assert answer["Location"] == address(again)
    assert again.input_parameters == seeded.review.input_parameters


def test_it_did_not_happen_alone_runs_nothing(maya: Client, seeded: Seeded) -> None:
    html = html_of(maya, seeded.review)
    assert "It did not happen: run again" in html
    review = reverse("admin:inference_task_review", args=(seeded.review.id,))
    maya.post(review, {"happened": "no", "note": "nothing in the portal"})
    seeded.review.refresh_from_db()
    assert seeded.review.review["happened"] is False
    assert not Task.objects.filter(previous_task=seeded.review).exists()


def test_the_last_picture_is_beside_the_question(maya: Client, seeded: Seeded) -> None:
    picture = seeded.review.steps.filter(picture__isnull=False).order_by("position").last().picture
    shown = reverse("admin:inference_task_artifact", args=(picture.pk,))
    assert f'class="ox-last" href="{shown}"' in html_of(maya, seeded.review)


def test_retry_makes_a_linked_task_at_once_when_nothing_was_sent(maya: Client, seeded: Seeded) -> None:
    answer = maya.post(reverse("admin:inference_task_retry", args=(seeded.failed.id,)))
    again = Task.objects.get(previous_task=seeded.failed)
    assert answer["Location"] == address(again)
    assert AuditEvent.objects.filter(act="task.retry", actor="maya").exists()
    assert f"…{str(again.id)[-8:]}" in html_of(maya, seeded.failed)


def test_retry_after_a_commit_point_waits_for_a_confirmation(maya: Client, seeded: Seeded) -> None:
    retry = reverse("admin:inference_task_retry", args=(seeded.review.id,))
    undecided = maya.post(retry, {"confirmed": "1"}, follow=True)
    assert "Decide first whether its act happened" in undecided.content.decode()
    assert not Task.objects.filter(previous_task=seeded.review).exists()
    Task.objects.filter(pk=seeded.review.pk).update(review={"happened": True})
    asked = maya.post(retry)
    assert asked.status_code == 200
    assert "It may have been sent already" in asked.content.decode()
    assert not Task.objects.filter(previous_task=seeded.review).exists()
    maya.post(retry, {"confirmed": "1"})
    assert Task.objects.filter(previous_task=seeded.review).count() == 1


def test_a_running_task_is_not_run_again(maya: Client, seeded: Seeded) -> None:
    answer = maya.post(reverse("admin:inference_task_retry", args=(seeded.running.id,)), follow=True)
    assert "has not ended yet" in answer.content.decode()
    assert not Task.objects.filter(previous_task=seeded.running).exists()


def test_cancel_asks_a_running_task_to_stop(maya: Client, seeded: Seeded) -> None:
    answer = maya.post(reverse("admin:inference_task_cancel", args=(seeded.running.id,)), follow=True)
    assert "Cancelling" in answer.content.decode()
    seeded.running.refresh_from_db()
    assert seeded.running.cancel_requested_at is not None


def kill_url(task: Task) -> str:
    return reverse("admin:inference_task_kill", args=(task.id,))


def test_kill_is_offered_once_a_task_was_asked_to_stop(maya: Client, seeded: Seeded) -> None:
    assert kill_url(seeded.running) not in html_of(maya, seeded.running)
    maya.post(reverse("admin:inference_task_cancel", args=(seeded.running.id,)))
    assert kill_url(seeded.running) in html_of(maya, seeded.running)
    assert kill_url(seeded.running) not in html_of(client_of(staff("view_task")), seeded.running)


def test_a_kill_is_confirmed_on_a_page_that_names_the_task_and_what_was_begun(maya: Client, seeded: Seeded) -> None:
    page = maya.get(kill_url(seeded.running)).content.decode()
    assert f"Kill {seeded.running.endpoint_name} …{str(seeded.running.id)[-8:]}?" in page
    assert "An act that was begun may have happened all the same." in page
    seeded.running.refresh_from_db()
    assert not seeded.running.has_ended

    CommitPoint.objects.create(task=seeded.running, attempt=1, path="nodes[7]", label="Click “Submit claim”")
    page = maya.get(kill_url(seeded.running)).content.decode()
    assert "Click “Submit claim” was begun, and nobody saw it finish" in page


def test_a_kill_ends_the_task_and_goes_to_the_audit_log(maya: Client, seeded: Seeded) -> None:
    maya.post(reverse("admin:inference_task_cancel", args=(seeded.running.id,)))
    answer = maya.post(kill_url(seeded.running), follow=True)
    html = answer.content.decode()
    assert "is stopped by force." in html
    assert "Killed by maya" in html
    assert kill_url(seeded.running) not in html
    seeded.running.refresh_from_db()
    assert (seeded.running.status, seeded.running.cancel_cause) == ("killed", {"kind": "user", "id": "maya"})
    audit = AuditEvent.objects.latest("id")
    assert (audit.actor, audit.act, audit.target) == ("maya", "task.kill", f"task {seeded.running.id}")

    assert "It has ended already" in maya.get(kill_url(seeded.running)).content.decode()
    assert "had ended before" in maya.post(kill_url(seeded.running), follow=True).content.decode()
    assert AuditEvent.objects.latest("id") == audit


def test_only_who_may_cancel_may_kill(seeded: Seeded) -> None:
    reader = client_of(staff("view_task"))
    assert reader.get(kill_url(seeded.running)).status_code == 403
    assert reader.post(kill_url(seeded.running)).status_code == 403
    guarded = Client(enforce_csrf_checks=True)
    guarded.force_login(seeded.admin)
    assert guarded.post(kill_url(seeded.running)).status_code == 403
    seeded.running.refresh_from_db()
    assert not seeded.running.has_ended


def test_nothing_is_changed_by_following_a_link(maya: Client, seeded: Seeded) -> None:
    for name, task in (("cancel", seeded.running), ("review", seeded.review)):
        assert maya.get(reverse(f"admin:inference_task_{name}", args=(task.id,))).status_code == 405
    assert maya.get(reverse("admin:inference_task_retry", args=(seeded.failed.id,))).status_code == 200
    assert not Task.objects.filter(previous_task=seeded.failed).exists()


def test_forms_need_their_token(seeded: Seeded) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(seeded.admin)
    assert client.post(reverse("admin:inference_task_cancel", args=(seeded.running.id,))).status_code == 403


def test_who_may_only_look_gets_no_buttons_and_is_refused(seeded: Seeded) -> None:
    reader = client_of(staff("view_task"))
    for task in (seeded.running, seeded.failed, seeded.review):
        html = html_of(reader, task)
        assert "Cancel task" not in html
        assert "Retry" not in html
        assert "It happened" not in html
        assert "/admin/inference/automation/" not in html
    for name, task in (("cancel", seeded.running), ("retry", seeded.failed), ("review", seeded.review)):
        answer = reader.post(reverse(f"admin:inference_task_{name}", args=(task.id,)), {"happened": "yes", "note": "x"})
        assert answer.status_code == 403, name


def test_pictures_are_shown_and_files_are_only_saved(maya: Client, seeded: Seeded) -> None:
    picture = Artifact.objects.filter(task=seeded.failed, kind=Artifact.Kind.PICTURE)[0]
    shown = maya.get(reverse("admin:inference_task_artifact", args=(picture.id,)))
    assert shown["Content-Type"] == "image/png"
    assert shown["Content-Disposition"].startswith("inline")
    assert shown["Cache-Control"] == "private, max-age=86400, immutable"
    assert content_of(shown).startswith(b"\x89PNG")
    page = make_artifact(seeded.failed, content=b"<script>", filename='a "b"\r\nc.html', content_type="text/html")
    saved = maya.get(reverse("admin:inference_task_artifact", args=(page.id,)))
    assert saved["Content-Disposition"].startswith("attachment")
    assert saved["Content-Type"] == "application/octet-stream"
    assert saved["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in saved["Content-Security-Policy"]
    assert "\r" not in saved["Content-Disposition"]
    assert content_of(saved) == b"<script>"


def test_a_picture_that_is_no_picture_is_only_saved(maya: Client, seeded: Seeded) -> None:
    bad = make_artifact(
        seeded.failed, content=b"<svg/>", filename="x.svg", content_type="image/svg+xml", kind=Artifact.Kind.PICTURE
    )
    answer = maya.get(reverse("admin:inference_task_artifact", args=(bad.id,)))
    assert answer["Content-Disposition"].startswith("attachment")
    assert content_of(answer) == b"<svg/>"


def test_files_need_the_permission_and_must_still_be_there(maya: Client, seeded: Seeded) -> None:
    picture = Artifact.objects.filter(task=seeded.failed)[0]
    url = reverse("admin:inference_task_artifact", args=(picture.id,))
    assert client_of(staff("view_automation")).get(url).status_code == 403
    assert Client().get(url).status_code == 302
    default_storage.delete(picture.storage_name)
    assert maya.get(url).status_code == 404
    assert maya.get(reverse("admin:inference_task_artifact", args=(uuid.uuid4(),))).status_code == 404


def test_the_page_goes_on_while_the_task_does_and_is_silent_while_nothing_happens(maya: Client, seeded: Seeded) -> None:
    live = reverse("admin:inference_task_page_live", args=(seeded.running.id,))
    first = maya.get(live)
    assert "data-goes-on" in first.content.decode()
    assert maya.get(live, headers={"If-None-Match": first["ETag"]}).status_code == 304
    Step.objects.filter(task=seeded.running, position=5).update(status="success", duration_ms=900)
    assert maya.get(live, headers={"If-None-Match": first["ETag"]}).status_code == 200
    ended = maya.get(reverse("admin:inference_task_page_live", args=(seeded.success.id,)))
    assert "data-goes-on" not in ended.content.decode()


def test_one_step_can_be_had_by_itself(maya: Client, seeded: Seeded) -> None:
    step = reverse("admin:inference_task_step", args=(seeded.failed.id, "8"))
    html = maya.get(step).content.decode()
    assert 'data-part="stage"' in html
    assert "Nearest candidates" in html
    assert "<html" not in html
    assert maya.get(reverse("admin:inference_task_step", args=(seeded.failed.id, "99"))).status_code == 404


def test_the_number_of_queries_does_not_grow_with_steps_events_or_files(maya: Client, seeded: Seeded) -> None:
    few = queries(maya, seeded.failed)
    for number in range(40):
        make_step(seeded.failed, attempt=2, position=20 + number, picture=make_artifact(seeded.failed))
        TaskEvent.objects.create(task=seeded.failed, kind="console", data={"message": "x"})
    assert queries(maya, seeded.failed) <= few
    assert few <= 20


def test_whatever_a_worker_noted_about_a_step_the_page_is_shown(maya: Client) -> None:
    task = make_task(status=TaskStatus.FAILED, error="broken")
    for details in (
        {"box": None, "viewport": "wide", "candidates": "none"},
        {"box": {"x": "a"}, "viewport": {"width": 0, "height": -1}, "candidates": [1, None, {}, {"score": "high"}]},
        {"candidates": [{"role": "button", "name": "<b>Save</b>", "score": 7, "box": {"x": 1, "y": 2}}], "notes": 5},
    ):
        make_step(task, status="failed", error="e", details=details, picture=make_artifact(task))
    html = html_of(maya, task)
    assert "&lt;b&gt;Save&lt;/b&gt;" in html
    assert "<b>Save</b>" not in html


def test_the_curl_line_survives_quotes_in_values(maya: Client) -> None:
    import json
    import shlex
    from html import unescape

    automation = make_automation(inputs=("note",))
    value = 'it\'s "quoted" $HOME `id`'
    task = make_task(automation=automation, input_parameters={"note": [value]}, status=TaskStatus.SUCCESS)
    shown = re.search(r'<pre tabindex="0" id="curl">(.*?)</pre>', html_of(maya, task), re.DOTALL)
    assert shown is not None
    words = shlex.split(unescape(shown[1]).replace("\\\n", " "))
    assert json.loads(words[-1])["input_parameters"] == {"note": [value]}


@pytest.mark.parametrize("bad", ["nonsense", "0", str(uuid.UUID(int=1))])
def test_an_unknown_task_is_not_found(maya: Client, bad: str) -> None:
    assert maya.get(f"/admin/inference/task/{bad}/change/").status_code == 404


def test_a_finished_commit_point_says_that_it_was_sent(maya: Client, seeded: Seeded) -> None:
    task = make_task(status=TaskStatus.FAILED, error="later")
    point = CommitPoint.objects.create(task=task, attempt=1, path="nodes[1]", label="Send claim")
    CommitPoint.objects.filter(pk=point.pk).update(finished_at=point.begun_at)
    assert "Yes: Send claim" in html_of(maya, task)


def queries(client: Client, task: Task) -> int:
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        html_of(client, task)
    return len(captured)


def content_of(answer: Any) -> bytes:
    """All of a streamed answer; what opened the file closes it at its end."""
    return b"".join(answer.streaming_content)
