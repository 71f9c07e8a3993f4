"""The pages around the patients' own: schedule, eligibility, triage, pinboard, preferences."""

import time

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from demo.portal.practice import CLAIMS, PATIENTS, PLANS, dollars, find_member, todays_appointments
from demo.portal.views.shell import signed_in

# How long the payer "thinks" about an eligibility request.
PAYER_SECONDS = 0.4


def home(request: HttpRequest) -> HttpResponse:
    return redirect("/schedule" if "user" in request.session else "/login")


@signed_in
def schedule(request: HttpRequest) -> HttpResponse:
    appointments = todays_appointments()
    context = {
        "appointments": appointments,
        "seen_count": sum(appointment.status == "Checked out" for appointment in appointments),
        "open_claims": sum(claim.status in ("Pending", "Submitted") for claim in CLAIMS),
        "balance": dollars(sum(patient.balance_cents for patient in PATIENTS)),
        "to_review": [patient for patient in PATIENTS if patient.status == "Pending review"][:5],
    }
    return render(request, "schedule.html", context)


@signed_in
def eligibility(request: HttpRequest) -> HttpResponse:
    return render(request, "eligibility.html", {"members": PATIENTS[:4]})


@signed_in
def eligibility_frame(request: HttpRequest) -> HttpResponse:
    """The form inside the iframe; with `?member=` also the payer's answer."""
    member_id = request.GET.get("member", "")
    if not member_id:
        return render(request, "eligibility_frame.html", {"plans": PLANS})
    time.sleep(PAYER_SECONDS)
    patient = find_member(member_id)
    context = {"member_id": member_id, "asked": True, "patient": patient, "plans": PLANS}
    return render(request, "eligibility_frame.html", context)


@signed_in
def triage(request: HttpRequest) -> HttpResponse:
    return render(request, "triage.html", {"referrals": PATIENTS[20:24]})


@signed_in
def notes(request: HttpRequest) -> HttpResponse:
    return render(request, "notes.html")


@signed_in
def preferences(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        request.session["preferences"] = {
            "view": request.POST.get("view", "day"),
            "channels": request.POST.getlist("channels"),
            "compact": "compact" in request.POST,
        }
        return redirect("/preferences?saved=1")
    saved = request.session.get("preferences", {"view": "day", "channels": ["email"], "compact": False})
    return render(request, "preferences.html", {"saved": saved, "just_saved": "saved" in request.GET})
