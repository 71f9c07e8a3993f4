"""The files that the portal hands out: visit summary, coverage letter, claims report."""

import csv
import io
from collections.abc import Iterable

from demo.portal.pdf import PAGE_HEIGHT, PAGE_WIDTH, Color, Page
from demo.portal.practice import PRACTICE_DAY, Claim, Patient

INK: Color = (0.08, 0.15, 0.17)
MUTED: Color = (0.39, 0.47, 0.50)
GREEN: Color = (0.09, 0.29, 0.27)
PALE: Color = (0.93, 0.96, 0.955)
RULE: Color = (0.84, 0.88, 0.885)
WHITE: Color = (1, 1, 1)
MARGIN = 54
FOOTNOTE = "Northwind is a fictional clinic. All people and plans are invented."


def visit_summary(patient: Patient) -> bytes:
    """A PDF with the facts of one patient and the claims on file."""
    page = _letterhead("Visit summary", f"{patient.name}  |  Member ID {patient.member_id}")
    y = _facts(page, PAGE_HEIGHT - 190, _patient_facts(patient))
    page.text(MARGIN, y - 22, "Claims on file", size=12, bold=True, color=INK)
    _claims_table(page, y - 46, patient.claims)
    return page.write(title=f"Visit summary {patient.member_id}")


def coverage_letter(patient: Patient) -> bytes:
    """A PDF that confirms the plan of one patient."""
    plan = patient.plan
    page = _letterhead("Confirmation of coverage", f"Port Ellery, {PRACTICE_DAY:%d %B %Y}")
    lines = (
        "To whom it may concern:",
        "",
        f"This letter confirms that {patient.name}, born {patient.birth_date:%d %B %Y},",
        f"is registered with Northwind Clinic under the plan {plan.name} of {plan.payer}.",
        f"The record is marked {patient.status.lower()} as of the date of this letter.",
        "",
        f"Member ID {patient.member_id}, group {plan.group_number}.",
        f"Office visit copay {plan.copay}, yearly deductible {plan.deductible}.",
        "",
        "Sincerely,",
        "Northwind Clinic, Member Services",
    )
    for number, line in enumerate(lines):
        page.text(MARGIN, PAGE_HEIGHT - 200 - number * 18, line, size=11, color=INK)
    return page.write(title=f"Coverage letter {patient.member_id}")


def claims_csv(claims: Iterable[Claim]) -> bytes:
    """UTF-8 with a heading line; amounts in dollars with two decimals, dates in ISO 8601."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("claim", "patient_id", "patient", "service_date", "code", "service", "billed", "status"))
    for claim in claims:
        writer.writerow(
            (
                claim.number,
                claim.patient_id,
                claim.patient_name,
                claim.service_date.isoformat(),
                claim.code,
                claim.service,
                f"{claim.billed_cents / 100:.2f}",
                claim.status,
            )
        )
    return text.getvalue().encode()


def _letterhead(title: str, subtitle: str) -> Page:
    page = Page()
    page.box(0, PAGE_HEIGHT - 84, PAGE_WIDTH, 84, color=GREEN)
    page.text(MARGIN, PAGE_HEIGHT - 48, "Northwind Clinic", size=20, bold=True, color=WHITE)
    page.text(MARGIN, PAGE_HEIGHT - 66, "48 Lighthouse Road, Port Ellery", size=9, color=(0.75, 0.86, 0.84))
    page.text(MARGIN, PAGE_HEIGHT - 126, title, size=17, bold=True, color=INK)
    page.text(MARGIN, PAGE_HEIGHT - 145, subtitle, size=10.5, color=MUTED)
    page.line(MARGIN, 60, PAGE_WIDTH - 2 * MARGIN, color=RULE)
    page.text(MARGIN, 44, FOOTNOTE, size=8, color=MUTED)
    return page


def _patient_facts(patient: Patient) -> tuple[tuple[str, str], ...]:
    return (
        ("Date of birth", f"{patient.birth_date:%d %B %Y}"),
        ("Plan", f"{patient.plan.name} ({patient.plan.kind})"),
        ("Status", patient.status),
        ("Primary clinician", patient.clinician),
        ("Last visit", f"{patient.last_visit:%d %B %Y}"),
        ("Allergies", patient.allergy),
        ("Balance due", patient.balance),
    )


def _facts(page: Page, y: float, facts: Iterable[tuple[str, str]]) -> float:
    """Draw label and value pairs; returns where the next thing may begin."""
    for label, value in facts:
        page.text(MARGIN, y, label, size=10, color=MUTED)
        page.text(MARGIN + 130, y, value, size=10, bold=True, color=INK)
        page.line(MARGIN, y - 8, PAGE_WIDTH - 2 * MARGIN, color=RULE)
        y -= 24
    return y


def _claims_table(page: Page, y: float, claims: Iterable[Claim]) -> None:
    columns = (MARGIN + 8, MARGIN + 100, MARGIN + 190, MARGIN + 385, MARGIN + 450)
    page.box(MARGIN, y - 7, PAGE_WIDTH - 2 * MARGIN, 20, color=PALE)
    for x, heading in zip(columns, ("Claim", "Date", "Service", "Billed", "Status"), strict=True):
        page.text(x, y, heading, size=9, bold=True, color=GREEN)
    for claim in claims:
        y -= 22
        cells = (claim.number, claim.service_date.isoformat(), claim.service, claim.billed, claim.status)
        for x, cell in zip(columns, cells, strict=True):
            page.text(x, y, cell, size=9, color=INK)
        page.line(MARGIN, y - 7, PAGE_WIDTH - 2 * MARGIN, color=RULE)
