"""Claims: a list that loads while one scrolls, and its exports."""

import time

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from demo.portal.documents import claims_csv
from demo.portal.practice import CLAIMS, PRACTICE_DAY, Claim
from demo.portal.views.shell import signed_in

ROWS_PER_LOAD = 25
LOAD_SECONDS = 0.2
STATUSES = ("Paid", "Pending", "Submitted", "Denied")


@signed_in
def claims(request: HttpRequest) -> HttpResponse:
    found = _claims_asked_for(request)
    context = {
        "claims": found[:ROWS_PER_LOAD],
        "total": len(found),
        "status": request.GET.get("status", ""),
        "statuses": STATUSES,
    }
    return render(request, "claims.html", context)


@signed_in
def rows(request: HttpRequest) -> HttpResponse:
    """The next rows after `?offset=`, as table rows without a page around them."""
    time.sleep(LOAD_SECONDS)
    text = request.GET.get("offset", "0")
    offset = int(text) if text.isdecimal() else 0
    found = _claims_asked_for(request)[offset : offset + ROWS_PER_LOAD]
    return render(request, "claims_rows.html", {"claims": found})


@signed_in
def export_csv(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(claims_csv(_claims_asked_for(request)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="claims-{PRACTICE_DAY:%Y-%m}.csv"'
    return response


def _claims_asked_for(request: HttpRequest) -> list[Claim]:
    status = request.GET.get("status", "")
    return [claim for claim in CLAIMS if status in ("", claim.status)]
