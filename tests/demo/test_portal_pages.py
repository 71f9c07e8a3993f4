"""What the pages answer to a plain HTTP client: status, content, files, state."""

import csv
import io
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
import requests

from demo.portal.practice import CLAIMS, PATIENTS, search_patients
from tests.demo.portal_process import Portal, csrf_of

PAGES_FOR_STAFF = (
    "/schedule",
    "/patients",
    "/patients/results",
    "/patients/1001",
    "/patients/1001/coverage-card",
    "/intake/patient",
    "/eligibility",
    "/eligibility/frame",
    "/claims",
    "/claims/rows",
    "/triage",
    "/notes",
    "/preferences",
)
PUBLIC_PAGES = (
    "/login",
    "/logout",
    "/system",
    "/system/slow?ms=1",
    "/effects/record?id=a",
    "/effects/slow?id=a&seconds=1",
    "/effects/recorded?id=a",
)


@pytest.fixture
def staff(portal: Portal) -> requests.Session:
    return portal.visitor()


@pytest.mark.parametrize("path", PAGES_FOR_STAFF)
def test_page_answers_staff_and_sends_strangers_to_the_login(
    portal: Portal, staff: requests.Session, path: str
) -> None:
    assert staff.get(portal.url + path, timeout=10).status_code == 200
    answer = requests.get(portal.url + path, allow_redirects=False, timeout=10)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login?next=")


@pytest.mark.parametrize("path", PUBLIC_PAGES)
def test_public_page_answers_everyone(portal: Portal, path: str) -> None:
    assert portal.get(path).status_code == 200


@pytest.mark.parametrize("path", PUBLIC_PAGES + PAGES_FOR_STAFF)
def test_page_names_no_other_site(portal: Portal, staff: requests.Session, path: str) -> None:
    answer = staff.get(portal.url + path, timeout=10)
    assert re.findall(r"(?:src|href|action)=\"(?!/|#)[^\"]*\"", answer.text) == []
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_session_ends_with_the_sign_out(portal: Portal, staff: requests.Session) -> None:
    assert "Signed out" in staff.get(f"{portal.url}/logout", timeout=10).text
    assert staff.get(f"{portal.url}/schedule", timeout=10).url.startswith(f"{portal.url}/login")


@pytest.mark.parametrize("target", ["//evil.example/x", "https://evil.example", "javascript:alert(1)", ""])
def test_login_leads_to_no_other_site(portal: Portal, target: str) -> None:
    answer = requests.get(f"{portal.url}/state/sign-in", params={"next": target}, allow_redirects=False, timeout=10)
    assert answer.headers["Location"] == "/schedule"


def test_cookies_leave_those_of_the_server_alone(portal: Portal, staff: requests.Session) -> None:
    assert {cookie.name for cookie in staff.cookies} == {"northwind_session", "northwind_csrf"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [("q=okafor", ["Amara Okafor"]), ("q=nw-4471-203", ["Amara Okafor"]), ("q=O%27Brien", ["Liam O'Brien"])],
)
def test_search_finds_by_name_and_member_id(
    portal: Portal, staff: requests.Session, query: str, expected: list[str]
) -> None:
    rows = staff.get(f"{portal.url}/patients/results?{query}", timeout=10).text
    names = re.findall(r'href="/patients/\d+">([^<]+)</a>', rows)
    assert [name.replace("&#x27;", "'") for name in names] == expected


def test_search_pages_show_every_patient_once(portal: Portal, staff: requests.Session) -> None:
    def ids_on(page: int) -> list[str]:
        address = f"{portal.url}/patients/results?page={page}"
        rows = requests.get(address, cookies=staff.cookies, timeout=10).text
        return re.findall(r'href="/patients/(\d+)">', rows)

    with ThreadPoolExecutor(6) as pool:
        ids = list(chain.from_iterable(pool.map(ids_on, range(1, 7))))
    assert len(ids) == len(set(ids)) == len(PATIENTS) == 60


def test_register_is_made_of_distinct_people() -> None:
    assert len({patient.member_id for patient in PATIENTS}) == len(PATIENTS)
    assert len({patient.name for patient in PATIENTS}) == len(PATIENTS)
    assert {patient.status for patient in PATIENTS} == {"Active", "Pending review", "Lapsed"}
    assert all(patient.status == "Lapsed" for patient in search_patients("", "Lapsed"))


