"""What a cover is judged to be, and which of its controls would be used, without a browser."""

from typing import Any

import pytest

from executor.overlays.covers import Control, Cover, joined, kind_of_cover, may_escape, ways_out


def cover(*controls: str | Control, text: str = "Something", **fields: Any) -> Cover:
    made = [each if isinstance(each, Control) else control(each) for each in controls]
    values: dict[str, Any] = {
        "number": 0, "title": "", "text": text, "is_modal": True, "is_known_consent": False, "names_cookies": False,
        "covers_middle": False, "fields": 0, "asks_for_email": False, "has_typed_text": False, "has_password": False,
        "has_frames": False, "controls": made,
    }  # fmt: skip
    return Cover(**{**values, **fields})


def control(text: str = "", **fields: Any) -> Control:
    return Control(**{"number": 0, "text": text, "name": "", "closes": False, "navigates": False, "submits": False}
                   | fields)  # fmt: skip


COOKIES = "We use cookies to make this site better."


@pytest.mark.parametrize(
    "accept",
    ["Accept", "Accept all cookies", "I agree", "Allow all", "Agree & close", "Alle akzeptieren", "Zustimmen",
     "Tout accepter", "J'accepte", "Aceptar todo", "Aceptar y cerrar", "Accetta tutti", "Aceitar todos",
     "Alles accepteren", "Akceptuję wszystkie", "Acceptera alla", "Tillad alle", "Godta alle"],
)  # fmt: skip
def test_cookies_are_accepted_in_each_language(accept: str) -> None:
    notice = cover("Settings", "Nur notwendige", accept, text=COOKIES)

    assert kind_of_cover(notice) == "consent"
    assert next(ways_out(notice)).text == accept


@pytest.mark.parametrize(
    "decline",
    ["No thanks", "No, thank you", "Not now", "Maybe later", "Remind me later", "Skip", "Don't show again",
     "No, I like paying more", "Continue to site", "Nein danke", "Jetzt nicht", "Non merci", "Plus tard", "No, gracias",
     "Ahora no", "No grazie", "Não, obrigado", "Agora não", "Nee, bedankt", "Niet nu", "Nie teraz", "Nej tack",
     "Nei takk", "Ikke nå"],
)  # fmt: skip
def test_an_offer_is_declined_in_each_language(decline: str) -> None:
    offer = cover("Yes, delete my doubts", decline)

    assert kind_of_cover(offer) == "nag"
    assert next(ways_out(offer)).text == decline


@pytest.mark.parametrize("close", ["×", "✕", "Close", "Dismiss", "Close dialog", "Schließen", "Fermer", "Cerrar",
                                   "Chiudi", "Fechar", "Sluiten", "Zamknij", "Stäng", "Luk"])  # fmt: skip
def test_an_offer_is_closed_by_its_cross(close: str) -> None:
    assert [each.text for each in ways_out(cover("Learn more", close))] == [close]


@pytest.mark.parametrize(
    "controls",
    [
        ("Cancel", "Delete"),
        ("×", "Remove patient"),
        ("No", "Yes"),
        ("OK", "Cancel"),
        ("×", "Pay $50"),
        ("Stay signed in", "Log out"),
        ("Accept", "Decline"),
        ("I agree",),
        ("Löschen", "×"),
        ("Supprimer", "×"),
        ("Close", "Send"),
        ("×", "Sign"),
    ],
)
def test_the_pages_own_questions_have_no_way_out(controls: tuple[str, ...]) -> None:
    question = cover(*controls)

    assert kind_of_cover(question) == "own"
    assert list(ways_out(question)) == []
    assert not may_escape(question)


@pytest.mark.parametrize(
    "fields",
    [
        {"has_password": True},
        {"has_typed_text": True, "fields": 1},
        {"fields": 1},
        {"fields": 6, "asks_for_email": True},
        {"is_modal": False},  # a panel at the side
    ],
)
def test_forms_and_panels_are_the_pages_own(fields: dict[str, Any]) -> None:
    assert kind_of_cover(cover("Subscribe", "×", **fields)) == "own"


def test_a_newsletter_is_no_form_of_the_page() -> None:
    newsletter = cover("Subscribe", "×", "Send", fields=2, asks_for_email=True)

    assert kind_of_cover(newsletter) == "nag"
    assert [each.text for each in ways_out(newsletter)] == ["×"]


@pytest.mark.parametrize(
    ("controls", "fields", "kind"),
    [
        (("OK",), {}, "consent"),
        (("OK", "Cancel"), {"text": "Clear all cookies?"}, "own"),
        (("Delete",), {"text": "Delete your cookies?"}, "own"),
        (("Accept",), {"fields": 2}, "own"),
        (("Save choices",), {"is_known_consent": True, "fields": 2}, "consent"),
        (("Accept",), {"text": "We value you", "names_cookies": True}, "consent"),
        (("Accept",), {"text": "Our privacy policy names partners and tracking"}, "consent"),
        (("Accept",), {"text": "Consent to the treatment"}, "own"),
    ],
)
def test_what_is_about_cookies(controls: tuple[str, ...], fields: dict[str, Any], kind: str) -> None:
    assert kind_of_cover(cover(*controls, **{"text": COOKIES, **fields})) == kind


def test_links_to_elsewhere_and_forms_are_no_way_out() -> None:
    controls = [control("Accept", navigates=True), control("Accept", submits=True), control("Reject all")]

    assert [each.text for each in ways_out(cover(*controls, text=COOKIES))] == ["Reject all"]


def test_an_icon_without_a_name_counts_by_its_class() -> None:
    icon = control(closes=True)
    named = control("Close the claim", closes=True)

    assert list(ways_out(cover(icon))) == [icon]
    assert list(ways_out(cover(named))) == []


def test_a_notice_with_one_button_is_answered() -> None:
    assert [each.text for each in ways_out(cover("OK"))] == ["OK"]
    assert list(ways_out(cover("OK", "Tell me more"))) == []


@pytest.mark.parametrize(
    ("notice", "may"),
    [
        (cover("Learn more"), True),
        (cover("Learn more", is_modal=False, covers_middle=True), True),
        (cover("Frobnicate"), False),
        (cover(text=""), False),
        (cover(control(closes=True)), True),
    ],
)
def test_escape_is_for_what_is_known(notice: Cover, may: bool) -> None:
    assert may_escape(notice) is may


def test_a_name_that_is_a_sentence_is_none() -> None:
    assert list(ways_out(cover("Close " + "very " * 20))) == []


def test_what_a_frame_shows_belongs_to_the_cover_around_it() -> None:
    inner = cover(control("Accept", number=0), text=COOKIES, title="Cookies", fields=1, has_password=True)
    whole = joined(cover(control("×", number=0), text="around"), inner)

    assert [(each.text, each.number) for each in whole.controls] == [("×", 0), ("Accept", 1)]
    assert (whole.title, whole.fields, whole.has_password) == ("Cookies", 1, True)
    assert "cookies" in whole.text
    assert str(whole) == "“Cookies”"
    assert str(cover()) == "something without a text"
