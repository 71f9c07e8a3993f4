"""Pausing and resuming: who, when, why; once each; told to the audit log and to the workers."""

from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from inference.models import AuditEvent, QueuePause
from inference.services.pauses import login_of, of_automation, pause, resume, whole_queue
from tests.factories import make_automation, make_task, make_user

pytestmark = pytest.mark.django_db


def acts() -> list[tuple[str, str, str, dict[str, Any]]]:
    return list(AuditEvent.objects.order_by("id").values_list("actor", "act", "target", "data"))


def test_a_pause_says_who_when_and_why() -> None:
    person = make_user()
    assert pause(whole_queue(), actor=person, reason=" the portal is down ")
    stopped = QueuePause.objects.get()
    assert (stopped.key, stopped.user, stopped.paused_by) == ("queue", person, person.username)
    assert (stopped.reason, stopped.automation, stopped.login) == ("the portal is down", None, "")
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        assert stopped.paused_at <= cursor.fetchone()[0]


def test_the_second_pause_changes_nothing() -> None:
    first, second = make_user(), make_user()
    assert pause(whole_queue(), actor=first, reason="first")
    assert not pause(whole_queue(), actor=second, reason="second")
    assert QueuePause.objects.get().reason == "first"
    assert resume(whole_queue(), actor=second)
    assert not resume(whole_queue(), actor=second)
    assert [(actor, act) for actor, act, _, _ in acts()] == [
        (first.username, "queue.pause"),
        (second.username, "queue.resume"),
    ]


def test_automations_and_logins_are_named_in_the_audit_log_without_values() -> None:
    person = make_user()
    task = make_task(input_parameters={"patient_id": ["Ngozi Okoye"]}, unique_parameter_names=["patient_id"])
    assert pause(of_automation(task.automation), actor=person)
    assert pause(login_of(task), actor=person, reason="locked out")
    assert [(act, target, data) for _, act, target, data in acts()] == [
        ("automation.pause", task.endpoint_name, {"reason": ""}),
        ("login.pause", f"login {task.dedup_hash[:8]} of {task.endpoint_name}", {"reason": "locked out"}),
    ]
    assert QueuePause.objects.get(login=task.dedup_hash[:40]).automation == task.automation
    assert QueuePause.objects.get(login="").automation == task.automation


def test_a_row_that_does_not_name_what_it_stops_is_refused() -> None:
    automation = make_automation()
    for key, of in (("queue", automation), ("automation:1", None)):
        with pytest.raises(IntegrityError, match="queue_pause_names_what_it_stops"), transaction.atomic():
            QueuePause.objects.create(key=key, automation=of, paused_by="x")


@pytest.mark.django_db(transaction=True)
def test_resuming_wakes_workers() -> None:
    person = make_user()
    pause(whole_queue(), actor=person)
    parameters = connection.get_connection_params()
    for ours in ("cursor_factory", "context", "server_side_binding", "prepare_threshold"):
        parameters.pop(ours, None)
    with psycopg.connect(**parameters, autocommit=True) as listener:
        listener.execute("LISTEN task_queued")
        resume(whole_queue(), actor=person)
        assert [notice.channel for notice in listener.notifies(timeout=10, stop_after=1)] == ["task_queued"]
