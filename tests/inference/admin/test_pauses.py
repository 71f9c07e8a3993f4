"""Pausing and resuming in the dashboard, the shares of keys, and who may change either."""

from typing import Any

import pytest
from django.test import Client

from inference.models import ApiKey, AuditEvent, Automation, QueuePause, Task
from inference.services.pauses import login_of, of_automation, pause, whole_queue
from tests.factories import make_automation, make_key, make_task, make_user, make_worker_host
from tests.inference.admin.conftest import client_of, staff

pytestmark = pytest.mark.django_db

HOME = "/admin/"
PAUSE = "/admin/inference/queuepause/pause/"
RESUME = "/admin/inference/queuepause/resume/"


@pytest.fixture
def operator() -> Client:
    return client_of(staff("view_task", "change_task", "view_automation", "view_apikey", "change_apikey"))


@pytest.fixture
def reader() -> Client:
    return client_of(staff("view_task", "view_automation", "view_apikey"))


def a_login() -> Task:
    return make_task(
        is_dedicated=True, input_parameters={"patient_id": ["A-77"]}, unique_parameter_names=["patient_id"]
    )


def page(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_the_queue_is_paused_with_a_reason_and_goes_on(operator: Client) -> None:
    make_task()
    assert PAUSE in page(operator, HOME)
    assert "Pause the queue?" in page(operator, PAUSE)

    response = operator.post(PAUSE, {"reason": "the portal is <down>"}, follow=True)

    home = response.content.decode()
    assert "The queue is paused. What runs now goes on to its end." in home
    assert "The queue is paused, 1 task waits." in home
    assert "the portal is &lt;down&gt;" in home
    assert PAUSE not in home
    assert QueuePause.objects.get().key == "queue"

    response = operator.post(RESUME, {"key": "queue"}, follow=True)
    assert "The queue goes on." in response.content.decode()
    assert not QueuePause.objects.exists()
    assert list(AuditEvent.objects.order_by("id").values_list("act", flat=True)) == ["queue.pause", "queue.resume"]
    response = operator.post(RESUME, {"key": "queue"}, follow=True)
    assert "It was resumed before." in response.content.decode()


def test_an_automation_is_paused_on_its_page_and_shown_in_the_list(operator: Client) -> None:
    automation = make_automation(endpoint_name="claims")
    its_page = f"/admin/inference/automation/{automation.pk}/change/"
    assert f"{PAUSE}?automation={automation.pk}" in page(operator, its_page)

    response = operator.post(PAUSE, {"automation": automation.pk, "reason": "new form"})
    assert response.headers["Location"] == its_page

    shown = page(operator, its_page)
    assert "claims is paused." in shown
    assert "new form. New tasks are taken and wait" in shown
    assert "Paused" in page(operator, "/admin/inference/automation/")
    assert "claims is paused" in page(operator, HOME)
    assert "It is paused already" in page(operator, f"{PAUSE}?automation={automation.pk}")
    response = operator.post(RESUME, {"key": f"automation:{automation.pk}", "next": its_page})
    assert response.headers["Location"] == its_page


def test_a_login_is_paused_on_the_page_of_its_task(operator: Client) -> None:
    make_worker_host(seconds_ago=1)
    task = a_login()
    its_page = f"/admin/inference/task/{task.id}/change/"
    assert f"{PAUSE}?task={task.id}" in page(operator, its_page)
    assert f"Pause the login A-77 of {task.endpoint_name}?" in page(operator, f"{PAUSE}?task={task.id}")

    response = operator.post(PAUSE, {"task": str(task.id), "reason": "locked out"}, follow=True)

    shown = response.content.decode()
    assert "locked out" in shown
    assert "It stays where it is in line, and starts after it is resumed." in shown
    assert RESUME in shown
    assert f"The login A-77 of {task.endpoint_name} is paused" in page(operator, HOME)
    assert login_of(task).key == QueuePause.objects.get().key


def test_the_page_of_a_queued_task_says_what_is_ahead_and_who_holds_it(operator: Client) -> None:
    make_worker_host(seconds_ago=1)
    automation = make_automation(max_parallelism=1)
    running = make_task(automation=automation, status="running")
    make_task(automation=automation)
    task = make_task(automation=automation)
    shown = page(operator, f"/admin/inference/task/{task.id}/change/")
    assert "its limit is 1" in shown
    assert "1 without a key" in shown
    assert f"/admin/inference/task/{running.id}/change/" in shown


def test_readers_see_what_is_paused_and_change_nothing(reader: Client) -> None:
    pause(whole_queue(), actor=make_user(username="maya"))
    home = page(reader, HOME)
    assert "By maya" in home
    assert RESUME not in home
    for address in (PAUSE, f"{PAUSE}?automation=1"):
        assert reader.get(address).status_code == 403
        assert reader.post(address).status_code == 403
    assert reader.post(RESUME, {"key": "queue"}).status_code == 403
    assert QueuePause.objects.count() == 1


def test_what_cannot_be_paused_is_not_found(operator: Client) -> None:
    for what in ("automation=99999999", "automation=x", "task=x", "task=01890000-0000-7000-8000-000000000000"):
        assert operator.get(f"{PAUSE}?{what}").status_code == 404
    assert operator.get(RESUME).status_code == 405


def test_resuming_leads_to_no_other_site(operator: Client) -> None:
    pause(whole_queue(), actor=make_user())
    response = operator.post(RESUME, {"key": "queue", "next": "https://elsewhere.example/"})
    assert response.headers["Location"] == HOME


def test_paused_logins_of_which_no_task_waits_are_named_by_their_hash(operator: Client) -> None:
    task = a_login()
    pause(login_of(task), actor=make_user())
    Task.objects.all().delete()
    assert f"The login {task.dedup_hash[:8]}… of {task.endpoint_name} is paused" in page(operator, HOME)


def test_many_pauses_are_cut(operator: Client) -> None:
    person = make_user()
    for _ in range(10):
        pause(of_automation(make_automation()), actor=person)
    assert "2 more paused" in page(operator, HOME)


def test_the_share_and_limit_of_a_key_are_set_and_shown(operator: Client) -> None:
    key, _ = make_key(name="nightly")
    address = f"/admin/inference/apikey/{key.pk}/limits/"
    assert address in page(operator, "/admin/inference/apikey/")
    assert 'value="1"' in page(operator, address)

    response = operator.post(address, {"weight": "3", "queue_limit": "500"}, follow=True)

    assert "weight 3, 500 may wait" in response.content.decode()
    key.refresh_from_db()
    assert (key.weight, key.queue_limit) == (3, 500)
    event = AuditEvent.objects.get(act="key.limits")
    assert event.data == {"public_id": key.public_id, "weight": 3, "queue_limit": 500}
    operator.post(address, {"weight": "1", "queue_limit": ""})
    key.refresh_from_db()
    assert (key.weight, key.queue_limit) == (1, None)


@pytest.mark.parametrize(
    "sent",
    [
        {"weight": "0"},
        {"weight": "101"},
        {"weight": ""},
        {"weight": "1.5"},
        {"weight": "1", "queue_limit": "0"},
        {"weight": "1", "queue_limit": "-4"},
        {"weight": "1", "queue_limit": "99999999999"},
    ],
)
def test_a_wrong_share_or_limit_is_told_and_changes_nothing(operator: Client, sent: dict[str, Any]) -> None:
    key, _ = make_key()
    shown = operator.post(f"/admin/inference/apikey/{key.pk}/limits/", sent).content.decode()
    assert "must be a whole number from 1 to" in shown
    key.refresh_from_db()
    assert (key.weight, key.queue_limit) == (1, None)


def test_only_who_may_change_keys_sets_their_shares(reader: Client) -> None:
    key, _ = make_key()
    address = f"/admin/inference/apikey/{key.pk}/limits/"
    assert address not in page(reader, "/admin/inference/apikey/")
    assert reader.post(address, {"weight": "9"}).status_code == 403
    assert ApiKey.objects.get(pk=key.pk).weight == 1


def test_the_queue_limit_of_an_automation_is_set_with_its_other_limits() -> None:
    automation = make_automation()
    client = client_of(staff("view_automation", "change_automation"))
    address = f"/admin/inference/automation/{automation.pk}/limits/"
    client.post(address, {"max_parallelism": "", "per_login_parallelism": "2", "queue_limit": "1000"})
    automation = Automation.objects.get(pk=automation.pk)
    assert (automation.max_parallelism, automation.per_login_parallelism, automation.queue_limit) == (None, 2, 1000)
    response = client.post(address, {"queue_limit": "0"}, follow=True)
    assert "Give a whole number from 1 to 1,000,000" in response.content.decode()
