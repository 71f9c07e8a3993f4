"""Every address of the portal."""

from django.urls import path

from demo.portal.views import access, claims, clinic, effects, intake, patients, system

urlpatterns = [
    path("", clinic.home),
    path("login", access.login),
    path("logout", access.logout),
    path("schedule", clinic.schedule),
    path("patients", patients.register),
    path("patients/results", patients.results),
    path("patients/<int:patient_id>", patients.detail),
    path("patients/<int:patient_id>/coverage-card", patients.coverage_card),
    path("patients/<int:patient_id>/visit-summary.pdf", patients.summary_pdf),
    path("patients/<int:patient_id>/coverage-letter.pdf", patients.letter_pdf),
    path("intake/new", intake.start),
    path("intake/confirmation/<str:number>", intake.confirmation),
    path("intake/<str:name>", intake.step),
    path("eligibility", clinic.eligibility),
    path("eligibility/frame", clinic.eligibility_frame),
    path("claims", claims.claims),
    path("claims/rows", claims.rows),
    path("claims/export.csv", claims.export_csv),
    path("triage", clinic.triage),
    path("notes", clinic.notes),
    path("preferences", clinic.preferences),
    path("effects", effects.all_effects),
    path("effects/reset", effects.reset),
    path("effects/record", effects.record),
    path("effects/recorded", effects.recorded),
    path("effects/slow", effects.slow),
    path("effects/<path:effect_id>", effects.one_effect),
    path("system", system.system),
    path("system/slow", system.slow),
    path("system/flaky", system.flaky),
    path("state", system.state),
    path("state/reset", system.reset),
    path("state/consent/<str:mode>", system.set_consent),
    path("state/sign-in", system.sign_in_at_once),
    path("static/<path:path>", system.static_file),
]

handler404 = "demo.portal.views.system.page_not_found"
