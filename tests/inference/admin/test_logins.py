"""The list of logins in the dashboard, and having a session forgotten."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inference.admin import login_rows
from inference.models import AuditEvent, Automation, LoginSession, Task
from inference.services.pauses import login_of, pause
from tests.factories import make_automation, make_login_session, make_task, make_user
from tests.inference.admin.conftest import client_of, staff

pytestmark = pytest.mark.django_db

LOGINS = "/admin/inference/loginsession/"


@pytest.fixture
def operator() -> Client:
    return client_of(staff("view_task", "change_task", "view_automation", "view_loginsession", "delete_loginsession"))


@pytest.fixture
def portal() -> Automation:
    return make_automation(endpoint_name="portal")


def of_login(who: str, automation: Automation, status: str = "queued") -> Task:
    return make_task(
        automation=automation,
        status=status,
        is_dedicated=True,
        input_parameters={"patient_id": [who]},
        unique_parameter_names=["patient_id"],
    )


def page(client: Client, address: str = LOGINS) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def texts_of_rows(html: str) -> list[str]:
    """The visible text of each row of the table, in order."""
    rows = re.findall(r"<tr>(.*?)</tr>", html.partition("<tbody>")[2], flags=re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in rows]


def test_a_login_is_listed_with_what_runs_waits_and_is_stored(operator: Client, portal: Automation) -> None:
    stored = make_login_session(of_login("A-1", portal, "success"), host="browser-02", size_bytes=14_320)
    of_login("A-2", portal, "running")
    of_login("A-2", portal)
    of_login("A-2", portal)
    waiting = of_login("A-3", portal)
    pause(login_of(waiting), actor=make_user())
    of_login("A-4", portal)

    html = page(operator)
    assert "4 logins, 1 runs, 1 waits, 1 is paused" in html
    rows = texts_of_rows(html)
    assert [row.split()[0] for row in rows] == ["A-3", "A-2", "A-4", "A-1"]
    assert "Paused 0 / 1 1 none" in rows[0]
    assert "Resume" in rows[0]
    assert "Running 1 / 1 2 none" in rows[1]
    assert "Waiting 0 / 1 1 none" in rows[2]
    assert "Ready 0 / 1 0" in rows[3]
    assert " on browser-02 expires " in rows[3]
    assert ", 14 kB" in rows[3]
    assert f"{LOGINS}{stored.pk}/forget/" in html


def test_the_limit_is_the_operators_else_the_requests(operator: Client, portal: Automation) -> None:
    make_task(
        automation=portal,
        is_dedicated=True,
        unique_parameter_names=["patient_id"],
        input_parameters={"patient_id": ["A-1"]},
        per_login_parallelism=3,
    )
    assert "0 / 3" in texts_of_rows(page(operator))[0]
    Automation.objects.update(per_login_parallelism=2)
    assert "0 / 2" in texts_of_rows(page(operator))[0]


def test_what_has_expired_is_marked_and_what_was_forgotten_is_gone(operator: Client, portal: Automation) -> None:
    make_login_session(of_login("A-1", portal, "success"), expires_in_seconds=-60)
    row = texts_of_rows(page(operator))[0]
    assert "Expired 0 / 1 0" in row
    assert " expired today " in row
    operator.post(f"{LOGINS}{LoginSession.objects.get().pk}/forget/")
    assert "No login is known" in page(operator)


def test_a_session_is_forgotten_after_a_question(operator: Client, portal: Automation) -> None:
    session = make_login_session(of_login("A-1", portal, "success"), host="browser-02")
    address = f"{LOGINS}{session.pk}/forget/"
    assert "Forget the session of A-1?" in page(operator, address)
    assert LoginSession.objects.get().sealed is not None

    response = operator.post(address, follow=True)
    assert "The session is forgotten. The next task of the login signs in anew." in response.content.decode()
    assert LoginSession.objects.get().sealed is None
    assert AuditEvent.objects.get().act == "login.forget"
    response = operator.post(address, follow=True)
    assert "There is no stored session any more." in response.content.decode()
    assert operator.get(address).status_code == 404
    audit = client_of(staff("view_auditevent"))
    assert "had the session forgotten of" in page(audit, "/admin/inference/auditevent/")


def test_nothing_of_what_is_stored_is_shown_or_even_read(operator: Client, portal: Automation) -> None:
    session = make_login_session(of_login("A-1", portal, "success"), state=b"sid=cookie-secret")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        html = page(operator) + page(operator, f"{LOGINS}{session.pk}/forget/")
    assert "cookie-secret" not in html
    assert bytes(session.sealed or b"").hex()[:20] not in html
    assert str(session.state_id) not in html
    assert not [each["sql"] for each in queries if '"sealed" ' in each["sql"] or '"sealed",' in each["sql"]]


def test_who_may_not_see_values_sees_the_begin_of_a_hash(portal: Automation) -> None:
    session = make_login_session(of_login("A-1", portal, "success"))
    reader = client_of(staff("view_loginsession"))
    html = page(reader)
    assert "A-1" not in html
    assert f"{session.login[:8]}…" in html
    assert "/forget/" not in html
    assert "pause" not in texts_of_rows(html)[0].lower()


def test_each_act_takes_its_permission(portal: Automation) -> None:
    session = make_login_session(of_login("A-1", portal, "success"))
    forget = f"{LOGINS}{session.pk}/forget/"
    nobody, reader = client_of(staff("view_task")), client_of(staff("view_loginsession", "view_task"))
    assert nobody.get(LOGINS).status_code == 403
    assert nobody.get(forget).status_code == nobody.post(forget).status_code == 403
    assert reader.get(forget).status_code == reader.post(forget).status_code == 403
    only_delete = client_of(staff("delete_loginsession"))
    assert only_delete.post(forget).status_code == 403
    assert LoginSession.objects.get().sealed is not None
    assert LOGINS in page(reader, "/admin/")
    assert LOGINS not in page(nobody, "/admin/")


def test_djangos_own_pages_change_nothing(operator: Client, portal: Automation) -> None:
    session = make_login_session(of_login("A-1", portal, "success"))
    assert operator.get(f"{LOGINS}{session.pk}/change/").headers["Location"] == LOGINS
    root = client_of(make_user(is_staff=True, is_superuser=True))
    assert root.get(f"{LOGINS}add/").status_code == 403
    assert root.post(f"{LOGINS}{session.pk}/delete/", {"post": "yes"}).status_code == 403
    root.post(LOGINS, {"action": "delete_selected", "_selected_action": [session.pk], "post": "yes"})
    assert LoginSession.objects.get().sealed is not None


def test_logins_are_found_by_name_and_automation(operator: Client, portal: Automation) -> None:
    of_login("A-1", portal)
    of_login("A-2", make_automation(endpoint_name="claims"))
    assert [row.split()[0] for row in texts_of_rows(page(operator, f"{LOGINS}?q=PORTAL"))] == ["A-1"]
    assert [row.split()[0] for row in texts_of_rows(page(operator, f"{LOGINS}?q=a-2"))] == ["A-2"]
    assert "No login matches" in page(operator, f"{LOGINS}?q=%00nobody")


def test_many_logins_are_cut_and_cost_no_more_queries(
    operator: Client, portal: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(operator)
        return len(captured)

    make_login_session(of_login("A-0", portal, "success"))
    of_login("B-0", portal)
    page(operator)
    before = queries()
    for number in range(1, 6):
        make_login_session(of_login(f"A-{number}", portal, "success"))
        of_login(f"B-{number}", portal)
    assert queries() == before

    monkeypatch.setattr(login_rows, "SHOWN_LOGINS", 3)
    from inference.admin import login_session

    monkeypatch.setattr(login_session, "SHOWN_LOGINS", 3)
    html = page(operator)
    assert len(texts_of_rows(html)) == 3
    assert "3 logins or more" in html
    assert "Only 3 logins are shown" in html
