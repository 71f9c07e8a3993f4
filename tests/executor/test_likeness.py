import pytest

from automation import parse_locator
from executor.likeness import Wanted, rank, role_likeness, wanted_by, words_likeness


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ('get_by_role("button", name="Save")', Wanted(role="button", words="Save")),
        (
            'get_by_role("row").filter(has_text="Ann").get_by_role("link").first',
            Wanted(role="link", context="Ann"),
        ),
        ('get_by_text(re.compile(r"^Total: \\d+"))', Wanted(words="Total")),
        ('locator("#saveButton.primary")', Wanted(hints="save button primary")),
        ('locator("button", has_text="Go")', Wanted(tag="button", words="Go")),
        ('get_by_label("Member ID")', Wanted(words="Member ID")),
        ('get_by_placeholder("Find")', Wanted(role="textbox", words="Find", attributes={"placeholder": "Find"})),
        ('get_by_alt_text("Logo")', Wanted(role="img", words="Logo")),
        ('get_by_title("Close")', Wanted(words="Close")),
        ('get_by_test_id("saveAll-2")', Wanted(hints="save all", attributes={"data-testid": "saveAll-2"})),
        (
            """locator("form#login > input[name='user']")""",
            Wanted(tag="input", hints="user", attributes={"name": "user"}, context="login"),
        ),
        (
            """locator("xpath=//div[@id='menu']//a[text()='Log out']")""",
            Wanted(tag="a", words="Log out", context="menu"),
        ),
        (
            """locator("//input[@placeholder='City']")""",
            Wanted(tag="input", words="City", attributes={"placeholder": "City"}),
        ),
        ('locator("text=Sign in")', Wanted(words="Sign in")),
        ("""locator("tr:has-text('C-2') .open")""", Wanted(hints="open", context="C-2")),
        (
            """locator("[role=tab][aria-label='Notes']")""",
            Wanted(role="tab", words="Notes", attributes={"aria-label": "Notes"}),
        ),
        ('get_by_role("listitem").filter(has=page.get_by_text("Blue"))', Wanted(role="listitem", words="Blue")),
        ('locator("//..")', Wanted()),
        ('get_by_role("button").nth(2)', Wanted(role="button")),
    ],
)
def test_what_a_command_means_is_read_from_its_last_finder(command: str, wanted: Wanted) -> None:
    parsed = parse_locator(command)
    assert parsed is not None

    assert wanted_by(parsed) == wanted


@pytest.mark.parametrize(
    ("wanted", "found", "at_least", "at_most"),
    [
        ("Save", "save", 1.0, 1.0),
        ("Größe", "Groesse", 0.6, 0.95),
        ("Save", "Save draft", 0.75, 0.95),
        ("Save", "Speichern", 0.6, 0.85),
        ("Submit claim", "Send claim", 0.8, 0.97),
        ("Sumbit", "Submit", 0.6, 0.9),
        ("Save", "Delete", 0.0, 0.3),
        ("Save", "", 0.0, 0.0),
        ("", "Save", 0.0, 0.0),
        ("cat", "category", 0.5, 0.95),
        ("x" * 80, "x" * 79 + "y", 0.0, 1.0),
    ],
)
def test_words_are_alike_when_people_would_say_so(wanted: str, found: str, at_least: float, at_most: float) -> None:
    assert at_least <= words_likeness(wanted, found) <= at_most


def test_roles_that_pages_exchange_are_kindred() -> None:
    assert role_likeness("button", "button") == 1
    assert 0 < role_likeness("button", "link") < 1
    assert role_likeness("button", "textbox") == 0


def test_without_any_clue_nothing_is_like_it() -> None:
    [(_, likeness)] = rank([{"role": "button", "name": "Save"}], Wanted())

    assert likeness.score == 0


def test_the_row_decides_between_elements_that_are_else_the_same() -> None:
    rows = [{"role": "button", "name": "Edit", "row": f"{name} Edit"} for name in ("Ada", "Grace", "Alan")]

    [first, *_] = rank(rows, Wanted(role="button", words="Edit", context="Grace"))

    assert first[0] == 1
    assert "same surroundings" in first[1].reason
