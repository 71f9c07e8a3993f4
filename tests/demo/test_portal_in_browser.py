"""Every feature of the portal that an automation has to cope with, in a real Chromium."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Dialog, Page, Response, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.demo.portal_process import PROJECT, Portal

CARD = PROJECT / "demo/files/insurance-card.png"


def test_login_refuses_a_wrong_password_and_then_goes_where_one_wanted(page: Page) -> None:
    page.goto("/claims")
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The user name or password is not right.")
    page.get_by_label("Password").fill("northwind")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Claims", level=1)).to_be_visible()


def test_results_come_later_than_the_page(desk: Page) -> None:
    desk.goto("/patients")
    results = desk.get_by_role("region", name="Search results")
    expect(results).to_have_attribute("aria-busy", "true")
    expect(results.get_by_role("status")).to_have_text("Loading patients")
    expect(results.get_by_role("table", name="Patients")).to_be_visible()
    expect(results).to_have_attribute("aria-busy", "false")
    expect(results.get_by_role("row")).to_have_count(11)


def test_search_and_paging_replace_the_rows(desk: Page) -> None:
    desk.goto("/patients")
    desk.get_by_role("link", name="Page 6").click()
    expect(desk.get_by_text("51 to 60 of 60")).to_be_visible()
    desk.get_by_label("Name or member ID").fill("van den")
    desk.get_by_role("button", name="Search").click()
    expect(desk.get_by_role("row")).to_have_count(2)
    assert "q=van+den" in desk.url
    desk.go_back()
    expect(desk.get_by_text("51 to 60 of 60")).to_be_visible()
    desk.get_by_label("Status").select_option("Lapsed")
    desk.get_by_label("Name or member ID").press("Enter")
    expect(desk.get_by_text("1 to 10 of 12")).to_be_visible()
    desk.get_by_label("Name or member ID").fill("nobody at all")
    desk.get_by_label("Name or member ID").press("Enter")
    expect(desk.get_by_text("No patients match")).to_be_visible()


def test_patient_shows_the_facts(desk: Page) -> None:
    desk.goto("/patients/1001")
    expect(desk.get_by_role("heading", name="Amara Okafor")).to_be_visible()
    facts = {
        "member-id": "NW-4471-203",
        "birth-date": "1984-04-12",
        "plan": "Juniper Gold",
        "status": "Active",
        "last-visit": "2026-11-20",
        "balance": "$142.50",
        "copay": "$20",
    }
    for test_id, value in facts.items():
        expect(desk.get_by_test_id(test_id)).to_have_text(value)


def test_intake_from_the_first_field_to_the_confirmation(desk: Page, portal: Portal) -> None:
    desk.goto("/intake/new")
    desk.get_by_label("Referral number").fill("REF-1")
    desk.get_by_label("First name").fill("Ada")
    desk.get_by_label("Last name").fill("Byron")
    desk.get_by_label("Date of birth").fill("1990-12-10")
    desk.get_by_label("Preferred language").select_option("English")
    desk.get_by_role("radio", name="Female").check()
    desk.get_by_role("button", name="Continue").click()

    plan = desk.get_by_role("combobox", name="Insurance plan")
    plan.press_sequentially("meridian")
    expect(desk.get_by_role("listbox").get_by_role("option")).to_have_text(
        ["Meridian SelectMeridian, POS", "Meridian Select DentalMeridian, POS"]
    )
    desk.get_by_role("option", name="Meridian Select Dental").click()
    expect(plan).to_have_value("Meridian Select Dental")
    desk.get_by_label("Insurance member number").fill("MS-1")
    desk.get_by_label("Relationship to the insured").select_option("Spouse")
    desk.get_by_label("Insurance card").set_input_files(CARD)
    desk.get_by_role("button", name="Continue").click()

    desk.get_by_label("Preferred date").fill("2026-12-01")
    desk.get_by_label("Department").select_option("Dermatology")
    desk.get_by_role("radio", name="Video call").check()
    desk.get_by_role("checkbox", name="Rash").check()
    desk.get_by_role("checkbox", name="Fever").check()
    desk.get_by_role("checkbox", name="Send text reminders").uncheck()
    desk.get_by_label("Notes for the clinician").fill("Itches <b>a lot</b>")
    desk.get_by_role("button", name="Continue").click()

    answers = desk.get_by_role("definition")
    expect(answers.filter(has_text="insurance-card.png")).to_have_text(
        f"insurance-card.png ({CARD.stat().st_size:,} bytes)"
    )
    expect(answers.filter(has_text="Fever")).to_have_text("Fever, Rash")
    expect(answers.filter(has_text="Itches")).to_have_text("Itches <b>a lot</b>")
    submit = desk.get_by_role("button", name="Submit intake")
    submit.click()
    expect(desk.get_by_role("alert")).to_contain_text("Attestation is required.")
    assert portal.count("REF-1") == 0
    desk.get_by_role("checkbox", name="The patient has confirmed").check()
    submit.click()
    expect(desk.get_by_test_id("confirmation-number")).to_have_text("NW-100001")
    desk.reload()
    expect(desk.get_by_test_id("confirmation-patient")).to_have_text("Ada Byron")
    assert portal.get("/effects").json() == {"total": 1, "by_id": {"REF-1": 1}}


def test_combobox_takes_only_a_choice(desk: Page) -> None:
    desk.goto("/intake/new")
    desk.get_by_label("Referral number").fill("REF-2")
    desk.get_by_label("First name").fill("Ada")
    desk.get_by_label("Last name").fill("Byron")
    desk.get_by_label("Date of birth").fill("1990-12-10")
    desk.get_by_label("Preferred language").select_option("Igbo")
    desk.get_by_role("radio", name="Another").check()
    desk.get_by_role("button", name="Continue").click()
    plan = desk.get_by_role("combobox", name="Insurance plan")
    plan.fill("no such plan")
    expect(desk.get_by_text("No plan matches")).to_be_visible()
    plan.press("Tab")
    expect(plan).to_have_value("")
    plan.fill("juniper")
    plan.press("ArrowDown")
    plan.press("ArrowDown")
    expect(desk.get_by_role("option", name="Juniper Silver")).to_have_class("option is-active")
    plan.press("Enter")
    expect(plan).to_have_value("Juniper Silver")
    expect(plan).to_have_attribute("aria-expanded", "false")


def test_eligibility_is_asked_inside_an_iframe(desk: Page) -> None:
    desk.goto("/eligibility")
    frame = desk.frame_locator("iframe[title='Eligibility check']")
    frame.get_by_label("Member ID").fill("nw-4471-203")
    frame.get_by_role("button", name="Check eligibility").click()
    expect(frame.get_by_test_id("eligibility-answer")).to_have_text("Eligible")
    frame.get_by_label("Member ID").fill("NW-0")
    frame.get_by_role("button", name="Check eligibility").click()
    expect(frame.get_by_role("alert")).to_have_text("The payer knows no member NW-0.")
    assert desk.url.endswith("/eligibility")


def test_pinboard_lives_in_an_open_shadow_root(desk: Page) -> None:
    desk.goto("/notes")
    assert desk.evaluate("document.querySelector('nw-pinboard').shadowRoot.mode") == "open"
    assert desk.evaluate("document.querySelectorAll('nw-pinboard input').length") == 0
    desk.get_by_label("Note text").fill("Call the lab")
    desk.get_by_label("Kind").select_option("Urgent")
    desk.get_by_role("button", name="Pin note").click()
    pinned = desk.get_by_role("list", name="Pinned").get_by_role("listitem")
    expect(pinned).to_have_text("Call the labUnpin")
    pinned.get_by_role("button", name="Unpin").click()
    expect(desk.get_by_text("No notes are pinned.")).to_be_visible()


def test_pinned_notes_are_dragged_to_what_is_done(desk: Page) -> None:
    desk.goto("/notes")
    desk.get_by_label("Note text").fill("Call the lab")
    desk.get_by_role("button", name="Pin note").click()
    note = desk.get_by_role("listitem").filter(has_text="Call the lab")
    note.get_by_text("Call the lab").drag_to(desk.get_by_role("list", name="Done"))
    expect(desk.get_by_role("list", name="Done").get_by_role("listitem")).to_have_text("Call the labUnpin")
    expect(desk.get_by_text("No notes are pinned.")).to_be_visible()


def test_the_size_of_notes_is_a_slider_with_keys(desk: Page) -> None:
    desk.goto("/notes")
    slider = desk.get_by_role("slider", name="Note size")
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowRight"):
        slider.press(key)
    expect(slider).to_have_attribute("aria-valuenow", "120")
    for _ in range(9):
        slider.press("ArrowDown")
    expect(slider).to_have_attribute("aria-valuenow", "80")


def test_coverage_card_is_a_popup_that_closes_itself(desk: Page) -> None:
    desk.goto("/patients/1001")
    with desk.expect_popup() as opened:
        desk.get_by_role("button", name="View coverage card").click()
    popup = opened.value
    expect(popup.get_by_test_id("group-number")).to_have_text("G-48085")
    popup.wait_for_load_state("load")  # its script is there: a click before that does nothing
    with popup.expect_event("close"):
        popup.get_by_role("button", name="Close card").click()


@pytest.mark.parametrize("choice", ["Accept all", "Only necessary"])
def test_consent_overlay_covers_the_page_until_one_chooses(page: Page, portal: Portal, choice: str) -> None:
    portal.post("/state/consent/first-visit")
    page.goto("/login")
    overlay = page.get_by_role("dialog", name="Your privacy choices")
    expect(overlay).to_be_visible()
    assert page.evaluate("document.elementFromPoint(innerWidth / 2, 40).id") == "consent-overlay"
    overlay.get_by_role("button", name=choice).click()
    expect(overlay).to_be_hidden()
    page.goto("/login")
    expect(overlay).to_be_hidden()


def test_native_dialogs(desk: Page) -> None:
    desk.goto("/schedule")
    seen: list[tuple[str, str]] = []

    def accept(dialog: Dialog) -> None:
        seen.append((dialog.type, dialog.message))
        dialog.accept("Fire drill at noon" if dialog.type == "prompt" else "")

    desk.on("dialog", accept)
    status = desk.locator("#day-remark")
    desk.get_by_role("button", name="Page the front desk").click()
    expect(status).to_have_text("Front desk paged.")
    desk.get_by_role("button", name="Add a day note").click()
    expect(status).to_have_text("Day note: Fire drill at noon")
    row = desk.get_by_role("row").filter(has=desk.get_by_role("button", name="Cancel")).first
    row.get_by_role("button", name="Cancel").click()
    expect(status).to_contain_text("Cancelled: ")
    assert [kind for kind, _ in seen] == ["alert", "prompt", "confirm"]


def test_refused_confirm_changes_nothing(desk: Page) -> None:
    desk.goto("/schedule")
    desk.on("dialog", lambda dialog: dialog.dismiss())
    buttons = desk.get_by_role("button", name="Cancel")
    before = buttons.count()
    buttons.first.click()
    expect(buttons).to_have_count(before)


def test_unsaved_preferences_hold_one_back(desk: Page) -> None:
    desk.goto("/preferences")
    desk.get_by_text("Week view").click()
    expect(desk.get_by_text("Not saved yet")).to_be_visible()
    kinds: list[str] = []

    def leave(dialog: Dialog) -> None:
        kinds.append(dialog.type)
        dialog.accept()

    desk.on("dialog", leave)
    desk.goto("/schedule")
    assert kinds == ["beforeunload"]


def test_drawn_inputs_lie_under_their_drawing(desk: Page) -> None:
    desk.goto("/preferences")
    week = desk.get_by_role("radio", name="Week view")
    box = week.bounding_box()
    assert box is not None
    center = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    assert desk.evaluate("([x, y]) => document.elementFromPoint(x, y).className", center) == "mark"
    with pytest.raises(PlaywrightTimeoutError, match="intercepts pointer events"):
        week.check(timeout=400)
    desk.get_by_text("Week view").click()
    desk.get_by_text("By text message").click()
    desk.get_by_text("By email").click()
    desk.get_by_text("Compact rows").click()
    desk.get_by_role("button", name="Save preferences").click()
    expect(desk.get_by_text("Your preferences are saved.")).to_be_visible()
    expect(desk.get_by_role("radio", name="Week view")).to_be_checked()
    expect(desk.get_by_role("checkbox", name="By text message")).to_be_checked()
    expect(desk.get_by_role("checkbox", name="By email")).not_to_be_checked()
    expect(desk.get_by_role("checkbox", name="Compact rows")).to_be_checked()


def test_pdf_and_csv_downloads(desk: Page, tmp_path: Path) -> None:
    desk.goto("/patients/1002")
    with desk.expect_download() as pdf:
        desk.get_by_role("link", name="Download visit summary").click()
    assert pdf.value.suggested_filename == "visit-summary-NW-4484-240.pdf"
    pdf.value.save_as(tmp_path / "summary.pdf")
    assert (tmp_path / "summary.pdf").read_bytes().startswith(b"%PDF")
    desk.goto("/claims?status=Denied")
    desk.get_by_role("button", name="Export").hover()
    with desk.expect_download() as report:
        desk.get_by_role("menuitem", name="Claims as CSV").click()
    assert report.value.suggested_filename == "claims-2026-11.csv"


def is_letter(response: Response) -> bool:
    return response.url.endswith("/patients/1001/coverage-letter.pdf")


def test_coverage_letter_opens_in_a_new_tab(desk: Page) -> None:
    desk.goto("/patients/1001")
    with desk.context.expect_event("response", is_letter) as answered, desk.expect_popup():
        desk.get_by_role("link", name="Open coverage letter").click()
    assert answered.value.headers["content-type"] == "application/pdf"
    assert answered.value.headers["content-disposition"].startswith("inline")


def test_menu_opens_under_the_pointer_only(desk: Page) -> None:
    desk.goto("/claims")
    entry = desk.get_by_role("menuitem", name="Count the rows")
    expect(entry).to_be_hidden()
    desk.get_by_role("button", name="Export").hover()
    expect(entry).to_be_visible()
    entry.click()
    expect(desk.get_by_text("25 rows counted")).to_be_visible()
    desk.mouse.move(600, 700)
    desk.get_by_role("button", name="Apply").focus()
    expect(entry).to_be_hidden()


def test_claims_load_while_one_scrolls(desk: Page) -> None:
    desk.goto("/claims")
    count = desk.get_by_role("status").first
    expect(count).to_have_text("25 of 180 claims shown")
    desk.mouse.wheel(0, 2000)
    expect(count).to_have_text("50 of 180 claims shown")
    while count.inner_text() != "180 of 180 claims shown":
        before = desk.get_by_role("row").count()
        desk.mouse.wheel(0, 4000)
        expect(desk.get_by_role("row")).not_to_have_count(before)
    expect(desk.locator("#claims-more")).to_be_hidden()
    assert len(set(desk.locator("#claims tbody tr td:first-child").all_inner_texts())) == 180


def test_triage_button_moves_and_is_enabled_late(desk: Page) -> None:
    desk.goto("/triage")
    button = desk.get_by_role("button", name="Take next referral")
    expect(button).to_be_disabled()
    before = button.bounding_box()
    button.click()
    after = button.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] > before["x"]
    assert after["y"] > before["y"]
    expect(desk.get_by_text("You took the referral of Hyejin Park.")).to_be_visible()


def test_slow_effect_keeps_one_waiting(page: Page, portal: Portal) -> None:
    page.goto("/effects/slow?id=late&seconds=1.5")
    button = page.get_by_role("button", name="Record effect")
    expect(button).to_be_disabled()
    expect(page.get_by_role("timer")).to_have_text("Ready in 2 s")
    button.click()
    expect(page.get_by_test_id("effect-count")).to_have_text("1")
    assert portal.count("late") == 1


def test_markup_names_everything_for_assistive_software(desk: Page) -> None:
    """The automations find elements by role and name, as a screen reader does."""
    for path in ("/schedule", "/patients/1001", "/intake/patient", "/claims", "/notes", "/preferences", "/login"):
        desk.goto(path)
        violations = Axe().run(desk).response["violations"]
        assert [(found["id"], found["nodes"][0]["html"]) for found in violations] == [], path


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_window(desk: Page, width: int) -> None:
    desk.set_viewport_size({"width": width, "height": 800})
    for path in ("/schedule", "/patients/1001", "/claims", "/intake/patient", "/preferences"):
        desk.goto(path)
        assert desk.evaluate("document.documentElement.scrollWidth") <= width, path
