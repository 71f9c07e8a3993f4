import pytest

from automation import parse_locator
from executor.locators import Wanted, wanted_by


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ('get_by_role("button", name="Save")', Wanted("button", "Save")),
        ('get_by_role("row").filter(has_text="x").get_by_role("link").first', Wanted("link", "")),
        ('get_by_text(re.compile(r"^Total: \\d+"))', Wanted(None, "Total")),
        ('locator("#saveButton.primary")', Wanted(None, "save button primary ")),
        ('locator("button", has_text="Go")', Wanted(None, "button Go")),
        ('get_by_label("Member ID")', Wanted(None, "Member ID")),
    ],
)
def test_what_a_command_means_is_read_from_its_last_finder(command: str, wanted: Wanted) -> None:
    parsed = parse_locator(command)
    assert parsed is not None

    assert wanted_by(parsed) == wanted