@pytest.mark.parametrize(
    ("path", "disposition", "filename"),
    [
        ("/patients/1001/visit-summary.pdf", "attachment", "visit-summary-NW-4471-203.pdf"),
        ("/patients/1001/coverage-letter.pdf", "inline", "coverage-letter-NW-4471-203.pdf"),
    ],
)
def test_pdf_is_a_pdf_with_the_patients_facts(
    portal: Portal, staff: requests.Session, path: str, disposition: str, filename: str
) -> None:
    answer = staff.get(portal.url + path, timeout=10)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == f'{disposition}; filename="{filename}"'
    assert answer.content.startswith(b"%PDF-1.4")
    assert answer.content.endswith(b"%%EOF\n")
    assert b"NW-4471-203" in answer.content
    offset = int(answer.content.split(b"startxref\n")[1].split(b"\n")[0])
    assert answer.content[offset:].startswith(b"xref\n")
    for number, start in enumerate(re.findall(rb"(\d{10}) 00000 n", answer.content), start=1):
        assert answer.content[int(start) :].startswith(b"%d 0 obj" % number)


def test_csv_holds_all_claims_asked_for(portal: Portal, staff: requests.Session) -> None:
    answer = staff.get(f"{portal.url}/claims/export.csv?status=Denied", timeout=10)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="claims-2026-11.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["claim"] for row in rows] == [claim.number for claim in CLAIMS if claim.status == "Denied"]


def test_flaky_page_fails_once_per_key(portal: Portal) -> None:
    statuses = [portal.get(f"/system/flaky?key={key}").status_code for key in ("a", "a", "b", "a", "b")]
    assert statuses == [500, 200, 500, 200, 200]
    portal.post("/state/reset")
    assert portal.get("/system/flaky?key=a").status_code == 500


def test_slow_page_takes_the_time_asked_for(portal: Portal) -> None:
    answer = portal.get("/system/slow?ms=400")
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.4
    assert portal.get("/system/slow?ms=x").status_code == 400


def test_consent_overlay_comes_when_asked_for(portal: Portal) -> None:
    overlay = 'id="consent-overlay"'
    assert overlay not in portal.get("/login").text
    assert overlay in portal.get("/login?consent=1").text
    assert portal.post("/state/consent/first-visit").json()["consent"] == "first-visit"
    assert overlay in portal.get("/login").text
    cookies = {"northwind_consent": "necessary"}
    assert overlay not in requests.get(f"{portal.url}/login", cookies=cookies, timeout=10).text
    assert portal.post("/state/consent/sometimes").status_code == 404
    portal.post("/state/reset")
    assert overlay not in portal.get("/login").text


def test_unknown_records_are_not_found(portal: Portal, staff: requests.Session) -> None:
    for path in ("/patients/1000", "/patients/1061", "/intake/nowhere", "/intake/confirmation/NW-1", "/nothing"):
        answer = staff.get(portal.url + path, timeout=10)
        assert answer.status_code == 404, path
        assert "There is nothing here" in answer.text


def test_intake_step_names_what_is_missing(portal: Portal, staff: requests.Session) -> None:
    form = {"first_name": "Ada", "birth_date": "2030-01-01", "csrfmiddlewaretoken": csrf_of(staff)}
    answer = staff.post(f"{portal.url}/intake/patient", data=form, timeout=10)
    assert answer.status_code == 422
    problems = re.findall(r"<li>([^<]+\.)</li>", answer.text)
    assert "Referral number is required." in problems
    assert "The date of birth is in the past." in problems
    assert not any("First name" in problem for problem in problems)


def test_intake_cannot_be_submitted_half_filled(portal: Portal, staff: requests.Session) -> None:
    form = {"attested": "Yes", "csrfmiddlewaretoken": csrf_of(staff)}
    answer = staff.post(f"{portal.url}/intake/review", data=form, timeout=10)
    assert answer.url.endswith("/intake/patient")
    assert portal.get("/effects").json()["total"] == 0
