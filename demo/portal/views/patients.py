"""The register: search, one patient, and the papers of a patient."""

import time

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from demo.portal.documents import coverage_letter, visit_summary
from demo.portal.practice import Patient, find_patient, search_patients
from demo.portal.views.shell import signed_in

# The results come this much later than the page, like those of a busy record system.
SEARCH_SECONDS = 0.6
ROWS_PER_PAGE = 10
STATUSES = ("Active", "Pending review", "Lapsed")


@signed_in
def register(request: HttpRequest) -> HttpResponse:
    """The search form; the browser asks `results` for the rows."""
    context = {
        "query": request.GET.get("q", ""),
        "status": request.GET.get("status", ""),
        "page": request.GET.get("page", "1"),
        "statuses": STATUSES,
    }
    return render(request, "patients.html", context)


@signed_in
def results(request: HttpRequest) -> HttpResponse:
    time.sleep(SEARCH_SECONDS)
    query, status = request.GET.get("q", ""), request.GET.get("status", "")
    paginator = Paginator(search_patients(query, status), ROWS_PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    return render(request, "patients_results.html", {"page": page, "query": query, "status": status})


@signed_in
def detail(request: HttpRequest, patient_id: int) -> HttpResponse:
    return render(request, "patient.html", {"patient": patient_or_404(patient_id)})


@signed_in
def coverage_card(request: HttpRequest, patient_id: int) -> HttpResponse:
    """What the popup window shows."""
    return render(request, "coverage_card.html", {"patient": patient_or_404(patient_id)})


@signed_in
def summary_pdf(request: HttpRequest, patient_id: int) -> HttpResponse:
    patient = patient_or_404(patient_id)
    return _pdf(visit_summary(patient), f"visit-summary-{patient.member_id}.pdf", disposition="attachment")


@signed_in
def letter_pdf(request: HttpRequest, patient_id: int) -> HttpResponse:
    patient = patient_or_404(patient_id)
    return _pdf(coverage_letter(patient), f"coverage-letter-{patient.member_id}.pdf", disposition="inline")


def patient_or_404(patient_id: int) -> Patient:
    patient = find_patient(patient_id)
    if patient is None:
        raise Http404(f"No patient {patient_id}")
    return patient


def _pdf(content: bytes, filename: str, *, disposition: str) -> HttpResponse:
    response = HttpResponse(content, content_type="application/pdf")
    response.headers["Content-Disposition"] = f'{disposition}; filename="{filename}"'
    return response
