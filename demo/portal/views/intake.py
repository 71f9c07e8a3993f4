"""The intake form, one page per step. The draft lives in the visitor's session."""

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from demo.portal import intake
from demo.portal.effects import ledger
from demo.portal.practice import PLANS
from demo.portal.switches import switches
from demo.portal.views.shell import signed_in


@signed_in
def start(request: HttpRequest) -> HttpResponse:
    """Forget the draft, and begin."""
    request.session["intake"] = {"reminders": "Yes"}
    return redirect(f"/intake/{intake.STEPS[0]}")


@signed_in
def step(request: HttpRequest, name: str) -> HttpResponse:
    if name not in intake.STEPS:
        raise Http404(f"No step {name}")
    draft: intake.Answers = request.session.get("intake", {})
    if request.method == "POST":
        return _take_answers(request, name, draft)
    open_step = intake.first_open_step(draft)
    if intake.STEPS.index(name) > intake.STEPS.index(open_step):
        return redirect(f"/intake/{open_step}")
    return _form(request, name, draft, problems={})


@signed_in
def confirmation(request: HttpRequest, number: str) -> HttpResponse:
    submitted = request.session.get("submitted", {})
    if submitted.get("number") != number:
        raise Http404(f"No confirmation {number}")
    return render(request, "intake_confirmation.html", {"submitted": submitted})


def _take_answers(request: HttpRequest, name: str, draft: intake.Answers) -> HttpResponse:
    answers = draft | _answers_of(request, name, draft)
    problems = intake.problems_in(name, answers)
    if problems:
        return _form(request, name, answers, problems=problems, status=422)
    if name == "review":
        return _submit(request, answers)
    request.session["intake"] = answers
    return redirect(f"/intake/{intake.step_after(name)}")


def _answers_of(request: HttpRequest, name: str, draft: intake.Answers) -> intake.Answers:
    answers: intake.Answers = {}
    for field in intake.FIELDS[name]:
        if field == "card":
            answers[field] = _describe(request.FILES.get(field)) or draft.get(field, "")
        elif field in intake.MANY:
            answers[field] = request.POST.getlist(field)
        else:
            answers[field] = request.POST.get(field, "").strip()
    return answers


def _describe(upload: object) -> str:
    """The content isn't kept: its name and size show that it came."""
    return f"{upload.name} ({upload.size:,} bytes)" if isinstance(upload, UploadedFile) else ""


def _submit(request: HttpRequest, answers: intake.Answers) -> HttpResponse:
    """Count the submission, and give it a number. Sent twice it counts twice: nothing here hides that."""
    open_step = intake.first_open_step(answers)
    if open_step != "review":
        return redirect(f"/intake/{open_step}")
    number = switches.next_confirmation()
    ledger.record(str(answers["referral_number"]))
    request.session["submitted"] = {
        "number": number,
        "referral_number": answers["referral_number"],
        "name": f"{answers['first_name']} {answers['last_name']}",
        "visit": f"{answers['department']}, {answers['visit_date']}",
    }
    request.session.pop("intake", None)
    return redirect(f"/intake/confirmation/{number}")


def _form(
    request: HttpRequest, name: str, answers: intake.Answers, *, problems: dict[str, str], status: int = 200
) -> HttpResponse:
    context = {
        "step": name,
        "steps": [(step, intake.STEP_TITLES[step]) for step in intake.STEPS],
        "position": intake.STEPS.index(name) + 1,
        "answers": answers,
        "problems": problems,
        "choices": intake.CHOICES,
        "symptoms": intake.SYMPTOMS,
        "plans": PLANS,
        "review": intake.review_of(answers),
    }
    return render(request, f"intake_{name}.html", context, status=status)
