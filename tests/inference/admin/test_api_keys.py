import logging
import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inference.models import ApiKey, AuditEvent, Scope
from inference.services.api_keys import find_key
from tests.factories import make_key
from tests.inference.admin.conftest import client_of, staff
from tests.inference.admin.seed import Seeded

pytestmark = pytest.mark.django_db
LIST = "/admin/inference/apikey/"
ADD = f"{LIST}add/"
KEY = re.compile(r"opx_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}")


def sent(**fields: Any) -> dict[str, Any]:
    return {"ticket": str(uuid.uuid4()), "name": "portal", "scope": ["submit", "read"], "ends": "365", **fields}


def test_a_new_key_is_shown_once_whole_and_works(
    maya: Client, seeded: Seeded, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = maya.post(ADD, sent(automation=[str(seeded.claims.pk)]))
    html = answer.content.decode()
    (text,) = set(KEY.findall(html))
    assert "no-store" in answer["Cache-Control"]
    found = find_key(text)
    assert found is not None
    assert found.name == "portal"
    assert [each.endpoint_name for each in found.automations.all()] == ["claims-submit"]
    assert f"-H &quot;x-api-key: {text}&quot;" in html
    # ... and nowhere else: not on the next page, in a message, the session, the audit log, or a log line.
    assert not KEY.search(maya.get(LIST).content.decode())
    assert not any(text in str(session.get_decoded()) for session in Session.objects.all())
    assert not any(text in str(event.data) + event.target for event in AuditEvent.objects.all())
    assert text not in caplog.text
    assert text not in str(answer.cookies)


def test_sending_the_same_form_again_makes_no_second_key(maya: Client) -> None:
    form = sent()
    maya.post(ADD, form)
    again = maya.post(ADD, form, follow=True)
    assert ApiKey.objects.filter(name="portal").count() == 1
    assert "This form was sent before" in again.content.decode()
    assert not KEY.search(again.content.decode())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": ""}, "name must be 1 to 200 printable characters"),
        ({"scope": []}, "scopes must name at least one"),
        ({"scope": ["worker", "submit"]}, "scopes holds worker and submit"),
        ({"ends": "date", "date": ""}, "Choose the date on which it ends."),
        ({"ends": "date", "date": "2020-01-01"}, "Choose a date that is not over yet."),
    ],
)
def test_a_wrong_form_says_what_is_wrong_and_can_be_sent_again(maya: Client, fields: dict[str, Any], told: str) -> None:
    form = sent(**fields)
    html = maya.post(ADD, form).content.decode()
    assert told in html
    assert not ApiKey.objects.filter(name="portal").exists()
    maya.post(ADD, {**sent(), "ticket": form["ticket"]})
    assert ApiKey.objects.filter(name="portal").exists()


@pytest.mark.parametrize(("ends", "days"), [("90", 90), ("365", 365), ("never", None)])
def test_the_end_of_a_key(maya: Client, ends: str, days: int | None) -> None:
    maya.post(ADD, sent(ends=ends))
    key = ApiKey.objects.get(name="portal")
    if days is None:
        assert key.expires_at is None
    else:
        assert key.expires_at is not None
        assert abs(key.expires_at - timezone.now() - timedelta(days=days)) < timedelta(minutes=5)


def test_what_wants_attention_stands_first_and_what_is_over_last(maya: Client, seeded: Seeded) -> None:
    html = maya.get(LIST).content.decode()
    assert "5 keys in use, 2 want attention" in html
    names = re.findall(r'title="Its tasks">([^<]+)<', html)
    assert set(names[:2]) == {"worker-lisbon", "spring-pilot"}
    assert names[-1] == "pilot-2025"
    assert "Expires in 16 days" in html


def test_keys_are_found_by_name_id_and_owner(maya: Client, seeded: Seeded) -> None:
    for text in ("backoffice", seeded.key.public_id, "Okafor"):
        assert "claims-backoffice" in maya.get(LIST, {"q": text}).content.decode(), text
    assert "No key matches" in maya.get(LIST, {"q": "nothing like this"}).content.decode()


def test_revoking_is_confirmed_first_and_holds(maya: Client, seeded: Seeded) -> None:
    key, text = make_key(name="short-lived")
    url = f"{LIST}{key.pk}/revoke/"
    assert (
        "This can&#x27;t be undone" in maya.get(url).content.decode()
        or "can't be undone" in maya.get(url).content.decode()
    )
    assert find_key(text) is not None
    maya.post(url)
    assert find_key(text) is None
    assert AuditEvent.objects.filter(act="key.revoke", actor="maya").count() == 1
    assert "It is revoked already" in maya.get(url).content.decode()


def test_the_number_of_queries_does_not_grow_with_the_keys(maya: Client, seeded: Seeded) -> None:
    few = queries(maya)
    for _ in range(20):
        make_key(automations=[seeded.claims, seeded.intake])
    assert queries(maya) == few


def test_making_and_revoking_need_their_permissions(seeded: Seeded) -> None:
    reader = client_of(staff("view_apikey"))
    html = reader.get(LIST).content.decode()
    assert "Create a key" not in html
    assert "Revoke" not in html.replace("Revoked", "")
    assert reader.post(ADD, sent()).status_code == 403
    assert reader.post(f"{LIST}{seeded.key.pk}/revoke/").status_code == 403
    maker = client_of(staff("view_apikey", "add_apikey"))
    assert KEY.search(maker.post(ADD, sent()).content.decode())
    assert maker.post(f"{LIST}{seeded.key.pk}/revoke/").status_code == 403
    assert client_of(staff("view_task")).get(LIST).status_code == 403
    seeded.key.refresh_from_db()
    assert seeded.key.revoked_at is None


def test_a_key_for_reading_gets_a_line_that_reads(maya: Client) -> None:
    html = maya.post(ADD, sent(scope=[Scope.READ])).content.decode()
    assert "/api/v1/tasks" in html


def queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(LIST).status_code == 200
    return len(captured)
