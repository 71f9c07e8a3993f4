"""Tasks that wait for a person: seen everywhere, answered on their page."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from inference.models import AuditEvent, PersonRequest, Step, StepStatus, Task, TaskEvent
from inference.services.people import answer_request
from tests.factories import end_task, make_person_request, make_step
from tests.inference.admin.conftest import Dashboard, Desk, client_of, staff
from tests.inference.admin.seed import Seeded, add_waiting, seed

pytestmark = pytest.mark.django_db

LIST = "/admin/inference/task/"
QUESTION = "Type the code that was sent to the phone ending in 48"


@pytest.fixture
def waiting(seeded: Seeded) -> Task:
    return add_waiting(seeded)


def html_at(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def page_of(task: Task) -> str:
    return reverse("admin:inference_task_change", args=(task.id,))


def say(client: Client, task: Task, said: str, **fields: Any) -> str:
    """Press a button of the panel; the page that follows."""
    data = {"answer": said, "request": str(PersonRequest.objects.latest("asked_at").id), **fields}
    answer = client.post(reverse("admin:inference_task_answer", args=(task.id,)), data, follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain == [(page_of(task), 302)]
    return answer.content.decode()


def test_the_page_shows_the_question_the_time_left_and_the_page_it_is_about(maya: Client, waiting: Task) -> None:
    html = html_at(maya, page_of(waiting))
    request = PersonRequest.objects.get()
    assert f'<h3 id="asks" class="ox-break">{QUESTION}</h3>' in html
    assert re.search(rf'data-until="{re.escape(request.deadline.isoformat())}">7:\d\d</b>', html)
    assert html.count("Waiting for you") >= 2
    assert request.picture is not None
    picture = reverse("admin:inference_task_artifact", args=(request.picture.pk,))
    assert f'<image href="{picture}"' in html
    assert re.search(r'class="ox-step ox-wf "[^>]*data-s="human" aria-current="true"', html)
    assert "asked for up to 10 min:" in html


def test_continuing_tells_the_task_and_the_audit_log(maya: Client, waiting: Task) -> None:
    html = say(maya, waiting, "continue", note="  typed it ")
    assert f"{waiting} goes on." in html
    request = PersonRequest.objects.get()
    assert (request.outcome, request.note, request.closed_by) == (
        "continue",
        "typed it",
        {"kind": "user", "id": "maya"},
    )
    event = AuditEvent.objects.get(act="task.answer")
    assert (event.actor, event.target) == ("maya", f"task {waiting.id}")
    assert event.data == {"request": str(request.id), "answer": "continue", "note": "typed it"}
    assert "continue, said maya" in html
    assert 'id="asks"' not in html


def test_giving_up_needs_no_note(maya: Client, waiting: Task) -> None:
    assert f"{waiting} is given up." in say(maya, waiting, "give_up")
    assert PersonRequest.objects.get().outcome == "give_up"


def test_a_page_that_is_out_of_date_answers_nothing(maya: Client, waiting: Task) -> None:
    first = PersonRequest.objects.get()
    say(maya, waiting, "continue")
    make_person_request(waiting, question="And now?")
    html = say(maya, waiting, "give_up", request=str(first.id))
    assert f"Task {waiting.id} was answered before: continue." in html
    assert PersonRequest.objects.get(question="And now?").closed_at is None
    assert AuditEvent.objects.filter(act="task.answer").count() == 1


def test_the_same_button_twice_is_one_answer(maya: Client, waiting: Task) -> None:
    say(maya, waiting, "continue")
    say(maya, waiting, "continue")
    assert TaskEvent.objects.filter(task=waiting, kind="person", data__state="answered").count() == 1
    assert AuditEvent.objects.filter(act="task.answer").count() == 1


@pytest.mark.parametrize("fields", [{"answer": "timed_out"}, {"answer": ""}, {"request": "no id"}])
def test_what_no_button_sends_is_refused(maya: Client, waiting: Task, fields: dict[str, str]) -> None:
    said = fields.pop("answer", "continue")
    assert "Press Continue or Give up." in say(maya, waiting, said, **fields)
    assert PersonRequest.objects.get().closed_at is None


def test_only_people_who_may_cancel_answer(waiting: Task) -> None:
    viewer, operator = client_of(staff("view_task")), client_of(staff("view_task", "change_task"))
    html = html_at(viewer, page_of(waiting))
    assert "Waits for a person" in html
    assert "Waiting for you" not in html
    assert "Somebody who may cancel tasks can answer." in html
    assert "Continue</button>" not in html
    assert "Waits for a person" in html_at(viewer, LIST)
    address = reverse("admin:inference_task_answer", args=(waiting.id,))
    data = {"answer": "continue", "request": str(PersonRequest.objects.get().id)}
    assert viewer.post(address, data).status_code == 403
    assert operator.get(address).status_code == 405
    assert Client().post(address, data).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(staff("view_task", "change_task"))
    assert strict.post(address, data).status_code == 403
    assert PersonRequest.objects.get().closed_at is None
    assert operator.post(address, data).status_code == 302
    assert PersonRequest.objects.get().outcome == "continue"


def test_the_list_marks_it_and_finds_it_among_what_needs_you(maya: Client, seeded: Seeded, waiting: Task) -> None:
    html = html_at(maya, f"{LIST}?view=needs-you")
    assert "2 tasks need you" in html
    assert 'data-tab="needs-you" data-s="human">2</small>' in html
    assert f'data-row="{waiting.id}"' in html
    assert f'data-row="{seeded.review.id}"' in html
    assert f'data-row="{seeded.running.id}"' not in html
    row = html[html.index(f'data-row="{waiting.id}"') :]
    assert 'data-s="human"' in row[: row.index("</tr>")]
    assert f'<span class="ox-state" data-s="human">Step 3</span> {QUESTION}' in row
    end_task(waiting)
    html = html_at(maya, f"{LIST}?view=needs-you")
    assert f'data-row="{waiting.id}"' not in html
    assert 'data-tab="needs-you" data-s="review">1</small>' in html


def test_a_list_that_is_looked_at_shows_a_question_as_it_comes_and_goes(maya: Client, seeded: Seeded) -> None:
    address = f"{LIST}live/?ids={seeded.running.id}"
    before = maya.get(address)
    make_person_request(seeded.running, step_position=5)
    asks = maya.get(address, headers={"If-None-Match": before["ETag"]})
    assert "Waiting for you" in asks.json()["rows"][str(seeded.running.id)]
    assert asks.json()["tabs"]["needs-you"] == "2"
    assert maya.get(address, headers={"If-None-Match": asks["ETag"]}).status_code == 304
    answer_request(task_id=seeded.running.id, answer="continue", note="", cause={"kind": "test"})
    after = maya.get(address, headers={"If-None-Match": asks["ETag"]})
    assert "Waiting for you" not in after.json()["rows"][str(seeded.running.id)]


def test_home_says_that_people_are_waited_for_the_most_urgent_first(
    maya: Client, seeded: Seeded, waiting: Task
) -> None:
    make_person_request(seeded.running, question="Hurry up", seconds=60, step_position=5)
    html = html_at(maya, "/admin/")
    assert "Three things need you." in html
    needs = html[html.index('aria-label="Needs you"') : html.index('data-part="tiles"')]
    places = [needs.index(text) for text in ("Hurry up", QUESTION, "Nobody knows whether it was sent.")]
    assert places == sorted(places)
    assert needs.count("</span>Answer</a>") == 2
    assert f'href="{page_of(waiting)}"' in needs
    assert re.search(r'<span class="fr-badge" data-s="human">3<', html)
    looking = html_at(client_of(staff("view_task")), "/admin/")
    assert "</span>Look</a>" in looking
    assert "</span>Answer</a>" not in looking


def test_an_older_try_of_the_task_waits_for_nobody(maya: Client, waiting: Task) -> None:
    answer_request(task_id=waiting.id, answer="continue", note="", cause={"kind": "test"})
    waiting.attempts.create(number=2, token=2, host="browser-01", worker="browser-01/412/1")
    make_step(waiting, position=0, attempt=2, status=StepStatus.RUNNING)
    make_person_request(waiting, attempt=2, step_position=0, question="Again?")
    html = html_at(maya, f"{page_of(waiting)}?try=1")
    assert "Again?" in html, "the task waits, whichever try is looked at"
    timeline = html[html.index('data-part="steps"') :]
    assert 'data-s="human"' not in timeline[: timeline.index("</section>")]


def test_a_step_that_waits_can_be_looked_at_by_itself(maya: Client, waiting: Task) -> None:
    html = html_at(maya, f"{page_of(waiting).removesuffix('change/')}step/3/")
    request = PersonRequest.objects.get()
    assert request.picture is not None
    assert reverse("admin:inference_task_artifact", args=(request.picture.pk,)) in html
    assert "Waiting for you" in html


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120)
def test_a_page_that_is_watched_asks_keeps_the_note_and_goes_on(desk: tuple[Dashboard, Seeded]) -> None:
    window, seeded = desk
    page = window.open(f"inference/task/{seeded.running.id}/change/")
    expect(page.get_by_text("Live")).to_be_visible()
    expect(page.get_by_role("button", name="Continue")).to_have_count(0)
    make_person_request(seeded.running, question=QUESTION, seconds=90, step_position=5)
    expect(page.get_by_role("heading", name=QUESTION)).to_be_visible()
    counted = page.locator("[data-until]")
    expect(counted).to_have_text(re.compile(r"1:2\d"))
    first = counted.text_content()
    expect(counted).not_to_have_text(str(first))
    page.get_by_label("Note").fill("typed by hand")
    page.get_by_role("heading", name=QUESTION).click()
    Step.objects.filter(task=seeded.running, position=4).update(healed=True)
    expect(page.locator("#step-4")).to_contain_text("healed")
    expect(page.get_by_label("Note")).to_have_value("typed by hand")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("goes on.")).to_be_visible()
    expect(page.get_by_role("button", name="Continue")).to_have_count(0)
    request = PersonRequest.objects.get()
    assert (request.outcome, request.note) == ("continue", "typed by hand")
    assert window.errors == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120)
def test_answering_works_without_javascript(open_desk: Desk) -> None:
    seeded = seed(more_tasks=0)
    waiting = add_waiting(seeded)
    page = open_desk(seeded.admin, java_script_enabled=False).open(f"inference/task/{waiting.id}/change/")
    expect(page.locator("[data-until]")).to_have_text(re.compile(r"7:\d\d"))
    page.get_by_label("Note").fill("not today")
    page.get_by_role("button", name="Give up").click()
    expect(page.get_by_text("is given up.")).to_be_visible()
    assert PersonRequest.objects.get().note == "not today"


def test_the_log_says_that_nobody_answered(maya: Client, waiting: Task) -> None:
    TaskEvent.objects.create(task=waiting, kind="person", data={"state": "nobody answered"})
    assert "<span>person</span><span>nobody answered</span>" in html_at(maya, page_of(waiting))
